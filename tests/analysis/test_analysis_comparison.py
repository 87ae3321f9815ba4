"""Two results against each other: voxel sizes, shift, phase, ramp and twin are resolved; what is left is what differs."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_autophase.analysis import compare_results, twin
from napari_autophase.analysis.align import fitted
from napari_autophase.analysis.comparison_picture import draw_comparison
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import InputError

Q = np.array([4.0, 25.0, -9.0])
SHEARED = np.array([[0.4, 0.5, 5.1], [0.9, 5.4, -0.6], [6.0, 0.8, 0.7]])


def crystal(
    steps: np.ndarray, shape=(40, 44, 48), wave: float = 0.0, name: str = "crystal"
) -> Reconstruction:
    """A lop-sided ellipsoid of 150 nm with a smooth displacement, sampled on any grid; `wave` adds another in rad."""
    index = np.indices(shape) - np.array(shape)[:, None, None, None] // 2
    x, y, z = np.tensordot(steps, index, 1)
    depth = (
        1 - np.sqrt((x / 80) ** 2 + (y / 60) ** 2 + ((z + 0.3 * x) / 55) ** 2) - 0.18 * np.tanh((x + y) / 30)
    )
    amplitude = 0.5 * (1 + np.tanh(12 * depth))
    phase = (
        0.9 * np.sin(x / 28) * np.cos(y / 33)
        + 0.6 * np.cos(z / 25 + 0.7)
        + wave * np.sin(y / 9) * np.cos(z / 11)
    )
    return Reconstruction(
        object=(amplitude * np.exp(1j * phase)).astype(np.complex64),
        support=amplitude > 0.05,
        recipe=Recipe(),
        figures={},
        voxel_steps_nm=steps,
        q_bragg_per_nm=Q,
        name=name,
    )


REFERENCE = crystal(SHEARED, name="reference")


def test_the_same_crystal_on_another_grid_agrees_in_amplitude_phase_and_strain():
    """Finer voxels, another shear: by index the two have nothing in common."""
    turn = np.array([[0.9, 0.1, 0.0], [0.0, 0.85, 0.15], [0.05, 0.0, 0.8]])
    other = crystal(SHEARED @ turn, (56, 60, 64), name="finer")
    for one, two in ((other, REFERENCE), (REFERENCE, other)):
        found = compare_results(one, two)
        assert found.figures["correlation"] > 0.995
        assert found.figures["amplitude_correlation"] > 0.995
        assert found.figures["phase_correlation"] > 0.995
        assert found.figures["strain_correlation"] > 0.98
        assert found.figures["phase_error"] < 0.03
        assert found.figures["support_iou"] > 0.93
        np.testing.assert_allclose(found.steps, SHEARED)  # the larger voxels
    by_index = compare_results(replace(other, voxel_steps_nm=SHEARED), REFERENCE).figures
    assert by_index["correlation"] < 0.95


def test_voxels_of_twice_the_size_are_not_a_crystal_of_half_the_size():
    coarse = crystal(SHEARED * 2, (24, 24, 26), name="coarse")
    found = compare_results(REFERENCE, coarse)
    assert found.figures["correlation"] > 0.98
    assert found.one.shape[0] < 36
    assert (
        compare_results(replace(REFERENCE, voxel_steps_nm=SHEARED * 2), coarse).figures["correlation"] < 0.9
    )


def test_shift_phase_ramp_and_twin_are_resolved():
    index = np.indices(REFERENCE.shape) - np.array(REFERENCE.shape)[:, None, None, None] // 2
    moved = np.fft.ifftn(ndimage.fourier_shift(np.fft.fftn(REFERENCE.object), (1.4, -2.3, 0.6)))
    moved = 3 * moved * np.exp(1j * (1.1 + np.tensordot([0.08, -0.05, 0.11], index, 1)))
    support = np.abs(moved) > 0.1 * np.abs(moved).max()
    one = replace(REFERENCE, object=twin(moved).astype(np.complex64), support=twin(support), name="other")
    found = compare_results(one, REFERENCE)
    assert found.figures["correlation"] > 0.995
    assert found.figures["strain_correlation"] > 0.98
    assert found.alignment.twin
    assert any("twin" in note for note in found.notes)
    assert not compare_results(REFERENCE, REFERENCE).alignment.twin


SMALL = crystal(2 * SHEARED, (20, 22, 24), name="small")
UNPLACED = replace(SMALL, voxel_steps_nm=None, q_bragg_per_nm=None, name="other")


def run_otherwise(change) -> object:
    """The same crystal, its array changed."""
    return replace(UNPLACED, object=change(SMALL.object), support=change(SMALL.support).real > 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: a[:, :, ::-1], "agrees to 1.000 mirrored along axis 2:"),
        (lambda a: a[::-1, ::-1], "mirrored along axis 0 and 1:"),
        (lambda a: a.transpose(1, 2, 0), "with its axes in the order 2, 0, 1: .*say --axes 2,0,1"),
        (
            lambda a: a.transpose(1, 0, 2)[::-1],
            "mirrored along axis . and with its axes in the order 1, 0, 2:",
        ),
        (
            lambda a: np.conj(a).transpose(2, 1, 0),
            "with its axes in the order 2, 1, 0 and a phase of the other sign: .*say --axes 2,1,0 --conjugate",
        ),
        (np.conj, "With a phase of the other sign other agrees to 1.000: .*\\(--conjugate"),
    ],
)
def test_arrays_that_run_otherwise_are_named(change, says):
    found = compare_results(run_otherwise(change), SMALL)
    assert found.figures["correlation"] < 0.95
    assert any(re.search(says, note) for note in found.notes), found.notes


def test_crystals_that_differ_are_not_said_to_run_otherwise():
    noise = np.random.default_rng(0).normal(0, 1, (2, *SMALL.shape))
    spoilt = SMALL.object * (1 + 0.6 * (noise[0] + 1j * noise[1]))
    one = replace(UNPLACED, object=spoilt.astype(np.complex64))
    found = compare_results(one, SMALL)
    assert found.figures["correlation"] < 0.95
    assert not any("run alike" in note or "other sign" in note for note in found.notes)
    assert len(compare_results(UNPLACED, SMALL).notes) == 1  # of the geometry


def test_strain_that_differs_is_told_though_the_objects_agree():
    """What happens between runs on measured scans: the phase is a tenth of a radian off, and strain shares little."""
    one = crystal(SHEARED, wave=0.35, name="wavy")
    found = compare_results(one, REFERENCE)
    assert found.figures["correlation"] > 0.96
    assert found.figures["phase_correlation"] > 0.9
    assert found.figures["strain_correlation"] < 0.6
    # ∂/∂Q̂ of the wave over |Q|, by central differences of a known function
    u = lambda y, z: -0.35 * np.sin(y / 9) * np.cos(z / 11) / np.linalg.norm(Q)  # noqa: E731
    index = np.indices(found.core.shape) - np.array(found.core.shape)[:, None, None, None] // 2
    _, y, z = np.tensordot(SHEARED, index, 1)
    step, along = 1e-3, Q / np.linalg.norm(Q)
    slope = (u(y + step * along[1], z + step * along[2]) - u(y - step * along[1], z - step * along[2])) / (
        2 * step
    )
    expected = np.sqrt(np.mean(slope[found.core] ** 2))
    assert found.figures["strain_difference"] == pytest.approx(expected, rel=0.2)


def test_without_geometry_the_phased_grids_say_how_large_voxels_are():
    """One scan, cropped to 40 frames by one program and to 60 by the other."""
    steps = np.diag([5.0, 5.0, 5.0])[::-1]
    one = replace(
        crystal(steps @ np.diag([60 / 40, 1, 1]), (40, 44, 48)), voxel_steps_nm=None, q_bragg_per_nm=None
    )
    other = replace(crystal(steps, (60, 44, 48), name="other"), voxel_steps_nm=None, q_bragg_per_nm=None)
    found = compare_results(one, other)
    assert found.figures["correlation"] > 0.99
    assert "40 × 44 × 48 and 60 × 44 × 48" in found.notes[0]
    # the same voxels in a larger array, as after binning or padding in direct space
    padded = replace(one, object=fitted(one.object, (64, 64, 64)), support=fitted(one.support, (64, 64, 64)))
    found = compare_results(one, padded)
    assert found.figures["correlation"] == pytest.approx(1, abs=1e-3)
    assert "taken to be equal" in found.notes[0]
    # a part of the grid that it was phased on, as PyNX saves it
    part = replace(
        one,
        object=fitted(one.object, (30, 40, 40)),
        support=fitted(one.support, (30, 40, 40)),
        phased_shape=(40, 44, 48),
    )
    assert compare_results(part, other).figures["correlation"] > 0.99


def test_nothing_is_compared_with_an_empty_result():
    empty = replace(REFERENCE, support=np.zeros(REFERENCE.shape, bool), name="nothing")
    with pytest.raises(InputError, match="nothing is empty"):
        compare_results(empty, REFERENCE)


def test_crystals_that_stood_otherwise_are_said_to():
    turned = replace(REFERENCE, q_bragg_per_nm=np.array([12.0, 22.0, -9.0]))
    assert any("degrees apart" in note for note in compare_results(turned, REFERENCE).notes)


@pytest.mark.parametrize("known", [True, False])
def test_the_picture_shows_both_and_their_difference(tmp_path, known):
    one = crystal(SHEARED, wave=0.35)
    pair = (
        [one, REFERENCE]
        if known
        else [replace(each, voxel_steps_nm=None, q_bragg_per_nm=None) for each in (one, REFERENCE)]
    )
    figure = draw_comparison(compare_results(*pair), ("one", "other"), tmp_path / "c.png")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["one", "other", "difference"] * 3
    shown = " ".join(text.get_text() for text in figure.texts)
    assert ("strain (%), relative to the mean" in shown) == known
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_long_names_stand_in_the_title_of_the_picture_and_letters_over_its_columns():
    names = (
        "first_night/Pt_grain_3/reconstruction_best.cxi",
        "last_night/Pt_grain_3/reconstruction_best.cxi",
    )
    figure = draw_comparison(compare_results(REFERENCE, REFERENCE), names)
    figure.draw_without_rendering()
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["A", "B", "difference"] * 3
    title = figure.texts[0]
    assert title.get_text() == f"A: {names[0]} and B: {names[1]}"
    assert title.get_window_extent().x1 < figure.bbox.x1

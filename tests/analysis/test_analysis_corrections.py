"""What is done to objects before phase and strain: against lengths of chords, plane waves in matter and Gaussians."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_autophase import analysis, export, formats
from napari_autophase.analysis.corrections import apodised, index_of_refraction, window
from napari_autophase.analysis.paths import path_lengths
from napari_autophase.cli import main
from napari_autophase.faults import InputError
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruct import run
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import Scan
from napari_autophase.simulation import PLATINUM_111, simulate

SHEARED = np.array([[0.4, 0.5, 7.1], [0.9, 7.4, -2.6], [8.0, 2.8, 0.7]])
"""Voxel steps in nm, columns; x, y, z."""
SHAPE = (38, 40, 36)
KEV = PLATINUM_111.energy_kev
WAVE = 2 * np.pi * KEV / 1.239842
"""1/nm."""
Q = np.array([-3.0, 22.0, -6.0])
Q = Q * (-2 * WAVE * Q[2] / (Q @ Q))  # of elastic scattering: |k + Q| = k
VOXEL = float(abs(np.linalg.det(SHEARED)) ** (1 / 3))


def places(steps: np.ndarray = SHEARED, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    index = np.indices(shape) - np.array(shape)[:, None, None, None] // 2
    return np.tensordot(steps, index, 1)


def chord(r: np.ndarray, radius: float, way: np.ndarray) -> np.ndarray:
    """From r inside a ball about 0 to its surface along a unit vector."""
    along = np.tensordot(way, r, 1)
    return -along + np.sqrt(np.maximum(along**2 + radius**2 - (r**2).sum(0), 0))


@pytest.mark.parametrize("way", [(0, 0, 1), (0, 0, -1), (0.3, 0.9, -0.4), (-1, 0.2, 0.1), (0.6, -0.6, 0.6)])
def test_ways_through_a_ball_are_its_chords_on_a_sheared_grid(way):
    r, radius = places(), 80.0
    unit = np.array(way) / np.linalg.norm(way)
    inside = np.linalg.norm(r, axis=0) < radius
    lengths = path_lengths(inside, inside, SHEARED, np.array(way, float))
    off = (lengths - chord(r, radius, unit))[inside]
    assert abs(off.mean()) < 0.2 * VOXEL
    # where the way grazes the surface a voxel more or less is a long way
    assert np.percentile(np.abs(off), 95) < 0.8 * VOXEL
    # what is ahead and what is behind make the whole chord
    behind = path_lengths(inside, inside, SHEARED, -unit)
    whole = chord(r, radius, unit) + chord(r, radius, -unit)
    assert np.abs((lengths + behind - whole)[inside]).mean() < 0.4 * VOXEL


def test_ways_through_a_cube_along_its_axes_are_exact():
    steps = np.diag([4.0, 5.0, 6.0])  # axis 0 is x
    inside = np.zeros((20, 22, 24), bool)
    inside[5:15, 6:16, 7:17] = True
    ahead = path_lengths(inside, inside, steps, np.array([1.0, 0, 0]))
    np.testing.assert_allclose(ahead[5:15, 8, 9], 4 * (np.arange(10)[::-1] + 0.5), rtol=1e-5)
    behind = path_lengths(inside, inside, steps, np.array([0, 0, -2.0]))
    np.testing.assert_allclose(behind[8, 9, 7:17], 6 * (np.arange(10) + 0.5), rtol=1e-5)


def test_what_lies_in_two_parts_is_counted_twice_and_nothing_in_between():
    inside = np.zeros((20, 10, 10), bool)
    inside[2:5], inside[9:12] = True, True
    around = np.ones_like(inside)
    ahead = path_lengths(inside, around, np.eye(3), np.array([1.0, 0, 0]))
    assert ahead[0, 5, 5] == pytest.approx(6)
    assert ahead[7, 5, 5] == pytest.approx(3)
    assert ahead[15, 5, 5] == 0
    assert not path_lengths(np.zeros_like(inside), around, np.eye(3), np.array([1.0, 0, 0])).any()


DELTA, BETA = 5.2e-5, 4.7e-6


def ball_in_light(phase: float = 0.0, radius: float = 80.0) -> tuple[Reconstruction, np.ndarray]:
    """A ball as it is found with light that it refracts and absorbs, and as it is."""
    r = places()
    true = (np.linalg.norm(r, axis=0) < radius) * np.exp(1j * phase * r[1] ** 2 / radius**2)
    beam = np.array([0.0, 0, 1])
    out = WAVE * beam + Q
    out /= np.linalg.norm(out)
    length = chord(r, radius, -beam) + chord(r, radius, out)
    # a plane wave exp(ink·r) of n = 1 − δ + iβ against exp(ik·r) outside
    index = 1 - DELTA + 1j * BETA
    seen = true * np.exp(1j * WAVE * (index - 1) * length)
    found = Reconstruction(
        object=seen.astype(np.complex64),
        support=np.abs(true) > 0,
        recipe=Recipe().with_settings({"analyse.refraction": [DELTA, BETA]}),
        figures={"chi2": 0.01},
        geometry=PLATINUM_111,
        voxel_steps_nm=SHEARED,
        q_bragg_per_nm=Q,
        name="ball",
    )
    return found, true


def test_the_wave_vectors_of_the_example_are_possible():
    assert np.linalg.norm(WAVE * np.array([0, 0, 1]) + Q) == pytest.approx(WAVE)


def test_refraction_and_absorption_are_undone():
    found, true = ball_in_light(phase=1.0)
    there = found.corrected
    inside = found.support
    before, after = (np.angle(each.object * np.conj(true))[inside] for each in (found, there))
    assert np.ptp(before) > 0.35
    assert np.abs(after).max() < 0.25 * np.ptp(before)
    assert after.std() < 0.15 * before.std()
    assert np.ptp(np.abs(found.object)[inside]) > 0.03
    assert np.abs(np.abs(there.object[inside]) - 1).max() < 0.01
    assert there.corrected is there  # once
    assert found.corrected is there
    (said,) = there.corrections
    assert said.name == "corrected for refraction (δ 5.2e-05, β 4.7e-06)"
    assert "as given" in said.words


def test_strain_and_mean_lattice_are_those_of_the_corrected_object():
    found, _ = ball_in_light()
    plain = replace(found, recipe=Recipe())
    with_, without = analysis.quantities(found, 0.5), analysis.quantities(plain, 0.5)
    core = np.isfinite(with_.strain) & np.isfinite(without.strain)
    assert np.abs(without.strain[core]).std() > 2 * np.abs(with_.strain[core]).std()
    # the slope that refraction makes moves the peak, and with it the mean lattice
    assert analysis.mean_lattice(found).q_per_nm == pytest.approx(Q, rel=2e-5)
    assert np.abs(analysis.mean_lattice(plain).q_per_nm - Q).max() > 1e-3
    # along the beams of the laboratory, whatever frame is shown
    turned = export.maps_of(found, frame="crystal").volumes["phase"].values
    assert np.nanstd(turned) < 0.03
    assert np.nanstd(export.maps_of(plain, frame="crystal").volumes["phase"].values) > 0.05


def test_materials_are_looked_up_and_what_is_not_known_is_said():
    pytest.importorskip("xrayutilities")
    delta, beta, source = index_of_refraction("Pt", 9.0)
    # of free electrons, r_e λ² n/2π, 4 atoms of 78 in a cube of 0.39231 nm; some are bound
    free = 2.8179403e-6 * (1.239842 / 9) ** 2 * 4 * 78 / 0.39231**3 / (2 * np.pi)
    assert 0.88 * free < delta < free
    assert 2e-6 < beta < 6e-6
    assert source == "Pt at 9 keV, xrayutilities"
    found, _ = ball_in_light()
    for refraction, words in (("Unobtainium", "no material"), ("os", "no material")):
        with pytest.raises(InputError, match=words):
            analysis.with_corrections(found, refraction=refraction).corrected  # noqa: B018
    with pytest.raises(InputError, match="geometry"):
        replace(found, voxel_steps_nm=None).corrected  # noqa: B018
    with pytest.raises(InputError, match="leaves no light"):
        analysis.with_corrections(found, refraction="1e-5,0.05").corrected  # noqa: B018
    for wrong in ({"refraction": "1e-5,-2"}, {"apodise": "square:3"}, {"apodise": "hann:-1"}):
        with pytest.raises(InputError, match=r"analyse\."):
            analysis.with_corrections(found, **wrong)


def test_a_scan_without_geometry_is_not_phased_when_its_refraction_is_to_be_corrected():
    scan = Scan(simulate(3, 16, geometry=None, oversampling=(2, 2, 2)).scan.counts)
    with pytest.raises(InputError, match="along the beams"):
        run(scan, Recipe().with_settings({"analyse.refraction": [1e-5, 0]}))


@pytest.mark.parametrize("kind", ["gaussian", "hann", "blackman"])
def test_windows_have_their_width(kind):
    # a Gaussian of 5 nm full width at half maximum falls to ½ at √(2 ln 2) σ_f, σ_f = 1/2πσ
    sigma = 5 / np.sqrt(8 * np.log(2))
    half = np.sqrt(2 * np.log(2)) / (2 * np.pi * sigma)
    found = window(kind, np.array([0, half, 0.3, 10]), 5.0)
    np.testing.assert_allclose(found, [1, 0.5, found[2], 0], atol=2e-3)
    assert -1e-9 < found[2] < 0.2
    f = np.linspace(0, 1, 200)
    assert (np.diff(window(kind, f, 5.0)) <= 1e-12).all()


def test_a_point_on_a_ramp_becomes_a_ball_of_the_width_on_the_same_ramp():
    point = np.zeros(SHAPE, np.complex64)
    point[19, 20, 18] = 1
    r = places()
    wide = apodised(point, "gaussian", 30.0, SHEARED)
    np.testing.assert_allclose(
        np.abs(wide) / np.abs(wide).max(), 2.0 ** -((np.linalg.norm(r, axis=0) / 15) ** 2), atol=2e-3
    )
    wave = np.exp(1j * (0.8 * r[0] - 0.3 * r[2]) / VOXEL * 0.9)
    ball = (np.linalg.norm(r, axis=0) < 60) + 0j
    level, turned = apodised(ball, "hann", 20.0, SHEARED), apodised(ball * wave, "hann", 20.0, SHEARED)
    core = np.linalg.norm(r, axis=0) < 40
    np.testing.assert_allclose(turned[core], (level * wave)[core], atol=0.02)


def test_apodised_maps_say_so_wherever_they_are_written(tmp_path, capsys):
    made = simulate(7, 32, oversampling=(2.5, 2.5, 2.5))
    quick = Recipe.from_preset("iterative").with_settings({"refine.algorithm": "20*ER"})
    formats.write(run(made.scan, quick), tmp_path / "r.cxi")
    outputs = ["-o", str(tmp_path / "a.npz"), "-o", str(tmp_path / "a.cxi")]
    command = ["analyse", str(tmp_path / "r.cxi"), "--apodise", "hann:40", *outputs]
    assert main(command) == 0
    name = "apodised (hann, 40 nm)"
    assert name in capsys.readouterr().out
    with np.load(tmp_path / "a.npz") as file:
        assert name in str(file["corrections"])
        assert name in str(file["meanings"])
        smooth = file["strain"]
    again = formats.read_reconstruction(tmp_path / "a.cxi")
    assert again.recipe.analyse.apodisation == "hann"
    assert again.quantities.named("strain") == f"strain, {name}"
    np.testing.assert_array_equal(again.object, formats.read_reconstruction(tmp_path / "r.cxi").object)
    plain = formats.read_reconstruction(tmp_path / "r.cxi").quantities
    assert plain.named("strain") == "strain"
    assert np.nanstd(smooth) < np.nanstd(plain.strain)
    assert main(["report", str(tmp_path / "a.cxi"), "-o", str(tmp_path / "a.html")]) == 0
    assert name in (tmp_path / "a.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["analyse", str(tmp_path / "a.cxi"), "--apodise", "off"]) == 0
    assert "apodised (" not in capsys.readouterr().out

"""The simulator's truth is true: physics, statistics, closed forms, reproducibility."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_autophase.analysis import orthogonalise, remove_ramp, strain
from napari_autophase.formats import read_scan, write_scan
from napari_autophase.geometry import frame
from napari_autophase.scan import InputError
from napari_autophase.simulation import KINDS, simulate, suite

SAMPLES = Path(__file__).resolve().parents[1] / "sample_data"


def field(x: np.ndarray) -> np.ndarray:
    return np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(x)))


def phase_of_truth(truth) -> np.ndarray:
    """Return the phase that the true displacement stands for: -Q·u."""
    return -np.linalg.norm(truth.q_bragg_per_nm) * truth.displacement_nm


@settings(max_examples=6)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(KINDS), phase_range=st.sampled_from([0.0, 2.0, 9.0]))
def test_counts_are_the_objects_intensity_with_photon_noise(seed, kind, phase_range):
    truth = simulate(seed, (32, 40, 36), kind=kind, phase_range=phase_range, peak=1e5)
    expected = np.abs(field(truth.object)) ** 2
    expected *= 1e5 / expected.max()
    residual = (truth.scan.counts - expected) ** 2 / np.maximum(expected, 1e-9)
    bright = expected > 10
    # Poisson: variance equals the mean; the mean of n such squares scatters by √(2/n)
    assert residual[bright].mean() == pytest.approx(1, abs=6 * np.sqrt(2.2 / np.count_nonzero(bright)))
    assert truth.scan.counts.sum() == pytest.approx(expected.sum(), abs=6 * float(np.sqrt(expected.sum())))


@settings(max_examples=6)
@given(
    seed=st.integers(0, 10**6), sampling=st.tuples(*[st.floats(2.0, 4.0)] * 3), kind=st.sampled_from(KINDS)
)
def test_the_crystal_has_the_oversampling_that_was_asked_for(seed, sampling, kind):
    truth = simulate(seed, 64, oversampling=sampling, kind=kind)
    for axis in range(3):
        filled = np.flatnonzero(
            (np.abs(truth.object) > 0.05).any(axis=tuple(a for a in range(3) if a != axis))
        )
        # corners thinner than a voxel are hardly seen
        assert np.ptp(filled) + 1 == pytest.approx(64 / sampling[axis], abs=2.2)
        assert filled.min() + filled.max() == pytest.approx(64, abs=2.2)


@settings(max_examples=6)
@given(seed=st.integers(0, 10**6), phase_range=st.floats(0.5, 15.0))
def test_phase_is_minus_q_u_and_has_the_range_asked_for(seed, phase_range):
    truth = simulate(seed, 32, phase_range=phase_range, off_centre=0.0)
    phase = phase_of_truth(truth)
    assert np.ptp(phase[truth.support]) == pytest.approx(phase_range, rel=1e-4)
    # what is left of the object's phase is the linear ramp that centres the peak: constant from voxel to voxel
    rest = truth.object * np.exp(-1j * phase)
    for axis in range(3):
        pair = truth.support & np.roll(truth.support, -1, axis)
        step = np.angle((np.roll(rest, -1, axis) * rest.conj())[pair])
        assert np.ptp(np.unwrap(np.sort(step))) == pytest.approx(0, abs=0.01)


def test_strain_is_the_derivative_of_the_displacement_along_q():
    truth = simulate(3, 64, phase_range=6.0, kind="wulff", oversampling=(2.0, 2.0, 2.0))
    slopes = np.stack(np.gradient(truth.displacement_nm.astype(float)), -1)  # nm per voxel
    gradient = slopes @ np.linalg.inv(truth.voxel_steps_nm)
    along = gradient @ truth.q_bragg_per_nm / np.linalg.norm(truth.q_bragg_per_nm)
    inside = truth.support.copy()
    for axis in range(3):  # where central differences see no surface
        inside &= np.roll(truth.support, 1, axis) & np.roll(truth.support, -1, axis)
    scale = np.abs(truth.strain[inside]).max()
    assert along[inside] == pytest.approx(truth.strain[inside], abs=0.03 * float(scale))
    assert scale > 1e-4


def test_analysis_finds_the_strain_of_the_true_object():
    """Sign and scale of the whole chain: object, ramp, voxel steps, Q, derivative."""
    truth = simulate(3, 64, phase_range=3.0, oversampling=(2.5, 2.5, 2.5))
    found = strain(
        remove_ramp(truth.object, truth.support), truth.support, truth.voxel_steps_nm, truth.q_bragg_per_nm
    )
    inside = ndimage.binary_erosion(truth.support, iterations=2)
    slope, offset = np.polyfit(truth.strain[inside], found[inside], 1)
    assert slope == pytest.approx(1, abs=0.02)
    # the mean lattice is a matter of definition: least squares in the simulator, circular mean in the analysis
    assert abs(offset) < 0.5 * truth.strain[inside].std()
    assert np.corrcoef(found[inside], truth.strain[inside])[0, 1] > 0.999


def test_a_dislocation_turns_the_phase_once():
    with_line, without = (simulate(4, 48, phase_range=0.0, dislocation=d, texture=0.0) for d in (True, False))
    assert not without.strain.any()
    assert np.ptp(phase_of_truth(with_line)[with_line.support]) == pytest.approx(2 * np.pi, rel=0.05)


def right_angles(solid: np.ndarray) -> float:
    """Return how much of a solid's surface is parallel or at right angles to its largest faces."""
    slope = np.stack(np.gradient(ndimage.gaussian_filter(solid, 1.0)), -1).reshape(-1, 3)
    area = np.linalg.norm(slope, axis=1)
    surface = area > 0.3 * area.max()
    normal, area = slope[surface] / area[surface, None], area[surface]
    largest = np.linalg.eigh((normal * area[:, None]).T @ normal)[1][:, -1]
    cosine = np.abs(normal @ largest)
    return float(area[(cosine > 0.95) | (cosine < 0.3)].sum() / area.sum())


def test_facets_meet_at_their_angles_in_nanometres_only():
    """The sides of a platelet, a prism, stand at right angles on its faces; on the sheared grid they do not."""
    truth = simulate(6, 96, kind="platelet", phase_range=0.0, texture=0.0, oversampling=(2.0, 2.0, 2.0))
    found, _ = orthogonalise(np.abs(truth.object), truth.voxel_steps_nm)
    assert right_angles(found) > 0.85
    assert right_angles(found) > 2 * right_angles(np.abs(truth.object))


def test_the_truths_frame_is_the_geometrys():
    truth = simulate(6, (32, 40, 36))
    steps, q = frame(truth.scan.geometry, (16, 20, 18), (32, 40, 36))
    assert np.array_equal(steps, truth.voxel_steps_nm)
    assert np.array_equal(q, truth.q_bragg_per_nm)
    size = np.linalg.norm(steps, axis=0)
    assert (size > 1).all()
    assert (size < 60).all()
    assert simulate(6, (32, 40, 36), geometry=None).scan.geometry is None


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6), off=st.sampled_from([0.0, 0.3]))
def test_the_peak_lies_at_the_centre_voxel(seed, off):
    truth = simulate(seed, 32, off_centre=off, peak=1e7)
    brightest = np.array(np.unravel_index(truth.scan.counts.argmax(), (32,) * 3))
    assert np.abs(brightest - 16).max() <= (0 if off == 0 else 1)


def test_same_seed_same_scan_other_seed_other_scan():
    one, same, other = simulate(7, 32), simulate(7, 32), simulate(8, 32)
    assert np.array_equal(one.scan.counts, same.scan.counts)
    assert np.array_equal(one.object, same.object)
    assert not np.array_equal(one.scan.counts, other.scan.counts)


def test_gaps_are_dark_masked_and_away_from_the_peak():
    for seed in range(5):
        scan = simulate(seed, 48, gaps=True).scan
        assert not scan.counts[scan.mask].any()
        assert not scan.mask[:, 20:28, 20:28].any()
        detector = scan.mask.all(0)
        assert np.array_equal(scan.mask.any(0), detector)
        assert detector.all(0).any()
        assert detector.all(1).any()
    assert simulate(0, 32).scan.mask is None


def test_hot_pixels_come_on_top_and_the_truth_stays():
    clean, spoilt = simulate(9, 32, peak=1e4), simulate(9, 32, peak=1e4, hot_pixels=6)
    assert np.array_equal(clean.object, spoilt.object)
    more = spoilt.scan.counts - clean.scan.counts
    assert more.min() == 0
    assert 4 <= np.count_nonzero((more > 0).any(0)) <= 6
    assert np.count_nonzero(more) >= 2 * 32


def test_background_and_saturation():
    scan = simulate(10, 32, background=9.0, peak=1e4).scan
    corner = scan.counts[:5, :5, :5]
    assert corner.mean() == pytest.approx(9, abs=2)
    assert simulate(10, 32, saturation=500).scan.counts.max() == 500


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"size": 8}, "at least 16"),
        ({"size": (32, 32)}, "three sides"),
        ({"kind": "banana"}, "choose one of"),
        ({"oversampling": (1.0, 2.0, 2.0)}, "at least 1.2"),
        ({"peak": 0.0}, "positive"),
        ({"phase_range": -1.0}, "negative"),
        ({"seed": -1}, "negative"),
    ],
)
def test_wrong_arguments_say_what_is_right(wrong, word):
    with pytest.raises(InputError, match=word):
        simulate(**wrong)


def test_suites_are_fixed_and_cover_what_they_promise():
    small, full = suite("small"), suite("full")
    assert small == suite("small")
    assert len(small) == 12
    assert sorted({case["size"] for case in full}) == [64, 96, 128]
    assert len({case["seed"] for case in full}) == len(full)
    assert full[: len(small)] == small
    ranges = [case["phase_range"] for case in small]
    assert (min(ranges), max(ranges)) == (0, pytest.approx(5 * np.pi, abs=1e-3))
    assert {case["peak"] for case in small} == {1e4, 1e5, 1e6}
    assert {case["gaps"] for case in small} == {True, False}
    assert {case["kind"] for case in small} == set(KINDS)
    with pytest.raises(InputError, match="small or full"):
        suite("huge")  # type: ignore[arg-type]


def test_it_shares_nothing_with_training():
    """A network is judged on crystals that its training could not have drawn."""
    import ast

    import napari_autophase.simulation as module

    names = [
        node.module or ""
        for path in Path(module.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    ]
    assert any("scan" in name for name in names)
    assert not [name for name in names if "training" in name or "network" in name]


@pytest.mark.parametrize("name", ["scan.h5", "scan.cxi"])
def test_a_simulated_scan_survives_its_file(tmp_path, name):
    scan = simulate(11, (32, 40, 36), gaps=True).scan
    write_scan(scan, tmp_path / name)
    found = read_scan(tmp_path / name)
    assert np.array_equal(found.counts, scan.counts)
    assert np.array_equal(found.mask, scan.mask)
    assert found.geometry.pixel_size_um == pytest.approx(scan.geometry.pixel_size_um)
    assert found.geometry.rocking_step_deg == pytest.approx(scan.geometry.rocking_step_deg)


def test_the_samples_are_what_their_script_makes(monkeypatch):
    monkeypatch.syspath_prepend(str(SAMPLES))
    arguments = __import__("make_samples").ARGUMENTS
    sys.modules.pop("make_samples")
    for name, how in arguments.items():
        path = SAMPLES / name
        assert path.stat().st_size < 1.5e6
        scan, made = read_scan(path), simulate(**how).scan
        # another machine's FFT may round a Poisson draw differently here and there
        assert np.mean(scan.counts != made.counts) < 1e-3
        assert (scan.mask is None) == (made.mask is None)


def test_the_blur_leaves_the_light_and_widens_the_peak_as_much_as_it_says():
    sharp, blurred = (
        simulate(7, 48, peak=1e8, coherence=width).scan.counts for width in (0.0, (1.5, 0.0, 0.7))
    )
    assert blurred.sum() / blurred.max() > 1.3 * sharp.sum() / sharp.max()

    def spread(counts: np.ndarray, axis: int) -> float:
        # of the middle only: the fringes' second moment would not converge
        profile = counts.sum(axis=tuple(k for k in range(3) if k != axis), dtype=float)
        spectrum = np.fft.fft(np.fft.ifftshift(profile))
        # the first harmonic of a profile that a Gaussian of σ pixels blurs falls by exp(−2π²σ²/N²)
        return float(np.sqrt(-np.log(abs(spectrum[1]) / spectrum[0].real) / 2) * len(profile) / np.pi)

    for axis, width in enumerate((1.5, 0.0, 0.7)):
        assert spread(blurred, axis) ** 2 - spread(sharp, axis) ** 2 == pytest.approx(width**2, abs=0.02)


def test_a_peak_that_wanders_moves_frame_by_frame_and_nothing_else_changes():
    still, moved = (simulate(8, 48, peak=1e8, drift=drift).scan.counts.astype(float) for drift in (0.0, 0.4))
    assert np.allclose(moved[24], still[24], atol=8 * np.sqrt(still[24].max()))  # the middle frame stays
    phases = [
        [np.angle(np.fft.fft(np.fft.ifftshift(frame.sum(axis)))[1]) for axis in (1, 0)]
        for frame in (moved[20], still[20])
    ]
    way = (np.array(phases[1]) - phases[0]) * 48 / (2 * np.pi)
    assert 0.05 < np.linalg.norm(way) < 4
    # moved back, it is the frame that stayed
    back = np.fft.ifft2(
        np.fft.fft2(moved[20])
        * np.exp(2j * np.pi * (way[0] * np.fft.fftfreq(48)[:, None] + way[1] * np.fft.fftfreq(48)))
    ).real
    assert np.abs(back - still[20]).max() < 0.02 * still[20].max()
    assert moved.sum() / moved.max() == pytest.approx(still.sum() / still.max(), rel=0.05)


def test_a_background_may_differ_from_frame_to_frame():
    frames = np.linspace(1, 9, 32)[:, None, None]
    counts = simulate(9, 32, peak=1.0, background=frames).scan.counts
    corner = counts[:, :6, :6].mean((1, 2))
    assert np.allclose(corner, frames[:, 0, 0], atol=5 * np.sqrt(9 / 36))


@pytest.mark.parametrize("wrong", [{"coherence": -0.1}, {"drift": -1.0}, {"background": np.array([-1.0])}])
def test_what_no_measurement_has_is_refused(wrong):
    with pytest.raises(InputError, match="negative"):
        simulate(0, 32, **wrong)

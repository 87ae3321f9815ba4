from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_autophase.analysis import (
    align,
    amplitude_ssim,
    chi2,
    compare_with_truth,
    level,
    normalise,
    strain_error,
    twin,
    unevenness,
)

SHAPE = (32, 30, 28)
r = np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] // 2
solid = (np.abs(r).max(axis=0) < 8) & (r.sum(axis=0) < 7) & (r[0] - 2 * r[2] < 11)
crystal = ndimage.gaussian_filter(solid.astype(float), 0.7) * np.exp(
    1j * (0.02 * r[0] ** 2 - 0.015 * r[1] * r[2])
)


def test_scaled_chi2_is_blind_to_scale_only_and_never_larger():
    rng = np.random.default_rng(0)
    measured = rng.random(SHAPE)
    modulus = measured + 0.1 * rng.normal(size=SHAPE)
    assert chi2(7 * measured, measured, scaled=True) == pytest.approx(0, abs=1e-12)
    assert chi2(7 * modulus, measured, scaled=True) == pytest.approx(chi2(modulus, measured, scaled=True))
    assert 0 < chi2(modulus, measured, scaled=True) <= chi2(modulus, measured)
    assert chi2(0 * modulus, measured, scaled=True) == 1
    # uncorrelated moduli: the least-squares scale leaves 1 − overlap²/(energies)
    overlap = (modulus * measured).sum() ** 2 / (modulus**2).sum() / (measured**2).sum()
    assert chi2(modulus, measured, scaled=True) == pytest.approx(1 - overlap)


def test_level_is_the_bulk_amplitude_in_a_box_of_any_size():
    flat = np.where(solid, 3.0, 0.0)
    assert level(flat) == pytest.approx(3)
    assert level(np.pad(flat, 9)) == pytest.approx(3)
    flat[16, 15, 14] = 9.0  # one bright voxel trebles the maximum, and hardly moves the level
    assert level(flat) == pytest.approx(3, rel=0.05)
    assert level(0 * flat) == 0


def test_ssim_relative_to_the_level_forgives_a_bright_voxel():
    spoilt = np.abs(crystal)
    spoilt[16, 15, 14] *= 3
    assert amplitude_ssim(spoilt, np.abs(crystal), scale=level) > 0.97
    assert amplitude_ssim(spoilt, np.abs(crystal)) < 0.95


def test_the_truth_moved_twinned_and_scaled_is_perfect_and_a_wrong_phase_is_measured_in_the_whole_crystal():
    moved = np.fft.ifftn(ndimage.fourier_shift(np.fft.fftn(twin(crystal)), (1.3, -0.6, 2.2))) * 5j
    figures = compare_with_truth(moved, crystal, solid)
    assert figures["correlation"] > 0.999
    assert figures["amplitude_ssim"] > 0.98
    assert figures["support_iou"] > 0.95
    assert figures["phase_error"] < 0.03

    half = np.where(r[0] > 0, crystal * np.exp(0.6j * (r[1] > 0)), crystal)
    wrong = compare_with_truth(half, crystal, solid)
    assert 0.05 < wrong["phase_error"] < 0.3
    missing = compare_with_truth(np.where(r[2] > 0, 0, crystal), crystal, solid)
    # a missing part has phase 0: its error is that of the truth's own phase there, not nothing
    assert missing["phase_error"] > 0.02
    assert missing["support_iou"] < 0.8


def test_without_the_oracle_the_wrong_twin_stays_wrong_and_normalise_alone_puts_it_right():
    rough = crystal + 0.02 * np.random.default_rng(1).normal(size=SHAPE)
    assert abs(align(twin(rough), crystal, ramp=True, twins=False)[1]) < 0.9
    assert compare_with_truth(twin(rough), crystal, solid, twins=False)["correlation"] < 0.9
    assert compare_with_truth(twin(rough), crystal, solid)["correlation"] > 0.98
    truth, inside = normalise(np.where(solid, crystal, 0), solid)
    for given in (rough, twin(rough)):
        found, _ = normalise(given, np.abs(given) > 0.5)
        assert compare_with_truth(found, truth, inside, twins=False)["correlation"] > 0.98


def strained(sign: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return a crystal of relative strain −3c·y²: its phase c·y³ is odd, so that no twin has the opposite."""
    z, y, x = np.meshgrid(*[np.arange(48.0) - 24] * 3, indexing="ij")
    inside = (abs(z) < 10) & (abs(y) < 11) & (abs(x) < 9) & (z + y < 8)
    return inside * np.exp(1j * sign * 4e-4 * y**3), inside


def test_strain_of_the_crystal_itself_its_twin_and_a_ramp_has_no_error():
    truth, inside = strained()
    ramp = np.exp(0.3j * (np.arange(48) - 24))
    for found in (truth, 3j * truth, twin(truth), truth * ramp, np.roll(truth, (2, -1, 3), (0, 1, 2))):
        error = strain_error(found, truth, inside, smoothing=0)
        assert error["strain_correlation"] > 0.999
        assert error["strain_rms"] < 2e-3


def test_strain_of_the_wrong_sign_or_size_is_seen():
    truth, inside = strained()
    opposite = strain_error(np.conj(truth), truth, inside, smoothing=0)
    assert opposite["strain_correlation"] < -0.9
    # twice −3c·y², in the core of the wedge
    core = ndimage.binary_erosion(inside, iterations=3)
    y = (np.arange(48.0) - 24)[None, :, None] * np.ones((48, 1, 48))
    assert opposite["strain_rms"] == pytest.approx(2 * 12e-4 * (y[core] ** 2).std(), rel=0.1)
    half, _ = strained(0.5)
    error = strain_error(half, truth, inside)
    assert error["strain_correlation"] > 0.99
    assert error["strain_rms"] == pytest.approx(0.5 * 12e-4 * (y[core] ** 2).std(), rel=0.1)


def test_strain_has_no_correlation_where_there_is_none():
    flat, inside = np.abs(strained()[0]), strained()[1]
    assert np.isnan(strain_error(flat, flat, inside)["strain_correlation"])
    nothing = strain_error(flat, flat, np.zeros_like(inside))
    assert np.isnan(nothing["strain_rms"])


def test_unevenness_is_that_of_the_inside():
    """Half of a ball with 1.5 times the amplitude of the other: 0.25 / 1.25; its blurred surface counts nowhere."""
    place = np.indices((32, 32, 32)) - 15.5
    distance = np.sqrt((place**2).sum(0))
    ball = np.clip(10.5 - distance, 0, 1) * np.exp(1j * place[1])
    loose = distance < 13
    assert unevenness(ball, loose) < 1e-6
    assert unevenness(ball * np.where(place[2] > 0, 1.5, 1.0), loose) == pytest.approx(0.2, abs=5e-3)
    assert np.isnan(unevenness(0 * ball, loose))

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_autophase.analysis import (
    align,
    amplitude_ssim,
    chi2,
    compare,
    correlation,
    fourier_shell_correlation,
    phase_error,
    support_iou,
    twin,
)
from napari_autophase.analysis.align import fitted

SHAPE = (32, 30, 28)
r = np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] // 2
solid = (np.abs(r).max(axis=0) < 8) & (r.sum(axis=0) < 7) & (r[0] - 2 * r[2] < 11)
# band-limited, as every object that a finite detector can see
crystal = ndimage.gaussian_filter(solid.astype(float), 1.2) * np.exp(
    1j * (0.02 * r[0] ** 2 - 0.015 * r[1] * r[2])
)


def moved(object: np.ndarray, shift: tuple[float, ...]) -> np.ndarray:
    return np.fft.ifftn(ndimage.fourier_shift(np.fft.fftn(object), shift))


offset = st.floats(-3, 3)


@settings(max_examples=10)
@given(st.tuples(offset, offset, offset), st.floats(-3, 3), st.booleans(), st.floats(0.01, 100))
def test_align_undoes_shift_phase_twin_and_scale(shift, phase, twinned, scale):
    object = moved(twin(crystal) if twinned else crystal, shift) * np.exp(1j * phase) * scale
    aligned, score = align(object, crystal)
    assert abs(score) > 0.999
    assert abs(np.angle(score)) < 1e-6
    assert aligned.dtype == np.complex64
    assert np.linalg.norm(aligned - crystal) < 0.05 * np.linalg.norm(crystal)


def test_a_ramp_is_removed_only_when_asked():
    object = moved(crystal, (0.3, -1.2, 2.4)) * np.exp(1j * np.tensordot([0.12, -0.2, 0.05], r, 1))
    assert abs(align(object, crystal)[1]) < 0.8
    aligned, score = align(object, crystal, ramp=True)
    assert abs(score) > 0.999
    assert np.linalg.norm(aligned - crystal) < 0.05 * np.linalg.norm(crystal)


@pytest.mark.parametrize("shape", [(40, 26, 28), (31, 33, 29), (48, 48, 48)])
def test_arrays_of_other_shapes_are_brought_about_the_centre(shape):
    assert abs(align(fitted(crystal, shape), crystal)[1]) > 0.999
    np.testing.assert_array_equal(fitted(fitted(crystal, (48, 48, 48)), SHAPE), crystal)
    there = fitted(crystal, shape)
    assert there.shape == shape
    centre = tuple(n // 2 for n in shape)
    assert there[centre] == crystal[tuple(n // 2 for n in SHAPE)]


def test_different_crystals_do_not_agree_and_nothing_agrees_with_nothing():
    other = (np.abs(r[0]) < 2).astype(complex) * np.exp(2j * np.sin(r[1]))
    assert abs(align(other, crystal)[1]) < 0.7
    aligned, score = align(np.zeros(SHAPE, complex), crystal)
    assert score == 0
    assert not aligned.any()


def test_correlation_knows_scale_phase_and_emptiness():
    assert correlation(3j * crystal, crystal) == pytest.approx(1j)
    assert correlation(np.abs(crystal), 5 * np.abs(crystal)) == pytest.approx(1)
    assert correlation(crystal, 0 * crystal) == 0
    left, right = np.where(r[0] < 0, crystal, 0), np.where(r[0] >= 0, crystal, 0)
    assert correlation(left, right) == 0


def test_chi2_is_zero_for_equal_moduli_and_one_for_none():
    modulus = np.abs(np.fft.fftn(crystal))
    assert chi2(modulus, modulus) == 0
    assert chi2(0 * modulus, modulus) == pytest.approx(1)
    assert chi2(1.1 * modulus, modulus) == pytest.approx(0.01)
    good = modulus < np.median(modulus)
    assert chi2(np.where(good, modulus, 0), modulus, good) == 0


def test_support_iou_counts_voxels():
    a, b = r[0] < 0, r[0] < 4
    assert support_iou(a, b) == pytest.approx(16 / 20)
    assert support_iou(a, ~a) == 0
    assert support_iou(a & ~a, b & ~b) == 1


def test_ssim_is_one_for_any_scale_and_falls_with_noise():
    amplitude = np.abs(crystal)
    noisy = [amplitude + s * np.random.default_rng(0).uniform(size=SHAPE) for s in (0.05, 0.3)]
    assert amplitude_ssim(amplitude, 7 * amplitude) == pytest.approx(1)
    assert 1 > amplitude_ssim(amplitude, noisy[0]) > amplitude_ssim(amplitude, noisy[1])


def test_phase_error_is_what_was_put_in_beyond_offset_and_ramp():
    step = np.where((r[0] + r[1]) % 2 == 0, 0.2, -0.2)
    inside = np.abs(crystal) > 0.3
    wrong = crystal * np.exp(1j * (step + 2.9))
    assert phase_error(wrong, crystal, inside) == pytest.approx(0.2, rel=0.02)
    tilted = wrong * np.exp(0.3j * r[2])
    assert phase_error(tilted, crystal, inside) > 0.5
    assert phase_error(tilted, crystal, inside, ramp=True) == pytest.approx(0.2, rel=0.02)
    assert np.isnan(phase_error(wrong, crystal, inside & ~inside))


def test_compare_finds_a_moved_twin_equal():
    figures = compare(moved(twin(crystal), (1.4, 0.2, -2.5)) * 3j, crystal)
    assert figures["correlation"] > 0.999
    assert figures["amplitude_correlation"] > 0.999
    assert figures["support_iou"] > 0.97
    assert figures["phase_error"] < 0.02
    assert figures["amplitude_ssim"] > 0.98


def test_shells_tell_where_two_objects_stop_agreeing():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2, 32, 32, 32))
    radius = np.sqrt(sum(f**2 for f in np.meshgrid(*[np.fft.fftfreq(32)] * 3, indexing="ij")))
    shared = np.fft.fftn(rng.normal(size=(32, 32, 32))) * (radius < 0.25)
    a, b = (np.fft.ifftn(shared + np.fft.fftn(n) * (radius >= 0.25)) for n in noise)
    frequency, shells = fourier_shell_correlation(a, b)
    assert frequency[0] == 0
    assert frequency[-1] == 0.5
    np.testing.assert_allclose(shells[frequency < 0.22], 1, atol=1e-9)
    assert np.abs(shells[frequency > 0.28]).max() < 0.2

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase.analysis import compare, correlation, normalise, twin
from napari_autophase.analysis.align import fitted
from napari_autophase.analysis.symmetries import TWIN_DIRECTION, asymmetry, centring_roll


def field(object: np.ndarray) -> np.ndarray:
    return np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(object)))


def crystal(seed: int, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A random polyhedron without a centre of symmetry, oversampled at least twice, with a smooth phase."""
    rng = np.random.default_rng(seed)
    r = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij"))
    support = np.ones(shape, bool)
    for normal, distance in zip(rng.normal(size=(9, 3)), rng.uniform(2.5, 6, 9), strict=True):
        support &= np.tensordot(normal / np.linalg.norm(normal), r, 1) < distance
    support &= np.abs(r).max(axis=0) <= min(shape) // 4
    phase = np.tensordot(rng.normal(size=3) * 0.1, r, 1) + 0.02 * r[0] ** 2 - 0.015 * r[1] * r[2]
    amplitude = rng.uniform(0.7, 1, shape) * support
    return (amplitude * np.exp(1j * phase)).astype(np.complex64), support


sizes = st.integers(16, 21)
cases = st.tuples(st.integers(0, 10**6), st.tuples(sizes, sizes, sizes))


@settings(max_examples=25)
@given(cases, st.tuples(*[st.integers(-30, 30)] * 3), st.floats(-3.1, 3.1), st.booleans())
def test_normalise_undoes_shift_phase_and_twin(case, shift, phase, twinned):
    object, support = crystal(*case)
    expected, expected_support = normalise(object, support)
    if twinned:
        object, support = twin(object), twin(support)
    object = np.roll(object * np.exp(1j * phase), shift, (0, 1, 2))
    found, found_support = normalise(object, np.roll(support, shift, (0, 1, 2)))
    np.testing.assert_array_equal(found_support, expected_support)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@settings(max_examples=15)
@given(cases)
def test_normalise_keeps_its_promises(case):
    object, support = crystal(*case)
    object, support = np.roll(object, (7, -9, 3), (0, 1, 2)), np.roll(support, (7, -9, 3), (0, 1, 2))
    found, found_support = normalise(object, support)
    assert found.dtype == np.complex64
    assert found_support.dtype == bool
    centre = np.argwhere(found_support).mean(axis=0)
    assert np.all(np.abs(centre - np.array(object.shape) // 2) <= 0.5)
    total = found[found_support].sum()
    assert total.real > 0
    assert abs(total.imag) < 1e-4 * abs(total)
    assert asymmetry(found, found_support) @ TWIN_DIRECTION > 0
    # the data do not notice
    modulus = np.abs(field(object))
    np.testing.assert_allclose(np.abs(field(found)), modulus, atol=1e-5 * modulus.max())
    again, again_support = normalise(found, found_support)
    np.testing.assert_array_equal(again_support, found_support)
    np.testing.assert_allclose(again, found, atol=2e-6)


def test_normalise_leaves_the_ramp_that_the_data_fix():
    object, support = crystal(3, (20, 18, 16))
    object = object * np.exp(0.4j * np.arange(20))[:, None, None]
    found, _ = normalise(object, support)
    brightest = np.unravel_index(np.abs(field(object)).argmax(), object.shape)
    assert np.unravel_index(np.abs(field(found)).argmax(), object.shape) == brightest


@pytest.mark.parametrize("shape", [(8, 9, 10), (7, 7, 7), (6, 6, 6)])
def test_the_twin_scatters_the_conjugate_field_and_is_its_own_inverse(shape):
    rng = np.random.default_rng(0)
    object = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    np.testing.assert_allclose(field(twin(object)), np.conj(field(object)), atol=1e-9)
    np.testing.assert_array_equal(twin(twin(object)), object)
    assert twin(np.abs(object) > 1).dtype == bool


def test_a_support_across_the_edges_comes_together():
    support = np.zeros((20, 20, 20), bool)
    support[-4:, :3, 8:12] = True
    support[:4, :3, 8:12] = True
    rolled = np.roll(support, centring_roll(support), (0, 1, 2))
    assert set(np.argwhere(rolled)[:, 0]) == set(range(6, 14)) or set(np.argwhere(rolled)[:, 0]) == set(
        range(7, 15)
    )
    assert rolled.sum() == support.sum()


GOLD = Path(__file__).resolve().parents[2] / "../shared/data/34idc_Au_S0054"


@pytest.mark.skipif(not GOLD.exists(), reason="the measured gold crystal is not here")
def test_two_programs_reconstructions_of_one_crystal_are_normalised_to_the_same_twin():
    with h5py.File(GOLD / "reference_pynx/best_run.cxi") as file:
        image, inside = file["entry_1/image_1/data"][()], file["entry_1/image_1/mask"][()] > 0
    shape = (200, 128, 128)
    pynx, _ = normalise(fitted(image, shape), fitted(inside, shape))
    with np.load(GOLD / "reference_cohere/image_support.npz") as file:
        # axes x, y, frame, and the other sign in the Fourier transform
        image, inside = np.conj(file["image"].transpose(2, 1, 0)), file["support"].transpose(2, 1, 0) > 0
    cohere, _ = normalise(image, inside)
    same, other = (abs(correlation(np.abs(c), np.abs(pynx))) for c in (cohere, twin(cohere)))
    assert same > 0.96 > 0.93 > other
    for wrong in (twin(image), np.roll(image, (3, -2, 5), (0, 1, 2))):
        support = np.abs(wrong) > 0
        again, _ = normalise(wrong, support)
        assert abs(correlation(again, cohere)) > 0.99
    small = (64, 64, 64)
    figures = compare(fitted(cohere, small), fitted(pynx, small), 0.3)
    assert figures["correlation"] > 0.96
    assert figures["amplitude_correlation"] > 0.97
    assert figures["phase_error"] < 0.15


def test_nothing_stays_nothing():
    object, support = normalise(np.zeros((16, 16, 16), np.complex64), np.zeros((16, 16, 16), bool))
    assert not object.any()
    assert not support.any()

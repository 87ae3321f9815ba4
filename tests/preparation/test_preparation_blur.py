"""A blur is SciPy's blur."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_autophase.preparation import blur, fill_gaps, oversampling
from napari_autophase.preparation.blur import blurred, brightest


@given(
    shape=st.tuples(st.integers(1, 150), st.integers(1, 20), st.integers(1, 70)),
    sigma=st.floats(0.5, 4.0),
    truncate=st.floats(2.0, 5.0),
    seed=st.integers(0, 100),
)
@settings(max_examples=40)
def test_it_is_a_gaussian_with_nothing_beyond_the_edges(shape, sigma, truncate, seed):
    counts = np.random.default_rng(seed).poisson(3.0, shape).astype(np.float32)
    before = counts.copy()
    expected = ndimage.gaussian_filter(counts, sigma, mode="constant", truncate=truncate)
    found = blurred(counts, sigma, truncate)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(counts, before)


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_what_is_far_from_the_edges_keeps_its_sum(sigma):
    point = np.zeros((40, 41, 80), bool)
    point[20, 20, 40] = True
    assert blurred(point, sigma).sum() == pytest.approx(1, rel=1e-6)


LONG = [(20, 300, 40), (517, 12, 30), (16, 40, 450)]


def _gappy(shape):
    rng = np.random.default_rng(0)
    counts = rng.poisson(3.0, shape).astype(np.float32)
    counts[tuple(n // 3 for n in shape)] = 500
    good = rng.random(shape) > 0.3
    good[:, shape[1] // 2 : shape[1] // 2 + 5] = False
    return counts, good


@pytest.mark.parametrize("shape", LONG)
def test_large_volumes_are_worked_on_in_parts_bit_for_bit(shape, monkeypatch):
    counts, good = _gappy(shape)
    found, place = fill_gaps(counts, good), brightest(counts, 1.0)
    assert place == np.unravel_index(blurred(counts, 1.0).argmax(), shape)
    monkeypatch.setattr(blur, "_PART", 10**6)
    assert np.array_equal(found, fill_gaps(counts, good))
    assert np.array_equal(found[good], counts[good])


def test_gaps_are_filled_from_their_surroundings_alone_bit_for_bit(monkeypatch):
    counts = np.random.default_rng(0).poisson(3.0, (70, 300, 130)).astype(np.float32)
    good = np.ones(counts.shape, bool)
    good[:, 100:104, 70:80] = False  # a gap, and a patch that only the widest Gaussian fills
    good[20:38, 180:200, 50:66] = False
    looked_at = []

    def seen(volume, sigma, truncate):
        looked_at.append(volume.size)
        return blurred(volume, sigma, truncate)

    monkeypatch.setattr(oversampling, "blurred", seen)
    found = fill_gaps(counts, good)
    local = sum(looked_at)
    looked_at.clear()
    monkeypatch.setattr(oversampling, "surroundings", lambda *_: (slice(None),) * 3)
    assert np.array_equal(found, fill_gaps(counts, good))
    assert local < 0.7 * sum(looked_at)


def test_the_first_of_two_equal_maxima_is_taken():
    counts = np.zeros((20, 400, 24), np.float32)
    counts[10, 300, 12] = counts[11, 60, 12] = 5
    assert brightest(counts, 1.0) == (10, 300, 12)


def test_filling_gaps_takes_little_beside_a_large_volume():
    counts, good = _gappy((24, 1500, 60))
    tracemalloc.start()
    fill_gaps(counts, good)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 12 * counts.size

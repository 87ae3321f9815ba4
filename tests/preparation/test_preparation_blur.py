"""A blur is SciPy's blur."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_autophase.preparation.blur import blurred


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

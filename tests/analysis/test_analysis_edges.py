"""The width of an edge: that of a step blurred by a Gaussian is known, ∫ of it goes from a tenth to nine tenths in 2.563 σ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from napari_autophase.analysis import edges_along

WIDTH = float(norm.ppf(0.9) - norm.ppf(0.1))


def blurred_slab(begin, end, sigma, step=1.0, n=64):
    x = step * np.arange(n)
    return norm.cdf((x - begin) / sigma) - norm.cdf((x - end) / sigma)


@pytest.mark.parametrize("sigma", [1.2, 2.0, 3.5])
@pytest.mark.parametrize("step", [1.0, 5.0])
def test_both_edges_of_a_blurred_slab(sigma, step):
    line = 0.8 * blurred_slab(15.3 * step, 45.7 * step, sigma * step, step)
    before, after = edges_along(line, step, 30, 0.3)
    assert before.place == pytest.approx(15.3 * step, abs=0.12 * step)
    assert after.place == pytest.approx(45.7 * step, abs=0.12 * step)
    for edge in (before, after):
        assert edge.width == pytest.approx(WIDTH * sigma * step, rel=0.06)


def test_a_hollow_inside_is_no_edge():
    line = blurred_slab(10.0, 50.0, 1.5)
    line[25] = 0.7
    before, after = edges_along(line, 1.0, 30, 0.3)
    assert (before.width, after.width) == pytest.approx((WIDTH * 1.5,) * 2, rel=0.08)


def test_where_there_is_no_edge():
    line = blurred_slab(-50.0, 40.0, 1.5)
    before, after = edges_along(line, 1.0, 20, 0.3)
    assert before is None
    assert after.place == pytest.approx(40, abs=0.1)
    assert edges_along(line, 1.0, 60, 0.3) == (None, None), "which is not inside"

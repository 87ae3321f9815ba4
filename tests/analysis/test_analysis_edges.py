"""The width of an edge: that of a step blurred by a Gaussian is known, ∫ of it goes from a tenth to nine tenths in 2.563 σ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from napari_autophase.analysis import edge_widths, edges_along, quantities
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction

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


def blurred_box(steps, place, half, sigma):
    """A box with its faces across x, y, z, blurred differently along each."""
    sides = [
        norm.cdf((r + h) / s) - norm.cdf((r - h) / s) for r, h, s in zip(place, half, sigma, strict=True)
    ]
    amplitude = np.prod(sides, axis=0)
    return Reconstruction(
        object=amplitude.astype(np.complex64),
        support=amplitude > 0.01,
        recipe=Recipe().with_settings({"analyse.threshold": 0.5}),
        figures={},
        voxel_steps_nm=steps,
        q_bragg_per_nm=None if steps is None else np.array([0.0, 26.0, 0.0]),
    )


def test_a_crystal_that_is_sharper_along_one_axis_than_along_another():
    steps = np.array([[0.4, 0.5, 4.1], [0.9, 4.4, -0.6], [5.0, 0.8, 0.7]])
    shape = (40, 40, 40)
    index = np.indices(shape) - 20
    sigma = (7.0, 9.0, 12.0)  # along x, y, z
    found = blurred_box(steps, np.tensordot(steps, index, 1), (52.0, 52.0, 52.0), sigma)
    widths = edge_widths(quantities(found))
    assert list(widths) == ["x", "y", "z", "all"]
    for axis, width in zip("xyz", sigma, strict=True):
        assert widths[axis] == pytest.approx(WIDTH * width, rel=0.08)
    assert WIDTH * 7 < widths["all"] < WIDTH * 12


def test_without_geometry_widths_are_in_voxels_along_the_arrays_axes():
    found = blurred_box(None, np.indices((40, 40, 40)) - 20, (14.0, 14.0, 14.0), (1.2, 2.0, 2.8))
    widths = edge_widths(quantities(found))
    assert list(widths) == ["axis 2", "axis 1", "axis 0", "all"]
    for axis, width in enumerate((1.2, 2.0, 2.8)):
        assert widths[f"axis {axis}"] == pytest.approx(WIDTH * width, rel=0.05)


def test_where_nothing_is_above_the_threshold_there_are_no_edges():
    found = blurred_box(None, np.indices((40, 40, 40)) - 20, (14.0, 14.0, 14.0), (1.2, 2.0, 2.8))
    assert np.isnan(list(edge_widths(quantities(found, 1.2)).values())).all()

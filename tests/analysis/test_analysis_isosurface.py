from __future__ import annotations

import numpy as np
import pytest

from napari_autophase.analysis import isosurface
from napari_autophase.analysis.isosurface import bounding_box

r = np.indices((32, 34, 36)) - np.array([16, 17, 18])[:, None, None, None]
distance = np.linalg.norm(r, axis=0)
# falls through one half at a distance of 10 voxels
soft_ball = np.clip((10 - distance) / 4 + 0.5, 0, 1)


def test_a_sphere_has_its_area_and_volume_in_nm():
    surface = isosurface(soft_ball, 0.5, (2.0, 2.0, 2.0))
    assert surface.area == pytest.approx(4 * np.pi * 20**2, rel=0.02)
    assert surface.volume == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.02)
    centre = (surface.vertices.min(axis=0) + surface.vertices.max(axis=0)) / 2
    np.testing.assert_allclose(centre, [32, 34, 36], atol=0.1)


def test_a_box_on_unequal_voxels_has_its_volume():
    box = np.zeros((20, 20, 20))
    box[4:14, 5:15, 6:16] = 1
    surface = isosurface(box, 0.5, (1.0, 2.0, 3.0))
    assert surface.volume == pytest.approx(6 * 10**3, rel=0.03)
    np.testing.assert_allclose(np.ptp(surface.vertices, axis=0), [10, 20, 30], rtol=1e-5)


def test_the_mesh_is_closed_even_where_the_crystal_leaves_the_array():
    surface = isosurface(np.ones((8, 8, 8)), 0.5)
    edges = np.sort(surface.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, shared = np.unique(edges, axis=0, return_counts=True)
    assert (shared == 2).all()
    assert surface.volume == pytest.approx(8**3, rel=0.03)


@pytest.mark.parametrize("amplitude", [np.zeros((8, 8, 8)), soft_ball])
def test_nothing_above_the_level_is_an_empty_surface(amplitude):
    surface = isosurface(amplitude, 1.5, colour=amplitude)
    assert surface.vertices.shape == surface.faces.shape == (0, 3)
    assert surface.values.shape == (0,)
    assert surface.area == surface.volume == 0


def test_colours_are_read_below_the_surface():
    surface = isosurface(soft_ball, 0.5)
    depth = 10 - np.linalg.norm(surface.sites - [16, 17, 18], axis=1)
    assert 0.6 < depth.min() <= depth.max() < 0.9
    values = surface.coloured(r[0] + 0.5 * r[2]).values
    place = surface.sites - [16, 17, 18]
    np.testing.assert_allclose(values, place[:, 0] + 0.5 * place[:, 2], atol=1e-4)


def test_the_phase_has_no_seam_where_it_wraps():
    phase = 0.5 * r[0] + 3.0
    surface = isosurface(soft_ball, 0.5, colour=soft_ball * np.exp(1j * phase))
    true = 0.5 * (surface.sites[:, 0] - 16) + 3.0
    off = np.angle(np.exp(1j * (surface.values - true)))
    assert np.ptp(true) > np.pi
    assert np.abs(off).max() < 0.1


def test_nan_outside_the_crystal_does_not_reach_the_colours():
    strain = np.where(soft_ball >= 0.5, 1e-3 * r[1], np.nan)
    surface = isosurface(soft_ball, 0.5, colour=strain)
    assert np.isfinite(surface.values).all()
    assert np.abs(surface.values - 1e-3 * (surface.sites[:, 1] - 17)).max() < 1e-3
    # a single valid voxel colours all of it
    alone = np.full(strain.shape, np.nan)
    alone[16, 17, 18] = 0.25
    np.testing.assert_allclose(isosurface(soft_ball, 0.5, colour=alone).values, 0.25)


def test_the_bounding_box_holds_the_mask_and_its_margin():
    mask = np.zeros((10, 11, 12), bool)
    mask[3:5, 0, 11] = True
    assert bounding_box(mask) == (slice(3, 5), slice(0, 1), slice(11, 12))
    assert bounding_box(mask, margin=2) == (slice(1, 7), slice(0, 3), slice(9, 12))
    assert not mask[bounding_box(np.zeros_like(mask))].size


@pytest.mark.parametrize("level", [1.0, 1.5])
def test_nothing_stands_above_the_largest_amplitude(level):
    surface = isosurface(soft_ball, level)
    assert len(surface.vertices) == len(surface.faces) == 0

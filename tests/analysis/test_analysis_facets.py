"""Facets of shapes that are known: normals, areas, indices, and what the strain is on them."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from scipy.spatial import ConvexHull, HalfspaceIntersection

from napari_autophase.analysis import mapped, quantities
from napari_autophase.analysis.facets import face_labels, find_facets, table
from napari_autophase.analysis.indexing import crystal_axes, indexed
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction

STEPS = np.array([[0.4, 0.5, 7.1], [0.9, 7.4, -0.6], [8.0, 0.8, 0.7]])
SHAPE = (40, 40, 40)
Q_SIZE = 26.0


def rotation(seed: int) -> np.ndarray:
    found, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return found * np.sign(np.linalg.det(found))


def wulff(seed: int) -> tuple[Reconstruction, np.ndarray, np.ndarray, np.ndarray]:
    """{111} and {100} of a cubic crystal that stands anyhow, 220 nm across, seen with voxels of 7 to 8 nm.

    Returns the result, the normals and indices of its facets, and their areas.
    """
    turn = rotation(seed)
    signs = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3)
    planes = signs[np.isin(np.abs(signs).sum(1), (1, 3))]
    distances = np.where(np.abs(planes).sum(1) == 3, 100.0, 112.0)
    normals = planes / np.linalg.norm(planes, axis=1, keepdims=True) @ turn.T
    index = np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] // 2
    place = np.tensordot(STEPS, index, 1)
    q = Q_SIZE * turn @ np.ones(3) / np.sqrt(3)
    depth = (distances[:, None, None, None] - np.tensordot(normals, place, 1)).min(0)
    amplitude = 0.5 * (1 + np.tanh(depth / 6))
    s = np.tensordot(q / Q_SIZE, place, 1)
    found = Reconstruction(
        object=(amplitude * np.exp(-1j * Q_SIZE * 1e-5 * s**2 / 2)).astype(np.complex64),
        support=amplitude > 0.02,
        recipe=Recipe().with_settings({"analyse.threshold": 0.5}),
        figures={},
        voxel_steps_nm=STEPS,
        q_bragg_per_nm=q,
    )
    corners = HalfspaceIntersection(np.column_stack([normals, -distances]), np.zeros(3)).intersections
    hull = ConvexHull(corners)
    areas = np.zeros(len(planes))
    for face, equation in zip(hull.simplices, hull.equations, strict=True):
        a, b, c = corners[face]
        areas[int(np.argmax(normals @ equation[:3]))] += np.linalg.norm(np.cross(b - a, c - a)) / 2
    return found, normals, planes, areas


@pytest.mark.parametrize("seed", range(4))
def test_every_facet_of_a_wulff_shape_is_found_within_three_degrees(seed):
    found, normals, planes, areas = wulff(seed)
    maps = mapped(quantities(found), {})
    facets = find_facets(maps.mesh, q=found.q_bragg_per_nm)
    assert len(facets) == len(planes)
    for normal, area in zip(normals, areas, strict=True):
        angles = [np.degrees(np.arccos(np.clip(each.normal @ normal, -1, 1))) for each in facets]
        best = int(np.argmin(angles))
        assert angles[best] < 3
        # edges belong to none
        assert 0.5 < facets[best].area / area < 1.1
    assert sum(each.share for each in facets) > 0.6


@pytest.mark.parametrize("seed", range(3))
def test_indices_follow_from_the_reflection_and_the_shape(seed):
    found, *_ = wulff(seed)
    maps = mapped(quantities(found), {})
    facets = indexed(find_facets(maps.mesh), found.q_bragg_per_nm, (1, 1, 1))
    # a turn about Q by 120 degrees is a symmetry: indices are those of the shape up to that, which keeps all angles
    for one in facets:
        assert one.misfit_deg < 3
        assert sorted(map(abs, one.hkl)) in ([0, 0, 1], [1, 1, 1])
        for other in facets:
            a, b = (np.array(each.hkl) / np.linalg.norm(each.hkl) for each in (one, other))
            between = np.degrees(np.arccos(np.clip(one.normal @ other.normal, -1, 1)))
            assert np.degrees(np.arccos(np.clip(a @ b, -1, 1))) == pytest.approx(between, abs=5)
    top = max(facets, key=lambda each: each.normal @ found.q_bragg_per_nm)
    assert top.hkl == (1, 1, 1)
    # said outright, the second facet settles the turn
    number = next(n for n, each in enumerate(facets) if each.hkl == (0, 0, 1))
    said = indexed(facets, found.q_bragg_per_nm, (1, 1, 1), second=(number, (1, 0, 0)))
    assert said[number].hkl == (1, 0, 0)
    assert said[number].misfit_deg < 3


def test_strain_of_a_facet_is_that_of_its_place():
    """Strain 1e-5 s with s along Q: on the facet across Q, at 100 nm, it is constant; on the others it spreads."""
    found, *_ = wulff(1)
    q = found.q_bragg_per_nm
    facets = find_facets(mapped(quantities(found), {}).mesh, q=q)
    top = min(facets, key=lambda each: each.angle_to_q_deg)
    bottom = max(facets, key=lambda each: each.angle_to_q_deg)
    assert top.angle_to_q_deg < 3
    depth = 100 - 0.75 * 7.5  # it is read a little below the surface
    for each, sign in ((top, 1), (bottom, -1)):
        mean, spread = each.values["strain"]
        assert mean == pytest.approx(sign * 1e-5 * depth, rel=0.1)
        side = next(other for other in facets if 60 < other.angle_to_q_deg < 80)
        assert spread < 0.4 * side.values["strain"][1]
        assert np.linalg.norm(np.cross(each.centre, q)) / Q_SIZE < 8
        assert each.centre @ q / Q_SIZE == pytest.approx(sign * 100, abs=4)


def test_a_ball_has_no_facets():
    index = np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] // 2
    amplitude = 0.5 * (1 + np.tanh((95 - np.linalg.norm(np.tensordot(STEPS, index, 1), axis=0)) / 6))
    found = Reconstruction(
        object=amplitude.astype(np.complex64),
        support=amplitude > 0.02,
        recipe=Recipe().with_settings({"analyse.threshold": 0.5}),
        figures={},
        voxel_steps_nm=STEPS,
        q_bragg_per_nm=np.array([0.0, 26.0, 0.0]),
    )
    assert find_facets(mapped(quantities(found), {}).mesh) == []


def test_the_table_has_a_line_for_each():
    found, *_ = wulff(2)
    maps = mapped(quantities(found), {})
    facets = indexed(find_facets(maps.mesh, q=found.q_bragg_per_nm), found.q_bragg_per_nm, (1, 1, 1))
    rows = list(csv.DictReader(io.StringIO(table(facets))))
    assert len(rows) == len(facets)
    for row, each in zip(rows, facets, strict=True):
        assert (int(row["h"]), int(row["k"]), int(row["l"])) == each.hkl
        assert float(row["strain_mean"]) == pytest.approx(each.values["strain"][0], rel=1e-5)
        assert float(row["area_nm2"]) == pytest.approx(each.area, rel=1e-5)
    areas = [float(row["area_nm2"]) for row in rows]
    assert areas == sorted(areas, reverse=True)
    labels = face_labels(facets, len(maps.mesh.faces))
    assert set(labels) == set(range(len(facets) + 1))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_axes_of_the_crystal_follow_from_q_and_its_facets(seed):
    found, *_ = wulff(seed)
    q, turn = found.q_bragg_per_nm, rotation(seed)
    facets = indexed(find_facets(mapped(quantities(found), {}).mesh), q, (1, 1, 1))
    axes = crystal_axes(facets, q, (1, 1, 1))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(axes.sum(1) / np.sqrt(3), q / np.linalg.norm(q), atol=1e-9)
    # (1 1 1) is a threefold axis: each of them lies along one that the crystal was made with
    assert sorted((axes.T @ turn).argmax(1)) == [0, 1, 2]
    assert np.degrees(np.arccos(np.minimum((axes.T @ turn).max(1), 1))).max() < 3


def test_facets_along_q_alone_leave_the_turn_about_it_open():
    found, *_ = wulff(1)
    q = found.q_bragg_per_nm
    facets = indexed(find_facets(mapped(quantities(found), {}).mesh, q=q), q, (1, 1, 1))
    along = [each for each in facets if each.angle_to_q_deg < 5 or each.angle_to_q_deg > 175]
    assert along
    assert crystal_axes(along, q, (1, 1, 1)) is None

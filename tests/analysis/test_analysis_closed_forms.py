"""Crystals whose displacement is known in closed form, in a sheared geometry, through all that is shown of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_autophase.analysis import Quantities, mean_lattice, quantities, statistics, surface_and_bulk
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction

STEPS = np.array([[0.4, 0.5, 5.1], [0.9, 5.4, -0.6], [6.0, 0.8, 0.7]])
SHAPE = (40, 42, 44)
RADIUS = 80.0
Q = np.array([7.0, 21.0, -13.0])
Q_SIZE = float(np.linalg.norm(Q))
ALONG = Q / Q_SIZE
ACROSS = np.cross(ALONG, [0.3, 0.1, 0.9])
ACROSS /= np.linalg.norm(ACROSS)


def result(u_nm, q: np.ndarray = Q) -> Reconstruction:
    """A ball of 80 nm with an edge of a few nm; `u_nm` gives the displacement along Q at places x, y, z."""
    index = np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] // 2
    place = np.tensordot(STEPS, index, 1)
    amplitude = 0.5 * (1 + np.tanh((RADIUS - np.linalg.norm(place, axis=0)) / 4))
    return Reconstruction(
        object=(amplitude * np.exp(-1j * np.linalg.norm(q) * u_nm(place))).astype(np.complex64),
        support=amplitude > 0.02,
        recipe=Recipe().with_settings({"analyse.threshold": 0.5}),
        figures={},
        voxel_steps_nm=STEPS,
        q_bragg_per_nm=q,
    )


def places(shown: Quantities) -> np.ndarray:
    """x, y, z of every voxel of the grid on which a crystal is shown."""
    index = np.indices(shown.amplitude.shape)
    middle = np.array(shown.amplitude.shape)[:, None, None, None] // 2
    return ((index - middle) * np.array(shown.voxel_size)[:, None, None, None])[::-1]


def dot(vector: np.ndarray, place: np.ndarray) -> np.ndarray:
    return np.tensordot(vector, place, 1)


def root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def deep(shown: Quantities, layers: int = 2) -> np.ndarray:
    return ndimage.binary_erosion(shown.support, iterations=layers)


def test_tension_is_in_the_mean_lattice_and_nowhere_else():
    found = result(lambda place: 1.5e-3 * dot(ALONG, place))
    shown = quantities(found)
    assert np.abs(shown.strain[shown.support]).max() < 2e-5
    reference = 2 * np.pi / Q_SIZE
    assert mean_lattice(found, reference_nm=reference).strain == pytest.approx(1.5e-3, rel=0.01)
    np.testing.assert_allclose(shown.spacing_nm[deep(shown)], reference * 1.0015, rtol=2e-5)


def test_a_bent_crystal_is_stretched_on_one_side_and_its_planes_turn():
    """u along Q is κ s t, with s along Q and t across: strain κ t, and planes that are tilted by κ s."""
    bend = 1e-5
    shown = quantities(result(lambda place: bend * dot(ALONG, place) * dot(ACROSS, place)))
    s, t = (dot(axis, places(shown)) for axis in (ALONG, ACROSS))
    inside = deep(shown)
    largest, u = bend * RADIUS, bend * s * t
    assert root_mean_square((shown.strain - bend * t)[inside]) < 0.015 * largest
    assert root_mean_square((np.radians(shown.tilt_deg) - bend * np.abs(s))[inside]) < 0.02 * largest
    assert (shown.displacement_nm - u)[inside].std() < 0.01 * u[inside].std()


def test_a_ball_whose_surface_is_drawn_in():
    """u = −a sinh(r/λ)/sinh(R/λ) along the radius; its strain along Q is u′ cos² + (u/r) sin² of the angle to Q.

    By the divergence theorem the mean of that is −a/R, which is the mean lattice's.
    """
    inward, depth = 0.02, 22.0

    def radial(r: np.ndarray) -> np.ndarray:
        return -inward * np.sinh(r / depth) / np.sinh(RADIUS / depth)

    def displaced(place: np.ndarray) -> np.ndarray:
        r = np.maximum(np.linalg.norm(place, axis=0), 1e-9)
        return radial(np.minimum(r, 1.2 * RADIUS)) * dot(ALONG, place) / r

    found = result(displaced)
    shown = quantities(found)
    place = places(shown)
    r = np.maximum(np.linalg.norm(place, axis=0), 1e-9)
    cosine = dot(ALONG, place) / r
    slope = -inward / depth * np.cosh(r / depth) / np.sinh(RADIUS / depth)
    strain = slope * cosine**2 + radial(r) / r * (1 - cosine**2)
    mean = mean_lattice(found, reference_nm=2 * np.pi / Q_SIZE).strain
    # it is weighted by the amplitude, which ends gently
    assert mean == pytest.approx(-inward / RADIUS, rel=0.1)

    inside, expected = deep(shown, 1), strain - mean
    off = shown.strain - expected
    assert np.corrcoef(shown.strain[inside], expected[inside])[0, 1] > 0.998
    assert root_mean_square(off[inside]) < 0.03 * np.abs(expected[inside]).max()
    # what is measured is the relaxation: the outermost layer is compressed against the bulk
    surface, bulk = surface_and_bulk(shown.support)
    # (at the surface steps are seen half a voxel deep)
    for where, bound, share in ((bulk, 0.02, 0.1), (surface, 0.08, 0.25)):
        told, true = statistics(shown.strain[where]), statistics(expected[where])
        assert told.mean == pytest.approx(true.mean, abs=bound * inward / depth)
        assert told.std == pytest.approx(true.std, rel=share)
    assert statistics(shown.strain[surface]).mean < statistics(shown.strain[bulk]).mean - 0.1 * inward / depth
    absolute = shown.spacing_nm * Q_SIZE / (2 * np.pi) - 1
    assert root_mean_square((absolute - strain)[inside]) < 0.03 * inward / depth


def test_strain_about_an_edge_dislocation_whose_burgers_vector_lies_along_q():
    """ε = −b y ((3−2ν) x² + (1−2ν) y²) / (4π (1−ν) r⁴), x along b and y away from the half-plane (Hirth and Lothe)."""
    poisson, burgers = 0.34, 2 * np.pi / Q_SIZE  # Q·b = 2π
    line = np.cross(ALONG, ACROSS)
    origin = np.array([6.0, -9.0, 8.0])

    def coordinates(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r = place - origin[:, None, None, None]
        return dot(ALONG, r), dot(np.cross(line, ALONG), r)

    def displaced(place: np.ndarray) -> np.ndarray:
        x, y = coordinates(place)
        r2 = np.maximum(x**2 + y**2, 1e-6)
        return burgers / (2 * np.pi) * (np.arctan2(y, x) + x * y / (2 * (1 - poisson) * r2))

    shown = quantities(result(displaced))
    (found,) = shown.dislocations
    assert abs(found.direction @ line) > 0.98
    # the amplitude is low in the core, and the line is whole all the same
    assert found.amplitude < 0.8
    assert found.length > 0.9 * 2 * np.sqrt(RADIUS**2 - np.linalg.norm(np.cross(origin, line)) ** 2)
    x, y = coordinates(places(shown))
    r2 = np.maximum(x**2 + y**2, 1e-6)
    expected = -burgers * y * ((3 - 2 * poisson) * x**2 + (1 - 2 * poisson) * y**2)
    expected /= 4 * np.pi * (1 - poisson) * r2**2
    inside = deep(shown) & np.isfinite(shown.strain) & (r2 > (3.5 * max(shown.voxel_size)) ** 2)
    off = shown.strain[inside] - expected[inside]
    assert np.corrcoef(shown.strain[inside], expected[inside])[0, 1] > 0.99
    assert (off - off.mean()).std() < 0.12 * expected[inside].std()
    # in the core strain has no meaning
    assert np.isnan(shown.strain[shown.support & (r2 < (0.7 * min(shown.voxel_size)) ** 2)]).all()

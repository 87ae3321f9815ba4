"""A crystal that stands in the laboratory and what its detector sees: the waves of its cells added up one by one.

Nothing of the package is used here.  The laboratory is x outboard, y up, z along the beam, in nm.  The *sample* turns from
frame to frame, a pixel stands where the arm carries it, and a cell at r sends the incoming wave on towards that pixel, where
it arrives with the phase (k_in − k_out)·r.  One cell in many scatters, so that the sum is short; the Bragg peaks that the
thinned lattice has beside those of the crystal lie outside of the detector.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

HC_KEV_NM = 1.2398419843320026
GOLD_NM = 0.40782
GOLD_111_NM = GOLD_NM / np.sqrt(3)
BEAM = np.array([0.0, 0.0, 1.0])

NORMALS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1],
                    [1, 1, 1], [-1, 1, 0.4], [0.3, -1, 1], [1, 0.2, -1]])  # fmt: skip
NORMALS = NORMALS / np.linalg.norm(NORMALS, axis=1)[:, None]
DISTANCES = np.array([1, 0.6, 0.9, 0.7, 0.65, 1.1, 0.8, 0.55, 0.75, 0.8])
"""Facets that no mirror and no inversion maps onto each other."""


def vector(axis: Any) -> np.ndarray:
    """Return the unit vector of "x-" and its kin, or of three numbers."""
    if isinstance(axis, str):
        return np.eye(3)["xyz".index(axis[0])] * {"+": 1, "-": -1}[axis[1]]
    return np.asarray(axis, float) / np.linalg.norm(axis)


def turned(circles: Any, angles_deg: Any) -> Rotation:
    """Return the rotation of circles, the outermost first: it carries all the others, so it acts last."""
    total = Rotation.identity()
    for circle, angle in reversed(list(zip(circles, angles_deg, strict=True))):
        total = Rotation.from_rotvec(np.radians(angle) * vector(circle)) * total
    return total


def towards(geometry: Any, row: Any, column: Any) -> np.ndarray:
    """Return the unit vectors from the sample to pixels (arrays of rows and columns), the arm standing as it does."""
    up, along = (vector(direction) for direction in geometry.pixel_directions)
    down_m, right_m = (size * 1e-6 for size in geometry.pixel_size_um)
    beam = geometry.direct_beam_pixel
    place = (
        geometry.distance_m * BEAM
        + (np.asarray(row, float)[..., None] - beam[0]) * down_m * up
        + (np.asarray(column, float)[..., None] - beam[1]) * right_m * along
    )
    place = place @ turned(geometry.detector_circles, geometry.detector_angles_deg).as_matrix().T
    return place / np.linalg.norm(place, axis=-1, keepdims=True)


def bragg_energy(geometry: Any, pixel: tuple[float, float], spacing_nm: float) -> float:
    """Return the energy in keV at which planes of this spacing reflect into a pixel: |k_out − k_in| = 2π/d."""
    return HC_KEV_NM / (spacing_nm * np.linalg.norm(towards(geometry, *pixel) - BEAM))


def inside(place: np.ndarray, half_nm: float) -> np.ndarray:
    """Return where the crystal is: a polyhedron about the origin, `half_nm` from there to its farthest facet."""
    return (place @ NORMALS.T < DISTANCES * half_nm).all(-1)


def displaced(
    place: np.ndarray, q: np.ndarray, half_nm: float, phase: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return displacement along Q̂ (nm) and strain of a crystal bent by some `phase` radians: u = (s² + s x − s z/2) u₀."""
    size = np.linalg.norm(q)
    s = place @ q / size / half_nm
    x, z = place[..., 0] / half_nm, place[..., 2] / half_nm
    u0 = phase / size
    slope = 2 * s + x - z / 2 + s * (q[0] - q[2] / 2) / size
    return u0 * (s**2 + s * x - s * z / 2), u0 * slope / half_nm


def lattice(q: np.ndarray, half_nm: float, apart_nm: float) -> np.ndarray:
    """Return cells (N, 3) of a cubic crystal whose (111) planes reflect along q: one in many, about `apart_nm` apart."""
    size = np.linalg.norm(q)
    edge = 2 * np.pi * np.sqrt(3) / size
    edge *= max(1, round(apart_nm / edge))
    onto, _ = Rotation.align_vectors(
        [q / size, [0.36, 0.48, 0.8]], [np.ones(3) / np.sqrt(3), [0.8, -0.6, 0.0]], weights=[np.inf, 1]
    )
    reach = int(2 * half_nm / edge) + 1
    index = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    cells = onto.apply(index * edge)
    return cells[inside(cells, half_nm)]


def waves(
    geometry: Any, cells: np.ndarray, shape: tuple[int, int, int], offsets_deg: np.ndarray
) -> np.ndarray:
    """Return the complex wave in every pixel of every frame.

    Parameters
    ----------
    geometry
        Anything with the fields of the package's `Geometry`.
    cells
        (N, 3) in nm, where they are in the frame in which the rocking circle stands at its stated angle.
    shape
        (frames, rows, columns) of the array that the direct beam's pixel counts in.
    offsets_deg
        What is added to the rocking circle's angle, frame by frame.
    """
    k = 2 * np.pi * geometry.energy_kev / HC_KEV_NM
    rows, columns = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    q = k * (towards(geometry, rows, columns) - BEAM).reshape(-1, 3)
    stood = turned(geometry.sample_circles, geometry.sample_angles_deg).inv()
    found = np.empty(shape, complex)
    for frame, offset in enumerate(offsets_deg):
        angles = list(geometry.sample_angles_deg)
        angles[geometry.rocking_circle] += offset
        now = (turned(geometry.sample_circles, angles) * stood).apply(cells)
        turns = q @ (now.T / (2 * np.pi))
        phase = (2 * np.pi * (turns - np.rint(turns))).astype(np.float32)
        found[frame] = (np.cos(phase).sum(1) - 1j * np.sin(phase).sum(1)).reshape(shape[1:])
    return found

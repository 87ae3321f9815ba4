"""The facets of a crystal: where its surface is flat, which planes of the lattice those are, and what the strain is there.

The surface is smoothed as Taubin does (G. Taubin, SIGGRAPH 95, 351), so that it does not shrink.  Its normals pile up where it is
flat: the peaks of their density on the sphere, weighted by area, are the facets' directions, as bcdi takes them.  A
facet is a connected piece of surface about one peak; its normal is that of the plane through its inner part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # whose parts are loaded where they are first used

from ..maps import Mesh

_DIRECTIONS = 6000
"""Bins of the sphere, about 2.6 degrees apart."""
_KERNEL_DEG, _APART_DEG, _REACH_DEG = 4.0, 9.0, 12.0
"""Width of the density's kernel; least angle between two peaks; how far a facet's own normals reach."""
_FLAT = 2.5
"""Density of a facet's direction over that of a ball, on which every direction is as common."""
_SMOOTHING = 12
"""Rounds of smoothing the surface."""
_IN, _OUT = 0.5, -0.53
"""Taubin's two steps: shrink, and grow a little more than that."""


@dataclass(frozen=True, eq=False)
class Facet:
    """One flat part of a surface.

    Parameters
    ----------
    normal
        Outward unit normal, x, y, z.
    centre
        Its middle, x, y, z, in the mesh's unit.
    area, share
        In the square of the mesh's unit, and of the whole surface.
    rms
        How far its inner part lies from the plane.
    values
        Mean and standard deviation over its area, of what the mesh has at its points.
    faces
        Indices of its triangles.
    hkl
        The lattice planes; None: unknown.
    misfit_deg
        Angle between its normal and that of the planes; None: unknown.
    angle_to_q_deg
        Angle between its normal and Q; None: unknown.
    """

    normal: np.ndarray
    centre: np.ndarray
    area: float
    share: float
    rms: float
    values: dict[str, tuple[float, float]]
    faces: np.ndarray
    hkl: tuple[int, int, int] | None = None
    misfit_deg: float | None = None
    angle_to_q_deg: float | None = None


def find_facets(mesh: Mesh, least_share: float = 0.015, q: np.ndarray | None = None) -> list[Facet]:
    """Return the facets of a closed surface, the largest first.

    Parameters
    ----------
    mesh
        As `mapped` makes it.
    least_share
        Smaller facets, as a part of the surface, are left out.
    q
        Q (x, y, z), to measure angles from; None: unknown.
    """
    if len(mesh.faces) < 50:
        return []
    vertices, adjacency = _smoothed(mesh)
    corners = vertices[mesh.faces]
    crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(crossed, axis=1) / 2
    total = float(areas.sum())
    normals = _face_normals(mesh.faces, crossed, adjacency, len(vertices))
    peaks = _peaks(normals, areas)
    if len(peaks) == 0:
        return []
    cosines = normals @ peaks.T
    nearest = cosines.argmax(1)
    taken = cosines[np.arange(len(normals)), nearest] > np.cos(np.radians(_REACH_DEG))
    neighbours = _neighbours(mesh.faces)
    found = []
    for peak in range(len(peaks)):
        members = np.flatnonzero(taken & (nearest == peak))
        if areas[members].sum() < least_share * total:
            continue
        _, labels = scipy.sparse.csgraph.connected_components(neighbours[members][:, members], directed=False)
        for label in range(labels.max() + 1):
            faces = members[labels == label]
            area = float(areas[faces].sum())
            if area >= least_share * total:
                found.append(_facet(mesh, corners, crossed, areas, neighbours, faces, area, total, q))
    return sorted(found, key=lambda each: -each.area)


def _smoothed(mesh: Mesh) -> tuple[np.ndarray, scipy.sparse.csr_matrix]:
    """Return the vertices after smoothing, and the matrix that averages over the neighbours of each."""
    count = len(mesh.vertices)
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    both = np.concatenate([edges, edges[:, ::-1]])
    linked = scipy.sparse.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count))
    linked.data[:] = 1
    degree = np.maximum(np.asarray(linked.sum(1)).ravel(), 1)
    average = scipy.sparse.diags(1 / degree) @ linked
    vertices = mesh.vertices.astype(np.float64)
    for _ in range(_SMOOTHING):
        for step in (_IN, _OUT):
            vertices = vertices + step * (average @ vertices - vertices)
    return vertices, average


def _face_normals(
    faces: np.ndarray, crossed: np.ndarray, average: scipy.sparse.csr_matrix, vertices: int
) -> np.ndarray:
    """Return unit normals of the triangles, averaged over their surroundings."""
    at = np.stack([np.bincount(faces.ravel(), np.repeat(crossed[:, i], 3), vertices) for i in range(3)], 1)
    for _ in range(2):
        at = 0.5 * (at + average @ at)
    normals = at[faces].sum(1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _sphere(count: int) -> np.ndarray:
    """Return directions that cover the sphere evenly, on Fibonacci's spiral."""
    index = np.arange(count) + 0.5
    z = 1 - 2 * index / count
    around = np.pi * (1 + np.sqrt(5)) * index
    flat = np.sqrt(1 - z**2)
    return np.stack([flat * np.cos(around), flat * np.sin(around), z], 1)


def _peaks(normals: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Return the directions about which normals pile up, the strongest first."""
    sphere = _sphere(_DIRECTIONS)
    tree = scipy.spatial.cKDTree(sphere)
    weights = np.bincount(tree.query(normals)[1], areas, _DIRECTIONS)
    kernel = np.radians(_KERNEL_DEG)
    pairs = tree.sparse_distance_matrix(tree, 3 * kernel, output_type="coo_matrix")
    near = scipy.sparse.csr_matrix(
        (np.exp(-(pairs.data**2) / (2 * kernel**2)), (pairs.row, pairs.col)), pairs.shape
    )
    near.setdiag(1)
    density = near @ weights
    level = float(np.mean(near.sum(1))) * weights.sum() / _DIRECTIONS
    found: list[np.ndarray] = []
    for bin_ in np.argsort(-density):
        if density[bin_] < _FLAT * level:
            break
        one = _climbed(sphere[bin_], normals, areas)
        if all(one @ other < np.cos(np.radians(_APART_DEG)) for other in found):
            found.append(one)
    return np.array(found)


def _climbed(direction: np.ndarray, normals: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Return the mean of the normals about a direction, moved there until it stays."""
    reach = np.cos(np.radians(2 * _KERNEL_DEG))
    for _ in range(20):
        near = normals @ direction > reach
        if not near.any():
            return direction
        mean = areas[near] @ normals[near]
        mean = mean / np.linalg.norm(mean)
        if mean @ direction > 1 - 1e-9:
            return mean
        direction = mean
    return direction


def _neighbours(faces: np.ndarray) -> scipy.sparse.csr_matrix:
    """Return which triangles share an edge."""
    count = len(faces)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    owner = np.tile(np.arange(count), 3)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    edges, owner = edges[order], owner[order]
    same = np.flatnonzero((edges[1:] == edges[:-1]).all(1))
    one, other = owner[same], owner[same + 1]
    ones = np.ones(2 * len(same), bool)
    rows, columns = np.concatenate([one, other]), np.concatenate([other, one])
    return scipy.sparse.csr_matrix((ones, (rows, columns)), (count, count))


def _facet(
    mesh: Mesh,
    corners: np.ndarray,
    crossed: np.ndarray,
    areas: np.ndarray,
    neighbours: scipy.sparse.csr_matrix,
    faces: np.ndarray,
    area: float,
    total: float,
    q: np.ndarray | None,
) -> Facet:
    inner = _inner(faces, neighbours, len(areas))
    middles, weights = corners[inner].mean(1), areas[inner]
    centre = weights @ middles / weights.sum()
    offsets = middles - centre
    _, axes = np.linalg.eigh((offsets * weights[:, None]).T @ offsets)
    normal = axes[:, 0]
    if normal @ crossed[faces].sum(0) < 0:
        normal = -normal
    values = {}
    for name, at in mesh.values.items():
        each = at[mesh.faces[faces]].mean(1)
        mean = float(np.average(each, weights=areas[faces]))
        values[name] = (mean, float(np.sqrt(np.average((each - mean) ** 2, weights=areas[faces]))))
    angle = None
    if q is not None:
        angle = float(np.degrees(np.arccos(np.clip(normal @ q / np.linalg.norm(q), -1, 1))))
    rms = float(np.sqrt(weights @ (offsets @ normal) ** 2 / weights.sum()))
    return Facet(normal, centre, area, area / total, rms, values, faces, angle_to_q_deg=angle)


def _inner(faces: np.ndarray, neighbours: scipy.sparse.csr_matrix, count: int) -> np.ndarray:
    """Return the triangles of a facet away from its edges: as many layers are peeled off as leave a third of them."""
    kept = np.zeros(count, bool)
    kept[faces] = True
    while True:
        at = np.flatnonzero(kept)
        deep = at[np.asarray(neighbours[at] @ kept.astype(np.int32)).ravel() == 3]
        if len(deep) < max(len(faces) / 3, 8) or len(deep) == len(at):
            return at
        kept[:] = False
        kept[deep] = True


def table(facets: Sequence[Facet], unit: str = "nm") -> str:
    """Return the facets as CSV, a line each, the largest first."""
    names = sorted({name for each in facets for name in each.values})
    head = ["facet", "h", "k", "l", "misfit_deg", "normal_x", "normal_y", "normal_z", f"area_{unit}2", "share_percent",
            "angle_to_q_deg", f"rms_{unit}", f"centre_x_{unit}", f"centre_y_{unit}", f"centre_z_{unit}"]  # fmt: skip
    head += [f"{name}_{what}" for name in names for what in ("mean", "std")]
    if moved := "displacement" in names:
        head += ["displacement_mean_angstrom", "displacement_std_angstrom"]
    lines = [",".join(head)]
    for number, each in enumerate(facets, 1):
        hkl = ("", "", "") if each.hkl is None else map(str, each.hkl)
        row = [str(number), *hkl, _said(each.misfit_deg), *map(_said, each.normal), _said(each.area), _said(100 * each.share),
               _said(each.angle_to_q_deg), _said(each.rms), *map(_said, each.centre)]  # fmt: skip
        row += [_said(value) for name in names for value in each.values.get(name, (np.nan, np.nan))]
        row += [_said(10 * value) for value in each.values["displacement"]] if moved else []
        lines.append(",".join(row))
    return "\n".join(lines) + "\n"


def _said(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.6g}"


def face_labels(facets: Sequence[Facet], faces: int) -> np.ndarray:
    """Return for every triangle the number of its facet from 1, and 0 where it is in none (int32)."""
    labels = np.zeros(faces, np.int32)
    for number, each in enumerate(facets, 1):
        labels[each.faces] = number
    return labels

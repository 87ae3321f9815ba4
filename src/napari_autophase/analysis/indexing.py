"""Which planes of the lattice the facets of a crystal are: two known directions settle how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .facets import Facet

_ALONG_Q = 0.98
"""Cosine above which a facet's normal lies along Q, and so tells nothing of the turn about it."""


def families(highest: int = 2) -> list[tuple[int, int, int]]:
    """Return the simple lattice planes, each direction once: without a common factor, no index above `highest`; and {113}."""
    span = range(-3, 4)
    found = []
    for h in span:
        for k in span:
            for m in span:
                size = sorted(map(abs, (h, k, m)))
                simple = max(size) <= highest or size == [1, 1, 3]
                if simple and np.gcd.reduce([h, k, m]) == 1:
                    found.append((h, k, m))
    return found


def indexed(
    facets: Sequence[Facet],
    q: np.ndarray,
    hkl: tuple[int, int, int],
    second: tuple[int, tuple[int, int, int]] | None = None,
    basis: np.ndarray | None = None,
    tolerance_deg: float = 6.0,
) -> list[Facet]:
    """Return the facets with the indices of their lattice planes.

    Q is normal to the planes of the reflection: that leaves a turn about Q, which a second plane settles: the one that is said,
    or else the turn at which the facets, by area, fit simple planes best, simpler ones counting more.

    Parameters
    ----------
    facets
        As `find_facets` returns them.
    q, hkl
        Q (x, y, z) in the frame of the normals, and the indices of its reflection.
    second
        Number of a facet in the list, and its indices; None: the best turn is looked for.
    basis
        Columns a*, b*, c* of the reciprocal lattice, in any unit; None: cubic.
    tolerance_deg
        Facets farther than this from every simple plane stay without indices.
    """
    basis = np.eye(3) if basis is None else np.asarray(basis, float)
    planes = families()
    directions = np.array(planes) @ basis.T
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    up = basis @ np.array(hkl, float)
    up /= np.linalg.norm(up)
    along = np.asarray(q, float) / np.linalg.norm(q)
    start = _onto(up, along)
    normals = np.array([each.normal for each in facets]).reshape(-1, 3)
    areas = np.array([each.area for each in facets])
    if second is not None:
        number, plane = second
        wanted = start @ (basis @ np.array(plane, float))
        turn = _about(along, _turn_between(along, wanted, normals[number]))
    else:
        turn = _best_turn(along, directions @ start.T, normals, areas, _simplicity(planes))
    turned = directions @ (turn @ start).T
    found = []
    for each in facets:
        cosines = turned @ each.normal
        angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
        # of two planes that fit nearly as well, the simpler one
        best = int(np.argmin(angles + 1.5 * (1 - _simplicity(planes))))
        if angles[best] <= tolerance_deg:
            found.append(replace(each, hkl=planes[best], misfit_deg=float(angles[best])))
        else:
            found.append(replace(each, hkl=None, misfit_deg=None))
    return found


def crystal_axes(
    facets: Sequence[Facet], q: np.ndarray, hkl: tuple[int, int, int], basis: np.ndarray | None = None
) -> np.ndarray | None:
    """Return the directions of a, b and c (columns, unit vectors x, y, z), from Q and the facets that have indices.

    Q is met exactly, the facets as well as they can be, by area.  None where no facet but along Q has indices: then the crystal
    may be turned about Q by any angle.
    """
    from scipy.spatial.transform import Rotation

    basis = np.eye(3) if basis is None else np.asarray(basis, float)
    along, up = np.asarray(q, float) / np.linalg.norm(q), _unit(basis @ np.array(hkl, float))
    known = [each for each in facets if each.hkl is not None and abs(each.normal @ along) < _ALONG_Q]
    if not known:
        return None
    planes = [_unit(basis @ np.array(each.hkl, float)) for each in known]
    turn, _ = Rotation.align_vectors(
        np.array([along, *(each.normal for each in known)]),
        np.array([up, *planes]),
        weights=np.array([np.inf, *(each.area for each in known)]),
    )
    direct = np.linalg.inv(basis).T
    return np.asarray(turn.as_matrix() @ (direct / np.linalg.norm(direct, axis=0)))


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))


def _simplicity(planes: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Return 1 for {100} and {111}, less for planes with more or larger indices."""
    order = {
        (0, 0, 1): 1.0,
        (1, 1, 1): 1.0,
        (0, 1, 1): 0.8,
        (1, 1, 3): 0.5,
        (0, 1, 2): 0.4,
        (1, 1, 2): 0.4,
        (1, 2, 2): 0.3,
    }
    return np.array([order.get(tuple(sorted(map(abs, plane))), 0.2) for plane in planes])  # type: ignore[arg-type]


def _best_turn(
    axis: np.ndarray, directions: np.ndarray, normals: np.ndarray, areas: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    if len(normals) == 0:
        return np.eye(3)

    def score(angle: float) -> float:
        cosines = np.clip(normals @ (_about(axis, angle) @ directions.T), -1, 1)
        off = np.degrees(np.arccos(cosines)) / 2.5
        return float(areas @ (weights * np.exp(-(off**2) / 2)).max(1))

    coarse = np.radians(np.arange(0, 360, 1.0))
    best = coarse[int(np.argmax([score(angle) for angle in coarse]))]
    fine = best + np.radians(np.arange(-1, 1.01, 0.1))
    return _about(axis, float(fine[int(np.argmax([score(angle) for angle in fine]))]))


def _about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the rotation about a unit axis by the right-hand rule (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _onto(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return a rotation that takes one unit vector to another."""
    axis, cosine = np.cross(one, other), float(one @ other)
    if cosine < -1 + 1e-12:
        across = np.cross(one, np.eye(3)[int(np.argmin(np.abs(one)))])
        return _about(across / np.linalg.norm(across), np.pi)
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)


def _turn_between(axis: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """Return by which angle about an axis one vector comes as near to another as it can."""
    flat = [each - (each @ axis) * axis for each in (one, other)]
    return float(np.arctan2(np.cross(flat[0], flat[1]) @ axis, flat[0] @ flat[1]))

"""The crystals of `simulation`: polyhedra in laboratory nanometres, and the displacement inside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from scipy.spatial import HalfspaceIntersection

from ..geometry import reciprocal_steps
from ..scan import Geometry

Kind = Literal["wulff", "winterbottom", "cut", "rod", "platelet", "scattered"]
KINDS: tuple[Kind, ...] = ("wulff", "winterbottom", "cut", "rod", "platelet", "scattered")
"""All shapes that can be simulated."""


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def polyhedron(
    rng: np.random.Generator, kind: Kind, q: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return unit normals (P, 3) and distances (P,) of facets, and the corners (V, 3), of unit order."""
    signs = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 3), -1).reshape(-1, 3)
    order = np.abs(signs).sum(1)
    if kind in ("wulff", "winterbottom", "cut"):
        family = {1.0: rng.uniform(0.85, 1.1), 2.0: rng.uniform(0.95, 1.3), 3.0: rng.uniform(0.75, 0.95)}
        normals = _unit(signs[order > 0])
        distances = np.array([family[i] for i in order[order > 0]]) * rng.uniform(0.85, 1.1, len(normals))
        extra = {"wulff": 0, "winterbottom": 1, "cut": 3}[kind]
        # a substrate is a {111} plane near the middle; cuts point anywhere
        planes = _unit(np.ones((1, 3))) if kind == "winterbottom" else _unit(rng.normal(size=(extra, 3)))
        normals = np.concatenate([normals, -planes[:extra]])
        distances = np.concatenate([distances, rng.uniform(0.2, 0.6, extra)])
    elif kind == "scattered":
        normals = _unit(np.concatenate([rng.normal(size=(12, 3)), np.eye(3), -np.eye(3)]))
        distances = rng.uniform(0.6, 1.1, len(normals))
    else:
        angle = np.arange(6) * np.pi / 3
        sides = np.stack([np.cos(angle), np.sin(angle), np.zeros(6)], -1)
        normals = np.concatenate([sides, [[0, 0, 1.0], [0, 0, -1.0]]])
        length = rng.uniform(1.2, 1.8) if kind == "rod" else rng.uniform(0.35, 0.6)
        distances = np.concatenate([rng.uniform(0.8, 1.0, 6), [length, length]])

    # [111] of a cubic crystal, or the axis of a prism, stands along Q or lies anywhere, by chance; the twist is random
    own = _unit(np.array([0.0, 0, 1]) if kind in ("rod", "platelet") else np.ones(3))
    along = _unit(q) if kind in ("wulff", "winterbottom", "cut") else _unit(rng.normal(size=3))
    normals = normals @ (basis(along, rng) @ basis(own, rng).T).T
    corners = HalfspaceIntersection(np.column_stack([normals, -distances]), np.zeros(3)).intersections
    return normals, distances, corners


def basis(axis: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a rotation whose third column is `axis`, at a random twist."""
    first = rng.normal(size=3)
    first = _unit(first - (first @ axis) * axis)
    return np.stack([first, np.cross(axis, first), axis], axis=1)


def sampled(
    template: Geometry,
    centre: tuple[int, ...],
    shape: tuple[int, ...],
    corners: np.ndarray,
    wanted: np.ndarray,
) -> Geometry:
    """Scale rocking step and pixel sizes so that the crystal's width along each axis is 1/`wanted` of the array."""
    for _ in range(3):  # q is not quite linear in the pixel
        extent = np.ptp(corners @ reciprocal_steps(template, centre, shape), axis=0) / (2 * np.pi)
        factor = (1 / (wanted * extent)).tolist()
        template = replace(
            template,
            rocking_step_deg=template.rocking_step_deg * factor[0],
            pixel_size_um=(template.pixel_size_um[0] * factor[1], template.pixel_size_um[1] * factor[2]),
        )
    return template


def _indices(shape: tuple[int, ...]) -> list[np.ndarray]:
    return list(
        np.meshgrid(*[np.arange(n, dtype=np.float32) - n // 2 for n in shape], indexing="ij", sparse=True)
    )


def along_grid(vector: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the linear function ``vector · index`` (index 0 at the centre) on the whole grid, float32."""
    i, j, k = _indices(shape)
    a, b, c = (np.float32(x) for x in vector)
    return a * i + (b * j + c * k)


def positions(shape: tuple[int, ...], steps: np.ndarray) -> np.ndarray:
    """Return laboratory positions in nm, float32 (3, *shape)."""
    return np.stack([along_grid(row, shape) for row in steps])


def amplitude_of(
    shape: tuple[int, ...], steps: np.ndarray, normals: np.ndarray, distances: np.ndarray
) -> np.ndarray:
    """Return 1 inside and 0 outside, falling linearly over one voxel across each facet."""
    amplitude = np.ones(shape, np.float32)
    for normal, distance in zip(normals @ steps, distances, strict=True):
        voxel = np.linalg.norm(normal)  # nm from one voxel to the next across this facet
        depth = along_grid(-normal / voxel, shape) + np.float32(distance / voxel + 0.5)
        np.minimum(amplitude, np.clip(depth, 0, 1, out=depth), out=amplitude)
    return amplitude


def bumps(rng: np.random.Generator, r: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a sum of Gaussians of random place, width and height at r (3, ...), and its gradient (3, ...)."""
    value, gradient = np.zeros_like(r[0]), np.zeros_like(r)
    for _ in range(number):
        away = r - rng.uniform(-0.7, 0.7, 3).astype(np.float32)[:, None, None, None]
        width = np.float32(rng.uniform(0.3, 0.7))
        bump = np.float32(rng.normal()) * np.exp(-(away**2).sum(0) / (2 * width**2))
        value += bump
        gradient -= away / width**2 * bump
    return value, gradient


def displacement_of(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    steps: np.ndarray,
    q: np.ndarray,
    support: np.ndarray,
    phase_range: float,
    dislocation: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the displacement along Q in nm, and its derivative along Q."""
    length, along = float(np.linalg.norm(q)), _unit(q).astype(np.float32)
    position = positions(shape, steps)
    radius = np.float32(np.abs(position[:, support]).max())
    r = position / radius
    bend = rng.normal(size=(3, 3)).astype(np.float32)
    bend += bend.T
    twist = rng.normal(size=3).astype(np.float32)
    hills, slope = bumps(rng, r, 3)
    bent, cubed = np.tensordot(bend, r, 1), np.tensordot(twist, r, 1)
    u = 0.5 * (r * bent).sum(0) + cubed**3 + 1.5 * hills
    gradient = bent + 3 * cubed**2 * twist[:, None, None, None] + 1.5 * slope

    inside = np.column_stack([r[:, support].T, np.ones(int(support.sum()))])
    linear = np.linalg.lstsq(inside, u[support], rcond=None)[0].astype(np.float32)
    u -= np.tensordot(linear[:3], r, 1) + linear[3]
    gradient -= linear[:3, None, None, None]
    scale = phase_range / (length * max(float(np.ptp(u[support])), 1e-9))
    u, strain = u * scale, np.tensordot(along, gradient, 1) * (scale / radius)

    if dislocation:
        frame_ = basis(_unit(rng.normal(size=3)), rng).astype(np.float32)
        origin = rng.uniform(-0.3, 0.3, 2).astype(np.float32)
        x, y = (np.tensordot(frame_[:, n], r, 1) - origin[n] for n in (0, 1))
        u += np.arctan2(y, x) / length
        turn = x * (frame_[:, 1] @ along) - y * (frame_[:, 0] @ along)
        strain += turn / np.maximum(x**2 + y**2, 1e-6) / (length * radius)
    return u, strain

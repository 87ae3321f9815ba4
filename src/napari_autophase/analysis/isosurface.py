"""The surface of the crystal: marching cubes of the amplitude, coloured from just below."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy  # whose parts are loaded where they are first used
from scipy import ndimage

DEPTH = 0.75
"""Voxels below the surface at which colours are read: the outermost voxels mix the crystal with the noise around it."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed triangle mesh.

    Parameters
    ----------
    vertices
        float32, shape (V, 3), index of the array times `scale` (nm or voxels), in the array's axis order.
    faces
        int32, shape (F, 3), indices into `vertices`, turned so that the volume inside is positive.
    values
        float32, shape (V,), the colour.
    sites
        float32, shape (V, 3), where the colours are read, in voxels.
    """

    vertices: np.ndarray
    faces: np.ndarray
    values: np.ndarray
    sites: np.ndarray

    def coloured(self, colour: np.ndarray) -> Surface:
        """Return the surface coloured by a volume: the angle of a complex one, the value of a real one (NaN allowed).

        A complex volume is interpolated before its angle is taken, since interpolating a wrapped phase draws false seams.
        A real one is averaged over the valid neighbours, and over none is taken from the nearest valid voxel.
        """
        if len(self.sites) == 0:
            return self
        if np.iscomplexobj(colour):
            values = np.angle(
                _interpolate(colour.real, self.sites) + 1j * _interpolate(colour.imag, self.sites)
            )
        else:
            values = _interpolate_valid(colour, self.sites)
        return replace(self, values=values.astype(np.float32))

    @property
    def area(self) -> float:
        """Area, in the square of the vertices' unit."""
        a, b, c = (self.vertices[self.faces[:, i]].astype(np.float64) for i in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)

    @property
    def volume(self) -> float:
        """Volume inside, by the divergence theorem, in the cube of the vertices' unit."""
        if len(self.vertices) == 0:
            return 0.0
        a, b, c = (self.vertices[self.faces[:, i]].astype(np.float64) for i in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def isosurface(
    amplitude: np.ndarray,
    level: float,
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
    colour: np.ndarray | None = None,
) -> Surface:
    """Return the surface on which `amplitude` equals `level`.

    Parameters
    ----------
    amplitude
        Real, 3-D; outside the array it is taken as 0, so that the surface is closed.
    level
        In the unit of `amplitude`; from its maximum on the surface is empty.
    scale
        Voxel size along each axis.
    colour
        Volume of the same shape that colours the vertices (see `Surface.coloured`); None: colour 0.

    Returns
    -------
    Surface
        Lorensen and Cleveland's marching cubes in the variant of Lewiner et al. (2003), as scikit-image has it.
    """
    from skimage.measure import marching_cubes

    above = np.asarray(amplitude) > level
    if not above.any():
        empty = np.zeros((0, 3), np.float32)
        return Surface(empty, np.zeros((0, 3), np.int32), np.zeros(0, np.float32), empty)
    box = bounding_box(above, margin=1)
    volume = np.pad(amplitude[box].astype(np.float32), 1)
    vertices, faces, normals, _ = marching_cubes(volume, level, gradient_direction="ascent")
    sites = vertices + np.array([s.start - 1 for s in box], np.float32)
    surface = Surface(
        vertices=(sites * np.asarray(scale, np.float32)).astype(np.float32),
        faces=faces.astype(np.int32),
        values=np.zeros(len(sites), np.float32),
        sites=sites,
    )
    surface = replace(surface, sites=(sites - np.float32(DEPTH) * normals).astype(np.float32))
    return surface if colour is None else surface.coloured(colour)


def bounding_box(mask: np.ndarray, margin: int = 0) -> tuple[slice, ...]:
    """Return the slices that hold every True voxel of `mask`, and `margin` voxels around where the array has them."""
    box = []
    for axis in range(mask.ndim):
        lit = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        if lit.size == 0:
            return (slice(0, 0),) * mask.ndim
        box.append(slice(max(int(lit[0]) - margin, 0), min(int(lit[-1]) + 1 + margin, mask.shape[axis])))
    return tuple(box)


def _interpolate(volume: np.ndarray, sites: np.ndarray) -> np.ndarray:
    return ndimage.map_coordinates(volume, sites.T, order=1, mode="nearest", prefilter=False)


def _interpolate_valid(volume: np.ndarray, sites: np.ndarray) -> np.ndarray:
    valid = np.isfinite(volume)
    if not valid.any():
        return np.zeros(len(sites), np.float32)
    weight = _interpolate(valid.astype(np.float32), sites)
    values = _interpolate(np.where(valid, volume, 0).astype(np.float32), sites)
    alone = weight < 1e-3
    values = values / np.where(alone, 1, weight)
    if alone.any():
        _, nearest = scipy.spatial.cKDTree(np.argwhere(valid)).query(sites[alone])
        values[alone] = volume[valid][nearest]
    return values

"""The crystal as a mesh for napari: cut open along a plane, and lit so gently that its colours stay numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .quantity import Averaged, ColourBy, volume

if TYPE_CHECKING:
    from .... import analysis

LIGHT = (0.75, 0.65, 0.1)
"""Where the light stands, as (z, y, x): above and downstream, as the camera does at first."""
SHADE = 0.55
"""Brightness of a facet that is turned away from the light."""
RELIEF_TEXTURE = np.repeat(np.linspace(0, 1, 256, dtype=np.float32)[None, :, None], 3, axis=2)
"""A grey ramp: napari multiplies the colours of a mesh by a texture, and by nothing else that leaves them numbers."""
_WHITE = 0.998
"""Where the ramp is white, half a texel from its end: beyond, it wraps around."""


@dataclass(frozen=True)
class Cut:
    """A plane through the crystal; what lies beyond it, along `normal`, is taken away.

    Parameters
    ----------
    normal
        Direction along the axes of the layer, (z, y, x); any length but zero.
    position
        Distance of the plane from the crystal's centre along the normal, in the layer's unit (nm, or voxels without geometry).
    """

    normal: tuple[float, float, float]
    position: float

    def depth(self, shape: tuple[int, ...], step: tuple[float, ...]) -> np.ndarray:
        """Return how far behind the plane each voxel lies (negative where it is taken away), in the unit of `step`, float32."""
        normal = np.asarray(self.normal, float) / np.linalg.norm(self.normal)
        depth = np.full((1,) * len(shape), self.position, np.float32)
        for axis, (n, size) in enumerate(zip(shape, step, strict=True)):
            place = (np.arange(n) - n // 2) * size * normal[axis]
            depth = depth - place.astype(np.float32).reshape(
                [-1 if k == axis else 1 for k in range(len(shape))]
            )
        return depth


@dataclass(frozen=True, eq=False)
class Mesh:
    """A napari surface.

    Parameters
    ----------
    data
        Vertices (V, 3) in the layer's unit, faces (F, 3), values (V,).
    relief
        Texture coordinates (V, 2) that darken what is turned away from the light.
    """

    data: tuple[np.ndarray, np.ndarray, np.ndarray]
    relief: np.ndarray

    def texcoords(self, relief: bool) -> np.ndarray | None:
        """Return texture coordinates that show the relief, or full brightness; None for an empty mesh.

        A layer that once had texture coordinates must keep some: its texture cannot be taken off again in napari 0.9, which
        then draws with the old ones.
        """
        if len(self.relief) == 0:
            return None
        return self.relief if relief else np.full_like(self.relief, _WHITE)


def mesh(
    quantities: analysis.Quantities, colour_by: ColourBy, cut: Cut | None, averaged: Averaged | None = None
) -> Mesh:
    """Return the surface of the crystal, capped where it is cut open.

    The cut is the intersection of two implicit solids, min(amplitude, level + slope × depth behind the plane): one run of
    marching cubes draws the facets that remain and the face of the cut.  The face lies exactly on the plane, because depth is
    linear, but for a chamfer of about a voxel at its rim, which a gentle slope keeps narrow.  It shows the inside.
    """
    level, step = quantities.threshold, quantities.voxel_size
    # a phase is interpolated with the object: by itself it would show seams where it wraps
    colour = quantities.object if colour_by == "phase" else volume(colour_by, quantities, averaged)
    if cut is None:
        solid, surface = quantities.amplitude, quantities.surface(colour)
    else:
        # specks apart from the crystal are no part of its support, so none of its surface either
        specks = (quantities.amplitude >= level) & ~quantities.support
        slope = max(0.2 * (1 - level), 0.01) / float(np.mean(step))
        plane = level + slope * cut.depth(specks.shape, step)
        solid = np.minimum(np.where(specks, 0, quantities.amplitude), plane)
        from ....analysis import isosurface  # brings scipy, as below: a dock opens without

        surface = isosurface(solid, level, step, colour)
    bright = _brightness(solid, surface.vertices, quantities)
    if cut is not None:
        # the inside is what a cut is made for: it is shown as it is
        normal = np.asarray(cut.normal, float) / np.linalg.norm(cut.normal)
        centre = [n // 2 * size for n, size in zip(solid.shape, step, strict=True)]
        on_plane = np.abs((surface.vertices - centre) @ normal - cut.position) < 0.05 * min(step)
        bright[on_plane] = 1
    relief = np.stack([np.clip(bright, 1 - _WHITE, _WHITE), np.full_like(bright, 0.5)], axis=-1)
    return Mesh((surface.vertices, surface.faces, surface.values), relief.astype(np.float32))


def _brightness(solid: np.ndarray, vertices: np.ndarray, quantities: analysis.Quantities) -> np.ndarray:
    """Return the brightness of each vertex, from `SHADE` to 1, by a wrapped Lambert law (1 + cos) / 2.

    Normals come from the gradient of the solid after a blur of one voxel, and from below twice the level: the terraces of
    the voxels and the texture inside the crystal would otherwise be lit, not its facets.
    """
    if len(vertices) == 0:
        return np.zeros(0, np.float32)
    from scipy import ndimage

    box = tuple(slice(max(s.start - 3, 0), s.stop + 3) for s in quantities.box)
    blurred = ndimage.gaussian_filter(np.minimum(solid[box], 2 * quantities.threshold), 1.0, truncate=3.0)
    sites = (vertices / np.asarray(quantities.voxel_size) - [s.start for s in box]).T
    slopes = np.gradient(blurred, *quantities.voxel_size)
    normals = -np.stack([ndimage.map_coordinates(s, sites, order=1, mode="nearest") for s in slopes], axis=-1)
    length = np.linalg.norm(normals, axis=-1)
    light = np.asarray(LIGHT) / np.linalg.norm(LIGHT)
    cosine = normals @ light / np.where(length > 0, length, 1)
    return (SHADE + (1 - SHADE) * (1 + cosine) / 2).astype(np.float32)

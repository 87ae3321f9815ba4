"""Maps of a crystal: named volumes on one orthogonal grid, and its surface, as they are shown, written and opened elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Map:
    """One quantity in every voxel.

    Parameters
    ----------
    values
        float32, complex64 or bool, 3-D; NaN where it has no meaning.
    unit
        ``"rad"``, ``"nm"``, ``"1"`` …
    meaning
        What it is, and against what, in a few words.
    """

    values: np.ndarray
    unit: str
    meaning: str


@dataclass(frozen=True, eq=False)
class Mesh:
    """The closed surface of a crystal.

    Parameters
    ----------
    vertices
        float32 (V, 3), x, y, z in the grid's unit, the crystal's centre at 0.
    faces
        int32 (F, 3), anticlockwise seen from outside.
    values
        float32 (V,) per vertex, by the names of the maps.
    rgb
        uint8 (V, 3), colours of one of them; None: none.
    face_values
        Per face, (F,); empty: nothing is known of single faces.
    """

    vertices: np.ndarray
    faces: np.ndarray
    values: Mapping[str, np.ndarray]
    rgb: np.ndarray | None = None
    face_values: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Maps:
    """All that is known in every voxel of a crystal.

    Parameters
    ----------
    volumes
        By name; one shape, the crystal's centre at ``shape // 2``.
    voxel_size, unit
        Along the axes of the arrays, in ``nm`` or ``pixel``.
    axes
        Names of the axes of the arrays: ``z, y, x`` of the frame, or numbers where the geometry is unknown.
    make_mesh
        Makes the surface, which takes a while and is not always asked for.
    about
        Plain values beside: name, source, frame, threshold, Q …
    """

    volumes: Mapping[str, Map]
    voxel_size: tuple[float, float, float]
    unit: str
    axes: tuple[str, str, str]
    make_mesh: Callable[[], Mesh]
    about: Mapping[str, Any]

    @cached_property
    def mesh(self) -> Mesh:
        """The surface."""
        return self.make_mesh()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the volumes."""
        return next(iter(self.volumes.values())).values.shape

    def places(self) -> list[np.ndarray]:
        """Return where the voxels lie along axes 0, 1, 2, in `unit`, the crystal's centre at 0."""
        return [size * (np.arange(n) - n // 2) for n, size in zip(self.shape, self.voxel_size, strict=True)]

    @property
    def nbytes(self) -> int:
        """Bytes of the volumes."""
        return sum(each.values.nbytes for each in self.volumes.values())

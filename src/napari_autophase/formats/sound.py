"""Results whose numbers can be worked with, from this program or another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..reconstruction import UNKNOWN_GEOMETRY, Reconstruction

_LEAST, _LARGEST = 1e-12, 1e12
"""Amplitudes beyond these are brought to 1: their products would leave the range of numbers."""
_FLAT = 1e-9
"""Volume of a voxel over the product of its edges below which it is none."""


def sound(found: Reconstruction) -> Reconstruction:
    """Return a result without what is not finite, too large or too small, or flat; its notes say what was changed."""
    object, notes = found.object, list(found.notes)
    finite = np.isfinite(object)
    if not finite.all():
        object = np.where(finite, object, 0)
        notes.append(
            f"{int(np.count_nonzero(~finite))} voxels of the object are not finite: they are taken for empty."
        )
    largest = float(np.abs(object).max(initial=0))
    if largest > 0 and not _LEAST < largest < _LARGEST:
        object = (object.astype(np.complex128) / largest).astype(np.complex64)
        notes.append(f"The amplitude, {largest:.1g} at most, was divided by its largest.")
    steps = found.voxel_steps_nm
    if steps is not None and not _spans(steps):
        found = replace(found, voxel_steps_nm=None, q_bragg_per_nm=None)
        notes += ["The voxels in the file have no volume: its geometry is not used.", UNKNOWN_GEOMETRY]
    return replace(found, object=object, notes=tuple(dict.fromkeys(notes)))


def _spans(steps: np.ndarray) -> bool:
    edges = float(np.prod(np.linalg.norm(steps, axis=0)))
    return bool(np.isfinite(steps).all()) and abs(float(np.linalg.det(steps))) > _FLAT * edges

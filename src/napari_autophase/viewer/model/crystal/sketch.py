"""The crystal while it is refined: a mesh of the best start, made so cheaply that the run hardly notices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....reconstruction import BestStart
from .mesh import Mesh, mesh

MOST = 48
"""Samples along an axis of the crystal, at most: a finer mesh would take the run's time and look the same."""
MARGIN = 2
"""Samples around the support."""


@dataclass(frozen=True, eq=False)
class Sketch:
    """How the best start looks.

    Parameters
    ----------
    mesh
        Its surface coloured by phase, the crystal's centre at the origin.
    unit
        ``nm``: it stands in the laboratory, along (z, y, x); ``voxel``: on the phased grid, as a result without geometry does.
    """

    mesh: Mesh
    unit: str


def sketch(best: BestStart, voxel_steps_nm: np.ndarray | None, threshold: float) -> Sketch | None:
    """Return how a start looks, with the shift, twin and mean phase that its result will have; None while there is nothing.

    The surface is found on the start's own grid and then moved into the laboratory, so that nothing has to be resampled.

    Parameters
    ----------
    best
        The start.
    voxel_steps_nm
        As `Reconstruction.voxel_steps_nm`.
    threshold
        Amplitude, as a fraction of its maximum, that bounds the crystal.
    """
    from .... import analysis  # brings scipy: a dock opens without

    object, support = analysis.normalise(best.object(), best.support())
    if not support.any():
        return None
    starts, strides, part = [], [], []
    for axis, n in enumerate(support.shape):
        lit = np.flatnonzero(support.any(tuple(a for a in range(3) if a != axis)))
        stride = -(-int(lit[-1] + 1 - lit[0]) // MOST)
        first = max(int(lit[0]) - MARGIN * stride, 0)
        part.append(slice(first, min(int(lit[-1]) + 1 + MARGIN * stride, n), stride))
        starts.append(first - n // 2)
        strides.append(float(stride))
    inside = tuple(part)
    quantities = analysis.bare_quantities(np.where(support[inside], object[inside], 0), threshold)
    found = mesh(quantities, "phase", None)
    vertices, faces, values = found.data
    if len(vertices) == 0:
        return None
    places = (vertices * strides + starts) * best.voxel_size
    if voxel_steps_nm is not None:
        places = (places @ np.asarray(voxel_steps_nm).T)[:, ::-1]
    unit = "voxel" if voxel_steps_nm is None else "nm"
    return Sketch(Mesh((places.astype(np.float32), faces, values), found.relief), unit)

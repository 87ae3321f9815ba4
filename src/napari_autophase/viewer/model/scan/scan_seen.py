"""A scan as it is prepared: three slices through its brightest voxel with the mask over them, and its rocking curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from napari.utils.colormaps import ensure_colormap

from ....recipe import Preparation
from ....scan import Scan
from .judgements import judgement
from .masks import COLOURS

_MOST = 256
"""Sides of a picture in pixels, at most."""


@dataclass(frozen=True, eq=False)
class ScanSeen:
    """A scan in pictures.

    Parameters
    ----------
    slices
        Across frames, rows and columns, uint8 (N, M, 4), on a logarithmic scale; what is masked in the colours of `COLOURS`.
    shape, at
        Of the scan, and the voxel in which the slices meet.
    curve
        Counts of each frame that are not masked.
    """

    slices: tuple[np.ndarray, np.ndarray, np.ndarray]
    shape: tuple[int, int, int]
    at: tuple[int, int, int]
    curve: np.ndarray


def scan_seen(scan: Scan, preparation: Preparation) -> ScanSeen:
    """Return the pictures of a scan.

    Raises
    ------
    InputError
        If nothing is left after masking.
    """
    why = judgement(scan, preparation).why
    counts = np.where(why == 0, scan.counts, 0)
    frame, row, column = (int(each) for each in np.unravel_index(int(counts.argmax()), counts.shape))
    top = float(np.log1p(counts[frame, row, column])) or 1.0
    across = [
        _picture(counts.take(at, axis), why.take(at, axis), top)
        for axis, at in enumerate((frame, row, column))
    ]
    return ScanSeen(
        slices=(across[0], across[1], across[2]),
        shape=scan.shape,
        at=(frame, row, column),
        curve=counts.sum((1, 2), dtype=np.float64),
    )


def _picture(counts: np.ndarray, why: np.ndarray, top: float) -> np.ndarray:
    from ....preparation import WHY

    counts, why = _smaller(counts), _smaller(why)
    rgba = ensure_colormap("inferno").map(np.log1p(counts.astype(np.float64)).ravel() / top)
    found = (255 * np.asarray(rgba).reshape(*counts.shape, 4)).astype(np.uint8)
    for name, colour in COLOURS.items():
        found[why == WHY.index(name), :3] = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return found


def _smaller(plane: np.ndarray) -> np.ndarray:
    """Return a picture of at most `_MOST` pixels a side, the largest of each block of values."""
    for axis, n in enumerate(plane.shape):
        step = -(-n // _MOST)
        plane = np.maximum.reduceat(plane, np.arange(0, n, step), axis)
    return plane

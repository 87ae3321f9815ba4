"""A corner or a side of one frame in which a chip or a module of the detector counted nothing, and those beside did."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_GRID = 16
"""Frames are looked at in so many blocks a side."""
_SHARE = 1 / 32
"""A smaller part of a frame's blocks is not looked at."""
_NEAR = 2
"""So many frames on either side tell what is to be expected: the one with the least light."""

Part = tuple[slice, slice]
"""Rows and columns."""


def lost_corners(
    frames: Sequence[np.ndarray], known: np.ndarray, amid: float, at_end: float
) -> dict[int, Part]:
    """Return in which corner, or along which side, frames hold nothing, by frame.

    Parameters
    ----------
    frames
        Counts, 0 for what is masked.
    known
        Which of the frames tell nothing, or have been judged.
    amid, at_end
        So many photons are lost where frames on both sides tell it, or on one side alone.
    """
    rows, columns = (np.linspace(0, side, min(_GRID, side) + 1).astype(int) for side in frames[0].shape)
    grids = np.stack([_blocks(frame, rows, columns) for frame in frames])
    light = grids.sum((1, 2))
    found: dict[int, Part] = {}
    for flipped_rows in (False, True):
        for flipped_columns in (False, True):
            turned = grids[:, ::-1] if flipped_rows else grids
            turned = turned[:, :, ::-1] if flipped_columns else turned
            sums = turned.cumsum(1).cumsum(2)
            for index in np.flatnonzero(~known).tolist():
                place = None if index in found else _corner(sums, light, index, known, (amid, at_end))
                if place is not None:
                    row, column = (int(at) + 1 for at in place)
                    found[index] = (
                        slice(rows[-1 - row], rows[-1]) if flipped_rows else slice(0, rows[row]),
                        slice(columns[-1 - column], columns[-1])
                        if flipped_columns
                        else slice(0, columns[column]),
                    )
    return found


def _corner(
    sums: np.ndarray, light: np.ndarray, index: int, known: np.ndarray, bounds: tuple[float, float]
) -> tuple[np.intp, ...] | None:
    """Return the last block of the corner in which most light is missed; None: none is missed."""
    if not light[index]:
        return None
    empty = sums[index] == 0
    empty &= np.multiply.outer(*(np.arange(1, side + 1) for side in empty.shape)) >= _SHARE * empty.size
    if not empty.any():
        return None
    sides = []
    for step in (-1, 1):
        near = [at for at in (index + step * away for away in range(1, _NEAR + 1)) if 0 <= at < len(sums)]
        told = [
            sums[at] * np.minimum(1, light[index] / np.maximum(light[at] - sums[at], 1))
            for at in near
            if not known[at]
        ]
        if told:
            sides.append(np.minimum.reduce(told))
    if not sides:
        return None
    missed = np.where(empty, np.minimum.reduce(sides), 0)
    place = np.unravel_index(int(missed.argmax()), missed.shape)
    return place if missed[place] >= bounds[len(sides) == 1] else None


def _blocks(frame: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    seen = np.maximum(frame, 0) if frame.dtype.kind != "u" else frame
    return np.add.reduceat(np.add.reduceat(seen, columns[:-1], 1, dtype=np.float64), rows[:-1], 0)

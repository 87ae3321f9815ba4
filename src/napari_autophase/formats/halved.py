"""Frames of which a part was never written or copied: from a pixel on, or up to another, nothing where others have light."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_SHARE = 1 / 32
"""A shorter part of a frame's pixels is not looked at."""
_AMID, _AT_END = 40.0, 120.0
"""So many photons are lost where frames on both sides tell it, or on one side alone."""
_NEAR = 2
"""So many frames on a side are looked at: of those the one with the least light."""


def halved(counts: np.ndarray, bad: np.ndarray | None) -> tuple[np.ndarray | None, list[int], list[str]]:
    """Return what is bad together with the parts of frames that hold nothing, which frames these are, and what to say.

    Files are preallocated, or filled with zeros where a copy broke off; packets of a detector are lost.  What was lost then are
    pixels one after the other in the order of memory.  Dark fringes are none: they bend, and where they do not, the rest of a
    frame is as dark as they are.

    Parameters
    ----------
    counts
        (frames, rows, columns), finite.
    bad
        What is masked, same shape; None: nothing.
    """
    if counts.ndim != 3 or len(counts) < 2 * _NEAR:
        return bad, [], []
    gaps = [
        None if bad is not None and bad[index].all() else _longest(frame, None if bad is None else bad[index])
        for index, frame in enumerate(counts)
    ]
    found = [
        (index, gap)
        for index, gap in enumerate(gaps)
        if gap is not None and _is_lost(counts, bad, index, gap)
    ]
    if not found:
        return bad, [], []
    mask = np.zeros(counts.shape, bool)
    for index, (first, end) in found:
        mask[index].reshape(-1)[first:end] = True
    frames = [index for index, _ in found]
    named = ", ".join(_said(index, gap, counts.shape[1:]) for index, gap in found[:4])
    more = f", and {len(found) - 4} more such frames" if len(found) > 4 else ""
    note = (
        f"{'A part' if len(found) == 1 else 'Parts'} of {named}{more} hold{'s' * (len(found) == 1)} no count at all where the "
        "frames beside have light, as where a copy broke off, a frame was not written to its end, or packets were lost: masked. "
        "Copy the frames again if they are whole where they were measured."
    )
    return mask if bad is None else mask | bad, frames, [note]


def _longest(frame: np.ndarray, bad: np.ndarray | None) -> tuple[int, int] | None:
    """Return the longest part of a frame without a count, in the order of its pixels; None where it is short, or all of it."""
    pixels = frame.reshape(-1)
    lit = np.flatnonzero(pixels > 0 if bad is None else (pixels > 0) & ~bad.reshape(-1))
    if not lit.size:
        return None
    edges = np.concatenate([[-1], lit, [pixels.size]])
    at = int(np.diff(edges).argmax())
    first, end = int(edges[at]) + 1, int(edges[at + 1])
    return None if end - first < _SHARE * pixels.size else (first, end)


def _is_lost(counts: np.ndarray, bad: np.ndarray | None, index: int, gap: tuple[int, int]) -> bool:
    """Tell whether light was to be expected where a frame has none: as much as beside, for what the rest of the frame has."""
    sides = []
    for near in (range(index - 1, index - 1 - _NEAR, -1), range(index + 1, index + 1 + _NEAR)):
        least: float | None = None
        for other in near:
            if not 0 <= other < len(counts) or (bad is not None and bad[other].all()):
                continue
            expected = _expected(counts, bad, index, other, gap)
            if expected < _AMID:
                return False
            least = expected if least is None else min(least, expected)
        if least is not None:
            sides.append(least)
    return bool(sides) and min(sides) >= (_AMID if len(sides) == 2 else _AT_END)


def _expected(
    counts: np.ndarray, bad: np.ndarray | None, index: int, other: int, gap: tuple[int, int]
) -> float:
    """Return the photons to be expected in a part of a frame from another one."""
    part = slice(*gap)
    good = None if bad is None else ~(bad[index] | bad[other]).reshape(-1)
    there = _sum(counts[other], part, good)
    if there < _AMID:
        return there
    rest = _sum(counts[other], slice(None), good) - there
    own = _sum(counts[index], slice(None), good)
    return there * min(1.0, own / rest) if rest > 0 else 0.0


def _sum(frame: np.ndarray, part: slice, good: np.ndarray | None) -> float:
    pixels = frame.reshape(-1)[part]
    where = pixels > 0 if good is None else (pixels > 0) & good[part]
    return float(np.sum(pixels, where=where, dtype=np.float64))


def _said(index: int, gap: tuple[int, int], shape: Sequence[int]) -> str:
    first, last = gap[0] // shape[1], (gap[1] - 1) // shape[1]
    return f"frame {index} (rows {first} to {last})"

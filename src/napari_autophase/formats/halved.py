"""Frames of which a part was never written or copied: from a pixel on, or up to another, nothing where others have light."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .corners import lost_corners

_SHARE = 1 / 32
"""A shorter part of a frame's pixels is not looked at."""
_AMID, _AT_END = 40.0, 120.0
"""So many photons are lost where frames on both sides tell it, or on one side alone."""
_NEAR, _REACH = 2, 16
"""So many frames on a side are looked at, no farther away than that: of those the one with the least light."""
_ALIKE = 0.9
"""A frame that holds nothing either in this share of the part tells nothing of it."""
_FEWEST = 50
"""Pixels that are not masked already, and count in some frame, make a part; nor are they a smaller share of all that count."""
_ONE_BY_ONE = 0.25
"""Chips and modules are lost in a smaller part of the frames."""
_Gap = tuple[int, int]


def halved(counts: np.ndarray, bad: np.ndarray | None) -> tuple[np.ndarray | None, list[int], list[str]]:
    """Return what is bad together with the parts of frames that hold nothing, which frames these are, and what to say.

    Files are preallocated, or filled with zeros where a copy broke off; packets of a detector are lost.  What was lost then are
    pixels one after the other in the order of memory; of a chip or a module a corner or a side (see `corners`).  Dark fringes are
    none: they bend, and where they do not, the rest of a frame is as dark as they are.

    Parameters
    ----------
    counts
        (frames, rows, columns), finite.
    bad
        What is masked, same shape; None: nothing.
    """
    if counts.ndim != 3 or len(counts) < 2 * _NEAR:
        return bad, [], []
    frames = [_without_flags(frame) for frame in counts]
    gaps = [
        None if bad is not None and bad[index].all() else _longest(frame, None if bad is None else bad[index])
        for index, frame in enumerate(frames)
    ]
    parts: dict[int, np.ndarray] = {}
    said: dict[int, str] = {}
    for index, gap in enumerate(gaps):
        if gap is not None and _is_lost(frames, bad, index, gaps):
            parts[index] = np.zeros(counts.shape[1:], bool)
            parts[index].reshape(-1)[slice(*gap)] = True
            said[index] = (
                f"frame {index} (rows {gap[0] // counts.shape[2]} to {(gap[1] - 1) // counts.shape[2]})"
            )
    judged = np.array(
        [index in parts or (bad is not None and bad[index].all()) for index in range(len(counts))]
    )
    if len(parts) <= _ONE_BY_ONE * len(counts):
        seen = (
            frames
            if bad is None
            else [np.where(off, 0, frame) for frame, off in zip(frames, bad, strict=True)]
        )
        for index, (rows, columns) in lost_corners(seen, judged, _AMID, _AT_END).items():
            parts[index] = np.zeros(counts.shape[1:], bool)
            parts[index][rows, columns] = True
            where = f"rows {rows.start} to {rows.stop - 1}, columns {columns.start} to {columns.stop - 1}"
            said[index] = f"frame {index} ({where})"
    counting = np.any(
        [frame > 0 for frame in frames], axis=0
    )  # a gap of the detector holds nothing in any frame
    fewest = max(_FEWEST, _SHARE * np.count_nonzero(counting))
    parts = {
        at: part
        for at, part in parts.items()
        if np.count_nonzero(part & counting if bad is None else part & counting & ~bad[at]) >= fewest
    }
    if not parts:
        return bad, [], []
    mask = np.zeros(counts.shape, bool)
    for index, part in parts.items():
        mask[index] = part
    which = sorted(parts)
    named = ", ".join(said[index] for index in which[:4])
    more = f", and {len(which) - 4} more such frames" if len(which) > 4 else ""
    what, hold = ("A part", "holds") if len(which) == 1 else ("Parts", "hold")
    note = (
        f"{what} of {named}{more} {hold} no count at all (0, or a flag) where the frames beside have light, as where a copy "
        "broke off, a frame was not written to its end, or packets or a module were lost: masked. Copy the frames again if they "
        "are whole where they were measured."
    )
    return mask if bad is None else mask | bad, which, [note]


def _without_flags(frame: np.ndarray) -> np.ndarray:
    """Return a frame with 0 where its largest value is a flag."""
    from ..preparation import FLAGS  # takes longer to import than to list a file's scans

    top = float(frame.max())
    return (
        np.where(frame == top, frame.dtype.type(0), frame)
        if top in {*FLAGS, *map(np.float32, FLAGS)}
        else frame
    )


def _longest(frame: np.ndarray, bad: np.ndarray | None) -> _Gap | None:
    """Return the longest part of a frame without a count, in the order of its pixels; None where it is short, or all of it."""
    pixels = frame.reshape(-1)
    lit = np.flatnonzero(pixels > 0 if bad is None else (pixels > 0) & ~bad.reshape(-1))
    if not lit.size:
        return None
    edges = np.concatenate([[-1], lit, [pixels.size]])
    at = int(np.diff(edges).argmax())
    first, end = int(edges[at]) + 1, int(edges[at + 1])
    return None if end - first < _SHARE * pixels.size else (first, end)


def _is_lost(
    frames: Sequence[np.ndarray], bad: np.ndarray | None, index: int, gaps: Sequence[_Gap | None]
) -> bool:
    """Tell whether light was to be expected where a frame has none: as much as beside, for what the rest of the frame has."""
    gap = gaps[index]
    assert gap is not None
    sides = []
    for step in (-1, 1):
        near = range(index + step, index + step * (_REACH + 1), step)
        told = [other for other in near if 0 <= other < len(frames) and not _holds_nothing(gap, gaps[other])]
        told = [other for other in told if bad is None or not bad[other].all()][:_NEAR]
        least: float | None = None
        for other in told:
            expected = _expected(frames, bad, index, other, gap)
            if expected < _AMID:
                return False
            least = expected if least is None else min(least, expected)
        if least is not None:
            sides.append(least)
    return bool(sides) and min(sides) >= (_AMID if len(sides) == 2 else _AT_END)


def _holds_nothing(gap: _Gap, other: _Gap | None) -> bool:
    return other is not None and min(gap[1], other[1]) - max(gap[0], other[0]) >= _ALIKE * (gap[1] - gap[0])


def _expected(
    counts: Sequence[np.ndarray], bad: np.ndarray | None, index: int, other: int, gap: _Gap
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

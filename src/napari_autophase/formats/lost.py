"""Frames that hold no light that was measured: masked, and said once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_SOME, _ENDS = 30, 2
"""Beside frames without a count so many frames have so many counts each: what follows is no darkness then."""
_OFTEN = 12
"""Frames that are dark more often than once in so many are fringes, as those of a box that stands upright are."""
_LOBE = 0.1
"""Fringes have less than this part of the brightest frame's light: between two brighter ones no frame is dark."""


def unwritten(counts: np.ndarray, bad: np.ndarray | None) -> tuple[np.ndarray | None, list[str]]:
    """Return what is bad together with frames that nothing was written to, and say which these are.

    They hold one value everywhere that is no light: what is no number, below zero, or a flag.  No shutter was shut, and none
    is another's copy.

    Parameters
    ----------
    counts
        (frames, rows, columns), as they were read.
    bad
        What masks say; None: nothing.
    """
    from ..preparation import FLAGS  # takes longer to import than to list a file's scans

    flags = {float(each) for flag in FLAGS for each in (flag, np.float32(flag))}
    filled = []
    for index, frame in enumerate(counts):
        first = frame.flat[0]
        is_filling = not np.isfinite(first) or first < 0 or float(first) in flags
        if is_filling and (
            np.array_equal(frame, np.broadcast_to(first, frame.shape)) or not np.isfinite(frame).any()
        ):
            filled.append((index, float(first)))
    new = [(index, value) for index, value in filled if bad is None or not bad[index].all()]
    if not new:
        return bad, []
    lost = np.zeros(len(counts), bool)
    lost[[index for index, _ in new]] = True
    values = sorted({f"{value:.10g}" for _, value in new})
    said = f"{_which(lost)} nothing but {' or '.join(values)}, as where no frame was written or a monitor was zero: masked."
    return _with(bad, lost, counts.shape), [said]


def without_light(counts: np.ndarray, bad: np.ndarray | None) -> tuple[np.ndarray | None, list[str]]:
    """Return what is bad together with frames without a count beside frames of light, and say which these are.

    Parameters
    ----------
    counts
        (frames, rows, columns).
    bad
        What is masked, same shape; None: nothing.
    """
    if counts.ndim != 3:
        return bad, []
    known = np.zeros(len(counts), bool) if bad is None else np.asarray(bad.all((1, 2)))
    empty = np.array([not (each or frame.any()) for each, frame in zip(known, counts, strict=True)])
    if not empty.any():
        return bad, []
    light = np.array([0.0 if each else _sum(frame) for each, frame in zip(known, counts, strict=True)])
    # what is masked tells nothing: the next frames beside it do
    seen = np.flatnonzero(~known)
    lost = np.zeros(len(counts), bool)
    runs = _runs(empty[seen])
    for first, end in runs:
        sides = (range(first - _ENDS, first), range(end, end + _ENDS))
        inside = [light[seen[list(side)]] for side in sides if side.start >= 0 and side.stop <= len(seen)]
        if inside and all(np.all(each >= _SOME) for each in inside):
            lost[seen[first:end]] = True
    amid = [first for first, end in _runs(lost) if first and end < len(counts)]
    if not lost.any() or are_fringes(amid, light):
        return bad, []
    if len(amid) > 2:
        lost |= _in_step(np.flatnonzero(empty), len(counts))
    how = ", as where the shutter was shut, the beam was lost, the scan was aborted, or frames were added: masked"
    ends = (np.flatnonzero(~lost)[0], np.flatnonzero(~lost)[-1] + 1)
    if ends != (0, len(counts)):
        how += f"; --crop {ends[0]}:{ends[1]},0:{counts.shape[1]},0:{counts.shape[2]} leaves out those at the end"
    return _with(bad, lost, counts.shape), [
        f"{_which(lost)} no count at all, and those beside have light{how}."
    ]


def are_fringes(dark: Sequence[int], light: np.ndarray) -> bool:
    """Tell whether frames amid light are dark because a crystal's fringes are: many are, and none of them near the peak.

    Parameters
    ----------
    dark
        The frames, or the first ones of runs of them.
    light
        Of all frames.
    """
    if len(dark) * _OFTEN <= len(light):
        return False
    near = [min(light[max(at - 1, 0)], light[at + 1 :].max(initial=0)) for at in dark]
    return bool(max(near) < _LOBE * light.max())


def _in_step(empty: np.ndarray, frames: int) -> np.ndarray:
    """Return all frames without a count if each n-th one is so, none else."""
    found = np.zeros(frames, bool)
    if len(empty) > 2 and len(set(np.diff(empty))) == 1:
        found[empty] = True
    return found


def _sum(frame: np.ndarray) -> float:
    return float(np.sum(frame, where=np.isfinite(frame) & (frame > 0), dtype=np.float64))


def _runs(which: np.ndarray) -> list[tuple[int, int]]:
    """Return first and end of each run of what is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], which.view(np.int8), [0]])))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _which(frames: np.ndarray) -> str:
    """Return "Frames 3, 7 to 9 hold" of frames that are true."""
    runs, many = _runs(frames), np.count_nonzero(frames) > 1
    named = ", ".join(f"{first} to {end - 1}" if end - first > 1 else f"{first}" for first, end in runs[:8])
    return f"Frame{'s' if many else ''} {named}{', …' if len(runs) > 8 else ''} hold{'' if many else 's'}"


def _with(bad: np.ndarray | None, lost: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(lost[:, None, None], shape) | (False if bad is None else bad)

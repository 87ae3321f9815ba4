"""Single frames that lie some pixels away from where those beside them have the pattern."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .changes import Change
from .follows import GAIN, WIDTH, WINDOWS, Seen, runs_of

_FAR = 4
"""So many pixels away frames are looked for."""
_WAYS = [
    (row, column)
    for row in range(-_FAR, _FAR + 1)
    for column in range(-_FAR, _FAR + 1)
    if max(abs(row), abs(column)) > 1
]


def moves(
    seen: Seen,
    counts: np.ndarray,
    few: np.ndarray,
    some: np.ndarray,
    own: np.ndarray,
    suspects: Sequence[int],
) -> Iterator[tuple[float, Change]]:
    """Yield frames that may lie a few pixels away from where they should, each with how much less is amiss then.

    Parameters
    ----------
    seen
        What is seen of the frames as they are.
    counts, few, some
        (frames, rows, columns); some pixels, as indices of a flattened frame; what these hold, (frames, pixels).
    own
        How much is amiss in each run.
    suspects
        The frames to look at.
    """
    for frame in suspects:
        runs = runs_of(own, frame)
        still = some.copy()
        still[frame] = 0
        without = np.einsum("j,rjp->rp", seen.follows, still[runs[:, None] + np.arange(WIDTH)])
        moved = np.stack([elsewhere(counts[frame], few, *way) for way in _WAYS])
        sums = without + seen.follows[frame - runs, None] * moved[:, None]
        then = np.mean(np.square(sums) * seen.weights[runs], axis=2).sum(1)
        taken = float(own[runs].sum()) - then
        best = int(then.argmin())
        if len(runs) >= WINDOWS and taken[best] > GAIN * max(then[best], len(runs)):
            yield float(taken[best]), Change((frame, frame), moved=_WAYS[best])


def elsewhere(frame: np.ndarray, few: np.ndarray, row: int, column: int) -> np.ndarray:
    """Return what pixels hold so many rows and columns on, as far as there are any."""
    rows, columns = np.unravel_index(few, frame.shape)
    rows, columns = rows + row, columns + column
    there = (rows >= 0) & (rows < frame.shape[0]) & (columns >= 0) & (columns < frame.shape[1])
    found = np.zeros(len(few))
    found[there] = frame[rows[there], columns[there]]
    return np.maximum(found, 0)

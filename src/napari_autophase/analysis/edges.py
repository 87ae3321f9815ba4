"""How sharp a crystal ends: the width of its edges along a line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_LOW, _HIGH = 0.1, 0.9
"""Of the height inside: between these the width of an edge is taken."""


@dataclass(frozen=True)
class Edge:
    """Where a crystal begins or ends along a line.

    Parameters
    ----------
    place
        Where the amplitude is half of what it is inside, in the unit of the line.
    width
        From where it is a tenth to where it is nine tenths of that, in the same unit; a step that is blurred by a Gaussian of
        standard deviation s has 2.563 s.
    """

    place: float
    width: float


def edges_along(amplitude: np.ndarray, step: float, at: int, level: float) -> tuple[Edge | None, Edge | None]:
    """Return the edges on both sides of a place inside a crystal, along a line.

    Parameters
    ----------
    amplitude
        Along the line, (N,).
    step
        From each to the next; places are counted from the first.
    at
        Index of a place inside.
    level
        Amplitude above which it is inside.

    Returns
    -------
    before, after
        None where the line begins or ends before the crystal does, or `at` is not inside.
    """
    if not amplitude[at] > level:
        return None, None
    outside = np.flatnonzero(~(amplitude > level))
    first = outside[outside < at].max(initial=-1) + 1
    last = outside[outside > at].min(initial=len(amplitude)) - 1
    height = float(np.median(amplitude[first : last + 1]))
    before = _edge(amplitude[: at + 1][::-1], height)
    after = _edge(amplitude[at:], height)
    return (
        None if before is None else Edge((at - before.place) * step, before.width * step),
        None if after is None else Edge((at + after.place) * step, after.width * step),
    )


def _edge(outwards: np.ndarray, height: float) -> Edge | None:
    """Return the edge of what begins inside and goes outwards, in steps."""
    crossings = [_falls_to(outwards, share * height) for share in (_HIGH, 0.5, _LOW)]
    high, half, low = crossings
    if half is None or low is None:
        return None
    # the last place that is still that high before the crystal ends, not the first hollow on the way
    inner = _last_above(outwards[: int(np.ceil(half)) + 1], _HIGH * height)
    return Edge(half, low - (inner if inner is not None else high or 0.0))


def _falls_to(outwards: np.ndarray, level: float) -> float | None:
    """Return where a line first is below a level for good or for at least two steps, between the samples."""
    below = outwards < level
    for index in range(1, len(outwards)):
        if below[index] and (index + 1 == len(outwards) or below[index + 1]):
            high, low = float(outwards[index - 1]), float(outwards[index])
            return index - 1 + (high - level) / (high - low) if high >= level else float(index)
    return None


def _last_above(outwards: np.ndarray, level: float) -> float | None:
    above = np.flatnonzero(outwards >= level)
    if not len(above):
        return None
    index = int(above[-1])
    if index + 1 == len(outwards):
        return float(index)
    high, low = float(outwards[index]), float(outwards[index + 1])
    return index + (high - level) / (high - low)

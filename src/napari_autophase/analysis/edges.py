"""How sharp a crystal ends: the width of its edges along a line, and across its surface in every direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from .quantities import Quantities

_LOW, _HIGH = 0.1, 0.9
"""Of the height inside: between these the width of an edge is taken."""
_FACING_DEG = 35.0
"""An edge faces an axis if its normal is no further from it than so."""
_REACH = 0.3
"""So far from the surface the crystal is looked at, in sides of a cube of its volume, and no less than four voxels."""
_PLACES = 3000
"""Places of the surface that are looked at."""
_FEWEST = 10
"""Edges without which nothing is said of a direction."""


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
    (before,), (wide_before,) = _edges(amplitude[None, at::-1], np.array([height]))
    (after,), (wide_after,) = _edges(amplitude[None, at:], np.array([height]))
    return (
        None if np.isnan(wide_before) else Edge(float(at - before) * step, float(wide_before) * step),
        None if np.isnan(wide_after) else Edge(float(at + after) * step, float(wide_after) * step),
    )


def edge_widths(shown: Quantities) -> dict[str, float]:
    """Return how wide the edges of a crystal are, across its surface, by the axis of the grid that they face.

    The amplitude is followed along the normals of the surface, evenly spread over it.  A width is from a tenth to nine tenths of
    the height well inside, the median of all edges that face the axis from either side.

    Parameters
    ----------
    shown
        As `quantities` gives it.

    Returns
    -------
    dict
        By the names of the axes, ``x``, ``y``, ``z`` (``axis 0`` … without geometry), and ``all``, in the unit of the grid; NaN
        where too few edges face an axis.
    """
    size = np.asarray(shown.voxel_size)
    surface = shown.surface("amplitude")
    chosen = slice(None, None, max(len(surface.vertices) // _PLACES, 1))
    places, inner = surface.vertices[chosen] / size, surface.sites[chosen]
    normals = (places - inner) / size
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.where(length > 0, length, 1)
    step = float(size.min()) / 2
    reach = max(_REACH * (shown.support.sum() * size.prod()) ** (1 / 3), 4 * float(size.max()))
    way = step * np.arange(-round(reach / step), round(reach / step) + 1)
    lines = places[:, :, None] + (normals / size)[:, :, None] * way
    amplitude = ndimage.map_coordinates(shown.amplitude, lines.swapaxes(0, 1), order=3)
    heights = np.median(amplitude[:, : len(way) // 4], axis=1)
    widths = step * _edges(amplitude, heights)[1]
    facing = np.abs(normals) > np.cos(np.radians(_FACING_DEG))
    names = ("axis 0", "axis 1", "axis 2") if shown.relative else ("z", "y", "x")
    found = {name: _median(widths[facing[:, axis]]) for axis, name in enumerate(names)}
    return {**dict(reversed(found.items())), "all": _median(widths)}


def _median(widths: np.ndarray) -> float:
    known = widths[np.isfinite(widths)]
    return float(np.median(known)) if len(known) >= _FEWEST else float("nan")


def _edges(lines: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where lines (P, K) that go outwards fall to half of their heights (P,), and how wide that is, in steps.

    They begin inside; NaN where one ends before the crystal does.
    """
    relative = lines / np.where(heights > 0, heights, np.inf)[:, None]
    half, low = _falls_to(relative, 0.5), _falls_to(relative, _LOW)
    # the last place that is still that high before the crystal ends, not the first hollow on the way
    before = np.arange(lines.shape[1]) <= np.ceil(half)[:, None]
    above = before & (relative >= _HIGH)
    index = lines.shape[1] - 1 - above[:, ::-1].argmax(1)
    inner = np.where(
        above.any(1), _between(relative, index, _HIGH), np.nan_to_num(_falls_to(relative, _HIGH))
    )
    return half, low - inner


def _falls_to(lines: np.ndarray, level: float) -> np.ndarray:
    """Return where lines first are below a level for good or for at least two steps, between the samples; NaN: nowhere."""
    below = lines < level
    lasting = below.copy()
    lasting[:, :-1] &= below[:, 1:]
    lasting[:, 0] = False
    index = lasting.argmax(1)
    return np.where(lasting.any(1), _between(lines, np.maximum(index - 1, 0), level), np.nan)


def _between(lines: np.ndarray, index: np.ndarray, level: float) -> np.ndarray:
    """Return where lines that are at or above a level at an index fall below it, before the next; that one if they are below."""
    rows, last = np.arange(len(lines)), lines.shape[1] - 1
    high, low = lines[rows, index], lines[rows, np.minimum(index + 1, last)]
    part = np.where(high >= level, (high - level) / np.where(high > low, high - low, np.inf), 1.0)
    return index + part

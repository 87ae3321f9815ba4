"""Tell a rocking curve from everybody else's volumes by looking at a few of its frames.

A Bragg peak of a small crystal, counted photon by photon, is unlike other pictures in ways that hold together: whole
numbers (or a step where a white field was taken out), a dark border, one bright place far above the rest, fringes that
reach much farther than a spot's flanks, and the noise of counting where there are few photons.
Masks, labels, embeddings, random numbers and microscopes' stacks each lack some of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import log, prod

import numpy as np

LOOKED_AT = 96 * 2**20
"""So many bytes at most are unpacked to look at a file."""
_FRAMES = 24
"""So many frames at most are looked at, evenly spaced."""
_FEWEST = 5
"""Frames: a rocking curve has no fewer, unless the volume itself has."""

_BRIGHT = 50
"""A peak has this many counts at least."""
_FURTHER = 1.6
"""So many times farther than a round spot's reach the fringes."""
_STEP = 5
"""A white field changes what a photon counts by less than this."""
_FLAG, _WIDE_FLAG = 2**16 - 1, 2**32 - 2**9
"""Detectors mark bad pixels by the largest number of their type, in 16 bits or more (in 32 as far as a float holds it)."""


def frames_to_look_at(shape: Sequence[int], itemsize: int, together: int = 1) -> list[int]:
    """Return which frames (indices along the first axis) to look at, or none if that would be too much.

    Parameters
    ----------
    shape, itemsize
        Of the volume.
    together
        So many frames are unpacked to see one of them.
    """
    count = min(_FRAMES, shape[0], LOOKED_AT // max(together * prod(shape[1:]) * itemsize, 1))
    if count < min(_FEWEST, shape[0]):
        return []
    return sorted({int(index) for index in np.linspace(0, shape[0] - 1, count).round()})


def is_rocking_curve(frames: np.ndarray) -> bool:
    """Tell whether evenly spaced frames of a volume, the first and the last among them, are those of a Bragg peak.

    Parameters
    ----------
    frames
        Shape ``(frames, rows, columns)``, as stored.
    """
    counts = _believed(frames)
    if counts is None:
        return False
    raw, counts = counts, _without_hot_pixels(counts)
    heights = counts.max(axis=(1, 2))
    brightest = int(heights.argmax())
    peak, frame = float(heights[brightest]), counts[brightest]
    return (
        peak >= _BRIGHT
        and _is_rocked_through(heights)
        and _is_dark_around(frame, peak)
        and _is_compact(frame, peak)
        and _has_tails(frame, peak)
        and _is_counted(raw)
        and not _is_mirrored(raw[brightest])
    )


def _believed(frames: np.ndarray) -> np.ndarray | None:
    """Return the counts in float32 with flags and bad pixels as zero, or None if they are no counts."""
    if frames.dtype.kind not in "uif" or not frames.any():
        return None
    if frames.dtype.kind == "f":
        bad = ~np.isfinite(frames) | (frames < 0) | (frames == _FLAG) | (frames >= _WIDE_FLAG)
    else:
        bad = frames < 0
        if np.iinfo(frames.dtype).max >= _FLAG:
            bad |= frames == np.iinfo(frames.dtype).max
    if bad.mean() > 0.3:
        return None
    values = frames.astype(np.float32)
    values[bad] = 0
    if frames.dtype.kind != "f" or (values == np.rint(values)).all():
        return values
    photon = _photon(values)
    return None if photon is None else values / photon


def _photon(values: np.ndarray) -> float | None:
    """Return about what one photon became in a scan that was divided by a white field; None if there is no such step.

    Where nothing was counted there are zeros still, and then for a while nothing up to one photon.
    """
    some = values[values > 0]
    if some.size < 100 or some.size > 0.95 * values.size:
        return None
    least, few = np.quantile(some, (1e-3, 0.1))
    return float(few) if few <= _STEP * least else None


def _without_hot_pixels(counts: np.ndarray) -> np.ndarray:
    """Return frames in which no pixel is brighter than the brightest of its neighbours: a fringe has a width."""
    edged = np.pad(counts, ((0, 0), (1, 1), (1, 1)))
    rows, columns = counts.shape[1:]
    brightest = np.zeros_like(counts)
    for row, column in product(range(3), range(3)):
        if (row, column) != (1, 1):
            np.maximum(brightest, edged[:, row : row + rows, column : column + columns], out=brightest)
    return np.minimum(counts, brightest, out=brightest)


def _is_rocked_through(heights: np.ndarray) -> bool:
    """The frames are dark at both ends, and the bright ones are near each other (a strained crystal's peak may be split)."""
    bright = np.flatnonzero(heights > 0.5 * heights.max())
    return bool(max(heights[0], heights[-1]) <= 0.2 * heights.max() and np.ptp(bright) <= 0.5 * heights.size)


def _border(frame: np.ndarray) -> np.ndarray:
    """Return the pixels of the outermost tenth of a frame."""
    rows, columns = (max(side // 10, 1) for side in frame.shape)
    inside = np.zeros(frame.shape, bool)
    inside[rows:-rows, columns:-columns] = True
    return frame[~inside]


def _is_dark_around(frame: np.ndarray, peak: float) -> bool:
    """Few photons reach the outermost tenth of the frame, and half of it none to speak of."""
    usual, most = np.quantile(_border(frame), (0.5, 0.9))
    return usual <= max(2e-3 * peak, 1) and most <= max(2e-2 * peak, 3)


def _is_compact(frame: np.ndarray, peak: float) -> bool:
    """What is bright lies together, and is a small part of the frame."""
    row, column = np.unravel_index(int(frame.argmax()), frame.shape)
    rows, columns = (max(side // 5, 3) for side in frame.shape)
    near = frame[max(row - rows, 0) : row + rows + 1, max(column - columns, 0) : column + columns + 1]
    bright, around = frame > 0.2 * peak, near > 0.2 * peak
    return bool(around.sum() >= 0.8 * bright.sum() and bright.mean() <= 0.05)


def _has_tails(frame: np.ndarray, peak: float) -> bool:
    """Count the pixels down to a few photons: fringes reach much farther than the flank of a round spot would.

    Above a share f of its maximum a Gaussian spot has an area in proportion to ln(1/f).
    """
    high = 0.1
    low = max(1e-4, (float(np.quantile(_border(frame), 0.9)) + 0.5) / peak)
    spot = log(low) / log(high)
    return bool((frame > low * peak).sum() >= _FURTHER * spot * max((frame > high * peak).sum(), 1))


def _is_counted(counts: np.ndarray) -> bool:
    """Where neighbours have few photons they differ as numbers of photons do: the variance is about the mean."""
    left, right = counts[:, :, :-1], counts[:, :, 1:]
    mean = (left + right) / 2
    few = (mean > 0) & (mean < 30)
    if few.sum() < 50:
        return False
    return bool(((left - right)[few] ** 2).mean() / 2 >= 0.4 * mean[few].mean())


def _is_mirrored(frame: np.ndarray) -> bool:
    """Tell whether each pixel near the peak equals the one across it, but for rounding: computed images do, photons never."""
    row, column = (int(places.mean().round()) for places in np.nonzero(frame > 0.2 * frame.max()))
    reach = min(row, column, frame.shape[0] - 1 - row, frame.shape[1] - 1 - column, 16)
    near = frame[row - reach : row + reach + 1, column - reach : column + reach + 1]
    return reach > 2 and bool((np.abs(near - near[::-1, ::-1]) <= 1).all())

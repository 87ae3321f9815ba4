"""Values below zero: of bad pixels, which stay what they are, or of a background that was subtracted, which are darkness."""

from __future__ import annotations

import numpy as np

_MANY = 0.01
"""A larger share of a detector's pixels than this is not negative because they are bad."""
_LOWEST_FLAG = -2
"""Detectors mark bad pixels by -1 and -2."""
_WHOLE, _DIGITS = 1e-3, 1e-6
"""How near whole numbers are, and what of a value single precision loses."""


def darkness(counts: np.ndarray, bad: np.ndarray | None) -> tuple[np.ndarray, list[str], bool]:
    """Return counts in which what a subtracted background left below zero is darkness, what to say, and if it was added again.

    A bad pixel has the same whole number in every frame, and a lost frame in every pixel.  Where many others are negative,
    something was subtracted from all of them.  If that was one number, it is added again, for then they are counts; else what is
    below zero is zero.

    Parameters
    ----------
    counts
        Values as stored, shape ``(frames, rows, columns)``.
    bad
        bool, same shape: what is known not to be believed; or None.
    """
    below = (counts < 0) & (counts > -np.inf) if counts.dtype.kind in "if" else np.zeros(0, bool)
    if not below.any():
        return counts, [], False
    if bad is not None:
        below &= ~bad
    flagged = _alike(counts, 0) | _alike(counts, 1, 2)
    number = np.count_nonzero(below & ~flagged)
    if number < _MANY * counts.size:
        return counts, [], False
    least = counts[below & ~flagged].min()
    number = np.count_nonzero(below)
    is_whole = least == np.rint(least)
    is_commonest = np.count_nonzero(counts == least) >= 0.5 * number
    if (
        is_whole
        and least >= _LOWEST_FLAG
        and np.count_nonzero(counts == 0) > np.count_nonzero(counts == least)
    ):
        return counts, [], False
    flagged &= counts != least
    usable = np.isfinite(counts) & (counts >= least) & ~flagged
    restored = np.where(usable, counts - least, 0)
    whole = np.abs(restored - np.rint(restored)) <= _WHOLE + _DIGITS * np.abs(counts)
    note = f"{number / counts.size:.0%} of the values are negative, down to {least:.3g}, as where a background was subtracted: "
    # whole numbers are whole numbers apart, whatever was subtracted from each
    if (is_commonest or not is_whole) and whole[usable].all():
        note += f"it is {-least:.3g} everywhere, and added again, for then they are whole numbers of photons."
        return np.where(usable, np.rint(restored), counts).astype(counts.dtype), [note], True
    note += (
        "those are taken for 0. Better give the counts as they were measured, and the background with --dark."
    )
    return np.where(below & ~flagged, counts.dtype.type(0), counts), [note], False


def _alike(counts: np.ndarray, *axes: int) -> np.ndarray:
    """Return where values below zero are the same whole number along some axes, to be broadcast to the shape of counts."""
    first = counts.min(axis=axes, keepdims=True)
    return np.asarray(
        (first < 0) & (first == np.rint(first)) & (first == counts.max(axis=axes, keepdims=True))
    )

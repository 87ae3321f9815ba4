"""What the numbers of a file are: photon counts, amplitudes, or either times a factor; brought back to counts.

Photons come one by one.  So in counts that were multiplied by a factor all values are multiples of one step, and in amplitudes,
the roots of counts, all squares are.  Values that were smoothed, resampled or divided pixel by pixel have no step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from ..scan import InputError
from . import overrun
from .stretched import rounded_step

Values = Literal["counts", "amplitudes", "scaled"]
"""What a person can say that a file's values are."""

_LOOKED_AT = 40_000
"""So many voxels are looked at, evenly spread, and more where few of them have light."""
_LIT = 2000
"""Lit pixels that are enough to tell counts from other values."""
_DISTINCT = 6
"""With fewer different values nothing is claimed."""
_FAINTEST = 400
"""So many of the smallest values tell the step."""
_NEAR = 0.03
"""How near to whole numbers of steps values are that are whole, and how near to 1 a step that is 1."""
_FEW = 10.0
"""A Bragg peak has more photons than this."""
_FEWEST, _RANGE, _ABOUT_ONE = 4, 4.0, 1.25
"""So many frames have a step of their own, all of them within such a factor of the usual one; counts by a monitor near 1 stay."""
_FRACTIONS = 0.1
"""By so much what counts have beyond whole numbers varies, where they were corrected pixel by pixel."""
_BRIGHT = 1e5
"""What the brightest voxel is taken for, where nothing tells what one photon became."""


def to_counts(
    array: np.ndarray, what: str, values: Values | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the photon counts that an array means, and what a person should read about that.

    Parameters
    ----------
    array
        Real, any shape.  NaN, infinite and negative values stay what they are.
    what
        What it is called in messages.
    values
        What its values are; None: recognised.

    Returns
    -------
    counts, notes
        The array itself if it holds counts, otherwise float32, in which a detector's flags are the largest flag that
        `preparation.find_flagged` knows.

    Raises
    ------
    InputError
        If the values are evidently no counts, and nothing tells what they are.
    """
    if values == "counts" or array.dtype.kind not in "uif":
        return array, ()
    some = _sample(array)
    step = _step(some)
    one: float | np.ndarray | None = step
    if values is None and step is None:
        one = _steps(array)
    by = 1.0 if one is None else one
    # counts that were multiplied may have run over afterwards
    found = overrun.unsigned(array, by) or (overrun.unsigned(array) if step not in (None, 1) else None)
    if found is not None:
        counts, bits = found
        before = "" if np.all(by == 1) else ", before they were scaled"
        note = (
            f"The brightest values of {what} are negative, for they ran over {bits} bits with a sign{before}: they are read as "
            f"{bits} bits without one; {_LEFT}"
        )
        counts, notes = to_counts(counts, what, values)
        return counts, (note, *notes)
    if values is None and (step == 1 or not some.size):
        return _whole(array, what)
    if values == "scaled" or (values is None and step is not None):
        return _scaled(array, what, step)
    squared = _step(some**2)
    if values == "amplitudes" or squared is not None:
        return _squared(array, what, squared)
    if isinstance(one, np.ndarray):
        return _of_monitor(array, what, one)
    if values is None and (rounded := rounded_step(some)) is not None:
        return _rounded(array, what, *rounded)
    whole = array.dtype.kind != "f" or bool((some == np.rint(some)).all())
    if not whole and (brightest := _brightest(array, _flags(array))) < _FEW:
        raise InputError(
            f"The brightest value of {what} is {brightest:.3g}, and no step tells what one photon became, so it holds no counts: "
            "say what they are with --values counts, amplitudes or scaled."
        )
    if not whole:
        note = (
            f"The values of {what} are no whole numbers and have no common step: they are taken for counts that were corrected "
            "pixel by pixel; if they are amplitudes, or scaled, say so with --values."
        )
        # of all values less one number the fractions are alike: see `below.darkness`
        found = overrun.doubtful_of_gains(array) if np.std(some % 1) > _FRACTIONS else None
        return (array, (note,)) if found is None else _masked(array, what, *found, note)
    return _whole(array, what)


def _whole(
    array: np.ndarray, what: str, photons: np.ndarray | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return counts, and what kept them from being what was measured.

    Parameters
    ----------
    array
        The counts.
    what
        What they are called in messages.
    photons
        The same in whole numbers; None: they are.
    """
    found = overrun.doubtful(array if photons is None else photons)
    return (array, ()) if found is None else _masked(array, what, *found)


def _masked(
    array: np.ndarray, what: str, unsure: np.ndarray, bits: int, *before: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return values without those that may have run over so many bits, and say so."""
    counts = array.astype(np.float32)
    counts[unsure] = np.nan
    note = (
        f"Amid the peak of {what} there are voxels far darker than all around, as counts that ran over {bits} bits and began at "
        f"zero again: they and their neighbours, {np.count_nonzero(unsure):,} voxels, are masked. Export the frames with "
        f"{2 * bits} bits; {_LEFT}"
    )
    return counts, (*before, note)


_LEFT = "--values counts leaves them as they are."


def _scaled(array: np.ndarray, what: str, step: float | None) -> tuple[np.ndarray, tuple[str, ...]]:
    flags = _flags(array)
    if step is not None:
        note = f"The values of {what} are multiples of {step:.4g}, which is taken for one photon; {_LEFT}"
        counts = _as_float(array, flags, lambda value: np.rint(value / step))
        after = array if overrun.doubtful(array) is not None else None
        counts, notes = _whole(counts, what, after)
        return counts, (note, *notes)
    factor = _BRIGHT / _brightest(array, flags)
    return _as_float(array, flags, lambda value: value * factor), (_unknown_photon(what),)


def _rounded(array: np.ndarray, what: str, step: float, off: float) -> tuple[np.ndarray, tuple[str, ...]]:
    note = (
        f"The values of {what} are multiples of about {step:.4g}, each rounded, as where an image was stretched over the numbers "
        f"of its format: that is taken for one photon; {_LEFT}"
    )
    counts = _as_float(array, _flags(array), lambda value: np.rint((value - off) / step))
    return counts, (note,)


def _squared(array: np.ndarray, what: str, step: float | None) -> tuple[np.ndarray, tuple[str, ...]]:
    flags = _flags(array) | _flags(np.square(array, dtype=np.float32))
    if step is not None:
        squares = "whole numbers" if step == 1 else f"multiples of {step:.4g}"
        note = f"The values of {what} are amplitudes, for all their squares are {squares}: they are squared to photons; {_LEFT}"
        counts, notes = _whole(_as_float(array, flags, lambda value: np.rint(value**2 / step)), what)
        return counts, (note, *notes)
    note = f"The amplitudes of {what} are squared."
    brightest = _brightest(array, flags) ** 2
    if brightest >= _FEW:
        return _as_float(array, flags, np.square), (note,)
    factor = _BRIGHT / brightest
    return _as_float(array, flags, lambda value: value**2 * factor), (note, _unknown_photon(what))


def _of_monitor(array: np.ndarray, what: str, steps: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return counts that a number of each frame has divided, so that one photon is 1 in the mean."""
    one = float(np.median(steps))
    is_about_one = 1 / _ABOUT_ONE < one < _ABOUT_ONE
    flags = _flags(array)
    counts = array if is_about_one else _as_float(array, flags, lambda value: value / one)
    photons = np.where(flags, array.dtype.type(0), np.rint(array / steps.astype(array.dtype)))
    note = (
        f"The values of {what} are no whole numbers, but multiples of a step that differs from frame to frame "
        f"({steps.min():.4g} to {steps.max():.4g}), as counts that were divided by a monitor: "
        f"{'they stay so' if is_about_one else f'{one:.4g} is taken for one photon in all'}; if they are something else, say so "
        "with --values."
    )
    counts, notes = _whole(counts, what, photons)
    return counts, (note, *notes)


def _steps(array: np.ndarray) -> np.ndarray | None:
    """Return the step of each frame, (frames, 1, 1), where most of those with light have one, and others the usual; else None."""
    if array.ndim != 3 or array.dtype.kind != "f":
        return None
    samples = [_sample(frame) for frame in array]
    lit = [index for index, some in enumerate(samples) if len(np.unique(some[:_LIT])) >= 2 * _DISTINCT]
    found = {index: step for index in lit if (step := _step(samples[index])) is not None}
    if len(found) < max(_FEWEST, 0.8 * len(lit)):
        return None
    usual = float(np.median(list(found.values())))
    if not all(usual / _RANGE < step < usual * _RANGE for step in found.values()):
        return None
    return np.array([found.get(index, usual) for index in range(len(array))])[:, None, None]


def _unknown_photon(what: str) -> str:
    return (
        f"No step tells what one photon became in {what}: the brightest voxel is taken for {_BRIGHT:,.0f} counts, "
        "and what is said of noise depends on that."
    )


def _as_float(array: np.ndarray, flags: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the array with its positive values changed, frame by frame, in float32; flags stay flags."""
    from ..preparation import FLAGS

    changed = np.empty(array.shape, np.float32)
    for after, before, flag in zip(changed, array, flags, strict=True):
        exact = before.astype(np.float64)
        after[:] = np.where(flag, FLAGS[0], np.where(exact > 0, change(exact), exact))
    return changed


def _flags(array: np.ndarray) -> np.ndarray:
    """Return where a detector's flags are, which are no light; a limit at which it was saturated is.

    Of scaled values the usual ones, which are of a few photons, are taken for one: light, and flags, may lie below 1.
    """
    from ..preparation import find_flagged, find_saturated

    seen = np.where(np.isfinite(array) & (array > 0), array, array.dtype.type(0))
    usual = float(np.median(some)) if (some := _sample(array)).size else 1.0
    if usual < 1:
        seen = seen / usual
    flagged = find_flagged(seen)
    return flagged & ~find_saturated(seen, flagged) if flagged.any() else flagged


def _sample(array: np.ndarray) -> np.ndarray:
    """Return positive values of an array, float64, evenly spread over it."""
    flat = array.ravel(order="K")
    apart = flat.size // _LOOKED_AT | 1  # odd: sides are even more often than not
    while True:
        some = flat[::apart]
        some = some[np.isfinite(some) & (some > 0)].astype(np.float64, copy=False)
        if apart == 1 or some.size >= _LIT:
            return some
        apart = apart // 16 | 1


def _brightest(array: np.ndarray, flags: np.ndarray) -> float:
    """Return the largest finite value that is no flag, and not nothing."""
    return max(float(array.max(where=np.isfinite(array) & ~flags, initial=0)), 1e-300)


def _step(values: np.ndarray) -> float | None:
    """Return the step that positive values are multiples of, 1 if it nearly is; None: there is none.

    Neighbours among the smallest values are one step apart.  If they are not, the values only happen to be multiples of it: half
    a count subtracted from counts leaves odd multiples of a half.
    """
    distinct = np.unique(values)
    if len(distinct) < _DISTINCT:
        return None
    distinct = distinct[np.append(True, np.diff(distinct) > 1e-5 * distinct[1:])][:_FAINTEST]
    if len(distinct) < _DISTINCT:
        return None
    step = float(min(distinct[0], np.diff(distinct).min()))
    looked_at = 4
    while looked_at < 2 * len(distinct):  # the larger the values, the better they tell it
        looked_at *= 2
        part = distinct[:looked_at]
        numbers = np.rint(part / step)
        if (np.abs(part / step - numbers) < _NEAR).mean() < 0.98:
            return None
        step = float((part * numbers).sum() / (numbers**2).sum())
    if np.diff(numbers).min() != 1:
        return None
    return 1.0 if abs(step - 1) < _NEAR else step

"""Arrays that another program handed on in another form: rounded after they were stretched, or in the order of an FFT."""

from __future__ import annotations

from itertools import product

import numpy as np

from ..scan import InputError

_FEWEST, _LEAST, _MOST = 12, 2.0, 1000
"""Different values that tell a step, the smallest step that leaves gaps between rounded values, and steps that are looked at."""
_APART, _MOSTLY = 0.8, 0.99
"""So far from a multiple of the step rounding leaves a value, and so many of them must be as near."""
_CORNER, _LIT = 2, 0.02
"""The light of a peak in the order of an FFT is in so many voxels at each corner, this part of the brightest in each."""


def rounded_step(values: np.ndarray) -> tuple[float, float] | None:
    """Return of which step whole numbers are multiples, each rounded or cut, and by what they are off; None: of none.

    Parameters
    ----------
    values
        Positive, of any shape.
    """
    distinct = np.unique(values)
    if len(distinct) < _FEWEST or distinct[0] + 1 < _LEAST or not (distinct == np.rint(distinct)).all():
        return None
    some = _FEWEST // 2
    step, off, end = float(distinct[some - 1] - distinct[0]) / (some - 1), 0.0, float(distinct[some - 1])
    while step >= _LEAST:  # the larger the values, the better they tell it
        part = distinct[distinct <= end]
        numbers = np.rint((part - off) / step)
        if (np.diff(numbers) < 1).any():
            return None
        step, off = (float(each) for each in np.polyfit(numbers, part, 1))
        if (np.abs(part - off - step * numbers) < _APART).mean() < _MOSTLY or abs(off) > _APART:
            return None
        if end >= min(distinct[-1], _MOST * step):
            is_whole = abs(step - round(step)) < 1e-3 and abs(off) < 1e-2
            return None if is_whole or list(numbers[:4]) != [1, 2, 3, 4] else (step, off)
        end *= 2
    return None


def check_order(counts: np.ndarray, source: str) -> None:
    """Refuse counts in the order of an FFT, whose peak is spread over the eight corners.

    Raises
    ------
    InputError
        Saying how to put them in order.
    """
    if counts.ndim != 3 or min(counts.shape) < 4 * _CORNER:
        return
    top = float(np.nanmax(counts))
    ends = (slice(0, _CORNER), slice(-_CORNER, None))
    lit = [_brightest(counts, places) for places in product(ends, repeat=3)]
    if max(lit) < top or min(lit) < _LIT * top:
        return
    # flags and bright pixels at the edges of a detector are so in the middle of its edges too, and in all frames
    between = [slice(side // 2 - _CORNER, side // 2 + _CORNER) for side in counts.shape]
    others = product(*((*ends, middle) for middle in between))
    if max(_brightest(counts, each) for each in others if not all(one in ends for one in each)) < min(lit):
        raise InputError(
            f"{source} is in the order of an FFT: its brightest light lies in all eight corners.  Save it with the peak in the "
            "middle (numpy.fft.fftshift of it, and of its mask), and open that."
        )


def _brightest(counts: np.ndarray, places: tuple[slice, ...]) -> float:
    return float(np.nanmax(counts[places], initial=0))

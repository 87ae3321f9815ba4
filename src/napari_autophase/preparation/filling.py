"""A Bragg peak whose brightest voxels were not measured, because the detector was saturated or had a gap there, is completed.

The Fourier transform of the intensity is the crystal's autocorrelation, which ends at twice the crystal's width.  So
neighbouring voxels know of each other, and what is missing is what leaves least where no autocorrelation is expected.  This is
the conditional mean of a random field of known power spectrum (kriging), with the detector's limit as a lower bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft

from .blur import brightest
from .oversampling import estimate_oversampling, fill_gaps
from .region import fast_size

_WINDOW, _LARGEST = 12.0, 64
"""Side of what is looked at around the peak, in units of the oversampling (half a fringe), and in voxels at most."""
_LOBE = 2.0
"""Fringes are so many times as wide as the oversampling from one zero to the next: within one of the peak lies its middle."""
_POWER, _NORM, _NOISE = 2.5, 4.0, 1e-3
"""The autocorrelation is expected to fall like (1 - d)^p with d the distance to the origin over the crystal's width, which is
measured by the norm of this order (between an ellipsoid and a box), down to this fraction of noise."""
_BRIGHT = 0.15
"""A gap with surroundings so bright, relative to the brightest place that was measured, may hide the peak, which of a strained
crystal has several maxima."""
_ITERATIONS, _ROUNDS, _ESTIMATES = 60, 4, 3
"""Steps of conjugate gradients, rounds in which counts come to their bounds or leave them, and estimates."""
_TOLERANCE = 1e-4
"""Length of the residual, as a part of the first, at which a solution ends."""
_DOUBT, _DOUBTFUL_POWER = 0.1, 1.5
"""Change of the completed moduli, relative, that another expectation makes if they are not determined by their neighbours."""


@dataclass(frozen=True, eq=False)
class Completed:
    """Counts whose peak is complete.

    Parameters
    ----------
    counts
        float32, shape of the scan; what was measured is unchanged.
    known
        bool, same shape; what was measured, and what was completed and is determined by its neighbours.
    oversampling
        As `estimate_oversampling` has it.
    missing
        Share of the light within the completed voxels.
    determined
        Whether the neighbours determine what was missing.
    bounded
        Whether the brightest of all was measured, or a lower bound of it is known: it lies in no gap.
    """

    counts: np.ndarray
    known: np.ndarray
    oversampling: tuple[float, float, float]
    missing: float
    determined: bool
    bounded: bool


def complete_peak(counts: np.ndarray, good: np.ndarray) -> Completed | None:
    """Complete the Bragg peak where its middle was not measured.

    Parameters
    ----------
    counts, good
        float32 and bool (N0, N1, N2), the peak anywhere; counts that are not good are lower bounds, 0 where nothing is known.

    Returns
    -------
    Completed or None
        None if the middle of the peak was measured, and no other gap is as bright.
    """
    if good.all():
        return None
    # at least the bound
    filled = np.where(good, counts, np.maximum(fill_gaps(counts, good), counts))
    peak = brightest(filled, 1.0)
    hidden = ~good & (filled >= _BRIGHT * filled[peak])
    if good[_around(peak, counts.shape, (2, 2, 2))].all() and not hidden.any():
        return None  # whatever the oversampling is
    oversampling = estimate_oversampling(filled)
    middle = _around(peak, counts.shape, tuple(max(2, int(_LOBE * s / 2)) for s in oversampling))
    hidden[middle] |= ~good[middle]
    if not hidden.any():
        return None
    for _ in range(_ESTIMATES):
        place = _around(peak, counts.shape, tuple(_half(s) for s in oversampling))
        filled[place] = _completed(filled[place], counts[place], good[place], oversampling)
        oversampling = estimate_oversampling(filled)
    place = _around(peak, counts.shape, tuple(_half(s) for s in oversampling))
    wanted = ~good[place]
    filled[place] = _completed(filled[place], counts[place], good[place], oversampling)
    other = _completed(filled[place], counts[place], good[place], oversampling, _DOUBTFUL_POWER)
    found = filled[place][wanted]
    change = np.square(np.sqrt(found) - np.sqrt(other[wanted])).sum() / max(float(found.sum()), 1e-30)
    determined = bool(change < _DOUBT**2)
    known = good.copy()
    if determined:
        known[place] = True
    missing = float(found.sum() / filled.sum(dtype=np.float64))
    brightest_known = float(filled.max(where=good | (counts > 0), initial=0))
    bounded = not bool((filled > brightest_known).any())
    return Completed(filled, known, oversampling, missing, determined, bounded)


def _half(oversampling: float) -> int:
    return min(_LARGEST, fast_size(round(_WINDOW * oversampling))) // 2


def _around(centre: tuple[int, ...], shape: tuple[int, ...], half: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(max(0, int(c) - h), int(c) + h) for c, h, n in zip(centre, half, shape, strict=True))


def _completed(
    begin: np.ndarray,
    bound: np.ndarray,
    good: np.ndarray,
    oversampling: tuple[float, float, float],
    power: float = _POWER,
) -> np.ndarray:
    """Return counts, completed where they are not good.

    Minimises Σ|A|²/P over the missing counts, A being the transform of all and P its expected power, by conjugate gradients;
    counts that fall below their bound are held there, and let go where that becomes better.
    """
    weights = 1 / _expected_power(begin.shape, oversampling, power)

    def pull(volume: np.ndarray) -> np.ndarray:
        return fft.irfftn(weights * fft.rfftn(volume), s=volume.shape)

    missing = ~good
    found, varied = begin.copy(), missing
    for _ in range(_ROUNDS):
        found = _descended(found, varied, pull)
        low = missing & (found < bound)
        found = np.where(low, bound, found)
        now = missing & ~(low & (pull(found) > 0))
        if np.array_equal(now, varied):
            break
        varied = now
    return np.where(missing, np.maximum(found, bound), begin).astype(np.float32)


def _descended(found: np.ndarray, varied: np.ndarray, pull: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return counts after conjugate gradients on those that are varied, from where they are."""
    rest = np.where(varied, -pull(found), 0)
    way, length = rest.copy(), float(np.square(rest).sum())
    first = length
    for _ in range(_ITERATIONS):
        if length <= _TOLERANCE**2 * first or length == 0:
            break
        pulled = np.where(varied, pull(way), 0)
        step = length / float((way * pulled).sum())
        found = found + step * way
        rest = rest - step * pulled
        last, length = length, float(np.square(rest).sum())
        way = rest + (length / last) * way
    return found


def _expected_power(
    shape: tuple[int, ...], oversampling: tuple[float, float, float], power: float
) -> np.ndarray:
    """Return the expected power of the autocorrelation in units of that of its origin, float32, as `rfftn` orders it."""
    indices = [
        np.fft.fftfreq(shape[0]) * shape[0],
        np.fft.fftfreq(shape[1]) * shape[1],
        np.arange(shape[2] // 2 + 1),
    ]
    grid = np.meshgrid(
        *(np.abs(index) * s / n for index, s, n in zip(indices, oversampling, shape, strict=True)),
        indexing="ij",
        sparse=True,
    )
    distance = sum(axis**_NORM for axis in grid) ** (1 / _NORM)
    return (np.maximum(1 - distance, 0) ** (2 * power) + _NOISE**2).astype(np.float32)

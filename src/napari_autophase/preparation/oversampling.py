"""Oversampling: how many times wider than the crystal the field of view is, read off the autocorrelation."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

_NOISE = 5.0
_BOTTOM, _TOP, _STEP = 4e-3, 0.1, 0.75
_POWER = 2.2
"""Near its ends the autocorrelation of a convex body falls like (1 - d/width)^p: p = 1 for facing facets, 3 for corners."""
_GROWTH = 0.35
"""Faster growth of the width with a falling threshold (-d ln width / d ln threshold) is no crystal's: it marks the knee
beyond which detector and beam, not the crystal, correlate the intensity."""


def estimate_oversampling(counts: np.ndarray, good: np.ndarray | None = None) -> tuple[float, float, float]:
    """Estimate the oversampling along each axis: the array's side over the crystal's full width.

    The inverse Fourier transform of the intensity is the crystal's autocorrelation, twice as wide as the crystal.  Where its
    largest magnitude over planes across an axis falls through a threshold, the width is extrapolated to zero as a convex
    body's autocorrelation falls.  The threshold is lowered from 0.1 towards the noise (Poisson's, of relative size
    ``1 / √(Σ counts)``), because strain hides the wide parts, and not beyond a knee in the profile, because in measured scans
    uneven pixels and an unsteady beam leave long tails.

    Parameters
    ----------
    counts
        float (N0, N1, N2), wherever the peak lies.
    good
        False where nothing was measured (filled from the surroundings); None: all is good.

    Returns
    -------
    tuple of float
        N_i / width_i; about 1 where the crystal fills the field of view, and no more than N_i.
    """
    filled = counts if good is None or good.all() else fill_gaps(counts, good)
    total = float(filled.sum(dtype=np.float64))
    correlation = np.abs(fft.rfftn(filled)) / total
    # the sum of all counts also holds whatever background there is, but only at the origin: the neighbours tell the scale
    correlation[0, 0, 0] = 0
    scale = float(correlation.max())
    noise = _NOISE / (np.sqrt(total) * scale)
    correlation /= scale
    result = []
    for axis, side in enumerate(counts.shape):
        profile = correlation.max(axis=tuple(a for a in range(3) if a != axis))
        if axis < 2:  # the half transform holds distances of both signs along these
            profile = np.maximum(profile, np.roll(profile[::-1], 1))
        profile = profile[: side // 2 + 1]
        profile[0] = 1
        result.append(side / max(_width(np.minimum.accumulate(profile), max(noise, _BOTTOM)), 1.0))
    return result[0], result[1], result[2]


def _width(profile: np.ndarray, lowest: float) -> float:
    """Return the width in voxels of the body whose autocorrelation falls like `profile` (from 1, never rising)."""
    threshold = min(max(_TOP, lowest), 0.5)
    width = _width_at(profile, threshold)
    while threshold * _STEP >= lowest:
        threshold *= _STEP
        wider = _width_at(profile, threshold)
        if wider > width * _STEP**-_GROWTH:
            break
        width = wider
    return width


def _width_at(profile: np.ndarray, threshold: float) -> float:
    below = np.flatnonzero(profile < threshold)
    distance = float(len(profile) - 1)
    if len(below):
        high, low = profile[below[0] - 1], profile[below[0]]
        distance = float(below[0] - (threshold - low) / (high - low))
    return distance / (1 - threshold ** (1 / _POWER))


def fill_gaps(counts: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return the counts with masked voxels filled by a Gaussian mean of the good ones around, as near as there are any.

    Parameters
    ----------
    counts, good
        float and bool, same shape.

    Returns
    -------
    ndarray
        float32; 0 where no good voxel is within reach.
    """
    filled = np.where(good, counts, 0).astype(np.float32)
    missing = ~good
    for sigma in (1.0, 2.0, 4.0):
        weight = ndimage.gaussian_filter(good.astype(np.float32), sigma, truncate=3, mode="constant")
        mean = ndimage.gaussian_filter(
            np.where(good, counts, 0).astype(np.float32), sigma, truncate=3, mode="constant"
        )
        now = missing & (weight > 0.05)
        filled[now] = mean[now] / weight[now]
        missing &= ~now
        if not missing.any():
            break
    return filled

"""How a map is distributed over a crystal: its bulk, and its surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Statistics:
    """A distribution in numbers, in the unit of the values.

    Parameters
    ----------
    count
        Voxels.
    mean, std, rms, skew
        Moments; the skew is that of the standardised values.
    fwhm
        Full width at half maximum of the histogram, in bins of Freedman and Diaconis (1981), smoothed by one bin.
    """

    count: int
    mean: float
    std: float
    rms: float
    skew: float
    fwhm: float


def statistics(values: np.ndarray) -> Statistics:
    """Return the statistics of the finite values of an array, NaN where there are fewer than two."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if values.size < 2:
        return Statistics(int(values.size), *(5 * (float("nan"),)))
    mean, std = float(values.mean()), float(values.std())
    return Statistics(
        count=int(values.size),
        mean=mean,
        std=std,
        rms=float(np.sqrt(np.mean(values**2))),
        skew=float(np.mean(((values - mean) / std) ** 3)) if std > 0 else 0.0,
        fwhm=_fwhm(values),
    )


def _fwhm(values: np.ndarray) -> float:
    low, high = np.percentile(values, (25, 75))
    width = 2 * (high - low) / np.cbrt(values.size)
    if width <= 0:
        return 0.0
    bins = int(np.clip(np.ceil(np.ptp(values) / width), 8, 2000))
    counts, edges = np.histogram(values, bins)
    counts = ndimage.gaussian_filter1d(counts.astype(float), 1)
    peak, half = int(counts.argmax()), counts.max() / 2
    middles = (edges[1:] + edges[:-1]) / 2

    def crossing(side: range) -> float:
        previous = peak
        for index in side:
            if counts[index] < half:
                part = (counts[previous] - half) / (counts[previous] - counts[index])
                return float(middles[previous] + part * (middles[index] - middles[previous]))
            previous = index
        return float(middles[previous])

    return crossing(range(peak + 1, bins)) - crossing(range(peak - 1, -1, -1))


def surface_and_bulk(support: np.ndarray, depth: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the outermost `depth` layers of voxels of a support, and what is below them (bool, same shape)."""
    bulk = ndimage.binary_erosion(support, iterations=depth)
    return support & ~bulk, bulk

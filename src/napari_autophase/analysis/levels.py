"""At which amplitude a crystal ends: the histogram of its amplitudes, and the level that it proposes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

BINS = 100
"""Bins of the histogram, from 0 to 1."""
_INSIDE = 0.35
"""What is brighter than this belongs to the crystal's inside, of which the brightest is 1, or to its edge."""
_BLUR = 3.0
"""Standard deviation, in bins, by which the histogram is smoothed before its peak is taken."""


def amplitude_histogram(amplitude: np.ndarray) -> np.ndarray:
    """Return how many voxels have which amplitude, int64 (BINS,), from 0 to 1; what is 0, as outside the support, is left out.

    Parameters
    ----------
    amplitude
        Any shape, the largest about 1; what is above 1 is in the last bin.
    """
    lit = amplitude[amplitude > 0]
    return np.histogram(np.minimum(lit, 1), BINS, (0, 1))[0]


def proposed_level(histogram: np.ndarray) -> float | None:
    """Return the amplitude at which the crystal ends: half of what most of its inside has; None where there is no inside.

    A sharp edge that is seen at a finite resolution falls to half of its height where it is, whatever that is.  The height is
    the peak of the smoothed histogram: most voxels of a crystal lie inside, and have about one amplitude.

    Parameters
    ----------
    histogram
        As `amplitude_histogram` returns it.
    """
    first = round(_INSIDE * BINS)
    inside = histogram[first:]
    if not inside.any():
        return None
    # mirrored at its ends: what lies at 1 must not lose half of its weight
    smooth = ndimage.gaussian_filter1d(histogram.astype(float), _BLUR, mode="reflect")[first:]
    return float((first + np.argmax(smooth) + 0.5) / BINS / 2)

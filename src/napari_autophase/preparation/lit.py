"""Light that is not the crystal's: pixels lit through the whole rocking curve, and peaks of other crystals."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .blur import blurred

_CONTRAST = 8.0
"""What lies beside a crystal's light is at most so many times darker (see `pixels`)."""
_SIGMAS = 6.0
_PART = 0.1
"""A larger part of a detector is not lit by mistake."""
_STEADY = 0.8
"""This part of a patch must be as bright in dark frames as in bright ones: what crosses it is the crystal's."""
_AROUND = np.ones((3, 3), bool)

_SECOND = 0.1
"""Fringes are fainter than this: the first of a cube has 0.047 of its peak."""
_VALLEY = 0.03
_FRINGES = 4.0
"""A peak that is split by strain is not split farther than this."""


def find_lit_patches(counts: np.ndarray, darker: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Find patches and lines of detector pixels that are lit in every frame, amid pixels that are not.

    The light of a crystal comes and goes along the rocking curve, and falls off from pixel to pixel.  A patch is condemned if
    each of its pixels exceeds the brightest pixel around it as a hot one does (see `pixels.find_hot_pixels`), if it is steady
    and small, and if most of what comes and goes is seen elsewhere.

    Parameters
    ----------
    counts
        float, shape ``(rocking, row, column)``.
    darker
        float (rows, columns): what each pixel counts in the darker half of its frames.
    good
        bool, shape of `counts`.

    Returns
    -------
    ndarray
        bool (rows, columns).
    """
    known = np.any(good, axis=0)
    darker = np.where(known, darker, 0)
    lit = np.zeros(darker.shape, bool)
    faintest = _beyond(0.0)
    least = ndimage.minimum_filter(np.where(known, darker, np.inf), 3)
    if not (known & (darker > _beyond(np.where(np.isfinite(least), least, np.inf)))).any():
        return lit

    brightest = np.where(good, counts, 0).max(0)
    usual = darker / max(1, len(counts) // 2)
    steady = brightest <= 2 * usual + 8 * np.sqrt(usual + 1)
    moving = np.where(steady, 0, brightest)
    level = float(darker.max())
    while level > faintest:
        patches, number = ndimage.label(known & ~lit & (darker >= level), _AROUND)
        level /= 2
        if not number:
            continue
        every = np.arange(1, number + 1)
        rim = np.zeros(number + 1)
        outside = np.where((patches == 0) & known & ~lit, darker, 0)
        np.maximum.at(rim, patches.ravel(), ndimage.maximum_filter(outside, 3).ravel())
        sizes = ndimage.sum_labels(known, patches, every)
        condemned = (
            (ndimage.minimum(darker, patches, every) > _beyond(rim[1:]))
            & (sizes <= _PART * known.sum())
            & (ndimage.sum_labels(steady, patches, every) >= _STEADY * sizes)
            & (ndimage.sum_labels(moving, patches, every) <= 0.5 * moving.sum())
        )
        lit |= np.append(False, condemned)[patches]
    return lit


def _beyond(around: np.ndarray | float) -> np.ndarray:
    """Return what is too bright beside pixels of so many counts."""
    expected = _CONTRAST * (np.asarray(around) + 1)
    return expected + _SIGMAS * np.sqrt(expected)


def find_second_peak(
    counts: np.ndarray, good: np.ndarray, peak: tuple[int, int, int], oversampling: tuple[float, float, float]
) -> tuple[tuple[int, int, int], float] | None:
    """Find the brightest peak that is not the crystal's own: apart from it, and farther than strain splits one.

    Parameters
    ----------
    counts, good
        float32 and bool (N0, N1, N2).
    peak
        Voxel of the crystal's peak.
    oversampling
        Voxels between two fringes, per axis.

    Returns
    -------
    voxel, share
        Where it is, and how bright in terms of the first; None: there is none.
    """
    weight, light = blurred(good, 1.0), blurred(np.where(good, counts, 0), 1.0)
    light = np.where(weight > 0.2, light / np.maximum(weight, 0.2), 0)
    highest = float(light[peak])
    islands, number = ndimage.label(light > _VALLEY * highest, np.ones((3, 3, 3)))
    if number < 2 or not islands[peak]:
        return None
    every = [label for label in range(1, number + 1) if label != islands[peak]]
    heights = ndimage.maximum(light, islands, every)
    best = int(np.argmax(heights))
    share = float(heights[best]) / highest
    place = ndimage.maximum_position(light, islands, every[best])
    apart = (np.subtract(place, peak) / np.asarray(oversampling)) ** 2
    if share < _SECOND or np.sqrt(apart.sum()) < _FRINGES:
        return None
    return (int(place[0]), int(place[1]), int(place[2])), share

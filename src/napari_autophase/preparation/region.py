"""The region of interest: how much of reciprocal space is phased, always about its centre voxel, index ``n // 2``."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_SPECKLE = 5
"""Side in voxels of the blocks in which light is looked for."""
_SIGMAS = 6.0
"""Standard deviations of the background by which the brightest block of a plane is lit."""
_EDGE = 32
"""One plane in so many, at either end of an axis, tells what the background is."""

_LEAST = 32
"""Sides are never cut to less than this."""


def middle(volume: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the middle of a volume, of `shape` or as large as it is; index ``n // 2`` stays the centre."""
    sides = [min(n, m) for n, m in zip(volume.shape, shape, strict=True)]
    return volume[
        tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(volume.shape, sides, strict=True))
    ]


def lit_shape(counts: np.ndarray, good: np.ndarray) -> tuple[int, int, int]:
    """Return sides, fast to transform, of the middle part beyond which nothing but background is seen.

    The background of an axis is the mean of its outermost planes.  A plane is lit if the brightest block of a speckle's size in
    it exceeds that by several standard deviations of Poisson's; where light reaches the ends, nothing is cut.

    Parameters
    ----------
    counts, good
        float32 and bool (N0, N1, N2), the peak at ``shape // 2``.
    """
    block = float(_SPECKLE**3)
    light = block * ndimage.uniform_filter(np.where(good, counts, 0), _SPECKLE, mode="constant")
    seen = block * ndimage.uniform_filter(good.astype(np.float32), _SPECKLE, mode="constant")
    sides = []
    for axis, side in enumerate(counts.shape):
        planes = [np.moveaxis(volume, axis, 0) for volume in (counts, good, light, seen)]
        width = max(1, side // _EDGE)
        ends = np.r_[0:width, side - width : side]
        level = float(planes[0][ends].sum(where=planes[1][ends]) / max(planes[1][ends].sum(), 1))
        expected = level * planes[3]
        lit = (planes[2] > expected + _SIGMAS * np.sqrt(expected + 1)).any((1, 2))
        away = int(np.abs(np.flatnonzero(lit) - side // 2).max(initial=0))
        sides.append(min(side, fast_size(max(_LEAST, 2 * (away + 1)))))
    return sides[0], sides[1], sides[2]


def pad_fast(volume: np.ndarray) -> np.ndarray:
    """Pad with zeros (masked voxels) to sides that are fast to transform; the centre voxel stays the centre voxel."""
    shape = [fast_size(side) for side in volume.shape]
    width = [(m // 2 - n // 2, (m - m // 2) - (n - n // 2)) for n, m in zip(volume.shape, shape, strict=True)]
    return np.pad(volume, width)


def fast_size(side: int) -> int:
    """Return the least multiple of 4 not below `side` whose prime factors are 2, 3, 5 and 7.

    Odd sides, and twice odd ones, take up to twice as long per voxel: 63 longer than 64, and 126 longer than 128.
    """
    while True:
        rest = side
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1 and side % 4 == 0:
            return side
        side += 1

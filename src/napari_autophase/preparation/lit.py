"""Light that is not the crystal's: pixels lit through the whole rocking curve or in one frame, and peaks of other crystals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .blur import blurred

_CONTRAST = 8.0
"""What lies beside a crystal's light is at most so many times darker (see `pixels`)."""
_SIGMAS = 6.0
"""Standard deviations of photon noise above what is expected that are light."""
_PART = 0.1
"""A larger part of a detector is not lit by mistake."""
_STEADY = 0.8
"""This part of a patch must be as bright in dark frames as in bright ones: what crosses it is the crystal's."""
_AROUND = np.ones((3, 3), bool)

_STREAK = 6
"""So many voxels side by side are a streak."""
_SELDOM = 12
"""Frames with such streaks are fewer than one in so many."""
_FADES = 3.0
"""What lies beside a streak belongs to it if it is so many times brighter than in the frames before and after."""

_SECOND = 0.1
"""Fringes are fainter than this: the first of a cube has 0.047 of its peak."""
_VALLEY = 0.03
"""Of the peak: another one is parted from it by voxels darker than this."""
_MOAT = 0.04
"""Between two crystals it is darker than this, in terms of the fainter one's peak: 0.002 to 0.016 were seen, and 0.1 where strain
of 16 rad and more splits a peak."""
_CORE = 0.25
"""Within half of the ball that another peak outshines it is masked in any case."""
_MORE = 3.0
"""Strain makes a pattern differ from that on the opposite side: only what is so many times as bright is another crystal's."""
_AS_FAR = 4.0
"""And where Porod's law makes it at most the square of that fainter than the crystal's own light: 16 times."""
_DARK = 0.05
"""Mean counts of a voxel that are nobody's light."""
_FRINGES = 4.0
"""A peak that is split by strain is not split farther than this."""
_ALIKE = 0.75
"""A peak as bright as this is named wherever it lies."""
_DIP = 0.3
"""Two such peaks are two if it is darker than this between them."""


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


def find_flashes(counts: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Find streaks and patches that are lit in one frame alone: cosmic rays, powder, a glitch of the detector.

    The light of a crystal lasts for some frames.  A voxel is suspect if it exceeds the brightest of the 18 around it in the
    frames before and after as a hot one does (see `pixels.find_hot_pixels`), and six of them side by side are condemned,
    with what belongs to them.  Nothing is condemned if that is most of the light, or if it happens in more than a few frames:
    then the rocking curve has too few frames for its crystal.

    Parameters
    ----------
    counts
        float, shape ``(rocking, row, column)``.
    good
        bool, shape of `counts`.

    Returns
    -------
    ndarray
        bool, shape of `counts`.
    """
    found = np.zeros(counts.shape, bool)
    seen = np.where(good, counts, -1)
    frames = []
    for frame in range(
        1, len(counts) - 1
    ):  # of the outermost only one side is seen, and that may be between two fringes
        beside = [frame - 1, frame + 1]
        around = seen[beside].max(0)
        suspect = seen[frame] > np.maximum(_CONTRAST * around, _beyond(0.0))
        if np.count_nonzero(suspect) < _STREAK:
            continue
        around = np.where(suspect, ndimage.maximum_filter(around, 3), np.inf)  # -1: nothing is known
        suspect = (around >= 0) & (seen[frame] > _beyond(np.maximum(around, 0)))
        patches, number = ndimage.label(suspect, _AROUND)
        sizes = np.bincount(patches.ravel(), minlength=number + 1)
        sizes[0] = 0
        if (sizes >= _STREAK).any():
            frames.append(frame)
            found[frame] = ndimage.binary_dilation((sizes >= _STREAK)[patches], _AROUND) & (
                seen[frame] > _FADES * (np.maximum(seen[beside].max(0), 0) + 1)
            )
    light = counts.sum(where=good, dtype=np.float64)
    if (
        len(frames) > max(1, len(counts) // _SELDOM)
        or counts.sum(where=found & good, dtype=np.float64) > 0.5 * light
    ):
        found[:] = False
    return found & good


@dataclass(frozen=True)
class OtherPeak:
    """A Bragg peak beside the crystal's own.

    Parameters
    ----------
    voxel
        Where it is.
    share
        How bright, in terms of the crystal's.
    is_apart
        Whether it lies whole and alone in the scan, so that it can only be another crystal's: a crystal's own light has no such
        dark valley around it, but where strain is so strong that it leaves the array on one side and comes back on the other.
    """

    voxel: tuple[int, int, int]
    share: float
    is_apart: bool


def find_second_peak(
    counts: np.ndarray, good: np.ndarray, peak: tuple[int, int, int], oversampling: tuple[float, float, float]
) -> OtherPeak | None:
    """Find the brightest peak that is not the crystal's own: apart from it, and farther than strain splits one.

    One that is about as bright as the crystal's own is found nearer, too: strain may have split it off, which nothing here tells.

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
    OtherPeak or None
    """
    light = _light(counts, good)
    highest = float(light[peak])
    place, share = _beside(light, peak, _VALLEY)
    apart = (np.subtract(place, peak) / np.asarray(oversampling)) ** 2
    if share < _SECOND or np.sqrt(apart.sum()) < _FRINGES:
        place, share = _beside(light, peak, _DIP)
        return OtherPeak(place, share, False) if share >= _ALIKE else None
    islands, _ = ndimage.label(light > _MOAT * share * highest, np.ones((3, 3, 3)))
    own = ndimage.find_objects(islands)[islands[place] - 1]
    is_whole = all(part.start > 0 and part.stop < n for part, n in zip(own, counts.shape, strict=True))
    return OtherPeak(place, share, is_whole and islands[place] != islands[peak])


def _beside(
    light: np.ndarray, peak: tuple[int, int, int], valley: float
) -> tuple[tuple[int, int, int], float]:
    """Return the brightest voxel that a valley parts from the peak, and its light in terms of the peak's; 0 if there is none."""
    highest = float(light[peak])
    islands, _ = ndimage.label(light > valley * highest, np.ones((3, 3, 3)))
    if not islands[peak]:
        return peak, 0.0
    others = np.where(islands == islands[peak], 0, light)
    at = np.unravel_index(int(others.argmax()), light.shape)
    share = float(others[at]) / highest
    return (int(at[0]), int(at[1]), int(at[2])), share if share > valley else 0.0


def lit_by(
    other: OtherPeak,
    counts: np.ndarray,
    good: np.ndarray,
    peak: tuple[int, int, int],
    oversampling: tuple[float, float, float],
) -> np.ndarray:
    """Return where another peak is brighter than the crystal's own.

    A crystal's pattern is nearly the same on opposite sides of its peak (Friedel), and neither peak reaches the far side of the
    other: so the far sides tell how bright either is in between.  Where a far side lies outside the scan, both are taken to fall
    off alike, with the fourth power of the distance, as facets scatter (Porod): the other is brighter within a ball around it.

    Parameters
    ----------
    other, peak
        The two peaks.
    counts, good, oversampling
        As for `find_second_peak`.

    Returns
    -------
    ndarray
        bool, shape of `counts`.
    """

    def away(place: tuple[int, int, int]) -> np.ndarray:
        axes = np.ogrid[tuple(slice(0, side) for side in counts.shape)]
        parts = (((axis - at) / s) ** 2 for axis, at, s in zip(axes, place, oversampling, strict=True))
        return np.asarray(sum(parts), np.float32)

    light = _light(counts, good)
    own, its = _opposite(light, peak), _opposite(light, other.voxel)
    nearness = away(other.voxel) / np.sqrt(other.share) / np.maximum(away(peak), 1e-9)
    unknown = (own < 0) | (its < 0)
    # on the far side of the crystal's own peak may lie a third
    foreign = (nearness < _CORE) | np.where(unknown, nearness < 1, its > np.maximum(own, _DARK))
    # where only the crystal's far side is known, what is there beside as much light must be the other's
    is_more = (own >= 0) & (its < 0) & (light > _MORE * np.maximum(own, _DARK))
    return foreign | (is_more & (nearness < _AS_FAR))


def _light(counts: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return the mean of the good counts around each voxel; 0 where hardly any is known."""
    weight, light = blurred(good, 1.0), blurred(np.where(good, counts, 0), 1.0)
    return np.where(weight > 0.2, light / np.maximum(weight, 0.2), 0)


def _opposite(light: np.ndarray, centre: tuple[int, int, int]) -> np.ndarray:
    """Return what lies on the other side of a voxel, -1 where that is outside."""
    found = np.full(light.shape, -1, light.dtype)
    inside, across = [], []
    for at, n in zip(centre, light.shape, strict=True):
        first, end = max(0, 2 * at - n + 1), min(n, 2 * at + 1)
        inside.append(slice(first, end))
        across.append(slice(2 * at - end + 1, 2 * at - first + 1))
    found[tuple(inside)] = light[tuple(across)][::-1, ::-1, ::-1]
    return found

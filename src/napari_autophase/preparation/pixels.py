"""Voxels that cannot be believed: hot, dead, saturated or flagged.

All rules are made for photon counts: what is expected of a voxel is estimated from its neighbours, and a voxel is condemned
only if Poisson's statistics make its value practically impossible.  Doubt is in favour of the voxel: one that is left
standing costs little, a bitten Bragg peak costs the crystal.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .blur import blurred
from .lit import find_flashes, find_lit_patches

FLAGS = (2.0**32 - 1, 2.0**32 - 2, 2.0**31 - 1, 2.0**24 - 1, 2.0**16 - 1, 2.0**16 - 2)
"""Largest values of detectors' number formats, by which they mark bad or overflown pixels."""

_PLATEAU, _PATCH = 1000, 5
"""A maximum above this that occurs again and again is none; pixels of one frame that lie side by side, and have just the same
value, which is no whole number."""
_SMALLEST = 50
"""No limit is sought below."""
_DRIFT = 0.5
"""A monitor falls to this part of its largest value at most, while a rocking curve is measured."""
_MOSTLY = 0.5
"""Of the frames; a limit is reached in few, around the peak."""
_CONTRAST = 8.0
"""A voxel may be this many times brighter than its third-brightest neighbour: the peak of a crystal that is oversampled
only 1.5-fold, where sinc²(1/1.5) = 0.17, still passes."""
_AT_PEAK = 64.0
"""At the Bragg peak itself so many times: a box that is sampled only 1.2-fold has sinc²(1/1.2) = 0.036 beside its peak."""
_SIGMAS = 6.0
"""Standard deviations of photon noise above what is expected that make a pixel hot."""
_CHANCE = 1e-3
"""Of finding anything dead in a scan where nothing is."""
_LIT = 20.0
"""Expected counts from which on a lit pixel tells how far light can fall below them."""
_MARGIN = 8.0
"""So many times more is asked of a line: its bound is a sum of many, each of which may be a count or two too high."""
_RIM, _PHOTONS = 0.02, 50.0
"""What surrounds a hole in the peak has this part of the brightest light, and so many photons, in each voxel."""
_LEVELS = 130
"""So many powers of two there are in float32, from 1 on."""
_OFTEN = 12
"""Lines that are dark more often than once in so many are fringes: no detector is that poor."""


def find_flagged(counts: np.ndarray, saturation: float | None = None) -> np.ndarray:
    """Find voxels whose value is a flag or saturated.

    Flags are the largest value of the array's own integer type, any of `FLAGS` as long as nothing lies above it, a plateau (the
    same maximum four times or more, which photon statistics do not make; see `_is_limit`), in one frame as well (see
    `_plateaus`), and what lies far above all light: a flag that was divided by a white field.

    Parameters
    ----------
    counts
        Counts as stored, any real dtype, any shape.
    saturation
        Counts at and above this value are found too.

    Returns
    -------
    ndarray
        bool, shape of `counts`.
    """
    flagged = np.zeros(counts.shape, bool)
    if saturation is not None:
        flagged |= counts >= saturation
    if counts.dtype.kind in "iu":
        flagged |= counts == np.iinfo(counts.dtype).max
    for _ in range(len(FLAGS) + 1):  # one flag may hide below another
        top = counts.max(where=~flagged, initial=0)
        # float32 rounds 2³² - 1 up
        is_flag = any(top == value or top == np.float32(value) for value in FLAGS)
        where = (counts == top) & ~flagged
        if not is_flag and not (
            float(top).is_integer() and _is_limit(counts, float(top), int(np.count_nonzero(where)))
        ):
            break
        flagged |= where
    if counts.ndim == 3:
        flagged |= _plateaus(counts, flagged)
    return flagged | (counts >= _end_of_light(counts, flagged))


def _is_limit(counts: np.ndarray, top: float, often: int) -> bool:
    """Tell whether so many voxels have a maximum because nothing could be brighter, as where numbers end at 255.

    Photons scatter: where they have no limit, a maximum of thousands comes once or twice, and a smaller one less often than all
    values within its noise below it.
    """
    if often < 4 or top > _PLATEAU:
        return often >= 4
    return top >= _SMALLEST and often > int(np.count_nonzero((counts < top) & (counts >= top - np.sqrt(top))))


def _plateaus(counts: np.ndarray, flagged: np.ndarray) -> np.ndarray:
    """Find what is as bright, in its frame, as a patch of pixels that are all as bright as its brightest.

    That is a flag, or a limit, that was divided by each frame's monitor: another number in each frame, and no whole one.  Nothing
    in the scan is much brighter, however the monitor drifts; lit pixels, which may be alike in a frame, lie below the peak.
    """
    found = np.zeros(counts.shape, bool)
    if counts.dtype.kind != "f":
        return found
    least = max(_PLATEAU, _DRIFT * counts.max(where=~flagged, initial=0))
    for frame, bad, mine in zip(counts, flagged, found, strict=True):
        top = frame.max(where=~bad, initial=0)
        where = (frame == top) & ~bad
        if top < least or np.count_nonzero(where) < _PATCH:
            continue
        patches, _ = ndimage.label(where)
        if np.bincount(patches.ravel())[1:].max() >= _PATCH:
            mine[:] = where
    # what is so in most frames is a flag in those too in which the crystal outshines it
    return found | (found.mean(0) > _MOSTLY)


def _end_of_light(counts: np.ndarray, flagged: np.ndarray) -> float:
    """Return where impossible values begin, infinity if there are none.

    From its peak down to single photons a crystal's light has every brightness: values beyond a thousandfold in which there
    is none are no light.  Only what exceeds a million counts is judged: below that it may be a hot pixel.
    """
    levels = np.zeros(_LEVELS, int)
    for values, bad in zip(counts, flagged, strict=True):
        some = values[~bad & (values >= 1)].astype(np.float32)
        levels += np.bincount(np.frexp(some)[1], minlength=_LEVELS)
    occupied = np.flatnonzero(levels)  # powers of two
    empty = np.flatnonzero((np.diff(occupied) > 10) & (occupied[1:] > 20))
    return float(2.0 ** (occupied[empty[0] + 1] - 1)) if len(empty) else np.inf


def find_saturated(counts: np.ndarray, flagged: np.ndarray) -> np.ndarray:
    """Find those of the flagged voxels at which the detector was saturated: amid light about as bright as their value.

    A flag amid darkness says nothing; the largest value that a number can have amid light nearly as bright is a limit.

    Parameters
    ----------
    counts
        Counts as stored, any real dtype, 3-D.
    flagged
        bool, same shape: what `find_flagged` found.

    Returns
    -------
    ndarray
        bool, same shape: where at least so many photons came as `counts` says.
    """
    saturated = np.zeros(counts.shape, bool)
    brightest = float(counts.max(where=~flagged, initial=0))
    # those of one patch may hold different values, if a person gave a limit below them
    suspects = flagged & (counts > 0) & (counts <= _CONTRAST * brightest)
    if not suspects.any():
        return saturated
    patches, _ = ndimage.label(suspects, np.ones((3, 3, 3)))
    for number, place in enumerate(ndimage.find_objects(patches), 1):
        around = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in place)
        patch = patches[around] == number
        rim = ndimage.binary_dilation(patch, np.ones((3, 3, 3))) & ~flagged[around]
        least = float(counts[around][patch].min())
        if float(counts[around].max(where=rim, initial=0)) * _CONTRAST >= least:
            saturated[around] |= patch
    return saturated


def find_hot_pixels(counts: np.ndarray, good: np.ndarray | None = None) -> np.ndarray:
    """Find isolated voxels far above their neighbours, and detector pixels lit throughout the rocking curve.

    A voxel is hot if its counts exceed ``λ + 6 √λ`` with ``λ = 8 (m + 1)`` and m the third-brightest of its 26 neighbours (so
    that two false neighbours do not vouch for each other).  A detector pixel is hot in all frames if the same holds among
    its 8 neighbours for what it counts in the darker half of its frames.  The surroundings of the brightest place, as seen
    without the suspects, are condemned only where a voxel is 64 times brighter than its third-brightest neighbour, as no
    crystal's is that could be phased.  Patches and lines of lit pixels are found by `lit.find_lit_patches`, those that are lit
    in one frame by `lit.find_flashes`.

    Parameters
    ----------
    counts
        float, shape ``(rocking, row, column)``.
    good
        False where a voxel is already known to be bad; None: none is.

    Returns
    -------
    ndarray
        bool, True where hot; never True where `good` is False.
    """
    good = np.ones(counts.shape, bool) if good is None else good
    hot = find_isolated(counts, good)

    half = max(1, len(counts) // 2)
    curves = np.ascontiguousarray(np.moveaxis(np.where(good, counts, 0), 0, -1))  # four times as quick
    darker = np.partition(curves, half)[..., :half].sum(-1)
    pixel = find_isolated(darker[None], np.any(good, axis=0, keepdims=True))[0]
    hot |= pixel[None] & good
    hot |= find_flashes(counts, good & ~hot)
    patches = find_lit_patches(counts, darker, good)[None] & good

    if hot.any():
        light = blurred(np.where(good & ~hot & ~patches, counts, 0), 1.0)
        peak = np.unravel_index(int(light.argmax()), counts.shape)
        wide, near = (tuple(slice(max(0, i - reach), i + reach + 1) for i in peak) for reach in (3, 2))
        beyond = np.zeros(counts.shape, bool)
        beyond[wide] = find_isolated(counts[wide], good[wide], _AT_PEAK)
        hot[near] = beyond[near]
    return hot | patches


def find_isolated(counts: np.ndarray, good: np.ndarray, contrast: float = _CONTRAST) -> np.ndarray:
    """Find voxels that their third-brightest neighbour does not vouch for: see `find_hot_pixels`, which this is half of."""
    hot = np.zeros(counts.shape, bool)
    least = contrast + _SIGMAS * np.sqrt(contrast)
    bright = np.flatnonzero(counts > least)
    suspects = np.stack(np.unravel_index(bright[good.ravel()[bright]], counts.shape), 1)
    if len(suspects) == 0:
        return hot
    offsets = np.argwhere(np.ones((3, 3, 3))) - 1
    distances = np.abs(offsets).sum(1)
    # most voxels are vouched for by the few that share a face with them
    for around in (offsets[distances == 1], offsets[distances > 0]):
        third = _third_brightest(counts, good, suspects, around)
        expected = contrast * (third + 1)
        isolated = counts[tuple(suspects.T)] > expected + _SIGMAS * np.sqrt(np.maximum(expected, 0))
        suspects, third = suspects[isolated], third[isolated]
    # a third neighbour of -1 means that hardly any neighbour is known: nothing can be said
    hot[tuple(suspects[third >= 0].T)] = True
    return hot


def _third_brightest(
    counts: np.ndarray, good: np.ndarray, voxels: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """Return the third-brightest of each voxel's neighbours, -1 for those that are not good, or beyond the edges."""
    flat, usable = counts.ravel(), good.ravel()
    strides = np.array([counts.shape[1] * counts.shape[2], counts.shape[2], 1])
    places = voxels @ strides
    within = [
        {step: (voxels[:, axis] + step >= 0) & (voxels[:, axis] + step < side) for step in (-1, 0, 1)}
        for axis, side in enumerate(counts.shape)
    ]
    first = second = third = np.full(len(voxels), -np.inf, counts.dtype)
    for offset in offsets:
        inside = np.logical_and.reduce([within[axis][int(step)] for axis, step in enumerate(offset)])
        there = np.where(inside, places + offset @ strides, 0)
        one = np.where(inside & usable[there], flat[there], counts.dtype.type(-1))
        third = np.maximum(third, np.minimum(second, one))
        second = np.maximum(second, np.minimum(first, one))
        first = np.maximum(first, one)
    return third


def find_dead_pixels(counts: np.ndarray, good: np.ndarray | None = None) -> np.ndarray:
    """Find detector pixels and frames that stayed dark where light was sure to fall: dead pixels, module gaps, lost frames.

    What has no count in the whole scan is dead if that is practically impossible under the counts around it: if among all
    that was looked at, less than one in a thousand scans would have one such darkness by Poisson's statistics.  The counts to
    be expected are a lower bound, because fringes and speckles end in darkness too (see `_expected`), and what is lit tells
    how far below that bound light can fall in this very scan.  A pixel must be improbable along its row and along its column;
    a whole row, column or frame by the sum of what is expected of its pixels.  Far corners that no photon reached are data:
    zero is what was measured there.  So are lines and frames that are dark time and again, as fringes of a perfect box are.

    Parameters
    ----------
    counts
        float, shape ``(rocking, row, column)``, as measured (no background subtracted).
    good
        False where a voxel is already known to be bad; None: none is.

    Returns
    -------
    ndarray
        bool, shape of `counts`; never True where `good` is False.
    """
    good = np.ones(counts.shape, bool) if good is None else good
    seen = np.where(good, counts, 0)
    image, known = seen.sum(0, dtype=np.float64), np.any(good, axis=0)
    dead = _dark_lines(image, known)[:, None] | _dark_lines(image.T, known.T)[None]
    dead |= _dark_pixels(image, known & ~dead)
    lost = _dark_lines(seen.sum(2, dtype=np.float64), np.any(good, axis=2))
    return (dead[None] | lost[:, None, None]) & good


def find_holes(counts: np.ndarray, good: np.ndarray | None = None) -> np.ndarray:
    """Find voxels amid the light that have no count, in a closed hole with nothing between light and none: values set to 0.

    The dark of fringes is reached by steps, and seldom closed.

    Parameters
    ----------
    counts
        float, shape ``(rocking, row, column)``, as measured (no background subtracted).
    good
        False where a voxel is already known to be bad; None: none is.

    Returns
    -------
    ndarray
        bool, shape of `counts`; never True where `good` is False.
    """
    found = np.zeros(counts.shape, bool)
    good = np.ones(counts.shape, bool) if good is None else good
    bright = good & (counts >= max(_RIM * counts.max(where=good, initial=0), _PHOTONS))
    for place in ndimage.find_objects(bright.view(np.int8)):  # all of it in one box
        inside = ndimage.binary_fill_holes(bright[place]) & ~bright[place]
        holes, number = ndimage.label(inside)
        if number:
            lit = (counts[place] != 0) | ~good[place]
            empty = ~np.bincount(holes.ravel(), lit.ravel()).astype(bool)
            empty[0] = False
            found[place] = empty[holes]
    return found


def _dark_pixels(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Find the pixels (N, M) that are dark against all odds along both axes."""
    if not (known & (image == 0)).any():
        return np.zeros(image.shape, bool)
    expected = np.minimum(_expected(image, known), _expected(image.T, known.T).T)
    return _improbable(image, expected, known)


def _dark_lines(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Find the rows of an image (N, M) that are dark as a whole against all odds: bool (N,)."""
    total, looked_at = image.sum(1), np.any(known, axis=1)
    dark = looked_at & (total == 0)
    begins = np.count_nonzero(dark & ~np.append(False, dark[:-1]))
    if not 0 < begins <= max(1, len(dark) // _OFTEN):
        return np.zeros(len(dark), bool)
    expected = np.where(known, _expected(image, known), 0).sum(1)
    return _improbable(total, expected, looked_at, _MARGIN)


def _improbable(
    found: np.ndarray, expected: np.ndarray, known: np.ndarray, margin: float = 1.0
) -> np.ndarray:
    """Find zeros that Poisson's statistics make practically impossible, as many as there are to look at."""
    sure = known & (found > 0) & (expected >= _LIT)
    share = np.sort(found[sure] / expected[sure])
    # a few sick pixels that are not quite dark do not speak for the others
    lowest = min(share[min(3, len(share) // 1000)], 1.0) if len(share) else 1.0
    needed = margin * np.log(np.count_nonzero(known) / _CHANCE)
    return known & (found == 0) & (lowest * expected > needed)


def _expected(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the least counts to be expected in each pixel (N, M) by the nearest three from where there is light, along axis 0.

    A fringe declines towards its minimum from both sides, and then the next may follow at once.  So each side tells the least
    of its three pixels and of the straight line through the first two, and the brighter side counts.  Where there is light on
    one side only, nothing is expected.
    """

    def side(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
        last = nearest = np.zeros((3, values.shape[1]))
        found = np.empty_like(values)
        for i, (line, use) in enumerate(zip(values, usable, strict=True)):
            first, second, third = nearest
            least = np.maximum(np.minimum(np.minimum(second, third), 2 * first - second), 0)
            found[i] = np.where(first > 0, np.minimum(first, least), -1)
            last = np.where(use, np.stack([line, last[0], last[1]]), last)
            nearest = np.where(use & (line > 0), last, nearest)
        return found

    before, after = side(image, known), side(image[::-1], known[::-1])[::-1]
    return np.where(np.minimum(before, after) < 0, 0, np.maximum(before, after))

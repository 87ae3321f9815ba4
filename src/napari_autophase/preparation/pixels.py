"""Voxels that cannot be believed: hot, dead, saturated or flagged.

All rules are made for photon counts: what is expected of a voxel is estimated from its neighbours, and a voxel is condemned
only if Poisson's statistics make its value practically impossible.  Doubt is in favour of the voxel: one that is left
standing costs little, a bitten Bragg peak costs the crystal.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .blur import blurred

FLAGS = (2.0**32 - 1, 2.0**32 - 2, 2.0**31 - 1, 2.0**24 - 1, 2.0**16 - 1, 2.0**16 - 2)
"""Largest values of detectors' number formats, by which they mark bad or overflown pixels."""

_CONTRAST = 8.0
"""A voxel may be this many times brighter than its third-brightest neighbour: the peak of a crystal that is oversampled
only 1.5-fold, where sinc²(1/1.5) = 0.17, still passes."""
_SIGMAS = 6.0
_LARGEST_DEAD = 0.2
_LIT = 20.0
"""Counts expected where none came: a probability of exp(-20)."""


def find_flagged(counts: np.ndarray, saturation: float | None = None) -> np.ndarray:
    """Find voxels whose value is a flag or saturated.

    Flags are the largest value of the array's own integer type, any of `FLAGS` as long as nothing lies above it, and a
    plateau: the same maximum of over a thousand counts four times, which photon statistics do not make.

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
        if not is_flag and not (top > 1000 and np.count_nonzero(where) >= 4 and float(top).is_integer()):
            break
        flagged |= where
    return flagged


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
    without the suspects, are never condemned.

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
    hot = _isolated(counts, good)

    half = max(1, len(counts) // 2)
    curves = np.ascontiguousarray(np.moveaxis(np.where(good, counts, 0), 0, -1))  # four times as quick
    darker = np.partition(curves, half)[..., :half].sum(-1)
    pixel = _isolated(darker[None], np.any(good, axis=0, keepdims=True))[0]
    hot |= pixel[None] & good

    if hot.any():
        light = blurred(np.where(good & ~hot, counts, 0), 1.0)
        peak = np.unravel_index(int(light.argmax()), counts.shape)
        hot[tuple(slice(max(0, i - 2), i + 3) for i in peak)] = False
    return hot


def _isolated(counts: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Find voxels that their third-brightest neighbour does not vouch for."""
    hot = np.zeros(counts.shape, bool)
    least = _CONTRAST + _SIGMAS * np.sqrt(_CONTRAST)
    suspects = np.argwhere(good & (counts > least))
    if len(suspects) == 0:
        return hot
    known = np.pad(np.where(good, counts, -1.0), 1, constant_values=-1.0)
    offsets = np.argwhere(np.ones((3, 3, 3))) - 1
    distances = np.abs(offsets).sum(1)
    # most voxels are vouched for by the few that share a face with them
    for around in (offsets[distances == 1], offsets[distances > 0]):
        third = _third_brightest(known, suspects, around)
        expected = _CONTRAST * (third + 1)
        isolated = counts[tuple(suspects.T)] > expected + _SIGMAS * np.sqrt(np.maximum(expected, 0))
        suspects, third = suspects[isolated], third[isolated]
    # a third neighbour of -1 means that hardly any neighbour is known: nothing can be said
    hot[tuple(suspects[third >= 0].T)] = True
    return hot


def _third_brightest(known: np.ndarray, voxels: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the third-brightest of each voxel's neighbours, in an array that was padded by one voxel."""
    flat, strides = known.ravel(), np.array([known.shape[1] * known.shape[2], known.shape[2], 1])
    places = (voxels + 1) @ strides
    first = second = third = np.full(len(voxels), -np.inf, known.dtype)
    for offset in offsets:
        one = flat[places + offset @ strides]
        third = np.maximum(third, np.minimum(second, one))
        second = np.maximum(second, np.minimum(first, one))
        first = np.maximum(first, one)
    return third


def find_dead_pixels(counts: np.ndarray, good: np.ndarray | None = None) -> np.ndarray:
    """Find detector pixels and frames that stayed dark where light was sure to fall: dead pixels, module gaps, lost frames.

    A pixel without a single count in the whole rocking curve is dead if, going along its row or its column, the nearest
    three lit pixels on both sides counted 20 or more in the mean.  A whole row or column without any count, with dead pixels
    in it, is a gap over its full length.  Frames without any count between lit ones are lost.  Far corners that no photon
    reached are data: zero is what was measured there.  So are darknesses that take more than a fifth of the pixels (or
    frames): no detector is that poor, but the fringes of a perfect box simulated without noise vanish in whole rows.

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
    pixels, known = seen.sum(0, dtype=np.float64), np.any(good, axis=0)
    dead = _dark_between(pixels, known, 0) | _dark_between(pixels, known, 1)
    for axis in (0, 1):
        dark_line = (pixels.sum(axis, keepdims=True) == 0) & dead.any(axis, keepdims=True)
        dead |= dark_line & known
    if dead.sum() > _LARGEST_DEAD * known.sum():
        dead[:] = False
    frames = seen.sum((1, 2), dtype=np.float64)[:, None]
    lost = _dark_between(frames, np.any(good, axis=(1, 2))[:, None], 0)[:, 0]
    if lost.sum() > _LARGEST_DEAD * len(lost):
        lost[:] = False
    return (dead[None] | lost[:, None, None]) & good


def _dark_between(image: np.ndarray, known: np.ndarray, axis: int) -> np.ndarray:
    """Find zeros of a 2-D image that lie between lit stretches (mean of three lit pixels at least `_LIT`) along `axis`."""
    image, known = np.moveaxis(image, axis, 0), np.moveaxis(known, axis, 0)
    dark = (image == 0) & known
    if not dark.any():
        return np.moveaxis(dark, 0, axis)

    def brightness_before(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
        """Return, for every pixel, the mean of the last three lit pixels before it."""
        third = second = last = np.zeros(values.shape[1])
        found = np.empty_like(values)
        for i, (line, lit) in enumerate(zip(values, (values > 0) & usable, strict=True)):
            found[i] = (third + second + last) / 3
            third, second, last = (
                np.where(lit, newer, older)
                for newer, older in ((second, third), (last, second), (line, last))
            )
        return found

    before = brightness_before(image, known)
    after = brightness_before(image[::-1], known[::-1])[::-1]
    return np.moveaxis(dark & (np.minimum(before, after) >= _LIT), 0, axis)

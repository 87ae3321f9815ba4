"""Counts that ran over the 32, 16 or 8 bits they were stored in: what can be told is put right, and the rest is not believed."""

from __future__ import annotations

import numpy as np

_LOWEST_FLAG = -2
"""What is below this is no flag."""
_TOPS = {32: 0.2, 16: 0.2, 8: 0.9}
"""Bits that counts may have run over, and which part of their largest number the brightest voxel then has at least: many photons
seldom come near it by chance."""
_FLAGGED = 2**24 - 1
"""From this value on, detectors have numbers that mean no light."""
_RIMS = (0.95, 0.8, 0.65, 0.5, 0.35, 0.2)
"""How bright, as parts of that, what surrounds a hole may be: a peak declines to a fifth from one voxel to the next at most."""
_DEEP = 0.75
"""A hole is darker than this part of all around it."""
_NEAR, _CUT = 0.8, 0.3
"""Counts that were cut at the largest number have that value in so many of the voxels that come near it."""
_OFTEN, _WALL = 12, 0.5
"""If there are more such voxels, all is doubted that lies with them inside what has this part of the largest number."""
_REACHED, _GAINED = 0.8, 1.5
"""The brightest voxel has this part of the largest number at least, where counts ran over and were corrected afterwards, and at
most."""
_SIGMAS = 6.0
"""And by more than so many standard deviations of what photons scatter."""


def unsigned(array: np.ndarray, step: float | np.ndarray = 1.0) -> tuple[np.ndarray, int] | None:
    """Return what negative values beside the largest ones of some bits were without a sign, and the bits; None: there are none.

    Those of flags stand beside darkness.

    Parameters
    ----------
    array
        Values, shape ``(frames, rows, columns)``.
    step
        What one photon became in them; of each frame, (frames, 1, 1).
    """
    if array.dtype.kind not in "if" or array.ndim != 3:
        return None
    lowest = np.min(array, where=np.isfinite(array), initial=0)
    if lowest >= _LOWEST_FLAG * np.min(step):
        return None
    from scipy import ndimage

    whole = array if np.all(step == 1) else np.rint(array / step)
    finite = np.isfinite(whole)
    least, top = np.min(whole, where=finite, initial=0), np.max(whole, where=finite, initial=0)
    for bits in sorted(_TOPS):
        most = 2 ** (bits - 1) - 1
        if least < -most - 1 or not 0.5 * most < top <= most:
            continue
        below = whole < _LOWEST_FLAG
        bright = ndimage.maximum_filter(whole, 3) > most // 2
        if np.count_nonzero(below & bright) > 0.5 * np.count_nonzero(below) and _are_whole(whole[below]):
            without_sign = whole.astype(np.int64 if array.dtype.kind == "i" else np.float64)
            without_sign[below] += 2**bits
            return without_sign, bits
    return None


def doubtful(array: np.ndarray) -> tuple[np.ndarray, int] | None:
    """Return where counts may have run over some bits and begun at zero again, and over how many; None: nowhere.

    A Bragg peak declines outwards: a hole in it that is closed on all sides is where they did, and around it others may have that
    look as if they had not.

    Returns
    -------
    tuple or None
        bool, shape of the counts, and the bits.
    """
    top = float(np.max(array, where=np.isfinite(array), initial=0))
    if top >= _FLAGGED and array.ndim == 3 and (found := _doubtful(array, top)) is not None:
        return found
    return _doubtful(array, float(np.max(array, where=array < _FLAGGED, initial=0)))


def doubtful_of_gains(array: np.ndarray) -> tuple[np.ndarray, int] | None:
    """Return the same of counts that were divided by a map of gains (or a white field) of about 1 afterwards."""
    good = np.isfinite(array) & (array < _FLAGGED)
    top = float(np.max(array, where=good, initial=0))
    for bits in (16, 8):
        if array.ndim != 3 or not _REACHED * 2**bits < top < _GAINED * 2**bits:
            continue
        most = 2**bits - 1
        found = _holes(np.where(good, np.minimum(array, most), 0), most, whole=False)
        if found is not None:
            return found, bits
    return None


def _doubtful(array: np.ndarray, top: float) -> tuple[np.ndarray, int] | None:
    for bits, least in _TOPS.items():
        most = 2**bits - 1
        if array.ndim == 3 and least * most < top <= most and (found := _holes(array, most)) is not None:
            return found, bits
    return None


def _holes(array: np.ndarray, most: int, *, whole: bool = True) -> np.ndarray | None:
    from scipy import ndimage

    bright = (array > _RIMS[-1] * most) & (array <= most)
    (place,) = ndimage.find_objects(bright.view(np.int8))  # all of it in one box
    part = array[place]
    if np.max(part, where=np.isfinite(part), initial=0) > most:  # flags
        part = np.where(part <= most, part, 0)
    near = part[part >= _NEAR * most]
    if whole and near.size > 2 and np.mean(near == most) > _CUT:
        return None
    holes = np.zeros(part.shape, bool)
    for rim in (share * most for share in _RIMS):
        deep = min(_DEEP * rim, rim - _SIGMAS * np.sqrt(rim))
        holes |= ndimage.binary_fill_holes(part >= rim) & (part > 0) & (part < deep)
    if not holes.any() or (whole and not _are_whole(part[holes])):
        return None
    if (
        np.count_nonzero(holes) > _OFTEN
    ):  # counts may have begun again more than once, where nothing is to be told apart
        labels, _ = ndimage.label(ndimage.binary_fill_holes(part >= _WALL * most) | holes)
        holes = np.isin(labels, np.unique(labels[holes]))
    found = np.zeros(array.shape, bool)
    found[place] = holes
    return np.asarray(ndimage.binary_dilation(found, np.ones((3, 3, 3))))


def _are_whole(values: np.ndarray) -> bool:
    return values.dtype.kind != "f" or bool((values == np.rint(values)).all())

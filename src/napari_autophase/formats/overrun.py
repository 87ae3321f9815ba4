"""Counts that ran over the 16 or 8 bits they were stored in: what can be told is put right, and the rest is not believed."""

from __future__ import annotations

import numpy as np

_SHORT, _LOWEST_FLAG = 2, -2
"""Integers of so many bytes are too short for counts, and what is below this is no flag."""
_TOPS = {16: 0.2, 8: 0.9}
"""Bits that counts may have run over, and which part of their largest number the brightest voxel then has at least: many photons
seldom come near it by chance."""
_RIMS = (0.95, 0.8, 0.65, 0.5, 0.35, 0.2)
"""How bright, as parts of that, what surrounds a hole may be: a peak declines to a fifth from one voxel to the next at most."""
_DEEP = 0.75
"""A hole is darker than this part of all around it."""
_NEAR, _CUT = 0.8, 0.3
"""Counts that were cut at the largest number have that value in so many of the voxels that come near it."""
_OFTEN, _WALL = 12, 0.5
"""If there are more such voxels, all is doubted that lies with them inside what has this part of the largest number."""
_SIGMAS = 6.0
"""And by more than so many standard deviations of what photons scatter."""


def unsigned(array: np.ndarray) -> np.ndarray | None:
    """Return what negative values beside the largest ones of a short integer were without its sign; None: there are none.

    Those of flags stand beside darkness.
    """
    if array.dtype.kind != "i" or array.dtype.itemsize > _SHORT or array.min() >= _LOWEST_FLAG:
        return None
    from scipy import ndimage

    below = array < _LOWEST_FLAG
    bright = ndimage.maximum_filter(array, 3) > np.iinfo(array.dtype).max // 2
    if np.count_nonzero(below & bright) <= 0.5 * np.count_nonzero(below):
        return None
    without_sign = array.astype(np.int32)
    without_sign[below] += 2 ** (8 * array.dtype.itemsize)
    return without_sign


def doubtful(array: np.ndarray) -> tuple[np.ndarray, int] | None:
    """Return where counts may have run over 16 or 8 bits and begun at zero again, and over how many; None: nowhere.

    A Bragg peak declines outwards: a hole in it that is closed on all sides is where they did, and around it others may have that
    look as if they had not.

    Returns
    -------
    tuple or None
        bool, shape of the counts, and the bits.
    """
    top = np.max(array, where=np.isfinite(array), initial=0)
    for bits, least in _TOPS.items():
        most = 2**bits - 1
        if array.ndim == 3 and least * most < top <= most and (found := _holes(array, most)) is not None:
            return found, bits
    return None


def _holes(array: np.ndarray, most: int) -> np.ndarray | None:
    from scipy import ndimage

    bright = array > _RIMS[-1] * most
    (place,) = ndimage.find_objects(bright.view(np.int8))  # all of it in one box
    part = array[place]
    near = part[part >= _NEAR * most]
    if near.size > 2 and np.mean(near == most) > _CUT:
        return None
    holes = np.zeros(part.shape, bool)
    for rim in (share * most for share in _RIMS):
        deep = min(_DEEP * rim, rim - _SIGMAS * np.sqrt(rim))
        holes |= ndimage.binary_fill_holes(part >= rim) & (part > 0) & (part < deep)
    if not holes.any() or not _are_whole(part[holes]):
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

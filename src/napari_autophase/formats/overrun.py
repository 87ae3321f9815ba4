"""Counts that ran over the 16 bits they were stored in: what can be told is put right, and the rest is not believed."""

from __future__ import annotations

import numpy as np

_SHORT, _LOWEST_FLAG = 2, -2
"""Integers of so many bytes are too short for counts, and what is below this is no flag."""
_MOST = 2**16 - 1
"""The largest number of 16 bits."""
_RIMS = (0.95, 0.8, 0.65, 0.5, 0.35, 0.2)
"""How bright, as parts of that, what surrounds a hole may be: a peak declines to a fifth from one voxel to the next at most."""
_DEEP = 0.75
"""A hole is darker than this part of all around it."""


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


def doubtful(array: np.ndarray) -> np.ndarray | None:
    """Return where counts may have run over 16 bits and begun at zero again; None: nowhere.

    A Bragg peak declines outwards: a hole in it that is closed on all sides is where they did, and around it others may have that
    look as if they had not.

    Returns
    -------
    ndarray or None
        bool, shape of the counts.
    """
    top = np.max(array, where=np.isfinite(array), initial=0)
    if array.ndim != 3 or not _RIMS[-1] * _MOST < top <= _MOST:
        return None
    from scipy import ndimage

    bright = array > _RIMS[-1] * _MOST
    (place,) = ndimage.find_objects(bright.view(np.int8))  # all of it in one box
    part = array[place]
    holes = np.zeros(part.shape, bool)
    for rim in _RIMS:
        lit = part >= rim * _MOST
        holes |= ndimage.binary_fill_holes(lit) & (part > 0) & (part < _DEEP * rim * _MOST)
    if not holes.any() or not _are_whole(part[holes]):
        return None
    found = np.zeros(array.shape, bool)
    found[place] = holes
    return np.asarray(ndimage.binary_dilation(found, np.ones((3, 3, 3))))


def _are_whole(values: np.ndarray) -> bool:
    return values.dtype.kind != "f" or bool((values == np.rint(values)).all())

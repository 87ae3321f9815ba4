"""A mask that a person painted over a scan: it stands as text in a result, and masks the same voxels when that is repeated."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import replace

import numpy as np

from .scan import InputError, Scan


def over(scan: Scan, painted: np.ndarray | None) -> Scan:
    """Return the scan in which these voxels are masked beside those that came masked; what was painted before is given back.

    Parameters
    ----------
    scan
        Any scan; it is not changed.
    painted
        True, or a label other than 0, where somebody painted; shape of the counts.  None: nowhere.

    Raises
    ------
    InputError
        If it has another shape.
    """
    came, added = came_masked(scan), None
    if painted is not None:
        if painted.shape != scan.shape:
            raise InputError(
                f"The painted mask has shape {painted.shape} but {scan.name} has {scan.shape}; paint one on the scan as it is."
            )
        added = painted != 0
        if came is not None:
            added &= ~came
    if added is None or not added.any():
        return replace(scan, mask=came, painted=None, origin=scan.origin and replace(scan.origin, painted=""))
    origin = scan.origin and replace(scan.origin, painted=packed(added))
    return replace(scan, mask=added if came is None else came | added, painted=added, origin=origin)


def came_masked(scan: Scan) -> np.ndarray | None:
    """Return the mask of a scan without what was painted; None: there is none."""
    if scan.mask is None or scan.painted is None:
        return scan.mask
    came = scan.mask & ~scan.painted
    return came if came.any() else None


def packed(mask: np.ndarray) -> str:
    """Return a mask as text: its voxels in C order as bits, deflated, in base64."""
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes())).decode("ascii")


def unpacked(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the mask, bool of `shape`, that `packed` made a text of.

    Raises
    ------
    InputError
        If the text is no mask of that shape.
    """
    size = int(np.prod(shape))
    whole = (size + 7) // 8
    try:
        stored = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), whole + 1)
    except (binascii.Error, zlib.error, ValueError):
        stored = b""
    if len(stored) != whole:
        raise InputError(
            f"The painted mask cannot be read as one of {shape}: the result is damaged, or the scan has another shape now."
        )
    return np.unpackbits(np.frombuffer(stored, np.uint8), count=size).astype(bool).reshape(shape)

"""Masks as files have them: bits or flags, of the volume, a frame or the whole detector, where 0 is good or where 1 is.

CXI, NeXus, bcdi and PyNX write 0 where a pixel is good, others 1.  What a mask covers tells which it is: bad pixels are few,
and nobody measures a Bragg peak on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from ..geometry import Detector
from ..scan import InputError

Region = tuple[int, int, int, int]
"""First row, end row, first column, end column of the frames on the whole detector."""

Box: TypeAlias = tuple[slice, slice, slice]
"""A part of a volume: frames, rows and columns, each from a start to an end."""

MASKS = ("mask", "pixel_mask")
"""What masks are called that stand beside the data."""
_BITS = (
    "gap",
    "dead",
    "under-responding",
    "over-responding",
    "noisy",
    "",
    "in a cluster",
    "",
    "user-defined",
)
"""What the bits of NeXus' pixel_mask mean, from the lowest."""
_FLAGS, _LOOKED_AT = 64, 200_000
"""A mask has fewer flags than this, among so many values that are looked at."""
_IMPOSSIBLE = 1e9
"""No detector counts so many photons in one pixel and frame."""


@dataclass(frozen=True, eq=False)
class StoredMask:
    """A mask as it is stored.

    Parameters
    ----------
    values
        Of the volume, one frame, or the whole detector.
    where
        What it is called.
    needed
        Whether it is an error if it does not fit; otherwise that is said.
    given
        Whether it is said, too, if it masks nothing: a person named it, or it has a file of its own.
    """

    values: np.ndarray
    where: str
    needed: bool = True
    given: bool = False


def lost_mask(file: str, path: str, why: str) -> str:
    """Say that a mask which a file names is not to be had."""
    return f"The mask {file}::{path} is lost, so it masks nothing: {why}"


def bad_pixels(
    stored: StoredMask, counts: np.ndarray, region: Region | None = None, good: int | None = None
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return where a mask says that counts are bad, and what a person should read about it.

    Parameters
    ----------
    stored
        The mask.
    counts
        Shape ``(frames, rows, columns)``.
    region
        The frames' place on the whole detector, to which its mask is cut; None: unknown.
    good
        0 or 1: what good pixels are in the mask; None: recognised.

    Returns
    -------
    bad, notes
        bool, shape of `counts`, or None if the mask does not fit and need not.

    Raises
    ------
    InputError
        If the mask does not fit.
    """
    values, why = _fitting(stored, counts.shape, region)
    if values is not None and values.dtype.kind not in "buif":
        why, values = (
            f"{stored.where} holds {values.dtype} values and is no mask; give one of 0 and 1, or of bits.",
            None,
        )
    if values is not None and (kinds := _kinds(values)) > _FLAGS:
        why = f"{stored.where} holds {kinds:,} different values, as counts do, and is no mask; give one of 0 and 1, or of bits."
        values = None
    if values is None:
        if stored.needed:
            raise InputError(why)
        return None, (f"{why.removesuffix('.')}; until then it masks nothing.",)
    unknown = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    bad = values != 0
    covered = float((bad & ~unknown).mean())
    turned = good == 1 if good is not None else covered > 0.5 and _covers_peak(bad, counts)
    others: list[str] = []
    if turned:
        one = _usual(values[bad & ~unknown])
        bad = values != one  # what is no number equals nothing
        others = [f"{each:g}" for each in np.unique(values[bad & ~unknown]) if each != 0]
    full = np.broadcast_to(bad, counts.shape)
    notes = []
    if turned and good is None:
        notes.append(
            f"In {stored.where} 1 is taken for good, as it covers {covered:.0%} of the scan and the Bragg peak; "
            "--mask-good 0 turns it round."
        )
    if others:
        some = ", ".join(others[:4]) + (", …" if len(others) > 4 else "")
        notes.append(
            f"{stored.where} holds {one:g} where pixels are good, and other values besides 0 ({some}): where these are, it masks."
        )
    if unknown.any():
        notes.append(f"{stored.where} is no number (NaN) in places: it masks these.")
    if full.any():
        bits = "" if turned else _said_bits(values)
        notes.append(f"Masked {np.count_nonzero(full):,} voxels, as {stored.where} says{bits}.")
    elif stored.given:
        notes.append(f"{stored.where} masks nothing of this scan.")
    if good is None and not turned and covered <= 0.5 and full.any() and _covers_peak(bad, counts):
        notes.append(
            f"{stored.where} covers the Bragg peak; if 1 is good in it, --mask-good 1 turns it round."
        )
    return full.copy(), tuple(notes)


def _usual(values: np.ndarray) -> float:
    """Return the value that most pixels have; 1 of none."""
    found, pixels = np.unique(values, return_counts=True)
    return float(found[pixels.argmax()]) if len(found) else 1.0


def _kinds(values: np.ndarray) -> int:
    """Return how many different values an array holds, as far as some of them tell."""
    flat = values.ravel()
    return len(np.unique(flat[:: max(flat.size // _LOOKED_AT, 1)]))


def _fitting(
    stored: StoredMask, shape: tuple[int, ...], region: Region | None
) -> tuple[np.ndarray | None, str]:
    """Return the mask in the shape of the volume or of a frame, or why it has none of both."""
    values = stored.values
    while values.ndim > 2 and values.shape != shape and values.shape[0] == 1:
        values = values[0]
    if values.shape in (shape, shape[1:]):
        return values, ""
    is_larger = values.ndim == 2 and values.shape[0] >= shape[1] and values.shape[1] >= shape[2]
    if is_larger and region is not None:
        cut = values[region[0] : region[1], region[2] : region[3]]
        if cut.shape == shape[1:]:
            return cut, ""
        return None, (
            f"The mask {stored.where} of shape {values.shape} has no rows {region[0]} to {region[1]} and columns {region[2]} to "
            f"{region[3]}, where the frames lie; check --roi, or give the mask of the whole detector."
        )
    advice = (
        "say where the frames lie on the detector: --roi ROW0,ROW1,COLUMN0,COLUMN1"
        if is_larger
        else "give one of that shape, or of one frame"
    )
    return None, f"The mask {stored.where} has shape {values.shape} but the scan has {shape}: {advice}."


def part_of(stored: StoredMask, shape: tuple[int, ...], region: Region | None, box: Box) -> StoredMask:
    """Return the part of a mask of whole frames of `shape` that lies in a box; as it is if it does not fit them."""
    values, _ = _fitting(stored, shape, region)
    return stored if values is None else replace(stored, values=values[box[-values.ndim :]])


def likely_bad(
    stored: StoredMask, shape: tuple[int, ...], region: Region | None, good: int | None
) -> np.ndarray | None:
    """Return where a mask says that voxels are bad, before any are read: the smaller part, unless `good` says which."""
    values, _ = _fitting(stored, shape, region)
    if values is None:
        return None
    bad = values != 0
    turned = good == 1 if good is not None else bool(bad.mean() > 0.5)
    return np.broadcast_to(~bad if turned else bad, shape)


def _covers_peak(bad: np.ndarray, counts: np.ndarray) -> bool:
    """Tell whether the brightest place, as seen in the sum of all frames, without single pixels and impossible values, is bad."""
    from scipy import ndimage  # takes longer to import than to list a file's scans

    most = np.iinfo(counts.dtype).max if counts.dtype.kind in "iu" else _IMPOSSIBLE
    image = np.zeros(counts.shape[1:])
    for frame in counts:
        image += np.where((frame > 0) & (frame < min(most, _IMPOSSIBLE)), frame, 0)
    light = ndimage.median_filter(image, 5)
    row, column = np.unravel_index(int((light if light.any() else image).argmax()), image.shape)
    near = bad[..., max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    return bool(near.mean() > 0.5)


def _said_bits(values: np.ndarray) -> str:
    """Say how many pixels are what, where the values are NeXus' bits."""
    if values.dtype.kind not in "iu" or values.max() <= 1:
        return ""
    found = {name: np.count_nonzero(values & (1 << bit)) for bit, name in enumerate(_BITS) if name}
    said = ", ".join(f"{number:,} {name}" for name, number in found.items() if number)
    return f" ({said})" if said else ""


def gaps_of(
    detector: Detector, region: Region | None, shape: tuple[int, int, int], notes: list[str]
) -> np.ndarray | None:
    """Return the mask of a detector's gaps in the shape of the scan, and say so; None: there are none, or nobody knows where."""
    if detector.gaps is None:
        return None
    bad = None if region is None else detector.blind(region)
    if bad is None:
        notes.append(
            f"The gaps of {detector.name} are not masked: these frames of {shape[1]} × {shape[2]} are a part of it, "
            "and nothing says which; give a --mask."
        )
        return None
    if not bad.any():
        return None
    number = np.count_nonzero(bad)
    what = "1 pixel that is a gap or dead" if number == 1 else f"{number:,} pixels that are gaps or dead"
    notes.append(f"Masked {what} on every {detector.name}.")
    return np.broadcast_to(bad, shape).copy()

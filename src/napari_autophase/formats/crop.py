"""The part of a scan around its Bragg peak, found in one pass over the frames and then read alone.

What is kept of the pass are two images and a coarse volume, so that memory is bounded whatever the scan: see `memory_bytes`.
Voxels that cannot be believed (masked, flagged, hot) are left out by the rules of `preparation`, and so is light that does not
rock: what a pixel counts in every frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from ..scan import InputError, check_shape
from ..sides import LEAST
from .common import Box, Dataset, Volume, check_memory
from .registry import Format

Sides: TypeAlias = tuple[int, ...]
"""Frames, rows, columns."""
Crop: TypeAlias = (
    Literal["auto"] | tuple[int, int, int] | tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
)
"""How a scan is cropped while it is read: as far as the light around the peak reaches, to so many frames, rows and columns about
the peak, or from starts to ends."""

PREPARING = 30
"""Bytes a voxel that preparation takes at its peak beside the counts as stored."""
_SLAB_BYTES = 2**25
"""Frames, as float32, that are looked at together."""
_COPIES = 8
"""So many times their bytes it takes to look at them."""
_BLOCK = 8
"""Side in pixels of the blocks in which light is looked for."""
_COARSE = 2**23
"""Blocks at most."""
_AUTO, _FRAMES = 32, 2
"""Shortest side that is chosen; shortest block along the frames."""
_ENOUGH = "{} frames, {} rows and {} columns".format(*LEAST)
"""What a part has at least, in words."""
_AROUND = 10
"""Voxels around the brightest place in which the peak is found exactly."""
_SIGMAS = 6.0
"""Standard deviations of the background by which a block is lit."""
_BRIDGE = 3
"""Blocks that a gap of the detector may span without parting the light on its sides."""
_OTHER = 0.1
"""Light elsewhere is worth a word if its brightest block has this share of the peak's."""


@dataclass(frozen=True)
class Found:
    """Which part of a scan is read.

    Parameters
    ----------
    box
        The part.
    notes
        Sentences that a person should read.
    """

    box: Box
    notes: tuple[str, ...] = ()


def crop_in(text: str | None) -> Crop | None:
    """Return the crop that ``auto``, ``64,128,128`` or ``10:74,0:128,30:158`` (starts and ends) says; None: nothing is said.

    Raises
    ------
    InputError
        If it says none of these.
    """
    if text is None or not text.strip():
        return None
    if text.strip() == "auto":
        return "auto"
    parts = re.split(r"[\s,×]+", re.sub(r"\s*:\s*", ":", text.strip()))
    found: Any = ()
    if len(parts) == 3 and all(re.fullmatch(r"\d+", part) for part in parts):
        found = tuple(map(int, parts))
    elif len(parts) == 3 and all(re.fullmatch(r"\d+:\d+", part) for part in parts):
        found = tuple(tuple(map(int, part.split(":"))) for part in parts)
    if not found:
        raise InputError(
            f"--crop '{text}': write auto, so many frames, rows and columns, such as 64,128,128, or their starts and "
            "ends, such as 10:74,0:128,30:158."
        )
    return found


def crop_words(crop: Crop) -> str:
    """Return how a crop is written: what `crop_in` reads."""
    if isinstance(crop, str):
        return crop
    return ",".join(
        ":".join(map(str, each)) if isinstance(each, tuple | list) else str(each) for each in crop
    )


def read_part(
    path: Path, kind: Format, dataset: Dataset, mask: np.ndarray | None, crop: Crop
) -> tuple[np.ndarray, Found]:
    """Return a part of a volume, and which it is.

    Parameters
    ----------
    path, kind, dataset
        The volume.
    mask, crop
        See `find`.

    Raises
    ------
    InputError
        As `find`; also if the volume is none, or the part does not fit into memory.
    """
    shape = dataset.frames
    # an array of that shape and dtype that takes no memory
    check_shape(np.broadcast_to(np.zeros((), dataset.dtype), shape), path.name)
    with kind.opens(path, dataset) as volume:
        found = find(volume, shape, mask, crop, path.name)
        size = tuple(part.stop - part.start for part in found.box)
        check_memory(size, dataset.dtype, f"The part of {path} around its peak, {size},", PREPARING)
        return volume.part(found.box), found


def memory_bytes(shape: Sides, together: int = 1) -> int:
    """Return the most that `find` takes beside the volume's own file, in bytes."""
    frame = 4 * prod(shape[1:])
    slab = max(_SLAB_BYTES, together * frame, frame) + 2 * frame
    return _COPIES * slab + 6 * frame + 16 * _COARSE


def find(volume: Volume, shape: Sides, mask: np.ndarray | None, crop: Crop, name: str) -> Found:
    """Find the part of a volume to read.

    Parameters
    ----------
    volume, shape
        The volume, opened.
    mask
        bool, True where nothing usable was seen, of the same shape; or None.
    crop
        What is wanted.
    name
        What to call the scan.

    Raises
    ------
    InputError
        If the crop is impossible, or no light is found.
    """
    given = _as_box(crop, shape)
    if given is not None:
        return Found(given, (_said(given, shape, None),))
    wanted = _as_sides(crop, shape)
    seen = _survey(volume, shape, mask)
    peak = _peak(volume, shape, mask, seen, name)
    notes: tuple[str, ...] = ()
    if wanted is None:
        wanted, notes = _lit(seen, shape, peak)
    box = _about(peak, wanted, shape)
    return Found(box, (_said(box, shape, peak), *notes))


def _about(peak: Sides, sides: Sides, shape: Sides) -> Box:
    """Return the box of some sides about a voxel, moved to where it does not reach over the edges."""
    frames, rows, columns = (
        slice(first, first + side)
        for first, side in (
            (min(max(at - side // 2, 0), n - side), side)
            for at, side, n in zip(peak, sides, shape, strict=True)
        )
    )
    return frames, rows, columns


def _as_box(crop: Crop, shape: Sides) -> Box | None:
    """Return the box that a crop is by itself, None if it is to be about the peak."""
    if isinstance(crop, str) or not all(isinstance(each, tuple | list) for each in crop):
        return None
    ends: Any = crop
    fits = len(ends) == 3 and all(
        len(each) == 2 and each[0] >= 0 and each[0] + least <= each[1] <= n
        for each, n, least in zip(ends, shape, LEAST, strict=False)
    )
    if not fits:
        raise InputError(
            f"A crop of {crop} does not fit a scan of {shape}; give starts and ends, at least {_ENOUGH}."
        )
    return tuple(slice(int(first), int(end)) for first, end in ends)  # type: ignore[return-value]


def _as_sides(crop: Crop, shape: Sides) -> Sides | None:
    """Return the sides that are wanted, no longer than the scan's; None: as far as light is seen."""
    if crop == "auto":
        return None
    sides: Any = crop
    if (
        isinstance(crop, str)
        or len(sides) != 3
        or not all(float(n).is_integer() and n >= least for n, least in zip(sides, LEAST, strict=True))
    ):
        raise InputError(
            f"A crop to {crop} was asked for; say auto, or at least {_ENOUGH}, such as 64,64,64."
        )
    return tuple(min(int(side), n) for side, n in zip(sides, shape, strict=True))


def _said(box: Box, shape: Sides, peak: Sides | None) -> str:
    parts = ", ".join(
        f"{what} {part.start} to {part.stop - 1}"
        for what, part in zip(("frames", "rows", "columns"), box, strict=True)
    )
    where = "" if peak is None else f" around the Bragg peak at {peak}"
    return f"Of {' × '.join(map(str, shape))} voxels only a part was read{where}: {parts}."


@dataclass(frozen=True, eq=False)
class _Seen:
    """What one pass leaves.

    Parameters
    ----------
    brightest, frame
        (rows, columns): what each pixel counted at most, and in which frame.
    steady
        (rows, columns): what it counted throughout.
    light, good
        Coarse volumes: counts, and number of voxels that can be believed, in blocks.
    block
        Sides of a block in voxels.
    """

    brightest: np.ndarray
    frame: np.ndarray
    steady: np.ndarray
    light: np.ndarray
    good: np.ndarray
    block: Sides


def _survey(volume: Volume, shape: Sides, mask: np.ndarray | None) -> _Seen:
    frames, rows, columns = shape
    images = -(-rows // _BLOCK) * -(-columns // _BLOCK)
    deep = max(_FRAMES, -(-frames * images // _COARSE))
    coarse = (-(-frames // deep), -(-rows // _BLOCK), -(-columns // _BLOCK))
    light, believed = np.zeros(coarse, np.float32), np.zeros(coarse, np.float32)
    everywhere = _blocks(np.ones(shape[1:], bool))
    brightest, at = np.zeros(shape[1:], np.float32), np.zeros(shape[1:], np.int32)
    steady, slabs = np.zeros(shape[1:], np.float64), 0
    for start, counts, good in _slabs(volume, shape, mask):
        slabs += 1
        for index, usable in enumerate(good):
            if usable.any():
                believed[(start + index) // deep] += everywhere if usable.all() else _blocks(usable)
        if not counts.any():
            continue
        steady += counts.min(0)
        for index, image in enumerate(counts):
            higher = image > brightest
            brightest[higher] = image[higher]
            at[higher] = start + index
            light[(start + index) // deep] += _blocks(image)
    return _Seen(brightest, at, steady / slabs, light, believed, (deep, _BLOCK, _BLOCK))


def _blocks(image: np.ndarray) -> np.ndarray:
    """Return the sums of the blocks of an image; those at the far ends may be incomplete."""
    rows, columns = image.shape
    whole = rows - rows % _BLOCK
    sums = np.zeros((-(-rows // _BLOCK), -(-columns // _BLOCK) * _BLOCK), np.float32)
    for part, block in ((sums[: whole // _BLOCK], image[:whole]), (sums[whole // _BLOCK :], image[whole:])):
        if len(part):
            np.add.reduce(
                block.reshape(len(part), -1, columns), axis=1, dtype=np.float32, out=part[:, :columns]
            )
    return sums.reshape(len(sums), -1, _BLOCK).sum(2)


def _slabs(
    volume: Volume, shape: Sides, mask: np.ndarray | None
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield frames with the number of the first: counts (float32, 0 where they cannot be believed), and where they can be."""
    frames = shape[0]
    step = max(_SLAB_BYTES // (4 * prod(shape[1:])), volume.together, 1)
    step -= step % volume.together
    whole = slice(0, shape[1]), slice(0, shape[2])
    raw, read = np.empty((0, *shape[1:])), 0
    for start in range(0, frames, step):
        # a voxel is judged by its neighbours in the frames before and after, too
        first, end = max(start - 1, 0), min(start + step + 1, frames)
        more = [_frames(volume, slice(read, end), whole, mask)] if end > read else []
        raw = np.concatenate([raw[len(raw) - (read - first) :], *more]) if read > first else more[0]
        read = end
        counts, good = believable(raw, None if mask is None else mask[first:end])
        own = slice(start - first, min(start + step, frames) - first)
        yield start, counts[own], good[own]


def _frames(volume: Volume, frames: slice, whole: tuple[slice, slice], mask: np.ndarray | None) -> np.ndarray:
    """Return some frames, zeros where nothing in them can be believed: hundreds may be announced and not written yet."""
    if mask is not None and mask[frames].all():
        return np.zeros((frames.stop - frames.start, *mask.shape[1:]), np.uint8)
    return volume.part((frames, *whole))


def believable(raw: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return counts in float32, 0 where they cannot be believed, and where they can be.

    Parameters
    ----------
    raw
        Counts as stored.
    mask
        True where nothing usable was seen, same shape; or None.
    """
    from ..preparation import find_flagged, find_isolated

    good = np.ones(raw.shape, bool) if mask is None else ~mask
    if not raw.any():
        return np.zeros(raw.shape, np.float32), good
    if raw.dtype.kind != "u":
        good &= np.isfinite(raw) & (raw >= 0)
    seen = np.where(good, raw, raw.dtype.type(0))
    flagged = find_flagged(seen)
    good &= ~flagged
    counts = seen.astype(np.float32)
    counts[flagged] = 0
    hot = find_isolated(counts, good)
    good &= ~hot
    counts[hot] = 0
    return counts, good


def _peak(volume: Volume, shape: Sides, mask: np.ndarray | None, seen: _Seen, name: str) -> Sides:
    """Return the voxel of the Bragg peak, as `preparation.find_peak` finds it in the whole scan."""
    from ..preparation import find_peak
    from ..preparation.blur import blurred

    rocking = np.maximum(seen.brightest - seen.steady, 0)
    if not rocking.any():
        raise InputError(f"{name} holds no Bragg peak: no count in it changes from frame to frame.")
    row, column = np.unravel_index(int(blurred(rocking[None], 1.0)[0].argmax()), rocking.shape)
    near = tuple(slice(max(at - 1, 0), at + 2) for at in (int(row), int(column)))
    frame = int(seen.frame[near].ravel()[int(rocking[near].argmax())])
    first = [max(at - _AROUND, 0) for at in (frame, int(row), int(column))]
    box = tuple(
        slice(begin, min(at + _AROUND + 1, n))
        for begin, at, n in zip(first, (frame, int(row), int(column)), shape, strict=True)
    )
    counts, good = believable(volume.part(box), None if mask is None else mask[box])  # type: ignore[arg-type]
    one, two, three = (begin + at for begin, at in zip(first, find_peak(counts, good), strict=True))
    return one, two, three


def _lit(seen: _Seen, shape: Sides, peak: Sides) -> tuple[Sides, tuple[str, ...]]:
    """Return sides, fast to transform, of the part about the peak that holds all light connected with it."""
    from scipy import ndimage

    from ..preparation import fast_size

    # the usual rate is that of most pixels: light covers few of them
    photons, looked_at = seen.light.sum(0), seen.good.sum(0)
    some = looked_at > 0
    level = float(np.median(photons[some] / looked_at[some]))
    expected = level * seen.good
    lit = seen.light > expected + _SIGMAS * np.sqrt(expected + 1)
    unseen = seen.good < 0.5 * np.prod(seen.block)
    block = tuple(at // side for at, side in zip(peak, seen.block, strict=True))
    lit[block] = True
    cube = np.ones((3, 3, 3), bool)
    joined = ndimage.binary_closing(np.pad(lit, 1), cube)[1:-1, 1:-1, 1:-1] | lit
    joined |= (
        ndimage.binary_closing(np.pad(lit, _BRIDGE), cube, _BRIDGE)[(slice(_BRIDGE, -_BRIDGE),) * 3] & unseen
    )
    labels, _ = ndimage.label(joined, cube)
    ours = lit & (labels == labels[block])
    sides = []
    for axis, (at, side, n) in enumerate(zip(peak, seen.block, shape, strict=True)):
        where = np.flatnonzero(ours.any(tuple(other for other in range(3) if other != axis)))
        reach = max(at - int(where[0]) * side, (int(where[-1]) + 1) * side - at)
        sides.append(min(n, fast_size(max(_AUTO, 2 * (reach + 1)))))
    notes = []
    others = np.where(lit & ~ours, seen.light, 0)
    if others.max() > _OTHER * seen.light[ours].max():
        place = np.unravel_index(int(others.argmax()), others.shape)
        frame, row, column = (int(at) * side for at, side in zip(place, seen.block, strict=True))
        notes.append(
            f"There is more light apart from the peak's, brightest near frame {frame}, row {row}, column {column}."
        )
    return (sides[0], sides[1], sides[2]), tuple(notes)

"""What every format shares: the arrays a file offers, and the errors said before any allocation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry import Beamline, Seam
from ..memory import GIB, available_memory_bytes, what_fits
from ..scan import Geometry, InputError
from ..sides import LEAST, fits
from .entry import ScanEntry
from .masks import Box, StoredMask

_SMALLEST = (5, 5, 5)
"""Voxels that a crystal of one, cut out with its margin of two, has along each axis."""


@dataclass(frozen=True)
class Dataset:
    """One array inside a file: its path there ("" where the file is one array), shape and dtype as stored.

    Where a link leads to an array that cannot be reached, `lost` says so in one sentence, and shape and dtype are unknown.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype
    lost: str = ""

    @property
    def is_volume(self) -> bool:
        """Whether this can be a scan or an object: see `could_be_volume`."""
        return could_be_volume(self.shape, self.dtype)

    @property
    def is_small(self) -> bool:
        """Whether this can be an object that was cut to the crystal, which no scan is as small as."""
        return not self.is_volume and could_be_volume(self.shape, self.dtype, _SMALLEST)

    @property
    def is_modes(self) -> bool:
        """Whether this is a stack of complex objects."""
        return len(self.shape) == 4 and self.dtype.kind == "c"

    @property
    def frames(self) -> tuple[int, ...]:
        """Shape without axes of length one: see `kept_axes`."""
        return tuple(self.shape[axis] for axis in kept_axes(self.shape))

    def __str__(self) -> str:
        return f"{self.path or 'the array'} ({' × '.join(map(str, self.shape))}, {self.dtype})"


def kept_axes(shape: Sequence[int]) -> tuple[int, ...]:
    """Return which axes make a volume: axes of length one are dropped, the first ones first, until three are left."""
    kept = list(range(len(shape)))
    for axis in range(len(shape)):
        if len(kept) > 3 and shape[axis] == 1:
            kept.remove(axis)
    return tuple(kept)


def could_be_volume(
    shape: tuple[int, ...] | None, dtype: np.dtype, least: tuple[int, int, int] = LEAST
) -> bool:
    """Tell whether an array can be a scan or an object: sides of `least` or more in any order, axes of length one; or modes."""
    if shape is None or dtype.kind not in "uifc" or len(shape) < 3:
        return False
    sides = [shape[axis] for axis in kept_axes(shape)]
    if not fits(sorted(sides[-3:]), sorted(least)):
        return False
    return len(sides) == 3 or (len(sides) == 4 and dtype.kind == "c")


@dataclass(frozen=True)
class Volume:
    """A volume that is read part by part, as long as its file is open.

    Parameters
    ----------
    part
        Returns a part, in the machine's byte order, as an array of its own.
    together
        So many frames are unpacked to see one of them.
    """

    part: Callable[[Box], np.ndarray]
    together: int = 1


class AmbiguousDataset(InputError):
    """Several datasets of a file are equally plausible; `candidates` holds them."""

    def __init__(self, path: Path, candidates: Sequence[Dataset]) -> None:
        self.path = path
        self.candidates: list[Dataset] | list[ScanEntry] = list(candidates)
        named = ", ".join(str(each) for each in self.candidates[:8])
        more = f" and {len(candidates) - 8} more" if len(candidates) > 8 else ""
        super().__init__(
            f"{path} holds several arrays: {named}{more}; name one with --dataset or as {path.name}::{candidates[0].path}."
        )


class AmbiguousScan(AmbiguousDataset):
    """A file holds several scans, and which is meant was not said; `candidates` holds them."""

    def __init__(self, path: Path, entries: Sequence[ScanEntry]) -> None:
        self.path = path
        self.candidates = list(entries)
        first = entries[0].path
        InputError.__init__(
            self,
            f"{path} holds {len(entries)} scans; choose one as {path.name}::{first} or with --dataset {first} "
            f"(napari-autophase info {path.name} lists them).",
        )


@dataclass(frozen=True)
class Hints:
    """What a person says of a scan that its files do not.

    Parameters
    ----------
    log
        The SPEC or fio file that belongs to the frames; None: it is looked for.
    beamline
        Where the scan was measured; None: told from its files.
    region
        The frames' place on the whole detector, as in `Description`; None: as their log says.
    """

    log: Path | None = None
    beamline: Beamline | None = None
    region: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, eq=False)
class Description:
    """What a file says about one of its datasets, besides the array itself.

    Parameters
    ----------
    mask
        True where nothing usable was seen; of the array's shape, or None.
    stored_mask
        A mask that the file holds, as it is stored; None: there is none.
    geometry
        If it is complete.
    metadata
        Whatever else is known, as plain values; fields of `Geometry` under their own names.
    notes
        Sentences that a person should read.
    region
        First row, end row, first column and end column of the frames on the whole detector; None: unknown.
    seam
        What is missing between the detector's chips, whole-detector rows and columns; None: nothing.
    detector
        Rows and columns of the whole detector; None: it is not known which it was.
    order
        The frames' numbers in the order in which they rock, which is that of the geometry and the metadata; None: they lie so in
        the file, as the masks do.
    """

    mask: np.ndarray | None = None
    geometry: Geometry | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    stored_mask: StoredMask | None = None
    notes: tuple[str, ...] = ()
    region: tuple[int, int, int, int] | None = None
    seam: Seam | None = None
    detector: tuple[int, int] | None = None
    order: np.ndarray | None = None


def joined(first: Description, more: Description | None) -> Description:
    """Return what two descriptions of one dataset say together; where they differ the first is right."""
    if more is None:
        return first
    masks = [each.mask for each in (first, more) if each.mask is not None]
    return Description(
        mask=join_masks(masks, masks[0].shape) if masks else None,
        geometry=first.geometry or more.geometry,
        metadata={**more.metadata, **first.metadata},
        notes=tuple(dict.fromkeys((*first.notes, *more.notes))),
        region=first.region or more.region,
        seam=first.seam or more.seam,
        detector=first.detector or more.detector,
        stored_mask=first.stored_mask or more.stored_mask,
        order=more.order if first.order is None else first.order,
    )


def as_volume(array: np.ndarray) -> np.ndarray:
    """Drop axes of length 1 beyond three, bring foreign byte order home, and half precision to single, which holds counts."""
    if array.ndim > 3:
        array = array.reshape([array.shape[axis] for axis in kept_axes(array.shape)])
    if array.dtype.kind == "f" and array.dtype.itemsize < 4:
        return array.astype(np.float32)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


_CROP = "read the part around its Bragg peak, with --crop auto or --crop FRAMES,ROWS,COLUMNS"


def join_masks(masks: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray | None:
    """Return what any of the masks masks, not to be written to; where they are alike in all frames it takes one frame's memory.

    Parameters
    ----------
    masks
        bool, of `shape`.
    shape
        Frames, rows and columns.
    """
    if not masks:
        return None
    # a frame that holds for all was broadcast
    thin = [mask[:1] if mask.strides[0] == 0 else mask for mask in masks]
    found = thin[0]
    for mask in thin[1:]:
        found = found | mask
    return np.broadcast_to(found, shape)


def check_memory(
    shape: Sequence[int], dtype: np.dtype, what: object, beside: int = 0, advice: str = _CROP
) -> None:
    """Raise `InputError` if an array of this shape would not fit into the memory that is free now.

    Parameters
    ----------
    shape, dtype, what
        The array, and what to call it.
    beside
        Bytes a voxel that are needed beside it.
    advice
        What to do about it.
    """
    need, available = prod(shape) * (dtype.itemsize + beside), available_memory_bytes()
    if need > available:
        raise InputError(
            f"{what} needs {need / GIB:.1f} GiB of memory but {available / GIB:.1f} GiB are free "
            f"(about {what_fits(shape, need, available)} would fit); {advice}."
        )

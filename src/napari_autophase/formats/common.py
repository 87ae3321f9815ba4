"""What every format shares: the arrays a file offers, the choice among them, and the errors said before any allocation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil

from ..scan import Geometry, InputError, check_shape

_BESIDE = ("mask", "pixel_mask", "support", "free_pixel_mask", "free_pixels")
"""Names of arrays that accompany the data in the same shape."""
_CLEARLY = 4
"""One dataset is clearly the largest when it has this many times the voxels of the next."""


@dataclass(frozen=True)
class Dataset:
    """One array inside a file: its path there ("" where the file is one array), shape and dtype as stored."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def is_volume(self) -> bool:
        """Whether this can be a scan or an object: 3-D (or 1 × 3-D; modes × 3-D if complex), sides of 16 or more."""
        if self.dtype.kind not in "uifc" or len(self.shape) not in (3, 4) or min(self.shape[-3:]) < 16:
            return False
        return len(self.shape) == 3 or self.shape[0] == 1 or self.dtype.kind == "c"

    def __str__(self) -> str:
        return f"{self.path or 'the array'} ({' × '.join(map(str, self.shape))}, {self.dtype})"


class AmbiguousDataset(InputError):
    """Several datasets of a file are equally plausible; `candidates` holds them."""

    def __init__(self, path: Path, candidates: Sequence[Dataset]) -> None:
        self.path = path
        self.candidates = list(candidates)
        named = ", ".join(str(each) for each in self.candidates[:8])
        more = f" and {len(candidates) - 8} more" if len(candidates) > 8 else ""
        super().__init__(
            f"{path} holds several arrays: {named}{more}; name one with --dataset or as {path.name}::{candidates[0].path}."
        )


@dataclass(frozen=True, eq=False)
class Description:
    """What a file says about one of its datasets, besides the array itself."""

    mask: np.ndarray | None = None
    geometry: Geometry | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class Format(Protocol):
    """What a module that reads one kind of file offers."""

    def arrays(self, path: Path) -> list[Dataset]:
        """Return the numeric arrays of the file (two or more dimensions) from its headers alone."""

    def preferred(self, path: Path, arrays: list[Dataset]) -> Dataset | None:
        """Return the array that the file itself declares to be the one to look at, or None."""

    def find(self, path: Path, name: str) -> Dataset | None:
        """Return the array called `name`, or None."""

    def load(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return one array, as stored."""

    def describe(self, path: Path, dataset: Dataset) -> Description:
        """Return what the file says about one array."""


def choose(path: Path, kind: Format, name: str | None, fits: Callable[[Dataset], bool]) -> Dataset:
    """Return the dataset to read: the one called `name`, else the file's own choice, the only one, or clearly the largest.

    Raises
    ------
    AmbiguousDataset
        If several are equally plausible.
    InputError
        If none of the datasets `fits`, or there is none called `name`.
    """
    if name is not None:
        named = kind.find(path, name)
        if named is None:
            offered = ", ".join(str(each) for each in kind.arrays(path)[:8])
            raise InputError(f"{path} has no dataset '{name}'; it holds {offered or 'no arrays'}.")
        return named
    arrays = kind.arrays(path)
    declared = kind.preferred(path, arrays)
    if declared is not None and fits(declared):
        return declared
    fitting = [each for each in arrays if fits(each)]
    candidates = [each for each in fitting if each.path.rpartition("/")[2] not in _BESIDE] or fitting
    if not candidates:
        raise _nothing_fits(path, arrays)
    candidates.sort(key=lambda each: -prod(each.shape))
    if len(candidates) > 1 and prod(candidates[0].shape) < _CLEARLY * prod(candidates[1].shape):
        raise AmbiguousDataset(path, candidates)
    return candidates[0]


def _nothing_fits(path: Path, arrays: list[Dataset]) -> InputError:
    """Say why the most likely array of the file cannot be used."""
    if not arrays:
        return InputError(
            f"{path} holds no numeric array; a rocking curve is a 3-D volume (frames, rows, columns)."
        )
    largest = max(arrays, key=lambda each: prod(each.shape))
    what = f"{path}::{largest.path}" if largest.path else str(path)
    if len(largest.shape) == 4:
        return InputError(
            f"{what} is 4-dimensional, {largest.shape}; save one of its {largest.shape[0]} volumes as a file of its own."
        )
    try:
        # an array of that shape and dtype that takes no memory
        check_shape(np.broadcast_to(np.zeros((), largest.dtype), largest.shape), what)
    except InputError as error:
        return error
    return InputError(
        f"{what} holds {largest.dtype} values of shape {largest.shape}, which is not what is wanted here."
    )


def as_volume(array: np.ndarray) -> np.ndarray:
    """Drop one leading axis of length 1, and bring foreign byte order home."""
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def check_memory(shape: Sequence[int], dtype: np.dtype, what: object) -> None:
    """Raise `InputError` if an array of this shape would not fit into the memory that is free now."""
    need, free = prod(shape) * dtype.itemsize, psutil.virtual_memory().available
    if need > free:
        raise InputError(
            f"{what} needs {need / 2**30:.1f} GiB of memory but {free / 2**30:.1f} GiB are free; crop or bin it first, "
            "or use a machine with more memory."
        )


def check_file(path: Path) -> None:
    """Raise `InputError` unless `path` is a file or folder that can be opened and is not empty."""
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read by you; change its permissions.")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty; it was probably not written to the end.")


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn whatever a library raises over a broken file (there is no end to the kinds) into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{path} does not fit into the memory that is free now; crop or bin it first."
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path} is damaged or cut short ({reason[:160]}); copy or export it again."
        ) from error

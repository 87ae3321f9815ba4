"""NumPy's file of one array (.npy).  Pickled objects are never opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from ..reconstruction import Reconstruction
from ..scan import InputError
from . import cohere
from .common import Dataset, Volume, as_volume, check_memory
from .paths import damage
from .registry import Format, register
from .rocking import frames_to_look_at


def header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, whether it is in Fortran order, and dtype of the array that begins here."""
    version = np.lib.format.read_magic(file)
    # the format's versions differ in the header's length
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def refuse_pickle(path: Path, dtype: np.dtype) -> None:
    """Raise `InputError` if the array is made of Python objects."""
    if dtype.hasobject:
        raise InputError(
            f"{path} holds pickled Python objects, which are never opened; save it as a plain array of numbers."
        )


@register
class Npy(Format):
    """One array, read straight into place."""

    name, title, suffixes = "npy", "npy", (".npy",)
    masks_beside = True

    def matches(self, path: Path) -> bool:
        """Look for NumPy's magic."""
        if path.is_dir():
            return False
        with path.open("rb") as file:
            return file.read(6) == b"\x93NUMPY"

    def lists(self, path: Path) -> list[Dataset]:
        """Return the array, if it is numeric and has two or more dimensions."""
        return [each for each in self._numbers(path) if len(each.shape) >= 2]

    def vectors(self, path: Path) -> list[Dataset]:
        """Return the array, if it is numeric and has one dimension."""
        return [each for each in self._numbers(path) if len(each.shape) == 1]

    def _numbers(self, path: Path) -> list[Dataset]:
        with damage(path), path.open("rb") as file:
            shape, _, dtype = header(file)
        refuse_pickle(path, dtype)
        return [Dataset("", shape, dtype)] if dtype.kind in "buifc" else []

    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return the array."""
        refuse_pickle(path, dataset.dtype)
        check_memory(dataset.shape, dataset.dtype, path)
        with damage(path):
            return np.load(path, allow_pickle=False)

    @contextmanager
    def opens(self, path: Path, dataset: Dataset) -> Iterator[Volume]:
        """Map the file."""
        refuse_pickle(path, dataset.dtype)
        with damage(path):
            mapped = np.load(path, mmap_mode="r", allow_pickle=False).reshape(dataset.frames)
        yield Volume(lambda box: as_volume(np.array(mapped[box])))

    def reads_result(self, path: Path, dataset: Dataset) -> Reconstruction:
        """Return the crystal; cohere's is known by the support beside it."""
        if cohere.is_image(path):
            return cohere.read(path.parent)
        return super().reads_result(path, dataset)

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Map the file and copy a few frames, along whichever axis is stored outermost."""
        with damage(path):
            mapped = np.load(path, mmap_mode="r", allow_pickle=False).reshape(dataset.frames)
            frames = mapped if mapped.flags.c_contiguous else mapped.T
            chosen = frames_to_look_at(frames.shape, frames.itemsize)
            return np.array(frames[chosen]) if chosen else None

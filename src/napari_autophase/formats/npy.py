"""NumPy's own files: one array (.npy) or several (.npz).  Pickled objects are never opened."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..scan import InputError
from .common import Dataset, Description, check_memory, damage

_SMALL = 4096
"""Arrays of at most one dimension and this many numbers are kept as metadata (angles, energies)."""


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype of the array that begins here (the format's versions differ in the header's length)."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _refuse_pickle(path: Path, dtype: np.dtype) -> None:
    if dtype.hasobject:
        raise InputError(
            f"{path} holds pickled Python objects, which are never opened; save it as a plain array of numbers."
        )


def _headers(path: Path) -> list[Dataset]:
    with damage(path):
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                shape, dtype = _header(file)
            _refuse_pickle(path, dtype)
            return [Dataset("", shape, dtype)]
        found = []
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if member.endswith(".npy"):
                    with archive.open(member) as file:
                        found.append(Dataset(member.removesuffix(".npy"), *_header(file)))
        return found


def arrays(path: Path) -> list[Dataset]:
    """Return the numeric arrays of two or more dimensions, from the headers alone."""
    return [each for each in _headers(path) if len(each.shape) >= 2 and each.dtype.kind in "buifc"]


def preferred(path: Path, arrays: list[Dataset]) -> Dataset | None:  # noqa: ARG001
    """Return None: these files declare nothing."""
    return None


def find(path: Path, name: str) -> Dataset | None:
    """Return the array called `name`, or None."""
    return next((each for each in _headers(path) if each.path == name.strip("/")), None)


def load(path: Path, dataset: Dataset) -> np.ndarray:
    """Return one array; a plain .npy is read straight into place."""
    _refuse_pickle(path, dataset.dtype)
    check_memory(dataset.shape, dataset.dtype, path)
    with damage(path):
        if dataset.path:
            with np.load(path, allow_pickle=False) as archive:
                return archive[dataset.path]
        return np.load(path, allow_pickle=False)


def describe(path: Path, dataset: Dataset) -> Description:
    """Return the small arrays beside the data (angles and the like) as metadata."""
    metadata: dict[str, Any] = {}
    if dataset.path:
        small = [each for each in _headers(path) if len(each.shape) < 2 and each.dtype.kind in "buifU"]
        with damage(path), np.load(path, allow_pickle=False) as archive:
            metadata = {each.path: archive[each.path].tolist() for each in small if sum(each.shape) <= _SMALL}
    return Description(metadata=metadata)

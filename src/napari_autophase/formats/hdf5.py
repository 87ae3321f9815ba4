"""HDF5 files of any layout: which datasets they hold, which one they declare, and reading it.

The choice follows the NeXus ``default`` and ``signal`` attributes, then the paths that CXI prescribes.  Compressed data
(bitshuffle, LZ4, zstd) opens through hdf5plugin, and a file that an acquisition still writes to is read as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (registers the filters)
import numpy as np

from ..scan import InputError
from . import nexus
from .common import Dataset, Description, as_volume, check_memory, damage

_CXI = ("/entry_1/instrument_1/detector_1/data", "/entry_1/image_1/data", "/entry_1/data_1/data")
_DEEP = 12
"""Groups nested deeper than this are not looked into (external links may go round)."""

_NESTED = 4
"""So many steps lead at most from the root to the data (root, entry, subentry, data); `default` may go round, too."""


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; whatever breaks inside the block means that the file is damaged."""
    with damage(path), _open(path) as file:
        yield file


def _open(path: Path) -> h5py.File:
    """Open for reading; where another program holds the file, without its lock, and at last as one that is being written."""
    refused = None
    for how in ({}, {"locking": False}, {"locking": False, "swmr": True}):
        try:
            return h5py.File(path, "r", **how)
        except OSError as error:
            if "lock" not in str(error) and "open for" not in str(error):
                raise
            refused = error
    raise InputError(
        f"{path} is still open for writing in another program; try again when that is done "
        "(if it has crashed, `h5clear -s` frees the file)."
    ) from refused


def arrays(path: Path) -> list[Dataset]:
    """Return the numeric arrays of two or more dimensions, from the headers alone."""
    with opened(path) as file:
        return list(_walk(file, "/", set()))


def _walk(group: h5py.Group, prefix: str, seen: set[tuple[int, int]]) -> Iterator[Dataset]:
    if prefix.count("/") > _DEEP:
        return
    for key in group:
        item = None if isinstance(group.get(key, getlink=True), h5py.SoftLink) else _item(group, key)
        if item is None:
            continue  # what a soft link points to is met under its own name
        info = h5py.h5o.get_info(item.id)
        if (info.fileno, info.addr) in seen:
            continue
        seen.add((info.fileno, info.addr))
        if isinstance(item, h5py.Dataset):
            dataset = _as_dataset(item, prefix + key)
            if dataset is not None:
                yield dataset
        elif isinstance(item, h5py.Group):
            yield from _walk(item, f"{prefix}{key}/", seen)


def _item(group: h5py.Group, key: str) -> h5py.Group | h5py.Dataset | h5py.Datatype | None:
    """Return what goes by `key`, or None for a link into a file that is not here, or to nothing."""
    try:
        return group[key]
    except (KeyError, OSError):
        if isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise
        return None


def _as_dataset(item: h5py.Dataset, path: str) -> Dataset | None:
    if item.shape is None or len(item.shape) < 2 or item.dtype.kind not in "buifc":
        return None
    return Dataset(path, item.shape, item.dtype)


def preferred(path: Path, arrays: list[Dataset]) -> Dataset | None:
    """Return the volume that the NeXus attributes, else the CXI convention, point to."""
    with opened(path) as file:
        found: dict[str, Dataset] = {}
        for signal in _signals(file, 0):
            dataset = _as_dataset(signal, _own_path(file, signal, arrays))
            if dataset is not None and dataset.is_volume:
                found[dataset.path] = dataset
        if len(found) == 1:
            return next(iter(found.values()))
    return next((each for wanted in _CXI for each in arrays if each.path == wanted and each.is_volume), None)


def _signals(group: h5py.Group, depth: int) -> Iterator[h5py.Dataset]:
    """Yield the datasets that NeXus marks as the ones to plot, following ``default`` where it stands."""
    if depth > _NESTED:
        return
    signal, default = nexus.attribute(group, "signal"), nexus.attribute(group, "default")
    if signal is not None and signal in group:
        item = _item(group, signal)
        if isinstance(item, h5py.Dataset):
            yield item
    elif default is not None and default in group:
        item = _item(group, default)
        if isinstance(item, h5py.Group):
            yield from _signals(item, depth + 1)
    else:
        for key in group:
            item = _item(group, key)
            if isinstance(item, h5py.Group) and nexus.attribute(item, "NX_class") in ("NXentry", "NXdata"):
                yield from _signals(item, depth + 1)
            elif isinstance(item, h5py.Dataset) and nexus.attribute(item, "signal") == "1":
                yield item  # as NeXus did before 2014


def find(path: Path, name: str) -> Dataset | None:
    """Return the dataset called `name` (or the signal of the group called so), or None."""
    with opened(path) as file:
        item = file.get(name)
        if isinstance(item, h5py.Group):
            item = next(_signals(item, 0), None)
        if not isinstance(item, h5py.Dataset):
            return None
        return _as_dataset(item, _own_path(file, item, list(_walk(file, "/", set()))))


def load(path: Path, dataset: Dataset) -> np.ndarray:
    """Return one dataset; of several complex modes the first."""
    with opened(path) as file:
        item = file[dataset.path]
        modes = item.ndim == 4 and item.dtype.kind == "c"
        check_memory(item.shape[-3:] if modes else item.shape, item.dtype, f"{path}::{dataset.path}")
        array = item[0] if modes else item[()]
        return _centred(item, array)


def _centred(item: h5py.Dataset, array: np.ndarray) -> np.ndarray:
    """Bring the zero frequency to the middle: CXI allows images that have it in the corner, and marks them."""
    shifted = nexus.scalar(item.parent.get("is_fft_shifted"))
    return np.fft.fftshift(array, axes=(-3, -2, -1)) if shifted else array


def _own_path(file: h5py.File, item: h5py.Dataset, arrays: list[Dataset]) -> str:
    """Return the path of a dataset where it really stands, with its mask beside it: a signal is often a soft link."""
    return next((each.path for each in arrays if file.get(each.path) == item), item.name)


def describe(path: Path, dataset: Dataset) -> Description:
    """Return the mask beside a dataset, and the geometry or what is known of it."""
    with opened(path) as file:
        item = file[dataset.path]
        entry = nexus.entry_of(file, dataset.path)
        return Description(_mask(path, item), *nexus.read_geometry(entry))


def _mask(path: Path, item: h5py.Dataset) -> np.ndarray | None:
    """Return the mask that stands beside the data (CXI and NeXus alike: 0 is good), in the shape of the volume."""
    for name in ("mask", "pixel_mask"):
        beside = item.parent.get(name)
        if isinstance(beside, h5py.Dataset) and item.dtype.kind != "c":
            if beside.shape not in (item.shape, item.shape[-3:], item.shape[-2:]):
                raise InputError(
                    f"{path}: {beside.name} has shape {beside.shape} but the data {item.shape}; repair the file, "
                    "or copy the data alone."
                )
            return _centred(item, np.broadcast_to(as_volume(beside[()]) != 0, item.shape[-3:]).copy())
    return None

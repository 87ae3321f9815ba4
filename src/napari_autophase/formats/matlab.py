"""MATLAB files: version 5 (also 4 and 7) by SciPy, version 7.3, which is HDF5.

MATLAB counts frames along the last axis, ``data(row, column, frame)``: arrays of three axes are turned to (frame, row, column).
Version 7.3 stores arrays with their axes in the opposite order.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal

import h5py
import numpy as np

from ..reconstruction import Reconstruction
from ..scan import InputError
from . import own_maps
from .axes import Rocking, vectors_in
from .common import Dataset, Description, Hints, as_volume, check_memory, joined
from .foreign import crystal
from .hdf5 import Hdf5, opened
from .links import local
from .masks import StoredMask
from .paths import damage
from .registry import Format, register
from .rocking import LOOKED_AT, frames_to_look_at

_MAGIC_5, _MAGIC_73 = b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file"
_KINDS = {"double": "f8", "single": "f4", "logical": "?", "int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8",
          "uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8"}  # fmt: skip
_COMPLEX = {"double": "c16", "single": "c8"}
_PACKED, _COMPLEX_FLAG = 15, 0x0800
"""The kind of an element that is packed (miCOMPRESSED), and the flag of an array of complex numbers."""
_START = 512
"""Bytes in which flags, dimensions and name of an array stand."""
_SMALL = 4096
"""Vectors of at most so many numbers are kept as metadata (angles, energies)."""
_FRAMES_LAST = (2, 0, 1)
"""The order of axes that MATLAB's users keep: rows, columns, frames; where each is here."""
_NOTE = "MATLAB's last axis is taken for the frames of the rocking curve."
_OF_A_CRYSTAL = (
    "MATLAB's axes are taken for the detector's rows and columns and the rocking curve, in this order: if the first one rocks, "
    "say --axes 1,2,0."
)


def _starts_with(path: Path, magic: bytes) -> bool:
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


@register
class Matlab5(Format):
    """Arrays by name."""

    name, title, suffixes = "matlab", "MATLAB", (".mat",)
    axes_assumed = _OF_A_CRYSTAL
    masks_beside = True

    def matches(self, path: Path) -> bool:
        """Look for what MATLAB writes first."""
        return _starts_with(path, _MAGIC_5)

    def lists(self, path: Path) -> list[Dataset]:
        """Return the numeric arrays, from their headers alone."""
        found = [each for each in _headers(path) if max(each.shape, default=0) < np.prod(each.shape)]
        if not found and (others := _others(path)):
            raise InputError(
                f"{path} holds no array of numbers by itself, but {', '.join(others)}; save the volume of the rocking curve as a "
                "variable of its own."
            )
        return found

    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return one array, frames first."""
        from scipy.io import loadmat

        check_memory(dataset.shape, dataset.dtype, path)
        with damage(path):
            return _frames_first(np.asarray(loadmat(path, variable_names=[dataset.path])[dataset.path]))

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Unpack the array, if it is small enough, and keep a few frames."""
        if np.prod(dataset.shape) * dataset.dtype.itemsize > 2 * LOOKED_AT:
            return None
        frames = self.reads(path, dataset).reshape(dataset.frames)
        return frames[frames_to_look_at(frames.shape, frames.itemsize)]

    def describes(self, path: Path, dataset: Dataset, hints: Hints) -> Description:  # noqa: ARG002
        """Return the short vectors beside the data as metadata, and an array called mask."""
        from scipy.io import loadmat

        short = [each.path for each in _headers(path) if np.prod(each.shape) == max(each.shape) <= _SMALL]
        with damage(path):
            values = loadmat(path, variable_names=short) if short else {}
        metadata: dict[str, Any] = {name: np.ravel(values[name]).tolist() for name in short if name in values}
        mask = self.find(path, "mask")
        stored = (
            None
            if mask is None
            else StoredMask(self.reads(path, mask), f"{path.name}::{mask.path}", needed=False)
        )
        single = {name: value[0] if len(value) == 1 else value for name, value in metadata.items()}
        return Description(metadata=single, stored_mask=stored)

    def rocking(self, path: Path, dataset: Dataset) -> Rocking:
        """Take the short vectors beside the data."""
        return Rocking(
            vectors_in(self.describes(path, dataset, Hints()).metadata), stored=_FRAMES_LAST, usual=_NOTE
        )

    def preferred(self, path: Path, arrays: list[Dataset]) -> Dataset | None:
        """Return the object, where this program wrote its maps."""
        return next((each for each in arrays if each.path == "object"), None) if _said(path) else None

    def reads_result(self, path: Path, dataset: Dataset) -> Reconstruction:
        """Return the crystal that a complex array is: in its geometry, where this program wrote its maps."""
        said = _said(path)
        if dataset.dtype.kind != "c" or not said:
            return super().reads_result(path, dataset)
        beside = own_maps.beside(said, self.support(path, dataset))
        return crystal(path, dataset.path, as_volume(self.reads(path, dataset)), own_maps.OURS, beside)


def _said(path: Path) -> dict[str, np.ndarray]:
    """Return what this program says beside its maps; nothing if it did not write them."""
    from scipy.io import loadmat, whosmat

    with damage(path):
        if not {name for name, _, _ in whosmat(path)} >= own_maps.KEYS:
            return {}
        values = loadmat(path, variable_names=list(own_maps.SAID))
    return {name: values[name] for name in own_maps.SAID if name in values}


def _headers(path: Path) -> list[Dataset]:
    from scipy.io import whosmat

    with damage(path):
        found = whosmat(path)
        complex_ones = _complex_ones(path) if any(kind in _COMPLEX for _, _, kind in found) else set()
    return [
        Dataset(name, _turned(tuple(shape)), np.dtype((_COMPLEX if name in complex_ones else _KINDS)[kind]))
        for name, shape, kind in found
        if kind in _KINDS
    ]


def _others(path: Path) -> list[str]:
    """Return what a file holds that is no array of numbers, with its kind."""
    from scipy.io import whosmat

    with damage(path):
        return [f"{name} ({kind})" for name, _, kind in whosmat(path)[:4] if kind not in _KINDS]


def _complex_ones(path: Path) -> set[str]:
    """Return the names of the complex arrays, which SciPy tells only by reading them; see MathWorks' MAT-File Format, level 5."""
    names = set()
    with path.open("rb") as file:
        order: Literal["little", "big"] = "little" if file.read(128)[126:128] == b"IM" else "big"
        while len(tag := file.read(8)) == 8:
            kind, size = (int.from_bytes(tag[at : at + 4], order) for at in (0, 4))
            begin = file.tell()
            start = _start(file, min(size, _START), packed=kind == _PACKED)
            if kind == _PACKED:
                start = start[8:]  # the tag of what was packed
            names |= _name_if_complex(start, order)
            file.seek(begin + size)
    return names


def _start(file: IO[bytes], size: int, packed: bool) -> bytes:
    raw = file.read(size)
    return zlib.decompressobj().decompress(raw, _START) if packed else raw


def _name_if_complex(start: bytes, order: Literal["little", "big"]) -> set[str]:
    """Return the name of an array as a set, empty unless it is complex; `start` begins with its flags."""

    def number(at: int, size: int = 4) -> int:
        return int.from_bytes(start[at : at + size], order)

    if len(start) < 24 or not number(8) & _COMPLEX_FLAG:
        return set()
    at = 24 + (number(20) + 7) // 8 * 8  # past the dimensions
    small = number(at) >> 16
    size, at = (small, at + 4) if small else (number(at + 4), at + 8)
    return {start[at : at + size].decode("latin-1")}


def _turned(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[2], *shape[:2]) if len(shape) == 3 else shape


def _frames_first(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(array, 2, 0)) if array.ndim == 3 else array


@register
class Matlab73(Hdf5):
    """The same, as HDF5."""

    name, title, suffixes = "matlab73", "MATLAB", (".mat",)
    axes_assumed = _OF_A_CRYSTAL
    masks_beside = True

    def matches(self, path: Path) -> bool:
        """Look for what MATLAB writes before the HDF5 file."""
        return _starts_with(path, _MAGIC_73) and h5py.is_hdf5(path)

    def lists(self, path: Path) -> list[Dataset]:
        """Return the numeric arrays, but for those that cells point to."""
        return [_upright(each) for each in super().lists(path) if not each.path.startswith("/#")]

    def find(self, path: Path, name: str) -> Dataset | None:
        """Return the array called `name`, or None."""
        found = super().find(path, name)
        return None if found is None else _upright(found)

    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return one array, frames first."""
        array = super().reads(path, _upright(dataset))
        if array.dtype.names:
            array = array["real"] + 1j * array["imag"]
        return np.ascontiguousarray(array.swapaxes(-1, -2)) if array.ndim > 1 else array

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Read a few frames."""
        frames = super().glimpse(path, dataset)
        return None if frames is None else frames.swapaxes(-1, -2)

    def describes(self, path: Path, dataset: Dataset, hints: Hints) -> Description:
        """Return what stands beside an array."""
        found = super().describes(path, _upright(dataset), hints)
        mask = found.stored_mask
        if mask is not None:
            mask = replace(mask, values=mask.values.swapaxes(-1, -2))
        metadata: dict[str, Any] = {}
        with opened(path) as tree:
            for name in tree.root:
                item = local(tree.root["/"], name)
                if (
                    isinstance(item, h5py.Dataset)
                    and item.dtype.kind in "uif"
                    and item.size == max(item.shape, default=1) <= _SMALL
                ):
                    values = np.ravel(item[()]).tolist()
                    metadata[name] = values[0] if len(values) == 1 else values
        return joined(replace(found, stored_mask=mask), Description(metadata=metadata))

    def rocking(self, path: Path, dataset: Dataset) -> Rocking:
        """Take the short vectors beside the data."""
        return Rocking(
            vectors_in(self.describes(path, dataset, Hints()).metadata), stored=_FRAMES_LAST, usual=_NOTE
        )

    def reads_result(self, path: Path, dataset: Dataset) -> Reconstruction:
        """Return the crystal that a complex array is, and say which axes were assumed."""
        found = super().reads_result(path, dataset)
        return replace(found, notes=(*found.notes, self.axes_assumed))


def _upright(dataset: Dataset) -> Dataset:
    """Exchange rows and columns, which MATLAB stores the other way round."""
    shape = dataset.shape
    return replace(dataset, shape=(*shape[:-2], *shape[-2:][::-1])) if len(shape) > 1 else dataset

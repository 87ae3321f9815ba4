"""VTK's image data (.vti), opened again: volumes by name on an orthogonal grid, as this program and ParaView write them.

Read from the format's own description (VTK File Formats, Kitware): a head in XML, and the arrays in one appended block, each
behind a header of whole numbers, packed by zlib in blocks or not, in base 64 or raw.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np

from ..reconstruction import Reconstruction
from ..scan import InputError
from . import own_maps
from .common import Dataset, check_memory
from .foreign import UNKNOWN, of_parts
from .paths import damage
from .registry import Format, register
from .rocking import frames_to_look_at

_START, _HEAD = 2**10, 2**22
"""Bytes in which a file says what it is, and in which all must stand that is not in the appended block."""
_TYPES = {"Float32": "f4", "Float64": "f8", "UInt8": "u1", "Int8": "i1", "UInt16": "u2", "Int16": "i2",
          "UInt32": "u4", "Int32": "i4", "UInt64": "u8", "Int64": "i8"}  # fmt: skip
_BLOCK = b"<AppendedData"
_AMPLITUDE, _PHASE = ("amplitude", "amp"), ("phase",)
_OTHERWISE = (
    "is laid out otherwise than is read here (arrays appended, packed by zlib or not); save it so, or as .npz"
)


@dataclass(frozen=True)
class _Head:
    """What a file says before its arrays."""

    root: ElementTree.Element
    begin: int
    """Where the appended block begins, behind its underscore."""
    raw: bool

    @property
    def image(self) -> ElementTree.Element:
        found = self.root.find("ImageData")
        return self.root if found is None else found

    @property
    def shape(self) -> tuple[int, int, int]:
        """Points along z, y, x."""
        first = [int(each) for each in self.image.get("WholeExtent", "").split()]
        x, y, z = (last - begin + 1 for begin, last in zip(first[::2], first[1::2], strict=True))
        return z, y, x

    def arrays(self, kind: str) -> dict[str, ElementTree.Element]:
        return {each.get("Name", ""): each for each in self.image.iterfind(f".//{kind}/*")}


@register
class Vti(Format):
    """Volumes by name."""

    name, title, suffixes = "vti", "VTK image data", (".vti",)

    def matches(self, path: Path) -> bool:
        """Look for the element that begins such a file."""
        if path.is_dir():
            return False
        with path.open("rb") as file:
            start = file.read(_START)
        return b"<VTKFile" in start and b'type="ImageData"' in start

    def lists(self, path: Path) -> list[Dataset]:
        """Return the volumes at the points of the grid."""
        head = _head(path)
        return [
            Dataset(name, head.shape, np.dtype(_TYPES[each.get("type", "")]))
            for name, each in head.arrays("PointData").items()
            if each.get("type") in _TYPES and each.get("NumberOfComponents", "1") == "1"
        ]

    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return one volume, z, y, x."""
        check_memory(dataset.shape, dataset.dtype, path)
        head = _head(path)
        return _values(path, head, head.arrays("PointData")[dataset.path]).reshape(dataset.shape)

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Keep a few frames."""
        frames = self.reads(path, dataset)
        return frames[frames_to_look_at(frames.shape, frames.itemsize)]

    def preferred(self, path: Path, arrays: list[Dataset]) -> Dataset | None:  # noqa: ARG002
        """Return the amplitude."""
        return next((each for each in arrays if each.path.lower() in _AMPLITUDE), None)

    def is_object(self, path: Path, dataset: Dataset) -> bool:  # noqa: ARG002
        """Take amplitude and phase."""
        return dataset.path.lower() in (*_AMPLITUDE, *_PHASE)

    def reads_result(self, path: Path, dataset: Dataset) -> Reconstruction:
        """Return the crystal that amplitude and phase make: in its geometry, where this program wrote its maps.

        Where the phase has no meaning, outside of the crystal, there is nothing.
        """
        named = {each.path.lower(): each for each in self.lists(path)}
        amplitude, phase = (
            next((named[name] for name in names if name in named), None) for names in (_AMPLITUDE, _PHASE)
        )
        if amplitude is None or phase is None:
            return of_parts(path, dataset.path, np.zeros(dataset.shape, np.float32), None)
        angles = self.reads(path, phase)
        moduli = np.where(np.isfinite(angles), self.reads(path, amplitude), 0)
        said = self._said(path)
        if not said:
            return of_parts(path, amplitude.path, moduli, angles, UNKNOWN)
        return of_parts(
            path, amplitude.path, moduli, angles, own_maps.OURS, own_maps.beside(said, np.isfinite(angles))
        )

    def _said(self, path: Path) -> Mapping[str, Any]:
        """Return what this program says beside its maps; nothing if it did not write them."""
        head = _head(path)
        fields = head.arrays("FieldData")
        if not {"strain_limit", "amplitude_is"} <= set(fields):
            return {}
        said: dict[str, Any] = {}
        for name in {*own_maps.SAID} & set(fields):
            each = fields[name]
            if each.get("type") == "String":
                codes = bytes(int(code) for code in (each.text or "").split())
                said[name] = codes.rstrip(b"\0").decode("utf-8", "replace")
            else:
                said[name] = _values(path, head, each)
        spacing = [float(each) for each in head.image.get("Spacing", "1 1 1").split()]
        return {**said, "voxel_size": np.array(spacing[::-1])}


def _head(path: Path) -> _Head:
    with path.open("rb") as file:
        start = file.read(_HEAD)
    at = start.find(_BLOCK)
    end = start.find(b">", at)
    begin = start.find(b"_", end)
    if at < 0 or end < 0 or begin < 0 or b"<!" in start[:at].replace(b"<!--", b""):
        raise InputError(f"{path} {_OTHERWISE}.")
    try:
        root = ElementTree.fromstring(start[:at] + b"</VTKFile>")
        found = _Head(root, begin + 1, b'encoding="raw"' in start[at:end])
        if math.prod(found.shape) <= 0:
            raise ValueError("no points")
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}.") from None
    return found


def _values(path: Path, head: _Head, element: ElementTree.Element) -> np.ndarray:
    """Return the numbers of an array in the appended block."""
    if element.get("format") != "appended" or element.get("type") not in _TYPES:
        raise InputError(f"{path} {_OTHERWISE}.")
    order: Literal["<", ">"] = ">" if head.root.get("byte_order") == "BigEndian" else "<"
    count = np.dtype(f"{order}u{8 if head.root.get('header_type') == 'UInt64' else 4}")
    packer = head.root.get("compressor")
    if packer not in (None, "vtkZLibDataCompressor"):
        raise InputError(f"{path} {_OTHERWISE}.")
    with damage(path), path.open("rb") as file:
        file.seek(head.begin + int(element.get("offset", "0")))

        def take(size: int) -> bytes:
            if head.raw:
                return file.read(size)
            return base64.b64decode(file.read(4 * -(-size // 3)), validate=True)[:size]

        if packer is None:
            begin = file.tell()
            (size,) = np.frombuffer(take(count.itemsize), count).tolist()
            if not head.raw:  # header and numbers are one run of base 64
                file.seek(begin)
                whole = take(count.itemsize + size)[count.itemsize :]
            else:
                whole = take(size)
        else:
            begin, parts, at = file.tell(), [], 0
            blocks = int(np.frombuffer(take(count.itemsize), count)[0])
            file.seek(begin)
            sizes = np.frombuffer(take((3 + blocks) * count.itemsize), count)[3:].tolist()
            packed = take(sum(sizes))
            for size in sizes:
                parts.append(zlib.decompress(packed[at : at + size]))
                at += size
            whole = b"".join(parts)
        values = np.frombuffer(whole, np.dtype(_TYPES[element.get("type", "")]).newbyteorder(order))
    return values.astype(values.dtype.newbyteorder("="), copy=False)

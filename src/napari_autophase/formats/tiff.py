"""TIFF: one stack of frames, or a folder of frames in natural order.

The frames of a folder are its numbered TIFF files (``name_00000.tif``); files without a number (a dark or white field) are
left alone and named in the metadata.
"""

from __future__ import annotations

import logging
import re
import struct
from pathlib import Path

import numpy as np
import tifffile

from ..scan import InputError
from .common import Dataset, Description, check_memory, damage

_NUMBERED = re.compile(r"(?P<series>.*?)(?P<number>\d+)\.tiff?$", re.IGNORECASE)
_SCAN = 16
"""As many numbered files as this could be a scan of their own."""

# what tifffile finds wrong is said once, as an InputError, or does not matter
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def arrays(path: Path) -> list[Dataset]:
    """Return the one stack of the file or folder, from the headers alone; RGB pictures are no stack."""
    if path.is_dir():
        frames = _frames(path)
        shape, dtype = _stack(frames[0])
        if len(shape) != 2:
            raise InputError(
                f"{frames[0]} has shape {shape}; each file in a folder of frames is one 2-D frame."
            )
        return [Dataset("", (len(frames), *shape), dtype)]
    return [Dataset("", *_stack(path))]


def preferred(path: Path, arrays: list[Dataset]) -> Dataset | None:  # noqa: ARG001
    """Return None: these files declare nothing."""
    return None


def find(path: Path, name: str) -> Dataset | None:  # noqa: ARG001
    """Return None: a stack has no name."""
    return None


def load(path: Path, dataset: Dataset) -> np.ndarray:
    """Return the stack."""
    check_memory(dataset.shape, dataset.dtype, path)
    if not path.is_dir():
        return _read(path)
    stack = np.empty(dataset.shape, dataset.dtype)
    for row, frame in zip(stack, _frames(path), strict=True):
        shape, dtype = _stack(frame)
        if shape != row.shape or dtype != row.dtype:
            raise InputError(
                f"{frame} is {shape} {dtype} but the first frame is {row.shape} {row.dtype}; "
                "a scan's frames have one size: move this file elsewhere."
            )
        row[:] = _read(frame)
    return stack


def describe(path: Path, dataset: Dataset) -> Description:  # noqa: ARG001
    """Return which files of a folder are not frames, and which numbers are missing."""
    if not path.is_dir():
        return Description()
    frames = _frames(path)
    others = sorted(each.name for each in _tiffs(path) if each not in frames)
    numbers = [int(_match(each)["number"]) for each in frames]
    step = min(np.diff(numbers), default=1)
    missing = sorted(set(range(numbers[0], numbers[-1], max(int(step), 1))) - set(numbers))
    found = {"other_files": others, "missing_frames": missing}
    return Description(
        metadata={"frames": len(frames), **{key: value for key, value in found.items() if value}}
    )


def is_tiff(path: Path) -> bool:
    """Tell by its first bytes whether a file is a TIFF (classic or Big, either byte order)."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _match(path: Path) -> re.Match[str]:
    match = _NUMBERED.match(path.name)
    assert match is not None  # only numbered files come here
    return match


def _tiffs(folder: Path) -> list[Path]:
    with damage(folder):
        return [
            each for each in folder.iterdir() if each.suffix.lower() in (".tif", ".tiff") and each.is_file()
        ]


def _frames(folder: Path) -> list[Path]:
    """Return the numbered files of the folder's one scan, in the order of their numbers."""
    series: dict[str, list[Path]] = {}
    for each in _tiffs(folder):
        if _NUMBERED.match(each.name):
            series.setdefault(_match(each)["series"], []).append(each)
    if not series:
        raise InputError(
            f"{folder} holds no numbered TIFF frames (such as scan_00000.tif); choose the folder of one scan."
        )
    first, *rest = sorted(series, key=lambda name: -len(series[name]))
    if rest and len(series[rest[0]]) >= _SCAN:
        raise InputError(
            f"{folder} holds frames of several scans ('{first}…', '{rest[0]}…'); give each a folder of its own."
        )
    return sorted(series[first], key=lambda path: (int(_match(path)["number"]), path.name))


def _stack(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype of the file's one series of pages, and make sure that all of it is there."""
    with damage(path):
        _check_whole(path)
        with tifffile.TiffFile(path) as file:
            if len(file.series) != 1:
                raise InputError(
                    f"{path} holds pages of different sizes; save the frames of one scan as one stack."
                )
            series = file.series[0]
            if set("SC") & set(series.axes) or series.keyframe.photometric == tifffile.PHOTOMETRIC.PALETTE:
                raise InputError(
                    f"{path} has colours or channels; a scan is photon counts, one number a pixel."
                )
            size = path.stat().st_size
            for page in series.pages:
                if page is not None and any(
                    start + length > size
                    for start, length in zip(page.dataoffsets, page.databytecounts, strict=True)
                ):
                    raise InputError(
                        f"{path} is damaged or cut short (a frame is missing); copy or export it again."
                    )
            return series.shape, np.dtype(series.dtype).newbyteorder("=")


def _read(path: Path) -> np.ndarray:
    with damage(path):
        return tifffile.imread(path, series=0)


def _check_whole(path: Path) -> None:
    """Follow the chain of page headers to its end: tifffile takes a chain that leaves the file for a shorter stack."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(16)
        order = "<" if start[:2] == b"II" else ">"
        big = start[2:4] in (b"+\0", b"\0+")
        count, tag, offset = ("Q", 20, "Q") if big else ("H", 12, "I")
        width = struct.calcsize(offset)
        (page,) = struct.unpack_from(order + offset, start, 8 if big else 4)
        seen: set[int] = set()
        while page:
            if page in seen or page >= size:
                raise InputError(
                    f"{path} is damaged or cut short (its list of frames breaks off); copy or export it again."
                )
            seen.add(page)
            file.seek(page)
            (tags,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
            file.seek(tags * tag, 1)
            (page,) = struct.unpack(order + offset, file.read(width))

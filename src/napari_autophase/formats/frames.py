"""A folder of frames (TIFF, EDF, CBF) in natural order.

The frames of a folder are its numbered files (``name_00000.tif``); files without a number (a dark or white field) are left alone
and named in the metadata.  The log that belongs to them says how they were measured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..scan import InputError
from .common import Dataset, Description, Hints, check_memory, damage
from .images import header_of, is_frame, read_frame
from .logs import find_log
from .measured import Frames as Measured
from .measured import described
from .registry import Format, register
from .rocking import frames_to_look_at

_NUMBERED = re.compile(r"(?P<series>.*?)(?P<number>\d+)\.(tiff?|(edf|cbf)(\.gz)?)$", re.IGNORECASE)
_SCAN = 16
"""As many numbered files as this could be a scan of their own."""


@register
class Frames(Format):
    """One frame a file."""

    name, title = "frames", "a folder of frames (TIFF, EDF, CBF)"

    def matches(self, path: Path) -> bool:
        """Take any folder; without frames it is refused when it is listed."""
        return path.is_dir()

    def lists(self, path: Path) -> list[Dataset]:
        """Return the one stack of the folder, from the first frame's header."""
        frames = _frames(path)
        shape, dtype = header_of(_first(frames))
        if len(shape) != 2:
            raise InputError(
                f"{_first(frames)} has shape {shape}; each file in a folder of frames is one 2-D frame."
            )
        return [Dataset("", (len(frames), *shape), dtype)]

    def find(self, path: Path, name: str) -> Dataset | None:  # noqa: ARG002
        """Return None: a stack has no name."""
        return None

    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return the stack."""
        return read_frames(path, _frames(path), dataset)

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Read a few of the frames."""
        chosen = frames_to_look_at(dataset.shape, dataset.dtype.itemsize)
        stack = np.empty((len(chosen), *dataset.shape[1:]), dataset.dtype)
        frames = _frames(path)
        for row, index in zip(stack, chosen, strict=True):
            _read_into(row, frames[index])
        return stack if chosen else None

    def describes(self, path: Path, dataset: Dataset, hints: Hints) -> Description:
        """Return which files of the folder are not frames, which numbers are missing, and what the log says."""
        frames = _frames(path)
        there = [each for each in frames if each is not None]
        others = sorted(each.name for each in _images(path) if each not in there)
        numbers = _numbers(frames)
        missing = [number for number, each in zip(numbers, frames, strict=True) if each is None]
        found = {"other_files": others, "missing_frames": missing}
        metadata = {"frames": len(frames), **{key: value for key, value in found.items() if value}}
        mask, said = None, _gaps_in(there, frames)
        if missing:
            mask = np.zeros(dataset.shape, bool)
            mask[[each is None for each in frames]] = True
            names = "Frame" if len(missing) == 1 else "Frames"
            said = (
                f"{names} {', '.join(map(str, missing))} {'is' if len(missing) == 1 else 'are'} missing and masked.",
            )
        log, notes = find_log(path, hints.log)
        if log is None:
            return Description(mask, metadata=metadata, notes=(*said, *notes))
        count, rows, columns = dataset.shape
        about = described(log, Measured(path, (count, rows, columns), numbers, hints.region), hints.beamline)
        masks = [each for each in (mask, about.mask) if each is not None]
        mask = np.logical_or.reduce(masks) if masks else None
        return replace(about, mask=mask, metadata=metadata | about.metadata, notes=(*said, *about.notes))


def read_frames(what: Path, frames: Sequence[Path | None], dataset: Dataset) -> np.ndarray:
    """Return the stack that frames make, zeros for those that are missing; `what` is what they belong to.

    Raises
    ------
    InputError
        If one is damaged, or unlike the first.
    """
    check_memory(dataset.shape, dataset.dtype, what)
    stack = np.empty(dataset.shape, dataset.dtype)
    for row, frame in zip(stack, frames, strict=True):
        _read_into(row, frame)
    return stack


def _read_into(row: np.ndarray, frame: Path | None) -> None:
    if frame is None:
        row[:] = 0
        return
    shape, dtype = header_of(frame)
    if shape != row.shape or dtype != row.dtype:
        raise InputError(
            f"{frame} is {shape} {dtype} but the first frame is {row.shape} {row.dtype}; "
            "a scan's frames have one size: move this file elsewhere."
        )
    row[:] = read_frame(frame)


def _match(path: Path) -> re.Match[str]:
    match = _NUMBERED.match(path.name)
    assert match is not None  # only numbered files come here
    return match


def _images(folder: Path) -> list[Path]:
    with damage(folder):
        return [each for each in folder.iterdir() if is_frame(each) and each.is_file()]


def _first(frames: Sequence[Path | None]) -> Path:
    return next(each for each in frames if each is not None)


def _numbers(frames: Sequence[Path | None]) -> list[int]:
    """Return the number of each frame, of those that are missing too."""
    numbers = [None if each is None else int(_match(each)["number"]) for each in frames]
    if None not in numbers:
        return [number for number in numbers if number is not None]
    first, last = numbers[0], numbers[-1]
    assert first is not None  # what is missing lies between others
    assert last is not None
    step = (last - first) // (len(numbers) - 1)
    return list(range(first, last + 1, step))


def _frames(folder: Path) -> list[Path | None]:
    """Return the numbered files of the folder's one scan at their places in the order of their numbers; None: missing.

    Where more is missing than there is, the numbers are no places, and the files are taken one after the other.
    """
    there = _numbered(folder)
    by_number: dict[int, Path] = {}
    for each in there:
        number = int(_match(each)["number"])
        if number in by_number:
            raise InputError(
                f"{folder} holds frame {number} twice ({by_number[number].name}, {each.name}); move one of them elsewhere."
            )
        by_number[number] = each
    step = min(np.diff(list(by_number)), default=1)
    places = range(min(by_number), max(by_number) + 1, int(step))
    if len(places) > 2 * len(there) or not set(by_number) <= set(places):
        return list(there)
    return [by_number.get(number) for number in places]


def _gaps_in(there: Sequence[Path], frames: Sequence[Path | None]) -> tuple[str, ...]:
    """Say that numbers were no places."""
    numbers = [int(_match(each)["number"]) for each in there]
    if len(there) < len(frames) or len(set(np.diff(numbers))) < 2:
        return ()
    return (
        f"The numbers of the {len(there)} frames run unevenly from {numbers[0]} to {numbers[-1]}: "
        "they are taken one after the other, as steps of one size.",
    )


def _numbered(folder: Path) -> list[Path]:
    """Return the numbered files of the folder's one scan, in the order of their numbers."""
    series: dict[str, list[Path]] = {}
    for each in _images(folder):
        if _NUMBERED.match(each.name):
            series.setdefault(_match(each)["series"], []).append(each)
    if not series:
        raise InputError(
            f"{folder} holds no numbered frames (TIFF, EDF or CBF, such as scan_00000.tif); choose the folder of one scan."
        )
    first, *rest = sorted(series, key=lambda name: -len(series[name]))
    if rest and len(series[rest[0]]) >= _SCAN:
        raise InputError(
            f"{folder} holds frames of several scans ('{first}…', '{rest[0]}…'); give each a folder of its own."
        )
    return sorted(series[first], key=lambda path: (int(_match(path)["number"]), path.name))

"""A folder of frames (TIFF, EDF, CBF) in natural order.

The frames of a folder are its numbered files (``name_00000.tif``); files without a number (a dark or white field) are left alone
and named in the metadata.  The log that belongs to them says how they were measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from ..scan import InputError
from .common import Box, Dataset, Description, Hints, Volume, as_volume, check_memory
from .images import header_of, is_frame, read_frame, said_by
from .logs import ScanLog, find_log
from .paths import damage
from .registry import Format, register
from .rocking import frames_to_look_at
from .unfinished import finished, said_of_unfinished

_NUMBERED = re.compile(r"(?P<series>.*?)(?P<number>\d+)\.(tiff?|edf|cbf)(\.(gz|bz2))?$", re.IGNORECASE)
_IN_NUMBERS = re.compile(r"[\d.+-]+")
"""What stands in numbers, with a sign and a point: names that differ in nothing else are of one kind."""
_FILES = (".h5", ".hdf5", ".nxs", ".cxi", ".npz", ".npy", ".mat", ".spec")
"""How the names of files end that are opened themselves."""
_DATA_FILE = re.compile(r"_data_\d{6}\.(h5|hdf5)$")
"""How files of a Dectris detector are called that hold a part of a scan."""
_MASTER = ("_master.h5", "_master.hdf5")
"""How the file that joins them is called: it is the one to open."""
_SCAN = 16
"""As many numbered files as this could be a scan of their own."""
_STRAYS = 0.05
"""A folder may hold as many frames of another number, as parts of those of its scan."""
_LOOKED_AT = 2000
"""So many names in the folders of a folder are looked at."""
_LOST = 0.25
"""Numbers that step by more than one are places where no larger part of them is missing: times of day are none."""


@register
class Frames(Format):
    """One frame a file."""

    name, title = "frames", "a folder of frames (TIFF, EDF, CBF)"

    takes_anything = True

    def matches(self, path: Path) -> bool:
        """Take any folder; without frames it is refused when it is listed."""
        return path.is_dir()

    def lists(self, path: Path) -> list[Dataset]:
        """Return the one stack of the folder, from the first frame's header."""
        frames = places_in(path)
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
        return read_frames(path, _listed(path, dataset), dataset)

    @contextmanager
    def opens(self, path: Path, dataset: Dataset) -> Iterator[Volume]:
        """Read file after file."""
        yield frame_by_frame(_listed(path, dataset), dataset)

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Read a few of the frames."""
        chosen = frames_to_look_at(dataset.shape, dataset.dtype.itemsize)
        stack = np.empty((len(chosen), *dataset.shape[1:]), dataset.dtype)
        frames = places_in(path)
        for row, index in zip(stack, chosen, strict=True):
            _read_into(row, frames[index])
        return stack if chosen else None

    def stands(self, path: Path, dataset: Dataset) -> frozenset[tuple[int, int, object]]:  # noqa: ARG002
        """Return where its frames stand."""
        return stand(places_in(path))

    def describes(self, path: Path, dataset: Dataset, hints: Hints) -> Description:  # noqa: ARG002
        """Return which files of the folder are not frames, and which numbers are missing."""
        frames = _listed(path, dataset)
        there = [each for each in frames if each is not None]
        numbered = frames_in(path)
        others = sorted(each.name for each in _images(path) if each not in numbered)
        missing = [number for number, each in zip(_numbers(frames), frames, strict=True) if each is None]
        mask, lost = lost_frames(frames, missing, dataset)
        found = {"other_files": others, "missing_frames": missing}
        metadata = {
            "frames": len(frames),
            **{key: value for key, value in found.items() if value},
            **said_by(there[0]),
        }
        cut = said_of_unfinished(numbered, there)
        return Description(
            mask, metadata=metadata, notes=(*cut, *(lost or _unevenly(there)), *_not_read(others))
        )

    def log(self, path: Path, dataset: Dataset, given: Path | None) -> tuple[ScanLog | None, tuple[str, ...]]:  # noqa: ARG002
        """Look for the log beside the frames, and in the folders around them."""
        return find_log(path, given, self.frame_numbers(path), _match(_first(places_in(path)))["series"])

    def frame_numbers(self, path: Path) -> tuple[int, ...]:
        """Return the number of every frame, of those that are missing too."""
        return tuple(_numbers(places_in(path)))


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


def lost_frames(
    frames: Sequence[Path | None], missing: Sequence[int], dataset: Dataset
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the mask of frames that are missing, and a note that names their numbers; None and none if all are there."""
    if not missing:
        return None, ()
    mask = np.zeros(dataset.shape, bool)
    mask[[each is None for each in frames]] = True
    what, are = ("Frame", "is") if len(missing) == 1 else ("Frames", "are")
    return mask, (f"{what} {', '.join(map(str, missing))} {are} missing and masked.",)


def stand(frames: Sequence[Path | None]) -> frozenset[tuple[int, int, object]]:
    """Return where frames stand: see `Format.stands`."""
    about = (each.stat() for each in frames if each is not None)
    return frozenset((each.st_dev, each.st_ino, "") for each in about)


def frame_by_frame(frames: Sequence[Path | None], dataset: Dataset) -> Volume:
    """Return the volume that frames make, read file after file."""

    def part(box: Box) -> np.ndarray:
        whole = np.empty(dataset.shape[1:], dataset.dtype)
        found = []
        for frame in frames[box[0]]:
            _read_into(whole, frame)
            found.append(whole[box[1:]].copy())
        return as_volume(np.stack(found))

    return Volume(part)


def _read_into(row: np.ndarray, frame: Path | None) -> None:
    if frame is None:
        row[:] = 0
        return
    read = read_frame(frame)
    dtype = read.dtype.newbyteorder("=")
    if read.shape != row.shape or dtype != row.dtype:
        raise InputError(
            f"{frame} is {read.shape} {dtype} but the first frame is {row.shape} {row.dtype}; "
            "a scan's frames have one size and one type: move this file elsewhere, or export them alike."
        )
    row[:] = read


def _match(path: Path) -> re.Match[str]:
    match = _NUMBERED.match(path.name)
    assert match is not None  # only numbered files come here
    return match


def _images(folder: Path) -> list[Path]:
    with damage(folder):
        there = [each for each in folder.iterdir() if not each.name.startswith(".")]  # ._NAME is of a Mac
        return [each for each in there if is_frame(each) and each.is_file()]


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


def places_in(folder: Path) -> list[Path | None]:
    """Return the numbered files of the folder's one scan at their places in the order of their numbers; None: missing.

    Where more is missing than there is, the numbers are no places, and the files are taken one after the other.
    """
    there = finished(frames_in(folder))
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
    most = len(there) if step == 1 else _LOST * len(there)
    if len(places) - len(there) > most or not set(by_number) <= set(places):
        return list(there)
    return [by_number.get(number) for number in places]


def _listed(folder: Path, dataset: Dataset) -> list[Path | None]:
    """Return the frames of a folder that a dataset has; more may have been written since it was listed."""
    return places_in(folder)[: dataset.shape[-3]]


def _inside(folder: Path) -> list[str]:
    """Return what can be opened in the folders of a folder: master files, else folders of frames, else other files."""
    there = sorted(islice((each for each in folder.glob("*/*") if not each.name.startswith(".")), _LOOKED_AT))
    files = [each for each in there if each.suffix.lower() in _FILES]
    found = [each for each in files if each.name.endswith(_MASTER)]
    found = found or list(dict.fromkeys(each.parent for each in there if _NUMBERED.match(each.name)))
    return [each.relative_to(folder).as_posix() for each in found or files]


def _unevenly(frames: Sequence[Path]) -> tuple[str, ...]:
    """Say that numbers are no places."""
    numbers = [int(_match(each)["number"]) for each in frames]
    if len(set(np.diff(numbers))) < 2:
        return ()
    return (
        f"The numbers of the {len(numbers)} frames run unevenly from {numbers[0]} to {numbers[-1]}: "
        "they are taken one after the other, as steps of one size.",
    )


def _not_read(others: Sequence[str]) -> tuple[str, ...]:
    """Name the images of a folder that are no frames of its series."""
    if not others:
        return ()
    names = f"{', '.join(others[:4])}{', …' if len(others) > 4 else ''}"
    what, are = ("Another image", "is") if len(others) == 1 else (f"{len(others)} other images", "are")
    return (f"{what} of the folder {are} not read, being named otherwise than the frames: {names}.",)


def frames_in(folder: Path) -> list[Path]:
    """Return the numbered files of the folder's one scan, in the order of their numbers."""
    series: dict[str, list[Path]] = {}
    for each in _images(folder):
        if _NUMBERED.match(each.name):
            series.setdefault(_match(each)["series"], []).append(each)
    if not series:
        others = sorted(each.name for each in folder.glob("*") if each.suffix.lower() in _FILES)
        others = [each for each in others if each.endswith(_MASTER)] or others
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        advice = f"open {', '.join(others[:3])}{more}" if others else "choose the folder of one scan"
        if others and all(map(_DATA_FILE.search, others)):
            advice = (
                f"it holds {len(others)} data files of a detector ({others[0]}, …) without the master file that joins them: copy "
                "that here too, and open it"
            )
        if not others and (inside := _inside(folder)):
            advice = f"open what is in it: {', '.join(inside[:3])}{f' and {len(inside) - 3} more' if len(inside) > 3 else ''}"
        raise InputError(
            f"{folder} holds no numbered frames (TIFF, EDF or CBF, such as scan_00000.tif); {advice}."
        )
    first, *rest = sorted(series, key=lambda name: -len(series[name]))
    like = [name for name in rest if _IN_NUMBERS.sub("", name) == _IN_NUMBERS.sub("", first)]
    if sum(len(series[name]) for name in like) <= _STRAYS * len(series[first]):
        like = []  # which are named
    if like or (rest and len(series[rest[0]]) >= _SCAN):
        more = " If they are of one, number them: the last whole number of a name tells their order."
        raise InputError(
            f"{folder} holds frames of several scans ('{first}…', '{[*like, *rest][0]}…'); give each a folder of its own."
            f"{more if like else ''}"
        )
    return sorted(series[first], key=lambda path: (int(_match(path)["number"]), path.name))

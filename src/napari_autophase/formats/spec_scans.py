"""SPEC files opened themselves: the scans whose frames are found, by where their beamline keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np

from ..geometry import Beamline, beamlines
from ..scan import InputError
from .common import Dataset, Description, Hints, Volume
from .entry import ScanEntry
from .frames import frame_by_frame, frames_in, lost_frames, read_frames, stand
from .images import header_of, is_frame
from .logs import ScanLog, is_log, read_log, scans_of
from .logs.counted import frame_counter
from .registry import Format, register
from .unfinished import finished, said_of_unfinished
from .whose import told_from

_NUMBER = re.compile(r"(\d+)\.[a-z]+(\.(gz|bz2))?$", re.IGNORECASE)


@register
class SpecScans(Format):
    """One SPEC file: each of its scans with frames is a volume, called by its number."""

    name, title, suffixes = "spec", "SPEC files", (".spec",)

    def matches(self, path: Path) -> bool:
        """Look at its first line."""
        return path.is_file() and is_log(path) == "spec"

    def lists(self, path: Path) -> list[Dataset]:
        """Return the scans whose frames are there."""
        found = (self._scan(path, number) for number in scans_of(path))
        return [each for each in found if each is not None]

    def entries(self, path: Path) -> list[ScanEntry]:
        """Return all scans, without opening a frame."""
        places: dict[str, list[Path]] = {}
        return [_entry(read_log(path, number), places) for number in sorted(scans_of(path))]

    def lists_own(self, path: Path) -> list[Dataset]:  # noqa: ARG002
        """Return nothing: the frames stand elsewhere."""
        return []

    def find(self, path: Path, name: str) -> Dataset | None:
        """Return the scan of that number (``54`` or ``54.1``).

        Raises
        ------
        InputError
            If its frames are not there.
        """
        number = re.fullmatch(r"/?(\d+)(\.1)?/?", name)
        if number is None or int(number[1]) not in scans_of(path):
            return None
        found = self._scan(path, int(number[1]))
        if found is None:
            places = "; ".join(sorted(set(_places(read_log(path, int(number[1]))))))
            raise InputError(
                f"The frames of scan {number[1]} are not found beside {path} (looked for {places}); "
                "give their folder, and this file with --spec."
            )
        return found

    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return the frames of a scan."""
        return read_frames(path, _whole(read_log(path, int(dataset.path))), dataset)

    @contextmanager
    def opens(self, path: Path, dataset: Dataset) -> Iterator[Volume]:
        """Read file after file."""
        yield frame_by_frame(_whole(read_log(path, int(dataset.path))), dataset)

    def stands(self, path: Path, dataset: Dataset) -> frozenset[tuple[int, int, object]]:
        """Return where its frames stand."""
        return stand(_whole(read_log(path, int(dataset.path))))

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:  # noqa: ARG002
        """Return None: a log with frames beside it needs no look at them."""
        return None

    def log(self, path: Path, dataset: Dataset, given: Path | None) -> tuple[ScanLog | None, tuple[str, ...]]:
        """Return the scan itself."""
        return read_log(given or path, int(dataset.path), dataset.shape[0]), ()

    def describes(self, path: Path, dataset: Dataset, hints: Hints) -> Description:  # noqa: ARG002
        """Return which frames of the scan are missing."""
        log = read_log(path, int(dataset.path))
        numbers, frames = _numbers(log) or [], _whole(log)
        missing = [number for number, each in zip(numbers, frames, strict=False) if each is None]
        mask, notes = lost_frames(frames, missing, dataset)
        cut = said_of_unfinished(_frames(log), frames)
        return Description(
            mask, metadata={"missing_frames": missing} if missing else {}, notes=(*cut, *notes)
        )

    def _scan(self, path: Path, number: int) -> Dataset | None:
        frames = _whole(read_log(path, number))
        first = next((each for each in frames if each is not None), None)
        if first is None:
            return None
        shape, dtype = header_of(first)
        return Dataset(str(number), (len(frames), *shape), dtype)


def _entry(log: ScanLog, places: dict[str, list[Path]]) -> ScanEntry:
    """Return a scan as a list shows it; `places` holds what was found under patterns, for those after it."""
    lost, has_frames = "", False
    try:
        has_frames = len(_frames(log, places)) > 0
    except InputError as error:
        lost = str(error)
    return ScanEntry(
        str(log.number),
        log.command,
        _when(log.words.get("D", "")),
        log.points or None,
        log.asked,
        has_frames,
        ended=log.is_complete,
        cut_by=log.cut_by,
        lost=lost,
    )


def _when(date: str) -> str:
    """Return a date as SPEC writes it in the order of ISO 8601, or as it is."""
    try:
        return datetime.strptime(date, "%a %b %d %H:%M:%S %Y").isoformat()
    except ValueError:
        return date


def _candidates(log: ScanLog) -> Iterable[Beamline]:
    return told_from(log) or (each for each in beamlines().values() if log.kind in each.files.kinds)


def _places(log: ScanLog) -> list[str]:
    found = (place for beamline in _candidates(log) for place in beamline.files.frames)
    return [place.format(scan=log.number, stem=log.path.stem) for place in found]


def _frames(log: ScanLog, places: dict[str, list[Path]] | None = None) -> Sequence[Path | None]:
    """Return the frames of a scan in their order, None for those that are missing; empty if they are not there.

    `places` holds what stands under patterns that were looked at before.

    Raises
    ------
    InputError
        If most are missing.
    """
    folder, numbers = log.path.parent, _numbers(log)
    places = {} if places is None else places
    for beamline in _candidates(log):
        for place in beamline.files.frames:
            pattern = place.format(scan=log.number, stem=log.path.stem)
            if pattern not in places:
                places[pattern] = sorted(folder.glob(pattern))
            found = places[pattern]
            folders = [each for each in found if each.is_dir()]
            if len(folders) == 1 and numbers is None:
                return frames_in(folders[0])
            if numbers is not None and (files := _series(found, numbers)):
                lost = [each for each in numbers if each not in files]
                if 2 * len(lost) > len(numbers):
                    where = next(iter(files.values())).parent
                    raise InputError(
                        f"Scan {log.number} of {log.path} has {len(numbers)} frames, of which {len(lost)} are not there "
                        f"(number {lost[0]} first); copy them to {where}."
                    )
                return [files.get(each) for each in numbers]
    return []


def _whole(log: ScanLog) -> Sequence[Path | None]:
    """Return the frames of a scan as `_frames`, without those at its end that are cut short."""
    return finished(_frames(log))


def _numbers(log: ScanLog) -> list[int] | None:
    """Return the numbers of a scan's frames; None: it does not count them."""
    column = frame_counter(log)
    return None if column is None else column.astype(int).tolist()


def _series(files: Iterable[Path], numbers: Iterable[int]) -> dict[int, Path]:
    """Return the series of files, called alike but for their numbers, that has most of some numbers."""
    wanted = set(numbers)
    series: dict[str, dict[int, Path]] = {}
    for each in files:
        match = _NUMBER.search(each.name) if is_frame(each) else None
        if match and int(match[1]) in wanted:
            series.setdefault(f"{each.parent}/{each.name[: match.start()]}", {})[int(match[1])] = each
    return max(series.values(), key=len, default={})

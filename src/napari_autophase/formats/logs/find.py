"""Finding the log that belongs to the frames in a folder, or to a file."""

from __future__ import annotations

import os
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ...scan import InputError
from ..paths import check_file
from . import fio, spec
from .counted import frame_counter, taker
from .log import ScanLog

_ABOVE = 3
"""So many folders above the frames' are looked into: HEPS keeps images/SAMPLE/S001 beside SAMPLE.spec."""
_LOOKED_AT = 2000
"""So many names of a folder are looked at."""
_NAMES = ("", ".spec", ".spc", ".dat", ".log", ".txt", ".fio")
"""How the names of logs end; those of SPEC files often do not end at all."""

_MARKED = re.compile(r"(?:^|[_\-. ])(?:S|scan_?)(\d+)(?![A-Za-z\d])", re.IGNORECASE)
_LAST = re.compile(r"_(\d+)$")


def is_log(path: Path) -> str | None:
    """Tell whether a file is a SPEC or a fio file, by its first bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(2048).removeprefix(BOM_UTF8)
    except OSError:
        return None
    return "spec" if spec.is_spec(start) else "fio" if fio.is_fio(start) else None


def scans_of(path: Path) -> dict[int, str]:
    """Return the numbers of a SPEC file's scans with their commands."""
    return spec.scans(path)


def read_log(path: Path, number: int | None, points: int = 0) -> ScanLog:
    """Return a scan of a log; of several with its number one that has so many points.

    Raises
    ------
    InputError
        If the file is none, has no such scan, or has several and no number says which.
    """
    check_file(path)
    kind = is_log(path)
    if kind == "fio":
        return fio.read(path)
    if kind is None:
        raise InputError(f"{path} is neither a SPEC nor a fio file; give the log of the scan.")
    if number is None:
        held = spec.scans(path)
        if len(held) != 1:
            raise InputError(
                f"{path} holds {len(held)} scans, and the frames' names do not tell which is theirs; "
                "let the folder's name end in the number of the scan (such as S0054)."
            )
        number = next(iter(held))
    return spec.read(path, number, points)


def find_log(
    frames: Path, given: Path | None = None, counted: Sequence[int] = (), called: str = "", points: int = 0
) -> tuple[ScanLog | None, tuple[str, ...]]:
    """Return the log of a scan, and notes on why there is none.

    The name of the frames' folder or file says which scan it is; else the numbers of the frames do, where a log counts them.

    Parameters
    ----------
    frames
        The folder of the scan's frames, or the file that holds them.
    given
        The log, where a person says it.
    counted
        The number of every frame in its file's name; empty where they have none.
    called
        What the files of the frames are called before that number; "": nothing.
    points
        How many frames there are, where they are not counted.

    Raises
    ------
    InputError
        If `given` is no log, or does not have the scan, or the frames are those of several.
    """
    points = points or len(counted)
    numbers = scan_numbers(frames)
    own = [int(number) for number in _MARKED.findall(called.rstrip("_-. "))[-1:]]
    told: tuple[str, ...] = ()
    if given is None and numbers and own and own[0] != numbers[0]:
        chosen, told = _either(frames, numbers[0], own[0], called, len(counted))
        if chosen is None:
            return None, told
        numbers = [chosen]
    numbers = numbers or own
    if given is not None:
        if is_log(given) == "spec":
            held = spec.scans(given)
            numbers = [each for each in numbers if each in held] or numbers
            if not numbers and len(held) > 1 and (took := taker(given, frames, counted)) is not None:
                numbers = [took]
        return _checked(read_log(given, numbers[0] if numbers else None, points), frames, counted), ()
    log, notes = _named_log(frames, numbers, points) if numbers else (None, ())
    if log is not None:
        return _checked(replace(log, notes=(*log.notes, *told)), frames, counted), notes
    found = _counting_log(frames, counted)
    return (log, notes) if found is None else (found, ())


def _either(
    frames: Path, one: int, other: int, called: str, count: int
) -> tuple[int | None, tuple[str, ...]]:
    """Return which scan frames are of whose folder and files are called after two, and say so; None where both could be."""
    logs = {number: _named_log(frames, [number], count)[0] for number in (one, other)}
    numbers = [log.number for log in logs.values() if log is not None]
    if len(set(numbers)) < len(numbers):  # a log of one scan alone
        return one, ()
    fitting = [number for number, log in logs.items() if log is not None and log.points == count]
    said = f"{frames.name} is called after scan {one}, and its files ({called}…) after scan {other}"
    if len(fitting) > 1:
        return None, (
            f"{said}, and both have {count} points: which it is, and so where its motors stood, is not known; give folder "
            "and files one number, or say --spec FILE, by which the folder's counts.",
        )
    if logs[one] is None and not fitting:
        return one, ()
    taken = fitting[0] if fitting else one
    return taken, (
        f"{said}: scan {taken} is taken{f', which has {count} points as well' if fitting else ''}.",
    )


def _checked(log: ScanLog, frames: Path, counted: Sequence[int]) -> ScanLog:
    """Return the log of some frames; raise `InputError` if another of its file's scans took some of them."""
    own = frame_counter(log) if log.kind == "spec" else None
    if own is not None and set(counted) & set(own.astype(int).tolist()) < set(counted):
        taker(log.path, frames, counted)
    return log


def _counting_log(frames: Path, counted: Sequence[int]) -> ScanLog | None:
    """Return the log around some frames that has them by their numbers."""
    for folder in _around(frames) if counted else ():
        took = {log: taker(log, frames, counted) for log, kind in _logs(folder) if kind == "spec"}
        having = [(log, number) for log, number in took.items() if number is not None]
        if len(having) == 1:
            return spec.read(*having[0])
    return None


def _named_log(frames: Path, numbers: list[int], points: int) -> tuple[ScanLog | None, tuple[str, ...]]:
    """Return the log around some frames that has the scan with one of these numbers, and notes on why there is none."""
    lacking: list[Path] = []
    for folder in _around(frames):
        logs = list(_logs(folder))
        fios = [log for log, kind in logs if kind == "fio"]
        called_so = [log for log in fios if re.match(rf"{re.escape(log.stem)}(?!\d)", frames.name)]
        if called_so or (len(fios) == 1 and folder == frames):
            return fio.read((called_so or fios)[0]), ()
        having = [log for log, kind in logs if kind == "spec" and numbers[0] in spec.scans(log)]
        # the folder of the frames is often called after the log
        named = [log for log in having if frames.name.startswith(log.stem)]
        if len(named or having) == 1:
            return spec.read((named or having)[0], numbers[0], points), ()
        if having:
            names = ", ".join(log.name for log in having)
            return None, (
                f"Scan {numbers[0]} is in several logs ({names}), so the motors are not known; say which with --spec FILE.",
            )
        lacking += [log for log, kind in logs if kind == "spec"]
    if not lacking:
        return None, (
            f"No SPEC or fio file is beside {frames.name} or in the folders around it, so the motors of scan {numbers[0]} are "
            "not known; name the file with --spec FILE.",
        )
    names = ", ".join(log.name for log in lacking[:3])
    return None, (
        f"No scan {numbers[0]} is in {names}, so the motors are not known; if another file has them, name it with --spec FILE.",
    )


def scan_numbers(frames: Path) -> list[int]:
    """Return which numbers a scan may have by the name of its folder or file, the likeliest first.

    Only a number that is marked as a scan's counts (``S5``, ``gold_S0005``, ``scan_5``) or a last part of its own
    (``gold_00005``); the digit in ``b5`` or ``step2`` is none.
    """
    stem = frames.name if frames.is_dir() else frames.name.split(".")[0].removesuffix("_master")
    names = [stem] if frames.is_dir() else [stem, frames.parent.name]
    names.append(frames.resolve().name.split(".")[0])
    marked = [_MARKED.findall(name)[-1:] for name in names]
    last = [_LAST.findall(name) for name in names]
    return list(dict.fromkeys(int(number) for found in (*marked, *last) for number in found))


def _around(frames: Path) -> tuple[Path, ...]:
    """Return the folder of the frames and those around it, the nearest first; then those of what a symbolic link leads to."""
    folders = (frames if frames.is_dir() else frames.parent, _behind(frames))
    there = (Path(os.path.abspath(folder)) for folder in folders)
    return tuple(dict.fromkeys(each for folder in there for each in (folder, *folder.parents[:_ABOVE])))


def _behind(frames: Path) -> Path:
    """Return the folder of the frames that a symbolic link may stand for."""
    real = frames.resolve()
    return real if real.is_dir() else real.parent


def _logs(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the logs in a folder."""
    try:
        with os.scandir(folder) as there:
            entries = sorted(islice(there, _LOOKED_AT), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        path = Path(entry.path)
        if path.suffix.lower() in _NAMES and path.is_file() and (kind := is_log(path)):
            yield path, kind

"""SPEC files: many scans, each with its command, where the motors stood, and a table.

The layout is that of spec's own standard (Certified Scientific Software, "Standard data file format"): ``#F`` and ``#E`` begin a
header with the motors' names (``#O``, short names ``#o``), ``#S`` a scan with its readings (``#P``), labels (``#L``), rows.
Names are parted by two spaces or more, since one may stand in a name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...scan import InputError
from ..paths import damage
from .log import ScanLog, is_row, number_in

_SCAN = re.compile(r"#S +(\d+)(?:[ \t]+(.*))?")
_MARK = re.compile(r"^#([FS]) ", re.MULTILINE)
_LINE = re.compile(r"#(U?[A-Za-z]+\d*)[ \t]+(.*)")
_PARTS = re.compile(r"  +|\t")
_ABORTED = re.compile(r"^#C .*[Ss]can aborted after (\d+) point", re.MULTILINE)


def is_spec(start: bytes) -> bool:
    """Tell by its first bytes whether a file is a SPEC file."""
    return re.match(rb"\s*#[FS] ", start) is not None


@dataclass(frozen=True)
class _Block:
    """One scan in the text of a file, and the header that holds for it."""

    number: int
    command: str
    body: slice
    header: slice


def scans(path: Path) -> dict[int, str]:
    """Return the numbers of a file's scans with their commands; of a number that occurs twice the last."""
    return {each.number: each.command for each in _content(path)[1]}


def read(path: Path, number: int, points: int = 0) -> ScanLog:
    """Return one scan of a file; of several with its number the last one that has so many points, else the last.

    Raises
    ------
    InputError
        If it is not there, or damaged.
    """
    text, blocks = _content(path)
    found = [each for each in blocks if each.number == number]
    if not found:
        held = [each.number for each in blocks]
        some = f"{min(held)} to {max(held)}" if held else "none"
        raise InputError(f"{path} has no scan {number}; its scans are {some}.")
    with damage(path):
        logs = [_parsed(path, number, each.command, text[each.body], text[each.header], []) for each in found]
    if len(logs) == 1:
        return logs[0]
    fitting = [log for log in logs if points and log.points == points] or logs
    which = "the last of them" if len(fitting) == len(logs) else f"the one of {points} points"
    which = f"the last one of {points} points" if 1 < len(fitting) < len(logs) else which
    note = f"{path.name} has {len(logs)} scans {number}; {which} is taken."
    if len(fitting) > 1 and len({_stood(log) for log in fitting}) > 1:
        others = "others" if len(fitting) > 2 else "other"
        note = (
            f"{note[:-1]}, and motors stood elsewhere in the {others}: give the right one a file of its own."
        )
    return replace(fitting[-1], notes=(note, *fitting[-1].notes))


def _stood(log: ScanLog) -> tuple[tuple[str, float], ...]:
    """Return where the motors stood, but for those that the scan moves."""
    moved = {name for each in log.scanned for name in each.names}
    return tuple((name, value) for name, value in log.motors.items() if name not in moved)


def _content(path: Path) -> tuple[str, tuple[_Block, ...]]:
    with damage(path):
        about = path.stat()
        return _read(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=2)
def _read(path: Path, size: int, changed_ns: int) -> tuple[str, tuple[_Block, ...]]:  # noqa: ARG001
    """Return the text of a file as it is now, and its scans."""
    text = path.read_bytes().decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    marks = [*_MARK.finditer(text)]
    ends = [*(match.start() for match in marks[1:]), len(text)]
    blocks = []
    header = slice(0, marks[0].start() if marks else 0)
    for match, end in zip(marks, ends, strict=True):
        if match[1] == "F":
            header = slice(match.start(), end)
        elif scan := _SCAN.match(text, match.start()):
            command = " ".join((scan[2] or "").split())
            blocks.append(_Block(int(scan[1]), command, slice(scan.end(), end), header))
    return text, tuple(blocks)


def _parsed(path: Path, number: int, command: str, body: str, header: str, notes: list[str]) -> ScanLog:
    of_file, of_scan = _lines(header), _lines(body)
    names, short, readings = (
        [part for lines in (of_file, of_scan) for line in _numbered(lines, key) for part in split(line)]
        for key, split in (("O", _parts), ("o", str.split), ("P", str.split))
    )
    read = dict(zip(names, readings, strict=False))
    motors = {name: value for name, text in read.items() if not np.isnan(value := number_in(text))}
    unusable = {name: f"reads '{text:.40}'" for name, text in read.items() if name not in motors}
    if len(names) != len(readings):
        notes.append(
            f"{path.name} names {len(names)} motors, but scan {number} has {len(readings)} readings: some may be mixed up."
        )
    labels = _parts(of_scan.get("L", ""))
    rows = [line.split() for line in body.splitlines() if line[:1] not in ("#", "", "@", "\\")]
    whole = [row for row in rows if is_row(row, len(labels))]
    if len(whole) < len(rows):
        notes.append(
            f"{len(rows) - len(whole)} rows of scan {number} in {path.name} are cut short, and left out."
        )
    cells = [[number_in(cell) for cell in row] for row in whole]
    table = np.array(cells, float).reshape(len(whole), len(labels))
    aborted = _ABORTED.search(body)
    return ScanLog(
        path,
        "spec",
        number,
        command,
        motors,
        {label: table[:, index] for index, label in enumerate(labels)},
        dict(zip(names, short, strict=False)),
        _words({**of_file, **of_scan}),
        False if aborted else None,
        tuple(notes),
        unusable,
        "an abort" if aborted else "",
    )


def _lines(text: str) -> dict[str, str]:
    """Return the control lines of a block by their keys; a key that comes again replaces the former."""
    found = (_LINE.fullmatch(line.rstrip()) for line in text.splitlines() if line.startswith("#"))
    return {match[1]: match[2] for match in found if match}


def _numbered(lines: dict[str, str], key: str) -> list[str]:
    """Return the lines ``#O0``, ``#O1``, … in their order."""
    keys = [each for each in lines if re.fullmatch(rf"{key}\d+", each)]
    return [lines[each] for each in sorted(keys, key=lambda each: int(each[1:]))]


def _parts(line: str) -> list[str]:
    return [part for part in _PARTS.split(line.strip()) if part]


def _words(lines: dict[str, str]) -> dict[str, str]:
    """Return the lines by key (``UIMDET``), their words by number (``UIMR5.0``), and ``key=value`` (``UDETCALIB.cen_pix_x``)."""
    found: dict[str, str] = {}
    for key, line in lines.items():
        if not re.match(r"U|G\d|D$|T$", key):
            continue
        found[key] = line.rstrip(":")
        found |= {f"{key}.{index}": word for index, word in enumerate(line.split())}
        pairs = (each.partition("=") for each in re.split(r"[,\s]+", line) if "=" in each)
        found |= {f"{key}.{name}": value for name, _, value in pairs}
    return found

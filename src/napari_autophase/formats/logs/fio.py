"""fio files, one scan each, as online and sardana write them at PETRA III.

Blocks begin with ``%c`` (the command and when it began), ``%p`` (``name = value``) and ``%d`` (``Col n NAME TYPE``, then rows);
lines that begin with ``!`` are comments, among them the one that says that the acquisition has ended.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..paths import damage
from .log import ScanLog, is_row, number_in

_COLUMN = re.compile(r"\s*Col\s+(\d+)\s+(\S+)\s+(\w+)", re.IGNORECASE)
_PAIR = re.compile(r"\s*([^=]+?)\s*=\s*(.*?)\s*$")


def is_fio(start: bytes) -> bool:
    """Tell by its first bytes whether a file is a fio file."""
    return re.match(rb"(\s*!.*\n)*\s*%[cpd]\s", start) is not None


def read(path: Path) -> ScanLog:
    """Return the scan of a file.

    Raises
    ------
    InputError
        If it is damaged.
    """
    with damage(path):
        return _parsed(path, path.read_bytes().decode("utf-8-sig", errors="replace"))


def _parsed(path: Path, text: str) -> ScanLog:
    command, motors, words, notes = "", {}, {}, []
    labels: list[tuple[str, bool]] = []
    rows: list[list[str]] = []
    block = ""
    ended = None
    for line in text.splitlines():
        plain = line.strip()
        if plain.startswith("!"):
            ended = ended or ("acquisition ended" in plain.lower() or None)
        elif re.fullmatch(r"%[a-z]", plain):
            block = plain
        elif not plain:
            continue
        elif block == "%c":
            command = command or plain
        elif block == "%p" and (pair := _PAIR.match(line)) and pair[1].strip():
            words[pair[1]] = pair[2]
            try:
                motors[pair[1]] = float(pair[2])
            except ValueError:
                continue
        elif block == "%d" and (column := _COLUMN.match(line)):
            name = column[2].removeprefix(f"{path.stem.upper()}_")
            labels.append((name, column[3].upper() not in ("STRING", "CHAR")))
        elif block == "%d":
            rows.append(plain.split())
    whole = [row for row in rows if is_row(row, len(labels))]
    if len(whole) < len(rows):
        cut = len(rows) - len(whole)
        what = "1 row" if cut == 1 else f"{cut} rows"
        notes.append(f"{what} of {path.name} {'is' if cut == 1 else 'are'} cut short, and left out.")
    columns = {
        name: np.array([number_in(row[index]) for row in whole])
        for index, (name, is_number) in enumerate(labels)
        if is_number
    }
    number = re.search(r"(\d+)$", path.stem)
    return ScanLog(
        path,
        "fio",
        int(number[1]) if number else None,
        re.sub(r"\s+(user\b.*|started at.*)$", "", command, flags=re.IGNORECASE),
        motors,
        columns,
        words=words,
        ended=ended or False,
        notes=tuple(notes),
        unusable={name: f"reads '{text:.40}'" for name, text in words.items() if name not in motors},
    )

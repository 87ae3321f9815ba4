"""What the command line shows: results in a few lines, and values in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..reconstruction import Reconstruction

if TYPE_CHECKING:
    from ..formats import ScanEntry


def summarise(found: Reconstruction) -> None:
    """Print what was found in a few lines."""
    print(found)
    for note in found.notes:
        print(f"note: {note}")


def table(scans: Sequence[ScanEntry]) -> str:
    """Return scans as the lines of a table."""
    rows = [("scan", "frames", "peak", "started", "command", "")]
    for each in scans:
        points = "" if each.points is None else str(each.points)
        peak = "" if each.brightest is None else f"{each.brightest:g}"
        rows.append((each.path, points, peak, each.when, each.command, each.state))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(map(str.rstrip, lines))


def words(value: Any) -> str:
    """Return a value of a summary as a person reads it."""
    if value is None or value in ({}, []):
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {words(entry)}" for key, entry in value.items() if entry is not None)
    if isinstance(value, list | tuple):
        if len(value) > 12:
            return f"{len(value)} values, {words(value[0])} … {words(value[-1])}"
        return ", ".join(map(words, value))
    return str(value)

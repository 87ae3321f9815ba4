"""Frames as a detector writes them where a log is kept apart: which log is theirs, and whether a file holds all of them."""

from __future__ import annotations

import re
from pathlib import Path

from .common import Dataset
from .logs import ScanLog, find_log

SERIES = "data_*"
"""What the numbered parts of one dataset are called together."""
_CALLED = re.compile(r"(_master|(^|_)(scan_?|S)\d+)\.(h5|hdf5)$")
"""How files of raw frames are called that have a log apart: P10's masters, 28-ID-B's files."""
_PART = re.compile(r"(.+)_data_\d{6}\.h5")
"""How an Eiger calls the files of its frames, which a master links to."""


def log_of(path: Path, dataset: Dataset, given: Path | None) -> tuple[ScanLog | None, tuple[str, ...]]:
    """Return the log that is named; of a raw series of frames, the one around its file that has its frames; and notes."""
    if given is not None:
        return find_log(path, given, points=dataset.shape[-3])
    if not dataset.path.endswith(f"/{SERIES}") and _CALLED.search(path.name) is None:
        return None, ()
    log, notes = find_log(path, points=dataset.shape[-3])
    frames = dataset.shape[-3]
    if log is None or frames == log.points or _goes_on(log, frames):
        return log, notes
    scan = "" if log.number is None else f"scan {log.number} of "
    return None, (
        f"{scan}{log.path.name} has {log.points} points, and {path.name} {frames} frames: it is not taken for their log; if it "
        f"is, say --spec {log.path.name}.",
    )


def _goes_on(log: ScanLog, frames: int) -> bool:
    """Tell whether so many frames may be those of a log that was written less often than they, or of which some are not here."""
    if log.kind == "fio":  # it is called as the frames are
        return frames <= max(log.points, log.asked or 0)
    return log.points < frames <= (log.asked or 0)


def alone(path: Path, dataset: str) -> tuple[str, ...]:
    """Say so if a file is a LIMA detector's own, whose scan is not found: the motors stand in the scan's file."""
    if not dataset.startswith("/entry_0000/"):
        return ()
    return (
        f"{path.name} holds the frames of a detector alone: the motors stand in the file of the scan, which links to it from the "
        "folder above; open that one.",
    )


def master_of(path: Path) -> tuple[str, ...]:
    """Say so if a file holds a part of the frames of a master beside it."""
    match = _PART.fullmatch(path.name)
    master = None if match is None else path.with_name(f"{match[1]}_master.h5")
    if master is None or not master.is_file():
        return ()
    return (
        f"{path.name} holds some of the frames of {master.name} alone, and neither mask nor geometry: open {master.name}.",
    )

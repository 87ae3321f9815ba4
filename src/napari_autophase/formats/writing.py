"""Files that an acquisition writes to while they are read: whether somebody does, as far as the system tells."""

from __future__ import annotations

import time
from pathlib import Path

WAITS_S = (0.1, 0.3, 1.0)
"""How long a writer is given before the next look."""
_LATELY_S = 2.0
"""A file that was changed since then may change again."""


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is written to: its size, and when it was changed (ns); None if it is not there."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns


def is_fresh(path: Path) -> bool:
    """Tell whether a file was changed a moment ago."""
    found = stamp(path)
    return found is not None and time.time() - found[1] * 1e-9 < _LATELY_S


def is_held(path: Path) -> bool:
    """Tell whether a program holds the lock that HDF5 takes for writing, where the system can tell."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    if not path.is_file():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def said(path: Path, reason: str) -> str:
    """Say that a file is being written and cannot be read for that `reason`."""
    return (
        f"{path} is being written by another program, and what is there cannot be read yet ({reason.removesuffix('.')}); "
        "try again in a moment, or when the scan has ended."
    )

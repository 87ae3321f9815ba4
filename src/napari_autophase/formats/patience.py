"""Files that an acquisition writes to while they are read: what does not fit together now is looked at again."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from .common import DamagedFile
from .correction import split_path

_WAITS_S = (0.1, 0.3, 1.0)
"""How long a writer is given before the next look."""
_F = TypeVar("_F", bound=Callable[..., Any])


def patient(function: _F) -> _F:
    """Call a function of a file's path anew, a few times, if the file seems damaged but is being written."""

    @wraps(function)
    def again(path: str | Path, *args: Any, **known: Any) -> Any:
        file, _ = split_path(path)
        for wait in _WAITS_S:
            before = _stamp(file)
            try:
                return function(path, *args, **known)
            except DamagedFile:
                if before == _stamp(file) and not _is_held(file):
                    raise
                time.sleep(wait)
        return function(path, *args, **known)

    return again  # type: ignore[return-value]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns


def _is_held(path: Path) -> bool:
    """Tell whether a program holds the lock that HDF5 takes for writing, where the system can tell."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    if path.is_dir():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False

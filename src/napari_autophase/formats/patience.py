"""What seems damaged and is being written by an acquisition is looked at again."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from ..faults import InputError
from .paths import DamagedFile
from .writing import WAITS_S, is_fresh, is_held, said, stamp

_F = TypeVar("_F", bound=Callable[..., Any])


def patient(function: _F) -> _F:
    """Call a function of a file's path anew, a few times, if a file that it reads seems damaged but is being written.

    It is if it is locked for writing, if it was changed a moment ago (then it is looked at once more), or has changed since.
    """

    @wraps(function)
    def again(path: str | Path, *args: Any, **known: Any) -> Any:
        before = None
        for wait in (*WAITS_S, None):
            try:
                return function(path, *args, **known)
            except DamagedFile as error:
                now = stamp(error.path)
                grows = is_fresh(error.path) if before is None else now != before
                if not (grows or is_held(error.path)):
                    raise
                if wait is None:
                    raise InputError(said(error.path, error.reason)) from error
                before = now
                time.sleep(wait)
        raise AssertionError  # the last look returns or raises

    return again  # type: ignore[return-value]

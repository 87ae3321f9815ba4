"""Frames, one a file, of which the last ones are still being written or copied, or were cut short."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from .images import header_of
from .paths import DamagedFile
from .writing import WAITS_S, is_fresh, stamp

_MOST = 8
"""So many files are written at once at most."""

Frame = TypeVar("Frame", Path, Path | None)


def finished(frames: Sequence[Frame]) -> list[Frame]:
    """Return frames without those at the end that are not whole; all of them where none before is whole either."""
    whole = list(frames)
    for left_out in range(_MOST):
        if not whole or (last := whole[-1]) is None or _is_whole(last, waits=not left_out):
            return whole or list(frames)
        whole.pop()
    return list(frames)


def said_of_unfinished(frames: Sequence[Path | None], whole: Sequence[Path | None]) -> tuple[str, ...]:
    """Say which of the frames are left out, for they are not among the `whole` ones."""
    names = [each.name for each in frames[len(whole) :] if each is not None]
    if not names:
        return ()
    what, are = ("The last frame", "is") if len(names) == 1 else (f"The last {len(names)} frames", "are")
    named = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    return (
        f"{what}, {named}, {are} damaged or cut short, as where a scan is still being written or copied: left out. Open the scan "
        "again once all is there.",
    )


def _is_whole(frame: Path, *, waits: bool) -> bool:
    """Tell whether a file holds a whole frame; one that was changed a moment ago may be given some time, once."""
    if not _holds_frame(frame, stamp(frame)) and waits and is_fresh(frame):
        _wait_for(frame)
    return _holds_frame(frame, stamp(frame))


@lru_cache(maxsize=256)
def _wait_for(frame: Path) -> None:
    for wait in WAITS_S:
        time.sleep(wait)
        if _holds_frame(frame, stamp(frame)):
            return


@lru_cache(maxsize=256)
def _holds_frame(frame: Path, changed: tuple[int, int] | None) -> bool:  # noqa: ARG001
    """Tell whether a file holds a whole frame as it is now."""
    try:
        header_of(frame)
    except DamagedFile:
        return False
    return True

"""Which scan of a SPEC file took some frames, where it counts them and their files bear these numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from ...geometry import Source, beamlines
from ...scan import InputError
from . import spec
from .log import ScanLog


def frame_counter(log: ScanLog) -> np.ndarray | None:
    """Return the number of the frame of every point; None where the log counts none."""
    return next((column for each in _counters() if (column := log.column(each)) is not None), None)


def taker(log: Path, frames: Path, numbers: Sequence[int]) -> int | None:
    """Return the one scan of a SPEC file that took the frames of a folder; None where it does not tell.

    Parameters
    ----------
    log
        The file.
    frames, numbers
        The folder, and the numbers of its frames.

    Raises
    ------
    InputError
        If several scans took them, or one took not all of them.
    """
    held, there = {}, set(numbers)
    for number in spec.scans(log) if numbers else ():
        counted = frame_counter(spec.read(log, number))
        shared = there.intersection([] if counted is None else counted.astype(int).tolist())
        if shared:
            held[number] = shared
    whole = [number for number, shared in held.items() if shared == there]
    counts_anew = any(one & other for one, other in combinations(held.values(), 2))
    if len(whole) == 1 or not held or counts_anew:
        return whole[0] if len(whole) == 1 else None
    largest = max(held, key=lambda number: len(held[number]))
    others = there - held[largest]
    if len(held) == 1 and 2 * len(others) > len(there):  # by chance
        return None
    is_behind = len(held) == 1 and min(others) > max(held[largest])
    if is_behind and not spec.read(log, largest).is_complete:
        return largest
    parts = ", ".join(
        f"{len(some)} are of scan {number} ({min(some)} to {max(some)})" for number, some in held.items()
    )
    raise InputError(
        f"{frames} holds {len(there)} frames, of which {parts} by the counter in {log.name}; "
        f"open a scan by its log, {log}::{largest}."
    )


def _counters() -> list[Source]:
    return [source for each in beamlines().values() for source in each.files.frame_number]

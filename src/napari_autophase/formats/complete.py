"""Whether a scan is complete: its log's points against the frames that are there, and their numbers."""

from __future__ import annotations

from collections.abc import Sequence

from .logs import ScanLog


def completeness(log: ScanLog, count: int, numbers: Sequence[int]) -> str:
    """Return a sentence on whether a scan is complete, and whether so many frames, with these numbers, match its points."""
    of = f"Scan {log.number} of {log.path.name}" if log.number is not None else log.path.name
    asked = "" if log.asked is None else f" of {log.asked}"
    if log.is_complete is None:
        state = f"{of} has {log.points} points; whether it is complete, its log does not say"
    elif not log.is_complete:
        state = f"{of} is not complete: {log.points}{asked} points (aborted, or still running)"
    elif count < log.points:
        state = f"{of} is not complete: {log.points}{asked} points"
    else:
        state = f"{of} {'is complete:' if count == log.points else 'has'} {log.points}{asked} points"
    if count != log.points:
        state += f"; there are {count} frames, which do not match"
        first = first_number(numbers, log.points) if len(numbers) == count else None
        if count < log.points and first is not None:
            lost = sorted({*range(first, first + log.points)} - {*numbers})
            named = ", ".join(map(str, lost[:10])) + (", …" if len(lost) > 10 else "")
            what, are = ("frame", "is") if len(lost) == 1 else ("frames", "are")
            state += f": by their numbers {what} {named} {are} lost"
    return f"{state}."


def first_number(numbers: Sequence[int], points: int) -> int | None:
    """Return the number of the first point's frame, 0 or 1; where the first frames are lost, as the last one's number fits.

    None: the numbers do not fit the points.
    """
    first, last = numbers[0], numbers[-1]
    base = first if first < 2 else int(last != points - 1)
    return base if first >= 0 and last < base + points else None

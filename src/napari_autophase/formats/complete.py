"""Whether a scan is complete: its log's points against the frames that are there, and their numbers."""

from __future__ import annotations

from collections.abc import Sequence

from .logs import ScanLog


def completeness(log: ScanLog, count: int, numbers: Sequence[int], missing: Sequence[int] = ()) -> str:
    """Return a sentence on whether a scan is complete, and whether so many frames, with these numbers, match its points.

    Parameters
    ----------
    log
        The scan.
    count
        How many frames there are, with those that are missing among them.
    numbers
        Of these frames in their files' names; empty where they have none.
    missing
        The numbers of those that are missing.
    """
    points, of = log.points, log.path.name
    if log.number is not None:
        of = f"Scan {log.number} of {of}"
    asked = "" if log.asked is None else f" of {log.asked}"
    if log.is_complete is None:
        state = f"{of} has {points} points; whether it is complete, its log does not say"
    elif not log.is_complete:
        state = f"{of} is not complete: {points}{asked} points ({_why(log)})"
    elif log.asked is not None and points > log.asked:
        state = f"{of} has {points} points, {points - log.asked} more than the {log.asked} that its command asks for"
    elif count < points or missing:
        state = f"{of} is not complete: {points}{asked} points"
    else:
        state = f"{of} {'is complete:' if count == points else 'has'} {points}{asked} points"
    if count != points:
        how = _difference(points, count, numbers, log.is_complete is False)
        state += f"; there are {count} frames, which do not match: {how}"
    if missing:
        state += f"; {_named(missing)} missing"
    return f"{state}."


def _why(log: ScanLog) -> str:
    """Say why a log ends before its scan, as far as it tells."""
    if log.cut_by:
        return f"it was ended by {log.cut_by}"
    return "it ended early" if log.ended else "aborted, or still running"


def _difference(points: int, count: int, numbers: Sequence[int], is_cut: bool) -> str:
    """Say how frames differ from points, as far as their numbers tell it."""
    if count > points and is_cut:
        return f"{count - points} more than the log has points so far"
    if count > points:
        return f"{count - points} too many, and nothing says which of them belong to no point"
    numbered = len(numbers) == count
    first = first_number(numbers, points) if numbered else None
    if first is None:
        return f"{points - count} too few; they are taken for the first {count} points"
    if (numbers[0], numbers[-1]) == (1, points - 1):
        return (
            f"by their numbers either frame 0 or frame {points} is lost; they are taken to count from 1, "
            "and if they count from 0, all angles are one step further"
        )
    lost = sorted({*range(first, first + points)} - {*numbers})
    return f"by their numbers {_named(lost)} lost"


def _named(numbers: Sequence[int]) -> str:
    """Name some frames, ten at most, for a sentence that goes on."""
    named = ", ".join(map(str, numbers[:10])) + (", …" if len(numbers) > 10 else "")
    return f"frame {named} is" if len(numbers) == 1 else f"frames {named} are"


def first_number(numbers: Sequence[int], points: int) -> int | None:
    """Return the number of the first point's frame, 0 or 1; where the first frames are lost, as the last one's number fits.

    None: the numbers do not fit the points.
    """
    first, last = numbers[0], numbers[-1]
    base = first if first < 2 else int(last != points - 1)
    return base if first >= 0 and last < base + points else None

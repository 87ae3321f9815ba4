"""One scan of a file that holds many, as a list shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ScanEntry:
    """One scan of a file that holds many.

    Parameters
    ----------
    path
        What to name behind ``FILE::``.
    command, started
        What was typed, and when; "" where the file does not say.
    points
        How many were measured; None: unknown.
    asked
        How many the command asks for; None: unknown.
    has_frames
        Whether a detector took pictures.
    brightest
        Counts of the brightest pixel, where a counter has it.
    ended
        Whether the scan came to its end; None: the file does not say.
    cut_by
        What kept it from its end, as the file says it; "" if nothing did, or the file does not say.
    lost
        Why nothing of it can be reached, in one sentence; "" if it can.
    """

    path: str
    command: str = ""
    started: str = ""
    points: int | None = None
    asked: int | None = None
    has_frames: bool = False
    brightest: float | None = None
    ended: bool | None = None
    cut_by: str = ""
    lost: str = ""

    @property
    def is_complete(self) -> bool | None:
        """Whether all of it was measured; None: nobody knows."""
        if None not in (self.asked, self.points) and self.points != self.asked:
            return False
        return self.ended

    @property
    def when(self) -> str:
        """When it began, to the second."""
        return self.started[:19].replace("T", " ")

    @property
    def state(self) -> str:
        """In how far it is complete, in words."""
        if self.lost:
            return "cannot be reached"
        if not self.has_frames:
            return "no frames"
        if self.is_complete is not False:
            return ""
        return f"not complete: {self.cut_by}" if self.cut_by else "not complete"

    def __str__(self) -> str:
        points = "" if self.points is None else f"{self.points} frames"
        peak = "" if self.brightest is None else f"max. {self.brightest:g}"
        words = (self.path, self.command, self.when, points, peak, self.state)
        return ", ".join(word for word in words if word)

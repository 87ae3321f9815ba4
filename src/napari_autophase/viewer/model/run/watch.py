"""What a person sees of the starts while they are phased, for a small and known part of the run's time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ....reconstruction import Progress
from ..crystal.sketch import Sketch, sketch

SKETCH_SHARE, SKETCH_EVERY_S, FIRST_SKETCH_S = 0.03, 0.1, 0.1
"""Part of a run's time that sketches and their drawing may take, the pause between two, and what the first is thought to take."""
JUDGE_SHARE, JUDGE_EVERY_S, FIRST_JUDGE_S = 0.015, 0.05, 0.002
"""The same of looks at the held-out pixels."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen since the last time.

    Parameters
    ----------
    starts
        chi² of every start that is left, a row per iteration, oldest first.
    held_out
        Iterations of the stage after which held-out pixels were looked at, and their likelihood.
    sketch
        How the best start looks; None: nobody has looked.
    """

    starts: tuple[tuple[float, ...], ...] = ()
    held_out: tuple[tuple[int, float], ...] = ()
    sketch: Sketch | None = None


class Allowance:
    """Lets something be done as long as it takes no more than a part of all time.

    Parameters
    ----------
    share, every_s
        The part, and seconds between two times at least.
    first_s
        What the first time is thought to take; each other as long as the one before, or as all in the mean if that is longer.
    clock
        Seconds, monotonic.
    """

    def __init__(self, share: float, every_s: float, first_s: float, clock: Callable[[], float]) -> None:
        self._share, self._every, self._next, self._clock = share, every_s, first_s, clock
        self._begun = self._last = clock()
        self._spent, self._times = 0.0, 0

    @property
    def allows(self) -> bool:
        """Whether it may be done now."""
        now = self._clock()
        return now - self._last >= self._every and self._spent + self._next <= self._share * (
            now - self._begun
        )

    def took(self, seconds: float) -> None:
        """Say that it was done."""
        self._spent, self._times = self._spent + seconds, self._times + 1
        self._next, self._last = max(seconds, self._spent / self._times), self._clock()


class Watch:
    """Looks at the starts of one run, in the thread that phases.

    Parameters
    ----------
    threshold
        Amplitude that bounds the crystal.
    wanted
        Whether the crystal is to be shown.
    clock
        Seconds, monotonic.
    """

    def __init__(
        self, threshold: float, wanted: Callable[[], bool], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._threshold, self._wanted, self._clock = threshold, wanted, clock
        self._sketching = Allowance(SKETCH_SHARE, SKETCH_EVERY_S, FIRST_SKETCH_S, clock)
        self._judging = Allowance(JUDGE_SHARE, JUDGE_EVERY_S, FIRST_JUDGE_S, clock)
        self._made_s: float | None = None  # what is drawn now took so long to make
        self._steps_nm: np.ndarray | None = None
        self._stage, self._iterations = "", 0
        self._starts: list[tuple[float, ...]] = []
        self._held_out: list[tuple[int, float]] = []

    def look(self, progress: Progress) -> Sketch | None:
        """Look at a step, before the run goes on; returns a sketch where there is time for one and the last was drawn."""
        if progress.voxel_steps_nm is not None:
            self._steps_nm = progress.voxel_steps_nm
        if progress.stage != self._stage:
            self._stage, self._iterations = progress.stage, 0
        if progress.errors:
            self._iterations += 1
            self._starts.append(progress.errors)
        best = progress.best
        if best is None:
            return None
        begin = self._clock()
        if self._judging.allows:
            likelihood = best.held_out()
            if likelihood is not None:
                self._held_out.append((self._iterations, likelihood))
            self._judging.took(self._clock() - begin)
        if self._made_s is not None or not self._sketching.allows or not self._wanted():
            return None
        begin = self._clock()
        found = sketch(best, self._steps_nm, self._threshold)
        made = self._clock() - begin
        if found is None:
            self._sketching.took(made)
        else:
            self._made_s = made
        return found

    def told(self, found: Sketch | None) -> Seen:
        """Return what was seen since the last time, with a sketch or without."""
        seen = Seen(tuple(self._starts), tuple(self._held_out), found)
        self._starts, self._held_out = [], []
        return seen

    def drew(self, seconds: float) -> None:
        """Say that what was told last is drawn, in the window's thread, and how long that took."""
        if self._made_s is not None:
            made, self._made_s = self._made_s, None
            self._sketching.took(made + seconds)

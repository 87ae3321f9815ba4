"""How long each stage of a reconstruction takes, by a clock that may stand still."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Clock = Callable[[], float]


class Stopwatch:
    """Adds up the seconds of stages.

    Parameters
    ----------
    clock
        Seconds, monotonic; it may stand still while a reconstruction is paused.
    """

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self.seconds: dict[str, float] = {}
        """Of each stage so far."""

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add what is done inside to a stage."""
        begin = self.clock()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + self.clock() - begin

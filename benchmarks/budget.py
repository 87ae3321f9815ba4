"""Minutes that are planned: parts share what there is, and a job begins only if it is expected to end in time.

The code that makes a job says beforehand how long it takes, roughly; the jobs that are done tell how wrong that is on this
computer.  Training has its own share, which nothing else is planned into.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

Row = dict[str, Any]
CAUTION = 1.5
"""A job is taken to last so many times as long as is thought of it."""
TRAINING_SHARE = 0.3
"""Of the minutes, kept for training."""


class Job(NamedTuple):
    """Something to measure.

    Parameters
    ----------
    run
        Returns the row.
    seconds
        That it takes, roughly.
    what
        Its name where it is left out.
    """

    run: Callable[[], Row]
    seconds: float
    what: str


class Budget:
    """The clock, and what is still to be had of the time.

    Parameters
    ----------
    minutes
        In all.
    spent
        Seconds that had passed before.
    clock
        Seconds from any moment on.
    """

    def __init__(
        self, minutes: float, spent: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self.begun = clock() - spent
        self.end = self.begun + 60 * minutes
        self.until = self.end - TRAINING_SHARE * 60 * minutes
        self.patience = min(1.0, minutes / 10)
        """Seconds that one time is taken for."""
        self._slower: list[float] = []

    def left(self) -> float:
        """Return the seconds that are left for the part that is at work."""
        return self.until - self.clock()

    def left_in_all(self) -> float:
        """Return the seconds that are left, training's among them."""
        return self.end - self.clock()

    @contextmanager
    def part(self, share: float) -> Iterator[None]:
        """Give what is done inside the block a share of what is left; what it does not use is for those after it."""
        until = self.until
        self.until = self.clock() + share * max(0.0, self.left())
        self._slower = []
        try:
            yield
        finally:
            self.until = until

    def fits(self, job: Job) -> bool:
        """Say whether a job is expected to end in time: by what is thought of it, and by how that was wrong for those before."""
        slower = max(self._slower[-3:], default=1.0)
        return CAUTION * slower * job.seconds <= self.left()

    def done(self, job: Job, since: float) -> None:
        """Take note of how long a job took."""
        self._slower.append((self.clock() - since) / job.seconds)

    def go_through(
        self, jobs: Iterable[Job], write: Callable[[Row], object], failed: Callable[[Exception], Row]
    ) -> None:
        """Do the jobs that fit, in order, and write a row for each, one for each that fails, and one that names the others."""
        left_out: list[str] = []
        waiting = iter(jobs)
        while True:
            try:
                job = next(waiting)
            except StopIteration:
                break
            except Exception as error:  # no more come of it
                write(failed(error))
                break
            if not self.fits(job):
                left_out.append(job.what)
                continue
            begin = self.clock()
            try:
                row = job.run()
            except Exception as error:  # the next one may work
                row = failed(error)
            self.done(job, begin)
            write({**row, "at_s": round(self.clock() - self.begun, 1)})
        if left_out:
            write({"left_out": f"no time for {', '.join(left_out)}"})

"""One reconstruction at a time: the state machine behind the Reconstruct dock, without Qt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from psygnal import Signal

from ...recipe import Recipe
from ...reconstruction import Progress
from ...scan import Scan

State = Literal["idle", "running", "cancelling", "done", "failed"]


class Job(Protocol):
    """A reconstruction that runs somewhere else, usually in a thread."""

    def quit(self) -> None:
        """Ask it to stop at its next iteration; returns at once."""

    def wait(self, seconds: float) -> bool:
        """Wait until it has stopped; False if it still ran after `seconds`."""


@dataclass(frozen=True, eq=False)
class Update:
    """What a run has done since the last update.

    Parameters
    ----------
    progress
        The latest step.
    errors
        chi² of the estimates since the last update, oldest first.
    remaining_s
        Seconds that the present stage will still take, or None while nobody can tell.
    """

    progress: Progress
    errors: tuple[float, ...] = ()
    remaining_s: float | None = None


class Run:
    """What a job calls, in the window's thread; a run that was given up is heard no more."""

    def __init__(self, controller: Controller) -> None:
        self._controller: Controller | None = controller

    def on_progress(self, progress: Progress, errors: tuple[float, ...] = ()) -> None:
        """Report steps."""
        if self._controller is not None:
            self._controller._on_progress(progress, errors)

    def on_done(self, result: Any) -> None:
        """Report the result."""
        if self._controller is not None:
            self._controller._on_done(result)

    def on_failed(self, error: Exception) -> None:
        """Report an error."""
        if self._controller is not None:
            self._controller._on_failed(error)

    def on_stopped(self) -> None:
        """Report that the job is over, however it ended; always the last call."""
        if self._controller is not None:
            self._controller._on_stopped()

    def give_up(self) -> None:
        """Listen no more."""
        self._controller = None


Launch = Callable[[Scan, Recipe, Run], Job]


class Controller:
    """Starts a reconstruction, follows it, cancels it.

    ::

        idle, done, failed --start--> running --on_done--> done
                                      running --on_failed--> failed
                                      running --cancel--> cancelling --on_stopped--> idle

    Parameters
    ----------
    launch
        Starts a job that reports to the given `Run` in the caller's thread.
    clock
        Seconds, monotonic.
    """

    state_changed = Signal(str)
    advanced = Signal(Update)
    finished = Signal(object)
    """The result: a `Drawing` of a reconstruction, or whatever else the job makes."""
    failed = Signal(Exception)

    def __init__(self, launch: Launch, clock: Callable[[], float] = time.monotonic) -> None:
        self._launch = launch
        self._clock = clock
        self._state: State = "idle"
        self._run: Run | None = None
        self._job: Job | None = None
        self._stage = _StageClock()

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    @property
    def busy(self) -> bool:
        """Whether a job is at work."""
        return self._state in ("running", "cancelling")

    def start(self, scan: Scan, recipe: Recipe) -> None:
        """Reconstruct `scan` as `recipe` says.

        Raises
        ------
        RuntimeError
            If another reconstruction is running.
        """
        if self.busy:
            raise RuntimeError("A reconstruction is running already.")
        self._stage = _StageClock()
        self._run = Run(self)
        self._enter("running")
        try:
            job = self._launch(scan, recipe, self._run)
        except Exception as error:
            self._on_failed(error)
        else:
            if self.busy:  # a job may be so quick that it is over already
                self._job = job

    def cancel(self) -> None:
        """Stop the running job at its next iteration; nothing happens when none is running."""
        if self._state == "running":
            self._enter("cancelling")
            if self._job is not None:
                self._job.quit()

    def close(self, seconds: float = 2.0) -> None:
        """Give up whatever runs, without another signal of it, and wait a little until it has stopped."""
        run, job = self._run, self._job
        self._run = self._job = None
        if run is not None:
            run.give_up()
        if job is not None:
            job.quit()
            job.wait(seconds)
        if self.busy:
            self._enter("idle")

    def _on_progress(self, progress: Progress, errors: tuple[float, ...]) -> None:
        if self._state == "running":
            remaining = self._stage.remaining(progress, self._clock())
            self.advanced.emit(Update(progress, errors, remaining))

    def _on_done(self, result: Any) -> None:
        if self._state == "running":
            self._forget()
            self._enter("done")
            self.finished.emit(result)

    def _on_failed(self, error: Exception) -> None:
        if self.busy:
            self._forget()
            self._enter("failed")
            self.failed.emit(error)

    def _on_stopped(self) -> None:
        if self.busy:
            self._forget()
            self._enter("idle")

    def _forget(self) -> None:
        if self._run is not None:
            self._run.give_up()
        self._run = self._job = None

    def _enter(self, state: State) -> None:
        self._state = state
        self.state_changed.emit(state)


class _StageClock:
    """Tells how long a stage will still take, from the mean pace since its first step."""

    def __init__(self) -> None:
        self._stage = ""
        self._begin = 0.0
        self._first = 0

    def remaining(self, progress: Progress, now: float) -> float | None:
        if progress.stage != self._stage:
            self._stage, self._begin, self._first = progress.stage, now, progress.step
        steps, seconds = progress.step - self._first, now - self._begin
        if steps < 1 or seconds < 0.2:  # too early: the first guesses would only flicker
            return None
        return seconds / steps * (progress.total - progress.step)

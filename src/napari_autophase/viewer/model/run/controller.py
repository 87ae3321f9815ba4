"""One reconstruction at a time: the state machine behind the Reconstruct dock, without Qt."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from psygnal import Signal

from ....recipe import Recipe
from ....reconstruction import Progress
from ....scan import Scan
from .pace import Pace, Plan, steps_of
from .watch import Seen

_NOTHING = Seen()
State = Literal["idle", "running", "cancelling", "done", "failed"]


class Job(Protocol):
    """A reconstruction that runs somewhere else, usually in a thread."""

    def quit(self) -> None:
        """Ask it to stop at its next iteration; returns at once."""

    def hold(self, held: bool) -> None:
        """Ask it to rest after its present step, or to go on; returns at once."""

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
    part
        Which part of the run is done; it never falls.
    remaining_s
        Seconds that the run will still take, or None while nobody can tell.
    seen
        What was seen of the starts.
    """

    progress: Progress
    errors: tuple[float, ...] = ()
    part: float = 0.0
    remaining_s: float | None = None
    seen: Seen = _NOTHING


@dataclass(eq=False)
class Log:
    """What a run has told so far, for a panel that is opened later.

    Parameters
    ----------
    recipe
        How it phases.
    name
        Of what.
    stage
        The stage that the errors are of.
    errors
        chi² of the best start after each iteration of that stage.
    starts
        The same of every start that was left.
    held_out
        Iterations of that stage, and the likelihood of held-out pixels after them.
    steps
        The algorithm of every iteration of the stage; none: nobody knows.
    latest
        The last update; None: there was none.
    outcome
        What it made, or why it failed; None: neither.
    """

    recipe: Recipe
    name: str = ""
    stage: str = ""
    errors: list[float] = field(default_factory=list)
    starts: list[tuple[float, ...]] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    steps: tuple[str, ...] = ()
    latest: Update | None = None
    outcome: Any = None

    def add(self, update: Update) -> None:
        """Keep an update; another stage begins anew."""
        if update.errors and update.progress.stage != self.stage:
            self.stage = update.progress.stage
            self.errors, self.starts, self.held_out = [], [], []
        self.errors += (error for error in update.errors if error > 0)
        self.starts += update.seen.starts
        self.held_out += update.seen.held_out
        if update.progress.stage == self.stage:  # others come after the refinement
            self.steps = steps_of(self.recipe, update.progress)
        self.latest = update

    def judge(self, likelihood: float) -> None:
        """Keep what is said of held-out pixels at the end; a second time changes nothing."""
        end = (len(self.errors), likelihood)
        if self.errors and self.held_out[-1:] != [end]:
            self.held_out.append(end)


class Run:
    """What a job calls, in the window's thread; what a run that was given up calls is ignored."""

    def __init__(self, controller: Controller) -> None:
        self._controller: Controller | None = controller

    @property
    def live(self) -> bool:
        """Whether the crystal is to be shown while it is refined; may be asked from any thread."""
        controller = self._controller
        return controller is not None and controller.live

    def on_progress(self, progress: Progress, errors: tuple[float, ...] = (), seen: Seen = _NOTHING) -> None:
        """Report steps."""
        if self._controller is not None:
            self._controller._on_progress(progress, errors, seen)

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
    plan
        What a job has to do; None: what a reconstruction has (see `pace.Plan.of`).
    """

    state_changed = Signal(str)
    held_changed = Signal(bool)
    """The run rests from now on, or goes on."""
    advanced = Signal(Update)
    finished = Signal(object)
    """The result: a `Drawing` of a reconstruction, or whatever else the job makes."""
    failed = Signal(Exception)

    def __init__(
        self, launch: Launch, clock: Callable[[], float] = time.monotonic, plan: Plan | None = None
    ) -> None:
        self._launch = launch
        self._clock = clock
        self._plan = plan
        self.live = True
        """Whether the crystal is shown while it is refined."""
        self.log: Log | None = None
        """Of the last run; None: there was none."""
        self._state: State = "idle"
        self._held_at: float | None = None
        self.rested_s = 0.0
        """Seconds for which the run has rested."""
        self._run: Run | None = None
        self._job: Job | None = None
        self._pace: Pace | None = None
        self._rates: dict[str, dict[str, float]] = {}  # of earlier runs, by device
        self._ended = Counter[str]()  # runs that came to their end, likewise

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    def rates(self, device: str) -> dict[str, float]:
        """Return the seconds that a unit of each phase's work took on this device (see `Pace`); nothing before a second run.

        What the first took tells of what had to be loaded and compiled.
        """
        return dict(self._rates.get(device, {})) if self._ended[device] > 1 else {}

    @property
    def busy(self) -> bool:
        """Whether a job is at work."""
        return self._state in ("running", "cancelling")

    def start(self, scan: Scan, recipe: Recipe, further: bool = False) -> None:
        """Reconstruct `scan` as `recipe` says, or, `further`, go on from what was found in it.

        Raises
        ------
        RuntimeError
            If another reconstruction is running.
        """
        if self.busy:
            raise RuntimeError("A reconstruction is running already.")
        known = self._rates.setdefault(recipe.device, {})
        plan = self._plan or (Plan.further if further else Plan.of)(scan.shape, recipe)
        self._pace = Pace(plan, self._clock(), known)
        self.log = Log(recipe, scan.name)
        self._held_at, self.rested_s = None, 0.0
        self._run = Run(self)
        self._enter("running")
        try:
            job = self._launch(scan, recipe, self._run)
        except Exception as error:
            self._on_failed(error)
        else:
            if self.busy:  # a job may be so quick that it is over already
                self._job = job

    @property
    def held(self) -> bool:
        """Whether the run rests."""
        return self._held_at is not None

    def hold(self, held: bool) -> None:
        """Let the running job rest after its present step, or go on; nothing happens when none is running."""
        if self._state != "running" or self._job is None or held == self.held:
            return
        if self._held_at is None:
            self._held_at = self._clock()
        else:
            rested, self._held_at = self._clock() - self._held_at, None
            self.rested_s += rested
            if self._pace is not None:
                self._pace.rest(rested)
        self._job.hold(held)
        self.held_changed.emit(held)

    def cancel(self) -> None:
        """Stop the running job at its next iteration; nothing happens when none is running."""
        if self._state == "running":
            self.hold(False)
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

    def _on_progress(self, progress: Progress, errors: tuple[float, ...], seen: Seen) -> None:
        if self._state == "running" and self._pace is not None and self.log is not None:
            update = Update(progress, errors, *self._pace.follow(progress, self._clock()), seen)
            self.log.add(update)
            self.advanced.emit(update)

    def _on_done(self, result: Any) -> None:
        if self._state == "running":
            if self._pace is not None:
                self._pace.finish(self._clock())
            if self.log is not None:
                self._ended[self.log.recipe.device] += 1
            self._end(result)
            self._enter("done")
            self.finished.emit(result)

    def _on_failed(self, error: Exception) -> None:
        if self.busy:
            self._end(error)
            self._enter("failed")
            self.failed.emit(error)

    def _on_stopped(self) -> None:
        if self.busy:
            self._forget()
            self._enter("idle")

    def _end(self, outcome: Any) -> None:
        if self.log is not None:
            self.log.outcome = outcome
        self._forget()

    def _forget(self) -> None:
        if self._run is not None:
            self._run.give_up()
        self._run = self._job = None
        if self._held_at is not None:
            self._held_at = None
            self.held_changed.emit(False)

    def _enter(self, state: State) -> None:
        self._state = state
        self.state_changed.emit(state)

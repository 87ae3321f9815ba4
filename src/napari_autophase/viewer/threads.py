"""Threads: a reconstruction, and any other work that must not freeze the window."""

from __future__ import annotations

import atexit
import logging
import math
import threading
import time
import weakref
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from typing import Any

from napari.qt.threading import FunctionWorker, GeneratorWorker, WorkerBase
from qtpy.QtCore import QThreadPool, QTimer

from ..recipe import Recipe
from ..reconstruction import Progress, Reconstruction
from ..scan import Scan
from .model.crystal.drawing import Drawing, Look
from .model.crystal.sketch import Sketch
from .model.run.background import phase
from .model.run.controller import Run
from .model.run.watch import Seen, Watch
from .warmup import engine

_log = logging.getLogger(__name__)
Work = Callable[[Scan, Recipe], Generator[Progress, None, Any]]
UPDATE_INTERVAL_S = 0.05
"""Progress reaches the window at most 20 times a second, however fast the iterations are."""
_LOOK_UP_S = 0.2
"""A run that rests looks so often whether it is to end."""
DRAWING_SHARE = 4
"""The window then rests for this many times as long as it took to draw the update.

Where there is no GPU, napari redraws the whole window in software whenever a single label changes, which takes as long as
many iterations and the same processors.
"""


def launch(
    scan: Scan, recipe: Recipe, run: Run, work: Work | None = None, pause: Pause | None = None
) -> ReconstructionWorker:
    """Start a reconstruction (or other `work` of that kind, with its pause) in a thread; it reports to `run` in the caller's."""
    pause = pause or Pause()
    work = work or partial(reconstruct, clock=pause.clock)
    worker = ReconstructionWorker(scan, recipe, work, lambda: run.live, pause)

    def deliver(update: tuple[Progress, tuple[float, ...], Seen]) -> None:
        begin = time.monotonic()
        try:
            run.on_progress(*update)
        finally:  # the run delivers nothing more until then
            QTimer.singleShot(0, lambda: worker.rest(time.monotonic() - begin))  # comes after the drawing

    worker.yielded.connect(deliver)
    worker.returned.connect(run.on_done)
    worker.errored.connect(run.on_failed)
    worker.finished.connect(run.on_stopped)
    _start(worker)
    return worker


_at_work: weakref.WeakSet[WorkerBase] = weakref.WeakSet()
_END_S = 10.0
"""The program waits no longer than this for its threads: what they do is then given up."""


def _start(worker: WorkerBase) -> None:
    _at_work.add(worker)
    worker.start()


@atexit.register  # before Qt's own end, which was registered before: a thread that outlives it tells what is gone, and dies of it
def end() -> None:
    """Ask all threads to stop, and wait a little until they have: the program ends, with an event loop or without."""
    for worker in list(_at_work):
        worker.quit()
    pool = QThreadPool.globalInstance()
    if pool is not None:
        pool.waitForDone(round(1000 * _END_S))


class Tasks:
    """Work that a widget has done in threads; of each named task only the newest delivers its result.

    Parameters
    ----------
    busy_changed
        Called with True when the first task starts, with False when the last one is over.
    """

    def __init__(self, busy_changed: Callable[[bool], object] = bool) -> None:
        self._busy_changed = busy_changed
        self._newest: dict[str, object] = {}

    def start(
        self,
        task: str,
        work: Callable[..., Any],
        *arguments: Any,
        done: Callable[[Any], object],
        failed: Callable[[Exception], object],
    ) -> None:
        """Call ``work(*arguments)`` in a thread, then `done` with its value or `failed` with its error in this one."""
        worker = _QuietFunctionWorker(work, *arguments)
        worker.returned.connect(lambda value: self._over(task, worker, done, value))
        worker.errored.connect(lambda error: self._over(task, worker, failed, error))
        self._newest[task] = worker
        self._busy_changed(True)
        _start(worker)

    def at_work(self, task: str) -> bool:
        """Whether this task is still to be heard of."""
        return task in self._newest

    def forget(self, task: str) -> None:
        """Listen to this task no more."""
        if self._newest.pop(task, None) is not None and not self._newest:
            self._busy_changed(False)

    def close(self) -> None:
        """Listen to none of them any more: the widget is gone."""
        self._newest.clear()

    def _over(self, task: str, worker: object, then: Callable[[Any], object], value: Any) -> None:
        if self._newest.get(task) is worker:
            self.forget(task)
            then(value)


class _Quiet:
    """Leaves errors to those who listen to `errored`, and libraries' warnings to the log."""

    def _relay_error(self, error: Exception) -> None:
        _log.debug("%s", error, exc_info=error)

    def _relay_warning(self, warning: tuple[Any, ...]) -> None:
        _log.warning("%s", warning[0])


class _QuietFunctionWorker(_Quiet, FunctionWorker):
    pass


class Pause:
    """Lets a run rest after its present step; its clock stands still meanwhile."""

    def __init__(self) -> None:
        self._go = threading.Event()
        self._go.set()
        self._rested_s = 0.0

    def hold(self, held: bool) -> None:
        """Rest from now on, or go on."""
        if held:
            self._go.clear()
        else:
            self._go.set()

    def wait(self, ended: Callable[[], bool]) -> None:
        """Wait while the run is to rest, until it has `ended` at the latest (called by the run)."""
        begin = time.perf_counter()
        while not self._go.wait(_LOOK_UP_S) and not ended():
            pass
        self._rested_s += time.perf_counter() - begin

    def clock(self) -> float:
        """Return seconds that do not pass while the run rests."""
        return time.perf_counter() - self._rested_s


class ReconstructionWorker(_Quiet, GeneratorWorker):
    """Drives `reconstruct.reconstruct` or another generator of `Progress`; `live`: whether the crystal is to be sketched.

    Looks for `quit` after every step, and yields when the window is ready for more.

    What it yields is ``(latest progress, errors since the last yield, what was seen since then)``.
    """

    def __init__(
        self,
        scan: Scan,
        recipe: Recipe,
        work: Work,
        live: Callable[[], bool] = lambda: False,
        pause: Pause | None = None,
    ) -> None:
        super().__init__(work, scan, recipe)
        self._pause = pause or Pause()
        self._watch = Watch(recipe.analyse.threshold, live, self._pause.clock)
        self._over = threading.Event()
        self._due = 0.0

    def rest(self, drawing_s: float) -> None:
        """Say that the last update was drawn, and how long that took; the next one is due after a while."""
        self._watch.drew(drawing_s)
        self._due = time.monotonic() + max(UPDATE_INTERVAL_S, DRAWING_SHARE * drawing_s)

    def work(self) -> Any:
        """Run to the end or until `quit` was called."""
        errors: list[float] = []
        progress = Progress("", 0, 1)

        def tell(now: Progress, sketch: Sketch | None = None) -> None:
            self.yielded.emit((now, tuple(errors), self._watch.told(sketch)))
            errors.clear()

        try:
            while not self.abort_requested:
                self._pause.wait(lambda: self.abort_requested)
                before = progress
                try:
                    progress = next(self._gen)
                except StopIteration as end:
                    if errors:
                        tell(progress)
                    return end.value
                if progress.stage != before.stage and errors:  # what is told together is of one stage
                    tell(before)
                sketch = self._watch.look(progress)
                progress = replace(progress, best=None)  # the window must not ask it
                if progress.error is not None:
                    errors.append(progress.error)
                if sketch is not None or progress.stage != before.stage or time.monotonic() >= self._due:
                    self._due = math.inf  # until it is drawn
                    tell(progress, sketch)
            self.aborted.emit()
            return None
        finally:
            self._gen.close()

    def hold(self, held: bool) -> None:
        """Rest after the present step, or go on."""
        self._pause.hold(held)

    def run(self) -> None:
        """Do the work and say that it is over (called by Qt)."""
        try:
            super().run()
        finally:
            self._over.set()

    def wait(self, seconds: float) -> bool:
        """Wait until the work has stopped."""
        return self._over.wait(seconds)


def reconstruct(
    scan: Scan,
    recipe: Recipe,
    look: Look | None = None,
    begin: Reconstruction | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Generator[Progress, None, Drawing]:
    """Reconstruct, and compute what the window shows of the result."""
    engine.load()
    return (yield from phase(scan, recipe, look, begin, clock))

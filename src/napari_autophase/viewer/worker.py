"""Threads: a reconstruction, and any other work that must not freeze the window."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from napari.qt.threading import FunctionWorker, GeneratorWorker

from ..recipe import Recipe
from ..reconstruction import Progress, Reconstruction
from ..scan import Scan
from .controller import Run

_log = logging.getLogger(__name__)
UPDATE_INTERVAL_S = 0.05
"""Progress reaches the window at most 20 times a second, however fast the iterations are."""


def launch(scan: Scan, recipe: Recipe, run: Run) -> ReconstructionWorker:
    """Start a reconstruction in a thread; it reports to `run` in the caller's thread."""
    worker = ReconstructionWorker(scan, recipe)
    worker.yielded.connect(lambda update: run.on_progress(*update))
    worker.returned.connect(run.on_done)
    worker.errored.connect(run.on_failed)
    worker.finished.connect(run.on_stopped)
    worker.start()
    return worker


class Tasks:
    """Work that a widget has done in threads; of each named task only the newest is heard.

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
        worker.start()

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


class ReconstructionWorker(_Quiet, GeneratorWorker):
    """Drives `reconstruct.reconstruct`: looks for `quit` after every iteration, yields at most every 50 ms.

    What it yields is ``(latest progress, errors since the last yield)``.
    """

    def __init__(self, scan: Scan, recipe: Recipe) -> None:
        super().__init__(_reconstruct, scan, recipe)
        self._over = threading.Event()

    def work(self) -> Reconstruction | None:
        """Run to the end or until `quit` was called."""
        errors: list[float] = []
        stage, due = "", 0.0
        try:
            while not self.abort_requested:
                try:
                    progress = next(self._gen)
                except StopIteration as end:
                    return end.value
                if progress.error is not None:
                    errors.append(progress.error)
                now = time.monotonic()
                if progress.stage != stage or progress.step >= progress.total or now >= due:
                    self.yielded.emit((progress, tuple(errors)))
                    errors.clear()
                    stage, due = progress.stage, now + UPDATE_INTERVAL_S
            self.aborted.emit()
            return None
        finally:
            self._gen.close()

    def run(self) -> None:
        """Do the work and say that it is over (called by Qt)."""
        try:
            super().run()
        finally:
            self._over.set()

    def wait(self, seconds: float) -> bool:
        """Wait until the work has stopped."""
        return self._over.wait(seconds)


def _reconstruct(scan: Scan, recipe: Recipe) -> Generator[Progress, None, Reconstruction]:
    from ..reconstruct import reconstruct  # brings torch: a second that the window must not wait

    return (yield from reconstruct(scan, recipe))

"""What a session leaves to the program around it: threads, and later turns of its event loop; or everything at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, Protocol

from ....recipe import Recipe
from ....reconstruction import Progress, Reconstruction
from ....scan import Scan
from ..crystal.drawing import Drawing, Look, draw
from .controller import Job, Run


class Tasks(Protocol):
    """Work that is done elsewhere; of each named task only the newest delivers its result."""

    def start(
        self,
        task: str,
        work: Callable[..., Any],
        *arguments: Any,
        done: Callable[[Any], object],
        failed: Callable[[Exception], object],
    ) -> None:
        """Have ``work(*arguments)`` done, then call `done` with its value or `failed` with its error."""


class Background(Protocol):
    """Where a session's work is done."""

    def reconstruct(
        self, scan: Scan, recipe: Recipe, run: Run, look: Look | None, begin: Reconstruction | None
    ) -> Job:
        """Start a reconstruction that reports to `run`, or go on from one; its result is drawn as `look` says."""

    def tasks(self) -> Tasks:
        """Return a place for work that must not hold up the window."""

    def soon(self, go_on: Callable[[], None]) -> bool:
        """Have a function called in a later turn of the event loop; False where none runs."""


def phase(
    scan: Scan,
    recipe: Recipe,
    look: Look | None = None,
    begin: Reconstruction | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Generator[Progress, None, Drawing]:
    """Reconstruct, and compute what the window shows of the result; what it took is said by the clock."""
    from ....reconstruct import reconstruct  # brings torch: a second that the window must not wait

    return draw((yield from reconstruct(scan, recipe, begin=begin, clock=clock)), look)


class AtOnce:
    """A background that does everything at once: for scripts without a window."""

    def reconstruct(
        self, scan: Scan, recipe: Recipe, run: Run, look: Look | None, begin: Reconstruction | None
    ) -> Job:
        """Reconstruct; the run is over when this returns."""
        work = phase(scan, recipe, look, begin)
        try:
            while True:
                step = next(work)
                run.on_progress(step, () if step.error is None else (step.error,))
        except StopIteration as end:
            run.on_done(end.value)
        except Exception as error:
            run.on_failed(error)
        run.on_stopped()
        return _Over()

    def tasks(self) -> Tasks:
        """Return what does its work as soon as it is told."""
        return _Now()

    def soon(self, go_on: Callable[[], None]) -> bool:  # noqa: ARG002
        """Return False: there is no event loop."""
        return False


class _Over:
    def quit(self) -> None:
        pass

    def hold(self, held: bool) -> None:
        pass

    def wait(self, seconds: float) -> bool:  # noqa: ARG002
        return True


class _Now:
    def start(
        self,
        task: str,  # noqa: ARG002
        work: Callable[..., Any],
        *arguments: Any,
        done: Callable[[Any], object],
        failed: Callable[[Exception], object],
    ) -> None:
        try:
            value = work(*arguments)
        except Exception as error:
            failed(error)
        else:
            done(value)

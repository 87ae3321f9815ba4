"""Work behind the window of which only the newest counts: it is not begun anew before the last is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .background import Tasks


class Newest:
    """Has something worked out for what is wanted now; what is wanted while that is at work waits, and replaces what waits.

    Parameters
    ----------
    make_tasks
        Makes what works behind the window.
    work
        What is done.
    """

    def __init__(self, make_tasks: Callable[[], Tasks], work: Callable[..., Any]) -> None:
        self._make_tasks, self._work = make_tasks, work
        self._tasks: Tasks | None = None
        self._waiting: tuple[tuple[Any, ...], Callable[[Any], object], Callable[[Exception], object]] | None
        self._waiting = None
        self._busy = False

    def want(
        self,
        *arguments: Any,
        done: Callable[[Any], object],
        failed: Callable[[Exception], object],
    ) -> None:
        """Have ``work(*arguments)`` done and call `done` or `failed`, unless something else is wanted before."""
        self._waiting = (arguments, done, failed)
        if not self._busy:
            self._begin()

    def forget(self) -> None:
        """Want nothing any more."""
        self._waiting = None

    def _begin(self) -> None:
        if self._waiting is None:
            return
        arguments, done, failed = wanted = self._waiting
        self._busy = True

        def over(then: Callable[[Any], object], value: Any) -> None:
            self._busy = False
            if self._waiting is wanted:
                self._waiting = None
                then(value)
            else:
                self._begin()

        self._tasks = self._tasks or self._make_tasks()
        self._tasks.start(
            "newest",
            self._work,
            *arguments,
            done=lambda value: over(done, value),
            failed=lambda error: over(failed, error),
        )

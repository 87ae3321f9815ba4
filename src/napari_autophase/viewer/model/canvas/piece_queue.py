"""Work in the window's thread that is done piece by piece, one piece a turn of the event loop: the window answers in between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

Soon = Callable[[Callable[[], None]], bool]


def _never(_: Callable[[], None]) -> bool:
    return False


class PieceQueue:
    """Does one piece of work after the other; the next piece of work begins when the one before is over.

    Parameters
    ----------
    soon
        Has a function called in a later turn of the event loop, or returns False where no loop runs: everything is then done
        at once.
    subject
        Returns what all the work is about, or None once that is gone: what is left is then dropped.
    """

    def __init__(self, soon: Soon = _never, subject: Callable[[], object | None] = object) -> None:
        self._soon = soon
        self._subject = subject
        self._works: deque[Iterator[object]] = deque()
        self._going = False

    def start(self, work: Iterator[object]) -> None:
        """Do the first piece of `work` now, or when the work before it is over, and each other piece in a turn of its own."""
        self._works.append(work)
        if not self._going:
            self._going = True
            self._go_on()

    def finish(self) -> None:
        """Do at once all that is left."""
        while self._works:
            self._piece()

    def _go_on(self) -> None:
        try:
            if self._works:
                self._piece()
        finally:
            self._going = bool(self._works) and self._soon(self._go_on)
            if not self._going:
                self.finish()

    def _piece(self) -> None:
        subject = self._subject()  # held until the piece is done
        if subject is None:
            self._works.clear()
            return
        work = self._works[0]
        try:
            next(work)
        except BaseException as end:  # it is over, however it ended
            self._works.remove(work)
            if not isinstance(end, StopIteration):
                raise


def while_there(there: Callable[[], bool], work: Iterator[None]) -> Iterator[None]:
    """Do `work` piece by piece; once what it is about is not `there` any more, its next piece does not begin."""
    while there():
        try:
            next(work)
        except StopIteration:
            return
        yield


def followed(work: Iterator[None], then: Callable[[], object]) -> Iterator[None]:
    """Do `work` piece by piece, then call `then`."""
    yield from work
    then()

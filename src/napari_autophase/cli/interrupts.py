"""Ctrl-C ends a command, wherever it finds it."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SOON_S = 0.02
"""After so long an interrupt that was lost comes again."""


@contextmanager
def heard() -> Iterator[Callable[[], bool]]:
    """Give what tells whether somebody interrupted; an interrupt that is lost comes again.

    Python prints what is raised while an object is let go of, or called back by a library, and goes on.  And a library whose
    import was interrupted may fail in another way later: then the interrupt is why.
    """
    asked: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    def again(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            hook(lost)
            return
        timer = threading.Timer(_SOON_S, _thread.interrupt_main)
        timer.daemon = True
        timer.start()

    hook, sys.unraisablehook = sys.unraisablehook, again
    # others than the main thread hear nothing, and a job in the background is told not to listen
    listens = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if listens:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: bool(asked)
    finally:
        sys.unraisablehook = hook
        if listens:
            signal.signal(signal.SIGINT, signal.default_int_handler)

"""The command line's process: from before its first import to its end.

Ctrl-C works from the start: most of the time before a command begins is spent on imports.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def program() -> NoReturn:
    """Be the command line's process: run it, and end at once.

    All files are closed by then.  The interpreter would take a second to let go of torch, piece by piece, which the process that
    ends does anyway.
    """
    # a job in the background is told not to listen
    listens = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if listens:
        signal.signal(signal.SIGINT, _quit)
    from .commands import main

    if listens:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code = main()
    import atexit

    atexit._run_exitfuncs()  # what others have left to be done at the end
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            break
    os._exit(code)


def _quit(_number: int, _frame: FrameType | None) -> NoReturn:
    """End while nothing is begun: a library whose import is interrupted would print where, or fail in its own way."""
    os.write(2, b"napari-autophase: Interrupted.\n")
    os._exit(130)

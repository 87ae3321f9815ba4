"""What the engines' programs share: jobs come as lines of JSON on standard input, answers go back likewise.

This runs in environments that have NumPy and little else.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

THREADS = int(os.environ.get("OMP_NUM_THREADS", "0"))
"""How many threads the engine is to use; 0: what it chooses."""


def serve(load: Callable[[], Callable[[Any], Any]]) -> None:
    """Do jobs until there are no more.

    Parameters
    ----------
    load
        Imports the engine and returns its class, whose instances are made from an open `.npz` file (the job ``open``).  Other
        jobs name a method and its arguments; an array that it returns is written to the file ``to``, anything else is part of
        the answer.  Every answer has the ``seconds`` that the method took, and ``memory``: by how many bytes the resident set
        exceeded, at its largest, what it was at the job ``baseline``, which also drops the scan that is open.  An engine that
        goes on to get ready beside its first iterations ends that at the job ``settle``.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # engines print what they do; that is for the log

    def answer(**content: Any) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    begin = time.perf_counter()
    try:
        build = load()
    except Exception as error:
        answer(error=f"{type(error).__name__}: {error}")
        return
    answer(import_seconds=time.perf_counter() - begin)
    baseline, engine = _resident("VmRSS"), None
    for line in sys.stdin:
        job = json.loads(line)
        name, to = job.pop("do"), job.pop("to", None)
        _forget_peak()
        try:
            if name == "baseline":
                engine, found = None, None
                gc.collect()
                with suppress(OSError, AttributeError):
                    ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back to the system, where it can
                baseline, begin = _resident("VmRSS"), time.perf_counter()
            elif name == "open":
                with np.load(job["file"]) as file:
                    begin = time.perf_counter()
                    engine = build(file)
                found = None
            elif name == "settle":  # let what an engine does beside its first iterations end
                begin = time.perf_counter()
                found = getattr(engine, name, lambda: None)()
            else:
                begin = time.perf_counter()
                found = getattr(engine, name)(**job)
            seconds = time.perf_counter() - begin
        except Exception as error:
            answer(error=f"{type(error).__name__}: {error}")
            continue
        content = {"seconds": seconds, "memory": _resident("VmHWM") - baseline}
        if isinstance(found, np.ndarray):
            np.save(to, found)
            found = None
        answer(**content, **(found or {}))


@contextmanager
def scipy_threads() -> Iterator[None]:
    """Let scipy's transforms use the threads asked for: of themselves they use one."""
    import scipy.fft

    with scipy.fft.set_workers(max(1, THREADS)):
        yield


def _resident(what: str) -> int:
    """Return the resident set now (VmRSS) or at its largest (VmHWM), in bytes; 0 where the system doesn't tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(what))


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")

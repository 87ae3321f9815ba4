"""How much memory there is to have, and what to say when it does not suffice."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import floor

from .faults import InputError

GIB = 2**30
"""Bytes in a gibibyte."""
_THREAD = 72 * 2**20
"""What a thread takes of the address space, used or not: its stack and a heap of its own."""
_SIGNS = (
    "out of memory",
    "ALLOC_FAILED",  # cuFFT, cuBLAS, cuDNN before 9
    "ALLOCATION_FAILED",  # cuDNN from 9 on
    "unable to find an engine",  # cuDNN, when none has the room that it works in
    "cudaErrorMemoryAllocation",
    "can't allocate memory",
    "annot allocate memory",  # ENOMEM
    "not enough memory",  # torch on Windows
    "Unable to allocate",
    "can't start new thread",  # there is no room for its stack
)
"""How libraries say that memory ran out, if not by a MemoryError."""
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Parameters of glibc's ``mallopt``: from how much free memory on some goes back to the system (-1: from none on), and how many
arrays may have pages of their own, which go back as soon as they are freed."""


class OutOfMemory(InputError):
    """Memory ran out in a part of a job: who knows the whole says it anew."""


def available_memory_bytes() -> int:
    """Return the memory that this process can still have: what is free now, within the limit that its shell or queue gave it."""
    import psutil

    available = int(psutil.virtual_memory().available)
    if sys.platform != "win32":
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            available = min(available, limit - psutil.Process().memory_info().vms)
    return max(available, 0)


def threads_bytes(threads: int) -> int:
    """Return what threads that are still to come take of a limited address space, until there are so many; 0 without a limit."""
    import psutil

    if sys.platform == "win32":
        return 0
    import resource

    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        return 0
    return max(0, threads - psutil.Process().num_threads()) * _THREAD


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next arrays, where it can be told so (glibc); for the whole process.

    A process that takes and frees large arrays all the time, as training does, otherwise waits a third of its time for the
    system's pages.
    """
    if sys.platform != "linux":
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)


def what_fits(shape: Sequence[int], needed: int, available: int) -> str:
    """Return the shape of the same proportions whose need would be met, in words."""
    ratio = min(1.0, max(available, 1) / needed) ** (1 / 3)
    return " × ".join(str(floor(side * ratio)) for side in shape)


def ran_out(error: BaseException) -> bool:
    """Whether an error of Python, NumPy, torch or cuFFT means that memory ran out."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _SIGNS)


@contextmanager
def or_say(what: str, shape: Sequence[int] = ()) -> Iterator[None]:
    """Turn memory that runs out inside the block into an `InputError`: `what`, of that shape, did not fit."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError, InputError) as error:
        if not isinstance(error, OutOfMemory) and (isinstance(error, InputError) or not ran_out(error)):
            raise
        raise InputError(said(what, shape)) from error


def said(what: str, shape: Sequence[int] = ()) -> str:
    """Say that the memory ran out, and what to do: so many voxels, half as many per axis, take an eighth of it.

    How much is free is not said: the error holds what it ran out with.
    """
    half = f": {' × '.join(str(side // 2) for side in shape)} voxels take" if shape else " takes"
    return (
        f"The memory ran out: {what} did not fit.  Bin the scan (--set prepare.binning=2,2,2{half} an eighth of it) or crop it, "
        "ask for fewer starts, or use a machine with more memory."
    )

"""Threads of the CPU: how many starts are worked on side by side, and how many threads each of them has.

The starts share the cores: as many side by side as there are cores, and the cores that are left over inside each.  The result
does not depend on it: every start is computed by the same arithmetic in the same order.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache, partial
from typing import TypeVar

import torch

_SHORT = 2**20
"""Voxels: a pass over fewer is short work."""
_forked = False
_MOMENT_S = 0.03
"""How long work is done at a stretch, so that a wish to stop is answered soon."""
_Result = TypeVar("_Result")


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Threads that do the same few jobs again and again.

    Parameters
    ----------
    jobs
        How many jobs there are at a time.
    available
        Cores to be used.
    within
        Threads at most that are of use within one job.
    is_short
        Whether what torch does within a job is better done by a single thread.
    """

    def __init__(self, jobs: int, available: int, within: int, is_short: bool = False) -> None:
        self._side_by_side = max(1, min(jobs, available))
        self.threads = max(1, min(available // self._side_by_side, within))
        self._by_torch = 1 if is_short else self.threads

    def do(self, jobs: Sequence[Callable[[], _Result]], *, by_torch: bool = False) -> list[_Result]:
        """Do all jobs and return their results in order.

        Parameters
        ----------
        by_torch
            Whether they are torch's work whatever the backend is, such as passes over the pattern.
        """
        count = self._by_torch if by_torch else self.threads
        return list(side_by_side([partial(_call, count, job) for job in jobs], self._side_by_side))


def side_by_side(jobs: Sequence[Callable[[], _Result]], most: int) -> Generator[_Result, None, None]:
    """Do jobs, at most so many at a time, and yield their results in order; those that have not begun when one fails, or when
    the iterator is closed, are left out.
    """
    if min(most, len(jobs)) < 2:
        yield from (job() for job in jobs)
        return
    left = deque((job, Future[_Result]()) for job in jobs)
    results = [result for _, result in left]
    threads = [_pool().submit(_do, left) for _ in range(min(most, len(jobs)))]
    try:
        for result in results:
            yield result.result()
    finally:
        left.clear()
        wait(threads)


def _do(left: deque[tuple[Callable[[], _Result], Future[_Result]]]) -> None:
    while left:
        try:
            job, result = left.popleft()
        except IndexError:  # another thread was faster
            return
        try:
            result.set_result(job())
        except BaseException as error:
            result.set_exception(error)
            return


@cache
def _pool() -> ThreadPoolExecutor:
    """Return the threads that do the jobs of all; they are kept.

    A thread that ends frees its memory in MKL, under a lock, after Python takes it for ended; a process forked at that moment
    would wait for the lock for ever.
    """
    return ThreadPoolExecutor(256, "phasing")


def _call(count: int, job: Callable[[], _Result]) -> _Result:
    with threads(count):
        return job()


class Pace:
    """How many iterations of each kind take a moment, from the time that the last ones took."""

    def __init__(self) -> None:
        self._seconds: dict[Hashable, float] = {}

    def count(self, kind: Hashable, most: int) -> int:
        """Return how many to do at a stretch, at most so many; one if none has been timed."""
        seconds = self._seconds.get(kind)
        return 1 if seconds is None else max(1, min(most, int(_MOMENT_S / max(seconds, 1e-9))))

    def took(self, kind: Hashable, seconds: float) -> None:
        """Take note of how long one took."""
        self._seconds[kind] = seconds


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads inside the block; MKL and OpenMP keep their numbers for each calling thread.

    A process that was forked has one: OpenMP's threads stay behind, and to ask it for more would be to wait for them.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if _forked else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def short(voxels: int) -> bool:
    """Say whether a pass or a transform of so many voxels is better done by a single thread.

    Shared, short work waits for whatever else the computer does, and its threads go on spinning for a while.
    """
    return voxels < _SHORT


def _after_fork() -> None:
    global _forked
    _forked = True
    _pool.cache_clear()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

"""How many threads iterate: side by side over the starts, inside each transform, or one alone.

Which is fastest depends on the volume, on the number of starts and on what else the computer does (a transform shared by
threads that must wait for a busy core is many times slower than one thread), so that it is measured in the first
iterations of the run itself.  The result does not depend on it: every start is computed by the same arithmetic in the same
order.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple, TypeVar

import torch

_TRIALS = 3
_HOPELESS = 3.0
_SLOWER = 1.5
_PATIENCE = 2
_PROBE = 64
_Result = TypeVar("_Result")


class Plan(NamedTuple):
    """`workers` starts at a time, each with `threads` threads inside its transforms."""

    workers: int
    threads: int


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def plans(jobs: int, available: int) -> list[Plan]:
    """Return the plans worth trying for `jobs` independent jobs on `available` cores, the single thread first."""
    side_by_side = min(jobs, available)
    tried = [
        Plan(1, 1),
        Plan(1, min(4, available)),
        Plan(1, available),
        Plan(side_by_side, 1),
        Plan(side_by_side, available // side_by_side),
    ]
    return list(dict.fromkeys(tried))


class Crew:
    """Runs the same jobs again and again, by the plan that proves fastest.

    Every plan is tried a few times (once, if that was hopeless), then the one with the shortest median is kept.  When it later
    turns slower than a single thread was (a neighbour woke up), the first plan, the single thread, takes over for good.
    """

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._plans = plans
        self._trials = [plan for plan in plans for _ in range(_TRIALS)] if len(plans) > 1 else []
        self._seconds: dict[Plan, list[float]] = {plan: [] for plan in plans}
        self._learning = bool(self._trials)
        self._late = 0
        self._pools: dict[Plan, ThreadPoolExecutor] = {}
        self.plan = plans[0]

    def close(self) -> None:
        """End the workers."""
        for pool in self._pools.values():
            pool.shutdown()

    def run(self, jobs: Sequence[Callable[[], _Result]]) -> list[_Result]:
        """Do all jobs, learn from the time they take, and return their results in order."""
        if self._trials:
            self.plan = self._trials.pop(0)
        begin = time.perf_counter()
        results = self.do(jobs)
        self._learn(time.perf_counter() - begin)
        return results

    def do(self, jobs: Sequence[Callable[[], _Result]]) -> list[_Result]:
        """Do all jobs by the plan of the moment and return their results in order."""
        if self.plan.workers == 1:
            with threads(self.plan.threads):
                return [job() for job in jobs]
        if self.plan not in self._pools:
            # MKL and OpenMP keep their numbers of threads per calling thread, so that each worker sets its own
            self._pools[self.plan] = ThreadPoolExecutor(
                self.plan.workers, "phasing", torch.set_num_threads, (self.plan.threads,)
            )
        with threads(self.plan.threads):
            return list(self._pools[self.plan].map(lambda job: job(), jobs))

    def _learn(self, seconds: float) -> None:
        alone = self._plans[0]
        if self._learning:
            self._seconds[self.plan].append(seconds)
            if self.plan != alone and seconds > _HOPELESS * self._usual(alone):
                self._trials = [plan for plan in self._trials if plan != self.plan]
            if not self._trials:
                self._learning = False
                self.plan = min(self._plans, key=self._usual)
        elif self.plan != alone:
            self._late = self._late + 1 if seconds > _SLOWER * self._usual(alone) else 0
            if self._late == _PATIENCE:
                self.plan = alone

    def _usual(self, plan: Plan) -> float:
        return median(self._seconds[plan])


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def sharing_pays() -> bool:
    """Say whether threads that share a piece of work are quicker now than one alone: no longer so when a core is busy.

    Measured by a few transforms of a small volume, alternately; it takes some ten milliseconds.
    """
    if cores() == 1:
        return False
    volume = torch.zeros((_PROBE,) * 3, dtype=torch.complex64)
    seconds: dict[int, list[float]] = {1: [], cores(): []}
    for _ in range(_TRIALS):
        for count, taken in seconds.items():
            with threads(count):
                begin = time.perf_counter()
                torch.fft.fftn(volume)
                taken.append(time.perf_counter() - begin)
    return median(seconds[cores()]) < median(seconds[1])

"""How many threads iterate: side by side over the starts, inside each transform, or one alone.

Which is fastest depends on the volume, on the number of starts and on what else the computer does (a transform shared by
threads that must wait for a busy core is many times slower than one thread), so that it is measured in iterations of the run
itself, for each algorithm apart.  The result does not depend on it: every start is computed by the same arithmetic in the same
order.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from threading import Lock
from typing import NamedTuple, TypeVar

import torch

_TRIALS = 3
_HOPELESS = 3.0
_SLOWER = 1.2
_ALONE = 1.15
_SHORT = 2**20
_PATIENCE = 2
_LASTS = 300
_REMEMBERED_S = 60.0
_TRIAL_S, _MOMENT_S = 0.002, 0.03
"""How long a plan is tried each time; how long work is done at a stretch, so that a wish to stop is heard soon."""
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
    """Runs the same jobs again and again, every kind of work by the plan that proves fastest for it.

    Every plan is tried a few times (once, if that was hopeless), then the one with the shortest median is kept, the single
    thread only if it is a seventh shorter than others.  All are tried
    anew when it turns slower than a single thread was (a neighbour woke up), and now and then (a neighbour may have gone).

    Parameters
    ----------
    plans
        Those to be tried.
    like
        What is the same for crews that may learn from each other, such as the shape of the volumes; None: this one is alone.
    """

    def __init__(self, plans: Sequence[Plan], like: Hashable = None) -> None:
        self._plans = tuple(plans)
        self._like = like
        self._kinds: dict[Hashable, _Choice] = {} if like is None else _lately
        self._pools: dict[Plan, ThreadPoolExecutor] = {}
        self.plan = plans[0]

    def close(self) -> None:
        """End the workers."""
        for pool in self._pools.values():
            pool.shutdown()

    def pace(self, kind: Hashable, most: int) -> int:
        """Return how many times, at most so many, a kind of work is done in a moment: few as long as plans are tried."""
        return min(most, self._choice(kind).pace())

    def run(
        self,
        jobs: Sequence[Callable[[], _Result]],
        kind: Hashable = None,
        count: int = 1,
        *,
        learn: bool = True,
    ) -> list[_Result]:
        """Do all jobs of a kind of work, each of which does it `count` times, and return their results in order.

        What is learned is the time that it takes once, unless it is not as it usually is.
        """
        choice = self._choice(kind)
        self.plan = choice.plan()
        begin = time.perf_counter()
        results = self.do(jobs)
        if learn:
            choice.learn(self.plan, (time.perf_counter() - begin) / count, count)
        return results

    def _choice(self, kind: Hashable) -> _Choice:
        key = self._plans, self._like, kind
        choice = self._kinds.get(key)
        if choice is None or choice.forgotten():
            for old in [old for old, known in list(self._kinds.items()) if known.forgotten()]:
                self._kinds.pop(old, None)
            choice = self._kinds[key] = _Choice(self._plans)
        return choice

    def do(self, jobs: Sequence[Callable[[], _Result]], *, short: bool = False) -> list[_Result]:
        """Do all jobs by the plan of the moment and return their results in order; those that are `short` by a thread each."""
        plan = self.plan._replace(threads=1) if short else self.plan
        if plan.workers == 1:
            with threads(plan.threads):
                return [job() for job in jobs]
        if plan not in self._pools:
            # MKL and OpenMP keep their numbers of threads per calling thread, so that each worker sets its own
            self._pools[plan] = ThreadPoolExecutor(
                plan.workers, "phasing", torch.set_num_threads, (plan.threads,)
            )
        with threads(plan.threads):
            return list(self._pools[plan].map(lambda job: job(), jobs))


class _Choice:
    """The plan for one kind of work, as far as it is known; several threads may ask and tell."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._plans, self._alone = plans, plans[0]
        self._best = self._alone
        self._trials: list[Plan] = []
        self._seconds: dict[Plan, list[float]] = {}
        self._late = self._age = 0
        self._pace, self._used = math.inf, time.perf_counter()
        self._lock = Lock()
        self._begin()

    def forgotten(self) -> bool:
        """Say whether this was learned so long ago that it means nothing."""
        return time.perf_counter() - self._used > _REMEMBERED_S

    def plan(self) -> Plan:
        """Return the plan to go by next."""
        with self._lock:
            return self._trials[0] if self._trials else self._best

    def pace(self) -> int:
        """Return how many times the work is done by this plan until others are looked at."""
        moment = self._trial_s if self._trials else _MOMENT_S
        return max(1, min(_LASTS - self._age, int(moment / self._pace)))

    def learn(self, plan: Plan, seconds: float, count: int = 1) -> None:
        """Take note of how long the work took, the mean of `count` times."""
        with self._lock:
            self._pace, self._used = seconds, time.perf_counter()
            if self._trials:
                self._try(plan, seconds)
                return
            self._age += count
            slow = plan != self._alone and seconds > _SLOWER * self._usual(self._alone)
            self._late = self._late + 1 if slow else 0
            if self._late == _PATIENCE:
                self._begin(_MOMENT_S)  # a neighbour's turns on a core are longer than a short trial
            elif self._age >= _LASTS:
                self._begin()

    def _try(self, plan: Plan, seconds: float) -> None:
        if plan in self._trials:
            self._trials.remove(plan)
        self._seconds[plan].append(seconds)
        if plan != self._alone and seconds > _HOPELESS * self._usual(self._alone):
            self._trials = [other for other in self._trials if other != plan]
        if not self._trials:
            # what kept a core busy for the trials is often the end of something, and several are soon quicker than they were;
            # one thread never is
            self._best = min(
                self._plans, key=lambda one: self._usual(one) * (_ALONE if one == self._alone else 1)
            )

    def _begin(self, trial_s: float = _TRIAL_S) -> None:
        self._trial_s = trial_s
        self._best = self._alone
        self._trials = [plan for _ in range(_TRIALS) for plan in self._plans]
        self._seconds = {plan: [] for plan in self._plans}
        self._late = self._age = 0

    def _usual(self, plan: Plan) -> float:
        return median(self._seconds[plan] or [math.inf])


_lately: dict[Hashable, _Choice] = {}


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def short(voxels: int) -> bool:
    """Say whether a pass or a transform of so many voxels is better done by a single thread.

    Shared, short work waits for whatever else the computer does, and its threads go on spinning for a while.
    """
    return voxels < _SHORT

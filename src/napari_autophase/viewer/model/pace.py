"""How far a run is, and how long it will still take: from what its recipe asks for, and from its pace so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ...recipe import Recipe
from ...recipe.algorithm import parse
from ...reconstruction import Progress

SOON_S = 0.2
"""Of a stage that began less long ago nobody can tell the pace: the first guesses would only flicker."""
NETWORK = 6e7
"""What the network takes to look at a scan once, in iterations of one voxel."""
PREPARE, ANALYSE = 4.0, 4.0
"""What is done once with every voxel, in iterations."""
COARSE = 0.1
"""A coarse iteration takes this part of a fine one."""


def steps_of(recipe: Recipe, progress: Progress) -> tuple[str, ...]:
    """Return the algorithm of every iteration of a stage, or nothing where it does others than its recipe says."""
    said = {
        "guess": parse(recipe.guess.polish) * recipe.guess.rounds,
        "refine": parse(recipe.refine.algorithm),
    }.get(progress.stage, ())
    times, odd = divmod(progress.total, max(1, len(said)))
    return () if odd else said * times


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Parameters
    ----------
    work
        How much each stage has to do, in any unit, in the order of the stages.
    rounds
        Rounds of the search for a start (stage ``guess``), each with half the starts of the one before.
    opening
        Part of that stage's work that is done before its steps are counted: the network's.
    """

    work: Mapping[str, float]
    rounds: int = 1
    opening: float = 0.0

    @classmethod
    def of(cls, shape: tuple[int, ...], recipe: Recipe) -> Plan:
        """Return what phasing a scan of this shape by a recipe takes, in iterations of one voxel."""
        voxels = math.prod(shape) / math.prod(recipe.prepare.binning)
        guess, refine = recipe.guess, recipe.refine
        search = opening = 0.0
        if guess.start != "random":
            starts = guess.starts + guess.candidates
            polish = len(parse(guess.polish)) * min(guess.side**3, voxels)
            opening = NETWORK + voxels
            search = NETWORK + polish * sum(max(2, starts / 2**k) for k in range(guess.rounds))
        steps = len(parse(refine.algorithm))
        coarse = min(refine.coarse, steps)
        runs = 1 if recipe.runs == 1 else recipe.runs + max(recipe.runs, 2)
        work = {
            "prepare": PREPARE * voxels,
            "guess": search + voxels,
            "refine": runs * (steps - (1 - COARSE) * coarse) * voxels * max(1, recipe.number_of_starts),
            "analyse": ANALYSE * voxels,
        }
        return cls(work, 1 if guess.start == "random" else guess.rounds, opening / work["guess"])

    def within(self, progress: Progress) -> float:
        """Return which part of its stage's work is done."""
        done = progress.step / max(1, progress.total)
        if progress.stage != "guess" or progress.total <= 1:
            return done
        work = [2.0**-k for k in range(self.rounds)]
        past, part = divmod(done * self.rounds, 1)
        searched = (sum(work[: int(past)]) + part * sum(work[int(past) : int(past) + 1])) / sum(work)
        return self.opening + (1 - self.opening) * searched


class Pace:
    """Follows a run; what it says of how much is done never falls.

    Parameters
    ----------
    plan
        What the run will do.
    now
        When it began, in seconds.
    """

    def __init__(self, plan: Plan, now: float) -> None:
        self._plan = plan
        self._stage, self._begun, self._first, self._last = "", now, 0.0, 0.0
        self._rate: float | None = None  # seconds for a unit of work
        self._base, self._part = 0.0, 0.0

    def follow(self, progress: Progress, now: float) -> tuple[float, float | None]:
        """Return which part of the run is done, and the seconds that it will still take; None while nobody can tell."""
        stages, work = list(self._plan.work), self._plan.work
        within = self._plan.within(progress)
        if progress.stage not in work:
            return self._part, None
        if progress.stage != self._stage:
            if self._stage and stages.index(progress.stage) < stages.index(self._stage):
                self._base = self._part  # it begins anew: what is left of the bar is for that
            self._stage, self._begun, self._first = progress.stage, now, within
        elif within < self._last:  # the steps are counted anew
            self._begun, self._first = now, within
        self._last = within
        place = stages.index(progress.stage)
        own, later = work[progress.stage], sum(work[stage] for stage in stages[place + 1 :])
        before = sum(work[stage] for stage in stages[:place])
        done = (before + within * own) / (before + own + later)
        self._part = max(self._part, self._base + (1 - self._base) * done)
        seconds, doing = now - self._begun, (within - self._first) * own
        if doing > 0 and seconds >= SOON_S:
            self._rate = seconds / doing
        return self._part, None if self._rate is None else self._rate * ((1 - within) * own + later)

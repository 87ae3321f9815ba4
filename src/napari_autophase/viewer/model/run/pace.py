"""How far a run is, and how long it will still take: from what its recipe asks for, and from its pace and earlier runs'."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, product

from ....recipe import Recipe, Refinement
from ....recipe.algorithm import parse, tail
from ....recipe.plans import PRELUDE, assessment, settled
from ....reconstruction import Progress

SOON_S = 0.2
"""Of a phase that began less long ago nobody can tell the pace: the first guesses would only flicker."""
OPENING = ("prepare", "look")
"""Phases whose pace says nothing of iterations."""
NETWORK, PREPARE, ANALYSE, COARSE = 6e7, 4.0, 4.0, 0.1
"""What is thought of a first run, before it has told: what a look of the network takes, in iterations of one voxel; what is done
once with every voxel, in iterations; which part of a fine iteration a coarse one takes."""


def steps_of(recipe: Recipe, progress: Progress) -> tuple[str, ...]:
    """Return the algorithm of every iteration of a stage, or nothing where it does others than its recipe says.

    Some begin with what completes the middle of the peak, some end with more of the last algorithm (see `recipe.plans`).
    """
    said = {
        "guess": parse(recipe.guess.polish) * recipe.guess.rounds,
        "refine": parse(recipe.refine.algorithm),
    }.get(progress.stage, ())
    for begin, end in product(((), parse(PRELUDE)), (said, settled(said))):
        whole = (*begin, *end)
        times, odd = divmod(progress.total, max(1, len(whole)))
        if said and not odd:
            return whole * times
    return ()


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Parameters
    ----------
    work
        How much each phase has to do, in any unit, in their order.  The phases are the stages of a reconstruction; its stage
        ``guess`` is in two, ``look`` (the network's) and ``search``, unless it is among them itself; ``analyse`` is called
        ``assess`` where what was found is, which takes far longer and tells nothing of an analysis alone.
    rounds, polish
        Rounds of the search, each with half the starts of the one before, and iterations of one.
    looks
        How often the network looks.
    refine
        What each iteration of the refinement takes, in any unit; empty: all the same.
    """

    work: Mapping[str, float]
    rounds: int = 1
    polish: int = 0
    looks: int = 1
    refine: tuple[float, ...] = ()

    @classmethod
    def of(cls, shape: tuple[int, ...], recipe: Recipe) -> Plan:
        """Return what phasing a scan of this shape by a recipe takes, in iterations of one voxel."""
        voxels = math.prod(shape) / math.prod(recipe.prepare.binning)
        guess, refine = recipe.guess, recipe.refine
        look, search, polish = voxels, 0.0, 0
        if guess.start != "random":
            starts, polish = guess.starts + guess.candidates, len(parse(guess.polish))
            look += NETWORK * guess.candidates
            part = min(guess.side**3, voxels)
            search = polish * part * sum(max(2, starts / 2**k) for k in range(guess.rounds))
        each = _each_iteration(refine)
        alone, steps = recipe.runs == 1, parse(refine.algorithm)
        runs = 1 if alone else recipe.runs + max(recipe.runs, 2)
        compared = bool(steps) and guess.keep > 1 and guess.start != "random" if alone else True
        assessed = assessment(steps, alone, guess.keep if alone else runs) if compared else 0
        work = {
            "prepare": PREPARE * voxels,
            **({} if guess.start == "random" else {"look": look, "search": search}),
            "refine": runs * sum(each) * voxels * max(1, recipe.number_of_starts),
            "assess" if assessed else "analyse": (ANALYSE + assessed) * voxels,
        }
        return cls(work, guess.rounds, polish, guess.candidates, each)

    @classmethod
    def further(cls, shape: tuple[int, ...], recipe: Recipe) -> Plan:
        """Return what it takes to go on from a result: nothing is guessed, one start is refined, and nothing is assessed."""
        voxels = math.prod(shape) / math.prod(recipe.prepare.binning)
        each = _each_iteration(recipe.refine)
        work = {"prepare": PREPARE * voxels, "refine": sum(each) * voxels, "analyse": ANALYSE * voxels}
        return cls(work, refine=each)

    def place(self, progress: Progress) -> tuple[str, float]:
        """Return the phase of a step, and which part of its work is done; ``settle``, which nobody can foresee, is none."""
        done = progress.step / max(1, progress.total)
        if progress.stage == "refine" and self.refine and progress.total % len(self.refine) == 0:
            return "refine", _part(self.refine, progress.step, progress.total // len(self.refine))
        if progress.stage != "guess" or "guess" in self.work:
            assessed = progress.stage == "analyse" and "assess" in self.work
            return "assess" if assessed else progress.stage, 0.0 if progress.total <= 1 else done
        if progress.total <= self.looks:
            return "look", 0.0 if progress.total <= 1 else done
        if progress.total not in (self.polish, self.polish * self.rounds):
            return "settle", done
        if progress.total == self.polish:
            return "search", done
        work = [2.0**-k for k in range(self.rounds)]
        past, part = divmod(done * self.rounds, 1)
        return "search", (sum(work[: int(past)]) + part * sum(work[int(past) : int(past) + 1])) / sum(work)


def _each_iteration(refine: Refinement) -> tuple[float, ...]:
    """Return what each iteration takes: the first ones have fewer voxels, and the last may be done from two objects."""
    steps = parse(refine.algorithm)
    last = tail(steps) if refine.averages else len(steps)
    return tuple(
        (COARSE if i < refine.coarse else 1.0) * (2.0 if i >= last else 1.0) for i in range(len(steps))
    )


def _part(each: tuple[float, ...], step: int, times: int) -> float:
    """Return which part of the work is done after so many steps, where all of them are gone through several times."""
    gone, within = divmod(step, len(each))
    sums = (0.0, *accumulate(each))
    return (gone + sums[within] / sums[-1]) / times if times and sums[-1] else 0.0


class Pace:
    """Follows a run; what it says of how much is done never falls.

    Parameters
    ----------
    plan
        What the run will do.
    now
        When it began, in seconds.
    known
        Seconds that a unit of each phase's work took in earlier runs; what this one takes is put down there.
    """

    def __init__(self, plan: Plan, now: float, known: dict[str, float] | None = None) -> None:
        self._plan, self._known = plan, {} if known is None else known
        self._phase, self._begun, self._first, self._last = "", now, 0.0, 0.0
        self._start = now  # of the run, or of what has begun anew
        self._rates: dict[str, float] = {}  # of this run
        self._told = False  # it has taken long enough for them to mean something
        self._base, self._part = 0.0, 0.0

    def follow(self, progress: Progress, now: float) -> tuple[float, float | None]:
        """Return which part of the run is done, and the seconds that it will still take; None while nobody can tell."""
        phases, work = list(self._plan.work), self._plan.work
        phase, within = self._plan.place(progress)
        if phase not in work:
            return self._part, None
        if phase != self._phase:
            if self._phase and phases.index(phase) < phases.index(self._phase):
                self._base, self._start = (
                    self._part,
                    now,
                )  # it begins anew: what is left of the bar is for that
            elif self._phase:
                self._put_down(now, 1.0)
            self._phase, self._begun, self._first = phase, now, within
        elif within < self._last:  # the steps are counted anew
            self._begun, self._first = now, within
        elif now - self._begun >= SOON_S:
            self._put_down(now, within)
        self._last = within
        place = phases.index(phase)
        seconds = {name: work[name] * self._rate(name) for name in phases}
        own, later = seconds[phase], sum(seconds[name] for name in phases[place + 1 :])
        before = sum(seconds[name] for name in phases[:place])
        left = (1 - within) * own + later
        knows = self._told or phase in self._known
        # bar and time say the same: as much of the bar is done as of the time is gone
        gone = now - self._start if knows else before + within * own
        done = gone / (gone + left) if gone + left > 0 else 0.0
        self._part = max(self._part, self._base + (1 - self._base) * done)
        return self._part, left if knows else None

    def rest(self, seconds: float) -> None:
        """Say that nothing was done for so long: that tells nothing of the pace."""
        self._begun += seconds
        self._start += seconds

    def finish(self, now: float) -> None:
        """Put down what the last phase took: the run has come to its end."""
        if self._phase and (
            self._phase != "assess" or self._last > 0
        ):  # else there was nothing to be assessed by
            self._put_down(now, 1.0)
        self._known.update(self._rates)

    def _put_down(self, now: float, within: float) -> None:
        doing = (within - self._first) * self._plan.work[self._phase]
        if doing > 0:
            self._rates[self._phase] = (now - self._begun) / doing
            self._told |= now - self._begun >= SOON_S and self._phase not in OPENING

    def _rate(self, phase: str) -> float:
        return rate(phase, self._plan.work, self._rates, self._known)


def rate(
    phase: str, work: Mapping[str, float], now: Mapping[str, float], known: Mapping[str, float]
) -> float:
    """Return what a unit of a phase's work takes: as measured, or as in earlier runs, faster or slower as this one is.

    Parameters
    ----------
    phase, work
        The phase, and how much each has to do.
    now, known
        Seconds for a unit of the phases of which this run has told, and of those of earlier ones.
    """
    if phase in now:
        return now[phase]
    both = [name for name in now if name in known and name not in OPENING]
    haste = now[both[-1]] / known[both[-1]] if both and known[both[-1]] > 0 else 1.0
    if phase in known:
        return known[phase] * haste
    # nobody knows: as the phase that takes longest of those that are known
    own, earlier = (
        {name: each for name, each in told.items() if name not in OPENING} for told in (now, known)
    )
    rates = own or earlier
    return max(rates.items(), key=lambda each: each[1] * work.get(each[0], 0.0))[1] if rates else 1.0

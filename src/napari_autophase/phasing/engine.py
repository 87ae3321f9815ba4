"""The iterations of a run, from starts to the best object."""

from __future__ import annotations

import math
import weakref
from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, TypeVar

import numpy as np
import torch

from ..memory import ran_out
from ..preparation import fast_size
from ..recipe import Refinement, algorithm
from ..recipe.plans import settled
from ..reconstruction import Progress
from . import support
from .batch import Batch, Best, Starts
from .blur import Blur
from .coherence import Seeker, Shape, known
from .diffraction import Diffraction
from .grids import on_grid
from .iterations import rule
from .scoring import ranking

JUDGE_EVERY, GAIN = 10, 0.002
"""Iterations between two looks at the held-out pixels, and the fraction of their likelihood that counts as a gain."""
RENEWED_EVERY, DOWN = 20, 10
"""Iterations after which what projections aim at is renewed, and at the end; so many must go downhill for objects to tell."""
SAMPLED_EVERY = 4
"""Iterations between two objects that are averaged: neighbours are alike."""

Coherence = Literal["as it is", "given"] | Shape
_Each = TypeVar("_Each")


@dataclass(frozen=True, eq=False)
class Phased:
    """The best of all starts.

    Parameters
    ----------
    object, support
        complex64 and bool (N0, N1, N2), centred; the object is exactly zero outside the support.
    figures
        ``chi2``, ``llk``, ``free_llk`` (absent when nothing is held out), ``support_fraction`` (see `scoring.figures`).
    errors
        float32, chi² of the chosen start at the beginning of every iteration.
    iterations
        Iterations done.
    notes
        What a person should know, such as that the GPU ran out of memory.
    blur
        What lies between the coherent intensity and the measured one; None: nothing that was sought, or found.
    blurred
        Whether objects were phased with a blur on the way, even if none is left.
    runs
        Figures of every start that was not pruned.
    kept, kept_figures
        The best starts as they ended, the best first, and their figures.
    """

    object: np.ndarray
    support: np.ndarray
    figures: dict[str, float]
    errors: np.ndarray
    iterations: int
    kept: Starts
    notes: tuple[str, ...] = ()
    blur: Blur | None = None
    blurred: bool = False
    runs: list[dict[str, float]] = field(default_factory=list)
    kept_figures: list[dict[str, float]] = field(default_factory=list)


def refine(
    data: Diffraction,
    starts: Starts,
    refinement: Refinement,
    stage: str = "refine",
    keep: int = 1,
    coherence: Coherence = "as it is",
    uniform: float = 0.0,
    compare: int = 1,
) -> Generator[Progress, None, Phased]:
    """Phase all starts as `refinement` says; yields `Progress` after every iteration and returns the best.

    The best has the lowest held-out Poisson likelihood, or the lowest chi² when nothing is held out.  The error that is
    reported on the way is the lowest chi² of all starts as the iteration began.  Closing the generator cancels.  A GPU that
    runs out of memory begins anew with fewer starts at a time, and at last on the CPU.

    `stage` is what the progress is reported as, `keep` how many starts are left at least and handed back whole, or `compare` if
    more are left.  Where light is only partly coherent, or there is a background, what projections aim at stays `as it is` in
    `data`, or is made anew from the objects every few iterations, with the blur `given` there, or one that is estimated too, of
    the shape that is named.  Where the widest modes of objects hang on pixels that nobody measured, likelihoods alone do not tell
    starts apart: they are divided by how uniform amplitudes are, raised to `uniform` (see `scoring.uniformities`).

    Raises
    ------
    InputError
        If the starts have another shape than the data, or the computer's memory runs out.
    """
    given = [starts]
    del starts
    while True:
        try:
            run = _Run(refinement, data, stage, keep, coherence, uniform, compare)
            return (yield from _begun(run, data, given))
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error):
                raise
        data.make_room()  # what the error held is let go before


def _begun(run: _Run, data: Diffraction, given: list[Starts]) -> Generator[Progress, None, Phased]:
    first = [_first(run, data, given[0])]
    if data.device.type == "cpu":
        given.clear()  # the batch has its own; only a GPU's may be needed again
    return (yield from _refine(run, first.pop(), data))


def _first(run: _Run, data: Diffraction, starts: Starts) -> Batch:
    """Return the batch that begins: on the middle of reciprocal space, if a part of the iterations is done there."""
    if not run.coarse:
        return run.batch(data, starts)
    small = data.middle(tuple(fast_size(-(-side // 2)) for side in data.shape))
    return run.batch(small, on_grid(starts, small.shape))


def _refine(run: _Run, batch: Batch, data: Diffraction) -> Generator[Progress, None, Phased]:
    if batch.data is not data:
        yield from run.iterate(batch, run.coarse)
        batch.finish()
        starts = on_grid(batch.starts(range(len(batch))), data.shape)
        del batch  # its memory is given back here
        batch = run.batch(data, starts)
        del starts
    yield from run.iterate(batch, len(run.steps))
    batch.finish()
    run.choose(batch)
    run.conclude(batch)
    runs = batch.figures()
    order = run.order(batch, [one.get("free_llk", one["chi2"]) for one in runs])[: max(run.keep, run.compare)]
    best, kept = order[0], batch.starts(order)
    return Phased(
        object=kept.objects[0],
        support=kept.supports[0],
        figures=runs[best],
        errors=run.errors(best),
        iterations=run.done,
        kept=kept,
        notes=(*data.notes, *run.notes),
        blur=run.blur,
        blurred=run.blurred,
        runs=run.in_order(runs),
        kept_figures=[runs[one] for one in order],
    )


def _size_of_voxels(shape: tuple[int, ...], coarse: tuple[int, ...]) -> tuple[float, float, float]:
    return (shape[0] / coarse[0], shape[1] / coarse[1], shape[2] / coarse[2])


class _Run:
    """What the iterations of a run share, whichever grid they are done on.

    Parameters
    ----------
    refinement, data, stage, keep, coherence, uniform, compare
        As for `refine`.

    Attributes
    ----------
    steps
        The algorithm of every iteration.
    changes
        Iterations after which the algorithm changes.
    widths, outlines
        Iterations after which supports are updated, with the Gaussian's width in voxels, and those of them that outline.
    renewals
        Iterations after which the blur is estimated, and what projections aim at renewed.
    pauses
        Iterations after which the algorithm changes, or the objects or supports are, or anything is renewed.
    sampled
        Iterations after which objects go into the mean from which the last downhill iterations begin as well.
    chosen
        The iterations after which the better of the two goes on alone; 0: there is no mean.
    both
        Whether starts go on from their last objects and from their means.
    turned
        The places in the batch of the starts in their order, once of each the better has been chosen; empty: as they are.
    stops
        Iterations after which the starts are looked at, or anything is changed.
    sought, asked
        The shape of the blur that is estimated (None: none), and after how many iterations objects tell of one without a guess.
    coarse
        How many of them are done on half as many voxels per axis.
    done
        Iterations done.
    blur, blurred
        What lies between the coherent intensity and the measured one, as far as it is known, and whether anything did.
    chi2
        For every iteration, chi² at its beginning of the starts that are left, (steps, S); one tensor, as small ones would lie
        between the volumes that come and go, and hold the memory that these leave.
    """

    def __init__(
        self,
        refinement: Refinement,
        data: Diffraction,
        stage: str,
        keep: int,
        coherence: Coherence,
        uniform: float,
        compare: int,
    ) -> None:
        self.refinement, self.shape, self.stage, self.keep = refinement, data.shape, stage, keep
        self.uniform, self.compare = uniform, compare
        self.coherence, self.blur, self._seeker = coherence, data.blur, Seeker(data.blur)
        self.blurred = self.blur is not None
        self.sought: Shape | None = None if coherence == "as it is" or coherence == "given" else coherence
        self.renews = self.sought is not None or (coherence == "given" and not data.forward.is_plain)
        self.steps = algorithm.parse(refinement.algorithm)
        self.notes: tuple[str, ...] = ()
        if self.sought and data.blur is not None:
            asked, self.steps = len(self.steps), settled(self.steps)
            if more := len(self.steps) - asked:
                self.notes = (f"Went on for {more} iterations, as the light is only partly coherent.",)
        self.coarse = min(refinement.coarse, len(self.steps))
        down = algorithm.tail(self.steps)
        flat = data.blur is None and coherence != "as it is"
        self.widths, self.outlines = support.schedule(refinement.shrink_wrap, len(self.steps), down, flat)
        self.changes = {i for i, pair in enumerate(pairwise(self.steps), 1) if len(set(pair)) > 1}
        renewals = {*range(0, down, RENEWED_EVERY), *range(down, len(self.steps), DOWN)}
        self.renewals = renewals if self.renews else set()
        self.both, self.turned = False, list[int]()
        self.asked = min(algorithm.resting(self.steps), default=down)
        self.done = 0
        self.chi2 = torch.zeros((len(self.steps), 0))
        self.tail = max(self.coarse, algorithm.tail(self.steps))
        self.resting = algorithm.resting(self.steps) if refinement.prune else set()
        self.best_score, self.gained = math.inf, 0
        judged = range(self.tail + JUDGE_EVERY, len(self.steps), JUDGE_EVERY) if refinement.patience else ()
        self.sampled = self._sampled()
        self.chosen = down + support.CLEARED if self.sampled else 0
        self.pauses = self.changes | {*self.widths, refinement.twin_break, *self.renewals, self.chosen}
        stops = {*self.pauses, *self.resting, *judged, *self.sampled, self.coarse, len(self.steps)}
        self.stops = sorted(stops)

    def batch(self, data: Diffraction, starts: Starts) -> Batch:
        """Return starts that are ready to go through the iterations."""
        plan = self.refinement
        return Batch(data, starts, plan.algorithm, self.coherence != "as it is", plan.averages)

    def iterate(self, batch: Batch, last: int) -> Generator[Progress, None, None]:
        """Go on until `last` iterations are done, or more are of no use."""
        scale = (batch.data.modulus.numel() / math.prod(self.shape)) ** (1 / 3)
        total = len(self.steps)
        if not self.done:
            self.chi2 = torch.zeros((total, len(batch)), dtype=torch.float64)
        self._explain(batch)
        while self.done < last:
            doing = rule(self.steps[self.done], self.refinement)
            stop = min(last, *(step for step in self.stops if step > self.done))
            begin, again = self.done, stop not in self.pauses and stop < last
            chi2 = batch.iterate(doing, stop - begin, again)
            step = self.done = begin + len(chi2)
            self.chi2[begin:step] = chi2
            if step in self.sampled:
                batch.sample()
            errors, best = self._of_starts(chi2), int(chi2[-1].argmin())
            for i, row in enumerate(errors[:-1], 1):
                yield Progress(self.stage, begin + i, total, min(row), row)
            if step == self.refinement.twin_break:
                batch.halve()
            if step == max(self.sampled, default=0):
                batch.average()
                self.chi2, self.both = self.chi2.repeat(1, 2), True
            if step == self.chosen < len(self.steps):
                self.choose(batch)
                best = self._best()
            if step in self.widths:
                self._wrap(batch, step, scale)
            if step in self.renewals:
                self._explain(batch)
            if self._stalls(batch, step):
                note = f"Stopped after {step} of {total} iterations: the last gained nothing."
                self.notes = (*self.notes, note)
                last = total = step
            elif self._prunes(batch, step):
                best = 0
            size = _size_of_voxels(self.shape, batch.data.shape)
            yield Progress(
                self.stage, step, total, min(errors[-1]), errors[-1], Best(weakref.ref(batch), best, size)
            )

    def _of_starts(self, chi2: torch.Tensor) -> list[tuple[float, ...]]:
        """Return the errors of every start: where it goes on from its mean too, the lower one."""
        if self.both:
            chi2 = chi2.unflatten(1, (2, -1)).amin(1)
        return [tuple(self.in_order(row)) for row in chi2.tolist()]

    def in_order(self, of_starts: list[_Each]) -> list[_Each]:
        """Return what there is of every start of the batch in the order of the starts."""
        return [of_starts[place] for place in self.turned] or of_starts

    def order(self, batch: Batch, scores: list[float]) -> list[int]:
        """Return the starts from the best to the worst."""
        if self.uniform:
            flat = np.power(batch.uniformities(), self.uniform)
            # an object that vanished comes last
            scores = np.divide(scores, flat, out=np.full(len(flat), math.inf), where=flat > 0).tolist()
        return ranking(scores)

    def choose(self, batch: Batch) -> None:
        """Keep of every start what went on from its last object or what did from the mean, whichever is the better."""
        if not self.both:
            return
        order, starts = self.order(batch, batch.scores()), len(batch) // 2
        better = sorted(min(one, one + starts, key=order.index) for one in range(starts))
        batch.keep(better)
        self.turned = sorted(range(starts), key=lambda place: better[place] % starts)
        self.chi2, self.both = self.chi2[:, better], False

    def _sampled(self) -> set[int]:
        """Return iterations of the last HIO or its like, if downhill ones follow."""
        last = algorithm.tail(self.steps)
        if not self.refinement.averaged or last == len(self.steps):
            return set()
        begun = (step for step in (*self.changes, self.refinement.twin_break) if step < last)
        first = max(last - self.refinement.averaged, self.coarse, *begun, 0)
        return set(range(last, first, -SAMPLED_EVERY))

    def _wrap(self, batch: Batch, step: int, scale: float) -> None:
        """Update the supports: at last by the crystal's outline, which does not hang on one bright voxel."""
        wrap = self.refinement.shrink_wrap
        if step in self.outlines:
            batch.outline(support.OUTLINE_SIGMA, wrap.outline)
        else:
            batch.shrink_wrap(scale * self.widths[step], wrap.threshold)

    def _explain(self, batch: Batch) -> None:
        """Estimate how coherent the light is, if objects tell, and renew what projections aim at."""
        if not self.renews:
            return
        if self.sought and self._tells():
            told = batch.blur(self._best(), self.blur, self.sought)
            self.blur = known(self._seeker.further(told))
            self.blurred = self.blurred or self.blur is not None
            self._seeker = Seeker(None) if self.blur is None else self._seeker
        batch.explain(self.blur)

    def conclude(self, batch: Batch) -> None:
        """Estimate how coherent the light was from what was found, and judge it by that; what was not refined tells nothing."""
        if self.sought and (self.steps or self.blur is not None):
            self.blur = known(batch.blur(self._best(), self.blur, self.sought))
        if self.renews:
            batch.explain(self.blur, renew=False)

    def _tells(self) -> bool:
        """Whether objects are as good as they can be for now: those that a guess brought, and what downhill steps left.

        What the first of these make of random phases is not: any blur explains wrong objects better, and keeps them wrong.
        """
        if self.blur is None and self.done < self.asked:
            return False
        before = self.steps[max(0, self.done - DOWN) : self.done]
        return self.blur is not None if not before else all(name in algorithm.DOWNHILL for name in before)

    def _best(self) -> int:
        """Return the start that fits best."""
        return int(self.chi2[self.done - 1].argmin()) if self.done else 0

    def errors(self, start: int) -> np.ndarray:
        """Return the errors of one of the starts that are left."""
        return self.chi2[: self.done, start].numpy().astype(np.float32)

    def _prunes(self, batch: Batch, step: int) -> bool:
        """Drop the worse half of the starts where it is time to."""
        left = max(self.keep, -(-len(batch) // 2))
        if step not in self.resting or left >= len(batch):
            return False
        better = sorted(self.order(batch, batch.scores())[:left])
        batch.keep(better)
        self.chi2 = self.chi2[:, better]
        return True

    def _stalls(self, batch: Batch, step: int) -> bool:
        """Whether the best start gained nothing in the last iterations, though they were only downhill."""
        patience, done = self.refinement.patience, step - self.tail
        if not patience or done <= 0 or done % JUDGE_EVERY or step == len(self.steps):
            return False
        score = min(batch.scores())
        if score < (1 - GAIN) * self.best_score:
            self.best_score, self.gained = score, step
        return step - self.gained >= patience

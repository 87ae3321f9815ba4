"""The iterations of a run, from starts to the best object."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
import torch

from ..recipe import Refinement
from ..reconstruction import Progress
from . import algorithm, support
from .batch import Batch, Starts
from .diffraction import Diffraction, ran_out_of_memory
from .figures import ranking

PREVIEW_EVERY = 25
"""Iterations between two previews."""


@dataclass(frozen=True, eq=False)
class Phased:
    """The best of all starts.

    Parameters
    ----------
    object, support
        complex64 and bool (N0, N1, N2), centred; the object is exactly zero outside the support.
    figures
        ``chi2``, ``llk``, ``free_llk`` (absent when nothing is held out), ``support_fraction`` (see `figures.figures`).
    errors
        float32, chi² of the chosen start at the beginning of every iteration.
    iterations
        Iterations done.
    notes
        What a person should know, such as that the GPU ran out of memory.
    runs
        Figures of every start.
    kept
        The best starts as they ended, the best first.
    """

    object: np.ndarray
    support: np.ndarray
    figures: dict[str, float]
    errors: np.ndarray
    iterations: int
    kept: Starts
    notes: tuple[str, ...] = ()
    runs: list[dict[str, float]] = field(default_factory=list)


def refine(
    data: Diffraction, starts: Starts, refinement: Refinement, stage: str = "refine", keep: int = 1
) -> Generator[Progress, None, Phased]:
    """Phase all starts as `refinement` says; yields `Progress` after every iteration and returns the best.

    The best has the lowest held-out Poisson likelihood, or the lowest chi² when nothing is held out.  The error that is
    reported on the way is the lowest chi² of all starts as the iteration began.  Closing the generator cancels.  A GPU that
    runs out of memory hands the job over to the CPU, which begins anew.  `stage` is what the progress is reported as,
    `keep` how many starts are handed back whole.

    Raises
    ------
    InputError
        If the algorithm cannot be read, the starts have another shape than the data, or the computer's memory runs out.
    """
    steps = algorithm.parse(refinement.algorithm)
    try:
        batch = Batch(data, starts)
        if data.device.type == "cpu":
            del starts  # the batch has its own; only a GPU's may be needed again
        return (yield from _refine(batch, refinement, steps, stage, keep))
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        data.fall_back()
    return (yield from _refine(Batch(data, starts), refinement, steps, stage, keep))


def _refine(
    batch: Batch, refinement: Refinement, steps: tuple[str, ...], stage: str, keep: int
) -> Generator[Progress, None, Phased]:
    data = batch.data
    widths = support.schedule(refinement.shrink_wrap, len(steps))
    read_every = 1 if data.device.type == "cpu" else 10  # reading a number from a GPU makes it wait
    chi2 = torch.zeros((len(steps), len(batch)), device=data.device)
    error, leader = None, 0
    with batch:
        for step, name in enumerate(steps, 1):
            chi2[step - 1] = batch.iterate(algorithm.rule(name, refinement))
            if step == refinement.twin_break:
                batch.halve()
            if step in widths:
                batch.shrink_wrap(widths[step], refinement.shrink_wrap.threshold)
            if step % read_every == 0:
                leader = int(chi2[step - 1].argmin())
                error = float(chi2[step - 1, leader])
            preview = np.abs(batch.object(leader)) if step % PREVIEW_EVERY == 0 else None
            yield Progress(stage, step, len(steps), error, preview)
        batch.finish()
        runs = batch.figures()
        order = ranking(runs)[:keep]
        kept = Starts(np.stack([batch.object(i) for i in order]), np.stack([batch.support(i) for i in order]))
        best = order[0]
        return Phased(
            object=kept.objects[0],
            support=kept.supports[0],
            figures=runs[best],
            errors=chi2[:, best].cpu().numpy(),
            iterations=len(steps),
            kept=kept,
            notes=data.notes,
            runs=runs,
        )

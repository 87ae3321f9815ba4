"""Many starts on a small grid, generation after generation, in supports that get better.

What decides whether a strained crystal is found is its support.  Random phases find it in a support a voxel too wide, some of
them in a worse one too; the held-out pixels tell which.  The bodies of those (`support.outline`) are better supports than the
one they were found in, and the next random phases begin there.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch

from ..progress import relayed
from ..recipe import Guess, Refinement, ShrinkWrap, algorithm
from ..reconstruction import Progress
from . import support
from .batch import Starts
from .diffraction import Diffraction
from .engine import Phased, refine
from .pattern import AXES
from .starts import random_phases

PARENTS = 6
"""One start in so many hands its body on."""
MARGINS = (0, 1)
"""Voxels by which bodies are widened: which is better depends on the crystal, so that both are tried."""


def search(
    data: Diffraction, starts: Starts, choice: Guess, seed: int = 0
) -> Generator[Progress, None, Phased]:
    """Phase all starts as `choice` says and return the last round, the best ``choice.keep`` of which are kept.

    In the first of ``choice.rounds`` rounds every start goes through ``choice.polish``.  Each further round has half as many
    starts as the one before, random phases drawn from `seed` in the bodies of the best of that one.  The best have the lowest
    likelihood of held-out pixels (chi² where none are); rounds are not compared, since a wide support fits the noise better.
    """
    steps = len(algorithm.parse(choice.polish))
    plan = Refinement(algorithm=choice.polish, shrink_wrap=ShrinkWrap(every=0), averaged=0)
    for number in range(choice.rounds):
        last = number + 1 == choice.rounds
        parents = choice.keep if last else max(choice.keep, -(-len(starts) // PARENTS))
        before, total = steps * number, steps * choice.rounds

        def of_all(now: Progress, before: int = before, total: int = total) -> Progress:
            return replace(now, step=before + now.step, total=total)

        found = yield from relayed(refine(data, starts, plan, "guess", parents), of_all)
        if not last:
            bodies = np.concatenate([_bodies(found.kept, choice.outline, margin) for margin in MARGINS])
            starts = random_phases(bodies, max(len(MARGINS), len(starts) // 2), seed + number + 1)
    return found


def _bodies(found: Starts, threshold: float, margin: int) -> np.ndarray:
    objects, supports = (
        torch.from_numpy(np.fft.ifftshift(volumes, AXES)) for volumes in (found.objects, found.supports)
    )
    return np.fft.fftshift(
        support.outline(objects, supports, support.OUTLINE_SIGMA, threshold, margin).numpy(), AXES
    )

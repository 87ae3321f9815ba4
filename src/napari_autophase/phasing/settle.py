"""How coherent the light is, found together with the object: on the small grid on which guesses are polished.

An object that was phased as if the light were coherent explains the counts better with some blur, but less than there is, and
where there is much it is not the right object: near its twin, it is a mixture of both.  So the counts are sharpened with the
blur that was found, further than found, the guess is sought anew in what comes of it, and tells of the blur again.
"""

from __future__ import annotations

from collections.abc import Generator

import torch

from ..recipe import Guess, Refinement
from ..reconstruction import Progress
from .batch import Starts
from .coherence import Blur, Seeker, Widths, estimate, known
from .diffraction import Diffraction
from .engine import Phased, refine
from .forward import Forward, sharpened
from .search import search
from .starts import join, random_phases

ROUNDS = 3
SHARPENING = 12
"""Steps of Richardson and Lucy from the counts."""
WIDTHS = (0.5, 0.8)
"""Pixels: blurs that are tried beside the one that a coherent object tells of, which may be a mixture with its twin."""
CLOSE = 0.03
"""Pixels: estimates that differ by less need no further round."""
DOUBTFUL = 0.2
"""Pixels: below this an estimate from an object that was phased without any blur says that there is none."""


def sharp(data: Diffraction, blur: Blur) -> Diffraction:
    """Return a pattern with the modulus for projections that comes of its counts alone."""
    forward = Forward(blur, data.forward.background)
    return data.or_on_cpu(
        lambda: data.explained(blur, sharpened(data.counts, data.measured >= 0, forward, SHARPENING))
    )


def alike(one: Blur, other: Blur) -> bool:
    """Say whether two blurs are as good as the same."""
    return all(abs(a - b) < CLOSE for a, b in zip(one.sigma_px, other.sigma_px, strict=True))


def told(data: Diffraction, found: Phased, begin: Blur | None) -> Blur:
    """Return the blur with which an object explains the counts best."""
    power = torch.fft.fftn(torch.fft.ifftshift(torch.from_numpy(found.object))).abs().square_()
    return data.or_on_cpu(
        lambda: estimate(
            power.to(data.device), data.counts, data.measured >= 0, begin, data.forward.background
        )
    )


def settle(
    data: Diffraction, found: Phased, shapes: Starts, choice: Guess, scale: Widths, seed: int
) -> Generator[Progress, None, tuple[Phased, Blur | None]]:
    """Return a guess and the blur it was found with; the guess that came in and None, if there is none.

    Parameters
    ----------
    data
        A small pattern.
    found
        What was found in it as if the light were coherent.
    shapes
        Starts that are tried in each round beside what was found before, and in whose supports random phases are.
    choice
        How they are polished.
    scale
        Widths in pixels of the small pattern, over those in pixels of the scan.
    seed
        Of the random phases.
    """
    to_scan = (1 / scale[0], 1 / scale[1], 1 / scale[2])
    seeker = Seeker(None)
    first, now = found, data
    for number in range(ROUNDS + 1):
        found = yield from refine(now, found.kept, Refinement(averaged=0), "guess", choice.keep)
        begin = None if seeker.blur is None else seeker.blur.times(scale)
        blur = told(data, found, begin).times(to_scan)
        if seeker.blur is None and max(blur.sigma_px) < DOUBTFUL:
            return first, None
        if number == ROUNDS or (seeker.blur is not None and alike(blur, seeker.blur)):
            break
        others = [] if seeker.blur is not None else [Blur((width, width, width)) for width in WIDTHS]
        tried = [blur.times(scale) for blur in (seeker.further(blur), *others)]
        once = choice.model_copy(update={"rounds": 1})
        randoms = random_phases(shapes.supports, choice.starts, seed + number + 1)
        best, now, found = yield from _best(data, tried, join([found.kept, shapes, randoms]), once, seed)
        if best:  # what the first object told was wrong
            seeker = Seeker(others[best - 1])
    return found, known(blur)


def _best(
    data: Diffraction, blurs: list[Blur], starts: Starts, choice: Guess, seed: int
) -> Generator[Progress, None, tuple[int, Diffraction, Phased]]:
    """Search in counts that are sharpened with each of some blurs, and return which explains them best, the pattern, and what
    was found.
    """
    results = []
    for blur in blurs:
        found = yield from search(sharp(data, blur), starts, choice, seed)
        results.append(found)
    scores = [found.figures.get("free_llk", found.figures["llk"]) for found in results]
    best = min(range(len(blurs)), key=scores.__getitem__)
    return best, sharp(data, blurs[best]), results[best]

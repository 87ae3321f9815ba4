"""How coherent the light is, found together with the object: on the small grid on which guesses are polished.

An object that was phased as if the light were coherent explains the counts better with some blur, but less than there is, and
where there is much it is not the right object: near its twin, it is a mixture of both.  So the counts are sharpened with the
blur that was found, further than found, the guess is sought anew in what comes of it, and tells of the blur again.  What is found
in counts that are sharpened more and less is refined, and held-out pixels choose.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch

from ..analysis import unevenness
from ..recipe import Guess, Refinement
from ..reconstruction import Progress
from .batch import Starts
from .blur import Blur, Widths
from .coherence import Seeker, estimate, known
from .diffraction import Diffraction
from .engine import Phased, refine
from .forward import Forward, Sharpening
from .search import search
from .starts import join, random_phases

ROUNDS = 3
"""Times that blur and objects are improved in turn."""
SHARPENINGS = (12, 60)
"""Steps of Richardson and Lucy from the counts: few leave much of a wide blur, many find noise where there is little of it."""
WIDE = tuple(Blur((width, width, width)) for width in (0.5, 0.8))
"""Blurs that are tried beside the one that a coherent object tells of, which may be a mixture with its twin."""
NARROW = tuple(
    Blur((sigma[0], sigma[1], sigma[2])) for sigma in np.where(np.eye(3, dtype=bool), 0.8, 0.2).tolist()
)
"""Blurs along one axis, which are tried too where what was found first is doubted."""
RANDOM = 4
"""Random phases at most that are tried with each blur."""
BETTER = 0.02
"""The fraction by which the likelihood of held-out pixels must be lower for more sharpening to be preferred."""
POLISHED = Refinement(averaged=0)
"""What an object goes through before it tells of the blur."""
CLOSE = 0.03
"""Pixels: estimates that differ by less need no further round."""
DOUBTFUL = 0.2
"""Pixels: below this an estimate from an object that was phased without any blur says that there is none."""
EVEN = 0.1
"""The amplitude of an object that was phased without any blur differs by less only if there is none.

Of 14 simulated crystals in light blurred by 0.5 and 0.8 pixels it differed by 0.14 to 0.33 of its mean, of 3 in coherent light
that were found by 0.03 to 0.07."""


def sharp(data: Diffraction, blur: Blur, steps: int = SHARPENINGS[0]) -> Diffraction:
    """Return a pattern with the modulus for projections that comes of its counts alone, by so many steps."""
    forward = Forward(blur, data.forward.background)

    def compute() -> Diffraction:
        fitted, blurs = data.measured >= 0, data.backend.blurring
        return data.explained(blur, Sharpening(data.counts, fitted, forward, blurs).sharpened([1.0] * steps))

    return data.or_on_cpu(compute)


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
    data: Diffraction,
    found: Phased,
    shapes: Starts,
    choice: Guess,
    scale: Widths,
    seed: int,
    doubted: bool = False,
    others: tuple[Blur, ...] = WIDE,
    anyhow: bool = False,
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
    doubted
        Whether a blur is sought even if what was found tells of none, unless it is even: where there is a wide one, thorough
        searches find objects that explain the counts nearly without it.
    others
        Blurs, in pixels of the scan, that are tried beside the one that it tells of.
    anyhow
        Whether a blur is sought in any case.
    """
    coherent = yield from refine(data, found.kept, POLISHED, "guess", choice.keep)
    to_scan = (1 / scale[0], 1 / scale[1], 1 / scale[2])
    blur = told(data, coherent, None).times(to_scan)
    first = blur if max(blur.sigma_px) >= DOUBTFUL else None
    if first is None and not anyhow and (not doubted or unevenness(coherent.object, coherent.support) < EVEN):
        return found, None
    ends = [coherent]
    for steps in SHARPENINGS:
        seeking = _Seeking(data, shapes, choice, scale, seed, steps, others)
        ends.append((yield from seeking.settled(coherent, first)))
    end = ends[0]
    for other in ends[1:]:
        end = other if _score(other) < (1 - BETTER) * _score(end) else end
    if end is coherent or end.blur is None or (settled := known(end.blur.times(to_scan))) is None:
        return found, None
    return end, settled


def _score(found: Phased) -> float:
    return found.figures.get("free_llk", found.figures["llk"])


@dataclass(frozen=True)
class _Seeking:
    """The search for a guess and a blur with counts that are sharpened by so many `steps`.

    `others` are tried first, beside the blur that a coherent object tells of; the rest as for `settle`.
    """

    data: Diffraction
    shapes: Starts
    choice: Guess
    scale: Widths
    seed: int
    steps: int
    others: tuple[Blur, ...]

    def settled(self, coherent: Phased, first: Blur | None) -> Generator[Progress, None, Phased]:
        """Return the guess, refined with the blur that goes with it, which is in pixels of the small pattern.

        Parameters
        ----------
        coherent, first
            What was found as if the light were coherent, and the blur in pixels of the scan that it tells of, if it does.
        """
        seeker, to_scan = Seeker(None), (1 / self.scale[0], 1 / self.scale[1], 1 / self.scale[2])
        found, blur = coherent, first
        for number in range(ROUNDS):
            own = () if blur is None else (seeker.further(blur),)
            tried = own if number else (*own, *self.others)
            best, now, found = yield from self._best(tried, found, number + 1)
            if best >= len(own):  # what the first object told was wrong
                seeker = Seeker(tried[best])
            assert seeker.blur is not None
            found = yield from refine(now, found.kept, POLISHED, "guess", self.choice.keep)
            blur = told(now, found, now.blur).times(to_scan)
            if alike(blur, seeker.blur):
                break
        assert blur is not None
        light = self.data.explained(known(blur.times(self.scale)))
        return (yield from refine(light, found.kept, Refinement(), "guess", self.choice.keep, "gaussian"))

    def _best(
        self, blurs: tuple[Blur, ...], found: Phased, number: int
    ) -> Generator[Progress, None, tuple[int, Diffraction, Phased]]:
        """Search in counts that are sharpened with each of some blurs, and return which explains them best, the pattern, and
        what was found.
        """
        randoms = random_phases(self.shapes.supports, min(self.choice.starts, RANDOM), self.seed + number)
        starts = join([found.kept, self.shapes, randoms])
        once = self.choice.model_copy(update={"rounds": 1})
        patterns = [sharp(self.data, blur.times(self.scale), self.steps) for blur in blurs]
        results = []
        for pattern in patterns:
            results.append((yield from search(pattern, starts, once, self.seed)))
        best = min(range(len(blurs)), key=lambda k: _score(results[k]))
        return best, patterns[best], results[best]

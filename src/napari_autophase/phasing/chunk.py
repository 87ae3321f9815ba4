"""Some starts that are worked on together, in FFT order on one device."""

from __future__ import annotations

import torch

from . import coherence, forward, gradient, scoring, support
from .blur import Blur
from .coherence import Shape
from .diffraction import Diffraction
from .iterations import Gradient, Iterations, Rule


class Chunk:
    """Objects and supports, and the iterations of the rule that they go through.

    Parameters
    ----------
    objects, supports
        complex64 and bool (P, N0, N1, N2); the objects are the chunk's own from then on, and are scaled to the pattern.
    data
        The pattern.
    """

    def __init__(self, objects: torch.Tensor, supports: torch.Tensor, data: Diffraction) -> None:
        self._objects: torch.Tensor | None = objects
        self.supports, self._data = supports, data
        self._iterations: Iterations | None = None
        self._sharpening: forward.Sharpening | None = None
        self._samples: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._sampled = 0
        self._rescale(objects)

    def __len__(self) -> int:
        return len(self.supports)

    @property
    def objects(self) -> torch.Tensor:
        """The objects as they are now."""
        if self._iterations is not None:
            return self._iterations.objects
        assert self._objects is not None
        return self._objects

    def iterate(self, rule: Rule, count: int = 1, again: bool = True) -> torch.Tensor:
        """Do `count` iterations; returns Σ(|F| − modulus)² before each, float64 (count, P) on the CPU.

        `again` says whether more of the same follow at once.
        """
        if self._iterations is None or self._iterations.rule != rule:
            self._iterations = self._begin(rule)
        return self._iterations.iterate(count, again)

    def _begin(self, rule: Rule) -> Iterations:
        objects, self._objects = self._stop(), None  # they are the iterations' own from here on
        if isinstance(rule, Gradient):
            self._sharpening = None  # nothing is projected, and memory is short
            return gradient.descent(rule, objects, self.supports, self._data)
        return self._data.backend.iterations(objects, self.supports, self._data, rule)

    def _stop(self) -> torch.Tensor:
        """End the iterations of the rule; returns the objects, which are nobody else's then."""
        objects = self._objects = self.objects
        self._iterations = None
        return objects

    def shrink_wrap(self, sigma: float, threshold: float) -> None:
        """Update the supports from the amplitudes."""
        self._confine(support.shrink_wrap(self.objects, sigma, threshold))

    def outline(self, sigma: float, threshold: float) -> None:
        """Update the supports by the outlines of what is inside them."""
        self._confine(support.outline(self.objects * self._reach, self.supports, sigma, threshold))

    def _confine(self, supports: torch.Tensor) -> None:
        self.supports = supports
        if self._iterations is not None:
            self._iterations.confine(supports)

    def sample(self) -> None:
        """Let the objects of now, cut by their supports, be part of the next mean."""
        inside = self.objects[self.supports]
        self._sampled += 1
        if self._samples and self._samples[-1][0] is self.supports:
            self._samples[-1][1].add_(inside)
        else:
            self._samples.append((self.supports, inside))

    def average(self) -> Chunk:
        """Return another chunk, with the means of the objects that were sampled.

        HIO and its like walk about the solution; where the data say little, each of their objects is another one.
        """
        objects = torch.zeros_like(self.objects)
        for supports, total in self._samples:
            objects[supports] += total / self._sampled
        self._samples, self._sampled = [], 0
        return Chunk(objects, self.supports, self._data)

    def explain(self, blur: Blur | None, renew: bool) -> None:
        """Take the light to be as coherent as `blur` says.

        If projections are to `renew` what they aim at, it comes of the intensity of each object.
        """
        aims = None
        model = forward.Forward(blur, self._data.forward.background)
        if model.is_plain and self._data.forward.is_plain:
            return
        if renew and not model.is_plain:
            sides = self._data.lit
            if self._sharpening is None or self._sharpening.forward.blur is not blur:
                counts, modulus = (
                    coherence.middle(v, sides) for v in (self._data.counts, self._data.measured)
                )
                blurs = self._data.backend.blurring
                self._sharpening = forward.Sharpening(counts, modulus >= 0, model.within(sides), blurs)
            aims = self._sharpening.renewed(self._intensity(sides))
            aims = aims if len(self) > 1 else aims[0]
        self._stop()
        self._data = self._data.explained(blur, aims)

    def blur(self, index: int, begin: Blur | None, shape: Shape) -> Blur:
        """Return the blur with which one of the objects explains the counts best: see `coherence.estimate`."""
        sides = coherence.sought(self._data.shape)
        counts, modulus = (coherence.middle(v, sides) for v in (self._data.counts, self._data.measured))
        dark = self._data.forward.within(sides).background
        return coherence.estimate(
            self._intensity(sides, [index])[0], counts, modulus >= 0, begin, dark, shape
        )

    def _intensity(self, sides: tuple[int, ...], which: list[int] | None = None) -> torch.Tensor:
        """Return the coherent intensity of objects in the middle of the pattern."""
        chosen = slice(None) if which is None else which
        whole = self._data.backend.intensities
        return coherence.intensity(self.objects[chosen], self._reach[chosen], sides, whole)

    def halve(self) -> None:
        """Empty one half of every support, once."""
        self._stop().mul_(support.half(self.supports))

    def finish(self) -> None:
        """Project the objects onto their supports, which gradient steps may have extended at the end."""
        self.supports = self._reach
        self._stop().mul_(self.supports)

    def figures(self) -> list[dict[str, float]]:
        """Return the figures of every object."""
        return scoring.figures(self._stop(), self.supports, self._data)

    def scores(self) -> list[float]:
        """Return what every object is judged by, cut by its support as `finish` would cut it."""
        return scoring.scores(self.objects * self._reach, self._data)

    def uniformities(self) -> list[float]:
        """Return how uniform the amplitude of every object is within its support."""
        return scoring.uniformities(self.objects, self._reach)

    def score(self, index: int) -> float:
        """Return what one object is judged by likewise."""
        data = self._data.of_some([index]) if self._data.modulus.ndim > 3 else self._data
        one = slice(index, index + 1)
        return scoring.scores(self.objects[one] * self._reach[one], data)[0]

    def keep(self, chosen: list[int]) -> None:
        """Go on with some of the objects; the others were part of what iterations remember, which begin anew."""
        if len(chosen) < len(self):
            self._objects = self._stop()[chosen]
            self.supports = self.supports[chosen]
            if self._data.modulus.ndim > 3:
                self._data = self._data.of_some(chosen)

    @property
    def _reach(self) -> torch.Tensor:
        return self.supports if self._iterations is None else self._iterations.reach

    def _rescale(self, objects: torch.Tensor) -> None:
        """Scale objects so that their moduli fit the measured ones best: by Σ m|F| / Σ |F|² over the fitted pixels."""
        sums = self._data.backend.sums(objects, self._data)
        factors = [found.overlap / found.power if found.power > 0 else 1.0 for found in sums]
        objects *= torch.tensor(factors, dtype=torch.float32).to(objects.device).view(-1, 1, 1, 1)

"""Intensities that are blurred again and again, and the steps of Richardson and Lucy, which look for what was blurred.

Each is a step of expectation and maximisation of the Poisson likelihood, I ← I·K(n/(KI + b))/K1, with K the blur over the fitted
pixels (Richardson, J. Opt. Soc. Am. 62, 55 (1972); Lucy, Astron. J. 79, 745 (1974)).

All arrays are in FFT order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from .blur import Blur
from .pattern import TINY

FLOOR = 0.1
"""Photons: the least expected count that counts are divided by."""
LARGEST = 4.0
"""The most that one step multiplies an intensity by."""


class Blurring(ABC):
    """A blur of volumes of one shape that is ready to be done often."""

    @abstractmethod
    def __call__(self, volume: torch.Tensor) -> torch.Tensor:
        """Return volumes, float32 (..., N0, N1, N2), blurred."""

    def explain(
        self,
        light: torch.Tensor,
        counts: torch.Tensor,
        dark: torch.Tensor | None,
        weight: torch.Tensor | None,
        lengths: Sequence[float],
    ) -> torch.Tensor:
        """Return coherent intensities that explain counts better, by Richardson and Lucy's steps.

        Parameters
        ----------
        light
            Where they begin, float32 (..., N0, N1, N2).
        counts
            float32 (N0, N1, N2), 0 where nothing is known.
        dark
            The background, float32, of the same shape or without axes; None: there is none.
        weight
            How much of a pixel's light falls on known pixels, same shape; None: all of it.
        lengths
            How far each step goes: 1 is a step of Richardson and Lucy, 2 goes twice as far.
        """
        found = light.clone()
        for length in lengths:
            # bounded, as blurs that are sampled have small negative parts
            expected = self(found).clamp_(min=0)
            expected = expected if dark is None else expected.add_(dark)
            factor = self(torch.div(counts, expected.clamp_(min=FLOOR), out=expected).clamp_(max=LARGEST))
            if weight is not None:
                factor.div_(weight)
            if length != 1:
                factor.sub_(1).mul_(length).add_(1)
            found.mul_(factor.clamp_(0, LARGEST)).clamp_(min=float(TINY))
        return found


class Transformed(Blurring):
    """A blur by transforms, on any device."""

    def __init__(self, blur: Blur, shape: tuple[int, ...], device: torch.device) -> None:
        self._blurred = blur.ready(shape, device)

    def __call__(self, volume: torch.Tensor) -> torch.Tensor:
        """Return volumes blurred."""
        return self._blurred(volume)


class Unblurred(Blurring):
    """No blur at all, as of light on a background alone."""

    def __call__(self, volume: torch.Tensor) -> torch.Tensor:
        """Return a copy."""
        return volume.clone()

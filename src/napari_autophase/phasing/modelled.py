"""The Poisson likelihood of a pattern of partly coherent light on a background, exactly: see `likelihood` and `forward`.

With q = K|F|² + b expected photons, K being the blur and b the background, the derivative by the coherent intensity is K applied
to the derivative by q, as K is its own adjoint; along a direction D the expected counts are a parabola,
K|F|² + b + t·K(2 Re F*D) + t²·K|D|², so that their slope at any step costs no transform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .forward import Forward
from .iterations import Iterations, Relaxation
from .likelihood import Likelihood, LikelihoodByTransforms, power
from .need import Need
from .pattern import AXES, TINY, Pattern, target, total
from .sums import Sums

if TYPE_CHECKING:
    from .backend import Backend


class ModelledBackend:
    """Another backend, in whose place plain torch computes what asks of blur and background; see `backend.Backend`.

    Parameters
    ----------
    inner
        The other one.
    forward
        What lies between the coherent intensity and the measured one.
    measured, apart
        The modulus that was measured, and that without the background (see `pattern`); that of the patterns it is asked about is
        one of coherent light.
    """

    def __init__(self, inner: Backend, forward: Forward, measured: torch.Tensor, apart: torch.Tensor) -> None:
        self._inner, self._forward, self._measured, self._apart = inner, forward, measured, apart
        self.name, self.device = inner.name, inner.device
        self.project, self.starts_at_once = inner.project, inner.starts_at_once
        self.workers = inner.workers
        self.intensities, self.sums_of_intensities = inner.intensities, inner.sums_of_intensities
        self.blurring = inner.blurring

    def iterations(
        self, objects: torch.Tensor, supports: torch.Tensor, pattern: Pattern, rule: Relaxation
    ) -> Iterations:
        """Begin iterations of a rule, which project onto the modulus of coherent light."""
        return self._inner.iterations(objects, supports, pattern, rule)

    def likelihood(
        self,
        objects: torch.Tensor,
        reach: torch.Tensor,
        pattern: Pattern,  # noqa: ARG002 - its modulus is not the measured one
        floor: float,
    ) -> Likelihood:
        """Return the likelihood of some objects, exactly."""
        return ModelledLikelihood(objects, reach, self._measured, floor, self._forward)

    def sums(self, objects: torch.Tensor, pattern: Pattern, deviances: bool = False) -> list[Sums]:
        """Return the sums of objects: of their blurred intensity, and the errors and deviances with the background."""
        light = self._forward.blurred(self.intensities(objects, objects != 0)).clamp_(min=0)
        dark = self._forward.background
        if dark is None:
            return self.sums_of_intensities(light, self._measured, pattern, deviances)
        every = self.sums_of_intensities(light + dark, self._measured, pattern, deviances)
        alone = self.sums_of_intensities(light, self._apart, pattern)
        return [
            one._replace(overlap=its.overlap, power=its.power) for one, its in zip(every, alone, strict=True)
        ]

    def need(self, gradients: bool, blurred: bool) -> Need:  # noqa: ARG002 - it is
        """Return the memory that phasing takes, where starts have a modulus each and intensities are blurred."""
        return self._inner.need(gradients, blurred=True)


class ModelledLikelihood(LikelihoodByTransforms):
    """See `likelihood.Likelihood`; on any device."""

    def __init__(
        self,
        objects: torch.Tensor,
        reach: torch.Tensor,
        modulus: torch.Tensor,
        floor: float,
        forward: Forward,
    ) -> None:
        super().__init__(objects, reach, modulus, floor)
        self._forward = forward
        self._begin = self._linear = self._square = self._modulus

    def derivative(self, far: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return derivative and squared errors."""
        expected = self._forward(power(self._field))
        modulus, fits = target(self._modulus, expected)
        squared_errors = total(torch.where(fits, expected.sqrt() - modulus, 0).square_())
        ratio = modulus.square() / (expected + self._floor).clamp_(min=float(TINY))
        factor = torch.where(far.view(-1, 1, 1, 1), 2 - 2 * ratio.sqrt(), 1 - ratio)
        del ratio
        by_intensity = self._forward.blurred(torch.where(fits, factor, 0))
        del factor, fits
        # without a factor: the adjoint of the unnormalised transform
        by_object = torch.fft.ifftn(self._field * by_intensity, dim=AXES, norm="forward")
        self._begin = expected
        return self.inside(by_object) * self._reached, squared_errors

    def look_along(self, direction: torch.Tensor) -> None:
        """Look along another direction."""
        super().look_along(direction)
        here, way = self._field, self._way
        self._linear = self._forward.blurred(2 * (here.real * way.real + here.imag * way.imag))
        self._square = self._forward.blurred(power(way))

    def slope(self, step: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
        """Return the slope along the direction."""
        far, step = far.view(-1, 1, 1, 1), step.to(self._begin.dtype).view(-1, 1, 1, 1)
        expected = (self._begin + step * self._linear + step.square() * self._square).clamp_(min=0)
        rise = self._linear + 2 * step * self._square
        modulus, fits = target(self._modulus, expected)
        expected = expected.add_(self._floor).clamp_(min=float(TINY))
        ratio = modulus.square() / expected
        ratio = torch.where(far, ratio.sqrt(), ratio)
        rest = torch.where(far, 2 - 2 * ratio, 1 - ratio)
        first = total(torch.where(fits, rise * rest, 0))
        fisher = rise.square_().div_(expected)
        second = (2 * self._square).mul_(rest).add_(ratio.mul_(fisher))
        return torch.stack([first, *(total(torch.where(fits, one, 0)) for one in (second, fisher))])

    def go(self, step: torch.Tensor) -> None:
        """Move the objects along the direction."""
        super().go(step)
        step = step.to(self._begin.dtype).view(-1, 1, 1, 1)
        self._begin = (self._begin + step * self._linear + step.square() * self._square).clamp_(min=0)
        self._linear = self._linear + 2 * step * self._square

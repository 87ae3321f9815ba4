"""Gradient refinement: the object follows the derivative of an objective through the Fourier transform.

Two ways, written in an algorithm as ADAM and CG beside ER, HIO and RAAR; an iteration of ADAM costs two transforms, and one of CG
two looks along a line more.  Both hold derivatives as ``∂J/∂ρ*`` = ½(∂J/∂Re ρ + i ∂J/∂Im ρ).
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch.nn import functional

from . import likelihood, support
from .algorithm import Gradient
from .diffraction import AXES, Diffraction

FAINTEST = 0.05
"""A soft support ends where its weight falls below this."""
FAR = 1.0
"""Photons: objects whose moduli miss by more than this in the mean square are far from the data (noise leaves ¼)."""
FLOOR = 0.1
"""Photons: the floor of expected counts.  With less the object follows lone photons, with more it loses faint fringes."""
_ROW = 1024


class Descent(Protocol):
    """What goes on between two gradient steps of some objects."""

    rule: Gradient
    reach: torch.Tensor
    """bool (P, N0, N1, N2): where the objects may be other than zero."""

    def step(self) -> torch.Tensor:
        """Do one iteration of every object; returns Σ(|F| − modulus)² before it, (P,)."""

    def confine(self, supports: torch.Tensor) -> None:
        """Go on with other supports."""

    def put(self) -> None:
        """Write the objects into the volumes that they came from."""


def descent(rule: Gradient, objects: torch.Tensor, supports: torch.Tensor, data: Diffraction) -> Descent:
    """Begin to descend as `rule` says from `objects`, complex64 (P, N0, N1, N2) in FFT order, which `put` changes in place."""
    return (Adam if rule.name == "ADAM" else ConjugateGradients)(objects, supports, data, rule)


class Adam:
    """Kingma and Ba's Adam (arXiv:1412.6980) on real and imaginary parts.

    The refinement of Chan et al., Appl. Phys. Rev. 8, 021407 (2021), doi:10.1063/5.0031486: the loss is Σ(|F| − √n)² in units of
    the largest modulus squared, and the object is in units of its largest amplitude.  But for a constant that is half the cost
    of the amplitudes (see `likelihood`) without a floor, and its derivative by real and imaginary parts is that of the cost.

    Parameters
    ----------
    objects, supports
        complex64 and bool (P, N0, N1, N2), FFT order.
    rule
        Its `rate` is the step per iteration as a fraction of the largest amplitude.
    """

    DECAY, DECAY_OF_SQUARES, EPSILON = 0.9, 0.999, 1e-8

    def __init__(
        self, objects: torch.Tensor, supports: torch.Tensor, data: Diffraction, rule: Gradient
    ) -> None:
        self.objects, self.data, self.rule = objects, data, rule
        self.largest = objects.abs().amax(dim=AXES).view(-1, 1, 1)
        self.unit = self.largest / data.modulus.max().square()
        self.steps = 0
        self.reach, self.cost = self._begin(supports)
        self.mean = torch.zeros_like(self.cost.rows)
        self.mean_square = torch.zeros_like(self.mean)
        self.far = torch.ones(len(objects), dtype=torch.bool, device=objects.device)
        self.whole = torch.ones(len(objects), device=objects.device)

    def confine(self, supports: torch.Tensor) -> None:
        """Go on with other supports, keeping the momentum of what stays."""
        self.put()
        before, (self.reach, self.cost) = self.cost, self._begin(supports)
        inside, volumes = self.cost.inside(supports), torch.zeros_like(self.objects)
        before.spread(self.mean, volumes)
        self.mean = self.cost.inside(volumes) * inside
        before.spread(self.mean_square, volumes)
        self.mean_square = self.cost.inside(volumes) * inside

    def _begin(self, supports: torch.Tensor) -> tuple[torch.Tensor, likelihood.Likelihood]:
        self.objects *= supports
        return supports, likelihood.of(self.objects, supports, self.data, 0)

    def put(self) -> None:
        """Write the objects into their volumes."""
        self.cost.spread(self.cost.rows, self.objects)

    def step(self) -> torch.Tensor:
        """Do one iteration; returns the misfits before it."""
        by_object, misfits = self.cost.derivative(self.far)
        derivative = torch.view_as_real(by_object).mul_(self.unit)
        self.steps += 1
        mean, mean_square = torch.view_as_real(self.mean), torch.view_as_real(self.mean_square)
        mean.lerp_(derivative, 1 - self.DECAY)
        mean_square.lerp_(derivative.square_(), 1 - self.DECAY_OF_SQUARES)
        spread = (mean_square / (1 - self.DECAY_OF_SQUARES**self.steps)).sqrt_().add_(self.EPSILON)
        change = (mean / (1 - self.DECAY**self.steps)).div_(spread).mul_(-self.rule.rate * self.largest)
        self.cost.turn(torch.view_as_complex(change))
        self.cost.go(self.whole)
        return misfits


class ConjugateGradients:
    """Preconditioned conjugate gradients on the Poisson likelihood, the support being soft.

    Minimised is the cost of the photons (see `likelihood`; that of the amplitudes as long as an object is `FAR` from the data)
    and ``Σ |ρ|²/a²·(1/w² − 1)``, a penalty that expects amplitudes of w·a where the support's weight w (see `soften`) is below
    1, with a the rms amplitude inside.  So a support a voxel too small still lets the object out, the more the data ask for it.
    The preconditioner is w²; directions are Polak and Ribière's (never a negative factor: Gilbert and Nocedal, SIAM J. Optim.
    2, 21 (1992)); the step along each is found by Newton's method, which costs no transform, |F + αD|² being a parabola in α.

    Parameters
    ----------
    objects, supports
        complex64 and bool (P, N0, N1, N2), FFT order.
    rule
        Its `softness` is the standard deviation of the Gaussian, in voxels.
    """

    def __init__(
        self, objects: torch.Tensor, supports: torch.Tensor, data: Diffraction, rule: Gradient
    ) -> None:
        self.objects, self.data, self.rule = objects, data, rule
        self._begin(supports)

    def confine(self, supports: torch.Tensor) -> None:
        """Begin anew with other supports."""
        self.put()
        self._begin(supports)

    def _begin(self, supports: torch.Tensor) -> None:
        weights = soften(supports, self.rule.softness)
        self.reach = weights > 0
        self.objects *= self.reach
        self.cost = likelihood.of(self.objects, self.reach, self.data, FLOOR)
        here, weight, inside = self.cost.rows, self.cost.inside(weights), self.cost.inside(supports)
        power = _sums(here.abs().square() * inside) / inside.sum(1).clamp(min=1)
        strength = torch.where(power > 1e-30, 1 / power, 0).to(torch.float32)[:, None]
        penalty = strength * torch.where(weight > 0, weight.clamp(min=FAINTEST) ** -2 - 1, 0)
        # real numbers from here on, imaginary parts after real ones: they are quicker to work with
        self.penalty, self.scaling = (
            numbers.repeat_interleave(2, 1) for numbers in (penalty, weight.square())
        )
        self.direction, self.derivative = (torch.zeros_like(self.penalty) for _ in range(2))
        self.length = torch.zeros(len(here), dtype=likelihood.wide(here.device), device=here.device)
        _, misfits = self.cost.derivative(self.length > 0)
        self.far = misfits > FAR * self.data.fitted

    def put(self) -> None:
        """Write the objects into their volumes."""
        self.cost.spread(self.cost.rows, self.objects)

    def step(self) -> torch.Tensor:
        """Do one iteration; returns the misfits before it."""
        by_object, misfits = self.cost.derivative(self.far)
        self._turn(_numbers(by_object).addcmul_(self.penalty, _numbers(self.cost.rows)))
        self.cost.turn(torch.view_as_complex(self.direction.unflatten(1, (-1, 2))))
        self.cost.go(self._along())
        still = self.far & (misfits > FAR * self.data.fitted)
        self.length = torch.where(still == self.far, self.length, 0)  # another cost: directions begin anew
        self.far = still
        return misfits

    def _turn(self, derivative: torch.Tensor) -> None:
        """Find the next direction."""
        downhill = self.scaling * -derivative
        length = -_dot(downhill, derivative)
        change = (length + _dot(downhill, self.derivative)).clamp(min=0)
        factor = torch.where(self.length > 0, change / self.length, 0).to(torch.float32)[:, None]
        direction = self.direction.mul_(factor).add_(downhill)
        uphill = (_dot(direction, derivative) >= 0)[:, None]
        self.direction = torch.where(uphill, downhill, direction)
        self.derivative, self.length = derivative, length

    def _along(self) -> torch.Tensor:
        """Return the step towards the minimum along the direction: two of Newton's."""
        pull = self.penalty * self.direction
        linear, square = 2 * _dot(pull, _numbers(self.cost.rows)), 2 * _dot(pull, self.direction)

        def slope(step: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            first, second, fisher = self.cost.slope(step, self.far)
            curvature = second.maximum(fisher / 2) + square
            first = first + linear + step * square
            return first, torch.where(curvature > 0, first / curvature, 0)

        nothing = torch.zeros_like(linear)
        begin, newton = slope(nothing)
        step = -newton
        first, newton = slope(step)
        # beyond the minimum it lies between, and where the chord is zero if Newton would leave that interval
        beyond = first > 0
        chord = step * begin / torch.where(beyond, begin - first, 1)
        better = step - newton
        better = torch.where(beyond & (better <= 0), chord, better)
        return better.minimum(2 * step)


def soften(supports: torch.Tensor, softness: float) -> torch.Tensor:
    """Return the weights of soft supports, float32 (P, N0, N1, N2): 1 well inside, and 0 a little outside.

    Parameters
    ----------
    supports
        bool (P, N0, N1, N2).
    softness
        Standard deviation in voxels of the Gaussian that blurs them; 0: they stay as they are.
    """
    if softness == 0:
        return supports.to(torch.float32)
    blurred = support.blur(supports.to(torch.float32), softness)
    # never less than 1 inside: the edge is softened outwards only
    return torch.where(supports, 1, torch.where(blurred >= FAINTEST, blurred, 0))


def _numbers(rows: torch.Tensor) -> torch.Tensor:
    """View complex rows (P, V) as real ones, (P, 2V)."""
    return torch.view_as_real(rows).flatten(1)


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the scalar products of rows (P, W)."""
    return _sums(a * b)


def _sums(rows: torch.Tensor) -> torch.Tensor:
    """Return the sums of rows (P, V) in two steps, so that the order of adding does not depend on the number of threads."""
    rows = functional.pad(rows, (0, -rows.shape[1] % _ROW)).view(len(rows), -1, _ROW)
    return rows.sum(2, dtype=likelihood.wide(rows.device)).sum(1)

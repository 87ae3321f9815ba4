"""Gradient refinement: the object follows the derivative of an objective through the Fourier transform.

Two ways, written in an algorithm as ADAM and CG beside ER, HIO and RAAR; an iteration of either costs two transforms.  Both hold
derivatives as ``∂J/∂ρ*`` = ½(∂J/∂Re ρ + i ∂J/∂Im ρ).
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
        """Do one iteration of every object, in place; returns Σ(|F| − modulus)² before it, (P,)."""

    def confine(self, supports: torch.Tensor) -> None:
        """Go on with other supports."""


def descent(rule: Gradient, objects: torch.Tensor, supports: torch.Tensor, data: Diffraction) -> Descent:
    """Begin to descend as `rule` says from `objects`, complex64 (P, N0, N1, N2) in FFT order, which are changed in place."""
    return (Adam if rule.name == "ADAM" else ConjugateGradients)(objects, supports, data, rule)


class Adam:
    """Kingma and Ba's Adam (arXiv:1412.6980) on real and imaginary parts, the derivative by automatic differentiation.

    The refinement of Chan et al., Appl. Phys. Rev. 8, 021407 (2021), doi:10.1063/5.0031486: the loss is Σ(|F| − √n)² in units of
    the largest modulus squared, and the object is in units of its largest amplitude.

    Parameters
    ----------
    objects, supports
        complex64 and bool (P, N0, N1, N2), FFT order; `objects` is changed in place.
    rule
        Its `rate` is the step per iteration as a fraction of the largest amplitude.
    """

    DECAY, DECAY_OF_SQUARES, EPSILON = 0.9, 0.999, 1e-8

    def __init__(
        self, objects: torch.Tensor, supports: torch.Tensor, data: Diffraction, rule: Gradient
    ) -> None:
        self.objects, self.reach, self.data, self.rule = objects, supports, data, rule
        self.largest = objects.abs().amax(dim=AXES).view(-1, 1, 1, 1, 1)
        self.steps = 0
        self.mean = torch.zeros_like(torch.view_as_real(objects))
        self.mean_square = torch.zeros_like(self.mean)

    def confine(self, supports: torch.Tensor) -> None:
        """Go on with other supports, keeping the momentum."""
        self.reach = supports

    def step(self) -> torch.Tensor:
        """Do one iteration; returns the misfits before it."""
        modulus = self.data.modulus
        pairs = torch.view_as_real(self.objects)
        with torch.enable_grad():
            variables = pairs.detach().clone().requires_grad_()
            field = torch.fft.fftn(torch.view_as_complex(variables) * self.reach, dim=AXES)
            squares = torch.where(modulus >= 0, field.abs() - modulus, 0).square().flatten(1)
            (derivative,) = torch.autograd.grad(squares.sum(), variables)
        derivative *= self.largest / modulus.max().square()
        self.steps += 1
        self.mean.lerp_(derivative, 1 - self.DECAY)
        self.mean_square.lerp_(derivative.square_(), 1 - self.DECAY_OF_SQUARES)
        mean = self.mean / (1 - self.DECAY**self.steps)
        spread = (self.mean_square / (1 - self.DECAY_OF_SQUARES**self.steps)).sqrt_()
        pairs -= self.rule.rate * self.largest * mean.div_(spread.add_(self.EPSILON))
        self.objects *= self.reach
        return _sums(squares.detach())


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
        complex64 and bool (P, N0, N1, N2), FFT order; `objects` is changed in place.
    rule
        Its `softness` is the standard deviation of the Gaussian, in voxels.
    """

    def __init__(
        self, objects: torch.Tensor, supports: torch.Tensor, data: Diffraction, rule: Gradient
    ) -> None:
        self.objects, self.data, self.rule = objects, data, rule
        self.confine(supports)

    def confine(self, supports: torch.Tensor) -> None:
        """Begin anew with other supports."""
        weight = soften(supports, self.rule.softness)
        self.reach = weight > 0
        self.objects *= self.reach
        # all of real space happens in the few voxels that some object may fill
        self.voxels = self.reach.any(0).flatten().nonzero().squeeze(1)
        weight, inside = self._inside(weight), self._inside(supports)
        here = self._inside(self.objects)
        power = _sums(here.abs().square() * inside) / inside.sum(1).clamp(min=1)
        strength = torch.where(power > 1e-30, 1 / power, 0).to(torch.float32)[:, None]
        self.penalty = strength * torch.where(weight > 0, weight.clamp(min=FAINTEST) ** -2 - 1, 0)
        self.scaling = weight.square()
        self.field = torch.fft.fftn(self.objects, dim=AXES)
        self.direction = self.derivative = torch.zeros_like(here)
        self.length = torch.zeros(len(here), dtype=likelihood.wide(here.device), device=here.device)
        misfits = likelihood.derivative(self.field, *self._data(self.length > 0))[1]
        self.far = misfits > FAR * self.data.fitted

    def step(self) -> torch.Tensor:
        """Do one iteration; returns the misfits before it."""
        here = self._inside(self.objects)
        by_field, misfits = likelihood.derivative(self.field, *self._data(self.far))
        # without a factor: the adjoint of the unnormalised transform
        by_object = torch.fft.ifftn(by_field, dim=AXES, norm="forward")
        derivative = self._inside(by_object) + self.penalty * here
        self._turn(derivative)
        way = torch.zeros_like(self.objects)
        way.view(len(way), -1)[:, self.voxels] = self.direction
        way = torch.fft.fftn(way, dim=AXES)
        step = self._along(here, way).to(torch.float32)[:, None]
        self.objects.view(len(way), -1)[:, self.voxels] = here + step * self.direction
        torch.view_as_real(self.field).addcmul_(torch.view_as_real(way), step.view(-1, 1, 1, 1, 1))
        still = self.far & (misfits > FAR * self.data.fitted)
        self.length = torch.where(still == self.far, self.length, 0)  # another cost: directions begin anew
        self.far = still
        return misfits

    def objective(self) -> torch.Tensor:
        """Return what is minimised, (P,)."""
        expected, photons = self.field.abs().square(), self.data.modulus.square()
        floored = expected + FLOOR
        near, far = expected - photons * floored.log(), 2 * expected - 4 * (photons * floored).sqrt()
        cost = torch.where(self.far.view(-1, 1, 1, 1), far, near).where(self.data.modulus >= 0, 0)
        return _sums(cost.flatten(1)) + _sums(self.penalty * self._inside(self.objects).abs().square())

    def _turn(self, derivative: torch.Tensor) -> None:
        """Find the next direction."""
        downhill = -self.scaling * derivative
        length = -_dot(downhill, derivative)
        change = (length + _dot(downhill, self.derivative)).clamp(min=0)
        factor = torch.where(self.length > 0, change / self.length, 0).to(torch.float32)[:, None]
        direction = downhill + factor * self.direction
        uphill = (_dot(direction, derivative) >= 0)[:, None]
        self.direction = torch.where(uphill, downhill, direction)
        self.derivative, self.length = derivative, length

    def _along(self, here: torch.Tensor, way: torch.Tensor) -> torch.Tensor:
        """Return the step towards the minimum along the direction, whose transform is `way`: two of Newton's."""
        linear = 2 * _dot(self.penalty * here, self.direction)
        square = 2 * _dot(self.penalty * self.direction, self.direction)

        def slope(step: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            first, second, fisher = likelihood.slope(self.field, way, *self._data(self.far), step)
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

    def _data(self, far: torch.Tensor) -> tuple[torch.Tensor, float, torch.Tensor]:
        return self.data.modulus, FLOOR, far

    def _inside(self, volumes: torch.Tensor) -> torch.Tensor:
        return volumes.flatten(1).index_select(1, self.voxels)


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


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the real scalar products Re Σ a* b of rows (P, V)."""
    return _sums(a.real * b.real + a.imag * b.imag)


def _sums(rows: torch.Tensor) -> torch.Tensor:
    """Return the sums of rows (P, V) in two steps, so that the order of adding does not depend on the number of threads."""
    rows = functional.pad(rows, (0, -rows.shape[1] % _ROW)).view(len(rows), -1, _ROW)
    return rows.sum(2, dtype=likelihood.wide(rows.device)).sum(1)

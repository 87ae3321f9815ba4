"""Gradient refinement: the object follows the derivative of an objective through the Fourier transform.

Two ways, written in an algorithm as ADAM and CG beside ER, HIO and RAAR; an iteration of ADAM costs two transforms, and one of CG
two looks along a line more.  Both hold derivatives as ``∂J/∂ρ*`` = ½(∂J/∂Re ρ + i ∂J/∂Im ρ).
"""

from __future__ import annotations

import torch
from torch.nn import functional

from . import support
from .diffraction import Diffraction
from .iterations import Gradient, Iterations, Rule
from .likelihood import Likelihood
from .pattern import AXES, wide

FAINTEST = 0.05
"""A soft support ends where its weight falls below this."""
FAR = 1.0
"""Photons: objects whose moduli miss by more than this in the mean square are far from the data (noise leaves ¼)."""
FLOOR = 0.1
"""Photons: the floor of expected counts.  With less the object follows lone photons, with more it loses faint fringes."""
_ROW = 1024
"""Numbers that are added up before their sums are: the order is always the same."""


def descent(rule: Gradient, objects: torch.Tensor, supports: torch.Tensor, data: Diffraction) -> Iterations:
    """Begin to descend as `rule` says from `objects`, complex64 (P, N0, N1, N2) in FFT order, which are overwritten."""
    return (Adam if rule.name == "ADAM" else ConjugateGradients)(objects, supports, data, rule)


class Descent:
    """What ADAM and CG have in common; see `iterations.Iterations`.

    Parameters
    ----------
    objects, supports
        complex64 and bool (P, N0, N1, N2), FFT order.
    data
        The pattern.
    rule
        The algorithm's choices.
    """

    reach: torch.Tensor
    cost: Likelihood

    def __init__(
        self, objects: torch.Tensor, supports: torch.Tensor, data: Diffraction, rule: Gradient
    ) -> None:
        self._volumes, self.data, self.choices = objects, data, rule
        self.rule: Rule = rule
        self.begin(supports)

    @property
    def objects(self) -> torch.Tensor:
        """The objects as they are now."""
        self.cost.spread(self.cost.rows, self._volumes)
        return self._volumes

    def iterate(self, count: int = 1, again: bool = False) -> torch.Tensor:  # noqa: ARG002 - nothing is begun beforehand
        """Do `count` iterations; returns Σ(|F| − modulus)² before each."""
        return torch.stack([self.step() for _ in range(count)]).cpu().double()

    def step(self) -> torch.Tensor:
        """Do one iteration; returns Σ(|F| − modulus)² before it, (P,)."""
        raise NotImplementedError

    def begin(self, supports: torch.Tensor) -> None:
        """Set up what goes on between steps."""
        raise NotImplementedError

    def confine(self, supports: torch.Tensor) -> None:
        """Begin anew with other supports."""
        self._volumes = self.objects
        self.begin(supports)

    def look_at(self, reach: torch.Tensor, floor: float) -> None:
        """Cut the objects by where they may be, and set up their likelihood."""
        self.reach = reach
        self._volumes *= reach
        self.cost = self.data.backend.likelihood(self._volumes, reach, self.data, floor)


class Adam(Descent):
    """Kingma and Ba's Adam (arXiv:1412.6980) on real and imaginary parts.

    The refinement of Chan et al., Appl. Phys. Rev. 8, 021407 (2021), doi:10.1063/5.0031486: the loss is Σ(|F| − √n)² in units of
    the largest modulus squared, and the object is in units of its largest amplitude.  But for a constant that is half the cost
    of the amplitudes (see `likelihood`) without a floor, and its derivative by real and imaginary parts is that of the cost.
    The rule's `rate` is the step per iteration as a fraction of the largest amplitude.
    """

    DECAY, DECAY_OF_SQUARES, EPSILON = 0.9, 0.999, 1e-8

    def begin(self, supports: torch.Tensor) -> None:
        """Begin without momentum."""
        objects = self._volumes
        self.largest = objects.abs().amax(dim=AXES).view(-1, 1, 1)
        self.unit = self.largest / self.data.measured.max().square()
        self.steps = 0
        self.look_at(supports, 0)
        self.mean = torch.zeros_like(self.cost.rows)
        self.mean_square = torch.zeros_like(self.mean)
        self.far = torch.ones(len(objects), dtype=torch.bool, device=objects.device)
        self.whole = torch.ones(len(objects), device=objects.device)

    def confine(self, supports: torch.Tensor) -> None:
        """Go on with other supports, keeping the momentum of what stays."""
        self._volumes, before = self.objects, self.cost
        self.look_at(supports, 0)
        inside, volumes = self.cost.inside(supports), torch.zeros_like(self._volumes)
        before.spread(self.mean, volumes)
        self.mean = self.cost.inside(volumes) * inside
        before.spread(self.mean_square, volumes)
        self.mean_square = self.cost.inside(volumes) * inside

    def step(self) -> torch.Tensor:
        """Do one iteration; returns the squared errors before it."""
        by_object, squared_errors = self.cost.derivative(self.far)
        derivative = torch.view_as_real(by_object).mul_(self.unit)
        self.steps += 1
        mean, mean_square = torch.view_as_real(self.mean), torch.view_as_real(self.mean_square)
        mean.lerp_(derivative, 1 - self.DECAY)
        mean_square.lerp_(derivative.square_(), 1 - self.DECAY_OF_SQUARES)
        spread = (mean_square / (1 - self.DECAY_OF_SQUARES**self.steps)).sqrt_().add_(self.EPSILON)
        change = (mean / (1 - self.DECAY**self.steps)).div_(spread).mul_(-self.choices.rate * self.largest)
        self.cost.look_along(torch.view_as_complex(change))
        self.cost.go(self.whole)
        return squared_errors


class ConjugateGradients(Descent):
    """Preconditioned conjugate gradients on the Poisson likelihood, the support being soft.

    Minimised is the cost of the photons (see `likelihood`; that of the amplitudes as long as an object is `FAR` from the data)
    and ``Σ |ρ|²/a²·(1/w² − 1)``, a penalty that expects amplitudes of w·a where the support's weight w (see `soften`) is below
    1, with a the rms amplitude inside.  So a support a voxel too small still lets the object out, the more the data ask for it.
    The preconditioner is w²; directions are Polak and Ribière's (never a negative factor: Gilbert and Nocedal, SIAM J. Optim.
    2, 21 (1992)); the step along each is found by Newton's method, which costs no transform, |F + αD|² being a parabola in α.
    The rule's `softness` is the standard deviation of the Gaussian that softens the support, in voxels.
    """

    def begin(self, supports: torch.Tensor) -> None:
        """Begin without a direction."""
        weights = soften(supports, self.choices.softness)
        self.look_at(weights > 0, FLOOR)
        here, weight, inside = self.cost.rows, self.cost.inside(weights), self.cost.inside(supports)
        power = _sums(here.abs().square() * inside) / inside.sum(1).clamp(min=1)
        strength = torch.where(power > 1e-30, 1 / power, 0).to(torch.float32)[:, None]
        penalty = strength * torch.where(weight > 0, weight.clamp(min=FAINTEST) ** -2 - 1, 0)
        # real numbers from here on, imaginary parts after real ones: they are quicker to work with
        self.penalty, self.scaling = (
            numbers.repeat_interleave(2, 1) for numbers in (penalty, weight.square())
        )
        self.direction, self.derivative = (torch.zeros_like(self.penalty) for _ in range(2))
        self.length = torch.zeros(len(here), dtype=wide(here.device), device=here.device)
        _, squared_errors = self.cost.derivative(self.length > 0)
        self.far = squared_errors > FAR * self.data.fitted

    def step(self) -> torch.Tensor:
        """Do one iteration; returns the squared errors before it."""
        by_object, squared_errors = self.cost.derivative(self.far)
        self._find_direction(_numbers(by_object).addcmul_(self.penalty, _numbers(self.cost.rows)))
        self.cost.look_along(torch.view_as_complex(self.direction.unflatten(1, (-1, 2))))
        self.cost.go(self._along())
        still = self.far & (squared_errors > FAR * self.data.fitted)
        self.length = torch.where(still == self.far, self.length, 0)  # another cost: directions begin anew
        self.far = still
        return squared_errors

    def _find_direction(self, derivative: torch.Tensor) -> None:
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
    return rows.sum(2).sum(1, dtype=wide(rows.device))

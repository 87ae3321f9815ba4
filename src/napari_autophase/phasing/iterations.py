"""Iterations of phase retrieval: ER, HIO and RAAR as relaxations of two projections, and the reference loop.

With P_M the projection onto the measured modulus and p = P_M ρ, an iteration takes the object ρ to

    ρ' = p                   inside the support,
    ρ' = keep·ρ + add·p      outside,

========  ======  ========  =====================================================================================
algorithm   keep       add  equation
========  ======  ========  =====================================================================================
ER             0         0  ρ' = P_S P_M ρ (Gerchberg and Saxton 1972; Fienup, Appl. Opt. 21, 2758 (1982))
HIO            1        −β  ρ − β P_M ρ outside (Fienup 1982, Eq. 44)
RAAR           β   1 − 2β  ½β(R_S R_M + 1)ρ + (1 − β)P_M ρ with R = 2P − 1 (Luke, Inverse Problems 21, 37 (2005), Eq. 2.13)
EHIO           1        −β  HIO of a crystal of uniform density: p has one amplitude inside (`projections.project_uniform`)
========  ======  ========  =====================================================================================

`ReferenceIterations` is that in plain torch, on any device.  What other backends do is compared with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from ..recipe import Refinement
from .pattern import AXES
from .projections import project_modulus, project_support, project_uniform


@dataclass(frozen=True)
class Relaxation:
    """How an iteration relaxes the modulus projection outside the support (see the table of this module)."""

    keep: float
    add: float
    uniform: bool = False

    @property
    def confines(self) -> bool:
        """Whether nothing is left outside the support."""
        return self.keep == self.add == 0


@dataclass(frozen=True)
class Gradient:
    """A gradient step: ADAM with its `rate` (a fraction of the largest amplitude), CG with the support's `softness` (voxels)."""

    name: str
    rate: float = 0.01
    softness: float = 0.0


Rule = Relaxation | Gradient


def relaxation(name: str, beta: float = 0.9) -> Relaxation:
    """Return ER, HIO, RAAR or EHIO with the feedback `beta`."""
    return {
        "ER": Relaxation(0.0, 0.0),
        "HIO": Relaxation(1.0, -beta),
        "RAAR": Relaxation(beta, 1.0 - 2.0 * beta),
        "EHIO": Relaxation(1.0, -beta, uniform=True),
    }[name]


def rule(name: str, refinement: Refinement) -> Rule:
    """Return what an iteration of `name` does, with the choices of `refinement`."""
    if name in ("ADAM", "CG"):
        return Gradient(name, refinement.rate, refinement.softness)
    return relaxation(name, refinement.beta)


class Iterations(Protocol):
    """Some objects while iterations of one rule are done to them.

    Attributes
    ----------
    rule
        What an iteration does.
    objects
        complex64 (P, N0, N1, N2), FFT order: as they are now.
    reach
        bool, same shape: where the objects may stay other than zero when the run ends.
    """

    rule: Rule
    reach: torch.Tensor

    @property
    def objects(self) -> torch.Tensor:
        """The objects as they are now."""

    def iterate(self, count: int = 1, again: bool = False) -> torch.Tensor:
        """Do `count` iterations.

        Parameters
        ----------
        again
            Whether more of the same follow at once.

        Returns
        -------
        torch.Tensor
            float64 (count, P) on the CPU: Σ(|F| − modulus)² before each.
        """

    def confine(self, supports: torch.Tensor) -> None:
        """Go on with other supports."""


class ReferenceIterations:
    """The reference loop; see `Iterations`.

    Parameters
    ----------
    objects, supports
        complex64 and bool (P, N0, N1, N2), FFT order; the objects are overwritten.
    modulus
        float32 (N0, N1, N2), see `pattern`.
    rule
        What an iteration does.
    """

    def __init__(
        self, objects: torch.Tensor, supports: torch.Tensor, modulus: torch.Tensor, rule: Relaxation
    ) -> None:
        self.objects, self.reach, self.modulus = objects, supports, modulus
        self.rule: Rule = rule
        self._relaxation = rule

    def iterate(self, count: int = 1, again: bool = False) -> torch.Tensor:  # noqa: ARG002 - nothing is begun beforehand
        """Do `count` iterations; returns Σ(|F| − modulus)² before each, float64 (count, P) on the CPU."""
        squared_errors = torch.stack([self._step() for _ in range(count)])
        return squared_errors.cpu().double()  # in this order: not every device knows double precision

    def _step(self) -> torch.Tensor:
        field = torch.fft.fftn(self.objects, dim=AXES)
        squared_error = project_modulus(field, self.modulus)
        projected = torch.fft.ifftn(field, dim=AXES)
        del field  # its memory is given back here
        if self._relaxation.uniform:
            project_uniform(projected, self.reach)
        self.objects = relax(self.objects, projected, self.reach, self._relaxation)
        return squared_error

    def confine(self, supports: torch.Tensor) -> None:
        """Go on with other supports."""
        self.reach = supports


def relax(
    before: torch.Tensor, projected: torch.Tensor, supports: torch.Tensor, rule: Relaxation
) -> torch.Tensor:
    """Return ρ' of the objects `before` and their modulus projections, all (P, N0, N1, N2); both are overwritten."""
    if rule.confines:
        return project_support(projected, supports)
    return torch.where(supports, projected, before.mul_(rule.keep).add_(projected, alpha=rule.add))

"""The Poisson likelihood of a pattern, its derivative, and its slope along a direction: what gradient steps ask of the data.

With the field F = FFT(ρ), q = |F|² expected photons and n measured ones, each fitted voxel costs ``q − n·log(q + floor)``, the
negative logarithm of Poisson's probability but for what n alone decides (Thibault and Guizar-Sicairos, New J. Phys. 14, 063004
(2012), Eq. 8) but for the floor, which bounds the pull of a photon where none is expected.
Masked and held-out voxels cost nothing, and those that are only known to be at least n cost nothing from q = n on.

Far from the data this cost hinders: a field that must pass through zero meets a logarithmic wall.  There the cost of the
amplitudes stands in, ``2q − 4·√(n·(q + floor))``, that is 2(√q − √n)²: for many photons the two are the same near the data.
Their derivatives by q are ``(1 − r)/p`` with ``r = (n/(q + floor))ᵖ`` and p = 1 or ½.

`LikelihoodByTransforms` is that in plain torch, on any device.
"""

from __future__ import annotations

from typing import Protocol

import torch

from .pattern import AXES, TINY, target, total


class Likelihood(Protocol):
    """The likelihood of some objects, in which they move.

    What is asked and told is of the places that the objects may fill only: complex64 or float32 (P, V), one row per object.
    """

    rows: torch.Tensor
    """The objects, which are moved in place."""

    def inside(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return the rows of volumes (P, N0, N1, N2)."""

    def spread(self, rows: torch.Tensor, volumes: torch.Tensor) -> None:
        """Write rows into volumes (P, N0, N1, N2), which remain what they are elsewhere."""

    def derivative(self, far: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the cost changes by.

        Parameters
        ----------
        far
            bool (P,): whether the cost of the amplitudes stands in.

        Returns
        -------
        derivative
            (P, V), by the conjugates of the objects; 0 where they must be zero.
        squared_errors
            (P,) float64 (float32 on MPS): Σ(|F| − √n)² over the fitted voxels.
        """

    def look_along(self, direction: torch.Tensor) -> None:
        """Look along another direction, (P, V), until a derivative is asked for."""

    def slope(self, step: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
        """Return the slope of the cost so many steps (P,) along the direction.

        Returns
        -------
        float64 (3, P) (float32 on MPS)
            First derivative, second derivative, and Fisher's expectation of the second, which is never negative.
        """

    def go(self, step: torch.Tensor) -> None:
        """Move the objects so many steps, (P,), along the direction."""


class LikelihoodByTransforms:
    """See `Likelihood`.

    Parameters
    ----------
    objects, reach
        complex64 and bool (P, N0, N1, N2), FFT order: the objects, which stay as they are, and where they may be other than
        zero, as they must be already.
    modulus
        float32 (N0, N1, N2), see `pattern`.
    floor
        Photons.
    """

    def __init__(
        self, objects: torch.Tensor, reach: torch.Tensor, modulus: torch.Tensor, floor: float
    ) -> None:
        self._modulus, self._floor, self._shape = modulus, floor, objects.shape
        # all of real space happens in the few voxels that some object may fill
        self._voxels = reach.any(0).flatten().nonzero().squeeze(1)
        self.rows, self._reached = self.inside(objects), self.inside(reach)
        self._field = torch.fft.fftn(objects, dim=AXES)
        self._direction, self._way = self.rows, self._field

    def inside(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return the rows of volumes."""
        return volumes.flatten(1).index_select(1, self._voxels)

    def spread(self, rows: torch.Tensor, volumes: torch.Tensor) -> None:
        """Write rows into volumes."""
        volumes.view(len(volumes), -1)[:, self._voxels] = rows

    def derivative(self, far: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return derivative and squared errors."""
        expected, modulus = power(self._field), self._modulus
        modulus, fits = target(modulus, expected)
        squared_errors = total(torch.where(fits, expected.sqrt() - modulus, 0).square_())
        ratio = modulus.square() / expected.add_(self._floor).clamp_(min=float(TINY))
        del expected  # here and below: before more is taken
        factor = torch.where(far.view(-1, 1, 1, 1), 2 - 2 * ratio.sqrt(), 1 - ratio)
        del ratio
        by_field = self._field * torch.where(fits, factor, 0)
        del factor, fits
        # without a factor: the adjoint of the unnormalised transform
        by_object = torch.fft.ifftn(by_field, dim=AXES, norm="forward")
        return self.inside(by_object) * self._reached, squared_errors

    def look_along(self, direction: torch.Tensor) -> None:
        """Look along another direction."""
        self._direction = direction
        way = torch.zeros(self._shape, dtype=direction.dtype, device=direction.device)
        self.spread(direction, way)
        self._way = torch.fft.fftn(way, dim=AXES)

    def slope(self, step: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
        """Return the slope along the direction."""
        way, far = self._way, far.view(-1, 1, 1, 1)
        here = self._field + way * step.to(way.dtype).view(-1, 1, 1, 1)
        rise = 2 * (here.real * way.real + here.imag * way.imag)
        expected = power(here)
        del here
        modulus, fits = target(self._modulus, expected)
        expected = expected.add_(self._floor).clamp_(min=float(TINY))
        ratio = modulus.square() / expected
        ratio = torch.where(far, ratio.sqrt(), ratio)
        rest = torch.where(far, 2 - 2 * ratio, 1 - ratio)
        first = total(torch.where(fits, rise * rest, 0))
        fisher = rise.square_().div_(expected)
        del rise, expected
        second = (power(way) * 2).mul_(rest).add_(ratio.mul_(fisher))
        return torch.stack([first, *(total(torch.where(fits, one, 0)) for one in (second, fisher))])

    def go(self, step: torch.Tensor) -> None:
        """Move the objects along the direction."""
        move(self.rows, self._direction, step)
        move(self._field, self._way, step)


def power(field: torch.Tensor) -> torch.Tensor:
    """Return squared moduli."""
    return field.real.square() + field.imag.square()


def move(volumes: torch.Tensor, direction: torch.Tensor, step: torch.Tensor) -> None:
    """Move complex volumes or rows so many steps, (P,), along a direction, in place."""
    step = step.to(torch.float32).view(-1, *[1] * volumes.ndim)
    torch.view_as_real(volumes).addcmul_(torch.view_as_real(direction), step)

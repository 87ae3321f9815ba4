"""The Poisson likelihood of a pattern, its derivative, and its slope along a direction: what gradient steps ask of the data.

With the field F = FFT(ρ), q = |F|² expected photons and n measured ones, each fitted voxel costs ``q − n·log(q + floor)``, the
negative logarithm of Poisson's probability but for what n alone decides (Thibault and Guizar-Sicairos, New J. Phys. 14, 063004
(2012), Eq. 8) but for the floor, which bounds the pull of a photon where none is expected.
Masked and held-out voxels cost nothing, and those that are only known to be at least n cost nothing from q = n on.

Far from the data this cost hinders: a field that must pass through zero meets a logarithmic wall.  There the cost of the
amplitudes stands in, ``2q − 4·√(n·(q + floor))``, that is 2(√q − √n)²: for many photons the two are the same near the data.
Their derivatives by q are ``(1 − r)/p`` with ``r = (n/(q + floor))ᵖ`` and p = 1 or ½.

On a CPU compiled functions transform the boxes around the objects, and sum as they go; elsewhere the same is written in torch.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch

from . import box, slabs
from .box import Box, aligned
from .diffraction import AXES, BOUND, Diffraction
from .passes import TINY


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
        misfits
            (P,) float64 (float32 on MPS): Σ(|F| − √n)² over the fitted voxels.
        """

    def turn(self, direction: torch.Tensor) -> None:
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


def of(objects: torch.Tensor, reach: torch.Tensor, data: Diffraction, floor: float) -> Likelihood:
    """Return the likelihood of some objects.

    Parameters
    ----------
    objects, reach
        complex64 and bool (P, N0, N1, N2), contiguous, FFT order: the objects, which stay as they are, and where they may be
        other than zero, as they must be already.
    floor
        Photons.
    """
    in_boxes = data.device.type == "cpu" and box.kernels() is not None
    return (InBoxes if in_boxes else ByTransforms)(objects, reach, data, floor)


class InBoxes:
    """See `Likelihood`; the objects are in a box around all that they may fill."""

    def __init__(self, objects: torch.Tensor, reach: torch.Tensor, data: Diffraction, floor: float) -> None:
        x, y, z = map(torch.from_numpy, np.ix_(*box.places(reach.any(0).numpy())))
        self._places = slice(None), x, y, z
        parts, reached = objects[self._places].contiguous(), reach[self._places].numpy()
        self._shape, self.rows = parts.shape, parts.flatten(1)
        pairs = zip(parts.numpy(), reached, strict=True)
        self._boxes = [_InBox(part, inside, data, floor) for part, inside in pairs]
        self._direction = self.rows

    def inside(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return the rows of volumes."""
        return volumes[self._places].flatten(1)

    def spread(self, rows: torch.Tensor, volumes: torch.Tensor) -> None:
        """Write rows into volumes."""
        volumes[self._places] = rows.view(self._shape)

    def derivative(self, far: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return derivative and misfits."""
        found = torch.zeros_like(self.rows)
        triples = zip(self._boxes, self._parts(found), far.tolist(), strict=True)
        misfits = [one.derive(part, away) for one, part, away in triples]
        return found, torch.tensor(misfits, dtype=torch.float64)

    def turn(self, direction: torch.Tensor) -> None:
        """Look along another direction."""
        self._direction = direction
        for one, part in zip(self._boxes, self._parts(direction), strict=True):
            one.turn(part)

    def slope(self, step: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
        """Return the slope along the direction."""
        triples = zip(self._boxes, step.tolist(), far.tolist(), strict=True)
        return torch.from_numpy(np.stack([one.slope(at, away) for one, at, away in triples], 1))

    def go(self, step: torch.Tensor) -> None:
        """Move the objects along the direction."""
        _move(self.rows, self._direction, step)
        for one, at in zip(self._boxes, step.tolist(), strict=True):
            one.go(at)

    def _parts(self, rows: torch.Tensor) -> np.ndarray:
        parts: np.ndarray = rows.view(self._shape).numpy()
        return parts


class _InBox(Box):
    """An object in a box that moves along directions; its field follows when a derivative is asked for."""

    def __init__(self, part: np.ndarray, reach: np.ndarray, data: Diffraction, floor: float) -> None:
        # here, since few have gradient steps done, and it takes seconds to compile them the first time on a computer
        from . import box_likelihood

        super().__init__(part, reach, data.columns, data.shape)
        self._likelihood = box_likelihood
        self._floor, self._late = np.float32(floor), np.float32(0)
        self._here, self._way = aligned(self._size), aligned(self._size)
        self.out(part, self._here)

    def derive(self, found: np.ndarray, far: bool) -> float:
        misfits, (b0, n0, rows, *plan), stride = np.empty(self._groups), self._outer, self._inner[4]
        fields, how = (self._here, self._way, self._late), (self._floor, far, b0, n0, rows, stride)

        def do(first: int, last: int) -> None:
            self._likelihood.derive(
                *fields, self._modulus, misfits, aligned(self._room), *how, *plan, first, last
            )

        slabs.in_slabs(do, self._groups, self._voxels)
        self._late = np.float32(0)
        self.back(self._way, found)
        return float(misfits.sum())

    def turn(self, direction: np.ndarray) -> None:
        self._follow()
        self.out(direction, self._way)

    def slope(self, step: float, far: bool) -> np.ndarray:
        self._follow()
        found, (b0, n0, rows, *plan), stride = np.empty((self._groups, 3)), self._outer, self._inner[4]
        fields, how = (self._here, self._way, np.float32(step)), (self._floor, far, b0, n0, rows, stride)
        room = self._likelihood.slope_memory.py_func(n0)[-1]

        def do(first: int, last: int) -> None:
            self._likelihood.slope(*fields, self._modulus, found, aligned(room), *how, *plan, first, last)

        slabs.in_slabs(do, self._groups, self._voxels)
        return found.sum(0)

    def go(self, step: float) -> None:
        self._follow()
        self._late = np.float32(step)

    def _follow(self) -> None:
        if self._late:
            self._here += self._late * self._way
            self._late = np.float32(0)


class ByTransforms:
    """See `Likelihood`; for devices that have no compiled functions."""

    def __init__(self, objects: torch.Tensor, reach: torch.Tensor, data: Diffraction, floor: float) -> None:
        self._modulus, self._floor, self._shape = data.modulus, floor, objects.shape
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
        """Return derivative and misfits."""
        expected, modulus = _power(self._field), self._modulus
        modulus, fits = fitted(modulus, expected)
        misfit = torch.where(fits, expected.sqrt() - modulus, 0).square_()
        ratio = modulus.square() / expected.add_(self._floor).clamp_(min=float(TINY))
        factor = torch.where(far.view(-1, 1, 1, 1), 2 - 2 * ratio.sqrt(), 1 - ratio)
        by_field = self._field * torch.where(fits, factor, 0)
        # without a factor: the adjoint of the unnormalised transform
        by_object = torch.fft.ifftn(by_field, dim=AXES, norm="forward")
        return self.inside(by_object) * self._reached, _sums(misfit)

    def turn(self, direction: torch.Tensor) -> None:
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
        expected = _power(here)
        modulus, fits = fitted(self._modulus, expected)
        expected = expected.add_(self._floor).clamp_(min=float(TINY))
        ratio = modulus.square() / expected
        ratio = torch.where(far, ratio.sqrt(), ratio)
        rest = torch.where(far, 2 - 2 * ratio, 1 - ratio)
        fisher = rise.square().div_(expected)
        terms = rise * rest, 2 * _power(way) * rest + fisher * ratio, fisher
        return torch.stack([_sums(torch.where(fits, one, 0)) for one in terms])

    def go(self, step: torch.Tensor) -> None:
        """Move the objects along the direction."""
        _move(self.rows, self._direction, step)
        _move(self._field, self._way, step)


def fitted(modulus: torch.Tensor, power: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what √power is fitted to, the modulus or its bound, and where it is not as wanted, bool.

    A free modulus is as wanted from its bound on.
    """
    measured = modulus >= 0
    wanted = torch.where(measured, modulus, modulus * (-1 / BOUND))
    return wanted, measured | (wanted > power.sqrt().clamp_(min=math.sqrt(TINY)))


def _power(field: torch.Tensor) -> torch.Tensor:
    return field.real.square() + field.imag.square()


def _move(volumes: torch.Tensor, direction: torch.Tensor, step: torch.Tensor) -> None:
    step = step.to(torch.float32).view(-1, *[1] * volumes.ndim)
    torch.view_as_real(volumes).addcmul_(torch.view_as_real(direction), step)


def _sums(volumes: torch.Tensor) -> torch.Tensor:
    return volumes.sum(dim=(1, 2, 3), dtype=wide(volumes.device))


def wide(device: torch.device) -> torch.dtype:
    """Return the widest real type of a device."""
    return torch.float32 if device.type == "mps" else torch.float64

"""The Poisson likelihood of a pattern, its derivative, and its slope along a direction: what gradient steps ask of the data.

With the field F = FFT(ρ), q = |F|² expected photons and n measured ones, each fitted voxel costs ``q − n·log(q + floor)``, the
negative logarithm of Poisson's probability but for what n alone decides (Thibault and Guizar-Sicairos, New J. Phys. 14, 063004
(2012), Eq. 8) but for the floor, which bounds the pull of a photon where none is expected.
Masked and held-out voxels cost nothing.

Far from the data this cost hinders: a field that must pass through zero meets a logarithmic wall.  There the cost of the
amplitudes stands in, ``2q − 4·√(n·(q + floor))``, that is 2(√q − √n)²: for many photons the two are the same near the data.
Their derivatives by q are ``(1 − r)/p`` with ``r = (n/(q + floor))ᵖ`` and p = 1 or ½.

On the CPU the functions are compiled by numba, each once over the memory; elsewhere the same arithmetic is written in torch.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch

from . import slabs
from .passes import TINY

_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)


def derivative(
    field: torch.Tensor, modulus: torch.Tensor, floor: float, far: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the derivative of the cost by the conjugate of the field, and the misfits of the moduli.

    Parameters
    ----------
    field
        complex64 (P, N0, N1, N2), contiguous: unnormalised transforms of P objects, in FFT order.
    modulus
        float32 (N0, N1, N2), √n, negative where the voxel is not fitted.
    floor
        Photons.
    far
        bool (P,): whether the cost of the amplitudes stands in.

    Returns
    -------
    derivative
        complex64, shape of `field`: ``F·(1 − r)/p``; 0 where the voxel is not fitted.
    misfits
        (P,) float64 (float32 on MPS): Σ(|F| − √n)² over the fitted voxels.
    """
    if _kernels() is None or field.device.type != "cpu":
        return _derivative_torch(field, modulus, floor, far)
    planes = field.shape[0] * field.shape[1]
    found, sums = torch.empty_like(field), np.empty(planes)
    pairs, new, measured = _pairs(field, planes), _pairs(found, planes), _rows(modulus)
    roots = _per_plane(far, field)
    slabs.in_slabs(
        lambda first, last: _kernels().derivative(
            pairs, measured, np.float32(floor), roots, new, sums, first, last
        ),
        planes,
        field.numel(),
    )
    return found, torch.from_numpy(sums.reshape(field.shape[0], -1).sum(axis=1))


def slope(
    field: torch.Tensor,
    direction: torch.Tensor,
    modulus: torch.Tensor,
    floor: float,
    far: torch.Tensor,
    step: torch.Tensor,
) -> torch.Tensor:
    """Return first and second derivative by α of the cost of ``F + αD``; this costs no transform.

    Parameters
    ----------
    field, direction
        complex64 (P, N0, N1, N2), contiguous: F and D.
    modulus, floor, far
        As for `derivative`.
    step
        float64 (P,), the α.

    Returns
    -------
    float64 (3, P) (float32 on MPS)
        First derivative, second derivative, and Fisher's expectation of the second, which is never negative.
    """
    if _kernels() is None or field.device.type != "cpu":
        return _slope_torch(field, direction, modulus, floor, far, step)
    planes = field.shape[0] * field.shape[1]
    sums = np.empty((planes, 3))
    roots, at = _per_plane(far, field), _per_plane(step, field)
    old, way, measured = _pairs(field, planes), _pairs(direction, planes), _rows(modulus)
    slabs.in_slabs(
        lambda first, last: _kernels().slope(
            old, way, measured, np.float32(floor), roots, at, sums, first, last
        ),
        planes,
        field.numel(),
    )
    return torch.from_numpy(sums.reshape(field.shape[0], -1, 3).sum(axis=1).T.copy())


def _derivative_torch(
    field: torch.Tensor, modulus: torch.Tensor, floor: float, far: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    expected = field.real.square() + field.imag.square()
    fitted = modulus >= 0
    misfit = torch.where(fitted, expected.sqrt() - modulus, 0).square_()
    far = far.view(-1, 1, 1, 1)
    ratio = modulus.square() / expected.add_(floor)
    factor = torch.where(far, 2 - 2 * ratio.sqrt(), 1 - ratio)
    return field * torch.where(fitted, factor, 0), _sums(misfit)


def _slope_torch(
    field: torch.Tensor,
    direction: torch.Tensor,
    modulus: torch.Tensor,
    floor: float,
    far: torch.Tensor,
    step: torch.Tensor,
) -> torch.Tensor:
    far = far.view(-1, 1, 1, 1)
    here = field + direction * step.to(field.dtype).view(-1, 1, 1, 1)
    first = 2 * (here.real * direction.real + here.imag * direction.imag)
    second = 2 * (direction.real.square() + direction.imag.square())
    expected = here.real.square().add_(here.imag.square()).add_(floor)
    ratio = modulus.square() / expected
    ratio = torch.where(far, ratio.sqrt(), ratio)
    rest = torch.where(far, 2 - 2 * ratio, 1 - ratio)
    fitted = modulus >= 0
    fisher = first.square().div_(expected)
    return torch.stack(
        [
            _sums(torch.where(fitted, first * rest, 0)),
            _sums(torch.where(fitted, second * rest + fisher * ratio, 0)),
            _sums(torch.where(fitted, fisher, 0)),
        ]
    )


def _sums(volumes: torch.Tensor) -> torch.Tensor:
    return volumes.sum(dim=(1, 2, 3), dtype=wide(volumes.device))


def wide(device: torch.device) -> torch.dtype:
    """Return the widest real type of a device."""
    return torch.float32 if device.type == "mps" else torch.float64


def _per_plane(values: torch.Tensor, field: torch.Tensor) -> np.ndarray:
    return np.repeat(values.numpy(), field.shape[1]).astype(np.float32)


def _rows(modulus: torch.Tensor) -> np.ndarray:
    return modulus.view(modulus.shape[0], -1).numpy()


def _pairs(field: torch.Tensor, planes: int) -> np.ndarray:
    """View a complex tensor as float32 pairs (planes, 2·voxels of a plane), never as a copy."""
    return torch.view_as_real(field).view(planes, -1).numpy()


@cache
def _kernels() -> Any:
    """Return the compiled functions, or None where numba cannot be used."""
    if not slabs.can_compile():
        return None
    from numba import njit

    class Kernels:
        derivative = slabs.compiled(
            njit, _derivative, "void(f4[:,::1], f4[:,::1], f4, f4[::1], f4[:,::1], f8[::1], i8, i8)"
        )
        slope = slabs.compiled(
            njit, _slope, "void(f4[:,::1], f4[:,::1], f4[:,::1], f4, f4[::1], f4[::1], f8[:,::1], i8, i8)"
        )

    return Kernels


def _derivative(
    field: np.ndarray,
    modulus: np.ndarray,
    floor: np.float32,
    roots: np.ndarray,
    found: np.ndarray,
    sums: np.ndarray,
    first: int,
    last: int,
) -> None:
    # without branches, so that it is vectorised; one sum per plane, so that no number of threads changes it
    for plane in range(first, last):
        row, z, new = modulus[plane % modulus.shape[0]], field[plane], found[plane]
        far, total = roots[plane], _ZERO
        for j in range(row.size):
            re, im, m = z[2 * j], z[2 * j + 1], row[j]
            fitted = _ONE if m >= _ZERO else _ZERO
            expected = max(re * re + im * im, TINY)
            misfit = (math.sqrt(expected) - m) * fitted
            root = m / math.sqrt(max(expected + floor, TINY))
            factor = fitted * (_TWO - _TWO * root if far > _ZERO else _ONE - root * root)
            total += misfit * misfit
            new[2 * j] = re * factor
            new[2 * j + 1] = im * factor
        sums[plane] = total


def _slope(
    field: np.ndarray,
    direction: np.ndarray,
    modulus: np.ndarray,
    floor: np.float32,
    roots: np.ndarray,
    step: np.ndarray,
    sums: np.ndarray,
    first: int,
    last: int,
) -> None:
    for plane in range(first, last):
        row, z, way = modulus[plane % modulus.shape[0]], field[plane], direction[plane]
        far, at = roots[plane], step[plane]
        one, two, three = _ZERO, _ZERO, _ZERO
        for j in range(row.size):
            dr, di, m = way[2 * j], way[2 * j + 1], row[j]
            re, im = z[2 * j] + at * dr, z[2 * j + 1] + at * di
            fitted = _ONE if m >= _ZERO else _ZERO
            inverse = fitted / max(re * re + im * im + floor, TINY)
            square = m * m * inverse
            ratio = math.sqrt(square) if far > _ZERO else square
            rest = _TWO * (fitted - ratio) if far > _ZERO else fitted - ratio
            rise = _TWO * (re * dr + im * di)
            fisher = rise * rise * inverse
            one += rise * rest
            two += _TWO * (dr * dr + di * di) * rest + fisher * ratio
            three += fisher
        sums[plane, 0], sums[plane, 1], sums[plane, 2] = one, two, three

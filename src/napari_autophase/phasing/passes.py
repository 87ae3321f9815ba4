"""The two point-wise passes of an iteration, each once over the memory.

Between them stand the two Fourier transforms, and nothing else.  On the CPU the passes are compiled by numba; everywhere
else, and where numba is not to be had, the same arithmetic is written in torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .algorithm import Feedback

TINY = np.float32(1e-30)
_ZERO, _ONE = np.float32(0), np.float32(1)


def modulus_pass(field: torch.Tensor, modulus: torch.Tensor) -> torch.Tensor:
    """Project `field` in place onto the measured modulus, divide it by its number of voxels, and return the misfits.

    Parameters
    ----------
    field
        complex64 (P, N0, N1, N2), contiguous: unnormalised transforms of P objects, in FFT order.
    modulus
        float32 (N0, N1, N2), FFT order; negative where the modulus is free, and there the field keeps its own.

    Returns
    -------
    float64 (P,)
        Σ(|F| − modulus)² over the fitted voxels, *before* the projection.
    """
    if field.device.type == "cpu" and _kernels() is not None:
        return _modulus_numba(field, modulus)
    return modulus_torch(field, modulus)


def support_pass(
    before: torch.Tensor, projected: torch.Tensor, support: torch.Tensor, rule: Feedback
) -> torch.Tensor:
    """Combine the object `before` with its modulus projection as `rule` says; returns the new object.

    Parameters
    ----------
    before, projected
        complex64 (P, N0, N1, N2), contiguous; one of them is overwritten.
    support
        bool, same shape.
    """
    if before.device.type == "cpu" and _kernels() is not None:
        return _support_numba(before, projected, support, rule)
    return support_torch(before, projected, support, rule)


def modulus_torch(field: torch.Tensor, modulus: torch.Tensor) -> torch.Tensor:
    """`modulus_pass` in plain torch, on any device."""
    amplitude = field.abs()
    fitted = modulus >= 0
    misfit = torch.where(fitted, amplitude - modulus, 0).square_()
    sums = misfit.sum(dim=(1, 2, 3), dtype=torch.float32 if field.device.type == "mps" else torch.float64)
    ratio = torch.where(fitted, modulus / amplitude.clamp_(min=float(TINY)), 1)
    field *= ratio.mul_(1.0 / modulus.numel())
    return sums


def support_torch(
    before: torch.Tensor, projected: torch.Tensor, support: torch.Tensor, rule: Feedback
) -> torch.Tensor:
    """`support_pass` in plain torch, on any device."""
    if rule.keep == rule.add == 0:
        return projected.mul_(support)
    return torch.where(support, projected, before.mul_(rule.keep).add_(projected, alpha=rule.add))


def _modulus_numba(field: torch.Tensor, modulus: torch.Tensor) -> torch.Tensor:
    kernel = _kernels()
    assert kernel is not None
    planes = field.shape[0] * field.shape[1]
    sums = np.empty(planes)
    kernel["modulus"](
        _floats(field).reshape(planes, -1),
        modulus.numpy().reshape(modulus.shape[0], -1),
        np.float32(1.0 / modulus.numel()),
        sums,
    )
    return torch.from_numpy(sums.reshape(field.shape[0], -1).sum(axis=1))


def _support_numba(
    before: torch.Tensor, projected: torch.Tensor, support: torch.Tensor, rule: Feedback
) -> torch.Tensor:
    kernel = _kernels()
    assert kernel is not None
    inside = support.view(torch.uint8).numpy().ravel()
    if rule.keep == rule.add == 0:
        kernel["cut"](_floats(projected).ravel(), inside)
        return projected
    kernel["feed"](
        _floats(before).ravel(),
        _floats(projected).ravel(),
        inside,
        np.float32(rule.keep),
        np.float32(rule.add),
    )
    return before


def _floats(field: torch.Tensor) -> np.ndarray:
    """View a complex tensor as float32 pairs, without a copy."""
    return torch.view_as_real(field).numpy()


_compiled: dict[str, Callable[..., Any]] | bool | None = False


def _kernels() -> dict[str, Callable[..., Any]] | None:
    """Return the compiled passes, or None where numba cannot be used; compiled once, kept on disk where that is possible."""
    global _compiled
    if _compiled is False:
        _compiled = _compile()
    return _compiled  # type: ignore[return-value]


def _compile() -> dict[str, Callable[..., Any]] | None:
    try:
        from numba import njit
    except Exception:  # numba refuses some NumPy versions with errors of several kinds
        return None

    def jit(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            return njit(fastmath=True, nogil=True, cache=True)(function)
        except RuntimeError:  # no place for the cache can be written
            return njit(fastmath=True, nogil=True)(function)

    return {"modulus": jit(_modulus), "cut": jit(_cut), "feed": jit(_feed)}


def _modulus(field: np.ndarray, modulus: np.ndarray, scale: np.float32, sums: np.ndarray) -> None:
    # branch-free, so that it becomes vector instructions; one sum per plane, so that the order of adding is always the same
    for plane in range(field.shape[0]):
        row = modulus[plane % modulus.shape[0]]
        total = _ZERO
        for j in range(row.size):
            re, im, m = field[plane, 2 * j], field[plane, 2 * j + 1], row[j]
            amplitude = math.sqrt(max(re * re + im * im, TINY))
            fitted = m >= _ZERO
            misfit = amplitude - m if fitted else _ZERO
            ratio = m / amplitude if fitted else _ONE
            total += misfit * misfit
            field[plane, 2 * j] = re * (ratio * scale)
            field[plane, 2 * j + 1] = im * (ratio * scale)
        sums[plane] = total


def _cut(projected: np.ndarray, support: np.ndarray) -> None:
    for j in range(support.size):
        inside = _ONE if support[j] else _ZERO
        projected[2 * j] *= inside
        projected[2 * j + 1] *= inside


def _feed(
    before: np.ndarray, projected: np.ndarray, support: np.ndarray, keep: np.float32, add: np.float32
) -> None:
    for j in range(support.size):
        old = _ZERO if support[j] else keep
        new = _ONE if support[j] else add
        before[2 * j] = old * before[2 * j] + new * projected[2 * j]
        before[2 * j + 1] = old * before[2 * j + 1] + new * projected[2 * j + 1]

"""A crystal is evenly dense: the constraint that finds strained ones.

A single crystal scatters with nearly one amplitude throughout, whatever its strain; all that strain does is in the phase.
Setting the amplitude inside the support to its root mean square, iteration by iteration, leaves one unknown per voxel in place
of two, and random phases then find crystals of several 2π that the support alone does not (Fienup, Appl. Opt. 21, 2758 (1982),
calls such knowledge object-domain constraints).  It is for finding: projections without it end a run, so that what the
amplitude really does is seen.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch

from .passes import TINY, can_compile, compiled, in_slabs, pairs

_ZERO, _ONE = np.float32(0), np.float32(1)
_RUN = 64
"""Neighbouring voxels that are looked at together."""


def even_pass(projected: torch.Tensor, support: torch.Tensor) -> None:
    """Set the amplitudes inside the support to their root mean square, in place.

    Parameters
    ----------
    projected
        complex64 (P, N0, N1, N2), contiguous.
    support
        bool, same shape.
    """
    if _kernels() is None or projected.device.type != "cpu":
        even_torch(projected, support)
        return
    planes = projected.shape[0] * projected.shape[1]
    values, inside = pairs(projected, planes), support.view(torch.uint8).view(planes, -1).numpy()
    power, area = np.empty(planes), np.empty(planes)
    in_slabs(
        lambda first, last: _kernels().power(values, inside, power, area, first, last),
        planes,
        projected.numel(),
    )
    per_start = (projected.shape[0], -1)
    mean = power.reshape(per_start).sum(1) / np.maximum(area.reshape(per_start).sum(1), 1)
    level = np.repeat(np.sqrt(mean).astype(np.float32), projected.shape[1])
    in_slabs(
        lambda first, last: _kernels().even(values, inside, level, first, last), planes, projected.numel()
    )


def even_torch(projected: torch.Tensor, support: torch.Tensor) -> None:
    """`even_pass` in plain torch, on any device."""
    amplitude = projected.abs()
    axes = (1, 2, 3)
    mean = torch.where(support, amplitude.square(), 0).sum(axes) / support.sum(axes).clamp_min(1)
    level = mean.sqrt().view(-1, 1, 1, 1)
    projected *= torch.where(support, level / amplitude.clamp_min(math.sqrt(TINY)), 1)


@cache
def _kernels() -> Any:
    """Return the compiled passes, or None where numba cannot be used."""
    if not can_compile():
        return None
    from numba import njit

    class Kernels:
        power = compiled(njit, _power, "void(f4[:,::1], u1[:,::1], f8[::1], f8[::1], i8, i8)")
        even = compiled(njit, _even, "void(f4[:,::1], u1[:,::1], f4[::1], i8, i8)")

    return Kernels


def _power(
    values: np.ndarray, support: np.ndarray, power: np.ndarray, area: np.ndarray, first: int, last: int
) -> None:
    # most runs lie outside the support: only its bytes are read of those
    for plane in range(first, last):
        total, count = _ZERO, 0
        for begin in range(0, support.shape[1], _RUN):
            row = support[plane, begin : begin + _RUN]
            filled = 0
            for j in range(row.size):
                filled += row[j]
            if filled > 0:
                z = values[plane, 2 * begin : 2 * (begin + _RUN)]
                for j in range(row.size):
                    inside = _ONE if row[j] else _ZERO
                    total += inside * (z[2 * j] * z[2 * j] + z[2 * j + 1] * z[2 * j + 1])
                count += filled
        power[plane], area[plane] = total, count


def _even(values: np.ndarray, support: np.ndarray, level: np.ndarray, first: int, last: int) -> None:
    for plane in range(first, last):
        wanted = level[plane]
        for begin in range(0, support.shape[1], _RUN):
            row = support[plane, begin : begin + _RUN]
            filled = 0
            for j in range(row.size):
                filled += row[j]
            if filled > 0:
                z = values[plane, 2 * begin : 2 * (begin + _RUN)]
                for j in range(row.size):
                    re, im = z[2 * j], z[2 * j + 1]
                    ratio = wanted / math.sqrt(max(re * re + im * im, TINY))
                    factor = ratio if row[j] else _ONE
                    z[2 * j] = re * factor
                    z[2 * j + 1] = im * factor

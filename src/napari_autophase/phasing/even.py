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

from .passes import TINY
from .slabs import compiled, in_slabs

_ZERO, _ONE = np.float32(0), np.float32(1)


def even_pass(projected: torch.Tensor, support: torch.Tensor) -> None:
    """Set the amplitudes inside the support to their root mean square, in place, on any device.

    Parameters
    ----------
    projected
        complex64 (P, N0, N1, N2).
    support
        bool, same shape.
    """
    amplitude = projected.abs()
    axes = (1, 2, 3)
    mean = torch.where(support, amplitude.square(), 0).sum(axes) / support.sum(axes).clamp_min(1)
    level = mean.sqrt().view(-1, 1, 1, 1)
    projected *= torch.where(support, level / amplitude.clamp_min(math.sqrt(TINY)), 1)


def even_rows(volume: np.ndarray, support: np.ndarray, rows: np.ndarray, area: int) -> None:
    """`even_pass` for one object, compiled by numba.

    Parameters
    ----------
    volume, support
        complex64 and bool (N0, N1, N2), contiguous.
    rows
        int64: which of the N0·N1 rows the support reaches.
    area
        Its number of voxels.
    """
    side = volume.shape[-1]
    values, inside = volume.view(np.float32).reshape(-1, 2 * side), support.view(np.uint8).reshape(-1, side)
    power, voxels = np.empty(rows.size), rows.size * side
    kernels = _kernels()
    in_slabs(lambda i, j: kernels.power(values, inside, rows, power, i, j), rows.size, voxels)
    level = np.float32(math.sqrt(power.sum() / max(area, 1)))
    in_slabs(lambda i, j: kernels.even(values, inside, rows, level, i, j), rows.size, voxels)


@cache
def _kernels() -> Any:
    """Return the compiled passes."""
    from numba import njit

    class Kernels:
        power = compiled(njit, _power, "void(f4[:,::1], u1[:,::1], i8[::1], f8[::1], i8, i8)")
        even = compiled(njit, _even, "void(f4[:,::1], u1[:,::1], i8[::1], f4, i8, i8)")

    return Kernels


def _power(
    values: np.ndarray, support: np.ndarray, rows: np.ndarray, power: np.ndarray, first: int, last: int
) -> None:
    for k in range(first, last):
        row, z = support[rows[k]], values[rows[k]]
        total = _ZERO
        for j in range(row.size):
            inside = _ONE if row[j] else _ZERO
            total += inside * (z[2 * j] * z[2 * j] + z[2 * j + 1] * z[2 * j + 1])
        power[k] = total


def _even(
    values: np.ndarray, support: np.ndarray, rows: np.ndarray, level: np.float32, first: int, last: int
) -> None:
    for k in range(first, last):
        row, z = support[rows[k]], values[rows[k]]
        for j in range(row.size):
            re, im = z[2 * j], z[2 * j + 1]
            ratio = level / math.sqrt(max(re * re + im * im, TINY))
            factor = ratio if row[j] else _ONE
            z[2 * j] = re * factor
            z[2 * j + 1] = im * factor

"""What is summed over a pattern to scale an object and to judge it.

On a CPU a function that numba compiles goes once over the memory; elsewhere torch does it in several passes.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch

from . import slabs
from .diffraction import HELD_OUT, Diffraction

_ZERO = np.float32(0)


class Sums(NamedTuple):
    """With F the field, m = √n the modulus, and n counts.

    Parameters
    ----------
    overlap, power, misfit
        Σ m|F|, Σ|F|² and Σ(|F| − m)² over the fitted pixels.
    deviance, held_out
        Σ q − n + n·log(n/q), the Poisson deviance of q = |F|² expected photons, never below ``data.floor``, over the fitted and
        over the held-out pixels; 0 where it was not asked for.
    """

    overlap: float
    power: float
    misfit: float
    deviance: float
    held_out: float


def sums(field: torch.Tensor, data: Diffraction, deviance: bool = False, held_out: bool = False) -> Sums:
    """Return the sums over a pattern; the deviances, which take longest, only if they are asked for.

    Parameters
    ----------
    field
        complex64 (N0, N1, N2), contiguous: the unnormalised transform of an object, in FFT order.
    """
    if data.device.type != "cpu" or _kernel() is None:
        return _by_torch(field, data, deviance, held_out)
    planes = len(field)
    pairs = torch.view_as_real(field).view(planes, -1).numpy()
    modulus, counts = (of.view(planes, -1).numpy() for of in (data.modulus, data.counts))
    found = np.empty((planes, len(Sums._fields)))
    slabs.in_slabs(
        lambda first, last: _kernel()(
            pairs, modulus, counts, np.float32(data.floor), deviance, held_out, found, first, last
        ),
        planes,
        field.numel(),
    )
    return Sums(*found.sum(0).tolist())


def _by_torch(field: torch.Tensor, data: Diffraction, deviance: bool, held_out: bool) -> Sums:
    totals = torch.zeros(len(Sums._fields), dtype=torch.float64)
    for part in data.slices():
        counts, modulus, amplitude = data.counts[part], data.modulus[part], field[part].abs()
        fitted, power = modulus >= 0, amplitude.square()
        values = [amplitude * modulus, power, (amplitude - modulus).square()]
        wanted = [fitted] * 3
        if deviance or held_out:
            expected = power.clamp(min=data.floor)
            values += [torch.xlogy(counts, counts / expected).add_(expected).sub_(counts)] * 2
            wanted += [fitted & deviance, (modulus == HELD_OUT) & held_out]
        pairs = zip(wanted, values, strict=True)
        totals[: len(wanted)] += torch.tensor([data.total_over(*pair) for pair in pairs], dtype=torch.float64)
    return Sums(*totals.tolist())


@cache
def _kernel() -> Any:
    """Return the compiled function, or None where numba cannot be used."""
    if not slabs.can_compile():
        return None
    from numba import njit

    return slabs.compiled(
        njit, _planes, "void(f4[:,::1], f4[:,::1], f4[:,::1], f4, b1, b1, f8[:,::1], i8, i8)"
    )


def _planes(
    pairs: np.ndarray,
    modulus: np.ndarray,
    counts: np.ndarray,
    floor: np.float32,
    deviance: bool,
    held_out: bool,
    found: np.ndarray,
    first: int,
    last: int,
) -> None:
    # one row of sums per plane, so that no number of threads changes them
    for plane in range(first, last):
        z, row, photons = pairs[plane], modulus[plane], counts[plane]
        overlap, power, misfit, fitted, free = 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(row.size):
            m, q = row[j], z[2 * j] * z[2 * j] + z[2 * j + 1] * z[2 * j + 1]
            if m >= _ZERO:
                amplitude = math.sqrt(q)
                overlap += amplitude * m
                power += q
                misfit += (amplitude - m) * (amplitude - m)
            if (deviance and m >= _ZERO) or (held_out and m == HELD_OUT):
                n, expected = photons[j], max(q, floor)
                cost = expected - n + n * math.log(n / expected) if n > _ZERO else expected
                if m >= _ZERO:
                    fitted += cost
                else:
                    free += cost
        found[plane, 0], found[plane, 1], found[plane, 2] = overlap, power, misfit
        found[plane, 3], found[plane, 4] = fitted, free

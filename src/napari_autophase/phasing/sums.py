"""What is summed over a pattern to scale an object and to judge it."""

from __future__ import annotations

from typing import NamedTuple

import torch

from .pattern import HELD_OUT, Pattern, target, wide

_AT_A_TIME = 2**16
"""Voxels of a CPU's pattern whose terms are in memory at a time."""


class Sums(NamedTuple):
    """With F the field, m = √n the modulus, and n counts.

    Parameters
    ----------
    overlap, power, squared_error
        Σ m|F|, Σ|F|² and Σ(|F| − m)² over the fitted pixels; the last also over those below their bound, m being that.
    deviance, held_out
        Σ q − n + n·log(n/q), the Poisson deviance of q = |F|² expected photons, never below the pattern's floor, over the
        fitted and over the held-out pixels; 0 where it was not asked for.  A pixel that is only known to be at least n costs
        nothing from there on.
    """

    overlap: float
    power: float
    squared_error: float
    deviance: float
    held_out: float


def sums_by_transform(one: torch.Tensor, pattern: Pattern, deviances: bool = False) -> Sums:
    """Return the sums of an object, complex64 (N0, N1, N2) in FFT order, on any device."""
    return sums_of(torch.fft.fftn(one), pattern.modulus, pattern, deviances)


def sums_of(field: torch.Tensor, moduli: torch.Tensor, pattern: Pattern, deviances: bool = False) -> Sums:
    """Return the sums of a field, or of its modulus, against `moduli` and the pattern's counts."""
    totals = torch.zeros(len(Sums._fields), dtype=torch.float64)
    for part in planes_at_a_time(pattern):
        counts, modulus, amplitude = pattern.counts[part], moduli[part], field[part].abs()
        fitted, power = modulus >= 0, amplitude.square()
        aim, fits = target(modulus, power)
        values = [amplitude * modulus, power, (amplitude - aim).square()]
        wanted = [fitted, fitted, fits]
        if deviances:
            expected = power.clamp(min=pattern.floor)
            values += [torch.xlogy(counts, counts / expected).add_(expected).sub_(counts)] * 2
            wanted += [fits, modulus == HELD_OUT]
        pairs = zip(wanted, values, strict=True)
        totals[: len(wanted)] += torch.tensor([total_over(*pair) for pair in pairs], dtype=torch.float64)
    return Sums(*totals.tolist())


def planes_at_a_time(pattern: Pattern) -> list[slice]:
    """Return ranges of planes that cover a pattern: all of it on a GPU, on a CPU few, so that their terms take no memory."""
    planes, rows, columns = pattern.shape
    step = planes if pattern.device.type != "cpu" else max(1, _AT_A_TIME // (rows * columns))
    return [slice(i, i + step) for i in range(0, planes, step)]


def total_over(pixels: torch.Tensor, values: torch.Tensor) -> float:
    """Return the sum of `values` over `pixels` (bool), in double precision wherever the device has it."""
    # plane by plane: a sum over everything depends in its last digit on how many threads share it
    # (indexing by a mask would take 24 bytes per pixel for the indices)
    return float(torch.where(pixels, values, 0).sum(dim=(-2, -1), dtype=wide(values.device)).sum())

"""What is summed over a pattern to scale an object and to judge it."""

from __future__ import annotations

from typing import NamedTuple

import torch

from .pattern import AXES, HELD_OUT, Pattern, target, total, wide

_AT_A_TIME, _AT_A_TIME_ON_GPU = 2**16, 2**20
"""Voxels whose terms are in memory at a time; on a GPU a quarter of the pattern if that is more."""


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


def sums_by_transform(objects: torch.Tensor, pattern: Pattern, deviances: bool = False) -> list[Sums]:
    """Return the sums of objects, complex64 (P, N0, N1, N2) in FFT order, on any device."""
    return _sums(torch.fft.fftn(objects, dim=AXES), pattern.modulus, pattern, deviances)


def sums_of_intensities(
    intensities: torch.Tensor, modulus: torch.Tensor, pattern: Pattern, deviances: bool = False
) -> list[Sums]:
    """Return the sums of intensities, float32 (P, N0, N1, N2), see `backend.Backend.sums_of_intensities`; on any device."""
    return _sums(intensities.sqrt(), modulus, pattern, deviances)


def _sums(
    fields: torch.Tensor, moduli: torch.Tensor, pattern: Pattern, deviances: bool = False
) -> list[Sums]:
    """Return the sums of fields (P, N0, N1, N2), or of their moduli, against `moduli` and the pattern's counts."""
    totals = torch.zeros((len(Sums._fields), len(fields)), dtype=wide(fields.device), device=fields.device)
    for part in planes_at_a_time(pattern, len(fields)):
        counts, modulus, amplitude = pattern.counts[part], moduli[part], fields[:, part].abs()
        fitted, power = modulus >= 0, amplitude.square()
        totals[0] += total_over(fitted, amplitude * modulus)
        totals[1] += total_over(fitted, power)
        aim, fits = target(modulus, power)
        totals[2] += total_over(fits, amplitude.sub_(aim).square_())
        del amplitude, aim
        if deviances:
            expected = power.clamp_(min=pattern.floor)
            deviance = torch.xlogy(counts, counts / expected).add_(expected).sub_(counts)
            totals[3] += total_over(fits, deviance)
            totals[4] += total_over(modulus == HELD_OUT, deviance)
    return [Sums(*row) for row in totals.T.tolist()]  # which is waited for once


def planes_at_a_time(pattern: Pattern, objects: int = 1) -> list[slice]:
    """Return ranges of planes that cover a pattern, so few at a time that the terms of their sums take little memory."""
    planes, rows, columns = pattern.shape
    most = _AT_A_TIME
    if pattern.device.type != "cpu":  # where every range costs launches
        most = max(_AT_A_TIME_ON_GPU, planes * rows * columns * objects // 4) // objects
    step = max(1, most // (rows * columns))
    return [slice(i, i + step) for i in range(0, planes, step)]


def total_over(pixels: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return the sums of `values` (..., N0, N1, N2) over `pixels` (bool), in double precision wherever the device has it."""
    # indexing by a mask would take 24 bytes per pixel for the indices
    return total(torch.where(pixels, values, 0))

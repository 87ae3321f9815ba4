"""What is summed over a pattern to scale an object and to judge it."""

from __future__ import annotations

from typing import NamedTuple

import torch

from . import likelihood
from .box import Confined, kernels
from .diffraction import HELD_OUT, Diffraction


class Sums(NamedTuple):
    """With F the field, m = √n the modulus, and n counts.

    Parameters
    ----------
    overlap, power, misfit
        Σ m|F|, Σ|F|² and Σ(|F| − m)² over the fitted pixels; the last also over those below their bound, m being that.
    deviance, held_out
        Σ q − n + n·log(n/q), the Poisson deviance of q = |F|² expected photons, never below ``data.floor``, over the fitted and
        over the held-out pixels; 0 where it was not asked for.  A pixel that is only known to be at least n costs nothing from
        there on.
    """

    overlap: float
    power: float
    misfit: float
    deviance: float
    held_out: float


def sums(one: torch.Tensor, data: Diffraction, deviances: bool = False) -> Sums:
    """Return the sums over the pattern of an object; the deviances, which take longest, only if they are asked for.

    On a CPU compiled functions transform the box around what is not zero, and sum as they go; elsewhere torch does it.

    Parameters
    ----------
    one
        complex64 (N0, N1, N2), contiguous, FFT order.
    """
    if data.device.type != "cpu" or kernels() is None:
        return _by_torch(torch.fft.fftn(one), data, deviances)
    volume = one.numpy()
    around = Confined(volume, volume.astype(bool), data.columns)
    return Sums(*around.sums(data.floor, deviances).tolist())


def _by_torch(field: torch.Tensor, data: Diffraction, deviances: bool) -> Sums:
    totals = torch.zeros(len(Sums._fields), dtype=torch.float64)
    for part in data.slices():
        counts, modulus, amplitude = data.counts[part], data.modulus[part], field[part].abs()
        fitted, power = modulus >= 0, amplitude.square()
        aim, fits = likelihood.fitted(modulus, power)
        values = [amplitude * modulus, power, (amplitude - aim).square()]
        wanted = [fitted, fitted, fits]
        if deviances:
            expected = power.clamp(min=data.floor)
            values += [torch.xlogy(counts, counts / expected).add_(expected).sub_(counts)] * 2
            wanted += [fits, modulus == HELD_OUT]
        pairs = zip(wanted, values, strict=True)
        totals[: len(wanted)] += torch.tensor([data.total_over(*pair) for pair in pairs], dtype=torch.float64)
    return Sums(*totals.tolist())

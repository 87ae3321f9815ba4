"""What is said of a result: chi² and the likelihoods of fitted and held-out pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .diffraction import HELD_OUT, Diffraction


def figures(one: torch.Tensor, inside: torch.Tensor, data: Diffraction) -> dict[str, float]:
    """Return the figures of quality of one object.

    Parameters
    ----------
    one, inside
        Object and support, complex64 and bool (N0, N1, N2), FFT order.

    Returns
    -------
    dict
        ``chi2`` Σ(|Fp|−|Fm|)²/Σ|Fm|² over the fitted pixels; ``llk`` the mean over the fitted pixels of
        ``calc − obs + obs·log(obs/calc)``, the Poisson likelihood relative to a perfect fit (0 is perfect, about ½ is what the
        noise of many photons leaves), with calc never below ``data.floor``; ``free_llk`` the same over the held-out pixels,
        absent when none are; ``support_fraction`` the support's share of the volume.
    """
    field = torch.fft.fftn(one)
    misfit = deviance = held_out = 0.0
    for part in data.slices():
        counts, modulus = data.counts[part], data.modulus[part]
        fitted, calculated = modulus >= 0, field[part].abs()
        misfit += data.total_over(fitted, (calculated - modulus).square_())
        expected = calculated.square_().clamp_(min=data.floor)
        deviances = torch.xlogy(counts, counts / expected).add_(expected).sub_(counts)
        deviance += data.total_over(fitted, deviances)
        held_out += data.total_over(modulus == HELD_OUT, deviances)
    found = {
        "chi2": misfit / data.total,
        "llk": deviance / data.fitted,
        "support_fraction": float(inside.sum()) / inside.numel(),
    }
    if data.held_out:
        found["free_llk"] = held_out / data.held_out
    return found


def misfit(one: torch.Tensor, data: Diffraction) -> float:
    """Return what objects are compared by, the less the better: ``free_llk``, or ``chi2`` if nothing is held out.

    It costs one transform and little else, where all `figures` cost several.
    """
    field = torch.fft.fftn(one)
    if not data.held_out:
        moduli = [(field[part], data.modulus[part]) for part in data.slices()]
        return sum(data.total_over(m >= 0, (f.abs() - m).square_()) for f, m in moduli) / data.total
    free = data.free
    counts, expected = data.counts[free], field[free].abs().square_().clamp_(min=data.floor)
    deviance = torch.xlogy(counts, counts / expected).add_(expected).sub_(counts)
    # summed by NumPy: torch's sum depends in its last digit on how many threads share it
    return float(deviance.cpu().numpy().mean(dtype=np.float64))


def ranking(misfits: Sequence[float]) -> list[int]:
    """Return the indices of misfits from the best to the worst."""
    return sorted(range(len(misfits)), key=misfits.__getitem__)

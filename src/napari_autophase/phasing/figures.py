"""What is said of a result: chi² and the likelihoods of fitted and held-out pixels."""

from __future__ import annotations

import torch

from .diffraction import Diffraction


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
    calculated = torch.fft.fftn(one).abs()
    fitted = data.modulus >= 0
    misfit = data.total_over(fitted, (calculated - data.modulus).square_())
    calculated.square_().clamp_(min=data.floor)
    deviance = torch.xlogy(data.counts, data.counts / calculated).add_(calculated).sub_(data.counts)
    found = {
        "chi2": misfit / data.total,
        "llk": data.total_over(fitted, deviance) / int(fitted.sum()),
        "support_fraction": float(inside.sum()) / inside.numel(),
    }
    if data.has_free:
        found["free_llk"] = data.total_over(data.free, deviance) / int(data.free.sum())
    return found


def ranking(runs: list[dict[str, float]]) -> list[int]:
    """Return the indices of runs from the best to the worst: by ``free_llk``, or by ``chi2`` when nothing is held out."""
    return sorted(range(len(runs)), key=lambda i: runs[i].get("free_llk", runs[i]["chi2"]))

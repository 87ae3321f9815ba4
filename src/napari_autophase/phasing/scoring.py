"""What is said of a result: chi² and the likelihoods of fitted and held-out pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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
    found = data.backend.sums(one, data, deviances=True)
    figures = {
        "chi2": found.squared_error / data.total,
        "llk": found.deviance / data.fitted,
        "support_fraction": float(inside.sum()) / inside.numel(),
    }
    if data.held_out:
        figures["free_llk"] = found.held_out / data.held_out
    return figures


def judged(object: np.ndarray, support: np.ndarray, data: Diffraction) -> tuple[np.ndarray, dict[str, float]]:
    """Return an object at the scale that fits best, and its `figures`.

    Parameters
    ----------
    object, support
        complex64 and bool (N0, N1, N2), natural order.
    data
        The scale is the one with the least Σ(|Fp|−|Fm|)² over its fitted pixels.
    """
    one, inside = (torch.from_numpy(np.fft.ifftshift(volume)).to(data.device) for volume in (object, support))
    found = data.backend.sums(one, data)
    if found.power > 0:
        one = one * (found.overlap / found.power)
    return np.fft.fftshift(one.cpu().numpy()), figures(one, inside, data)


def score(one: torch.Tensor, data: Diffraction) -> float:
    """Return what objects are compared by, the less the better: ``free_llk``, or ``chi2`` if nothing is held out.

    It costs less than all `figures`.
    """
    found = data.backend.sums(one, data, deviances=data.held_out > 0)
    return found.held_out / data.held_out if data.held_out else found.squared_error / data.total


def ranking(scores: Sequence[float]) -> list[int]:
    """Return the indices of scores from the best to the worst."""
    return sorted(range(len(scores)), key=scores.__getitem__)

"""What is said of a result: chi² and the likelihoods of fitted and held-out pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .diffraction import Diffraction
from .likelihood import power
from .pattern import total


def figures(objects: torch.Tensor, supports: torch.Tensor, data: Diffraction) -> list[dict[str, float]]:
    """Return the figures of quality of objects.

    Parameters
    ----------
    objects, supports
        complex64 and bool (P, N0, N1, N2), FFT order.

    Returns
    -------
    list of dict
        ``chi2`` Σ(|Fp|−|Fm|)²/Σ|Fm|² over the fitted pixels; ``llk`` the mean over the fitted pixels of
        ``calc − obs + obs·log(obs/calc)``, the Poisson likelihood relative to a perfect fit (0 is perfect, about ½ is what the
        noise of many photons leaves), with calc never below ``data.floor``; ``free_llk`` the same over the held-out pixels,
        absent when none are; ``support_fraction`` the support's share of the volume.
    """
    sums = data.backend.sums(objects, data, deviances=True)
    areas = supports.sum((1, 2, 3)).tolist()
    rows = []
    for found, area in zip(sums, areas, strict=True):
        row = {
            "chi2": found.squared_error / data.total,
            "llk": found.deviance / data.fitted,
            "support_fraction": area / supports[0].numel(),
        }
        if data.held_out:
            row["free_llk"] = found.held_out / data.held_out
        rows.append(row)
    return rows


def expected(object: np.ndarray, data: Diffraction) -> np.ndarray:
    """Return the counts that are expected of an object, float32 (N0, N1, N2), natural order as the object, complex64."""

    def compute() -> np.ndarray:
        one = torch.from_numpy(np.fft.ifftshift(object)).to(data.device)
        return data.forward(power(torch.fft.fftn(one))).cpu().numpy()

    return np.fft.fftshift(data.or_on_cpu(compute))


def judged(object: np.ndarray, support: np.ndarray, data: Diffraction) -> tuple[np.ndarray, dict[str, float]]:
    """Return an object at the scale that fits best, and its `figures`.

    Parameters
    ----------
    object, support
        complex64 and bool (N0, N1, N2), natural order.
    data
        The scale is the one with the least Σ(|Fp|−|Fm|)² over its fitted pixels.
    """

    def judge() -> tuple[np.ndarray, dict[str, float]]:
        one, inside = (
            torch.from_numpy(np.fft.ifftshift(volume)[None]).to(data.device) for volume in (object, support)
        )
        (found,) = data.backend.sums(one, data)
        if found.power > 0:
            one = one * (found.overlap / found.power)
        return np.fft.fftshift(one[0].cpu().numpy()), figures(one, inside, data)[0]

    return data.or_on_cpu(judge)


def scores(objects: torch.Tensor, data: Diffraction) -> list[float]:
    """Return what objects are compared by, the less the better: ``free_llk``, or ``chi2`` if nothing is held out.

    It costs less than all `figures`.
    """
    sums = data.backend.sums(objects, data, deviances=data.held_out > 0)
    if data.held_out:
        return [found.held_out / data.held_out for found in sums]
    return [found.squared_error / data.total for found in sums]


def uniformities(objects: torch.Tensor, supports: torch.Tensor) -> list[float]:
    """Return how uniform the amplitudes of objects are, (Σ|ρ|²)² / (n Σ|ρ|⁴) over the n voxels of the support: 1 where they are.

    It is the share of the support's voxels that take part in the crystal's energy, known as the participation ratio (Bell and
    Dean, Discuss. Faraday Soc. 50, 55 (1970)).

    Parameters
    ----------
    objects, supports
        complex64 and bool (P, N0, N1, N2).
    """
    energy = torch.where(supports, objects.abs().square_(), 0)
    spread = total(energy.square()) * total(supports.to(energy.dtype))
    return (total(energy).square() / spread.clamp_min(1e-30)).cpu().tolist()


def ranking(scores: Sequence[float]) -> list[int]:
    """Return the indices of scores from the best to the worst."""
    return sorted(range(len(scores)), key=scores.__getitem__)

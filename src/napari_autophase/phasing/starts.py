"""Where phasing starts: random objects, or the best of some guesses."""

from __future__ import annotations

import numpy as np
import torch

from . import support
from .batch import Batch, Starts
from .diffraction import Diffraction
from .iterations import relaxation
from .pattern import TINY
from .scoring import ranking


def random_starts(data: Diffraction, starts: int, threshold: float, seed: int) -> Starts:
    """Return random objects inside a support estimated from the autocorrelation.

    Parameters
    ----------
    starts
        How many.
    threshold
        The support's edge as a fraction of the object's amplitude; the autocorrelation, a product of two amplitudes, is cut
        at its square.
    seed
        Of the amplitudes and phases (see `random_phases`).
    """
    inside = data.or_on_cpu(lambda: support.from_autocorrelation(data.counts, data.good, threshold**2).cpu())
    inside = torch.fft.fftshift(inside).numpy()
    return random_phases(inside[None], starts, seed)


def random_phases(supports: np.ndarray, starts: int, seed: int) -> Starts:
    """Return random objects inside given supports, bool (S, N0, N1, N2), which take turns.

    Amplitudes are uniform in ½ to 1 and phases uniform in ±π, drawn from `seed`; start k is the same however many are asked for.
    """
    rng = np.random.default_rng(seed)
    chosen = supports[np.arange(starts) % len(supports)]
    objects = np.zeros(chosen.shape, np.complex64)
    for one, inside in zip(objects, chosen, strict=True):
        amplitude, phase = rng.uniform([[0.5], [-np.pi]], [[1.0], [np.pi]], (2, int(inside.sum())))
        one[inside] = amplitude * np.exp(1j * phase)
    return Starts(objects, chosen)


def parted(objects: torch.Tensor, supports: torch.Tensor) -> torch.Tensor:
    """Return the crystals of whose mixtures with their twins some objects may be, up to the twin.

    A crystal of even amplitude exp(iφ(r)) and its twin exp(−iφ(−r)) add up to 2 exp(iφ₋) cos φ₊, where φ₋ and φ₊ are the parts
    of φ that are opposite and the same at opposite places.  So φ₋ is the phase of what was found, and φ₊, by whose sign alone
    crystal and twin differ, is in its amplitude.  It comes out as far as it is below π/2, and roughly where the mixture is not of
    equal parts.

    Parameters
    ----------
    objects
        Complex (..., N0, N1, N2).
    supports
        bool, same shape.

    Returns
    -------
    Tensor
        complex64, same shape, amplitude 1 within the supports.
    """
    amplitude = (objects.abs() * supports).to(torch.float32)
    # nine tenths of the voxels of a support are no brighter than its bulk
    ordered = amplitude.flatten(-3).sort(descending=True).values
    rank = (0.1 * supports.flatten(-3).sum(-1, keepdim=True)).long()
    bulk = ordered.gather(-1, rank)[..., None, None]
    phase = objects.angle() + torch.arccos((amplitude / bulk.clamp_min(float(TINY))).clamp(0, 1))
    return torch.polar(supports.to(torch.float32), phase.to(torch.float32))


def join(groups: list[Starts]) -> Starts:
    """Return all starts of several groups as one batch, in order."""
    if len(groups) == 1:
        return groups[0]
    return Starts(
        np.concatenate([group.objects for group in groups]),
        np.concatenate([group.supports for group in groups]),
    )


def keep_best(data: Diffraction, starts: Starts, keep: int, iterations: int = 5) -> Starts:
    """Do a few iterations of ER with every start and return the best `keep` of them, the best first.

    The best have the lowest held-out Poisson likelihood, or the lowest chi² when nothing is held out.  As many as
    there are, or fewer, are all kept, and projected alike.
    """

    def project() -> Starts:
        batch = Batch(data, starts)
        for _ in range(iterations):
            batch.iterate(relaxation("ER"))
        batch.finish()
        return batch.starts(ranking(batch.scores())[:keep])

    return data.or_on_cpu(project)

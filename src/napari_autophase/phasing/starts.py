"""Where phasing starts: random objects, or the best of some guesses."""

from __future__ import annotations

import numpy as np
import torch

from . import support
from .batch import Batch, Starts
from .diffraction import Diffraction
from .iterations import relaxation
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

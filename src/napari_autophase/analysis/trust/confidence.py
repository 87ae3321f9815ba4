"""How sure it is that a result is the crystal: of simulated crystals with figures like these, so many were found.

Found means that an object correlates with the truth to 0.95 or more.  A logistic regression on what a result says of itself gives
the odds; `benchmarks/confidence.py` makes its coefficients (``--fit``), and a table of how often crystals of other seeds were
found against what was stated.  The crystals are those of `napari_autophase.simulation`, 64³, of all kinds, with phases of 0 to 13
rad and 300 to 5 million photons at the peak; two fifths in partly coherent light, a third on a background, some with a
dislocation, gaps beside the peak, a clipped peak, or a peak that wanders.  What no model of a simulation knows, it does not know
either.

A masked peak was not among them, but holds: of 68 crystals whose peak was masked by a ball, a column or a box of 0.7 to 2.2
fringes (36³ and 48³; 0.5 to 8 rad; 5,000 to 1e6 photons) 58 were found where 56.8 were to be.  That starts differ adds nothing:
of the 18 of them where they did, 10 were found where 10.7 were to be, and all 6 that were stated at 90 % or more.

It holds too of light that is undersampled along the rocking axis, and of what does not explain its scan: of 287 crystals phased
by `iterative` (40³; 1.3 to 3-fold; 1 to 9 rad; 1e4 to 3e6 photons) 88 did not converge (see `verdict`).  Of the 12 of these
stated at 90 % or more all were found, of the 15 at 50 to 90 % 11 where 10.5 were to be, of the 61 below 3 where 5.7 were to be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...evidence import Shells
from .verdict import is_noise, is_wrong

FOUND = 0.95
"""Correlation with the truth from which a crystal counts as found."""
SUREST = 0.99
"""No result is surer: of 82 crystals that were found all that proves no more."""
_LEAST_OFF, _LEAST_LIGHT, _LEAST_UNEVEN = 0.5, 1e-5, 0.01
"""The least ratio of a likelihood to that of noise alone, unexplained light and unevenness, whose logarithms are taken."""


class _Odds(NamedTuple):
    """A logistic regression, ``log odds = bias + slopes · z + joint z[1] z[2]``; ``z = (x - mean) / spread`` within ±2.

    The product is there because unexplained light tells the more, the more photons there are.
    """

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    bias: float
    slopes: tuple[float, ...]
    joint: float


GUESSED = _Odds(
    mean=(1.835, -5.312, 3.156, 0.0, -1.583),
    spread=(1.777, 1.995, 1.275, 1.0, 0.527),
    bias=-3.295,
    slopes=(0.791, -1.527, -0.526, 0.0, -2.419),
    joint=-0.423,
)
REFINED = _Odds(
    mean=(0.682, -7.041, 3.280, 0.548, -2.387),
    spread=(0.974, 2.497, 1.252, 0.498, 0.778),
    bias=3.006,
    slopes=(-0.202, -1.208, 0.620, -0.227, -3.658),
    joint=-0.808,
)
"""Of the network's guesses of 482 crystals, and of what `fast` made of them in a first attempt."""


def evidence(
    figures: Mapping[str, float], shells: Shells | None, inside: int, blurred: bool, uneven: float
) -> np.ndarray | None:
    """Return what a result says of itself; None where no pixels are held out.

    Parameters
    ----------
    figures
        ``free_llk`` and ``noise_llk``.
    shells
        How well it explains the counts.
    inside
        Voxels of the support.
    blurred
        Whether it explains them by light that is only partly coherent.
    uneven
        How much the amplitude differs inside, see `analysis.unevenness`; NaN where there is no inside.

    Returns
    -------
    float64 (5,)
        Log of how many times unseen pixels are off by what photon noise leaves; log of the share of the light that lies where it
        should not (see `shells.leaves_light`); log10 of the photons a voxel of the crystal; 1 if blurred; log of the
        unevenness.
    """
    noise, unseen = figures.get("noise_llk", math.nan), figures.get("free_llk", math.nan)
    if shells is None or not (noise > 0 and math.isfinite(unseen) and inside > 0):
        return None
    light = float(shells.voxels @ shells.photons)
    if light <= 0:
        return None
    excess = max(float(shells.voxels @ (shells.deviance - shells.expected)), 0.0)
    return np.array(
        [
            math.log(max(unseen / noise, _LEAST_OFF)),
            math.log(excess / (4 * light) + _LEAST_LIGHT),
            math.log10(light / inside),
            float(blurred),
            math.log(min(max(uneven, _LEAST_UNEVEN), 1.0)) if math.isfinite(uneven) else 0.0,
        ]
    )


def confidence(
    figures: Mapping[str, float],
    shells: Shells | None,
    inside: int,
    blurred: bool,
    uneven: float,
    refined: bool,
) -> float | None:
    """Return the part of crystals with such figures that were found, `SUREST` at most; None where nothing tells.

    Neither does where the fitted pixels are not explained, or the background alone explains all: none of the crystals was so.

    Parameters
    ----------
    figures, shells, inside, blurred, uneven
        As for `evidence`.
    refined
        Whether iterations followed the network's guess.
    """
    known = evidence(figures, shells, inside, blurred, uneven)
    if known is None or is_wrong(figures) or is_noise(figures):
        return None
    odds = REFINED if refined else GUESSED
    z = np.clip((known - odds.mean) / odds.spread, -2, 2)
    return min(float(1 / (1 + np.exp(-(odds.bias + z @ odds.slopes + odds.joint * z[1] * z[2])))), SUREST)

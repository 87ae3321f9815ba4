"""What photon noise alone leaves of the likelihood of pixels that no fit has seen."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from scipy import special

_FEWEST, _MANY = 1e-4, 30.0
"""Photons between which the moments of the likelihood are tabulated; below single photons decide, above a series does."""
_STEPS = 200
"""Means of Poisson counts in the table that is interpolated."""


def expected_llk(photons: np.ndarray) -> np.ndarray:
    """Return the mean of ``calc − obs + obs·log(obs/calc)`` over Poisson counts `obs` whose expectation is `calc`.

    Parameters
    ----------
    photons
        Expected counts, any shape, not negative.

    Returns
    -------
    ndarray
        float64: 0 for no photons, at most 0.58 (near 1 photon), ½ for many.
    """
    photons = np.asarray(photons, np.float64)
    means, found, _ = _table()
    inside = np.interp(np.log(np.clip(photons, _FEWEST, _MANY)), means, found)
    # below: ln(1/μ) μ of single photons; above: the next term of Stirling's series
    below = -photons * np.log(np.maximum(photons, 1e-300))
    above = 0.5 + 1 / (12 * np.maximum(photons, 1))
    return np.where(photons < _FEWEST, below, np.where(photons > _MANY, above, inside))


def llk_variance(photons: np.ndarray) -> np.ndarray:
    """Return the variance of ``calc − obs + obs·log(obs/calc)`` over Poisson counts `obs` whose expectation is `calc`.

    Parameters
    ----------
    photons
        Expected counts, any shape, not negative.

    Returns
    -------
    ndarray
        float64: 0 for no photons, ½ for many.
    """
    photons = np.asarray(photons, np.float64)
    means, _, found = _table()
    inside = np.interp(np.log(np.clip(photons, _FEWEST, _MANY)), means, found)
    below = photons * (1 + np.log(np.maximum(photons, 1e-300))) ** 2
    return np.where(photons < _FEWEST, below, np.where(photons > _MANY, found[-1], inside))


@cache
def _table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    means = np.geomspace(_FEWEST, _MANY, _STEPS)
    counts = np.arange(int(_MANY + 12 * np.sqrt(_MANY)))
    logs = counts * np.log(np.maximum(counts, 1))
    mean = means[:, None]
    llk = mean - counts + logs - counts * np.log(mean)
    # Poisson's probabilities; scipy.stats has them too, and takes half a second to import
    share = np.exp(counts * np.log(mean) - mean - special.gammaln(counts + 1))
    first = (share * llk).sum(1)
    return np.log(means), first, (share * llk**2).sum(1) - first**2


def noise_level(counts: np.ndarray, good: np.ndarray, pixels: np.ndarray) -> float:
    """Return what noise alone leaves of the mean likelihood over some pixels, whatever the object.

    Parameters
    ----------
    counts, good
        Photons and bool (N0, N1, N2).
    pixels
        bool, same shape: the pixels that are asked for.  What is expected in each is taken from the good ones among it and its
        26 neighbours, which do as the likelihood changes slowly with it.

    Returns
    -------
    float
        NaN if there are none.
    """
    places = np.argwhere(pixels)
    if not len(places):
        return float("nan")
    total, weight = np.zeros(len(places)), np.zeros(len(places))
    for step in product((-1, 0, 1), repeat=3):
        at = places + step
        inside = np.all((at >= 0) & (at < counts.shape), axis=1)
        index = tuple(np.where(inside[:, None], at, 0).T)
        usable = inside & good[index]
        total += np.where(usable, counts[index], 0)
        weight += usable
    return float(expected_llk(total / np.maximum(weight, 1)).mean())

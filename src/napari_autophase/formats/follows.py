"""How frames follow from those beside them: the intensity of an oversampled crystal is limited in its band."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

_REACH = 2
"""So many frames before and after a frame tell of it."""
WIDTH = 2 * _REACH + 1  # places of a window
_EQUAL = np.full(WIDTH, 1 / WIDTH)
_BANDS = (2.0, 2.6, 3.6, 6.0)
"""Oversamplings along the rocking curve, of which the one is taken that tells most of the frames best."""
GAIN = 0.8
"""So many times as much as is left of it a change must take away of what is amiss."""
WINDOWS = 3
"""In so many runs of five frames a change must show."""


@cache
def follows_of(oversampling: float) -> np.ndarray:
    """Return what to multiply a run of five frames by, so that the sum is 0 if the middle one follows from the others."""
    lags = np.linspace(0, 1 / oversampling, 201)
    weights = (1 - lags * oversampling) ** 2

    def alike(apart: int) -> float:
        return float(np.sum(weights * np.cos(2 * np.pi * lags * apart)) / np.sum(weights))

    others = [step for step in range(-_REACH, _REACH + 1) if step]
    matrix = np.array([[alike(one - other) for other in others] for one in others]) + 1e-4 * np.eye(
        len(others)
    )
    solved = -np.linalg.solve(matrix, [alike(step) for step in others])
    return np.insert(solved, _REACH, 1.0)


@dataclass(frozen=True, eq=False)
class Seen:
    """Runs of five frames, each with what the middle one lacks of what the others say of it.

    Parameters
    ----------
    follows
        As `_follows` returns it.
    usual
        How much is amiss of the scan's frames usually: a variance, as a part of their square.
    weights
        (runs, pixels): one over the variance that photons and the scan's usual frames let expect.
    products
        (runs, 5, 5): what the five frames contribute to the misfit of a run, by twos, per pixel.
    """

    follows: np.ndarray
    usual: float
    weights: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, some: np.ndarray, units: np.ndarray, lost: np.ndarray, like: Seen | None = None) -> Seen:
        """Look at (frames, pixels) in which a photon makes so much, by frame; as another time where that is given."""
        whole = along(np.ones(WIDTH), lost) == 0
        mean = along(_EQUAL, some)
        variances = (some + 0.1) * units[:, None]
        if like is None:
            usual, follows = usual_of(some, variances, mean, whole)
        else:  # a frame that is too bright must not make what is amiss beside it seem small
            usual, follows = like.usual, like.follows
            mean = np.maximum(np.exp(along(_EQUAL, np.log(some + 0.5))), 0.05 * mean)
        weights = whole[:, None] / (along(follows**2, variances) + 2 * max(usual, 1e-4) * np.square(mean))
        products = np.empty((len(mean), WIDTH, WIDTH))
        for run, each in enumerate(weights):  # one by one: they overlap in memory
            part = some[run : run + WIDTH] * follows[:, None]
            products[run] = (part * each) @ part.T / some.shape[1]
        return cls(follows, usual, weights, products)

    @property
    def own(self) -> np.ndarray:
        """How much is amiss in each run."""
        return np.asarray(self.products.sum((1, 2)))

    def misfit(self, some: np.ndarray, runs: np.ndarray) -> float:
        """Return how much is amiss in some runs of other counts, per run."""
        at = runs[:, None] + np.arange(WIDTH)
        sums = np.einsum("j,rjp->rp", self.follows, some[at])
        return float(np.mean(np.square(sums) * self.weights[runs], dtype=np.float64) * len(runs))


def usual_of(
    some: np.ndarray, variances: np.ndarray, mean: np.ndarray, whole: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return how much is amiss of the middle frame of a run usually, and what tells most of it."""
    light, squares = mean.sum(1), np.maximum(np.square(mean).sum(1), 1e-9)
    lit = whole & (light > 0.02 * light.max(initial=0, where=whole))
    best = 1.0, follows_of(_BANDS[0])
    for band in _BANDS if lit.any() else ():
        follows = follows_of(band)
        beyond = np.square(along(follows, some)) - along(follows**2, variances)
        usual = float(np.median((np.maximum(beyond, 0).sum(1) / squares)[lit]))
        if usual < best[0]:
            best = usual, follows
    return best


def along(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the weighted sums of five frames in a row: (runs, …)."""
    runs = len(values) - WIDTH + 1
    found = np.zeros((runs, *values.shape[1:]), np.float32)
    for at, weight in enumerate(weights):
        found += np.float32(weight) * values[at : at + runs]
    return found


def runs_of(own: np.ndarray, *frames: int) -> np.ndarray:
    """Return the runs in which one of some frames is; `own` says how much is amiss in each run."""
    near = [np.arange(max(frame - WIDTH + 1, 0), min(frame + 1, len(own))) for frame in frames]
    runs = np.unique(np.concatenate(near))
    return runs[own[runs] > 0]  # in others a frame is masked

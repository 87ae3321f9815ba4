"""What speaks for a result: how well its model explains the counts, what several runs and halves of the photons
agree on, and what was done to its object since.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

import numpy as np

MEANINGS = {
    "chi2": "how far the moduli are from the measured ones, Σ(|F| − √n)²/Σn over the fitted pixels; 0 is perfect",
    "llk": "Poisson likelihood of the fitted pixels, per pixel; 0 is perfect, about ½ the noise of many photons",
    "free_llk": "Poisson likelihood of the held-out pixels, which took no part in the fit; 0 is perfect, about ½ such noise",
    "noise_llk": "what of free_llk photon noise alone would leave",
    "free_photons": "mean counts of the held-out pixels",
    "deviance_ratio": "deviance of all measured voxels over what photon noise alone would leave; 1 is a model that is right",
    "over_background": "deviance that the object takes from the background alone, per number it has; below 0.5 it is noise",
    "support_fraction": "voxels of the support over all",
    "confidence": "of simulated crystals that said the same of themselves, the part that was right",
    "starts_alike": "least correlation with other starts that explain the pixels as well; below 0.95 it is open which is right",
    "starts_compared": "number of starts that starts_alike compares",
    "repeat_correlation": "correlation with the result that was repeated; 1 is the same",
    "free_chi2": "chi2 of the held-out pixels, which took no part in the fit",
}
"""What figures of quality say, wherever they are shown."""


def percent(confidence: float) -> int:
    """Return a confidence in percent, 99 at most: nothing is certain."""
    return min(round(100 * confidence), 99)


@dataclass(frozen=True, eq=False)
class Curve:
    """Something in shells of spatial frequency, and what it must not fall below.

    Parameters
    ----------
    frequency
        float64 (K,), rising, without 2π, over the unit of whom it belongs to.
    value, threshold
        float64 (K,).
    """

    frequency: np.ndarray
    value: np.ndarray
    threshold: np.ndarray

    @property
    def resolution(self) -> float:
        """1/frequency where the value first falls below the threshold, between two shells; the last if it never does."""
        off = self.value - self.threshold
        below = np.flatnonzero(off < 0)
        if not len(below):
            at = self.frequency[-1]
        elif (last := below[0]) == 0:
            at = self.frequency[0]
        else:
            part = off[last - 1] / (off[last - 1] - off[last])
            at = self.frequency[last - 1] + part * (self.frequency[last] - self.frequency[last - 1])
        return float(1 / at) if at > 0 else math.inf

    @property
    def reached(self) -> bool:
        """Whether the value falls below the threshold at all: else the resolution is at least as good as that of the grid."""
        return bool((self.value < self.threshold).any())


@dataclass(frozen=True, eq=False)
class Trust:
    """What several runs, runs of two halves of the photons, and of simulated ones, say of a result.

    Parameters
    ----------
    strain
        float32, shape of the object: ∂u/∂Q̂ relative to the mean lattice, smoothed to the resolution at which it reproduces, NaN
        outside the crystal; in radians per voxel without geometry (see `analysis.strain`).
    strain_error, amplitude_error, phase_error
        float32, same shape: standard errors of the strain, of the amplitude in units of the largest, and of the phase in rad, at
        the same resolution.
    figures
        ``agreement`` of the runs and ``half_agreement`` of the halves (correlations of the objects), ``first_mode`` (the weight
        of the runs' first mode), ``twin_likeness`` (correlation of the object with its twin), ``strain_correlation`` of the
        halves at ``strain_resolution`` (full width at half maximum) and ``strain_correlation_per_voxel``,
        ``fsc_resolution`` (of the halves, half-bit) and ``prtf_resolution`` (of the runs, 1/e), ``strain_spread`` and
        ``strain_error`` over the crystal.  ``of_starts`` is 1 where the starts of one run stand for runs: then the halves were
        phased from what that run found, and ``fsc_resolution`` is not among them.
    runs
        A row for each: ``seed``, ``share`` (0: all photons; 1, 2: a half; 3: those of a simulation of what was found), ``kept``
        (whether it is in a mean), ``agreement`` with the best, ``twin`` (whether it was its twin), ``seconds`` that it took, and
        the figures of the run.
    unit
        Of the resolutions: nm, or voxels.
    fsc, prtf
        Fourier shell correlation of the halves with its half-bit threshold, and phase retrieval transfer function of the runs
        with 1/e, of which the resolutions are; None if nobody knows.
    objects
        complex64 (K, M0, M1, M2): the kept runs in their order, brought onto the best, inside its support, cropped about the
        centre to that; None: an older version wrote it.
    """

    strain: np.ndarray
    strain_error: np.ndarray
    amplitude_error: np.ndarray
    phase_error: np.ndarray
    figures: dict[str, float]
    runs: tuple[dict[str, float], ...] = ()
    unit: Literal["nm", "voxels"] = "voxels"
    fsc: Curve | None = None
    prtf: Curve | None = None
    objects: np.ndarray | None = None

    @property
    def of_starts(self) -> bool:
        """Whether it is the starts of one run that are compared, and not several runs."""
        return bool(self.figures.get("of_starts"))

    @property
    def shares(self) -> np.ndarray:
        """int: of which photons each of `objects` is, as ``share`` of `runs`."""
        return np.array([int(run["share"]) for run in self.runs if run["kept"]], int)


@dataclass(frozen=True, eq=False)
class Shells:
    """How well a model explains the counts, shell by shell of resolution.

    The deviance is ``2 (calc − obs + obs·log(obs/calc))``, with all in `calc` that the model knows: blur and background.

    Parameters
    ----------
    frequency
        float64 (K,): the shells' middles, without 2π.
    voxels, photons
        How many were fitted, lower bounds that are not kept among them, and the mean counts of these.
    deviance, expected, expected_error
        Mean of the deviance over them, what photon noise about the model would leave of it in the mean, and the standard
        deviation of that mean.
    free_voxels, free_deviance, free_expected
        The same of the held-out voxels, which no fit has seen; NaN where there are none.
    unit
        Frequencies are over this.
    """

    frequency: np.ndarray
    voxels: np.ndarray
    photons: np.ndarray
    deviance: np.ndarray
    expected: np.ndarray
    expected_error: np.ndarray
    free_voxels: np.ndarray
    free_deviance: np.ndarray
    free_expected: np.ndarray
    unit: Literal["nm", "voxels"] = "voxels"

    @property
    def ratio(self) -> np.ndarray:
        """Deviance in units of what photon noise leaves: 1 for a model that is right, less where it was fitted to the noise."""
        return self.deviance / np.maximum(self.expected, 1e-30)

    @property
    def unexplained(self) -> np.ndarray:
        """About which share of the light lies where it should not: of many photons half of what exceeds the noise, over two."""
        return np.maximum(self.deviance - self.expected, 0) / (4 * np.maximum(self.photons, 1e-30))

    @property
    def free_ratio(self) -> np.ndarray:
        """The same of the held-out voxels; NaN where there are none."""
        return self.free_deviance / np.maximum(self.free_expected, 1e-30)

    def document(self) -> dict[str, Any]:
        """Return all of it as plain values, None where there is none."""
        found: dict[str, Any] = {
            "unit": f"1/{self.unit.removesuffix('s') if self.unit == 'voxels' else self.unit}"
        }
        for each in fields(self)[:-1]:
            values = getattr(self, each.name).tolist()
            found[each.name] = [
                None if isinstance(value, float) and math.isnan(value) else value for value in values
            ]
        return found


TRUST_MAPS = ("strain", "strain_error", "amplitude_error", "phase_error")
"""Names of the volumes of `Trust`, as files have them."""


class Correction(NamedTuple):
    """What was done to an object before phase and strain are read from it.

    Parameters
    ----------
    name
        What it is in a few words, with its numbers, as it stands beside the name of a map.
    words
        What else there is to say, going on from the name.
    """

    name: str
    words: str

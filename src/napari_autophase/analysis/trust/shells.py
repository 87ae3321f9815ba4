"""How well a model explains the counts, shell by shell of resolution.

The figure is the Poisson deviance, ``2 Σ (calc − obs + obs·log(obs/calc))``, twice the likelihood `llk` of the other figures: 1 a
voxel is what the noise of many photons leaves of a model that is right, and the exact mean and variance of few are known too
(`noise`), so that deviance over what is expected has a scale of its own: 1, whatever the counts.
"""

from __future__ import annotations

import numpy as np

from ...evidence import Shells
from .noise import expected_llk, llk_variance
from .resolution import reach

NUMBER = 16
"""Shells up to where the grid is whole."""
GOOD, POOR = 1.5, 3.0
"""Deviance in units of what photon noise leaves: below the first the model explains the data, above the second it does not."""
OFF, SHARE = 1.35, 0.0005
"""In coherent light a crystal that is found right does not exceed both: the deviance of all voxels over what photon noise leaves,
and the share of the light that lies where it should not.

Of 216 simulated crystals (64³; 2, 6 and 10 rad; 1e4 to 1e7 photons at the peak; a background of 1 or 5, a clipped peak) that
`fast` phased once, 12 exceeded both, none of which agreed with the truth to more than 0.978 and 5 to less than 0.95; of the
other 204 none agreed to less than 0.968."""
_FEWEST = 8
"""Voxels in a shell without which it says nothing."""
_FINE, _LEAST, _MOST = 2000, 1e-6, 1e4
"""How many expected counts the table of noise has, and its least and largest."""
_FITTED, _FREE = ("voxels", "photons", "deviance", "expected", "variance"), ("voxels", "deviance", "expected")


def leaves_light(shells: Shells, ratio: float) -> bool:
    """Whether a model leaves more of the light unexplained than one that is right in coherent light (`OFF`, `SHARE`).

    The deviance of many photons is 2(√q − √n)²: half of what exceeds the noise, over two, is the light in the wrong place.

    Parameters
    ----------
    shells, ratio
        As `explained` returns them.
    """
    excess = float(shells.voxels @ (shells.deviance - shells.expected))
    return ratio >= OFF and excess >= 4 * SHARE * float(shells.voxels @ shells.photons)


def explained(
    counts: np.ndarray,
    calculated: np.ndarray,
    good: np.ndarray,
    held_out: np.ndarray,
    floor: float,
    voxel_steps_nm: np.ndarray | None,
) -> tuple[Shells, float]:
    """Return the deviance of counts in shells of resolution, and of all in units of what photon noise leaves.

    Parameters
    ----------
    counts, calculated
        float32 (N0, N1, N2), the peak at ``shape // 2``: photons, and how many of them the model expects, with all that lies
        between the crystal and the detector.
    good, held_out
        bool, same shape: what was measured, and what of that was held out from the fit.  Counts above 0 that are not good are
        lower bounds (a saturated detector): they count where the model stays below them.
    floor
        Photons: no less is expected anywhere.
    voxel_steps_nm
        3 × 3, columns are the steps along the array's axes; None: frequencies in 1/voxel.

    Returns
    -------
    Shells
        Those with at least a few voxels.
    float
        Sum of the deviances of all voxels, over what Poisson counts about the model would have in the mean.
    """
    steps = np.eye(3) if voxel_steps_nm is None else np.asarray(voxel_steps_nm, float)
    rows = np.linalg.inv(steps).T
    last = reach(steps)
    means = np.geomspace(_LEAST, _MOST, _FINE)
    mean, variance = 2 * expected_llk(means), 4 * llk_variance(means)
    scale = (_FINE - 1) / np.log(_MOST / _LEAST)
    axes = [(np.arange(n) - n // 2) / n for n in counts.shape]
    fitted, unseen = np.zeros((len(_FITTED), NUMBER + 1)), np.zeros((len(_FREE), NUMBER + 1))
    for plane, first in enumerate(axes[0]):  # a plane at a time stays in the processor's cache
        n, q = counts[plane], np.maximum(calculated[plane], np.float32(floor))
        places = (row[0] * first + row[1] * axes[1][:, None] + row[2] * axes[2] for row in rows)
        length = np.sqrt(sum(place**2 for place in places))
        shell = np.minimum((length * (NUMBER / last)).astype(int), NUMBER)
        bounded = ~good[plane] & (n > q)
        held = held_out[plane] & good[plane]
        deviance = 2 * (q - n + n * np.log(np.maximum(n, np.float32(1e-30)) / q))
        at = np.clip(np.rint((np.log(q) - np.float32(np.log(_LEAST))) * scale), 0, _FINE - 1).astype(int)
        one = np.ones_like(q)
        for sums, where, values in (
            (fitted, (good[plane] & ~held) | bounded, (one, n, deviance, mean[at], variance[at])),
            (unseen, held, (one, deviance, mean[at])),
        ):
            for total, each in zip(sums, values, strict=True):
                total += np.bincount(shell[where], each[where], NUMBER + 1)
    ratio = float((fitted[2].sum() + unseen[1].sum()) / max(fitted[3].sum() + unseen[2].sum(), 1e-30))
    enough = fitted[0][:NUMBER] >= _FEWEST
    voxels, *others = fitted[:, :NUMBER][:, enough]
    photons, deviances, noises, variances = (each / voxels for each in others)
    free_voxels, *others = unseen[:, :NUMBER][:, enough]
    with np.errstate(invalid="ignore"):
        free_deviances, free_noises = (each / free_voxels for each in others)
    shells = Shells(
        frequency=((np.arange(NUMBER) + 0.5) * last / NUMBER)[enough],
        voxels=voxels.astype(int),
        photons=photons,
        deviance=deviances,
        expected=noises,
        expected_error=np.sqrt(variances / voxels),
        free_voxels=free_voxels.astype(int),
        free_deviance=free_deviances,
        free_expected=free_noises,
        unit="voxels" if voxel_steps_nm is None else "nm",
    )
    return shells, ratio

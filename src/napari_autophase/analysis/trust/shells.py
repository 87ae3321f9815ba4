"""How well a model explains the counts, shell by shell of resolution."""

from __future__ import annotations

import numpy as np

from ...reconstruction import Shells
from .noise import expected_deviance
from .resolution import reach

NUMBER = 16
"""Shells up to where the grid is whole."""
GOOD, POOR = 1.5, 3.0
"""Deviance in units of what photon noise leaves: below the first the model explains the data, above the second it does not."""
_FEWEST = 8
"""Voxels in a shell without which it says nothing."""
_FINE, _LEAST, _MOST = 2000, 1e-6, 1e4


def explained(
    counts: np.ndarray,
    expected: np.ndarray,
    good: np.ndarray,
    floor: float,
    voxel_steps_nm: np.ndarray | None,
) -> tuple[Shells, float]:
    """Return the deviance of counts in shells of resolution, and of all in units of what photon noise leaves.

    Parameters
    ----------
    counts, expected
        float32 (N0, N1, N2), the peak at ``shape // 2``: photons, and what the model expects.
    good
        bool, same shape.
    floor
        Photons: no less is expected anywhere.
    voxel_steps_nm
        3 × 3, columns are the steps along the array's axes; None: frequencies in 1/voxel.

    Returns
    -------
    Shells
        Those with at least a few voxels.
    float
        Sum of the deviances of all good voxels, over what Poisson counts about the model would have in the mean.
    """
    steps = np.eye(3) if voxel_steps_nm is None else np.asarray(voxel_steps_nm, float)
    rows = np.linalg.inv(steps).T
    last = reach(steps)
    table = expected_deviance(np.geomspace(_LEAST, _MOST, _FINE)).astype(np.float32)
    scale = np.float32((_FINE - 1) / np.log(_MOST / _LEAST))
    axes = [(np.arange(n) - n // 2) / n for n in counts.shape]
    sums = np.zeros((4, NUMBER + 1))
    for plane, first in enumerate(axes[0]):  # a plane at a time stays in the processor's cache
        n, q = counts[plane], np.maximum(expected[plane], np.float32(floor))
        places = (row[0] * first + row[1] * axes[1][:, None] + row[2] * axes[2] for row in rows)
        length = np.sqrt(sum(place**2 for place in places))
        shell = np.minimum((length * (NUMBER / last)).astype(int), NUMBER)
        known = good[plane]
        deviance = q - n + n * np.log(np.maximum(n, np.float32(1e-30)) / q)
        at = np.clip((np.log(q) - np.float32(np.log(_LEAST))) * scale, 0, _FINE - 1).astype(int)
        for total, values in zip(sums, (known, deviance * known, table[at] * known, n * known), strict=True):
            total += np.bincount(shell.ravel(), values.ravel(), NUMBER + 1)
    voxels, deviance, noise, photons = sums
    enough = voxels[:NUMBER] >= _FEWEST
    each = np.maximum(voxels, 1)
    shells = Shells(
        frequency=((np.arange(NUMBER) + 0.5) * last / NUMBER)[enough],
        deviance=(deviance / each)[:NUMBER][enough],
        noise=(noise / each)[:NUMBER][enough],
        photons=(photons / each)[:NUMBER][enough],
        voxels=voxels[:NUMBER][enough].astype(int),
        unit="voxels" if voxel_steps_nm is None else "nm",
    )
    return shells, float(deviance.sum() / max(noise.sum(), 1e-30))

"""The mean lattice of a crystal: what the phase ramp says, which maps of strain leave out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..reconstruction import Reconstruction
from .phase import ramp


@dataclass(frozen=True, eq=False)
class MeanLattice:
    """The lattice planes that a crystal has in the mean.

    Parameters
    ----------
    q_per_nm
        (x, y, z) of its Bragg vector in the laboratory, 1/nm.
    spacing_nm
        d = 2π/|Q|.
    strain
        (d − d_reference) / d_reference, which added to a map of strain makes it absolute; None without a reference.
    """

    q_per_nm: np.ndarray
    spacing_nm: float
    strain: float | None = None


def mean_lattice(found: Reconstruction, reference_nm: float | None = None) -> MeanLattice | None:
    """Return the mean lattice of a result.

    The mean gradient of its phase is the vector from the Bragg vector of the centre voxel to that of the intensity's centre of
    mass (Wiener and Khinchin): with phase −Q·u a lattice stretched by ε has the gradient −εQ, and Q(1 − ε).

    Parameters
    ----------
    found
        Its ramp must not have been removed.
    reference_nm
        Spacing of the same planes without strain.

    Returns
    -------
    MeanLattice or None
        None without geometry.
    """
    if found.voxel_steps_nm is None or found.q_bragg_per_nm is None:
        return None
    gradient = np.linalg.solve(np.asarray(found.voxel_steps_nm, float).T, ramp(found.object))
    q = np.asarray(found.q_bragg_per_nm, float) + gradient
    spacing = float(2 * np.pi / np.linalg.norm(q))
    return MeanLattice(q, spacing, None if reference_nm is None else spacing / reference_nm - 1)

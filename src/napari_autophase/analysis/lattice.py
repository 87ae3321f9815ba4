"""The mean lattice of a crystal, which a phase without its ramp has lost: Q, d, and the strain against a reference.

The phase is −Q·u, so that the lattice planes at r have the wave vector Q + ∇phase.  The mean slope (`phase.ramp`) makes the mean
lattice's Q of the one at the voxel that `q_bragg_per_nm` stands for; what is left of the slope makes the map:
d = 2π/|Q + ∇phase|, the tilt is the angle between that vector and the mean one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..geometry import find_material, spacing_nm
from ..reconstruction import Reconstruction
from ..scan import InputError
from .phase import ramp

RAMP_REMOVED = "ramp_removed"
"""In the metadata of a result whose file has lost the ramp: its mean lattice is nowhere."""


_BEARABLE = 0.1
"""Mean strain above which a reference is rather of another reflection or unit: palladium's hydride is 3.5 % wider."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What a spacing is measured against.

    Parameters
    ----------
    spacing_nm
        Of the lattice planes.
    words
        Where that is from.
    """

    spacing_nm: float
    words: str


@dataclass(frozen=True, eq=False)
class Lattice:
    """The mean lattice planes of a crystal.

    Parameters
    ----------
    q_per_nm
        Their Q (x, y, z), in 1/nm.
    hkl
        Their indices; None: unknown.
    reference
        What they are held against; None: nothing.
    cell
        Edges (nm) and angles (degrees) of the unit cell; None: taken for cubic.
    """

    q_per_nm: np.ndarray
    hkl: tuple[int, int, int] | None = None
    reference: Reference | None = None
    cell: tuple[float, float, float, float, float, float] | None = None

    @property
    def reciprocal_basis(self) -> np.ndarray | None:
        """3 × 3, columns a*, b*, c* (without 2π), a along x and b in the x-y plane; None where the cell is unknown."""
        if self.cell is None:
            return None
        a, b, c = self.cell[:3]
        alpha, beta, gamma = np.cos(np.radians(self.cell[3:]))
        sine = np.sqrt(1 - gamma**2)
        along = (alpha - beta * gamma) / sine
        direct = np.array(
            [[a, b * gamma, c * beta], [0, b * sine, c * along], [0, 0, c * np.sqrt(1 - beta**2 - along**2)]]
        )
        return np.linalg.inv(direct).T

    @property
    def spacing_nm(self) -> float:
        """Their spacing, 2π/|Q|."""
        return float(2 * np.pi / np.linalg.norm(self.q_per_nm))

    @property
    def strain(self) -> float | None:
        """The homogeneous strain, (d − d_reference)/d_reference; None without a reference."""
        return None if self.reference is None else self.spacing_nm / self.reference.spacing_nm - 1

    @property
    def cubic(self) -> float | None:
        """√(h² + k² + l²): what makes the lattice parameter of a cubic crystal of a spacing; None without indices."""
        return None if self.hkl is None else float(np.sqrt(sum(index**2 for index in self.hkl)))

    def lines(self) -> list[tuple[str, str]]:
        """Return what to print: a label and its words, a line each."""
        found = [
            ("mean lattice", f"|Q| {np.linalg.norm(self.q_per_nm):.4f} 1/nm, d {self.spacing_nm:.6f} nm")
        ]
        if self.cubic is not None and self.hkl is not None:
            words = f"({' '.join(map(str, self.hkl))}): a {self.spacing_nm * self.cubic:.6f} nm if the crystal is cubic"
            found.append(("reflection", words))
        if self.reference is None:
            found.append(
                ("mean strain", "unknown: give --material and --hkl, or --spacing, to have a reference")
            )
        else:
            against = f"against {self.reference.spacing_nm:.6f} nm ({self.reference.words})"
            strain = self.strain or 0.0
            words = f"{100 * strain:+.4f} %, absolute, {against}"
            if abs(strain) > _BEARABLE:
                words += (
                    "; no crystal bears that: check the reference, which reflection it is, and the geometry"
                )
                if any(abs(factor * (1 + strain) - 1) < _BEARABLE for factor in (10, 0.1)):
                    words += " (the spacing is off by ten: it is given in nm)"
            found.append(("mean strain", words))
        return found


def mean_lattice(
    found: Reconstruction,
    *,
    material: str | None = None,
    hkl: tuple[int, int, int] | None = None,
    reference_nm: float | None = None,
) -> Lattice | None:
    """Return the mean lattice of a result; None where its geometry is unknown, or its file has lost the ramp.

    Parameters
    ----------
    found
        A result; its amplitudes weigh the mean.
    material
        Formula of the crystal: with the indices it gives the reference.
    hkl
        Indices; None: those of its geometry.
    reference_nm
        Spacing of the reference in nm, instead of a material.

    Raises
    ------
    InputError
        If the material is unknown, or the indices are, or the spacing is no length.
    """
    stood = found.geometry or found.scan_geometry
    known = None if stood is None else stood.reflection
    hkl = hkl or known or found.metadata.get("reflection")
    hkl = None if hkl is None else (int(hkl[0]), int(hkl[1]), int(hkl[2]))
    reference = cell = None
    if reference_nm is not None:
        if not 0 < reference_nm < math.inf:
            raise InputError(f"A spacing of {reference_nm:g} nm is none; give a positive number (--spacing).")
        reference = Reference(reference_nm, "as given")
    elif material is not None:
        formula, data = find_material(material)
        if hkl is None:
            raise InputError(
                f"Which planes of {formula} the crystal showed is not known; give --hkl, such as 1,1,1."
            )
        cell = data.cell
        reference = Reference(spacing_nm(data, hkl), f"{formula} ({' '.join(map(str, hkl))}), {data.source}")
    if found.voxel_steps_nm is None or found.q_bragg_per_nm is None or found.metadata.get(RAMP_REMOVED):
        return None
    slope = ramp(np.where(found.support, found.corrected.object, 0))
    return Lattice(
        found.q_bragg_per_nm + np.linalg.solve(found.voxel_steps_nm.T, slope), hkl, reference, cell
    )

"""Lattice spacings of common crystals, to hold a measured |Q| against."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from ..scan import InputError


class Material(NamedTuple):
    """A crystal at room temperature: its unit cell (nm, degrees), and where the numbers stand."""

    name: str
    cell: tuple[float, float, float, float, float, float]
    source: str


_PDF = "ICDD powder diffraction file"


def _cubic(name: str, a_nm: float, source: str) -> Material:
    return Material(name, (a_nm, a_nm, a_nm, 90.0, 90.0, 90.0), source)


def _hexagonal(name: str, a_nm: float, c_nm: float, source: str) -> Material:
    return Material(name, (a_nm, a_nm, c_nm, 90.0, 90.0, 120.0), source)


MATERIALS: dict[str, Material] = {
    "Ag": _cubic("silver", 0.40862, f"{_PDF} 04-0783"),
    "Al": _cubic("aluminium", 0.40494, f"{_PDF} 04-0787"),
    "Au": _cubic("gold", 0.40786, f"{_PDF} 04-0784"),
    "Cu": _cubic("copper", 0.36150, f"{_PDF} 04-0836"),
    "Fe": _cubic("iron (ferrite)", 0.28664, f"{_PDF} 06-0696"),
    "Ni": _cubic("nickel", 0.35238, f"{_PDF} 04-0850"),
    "Pb": _cubic("lead", 0.49506, f"{_PDF} 04-0686"),
    "Pd": _cubic("palladium", 0.38902, f"{_PDF} 05-0681"),
    "Pt": _cubic("platinum", 0.39231, f"{_PDF} 04-0802"),
    "W": _cubic("tungsten", 0.31648, f"{_PDF} 04-0806"),
    "C": _cubic("diamond", 0.35667, f"{_PDF} 06-0675"),
    "Si": _cubic("silicon", 0.5431020511, "CODATA 2018"),
    "Ge": _cubic("germanium", 0.56576, f"{_PDF} 04-0545"),
    "GaAs": _cubic("gallium arsenide", 0.56538, f"{_PDF} 32-0389"),
    "InAs": _cubic("indium arsenide", 0.60583, f"{_PDF} 15-0869"),
    "InP": _cubic("indium phosphide", 0.58687, f"{_PDF} 32-0452"),
    "MgO": _cubic("periclase", 0.42112, f"{_PDF} 45-0946"),
    "CeO2": _cubic("ceria", 0.54113, f"{_PDF} 34-0394"),
    "LaB6": _cubic("lanthanum hexaboride", 0.41569, "NIST SRM 660"),
    "SrTiO3": _cubic("strontium titanate", 0.39050, f"{_PDF} 35-0734"),
    "ZnO": _hexagonal("zinc oxide", 0.32498, 0.52066, f"{_PDF} 36-1451"),
    "GaN": _hexagonal("gallium nitride", 0.31891, 0.51855, f"{_PDF} 50-0792"),
}
"""By formula."""


def find_material(formula: str) -> tuple[str, Material]:
    """Return formula and data of a material, however its letters are written.

    Raises
    ------
    InputError
        If it is not in the table.
    """
    for known, material in MATERIALS.items():
        if formula.lower() in (known.lower(), material.name.split(" ")[0]):
            return known, material
    raise InputError(
        f"There is no '{formula}' in the table of materials ({', '.join(MATERIALS)}); give the spacing in nm instead."
    )


def spacing_nm(material: Material, hkl: tuple[int, int, int]) -> float:
    """Return the spacing of the lattice planes (hkl) in nm: 1/d² = h·G⁻¹h with the metric tensor G of the unit cell.

    Raises
    ------
    InputError
        If all three indices are 0.
    """
    if not any(hkl):
        raise InputError("(0 0 0) are no lattice planes; give three indices such as 1,1,1.")
    edges = np.array(material.cell[:3])
    alpha, beta, gamma = np.cos(np.radians(material.cell[3:]))
    cosines = np.array([[1, gamma, beta], [gamma, 1, alpha], [beta, alpha, 1]])
    metric = np.outer(edges, edges) * cosines
    return float(1 / np.sqrt(np.array(hkl) @ np.linalg.inv(metric) @ np.array(hkl)))


def indices(text: str) -> tuple[int, int, int]:
    """Return the Miller indices that ``1,1,1``, ``1 1 -1`` or ``111`` mean.

    Raises
    ------
    InputError
        If they are not three whole numbers, or name no planes.
    """
    found = re.findall(r"-?\d+" if re.search(r"[ ,;]", text.strip()) else r"-?\d", text)
    if len(found) != 3 or re.sub(r"[-\d ,;()\[\]]", "", text) or not any(map(int, found)):
        raise InputError(
            f"'{text}' are no Miller indices; write three whole numbers, not all 0, such as 1,1,1 or 1,-1,3."
        )
    return int(found[0]), int(found[1]), int(found[2])

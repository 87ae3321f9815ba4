"""Maps that this program wrote for other programs, opened again: where their voxels lie, and Q, stand beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..reconstruction import FRAME
from .foreign import Beside, Program, laboratory_steps

KEYS = {"meanings", "voxel_size", "unit", "axes", "frame"}
"""What stands in all files of maps."""
ORTHOGONALISED = {"data", "support", "voxel_size", "unit", "frame", "axes_are", "q_bragg_per_nm"}
"""What stands beside an object that ``orthogonalise`` wrote."""
SAID = (*KEYS, "q_bragg_per_nm", "q_mean_per_nm", "name")
OURS = Program("napari-autophase, as maps", -1, "fft")
"""Who wrote them, and the sign of the phase."""


def are_ours(names: Iterable[str]) -> bool:
    """Tell whether a file whose arrays have these names is one of maps, or holds an object that was orthogonalised."""
    return set(names) >= KEYS or set(names) >= ORTHOGONALISED


def said_in(group: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `SAID` as a group of HDF5 has it; None where this program wrote none of it.

    What the maps mean stands at each of them there.
    """
    if not are_ours({*group, "meanings"}):
        return None
    return {name: group[name][()] for name in SAID if name in group}


def beside(said: Mapping[str, Any], support: np.ndarray | None) -> Beside:
    """Return what is known beside maps: `SAID` as the file has it.

    The phase has lost its ramp: where the mean lattice is said, its Q is the one that the phase belongs to.
    """
    name = _word(said.get("name", "")) or None
    if "q_bragg_per_nm" not in said:
        return Beside(support=support, name=name)
    mean, frame = "q_mean_per_nm" in said, _word(said["frame"])
    known = {FRAME: frame} if frame not in ("", "laboratory") else {}
    q = np.asarray(said["q_mean_per_nm" if mean else "q_bragg_per_nm"], float).ravel()
    return Beside(
        support=support,
        voxel_steps_nm=laboratory_steps(np.asarray(said["voxel_size"], float).ravel()),
        q_bragg_per_nm=q,
        metadata=known if mean else {"ramp_removed": True, **known},
        name=name,
        notes=(f"The axes are z, y, x of the {frame} frame, as maps were written.",),
    )


def _word(value: Any) -> str:
    whole = np.asarray(value)
    plain = whole.item() if whole.size else ""  # as MATLAB has no words
    return plain.decode() if isinstance(plain, bytes) else str(plain)

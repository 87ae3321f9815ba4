"""What bcdi leaves after its strain script: amplitude and phase on an orthogonal grid, in ``.npz`` and in ``.h5``.

The phase has lost its linear ramp, and its sign is turned unless ``invert_phase`` was off; lengths are in nm, Q in 1/Å.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..reconstruction import FRAME
from .foreign import Beside, Program, bcdi, laboratory_steps

KEYS = {"amp", "phase", "voxel_sizes"}
"""Arrays that stand in all of its files."""
SAID = ("voxel_sizes", "q_com", "q_bragg", "bulk", "params", "parameters")
"""What says where the object lies, and with which parameters it was made."""


def beside(path: Path, said: Mapping[str, Any]) -> tuple[Program, Beside]:
    """Return who wrote a file, and what is in it beside amplitude and phase.

    Parameters
    ----------
    path
        The file: its name says what the phase was turned into (``disp``) and in which frame it is.
    said
        The arrays of `SAID` that it has.
    """
    words = " ".join(str(np.asarray(said[key])[()]) for key in ("params", "parameters") if key in said)
    inverted = re.search(r"invert_phase['\"]?\s*:\s*(\w+)", words)
    turned = inverted[1].lower() == "true" if inverted else "disp" in path.stem.lower()
    notes = ["bcdi took the linear phase ramp out: the mean lattice is not in this file."]
    if inverted is None and not turned:
        notes.append(
            "Whether bcdi turned the sign of the phase (invert_phase) is not recorded: its name does not say ‘disp’, so not."
        )
    frame = "laboratory" if "labframe" in path.stem else "crystal"
    q = next((np.asarray(said[key], float).ravel() for key in ("q_com", "q_bragg") if key in said), None)
    sizes = np.asarray(said["voxel_sizes"], float).ravel()
    if q is not None and q.shape == (3,) and sizes.shape in ((1,), (3,)) and np.all(sizes > 0):
        # in the laboratory's frame it stands as (z, y, x), in the crystal's as (x, y, z), where only y counts by default
        q = 10 * (q[::-1] if frame == "laboratory" else q)
        steps = laboratory_steps(sizes)
        notes.append(f"The axes are z, y, x of bcdi's {frame} frame.")
    else:
        q = steps = None
    known = {FRAME: frame} if frame != "laboratory" and steps is not None else {}
    bulk = said.get("bulk")
    return bcdi(turned), Beside(
        support=None if bulk is None else np.asarray(bulk) != 0,
        voxel_steps_nm=steps,
        q_bragg_per_nm=q,
        metadata={"ramp_removed": True, **known},
        notes=tuple(notes),
    )

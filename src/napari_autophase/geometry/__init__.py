"""From how sample and detector stood to reciprocal space: circles, beamlines as data, frames, and tests of all of it."""

from __future__ import annotations

from typing import Any

from ..scan import Axis, Geometry
from .beamline import Beamline, Circle, Detector, beamlines, find_beamline, presets
from .circles import direction, rocked, rotation
from .documents import INCOMPLETE, complete, mean_step, template
from .frames import arm_vector, frame, moved, on_plane, reciprocal_steps, scattering_vector, voxel_steps
from .materials import MATERIALS, Material, find_material, indices, spacing_nm
from .orientation import Mounting, Verdict, arm_test, lattice_test, said
from .plausible import check, check_spacing
from .records import Files, Gaps, Seam, Source
from .summary import GeometrySummary, doubts, summarise

__all__ = [
    "INCOMPLETE",
    "MATERIALS",
    "Axis",
    "Beamline",
    "Circle",
    "Detector",
    "Files",
    "Gaps",
    "Geometry",
    "GeometrySummary",
    "Material",
    "Mounting",
    "Seam",
    "Source",
    "Verdict",
    "arm_test",
    "arm_vector",
    "beamlines",
    "check",
    "check_spacing",
    "complete",
    "direction",
    "doubts",
    "find_beamline",
    "find_material",
    "frame",
    "indices",
    "lattice_test",
    "mean_step",
    "moved",
    "on_plane",
    "presets",
    "reciprocal_steps",
    "rocked",
    "rotation",
    "said",
    "scattering_vector",
    "spacing_nm",
    "summarise",
    "template",
    "voxel_steps",
]


def __getattr__(name: str) -> Any:
    if name == "BEAMLINES":  # read when it is first asked for
        return presets()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

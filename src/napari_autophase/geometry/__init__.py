"""From how sample and detector stood to reciprocal space: circles, beamlines as data, frames, and tests of all of it."""

from __future__ import annotations

from typing import Any

from ..scan import Axis, Geometry
from .beamline import Beamline, Circle, Detector, beamlines, find_beamline, presets
from .circles import direction, rotation
from .frames import arm_vector, frame, moved, on_plane, reciprocal_steps, scattering_vector, voxel_steps
from .plausible import check, check_spacing

__all__ = [
    "Axis",
    "Beamline",
    "Circle",
    "Detector",
    "Geometry",
    "arm_vector",
    "beamlines",
    "check",
    "check_spacing",
    "direction",
    "find_beamline",
    "frame",
    "moved",
    "on_plane",
    "presets",
    "reciprocal_steps",
    "rotation",
    "scattering_vector",
    "voxel_steps",
]


def __getattr__(name: str) -> Any:
    if name == "BEAMLINES":  # read when it is first asked for
        return presets()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""From how sample and detector stood to reciprocal space: circles, beamlines as data, frames, and tests of all of it.

A name's module is loaded when it is first asked for: a list of scans needs the beamlines alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..on_demand import fetched

if TYPE_CHECKING:
    from ..scan import Axis as Axis
    from ..scan import Geometry as Geometry
    from .beamline import Beamline as Beamline
    from .beamline import Circle as Circle
    from .beamline import Detector as Detector
    from .beamline import beamlines as beamlines
    from .beamline import find_beamline as find_beamline
    from .beamline import presets as presets
    from .circles import begins_again as begins_again
    from .circles import direction as direction
    from .circles import rocked as rocked
    from .circles import rotation as rotation
    from .circles import unwrapped as unwrapped
    from .documents import INCOMPLETE as INCOMPLETE
    from .documents import KEYS as KEYS
    from .documents import NEEDED as NEEDED
    from .documents import complete as complete
    from .documents import mean_step as mean_step
    from .documents import template as template
    from .frames import arm_vector as arm_vector
    from .frames import frame as frame
    from .frames import moved as moved
    from .frames import on_plane as on_plane
    from .frames import reciprocal_steps as reciprocal_steps
    from .frames import scattering_vector as scattering_vector
    from .frames import voxel_steps as voxel_steps
    from .materials import MATERIALS as MATERIALS
    from .materials import Material as Material
    from .materials import find_material as find_material
    from .materials import indices as indices
    from .materials import spacing_nm as spacing_nm
    from .orientation import Mounting as Mounting
    from .orientation import Verdict as Verdict
    from .orientation import arm_test as arm_test
    from .orientation import lattice_test as lattice_test
    from .orientation import said as said
    from .plausible import check as check
    from .plausible import check_spacing as check_spacing
    from .records import Files as Files
    from .records import Gaps as Gaps
    from .records import Seam as Seam
    from .records import Source as Source
    from .summary import GeometrySummary as GeometrySummary
    from .summary import doubts as doubts
    from .summary import summarise as summarise

_HOLDS = {
    ".scan": (
        "Axis",
        "Geometry",
    ),
    "beamline": (
        "Beamline",
        "Circle",
        "Detector",
        "beamlines",
        "find_beamline",
        "presets",
    ),
    "circles": (
        "begins_again",
        "direction",
        "rocked",
        "rotation",
        "unwrapped",
    ),
    "documents": (
        "INCOMPLETE",
        "KEYS",
        "NEEDED",
        "complete",
        "mean_step",
        "template",
    ),
    "frames": (
        "arm_vector",
        "frame",
        "moved",
        "on_plane",
        "reciprocal_steps",
        "scattering_vector",
        "voxel_steps",
    ),
    "materials": (
        "MATERIALS",
        "Material",
        "find_material",
        "indices",
        "spacing_nm",
    ),
    "orientation": (
        "Mounting",
        "Verdict",
        "arm_test",
        "lattice_test",
        "said",
    ),
    "plausible": (
        "check",
        "check_spacing",
    ),
    "records": (
        "Files",
        "Gaps",
        "Seam",
        "Source",
    ),
    "summary": (
        "GeometrySummary",
        "doubts",
        "summarise",
    ),
}
"""The public names, by the module that they stand in."""
_HOME = {name: module for module, names in _HOLDS.items() for name in names}
__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name == "BEAMLINES":  # read when it is first asked for
        return fetched(__name__, _HOME, "presets")()
    return fetched(__name__, _HOME, name)


def __dir__() -> list[str]:
    return sorted(__all__)

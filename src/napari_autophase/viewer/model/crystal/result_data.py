"""The layers of a result as napari's layer data: one surface, and slices of the chosen quantity.

Everything of a result lies in nm with the crystal's centre at the origin; without geometry it lies in voxels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..canvas import compat
from .drawing import Drawing
from .mesh import RELIEF_TEXTURE
from .quantity import colour_map, volume

if TYPE_CHECKING:
    from .... import analysis

compat.know_voxels()
LayerData = tuple[Any, dict[str, Any], str]
ROLES = ("slices", "isosurface")
RECONSTRUCTION = "autophase_reconstruction"
QUANTITIES = "autophase_quantities"
AVERAGED = "autophase_averaged"
ROLE = "autophase_role"
RESULT = "autophase_result"
LIVE = "autophase_live"
"""Under this name the layer of a run in progress has its unit."""
OVER_RESULT = "autophase_over_result"
"""Under this name layers that lie over a result, or stand beside it, and are seen with it, have their unit."""

AXES = {"nm": ("z", "y", "x"), "voxel": ("0", "1", "2"), "pixel": ("frame", "row", "col")}
"""Names of axes: the laboratory's, those of an array without geometry, and the detector's."""


def axis_names(unit: str) -> tuple[str, str, str]:
    """Return what axes in this unit are called in a sentence."""
    first, second, third = AXES[unit]
    return (first, second, third) if unit == "nm" else (f"axis {first}", f"axis {second}", f"axis {third}")


def unit_of(quantities: analysis.Quantities) -> str:
    """Return the unit of a result's layers: nm, or voxels without geometry."""
    return "voxel" if quantities.relative else "nm"


def result_layer_data(drawing: Drawing, role: str, name: str) -> LayerData:
    """Return a hidden layer of a result: its ``slices`` or its ``isosurface``."""
    quantities, look = drawing.quantities, drawing.look
    options: dict[str, Any] = {
        "name": name,
        "metadata": {
            RECONSTRUCTION: drawing.reconstruction,
            QUANTITIES: quantities,
            AVERAGED: drawing.averaged,
            ROLE: role,
        },
        "translate": [
            -(n // 2) * size
            for n, size in zip(quantities.amplitude.shape, quantities.voxel_size, strict=True)
        ],
        "units": (unit_of(quantities),) * 3,
        "axis_labels": AXES[unit_of(quantities)],
        "colormap": colour_map(look.colour_by),
        "contrast_limits": drawing.limits,
        "visible": False,
    }
    if role == "isosurface":
        relief = {"texture": RELIEF_TEXTURE, "texcoords": drawing.mesh.texcoords(look.relief)}
        return drawing.mesh.data, {**options, **relief, "shading": "none"}, "surface"
    options |= {"scale": quantities.voxel_size, "interpolation2d": "nearest"}
    return volume(look.colour_by, quantities, drawing.averaged), options, "image"

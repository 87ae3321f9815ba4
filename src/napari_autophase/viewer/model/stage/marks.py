"""Whose a layer is, what unit it is in, and how far it lets the sliders reach."""

from __future__ import annotations

from typing import Literal

from napari.components import ViewerModel
from napari.layers import Image, Layer, Surface

from ....scan import Scan
from ..crystal.result_data import LIVE, OVER_RESULT, QUANTITIES, RECONSTRUCTION, unit_of
from ..scan.scan_entry import OVER_SCAN, SCAN

Side = Literal["diffraction", "results"]
Names = tuple[tuple[str, ...], tuple[str, ...]]
OURS = "autophase_"
"""With this all names in the metadata of layers begin that are ours."""


def side_of(layer: Layer) -> Side | None:
    """Return the side that a layer stands on; None: it is not ours."""
    if SCAN in layer.metadata:
        return "diffraction"
    ours = any(key in layer.metadata for key in (RECONSTRUCTION, LIVE, OVER_RESULT))
    return "results" if ours else None


def disown(layer: Layer) -> None:
    """Take our marks from what napari made of a layer of ours and shows something else: a projection, a stack, labels.

    napari copies all metadata to what its own menus make of a layer.
    """
    scan, ours = layer.metadata.get(SCAN), side_of(layer) is not None
    is_scan = isinstance(layer, Image) and isinstance(scan, Scan) and layer.data.shape == scan.shape
    is_result = isinstance(layer, Image | Surface) or RECONSTRUCTION not in layer.metadata
    if ours and (layer.ndim != 3 or (SCAN in layer.metadata and not is_scan) or not is_result):
        for mark in [mark for mark in layer.metadata if str(mark).startswith(OURS)]:
            del layer.metadata[mark]


def unit_seen(layer: Layer) -> str:
    """Return the unit of a layer of a result."""
    unit = layer.metadata.get(LIVE) or layer.metadata.get(OVER_RESULT)
    return str(unit or unit_of(layer.metadata[QUANTITIES]))


def marked(viewer: ViewerModel, mark: str) -> list[Layer]:
    """Return the layers that bear a mark."""
    return [layer for layer in viewer.layers if mark in layer.metadata]


def names_of(layer: Layer) -> Names:
    """Return the units of a layer and its axes."""
    return tuple(map(str, layer.units)), tuple(layer.axis_labels)


def reaching(viewer: ViewerModel, side: Side) -> list[Layer]:
    """Return the layers over which sliders reach: those of the side that is seen, and whatever else is visible or not ours.

    A hidden scan does not count beside one that is seen: it may have other frames.
    """
    over = () if side == "diffraction" else marked(viewer, OVER_SCAN)
    a_scan_is_seen = any(layer.visible for layer in marked(viewer, SCAN))
    return [
        layer
        for layer in viewer.layers
        if OVER_RESULT not in layer.metadata
        and (
            layer.visible
            or (
                side_of(layer) in (None, side)
                and layer not in over
                and not (a_scan_is_seen and SCAN in layer.metadata)
            )
        )
    ]

"""Scans and reconstructions as napari layers.

Everything of a result lies in nm with the crystal's centre at the origin; without geometry it lies in voxels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer

from ....painted import came_masked
from ....reconstruction import Reconstruction
from ....scan import Scan
from ..canvas import compat
from ..crystal.drawing import Drawing, draw
from ..crystal.result_data import AXES, LIVE, RECONSTRUCTION, RESULT, ROLES, LayerData, result_layer_data
from ..result.remarks import carried, tell
from ..result.results import ResultLayers, adopt, results
from ..scan.scan_entry import SCAN
from ..scan.scan_picture import picture
from .live import Live
from .stage import Stage

__all__ = [
    "LIVE",
    "RECONSTRUCTION",
    "RESULT",
    "ROLES",
    "SCAN",
    "LayerData",
    "ResultLayers",
    "add_drawing",
    "add_reconstruction",
    "adopt",
    "bring_back",
    "reconstruction_layer_data",
    "redraw",
    "results",
    "scan_layer_data",
    "update_scan",
]


def scan_layer_data(scan: Scan) -> LayerData:
    """Return the diffraction of `scan` as log10(1 + counts), float32, in pixels; nothing where it came masked or flagged.

    What a person painted lies over it in a layer of its own.
    """
    shown, top = picture(scan)
    options = {
        "name": scan.name,
        "colormap": "inferno",
        "contrast_limits": (0.0, top),
        "axis_labels": AXES["pixel"],
        "rendering": "mip",
        "metadata": {SCAN: scan},
    }
    return shown, options, "image"


def update_scan(layer: Layer, scan: Scan) -> None:
    """Let the diffraction layer of a scan show `scan` instead: the same one with other corrections or another geometry."""
    before, layer.metadata[SCAN] = layer.metadata[SCAN], scan
    same = before.counts is scan.counts or np.array_equal(before.counts, scan.counts)
    if not (same and _is_same(came_masked(before), came_masked(scan))):
        layer.data, options, _ = scan_layer_data(scan)
        layer.contrast_limits_range = layer.contrast_limits = options["contrast_limits"]


def become_scan(layer: Layer, scan: Scan) -> None:
    """Let another reader's image be the diffraction layer of the scan that its file holds; the name stays."""
    layer.data, options, _ = scan_layer_data(scan)
    layer.contrast_limits_range = layer.contrast_limits = options["contrast_limits"]
    layer.colormap, layer.rendering = options["colormap"], options["rendering"]


def _is_same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


def reconstruction_layer_data(reconstruction: Reconstruction) -> list[LayerData]:
    """Return the surface of a result as layer data for a reader; `adopt` makes it a result, which adds slices when needed."""
    data, options, kind = result_layer_data(
        draw(reconstruction), "isosurface", f"{reconstruction.title} · isosurface"
    )
    return [(data, {**options, "visible": True}, kind)]


def add_reconstruction(viewer: ViewerModel, reconstruction: Reconstruction, *, group: int) -> ResultLayers:
    """Add a reconstruction at once, as `add_drawing` does piece by piece."""
    drawing = draw(reconstruction)
    result = ResultLayers(viewer, drawing, group)
    for _ in add_drawing(viewer, result, drawing):
        pass
    return result


def add_drawing(
    viewer: ViewerModel, result: ResultLayers, drawing: Drawing, live: Live | None = None
) -> Iterator[None]:
    """Add the layer of a result that is seen, if it is not there, and show it piece by piece.

    Between two pieces anything may happen to the layers: once the last of the result's is deleted, nothing else comes.  The
    surface that was seen while it was phased becomes the result's.
    """
    stage, new = Stage.of(viewer), not result.alive
    role = "isosurface" if stage.dimensions_of("results") == 3 else "slices"
    framed = followed = False
    if result.layer(role) is None:
        data, options, kind = result_layer_data(drawing, role, f"{result.title} {role}")
        framed = live is not None and live.untouched
        seen = live.hand_over() if live is not None and role == "isosurface" else None
        if seen is None:
            result.add(Layer.create(data, options | stage.names, kind))
        else:
            become_surface(seen, data, options)
            result.adopt(seen)
            followed = True
        yield
    yield from stage.show_result(result, followed=followed)
    if framed and result.shown:  # the shape has changed since
        result.frame()
    if new and (layer := result.seen_layer) is not None:
        viewer.layers.selection = {layer}
    compat.say_status_anew(viewer)
    yield


def become_surface(layer: Layer, data: Any, options: dict[str, Any]) -> None:
    """Let a surface that is there already be that of a result."""
    layer.texcoords = None  # which must not meet the new vertices: there is another number of them
    layer.data = data
    layer.metadata.update(options["metadata"])
    layer.metadata.pop(LIVE, None)
    for name in ("texcoords", "translate", "colormap", "contrast_limits"):
        setattr(layer, name, options[name])


def bring_back(result: ResultLayers) -> None:
    """Make the layer that should be seen again, where a person has deleted it and others of the result are still there."""
    viewer = result.viewer
    if viewer is None or not (result.shown and result.alive) or result.seen_layer is not None:
        return
    result.make(result.seen_role(viewer))
    result.show()


def redraw(result: ResultLayers, drawing: Drawing, *, same: bool = False) -> Iterator[None]:
    """Show another drawing in the layers that a result has, one after the other: none comes, none goes.

    The view stays too, unless lengths become known or unknown: then the crystal that is seen is framed anew.  The `same` result,
    by another geometry, keeps what was said of it.
    """
    unit, title = result.quantities.unit, result.title
    if unit != drawing.quantities.unit:
        result.ranges, result.cut = {}, None  # which mean nothing in the other unit
    if result.look != drawing.look:
        drawing = draw(drawing.reconstruction, result.look)  # it was changed in the meantime
    found = drawing.reconstruction
    result.reconstruction = carried(result.reconstruction, found) if same else found
    result.quantities = drawing.quantities
    result.averaged, result.colour_by = drawing.averaged, drawing.look.colour_by
    for role in sorted(ROLES, key=lambda role: result.layer(role) is not result.seen_layer):
        if (layer := result.layer(role)) is None:
            continue
        data, options, _ = result_layer_data(drawing, role, layer.name)
        if role == "isosurface":
            # the old relief must not meet the new vertices: there is another number of them
            layer.texcoords = None
        layer.data = data
        layer.metadata.update(options["metadata"])
        tell(result)
        if layer.name in (title, f"{title} {role}"):
            layer.name = f"{result.title} {role}"
        for name in ("scale", "translate", "texcoords"):
            if name in options:
                setattr(layer, name, options[name])
        yield
    result.recolour()
    if (viewer := result.viewer) is not None and unit != result.quantities.unit:
        Stage.of(viewer).settle()
        if result.shown:
            result.show()
            result.frame()

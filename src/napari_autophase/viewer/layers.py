"""Scans and reconstructions as napari layers.

Everything of a result lies in nm with the crystal's centre at the origin; without geometry it lies in voxels.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer

from ..reconstruction import Reconstruction
from ..scan import Scan
from . import compat
from .canvas import set_stage, show_colour_bar
from .colormaps import colour_map, limits
from .drawing import Drawing, draw
from .mesh import RELIEF_TEXTURE
from .results import (
    AXES,
    QUANTITIES,
    RECONSTRUCTION,
    ROLE,
    ROLES,
    ResultLayers,
    bring_back,
    results,
)

__all__ = [
    "RECONSTRUCTION",
    "ROLES",
    "SCAN",
    "LayerData",
    "ResultLayers",
    "add_drawing",
    "add_reconstruction",
    "add_scan",
    "reconstruction_layer_data",
    "results",
    "scan_layer_data",
    "turn_to_scan",
]

SCAN = "autophase_scan"
LayerData = tuple[Any, dict[str, Any], str]


def scan_layer_data(scan: Scan) -> LayerData:
    """Return the diffraction of `scan` as log10(1 + counts), float32, in pixels."""
    shown = np.log1p(scan.counts, dtype=np.float32) / np.float32(np.log(10))
    options = {
        "name": scan.name,
        "colormap": "inferno",
        "contrast_limits": (0.0, float(shown.max())),
        "axis_labels": AXES["pixel"],
        "rendering": "mip",
        "metadata": {SCAN: scan},
    }
    return shown, options, "image"


def add_scan(viewer: ViewerModel, scan: Scan) -> Layer:
    """Add the diffraction of `scan` on a log scale, turn to its brightest frame, and return the layer."""
    layer = viewer.add_layer(Layer.create(*scan_layer_data(scan)))
    show_colour_bar(layer)
    turn_to_scan(viewer, layer)
    return layer


def turn_to_scan(viewer: ViewerModel, layer: Layer) -> None:
    """Show the slices of a diffraction layer, at its brightest frame."""
    viewer.dims.ndisplay = 2
    compat.fit_to_view(viewer, [layer])
    viewer.dims.set_point(viewer.dims.ndim - 3, int(layer.data.max(axis=(1, 2)).argmax()))


def reconstruction_layer_data(reconstruction: Reconstruction) -> list[LayerData]:
    """Return amplitude, phase, strain and isosurface as layer data for a reader; `results` makes them a result."""
    drawing = draw(reconstruction)
    found = []
    for role in ROLES:
        data, options, kind = _layer_data(drawing, role, f"{reconstruction.name} · {role}")
        found.append((data, {**options, "visible": role == "isosurface"}, kind))
    return found


def add_reconstruction(
    viewer: ViewerModel, reconstruction: Reconstruction, *, group: int, replace: ResultLayers | None = None
) -> ResultLayers:
    """Add a reconstruction as a group of layers at once, as `add_drawing` does piece by piece."""
    look = None if replace is None else replace.look
    steps = add_drawing(viewer, draw(reconstruction, look), group=group, replace=replace)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def add_drawing(
    viewer: ViewerModel, drawing: Drawing, *, group: int, replace: ResultLayers | None = None
) -> Generator[None, None, ResultLayers]:
    """Add a reconstruction as a group of layers, piece by piece, the layer that is seen first; returns the result.

    The first result turns the viewer to 3-D and frames the crystal; later ones leave the camera alone, and hide the results
    before them.  A replaced result hands its number and its look on.  Between two pieces anything may happen to the layers:
    once the last of them is deleted, no others come.
    """
    first = not results(viewer)
    if replace is not None and replace.look != drawing.look:
        drawing = draw(drawing.reconstruction, replace.look)  # it was changed in the meantime
    number = group if replace is None else replace.group
    result = ResultLayers(viewer, drawing.reconstruction, drawing.quantities, number, drawing.look)
    for _ in _arrival(viewer, result, drawing, replace, first=first):
        yield
        if not result.alive:
            break
    return result


def _arrival(
    viewer: ViewerModel, result: ResultLayers, drawing: Drawing, replace: ResultLayers | None, *, first: bool
) -> Iterator[None]:
    seen = "isosurface" if first else result.seen_role(viewer)
    for role in sorted(ROLES, key=lambda role: role != seen):
        layer = Layer.create(*_layer_data(drawing, role, f"{result.title} {role}"))
        result.add(layer, select=role == seen)
        yield
        if role == seen:
            yield from set_stage(viewer)
            if not result.away:  # else the person has called the diffraction back already
                result.present(first=first)
            yield
            if replace is not None:
                yield from replace.leave()
                layer.name = f"{result.title} {role}"  # which the replaced one bore
    yield from bring_back(viewer)


def _layer_data(drawing: Drawing, role: str, name: str) -> LayerData:
    quantities = drawing.quantities
    quantity = drawing.look.colour_by if role == "isosurface" else role
    options: dict[str, Any] = {
        "name": name,
        "metadata": {RECONSTRUCTION: drawing.reconstruction, QUANTITIES: quantities, ROLE: role},
        "translate": [
            -(n // 2) * size
            for n, size in zip(quantities.amplitude.shape, quantities.voxel_size, strict=True)
        ],
        "units": (quantities.unit,) * 3,
        "axis_labels": AXES[quantities.unit],
        "colormap": colour_map(quantity),
        "contrast_limits": limits(quantity, quantities, drawing.look.strain_limit),
        "visible": False,
    }
    if role == "isosurface":
        relief = {"texture": RELIEF_TEXTURE, "texcoords": drawing.mesh.texcoords(drawing.look.relief)}
        return drawing.mesh.data, {**options, **relief, "shading": "none"}, "surface"
    options |= {"scale": quantities.voxel_size, "interpolation2d": "nearest"}
    if role == "amplitude":
        options |= {"rendering": "iso", "iso_threshold": quantities.threshold}
    return getattr(quantities, role), options, "image"

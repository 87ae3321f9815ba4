"""Scans and reconstructions as napari layers.

Everything of a result lies in nm with the crystal's centre at the origin; without geometry it lies in voxels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer

from .. import analysis
from ..reconstruction import Reconstruction
from ..scan import Scan
from .colormaps import colour_map, limits
from .mesh import RELIEF_TEXTURE, mesh
from .results import AXES, QUANTITIES, RECONSTRUCTION, ROLE, ROLES, ResultLayers, results, show_colour_bar

__all__ = [
    "RECONSTRUCTION",
    "SCAN",
    "LayerData",
    "ResultLayers",
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
    viewer.fit_to_view(layers=[layer])
    viewer.dims.set_point(viewer.dims.ndim - 3, int(layer.data.max(axis=(1, 2)).argmax()))


def reconstruction_layer_data(reconstruction: Reconstruction) -> list[LayerData]:
    """Return amplitude, phase, strain and isosurface as layer data for a reader; `results` makes them a result."""
    quantities = analysis.quantities(reconstruction, reconstruction.recipe.analyse.threshold)
    return _layer_data(reconstruction, quantities, reconstruction.name)


def add_reconstruction(
    viewer: ViewerModel, reconstruction: Reconstruction, *, group: int, replace: ResultLayers | None = None
) -> ResultLayers:
    """Add a reconstruction as a group of layers, in place of the result `replace` if that is given.

    The first result turns the viewer to 3-D and frames the crystal; later ones leave the camera alone, and hide the results
    before them.  A replaced result hands its number, threshold, colours and cut on.
    """
    first = not results(viewer)
    threshold = reconstruction.recipe.analyse.threshold if replace is None else replace.threshold
    quantities = analysis.quantities(reconstruction, threshold)
    result = ResultLayers(viewer, reconstruction, quantities, group if replace is None else replace.group)
    if replace is not None:
        for choice in ("colour_by", "cut", "strain_limit", "relief"):
            setattr(result, choice, getattr(replace, choice))
    for data in _layer_data(reconstruction, quantities, ""):
        layer = Layer.create(*data)
        result.adopt(layer)  # before others hear of it
        viewer.add_layer(layer)
    if replace is not None:
        replace.remove()
        result.redraw()
    for role in ROLES:
        # named last, when the replaced layers no longer hold the names
        if (mine := result.layer(role)) is not None:
            mine.name = f"{reconstruction.name} · {result.group} {role}"
    result.present(first=first)
    return result


def _layer_data(
    reconstruction: Reconstruction, quantities: analysis.Quantities, name: str
) -> list[LayerData]:
    step = quantities.voxel_size
    metadata = {RECONSTRUCTION: reconstruction, QUANTITIES: quantities}
    shared: dict[str, Any] = {
        "translate": [-(n // 2) * size for n, size in zip(quantities.amplitude.shape, step, strict=True)],
        "units": (quantities.unit,) * 3,
        "axis_labels": AXES[quantities.unit],
    }

    def entry(role: str, data: Any, kind: str, quantity: str, **options: Any) -> LayerData:
        options |= {
            "name": f"{name} · {role}",
            "colormap": colour_map(quantity),
            "contrast_limits": limits(quantity, quantities),
            "metadata": {**metadata, ROLE: role},
            "visible": role == "isosurface",
        }
        return data, {**shared, **options}, kind

    crystal = mesh(quantities, "phase", None)
    volume = {"scale": step, "interpolation2d": "nearest"}
    return [
        entry(
            "amplitude",
            quantities.amplitude,
            "image",
            "amplitude",
            rendering="iso",
            iso_threshold=quantities.threshold,
            **volume,
        ),
        entry("phase", quantities.phase, "image", "phase", **volume),
        entry("strain", quantities.strain, "image", "strain", **volume),
        entry(
            "isosurface",
            crystal.data,
            "surface",
            "phase",
            shading="none",
            texture=RELIEF_TEXTURE,
            texcoords=crystal.texcoords(True),
        ),
    ]

"""Scans and reconstructions as napari layers.

Layers are held by identity, in their own metadata: the layer list stays the one place that says which results exist, so that
renaming, reordering and deleting them needs no bookkeeping.  Everything of a result lies in nm with the crystal's centre at
the origin; without geometry it lies in voxels.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer, Surface
from napari.utils.camera_orientations import Handedness

from .. import analysis
from ..reconstruction import Reconstruction
from ..scan import Scan
from .colormaps import phase_map

ColourBy = Literal["phase", "strain", "amplitude"]
COLOUR_BY: tuple[ColourBy, ...] = ("phase", "strain", "amplitude")
ROLES = ("amplitude", "phase", "strain", "isosurface")
LayerData = tuple[Any, dict[str, Any], str]

SCAN = "autophase_scan"
RECONSTRUCTION = "autophase_reconstruction"
QUANTITIES = "autophase_quantities"
ROLE = "autophase_role"
RESULT = "autophase_result"

VIEW_DIRECTION = (-1.0, -0.45, -0.6)
UP = (0.0, 1.0, 0.0)
"""Where the camera first looks, as (z, y, x): from downstream and above, so that three faces of a cube are seen, y up."""


@dataclass(frozen=True)
class Cut:
    """A plane through the crystal; what lies beyond it, along `normal`, is taken away.

    Parameters
    ----------
    normal
        Direction (z, y, x) of the layer's axes; any length but zero.
    position
        Distance of the plane from the crystal's centre along the normal, in the layer's unit (nm, or voxels without geometry).
    """

    normal: tuple[float, float, float]
    position: float

    def depth(self, shape: tuple[int, ...], step: tuple[float, ...]) -> np.ndarray:
        """Return how far inside the plane each voxel lies (negative beyond it), in the layer's unit, float32."""
        normal = np.asarray(self.normal, float) / np.linalg.norm(self.normal)
        depth = np.full((1,) * len(shape), self.position, np.float32)
        for axis, (n, size) in enumerate(zip(shape, step, strict=True)):
            place = (np.arange(n) - n // 2) * size * normal[axis]
            depth = depth - place.astype(np.float32).reshape([-1 if k == axis else 1 for k in range(len(shape))])
        return depth


def scan_layer_data(scan: Scan) -> LayerData:
    """Return the diffraction of `scan` as log10(1 + counts), float32, in pixels."""
    shown = np.log1p(scan.counts, dtype=np.float32) / np.float32(np.log(10))
    options = {
        "name": scan.name,
        "colormap": "inferno",
        "contrast_limits": (0.0, float(shown.max())),
        "axis_labels": ("frame", "row", "column"),
        "rendering": "mip",
        "metadata": {SCAN: scan},
    }
    return shown, options, "image"


def add_scan(viewer: ViewerModel, scan: Scan) -> Layer:
    """Add the diffraction of `scan` on a log scale, turn to its brightest frame, and return the layer."""
    layer = viewer.add_layer(Layer.create(*scan_layer_data(scan)))
    _colour_bar(layer)
    frame = int(np.unravel_index(np.argmax(scan.counts), scan.shape)[0])
    viewer.dims.set_point(layer.ndim - 3, frame)
    return layer


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
    for data in _layer_data(reconstruction, quantities, ""):
        result.adopt(viewer.add_layer(Layer.create(*data)))
    if replace is not None:
        result.colour_by, result.cut, result.strain_limit = replace.colour_by, replace.cut, replace.strain_limit
        replace.remove()
        result.redraw()
    for role in ROLES:
        # named last, when the replaced layers no longer hold the names
        if (layer := result.layer(role)) is not None:
            layer.name = f"{reconstruction.name} · {result.group} {role}"
    result.show()
    if first:
        viewer.dims.ndisplay = 3
        result.frame()
    return result


def results(viewer: ViewerModel) -> list[ResultLayers]:
    """Return the results in the viewer, oldest first.

    Layers that a reader brought become a result here, and it is shown as `add_reconstruction` would.
    """
    found: list[ResultLayers] = []
    orphans: list[Layer] = []
    for layer in viewer.layers:
        result = layer.metadata.get(RESULT)
        if isinstance(result, ResultLayers):
            if result.layer(layer.metadata.get(ROLE)) is layer and result not in found:
                found.append(result)
        elif isinstance(layer.metadata.get(RECONSTRUCTION), Reconstruction):
            orphans.append(layer)
    for layer in orphans:
        reconstruction = layer.metadata[RECONSTRUCTION]
        home = next((result for result in found if result.reconstruction is reconstruction), None)
        if home is None:
            group = 1 + max((result.group for result in found), default=0)
            home = ResultLayers(viewer, reconstruction, layer.metadata[QUANTITIES], group)
            found.append(home)
        home.adopt(layer)
        home.show()
        if len(found) == 1:
            viewer.dims.ndisplay = 3
            home.frame()
    return sorted(found, key=lambda result: result.group)


class ResultLayers:
    """The layers of one reconstruction, and what is shown of it.

    Parameters
    ----------
    viewer
        Held weakly.
    reconstruction, quantities
        What was found, and what is shown of it at the current threshold.
    group
        Number of the result in the viewer.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        reconstruction: Reconstruction,
        quantities: analysis.Quantities,
        group: int,
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self._layers: dict[str, Layer] = {}
        self.reconstruction = reconstruction
        self.quantities = quantities
        self.group = group
        self.colour_by: ColourBy = "phase"
        self.strain_limit: float | None = None
        self.cut: Cut | None = None
        self.shown = True
        viewer.dims.events.ndisplay.connect(self._arrange)

    @property
    def title(self) -> str:
        """Name of the scan and number of the result."""
        return f"{self.reconstruction.name} · {self.group}"

    @property
    def threshold(self) -> float:
        """Amplitude, as a fraction of its maximum, that bounds the crystal."""
        return self.quantities.threshold

    @property
    def viewer(self) -> ViewerModel | None:
        """The viewer, while it lives."""
        return self._viewer()

    @property
    def layers(self) -> list[Layer]:
        """Those of its layers that are still in the viewer."""
        return [layer for role in ROLES if (layer := self.layer(role)) is not None]

    @property
    def alive(self) -> bool:
        """Whether any of its layers is still in the viewer."""
        return bool(self.layers)

    def layer(self, role: str) -> Layer | None:
        """Return the layer that plays `role` (amplitude, phase, strain, isosurface), or None once it was deleted."""
        viewer, layer = self.viewer, self._layers.get(role)
        return layer if viewer is not None and layer is not None and layer in viewer.layers else None

    def adopt(self, layer: Layer) -> None:
        """Make a layer that is already in the viewer one of this result's."""
        self._layers.setdefault(layer.metadata[ROLE], layer)
        layer.metadata[RESULT] = self
        _colour_bar(layer)
        self._arrange()

    def remove(self) -> None:
        """Take its layers out of the viewer."""
        viewer = self.viewer
        for layer in self.layers:
            if viewer is not None:
                viewer.layers.remove(layer)

    def set_threshold(self, threshold: float) -> None:
        """Bound the crystal at another amplitude: support, masks, isosurface and strain limits follow."""
        self.quantities = self.quantities.at_threshold(threshold)
        self.redraw()

    def set_colour_by(self, quantity: ColourBy) -> None:
        """Colour the isosurface by phase, strain or amplitude; in 2-D, show the slices of that quantity."""
        self.colour_by = quantity
        self._redraw_surface()
        self._arrange()

    def set_limits(self, strain_limit: float | None) -> None:
        """Let the strain's colours reach from minus to plus `strain_limit`; None: the 99th percentile inside."""
        self.strain_limit = strain_limit
        self._recolour()

    def set_clipping(self, cut: Cut | None) -> None:
        """Cut the isosurface open along a plane, or close it again."""
        self.cut = cut
        self._redraw_surface()

    @property
    def limits(self) -> tuple[float, float]:
        """Colour limits of the quantity that is shown."""
        return self._limits(self.colour_by)

    def redraw(self) -> None:
        """Bring all its layers up to date with the quantities."""
        quantities = self.quantities
        if (amplitude := self.layer("amplitude")) is not None:
            amplitude.iso_threshold = quantities.threshold
        for role in ("phase", "strain"):
            if (layer := self.layer(role)) is not None:
                layer.data = getattr(quantities, role)
        self._redraw_surface()

    def hide(self) -> None:
        """Hide all its layers, until it is shown again."""
        self.shown = False
        self._arrange()

    def show(self) -> None:
        """Show this result and hide the others."""
        viewer = self.viewer
        if viewer is None:
            return
        for other in results(viewer):
            if other is not self:
                other.hide()
        self.shown = True
        self._arrange()
        for overlay in (viewer.canvas.overlays.scale_bar, viewer.canvas.overlays.axes):
            overlay.visible = True
        if not self.quantities.relative:
            _draw_right_handed(viewer)

    def frame(self) -> None:
        """Turn the camera to the crystal."""
        viewer = self.viewer
        if viewer is None:
            return
        surface = self.layer("isosurface")
        around = [surface] if surface is not None and len(surface.vertices) else self.layers
        if viewer.dims.ndisplay == 3:
            viewer.scene.camera.set_view_direction(VIEW_DIRECTION, UP)
        viewer.fit_to_view(layers=around, margin=0.1)

    def _arrange(self, event: object = None) -> None:
        """Show what suits the number of dimensions: the isosurface in 3-D, slices of the chosen quantity in 2-D."""
        viewer = self.viewer
        if viewer is None or not self.alive:
            return
        wanted = "isosurface" if viewer.dims.ndisplay == 3 else self.colour_by
        for role in ROLES:
            if (layer := self.layer(role)) is not None:
                layer.visible = self.shown and role == wanted
        if self.shown:
            self._caption(viewer)

    def _caption(self, viewer: ViewerModel) -> None:
        text = viewer.canvas.overlays.text
        text.text = f"{self.title}   {label(self.colour_by, self.quantities)}   amplitude ≥ {self.threshold:.2f}"
        text.position = "top_left"
        text.visible = True

    def _redraw_surface(self) -> None:
        surface = self.layer("isosurface")
        if surface is not None:
            surface.data = _mesh(self.quantities, self.colour_by, self.cut)
        self._recolour()

    def _recolour(self) -> None:
        viewer = self.viewer
        for role, quantity in (("strain", "strain"), ("isosurface", self.colour_by)):
            if (layer := self.layer(role)) is not None:
                layer.colormap = COLOUR_MAPS[quantity]()
                layer.contrast_limits = self._limits(quantity)
                layer.contrast_limits_range = self._limits(quantity)
        if viewer is not None and self.shown and self.alive:
            self._caption(viewer)

    def _limits(self, quantity: str) -> tuple[float, float]:
        if quantity == "strain" and self.strain_limit is not None:
            return (-self.strain_limit, self.strain_limit)
        return limits(quantity, self.quantities)


COLOUR_MAPS = {"phase": phase_map, "strain": lambda: "RdBu_r", "amplitude": lambda: "viridis"}


def limits(quantity: str, quantities: analysis.Quantities) -> tuple[float, float]:
    """Return the colour limits of a quantity: ±π, the symmetric strain limits at the 99th percentile, or 0 to 1."""
    if quantity == "phase":
        return (-np.pi, np.pi)
    if quantity == "strain":
        return (-quantities.strain_limit, quantities.strain_limit)
    return (0.0, 1.0)


def label(quantity: str, quantities: analysis.Quantities) -> str:
    """Return the name of a quantity with its unit."""
    strain = "relative strain (rad/voxel)" if quantities.relative else "strain"
    return {"phase": "phase (rad)", "strain": strain, "amplitude": "amplitude"}[quantity]


def _layer_data(
    reconstruction: Reconstruction, quantities: analysis.Quantities, name: str
) -> list[LayerData]:
    step = quantities.voxel_size
    metadata = {RECONSTRUCTION: reconstruction, QUANTITIES: quantities}
    shared: dict[str, Any] = {
        "translate": [-(n // 2) * size for n, size in zip(quantities.amplitude.shape, step, strict=True)],
        "units": (quantities.unit,) * 3,
        "axis_labels": ("z", "y", "x"),
    }

    def entry(role: str, data: Any, kind: str, quantity: str, **options: Any) -> LayerData:
        options |= {
            "name": f"{name} · {role}",
            "colormap": COLOUR_MAPS[quantity](),
            "contrast_limits": limits(quantity, quantities),
            "metadata": {**metadata, ROLE: role},
            "visible": role == "isosurface",
        }
        return data, {**shared, **options}, kind

    volume = {"scale": step, "interpolation2d": "nearest"}
    return [
        entry(
            "amplitude", quantities.amplitude, "image", "amplitude",
            rendering="iso", iso_threshold=quantities.threshold, **volume,
        ),  # fmt: skip
        entry("phase", quantities.phase, "image", "phase", **volume),
        entry("strain", quantities.strain, "image", "strain", **volume),
        entry("isosurface", _mesh(quantities, "phase", None), "surface", "phase", shading="none"),
    ]


def _mesh(
    quantities: analysis.Quantities, quantity: ColourBy, cut: Cut | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, faces and colours of the crystal's surface, capped where it is cut open.

    The cut is the intersection of two implicit solids, min(amplitude − level, depth behind the plane): one marching cubes run
    draws the remaining facets and the cut face, and the latter lies exactly on the plane because depth is linear.
    """
    if cut is None:
        surface = quantities.surface(quantity)
    else:
        level, step = quantities.threshold, quantities.voxel_size
        # specks apart from the crystal are no part of its support, so none of its surface either
        specks = (quantities.amplitude >= level) & ~quantities.support
        depth = cut.depth(specks.shape, step) / (2 * float(np.mean(step)))
        solid = np.minimum(np.where(specks, 0, quantities.amplitude), level + depth)
        colour = {
            "phase": quantities.object,
            "strain": quantities.strain,
            "amplitude": quantities.amplitude,
        }[quantity]
        surface = analysis.isosurface(solid, level, step, colour)
    return surface.vertices, surface.faces, surface.values


def _draw_right_handed(viewer: ViewerModel) -> None:
    """Turn the depth axis so that the laboratory's x, y, z are drawn right-handed: napari does so for z, y, x."""
    camera = viewer.scene.camera
    if camera.handedness == Handedness.RIGHT:
        depth, *others = camera.orientation
        camera.orientation = ("away" if depth == "towards" else "towards", *others)


def _colour_bar(layer: Layer) -> None:
    if isinstance(layer, Image | Surface):
        layer.colorbar.visible = True

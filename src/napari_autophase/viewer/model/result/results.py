"""Results in the viewer: which there are, and what is shown of each.

Layers are held by identity, in their own metadata: the layer list stays the one place that says which results exist, so that
renaming, reordering and deleting layers needs no bookkeeping.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.colormaps import Colormap, ensure_colormap
from psygnal import Signal

from ....reconstruction import Reconstruction
from ..canvas import compat
from ..canvas.canvas import frame, orient, show_caption
from ..crystal.colouring import Colouring
from ..crystal.drawing import Drawing, Look
from ..crystal.mesh import Cut
from ..crystal.quantity import (
    ColourBy,
    Range,
    captions,
    colour_map,
    in_words,
    limits,
    offered,
    thumbnail,
    volume,
)
from ..crystal.result_data import (
    AVERAGED,
    QUANTITIES,
    RECONSTRUCTION,
    RESULT,
    ROLE,
    ROLES,
    axis_names,
    result_layer_data,
    unit_of,
)
from ..words.readout import say_values


def results(viewer: ViewerModel) -> list[ResultLayers]:
    """Return the results in the viewer, oldest first."""
    found: list[ResultLayers] = []
    for layer in viewer.layers:
        result = layer.metadata.get(RESULT)
        if not isinstance(result, ResultLayers) or result in found:
            continue
        if result.layer(layer.metadata[ROLE]) is layer:  # else it is a copy of one
            found.append(result)
    return sorted(found, key=lambda result: result.group)


def adopt(viewer: ViewerModel, layer: Layer) -> ResultLayers | None:
    """Make a layer that a reader brought one of its result's, hidden until the result is shown; return a result that is new."""
    reconstruction = layer.metadata.get(RECONSTRUCTION)
    if not isinstance(reconstruction, Reconstruction) or RESULT in layer.metadata:
        return None
    known = results(viewer)
    home = next((result for result in known if result.reconstruction is reconstruction), None)
    if home is not None:
        home.adopt(layer)
        return None
    group = 1 + max((result.group for result in known), default=0)
    quantities, averaged = layer.metadata[QUANTITIES], layer.metadata.get(AVERAGED)
    new = ResultLayers(viewer, Drawing(reconstruction, Look.of(reconstruction), quantities, averaged), group)
    new.adopt(layer)
    return new


class ResultLayers:
    """The layers of one reconstruction, and what is shown of it: its surface, and slices from when they are first looked at.

    A layer that is hidden is brought up to date when it is shown again.

    Parameters
    ----------
    viewer
        Held weakly.
    drawing
        What was found, and how it is shown.
    group
        Number of the result in the viewer.
    """

    changed = Signal()
    """It is shown, or shown otherwise."""

    def __init__(self, viewer: ViewerModel, drawing: Drawing, group: int) -> None:
        look = drawing.look
        self._viewer = weakref.ref(viewer)
        self._layers: dict[str, Layer] = {}
        self._stale: set[str] = set()
        self._histogram: tuple[np.ndarray, np.ndarray, float | None] | None = None  # of which amplitude
        self._colouring = Colouring(self._on_limits)
        self.reconstruction = drawing.reconstruction
        self.quantities = drawing.quantities
        self.averaged = drawing.averaged
        self.group = group
        self.colour_by = look.colour_by
        self.ranges = dict(look.ranges)
        self.cut = look.cut
        self.relief = look.relief
        self.shown = False
        viewer.dims.events.ndisplay.connect(self._arrange)

    @property
    def title(self) -> str:
        """What a person has called it, or else the name of the scan and number of the result."""
        return self.reconstruction.called or f"{self.reconstruction.name} · {self.group}"

    @property
    def threshold(self) -> float:
        """Amplitude, as a fraction of its maximum, that bounds the crystal."""
        return self.quantities.threshold

    @property
    def look(self) -> Look:
        """How it is shown."""
        return Look(self.threshold, self.colour_by, dict(self.ranges), self.cut, self.relief)

    @property
    def drawing(self) -> Drawing:
        """What is shown, and how."""
        return Drawing(self.reconstruction, self.look, self.quantities, self.averaged)

    @property
    def offered(self) -> tuple[ColourBy, ...]:
        """What it can be coloured by."""
        return offered(self.quantities, self.averaged)

    @property
    def histogram(self) -> tuple[np.ndarray, float | None]:
        """How many voxels have which amplitude, and the threshold that this proposes; see `analysis.levels`."""
        amplitude = self.quantities.amplitude
        if self._histogram is None or self._histogram[0] is not amplitude:
            from ....analysis import amplitude_histogram, proposed_level  # brings scipy: a dock opens without

            counts = amplitude_histogram(amplitude)
            self._histogram = amplitude, counts, proposed_level(counts)
        return self._histogram[1:]

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
        """Return the layer that plays `role`, or None where it is not there, or was deleted."""
        viewer, layer = self.viewer, self._layers.get(role)
        if viewer is None or layer is None:
            return None
        return layer if layer in viewer.layers else None

    def adopt(self, layer: Layer) -> None:
        """Make a layer that a reader brought one of this result's, and call it as all results are called."""
        self._take(layer)
        layer.name = f"{self.title} {layer.metadata[ROLE]}"
        self._arrange()

    def add(self, layer: Layer) -> None:
        """Put a hidden layer of this result into the list, in its place; what is selected stays."""
        viewer, role = self.viewer, layer.metadata[ROLE]
        self._take(layer)
        if viewer is None:
            return
        compat.put(viewer, layer, self._place(role, viewer))

    def _take(self, layer: Layer) -> None:
        role = layer.metadata[ROLE]
        self._layers[role] = layer
        self._colouring.take(layer, self.colour_by)
        self._stale.discard(role)
        layer.metadata[RESULT] = self
        say_values(layer, self.in_words)
        self._sketch(layer)

    def make(self, role: str) -> None:
        """Add the layer that plays `role`, hidden."""
        data, options, kind = result_layer_data(self.drawing, role, f"{self.title} {role}")
        names = [{"units": layer.units, "axis_labels": layer.axis_labels} for layer in self.layers[:1]]
        self.add(Layer.create(data, {**options, **(names[0] if names else {})}, kind))

    def _place(self, role: str, viewer: ViewerModel) -> int:
        """Return where in the list a layer belongs: below those of the later roles."""
        above = [self._layers.get(other) for other in ROLES[ROLES.index(role) + 1 :]]
        places = [viewer.layers.index(layer) for layer in above if layer in viewer.layers]
        return min(places, default=len(viewer.layers))

    def set_threshold(self, threshold: float) -> None:
        """Bound the crystal at another amplitude: support, masks, isosurface and strain limits follow."""
        self.quantities = self.quantities.at_threshold(threshold)
        self.redraw()

    def set_colour_by(self, quantity: ColourBy) -> None:
        """Colour the crystal by a quantity that is `offered`; in 2-D, show its slices."""
        self.colour_by = quantity
        self.redraw()

    def set_range(self, ends: Range | None) -> None:
        """Let the colours of the quantity that is shown reach from one value to another; None: as far as is usual."""
        if ends is None:
            self.ranges.pop(self.colour_by, None)
        else:
            self.ranges[self.colour_by] = ends
        self.recolour()

    def set_relief(self, relief: bool) -> None:
        """Darken the facets that are turned away from the light, so that the shape is seen, or show the colours bare."""
        self.relief = relief
        self._redraw(["isosurface"])

    def set_clipping(self, cut: Cut | None) -> None:
        """Cut the isosurface open along a plane, or close it again."""
        self.cut = cut
        self._redraw(["isosurface"])

    @property
    def unit(self) -> str:
        """Unit of its layers: nm, or voxels without geometry."""
        return unit_of(self.quantities)

    @property
    def axis_names(self) -> tuple[str, str, str]:
        """What its axes are called in a sentence."""
        return axis_names(self.unit)

    def extent(self, axis: int) -> tuple[float, float]:
        """Return where the crystal begins and ends along an axis, from its centre, in the layers' unit."""
        n, size = self.quantities.amplitude.shape[axis], self.quantities.voxel_size[axis]
        inside = self.quantities.box[axis]
        first, last = (inside.start, inside.stop - 1) if inside.stop > inside.start else (0, n - 1)
        return (first - n // 2) * size, (last - n // 2) * size

    def in_words(self, value: float) -> str:
        """Return a value of the quantity that is shown with its unit."""
        return in_words(self.colour_by, value, self.quantities)

    @property
    def usual_limits(self) -> Range:
        """Colour limits that the quantity that is shown has where nobody chooses others."""
        return limits(self.colour_by, self.quantities, self.averaged)

    @property
    def limits(self) -> Range:
        """Colour limits of the quantity that is shown."""
        return self.ranges.get(self.colour_by) or self.usual_limits

    @property
    def colouring(self) -> tuple[Colormap, tuple[float, float]]:
        """Map and limits that it is seen in: a person may have chosen others."""
        layer = self.seen_layer
        if layer is None:
            return ensure_colormap(colour_map(self.colour_by)), self.limits
        low, high = layer.contrast_limits
        return layer.colormap, (float(low), float(high))

    def redraw(self) -> None:
        """Bring its layers up to date with the quantities: the one that is seen now, others when they are."""
        self._redraw(ROLES)

    def _redraw(self, roles: Iterable[str]) -> None:
        self._stale |= {role for role in roles if self.layer(role) is not None}
        seen = self.seen_layer if self.shown else None
        if seen is not None:
            self._refresh(seen.metadata[ROLE])
        self.recaption()

    def _refresh(self, role: str) -> None:
        """Bring a layer up to date, if it is not."""
        layer = self.layer(role)
        if role not in self._stale or layer is None:
            return
        self._stale.discard(role)
        if role == "isosurface":
            crystal = self.drawing.mesh
            # the old relief must not meet the new vertices: there is another number of them
            layer.texcoords = None
            layer.data = crystal.data
            layer.texcoords = crystal.texcoords(self.relief)
        else:
            layer.data = volume(self.colour_by, self.quantities, self.averaged)
        self._colour(layer)
        self._sketch(layer)

    def _sketch(self, layer: Layer) -> None:
        """Let the layer list show the middle of the crystal: napari draws nothing for a surface, or for what was never seen."""
        values = volume(self.colour_by, self.quantities, self.averaged)
        layer.thumbnail = thumbnail(self.colour_by, values, self.limits, ensure_colormap(layer.colormap))

    def hide(self) -> None:
        """Hide all its layers, until it is shown again."""
        self.shown = False
        self._arrange()

    def show(self) -> None:
        """Show this result and hide the others."""
        viewer = self.viewer
        if viewer is None:
            return
        for result in results(viewer):
            if result is not self:
                result.hide()
        self.shown = True
        self._arrange()
        self.orient()
        self.changed.emit()

    def orient(self) -> None:
        """Let its axes be drawn as they lie: the laboratory's y up, a detector's rows down."""
        if (viewer := self.viewer) is not None:
            orient(viewer, laboratory=not self.quantities.relative)

    def frame(self) -> None:
        """Turn the camera to the crystal."""
        viewer = self.viewer
        if viewer is None:
            return
        self.orient()  # where the camera looks depends on it
        surface = self.layer("isosurface")
        seen = self.layers if surface is None or len(surface.vertices) == 0 else [surface]
        ends = [self.extent(axis) for axis in range(3)]
        frame(viewer, seen, ends, self.quantities.voxel_size, laboratory=not self.quantities.relative)

    def _arrange(self) -> None:
        """Show what suits the number of dimensions: the isosurface in 3-D, slices of the chosen quantity in 2-D."""
        viewer = self.viewer
        if viewer is None or not self.alive:
            return
        wanted = self.seen_role(viewer) if self.shown else None
        if wanted is not None:
            if wanted not in self._layers:  # slices that nobody has looked at yet
                self.make(wanted)
            self._refresh(wanted)
        layers = [(layer, role == wanted) for role in ROLES if (layer := self.layer(role)) is not None]
        if others := [(layer, visible) for layer, visible in layers if layer.visible != visible]:
            with compat.arranged_once(viewer):
                for layer, visible in others:
                    layer.visible = visible
            for layer, visible in others:
                if not visible:
                    self._sketch(layer)
        if self.shown:
            self._caption(viewer)
            seen, selected = self.seen_layer, viewer.layers.selection
            if seen is not None and seen not in selected and selected and selected.issubset(self.layers):
                viewer.layers.selection = {seen}  # what is hidden has no values to tell

    def seen_role(self, viewer: ViewerModel) -> str:
        """Return the role of the layer that is seen: the isosurface in 3-D, else the slices."""
        return "isosurface" if viewer.dims.ndisplay == 3 else "slices"

    @property
    def seen_layer(self) -> Layer | None:
        """The layer that is seen where the result is shown."""
        viewer = self.viewer
        return None if viewer is None else self.layer(self.seen_role(viewer))

    def _caption(self, viewer: ViewerModel) -> None:
        show_caption(viewer, (self.title, *captions(self.colour_by, self.quantities, self.limits)))

    def recolour(self) -> None:
        """Bring maps and limits up to date; a map that a person has changed stays as long as the quantity does."""
        for layer in self.layers:
            self._colour(layer)
        self.recaption()

    def recaption(self) -> None:
        """Write anew what is seen of it, if it is shown."""
        if (viewer := self.viewer) is not None and self.shown and self.alive:
            self._caption(viewer)
            self.changed.emit()

    def _colour(self, layer: Layer) -> None:
        self._colouring.colour(layer, self.colour_by, self.limits, self.usual_limits)

    def _on_limits(self, layer: Layer, ends: Range) -> None:
        """Take the limits that a person has set in napari's own controls."""
        is_current = layer in self.layers and layer.metadata[ROLE] not in self._stale
        if is_current and not np.allclose(ends, self.limits, rtol=1e-5, atol=0):
            self.set_range(ends)

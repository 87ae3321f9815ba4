"""Masks over the diffraction: Labels layers that a person paints, and a view of all that will be masked before phasing."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from psygnal import Signal

from .... import painted
from ....recipe import Preparation
from ....scan import Scan
from ..canvas import compat
from ..canvas.leaving import Leaving
from ..crystal.landmarks import swatch
from .scan_entry import OVER_SCAN, ScanEntry

if TYPE_CHECKING:
    from ..run.background import Tasks

_VIEW = "autophase_masked"
COLOURS = {
    "came masked": "#8a8f98",
    "painted": "#00d0ff",
    "saturated": "#ffd23f",
    "flagged": "#ff9f1c",
    "hot": "#ff3b6b",
    "dead": "#b07cff",
}
"""Colours of what will be masked, by why (see `preparation.WHY`); they differ in lightness too."""
_BRUSH = 0.05
"""Diameter of the brush, as a part of the frame's side."""


class PaintedMasks:
    """Which Labels layer masks which scan; every 3-D Labels layer can.

    Parameters
    ----------
    viewer
        Held weakly.
    current
        Returns the current scan's entry, if a scan is current.
    update
        Puts a scan with another mask in the place of one.
    """

    changed = Signal()
    """There are other layers to choose from, or another one is chosen."""
    painted = Signal()
    """Something was painted in the layer that is chosen."""

    def __init__(
        self,
        viewer: ViewerModel,
        current: Callable[[], ScanEntry | None],
        update: Callable[[Scan, Scan], object],
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self._current, self._update = current, update
        self._strokes: weakref.WeakKeyDictionary[Labels, int] = weakref.WeakKeyDictionary()
        viewer.layers.events.inserted.connect(self._on_list)
        viewer.layers.events.removed.connect(self._on_list)

    @property
    def offered(self) -> list[Labels]:
        """Labels layers that can mask a scan."""
        viewer = self._viewer()
        layers = [] if viewer is None else viewer.layers
        return [
            each
            for each in layers
            if isinstance(each, Labels) and each.ndim == 3 and _VIEW not in each.metadata
        ]

    @property
    def chosen(self) -> Labels | None:
        """The layer that masks the current scan."""
        entry = self._current()
        layer = None if entry is None or entry.mask is None else entry.mask()
        return layer if layer in self.offered else None

    def choose(self, layer: Labels | None) -> None:
        """Let a layer mask the current scan from now on; None: nothing painted does.

        Raises
        ------
        InputError
            If it has another shape than the scan.
        """
        entry = self._current()
        if entry is None:
            return
        if layer is None:
            entry.mask = None
            if entry.scan.painted is not None:
                self._update(entry.scan, painted.over(entry.scan, None))
        elif layer is not self.chosen:
            painted.over(entry.scan, self._of(layer, entry.scan))  # says if it cannot be
            layer.metadata[OVER_SCAN] = True
            for event in (layer.events.paint, layer.events.data):
                event.connect(self._on_paint)
            layer.events.set_data.connect(self._on_drawn)
            self._strokes[layer] = compat.strokes(layer)
            entry.mask = weakref.ref(layer)
            self.apply()
        self.changed.emit()

    def paint(self) -> Labels | None:
        """Let the chosen layer be painted with napari's brush; where there is none, a new one with what was painted before."""
        viewer, entry = self._viewer(), self._current()
        if viewer is None or entry is None:
            return None
        layer = self.chosen
        if layer is None:
            shape, before = entry.scan.shape, entry.scan.painted
            layer = Labels(
                np.zeros(shape, np.uint8) if before is None else before.astype(np.uint8),
                name=f"{entry.layer.name} mask",
                colormap=DirectLabelColormap(color_dict={None: COLOURS["painted"], 0: "transparent"}),
                opacity=0.6,
                units=entry.layer.units,
                axis_labels=entry.layer.axis_labels,
            )
            layer.brush_size = max(round(_BRUSH * max(shape[1:])), 1)
            viewer.add_layer(layer)
            self.choose(layer)
        layer.visible = True
        viewer.layers.selection = {layer}
        layer.mode = "paint"
        return layer

    def apply(self) -> None:
        """Mask what is painted now, if that is not masked already.

        Raises
        ------
        InputError
            If the layer does not fit the scan any more.
        """
        entry, layer = self._current(), self.chosen
        if entry is None or layer is None:
            return
        better = painted.over(entry.scan, self._of(layer, entry.scan))
        if not _is_same(better.painted, entry.scan.painted):
            self._update(entry.scan, better)

    def carried(self, scan: Scan, found: Scan) -> Scan:
        """Return `found`, the current scan read otherwise, with what is painted over it; the chosen layer follows a crop.

        What lies outside of what is read is kept for when it is read again.
        """
        entry, layer = self._current(), self.chosen
        if entry is None or entry.scan is not scan:
            return found
        (whole, before), (other, now) = _part(scan), _part(found)
        if whole != other:  # as where other axes were asked for
            return found
        labels = scan.painted if layer is None else np.asarray(layer.data)
        stored = entry.painted_whole
        if labels is not None and labels.shape == whole:
            stored = labels.copy()
        elif labels is not None and labels.shape == scan.shape:
            stored = np.zeros(whole, labels.dtype) if stored is None or stored.shape != whole else stored
            stored[before] = labels
        if stored is None:
            return found
        entry.painted_whole = stored
        if layer is not None and layer.data.shape == scan.shape and before != now:
            # forgets the strokes, which count from the corner of what was read
            mode, layer.editable = layer.mode, False
            layer.data = stored[now].copy()
            layer.editable, layer.mode = True, mode
        return painted.over(found, stored[now] != 0)

    def _of(self, layer: Labels, scan: Scan) -> np.ndarray:
        """Return what is painted; of a layer over the whole frames the part that was read."""
        data, origin = np.asarray(layer.data), scan.origin
        if origin is not None and origin.box is not None and data.shape == origin.whole != scan.shape:
            return data[tuple(slice(*ends) for ends in origin.box)]
        return data

    def _on_list(self, event: Any) -> None:
        if isinstance(event.value, Labels):
            self.changed.emit()

    def _on_paint(self, event: Any) -> None:
        self._strokes[event.source] = compat.strokes(event.source)
        if event.source is self.chosen:
            self.painted.emit()

    def _on_drawn(self, event: Any) -> None:
        """Notice strokes that are taken back, for which napari has no event."""
        if compat.strokes(event.source) != self._strokes.get(event.source):
            self._on_paint(event)


class MaskedView:
    """A Labels layer that shows what will be masked before phasing, and why.

    Parameters
    ----------
    viewer
        Held weakly.
    tasks
        Where it is worked out.
    leaving
        Takes the layer away.
    """

    shown = Signal(dict)
    """So many voxels are masked, by why."""
    gone = Signal()
    """A person has deleted it."""

    def __init__(self, viewer: ViewerModel, tasks: Tasks, leaving: Leaving) -> None:
        self._viewer, self._tasks, self._leaving = weakref.ref(viewer), tasks, leaving
        self._layer: Labels | None = None
        self._over: Layer | None = None
        self._masked: dict[str, int] = {}
        viewer.layers.events.removed.connect(self._on_removed)

    def show(
        self,
        over: Layer,
        work: Callable[[Scan, Preparation], np.ndarray],
        scan: Scan,
        preparation: Preparation,
        failed: Callable[[Exception], object],
    ) -> None:
        """Show, over a diffraction layer, what of a scan will be masked, as soon as `work` has found it."""
        self._over = over
        self._tasks.start("masked", work, scan, preparation, done=self._arrive, failed=failed)

    def hide(self) -> None:
        """Take the layer away."""
        layer, self._layer, self._over = self._layer, None, None
        if layer is not None:
            self._leaving.let_go([layer])

    def _show_colours(self, event: Any) -> None:
        """Let the layer list show the colours of what is masked: of a frame with little masked napari's picture is black."""
        layer = event.source
        colours = [colour for name, colour in COLOURS.items() if name in self._masked]
        if colours and not np.array_equal(layer.thumbnail, own := swatch(colours, layer.thumbnail.shape)):
            layer.thumbnail = own

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            self._layer = self._over = None
            self.gone.emit()

    def _arrive(self, why: np.ndarray) -> None:
        from ....preparation import WHY

        viewer, over = self._viewer(), self._over
        if viewer is None or over is None or over not in viewer.layers:  # in the meantime
            return
        counted = np.bincount(why.ravel(), minlength=len(WHY))
        self._masked = {
            name: int(counted[index]) for index, name in enumerate(WHY) if name and counted[index]
        }
        if self._layer is not None and self._layer in viewer.layers:
            self._layer.data = why
        else:
            colours = {None: "transparent", 0: "transparent"}
            colours |= {WHY.index(name): colour for name, colour in COLOURS.items()}
            self._layer = Labels(
                why,
                name="masked",
                colormap=DirectLabelColormap(color_dict=colours),
                opacity=0.8,
                metadata={_VIEW: True, OVER_SCAN: True},
                units=over.units,
                axis_labels=over.axis_labels,
                visible=over.visible,
            )
            self._layer.editable = False
            self._layer.events.thumbnail.connect(self._show_colours)
            compat.put(viewer, self._layer, viewer.layers.index(over) + 1)
        self.shown.emit(self._masked)


def _is_same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


def _part(scan: Scan) -> tuple[tuple[int, ...], tuple[slice, ...]]:
    """Return the shape of what is stored of a scan, and which part of it was read."""
    origin = scan.origin
    if origin is None or origin.box is None or origin.whole is None:
        return scan.shape, tuple(slice(0, n) for n in scan.shape)
    return origin.whole, tuple(slice(*ends) for ends in origin.box)

"""Layers come and go in a viewer: each is taken for what it is, a scan, part of a result or somebody's image; without Qt."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Layer
from psygnal import Signal

from ...reconstruction import Reconstruction, one_line
from ...scan import Scan
from .canvas.piece_queue import PieceQueue
from .result.naming import rename
from .scan.adoption import Adoption
from .scan.foreign import is_foreign_volume
from .scans import Scans
from .stage import layers
from .stage.sides import Sides
from .stage.stage import Stage
from .words.readout import counts, say_values

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from .run.background import Tasks


class Arrivals:
    """Takes in what is added to the list of layers, and forgets what leaves it.

    Parameters
    ----------
    viewer
        Held weakly.
    scans
        The scans that are known.
    sides, queue
        Show what is new, or what is left.
    make_tasks
        Makes what reads files behind the window.
    """

    results_changed = Signal()
    """There are other layers of results."""

    renamed = Signal(Reconstruction, Reconstruction)
    """A person has called a result otherwise: what it was, what it is."""

    def __init__(
        self,
        viewer: ViewerModel,
        scans: Scans,
        sides: Sides,
        queue: PieceQueue,
        make_tasks: Callable[[], Tasks],
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self._stage = Stage.of(viewer)
        self._scans, self._sides, self._queue = scans, sides, queue
        self.adoption = Adoption(self._make_scan, make_tasks)
        for layer in viewer.layers:
            self._take_in(layer)
        # last: the window must know a layer before we move others because of it
        viewer.layers.events.inserted.connect(self._on_inserted, position="last")
        viewer.layers.events.removed.connect(self._on_removed, position="last")

    # -- they come -----------------------------------------------------------------------------------------------------

    def _on_inserted(self, event: Any) -> None:
        self._take_in(event.value)

    def _take_in(self, layer: Layer) -> None:
        scan = layer.metadata.get(layers.SCAN)
        if not {layers.RECONSTRUCTION, layers.LIVE}.isdisjoint(layer.metadata):
            layer.events.name.connect(self._on_result_renamed)
        if layers.RECONSTRUCTION in layer.metadata:
            self._take_in_result(layer)
        elif isinstance(scan, Scan):
            entry = self._scans.entry(scan)
            if entry is not None and entry.layer is not layer:  # a duplicate is a scan beside its model
                scan = layer.metadata[layers.SCAN] = replace(scan, name=one_line(layer.name))
            if entry is None or entry.layer is not layer:
                self._enter(scan, layer)
        elif is_foreign_volume(layer):
            layer.events.name.connect(self._on_renamed)
            self._scans.choices_changed.emit()
            if self._scans.current is None:
                self._scans.choose(layer)
            self.adoption.consider(layer)
        elif isinstance(layer, Labels) and layer.ndim == 3:  # which napari takes whole numbers for
            self.adoption.consider(layer)

    def _take_in_result(self, layer: Layer) -> None:
        viewer = self._viewer()
        new = None if viewer is None else layers.adopt(viewer, layer)
        if new is not None:  # a saved result was opened
            self._queue.start(self._stage.show_result(new))
        self.results_changed.emit()

    def _enter(self, scan: Scan, layer: Layer) -> None:
        self._stage.bars.follow()  # it may be another reader's layer, which is here already
        say_values(layer, counts)
        layer.events.name.connect(self._on_renamed)
        self._scans.enter(scan, layer)

    def _make_scan(self, layer: Layer, scan: Scan) -> None:
        """Let what another reader opened be the scan that its file holds."""
        viewer = self._viewer()
        if viewer is None or layer not in viewer.layers or layer.data.shape != scan.shape:  # in the meantime
            return
        scan = replace(scan, name=layer.name)
        if isinstance(layer, Labels):
            layer.visible = False  # else napari draws, and frees, what is about to go
            viewer.layers.remove(layer)
            self._scans.add(scan)
        elif is_foreign_volume(layer):
            layer.metadata[layers.SCAN] = scan
            layers.become_scan(layer, scan)
            self._enter(scan, layer)

    # -- they are renamed, and go --------------------------------------------------------------------------------------

    def _on_renamed(self, event: Any) -> None:
        self._scans.rename(event.source)

    def _on_result_renamed(self, event: Any) -> None:
        result = event.source.metadata.get(layers.RESULT)  # none yet, of a crystal that is being phased
        before = result.reconstruction if isinstance(result, layers.ResultLayers) else None
        if before is not None and rename(result, event.source):
            self.renamed.emit(before, result.reconstruction)
            self.results_changed.emit()

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        if layers.RECONSTRUCTION in layer.metadata:
            self.results_changed.emit()
        self._scans.forget(layer)
        result = layer.metadata.get(layers.RESULT)
        was_seen = isinstance(result, layers.ResultLayers) and result.shown and not result.alive
        if self._sides.empty or was_seen:
            self._show_what_is_left()

    def _show_what_is_left(self) -> None:
        viewer = self._viewer()
        if viewer is not None and layers.results(viewer):
            self._sides.show_result()
        else:
            self._scans.show()

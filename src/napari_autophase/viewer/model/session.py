"""What the docks of one viewer share: the scans, the results, what is seen of them, the controller; without Qt."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Layer
from psygnal import Signal

from ...geometry import Geometry
from ...recipe import Recipe
from ...reconstruction import Reconstruction
from ...scan import Scan
from . import compat, layers
from .adoption import Adoption
from .background import AtOnce, Background
from .controller import Controller, Job, Run
from .deleted import Deleted
from .drawing import Drawing
from .extras import Extras
from .foreign import Images, is_foreign_volume
from .gallery import Gallery
from .live import Live
from .masks import PaintedMasks
from .opening import Opening
from .piece_queue import PieceQueue, followed
from .readout import counts, say_values
from .scan_entry import ScanEntry
from .stage import Stage

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Session:
    """The shared state of one viewer; `sessions.session_of` keeps one for each.

    Layers are held by identity: they may be renamed, deleted and reordered at any time.

    Parameters
    ----------
    viewer
        A viewer, with a window or without.
    background
        Where its work is done; None: here, at once.
    """

    choices_changed = Signal()
    """There are other scans and images to choose from."""
    scan_changed = Signal()
    """Another scan is current."""
    scan_updated = Signal()
    """The current scan has other corrections, or another geometry."""
    result_updated = Signal(Reconstruction, Reconstruction)
    """A result has another geometry: what it was, what it is."""
    results_changed = Signal()
    """There are other results, or other layers of them."""
    choices_said = Signal()
    """The Reconstruct panel says something else: see `choices_made`."""
    recipe_given = Signal(Recipe)
    """A recipe is to be shown: it has come with a result."""
    side_changed = Signal()
    """The diffraction is shown, or the results are."""

    def __init__(self, viewer: ViewerModel, background: Background | None = None) -> None:
        self._viewer = weakref.ref(viewer)
        self._background = background or AtOnce()
        self._entries: list[ScanEntry] = []
        self._current: Scan | Layer | None = None
        self._replace = False
        self._begin: Reconstruction | None = None
        self._stage = Stage.of(viewer)
        self._stage.side_changed.connect(lambda _: self.side_changed.emit())
        self._stage.bars.soon = self._background.soon
        self._queue = PieceQueue(self._background.soon, self._open_viewer)
        self.controller = Controller(self._launch)
        self.live = Live(viewer, self._queue, self.controller, self._make_room)
        """The crystal while it is refined."""
        make_tasks = self._background.tasks
        self._gallery = Gallery(viewer, self._queue, make_tasks, self._make_room, self._placed, self.live)
        self._gallery.updated.connect(self.result_updated.emit)
        self._gallery.arrived.connect(self.results_changed.emit)
        self._adoption = Adoption(self._make_scan, make_tasks)
        self.extras = Extras(viewer, self._background)  # what is seen over a result or beside it
        self.deleted = Deleted(viewer, self.add_scan, self._gallery.bring_back)
        self.images = Images()  # what is said of other people's
        self.opening = Opening(self._background, self.add_scan, self.show_drawing)
        self.masks = PaintedMasks(viewer, lambda: self._entry(self._current), self.update_scan)
        self.material = ""
        """What the crystals are, as a formula of `geometry.MATERIALS`; empty: nobody has said."""
        self.choices_made: dict[str, Any] = {}
        """What the Reconstruct panel says, by the names of the settings: a panel that is opened again says it again."""
        self.unsettled: list[Callable[[], object]] = []
        """Called before a scan is used: each applies what a panel shows, or raises an `InputError` that says what is missing."""
        self.controller.finished.connect(lambda drawing: self.show_drawing(drawing, self._replace))
        for layer in viewer.layers:
            self._adopt(layer)
        compat.when_closed(viewer, self.controller.close)
        # last: the window must know a layer before we move others because of it
        viewer.layers.events.inserted.connect(self._on_inserted, position="last")
        viewer.layers.events.removed.connect(self._on_removed, position="last")

    @property
    def viewer(self) -> ViewerModel:
        """The viewer."""
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("The viewer is gone.")
        return viewer

    def _open_viewer(self) -> ViewerModel | None:
        viewer = self._viewer()
        return viewer if viewer is not None and compat.is_open(viewer) else None

    @property
    def _layers(self) -> Sequence[Layer]:
        return () if (viewer := self._viewer()) is None else viewer.layers

    # -- scans ---------------------------------------------------------------------------------------------------------

    @property
    def scans(self) -> list[Scan]:
        """Scans that are loaded."""
        return [entry.scan for entry in self._entries]

    @property
    def choices(self) -> list[tuple[str, Scan | Layer]]:
        """What can be reconstructed, with what to call it: the scans, then other people's 3-D images."""
        images = self.images.among(self._layers, self._entries)
        return [(scan.name, scan) for scan in self.scans] + [(layer.name, layer) for layer in images]

    @property
    def current(self) -> Scan | Layer | None:
        """The chosen scan, or somebody else's image that could be one; None when there is none."""
        return self._current

    def choose(self, choice: Scan | Layer | None) -> None:
        """Make `choice` the current one."""
        if choice is not self._current:
            self._current = choice
            if self.diffraction_shown:
                self.show_diffraction()
            self.scan_changed.emit()

    def settle(self) -> None:
        """Let the current scan be what the panels show of it.

        Raises
        ------
        InputError
            If a panel shows what cannot be used yet.
        """
        for settle in self.unsettled:
            settle()
        self.masks.apply()

    def settled_scan(self) -> Scan | None:
        """Return the current scan as the panels show it; an image becomes a scan, beside which it stays, hidden.

        Raises
        ------
        InputError
            If a panel shows what cannot be used yet, or the image that was chosen cannot be a scan.
        """
        self.settle()
        image = self._current
        if isinstance(image, Layer):
            scan = self.images.scan(image)
            self._make_room()
            self.add_scan(scan)
            self.images.made(image, self._entry(scan))
            self.choices_changed.emit()
        return self._current if isinstance(self._current, Scan) else None

    @property
    def scan_layer(self) -> Layer | None:
        """The layer that shows the current scan; None where an image is current, or nothing."""
        entry = self._entry(self._current)
        return None if entry is None else entry.layer

    def name_material(self, formula: str) -> None:
        """Say what the crystals are."""
        if formula != self.material:
            self.material = formula
            if isinstance(self._current, Scan):
                self.scan_updated.emit()

    def add_scan(self, scan: Scan, replaces: Scan | None = None) -> None:
        """Show `scan` and make it current; the layer that showed `replaces` shows it from now on."""
        entry, viewer = self._entry(replaces), self._open_viewer()
        if viewer is None:  # closed while the scan was read
            return
        if entry is None:
            data, options, kind = layers.scan_layer_data(scan)
            viewer.add_layer(Layer.create(data, options | self._stage.names, kind))
            return  # the rest happens when it arrives
        before, entry.scan = entry.scan, scan
        if entry.layer.name == before.name:
            entry.layer.name = scan.name
        layers.update_scan(entry.layer, scan)
        entry.names.add(scan.name)
        entry.placed = False
        self._show_new_scan(entry)

    def _show_new_scan(self, entry: ScanEntry) -> None:
        self._current = entry.scan
        self.choices_changed.emit()
        self._queue.start(self._stage.show_scan(entry.layer, anew=True))
        self.scan_changed.emit()

    def update_scan(self, scan: Scan, better: Scan) -> None:
        """Let `better`, the same scan with other corrections or another geometry, take its place; the view stays.

        Where the geometry is another, results of this scan are orthogonalised anew, not phased anew.
        """
        entry = self._entry(scan)
        if entry is None:
            return
        if len(entry.names) > 1 and better.name != scan.name:  # a person has renamed it
            better = replace(better, name=scan.name)
        entry.scan = better
        layers.update_scan(entry.layer, better)
        if self._current is scan:
            self._current = better
            if better.shape != scan.shape and self.diffraction_shown:  # another part: the view would miss it
                self._queue.start(self._stage.show_scan(entry.layer, anew=True))
        self.choices_changed.emit()
        if self._current is better:
            self.scan_updated.emit()
        if better.geometry != scan.geometry:
            entry.placed = True
            self._gallery.place_anew()

    def was_placed(self, scan: Scan) -> bool:
        """Whether a person has given the geometry of a scan."""
        return any(entry.scan is scan and entry.placed for entry in self._entries)

    def _entry(self, scan: Any) -> ScanEntry | None:
        return next((entry for entry in self._entries if entry.scan is scan), None)

    # -- what is seen --------------------------------------------------------------------------------------------------

    @property
    def diffraction_shown(self) -> bool:
        """Whether the diffraction is seen, or on its way, and not the results."""
        return self._stage.side == "diffraction"

    def show_diffraction(self, then: Callable[[], object] = bool) -> None:
        """Hide the results and show the current scan's diffraction, with the view that it had, then call `then`."""
        entry = self._entry(self._current) or next(iter(self._entries), None)
        if entry is not None:
            self._queue.start(followed(self._stage.show_scan(entry.layer), then))

    def show_result(self, result: layers.ResultLayers | None = None) -> None:
        """Hide the diffraction and show this result, or the one that was seen last, with the view that results had."""
        self._queue.start(self._to_result(result))

    def _to_result(self, result: layers.ResultLayers | None) -> Iterator[None]:
        if result is None and (live := self.live.layer_of_run) is not None:
            yield from self._stage.show_live(live, live.metadata[layers.LIVE])
            return
        result = result or self._stage.last_result
        if result is not None and result.alive:
            yield from self._stage.show_result(result)

    # -- results -------------------------------------------------------------------------------------------------------

    @property
    def results(self) -> list[layers.ResultLayers]:
        """Results of which at least one layer is still there, oldest first."""
        return self._gallery.results

    def reconstruct(
        self, recipe: Recipe, replace_last: bool = False, begin: Reconstruction | None = None
    ) -> None:
        """Reconstruct the current scan in the background, or go on from a result of it.

        Raises
        ------
        InputError
            If a panel shows what cannot be used yet, or the image that was chosen cannot be a scan.
        """
        scan = self.settled_scan()
        if scan is not None:
            self._replace, self._begin = replace_last, begin
            self.controller.start(scan, recipe)

    def add_result(self, reconstruction: Reconstruction, replace_last: bool = False) -> layers.ResultLayers:
        """Show `reconstruction` at once, as a new numbered group of layers or in the place of the last one."""
        return self._gallery.add(reconstruction, replace_last)

    def show_drawing(self, drawing: Drawing, replace_last: bool = False) -> None:
        """Show a result likewise, layer by layer, so that the window answers in between; one result after the other."""
        self._gallery.show(drawing, replace_last)

    def scan_of(self, result: layers.ResultLayers) -> Scan | None:
        """Return the scan that a result was found in, if it is here and the result's place in it is known."""
        home = self._home(result.reconstruction) if result.reconstruction.peak is not None else None
        return None if home is None else home.scan

    def place_result(
        self,
        result: layers.ResultLayers,
        geometry: Geometry | None,
        peak: tuple[float, float] | None = None,
        failed: Callable[[Exception], object] = bool,
    ) -> None:
        """Draw a result by another geometry, as `placement.placed` takes it; `failed` is told where that cannot be."""
        self._gallery.give_geometry(result, geometry, peak, failed)

    def piecewise(self, work: Iterator[None]) -> None:
        """Do work in this thread, a piece a turn of the event loop, after what was begun before."""
        self._queue.start(work)

    def _make_room(self) -> Layer | None:
        """Hide the image that was phased, which is not ours, before its result is seen; return it if it was not hidden."""
        image = self._current if isinstance(self._current, Layer) and self._current.visible else None
        if image is not None:
            image.visible = False
        return image

    def _placed(self, found: Reconstruction) -> Scan | None:
        """Return the scan of a result if it was given another geometry here."""
        home = self._home(found)
        return home.scan if home is not None and home.placed else None

    def _home(self, found: Reconstruction) -> ScanEntry | None:
        same = (entry for entry in self._entries if found.source == entry.scan.source)
        return next((entry for entry in same if found.name in entry.names), None)

    def _launch(self, scan: Scan, recipe: Recipe, run: Run) -> Job:
        last, _ = self._gallery.place(self._replace)
        return self._background.reconstruct(scan, recipe, run, last.look if last else None, self._begin)

    # -- layers come and go --------------------------------------------------------------------------------------------

    def _on_inserted(self, event: Any) -> None:
        self._adopt(event.value)

    def _adopt(self, layer: Layer) -> None:
        scan = layer.metadata.get(layers.SCAN)
        if layers.RECONSTRUCTION in layer.metadata:
            if (new := layers.adopt(self.viewer, layer)) is not None:  # a saved result was opened
                self._queue.start(self._stage.show_result(new))
            self.results_changed.emit()
        elif isinstance(scan, Scan) and self._entry(scan) is None:
            self._enter_scan(scan, layer)
        elif is_foreign_volume(layer):
            layer.events.name.connect(self._on_renamed)
            self.choices_changed.emit()
            if self._current is None:
                self.choose(layer)
            self._adoption.consider(layer)
        elif isinstance(layer, Labels) and layer.ndim == 3:  # which napari takes whole numbers for
            self._adoption.consider(layer)

    def _enter_scan(self, scan: Scan, layer: Layer) -> None:
        self._stage.bars.follow()  # it may be another reader's layer, which is here already
        say_values(layer, counts)
        layer.events.name.connect(self._on_renamed)
        self._entries.append(entry := ScanEntry(scan, layer))
        self._show_new_scan(entry)

    def _make_scan(self, layer: Layer, scan: Scan) -> None:
        """Let what another reader opened be the scan that its file holds."""
        if layer not in self._layers or layer.data.shape != scan.shape:  # in the meantime
            return
        if isinstance(layer, Labels):
            layer.visible = False  # else napari draws, and frees, what is about to go
            self.viewer.layers.remove(layer)
            self.add_scan(replace(scan, name=layer.name))
        elif is_foreign_volume(layer):
            scan = layer.metadata[layers.SCAN] = replace(scan, name=layer.name)
            layers.become_scan(layer, scan)
            self._enter_scan(scan, layer)

    def _on_renamed(self, event: Any) -> None:
        entry = next((entry for entry in self._entries if entry.layer is event.source), None)
        if entry is not None and entry.layer.name != entry.scan.name:
            is_current = self._current is entry.scan
            entry.rename()
            self._current = entry.scan if is_current else self._current
        self.choices_changed.emit()

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        result = layer.metadata.get(layers.RESULT)
        if layers.RECONSTRUCTION in layer.metadata:
            self.results_changed.emit()
        self._entries = [entry for entry in self._entries if entry.layer is not layer]
        self.choices_changed.emit()
        if self._current not in (left := [choice for _, choice in self.choices]):
            self.choose(left[-1] if left else None)
        gone = isinstance(result, layers.ResultLayers) and result.shown and not result.alive
        if self._stage.side is None or gone:  # what was seen
            (self.show_result if self.results else self.show_diffraction)()

"""What the docks of one viewer share: the scans, the results, what is seen of them, the controller; without Qt."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from psygnal import Signal

from ...geometry import Geometry
from ...recipe import Recipe
from ...reconstruction import Reconstruction
from ...scan import Scan
from .arrivals import Arrivals
from .canvas import compat
from .canvas.piece_queue import PieceQueue
from .canvas.view import change_dimensions
from .crystal.drawing import Drawing
from .result.arrangements import Arrangement
from .result.deleted import Deleted
from .run.background import AtOnce, Background
from .run.controller import Controller, Job, Run
from .scan.foreign import Images
from .scan.masks import PaintedMasks
from .scan.opening import Opening
from .scan.scan_entry import reads_other_motors, with_geometry_of
from .scans import Scans
from .stage import layers
from .stage.extras import Extras
from .stage.gallery import Gallery
from .stage.live import Live
from .stage.sides import Sides
from .stage.stage import Stage

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Session:
    """The shared state of one viewer; `sessions.session_of` keeps one for each.

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
    """A result has another geometry, star, remark or name: what it was, what it is."""
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
        self._replace = False
        self._begin: Reconstruction | None = None
        make_tasks = self._background.tasks
        stage = Stage.of(viewer)
        stage.bars.soon = self._background.soon
        self._queue = PieceQueue(self._background.soon, self._open_viewer)

        self.controller = Controller(self._launch)
        self.live = Live(viewer, self._queue, self.controller, self._make_room)
        """The crystal while it is refined."""
        self.images = Images()
        """What is said of other people's images."""
        self._sides = Sides(stage, self._queue, self.live)
        self._gallery = Gallery(
            *(viewer, self._queue, make_tasks, self._make_room, self._placed_scan, self.live, self._same_scan)
        )
        self._scans = Scans(viewer, self._sides, self.images, lambda: stage.names, self._gallery.place_anew)
        self.extras = Extras(viewer, self._background)
        """What is seen over a result or beside it."""
        self.deleted = Deleted(
            *(viewer, self._scans.entry, self._scans.bring_back),
            *(self._gallery.bring_back, self._bring_layer_back),
        )
        """What was deleted and can be brought back."""
        self.typed = self._scans.typed
        """What was typed into geometry forms and is not used yet."""
        self.opening = Opening(self._background, self.add_scan, self.show_drawing)
        """Files that are being read."""
        self.masks = PaintedMasks(viewer, lambda: self._scans.current_entry, self.update_scan)
        """Masks that a person paints."""

        self.material = ""
        """What the crystals are, as a formula of `geometry.MATERIALS`; empty: nobody has said."""
        self.choices_made: dict[str, Any] = {}
        """What the Reconstruct panel says, by the names of the settings: a panel that is opened again says it again."""
        self.unsettled: list[Callable[[], object]] = []
        """Called before a scan is used: each applies what a panel shows, or raises an `InputError` that says what is missing."""

        stage.side_changed.connect(lambda _: self.side_changed.emit())
        self._scans.choices_changed.connect(self.choices_changed.emit)
        self._scans.current_changed.connect(self.scan_changed.emit)
        self._scans.updated.connect(self.scan_updated.emit)
        self._gallery.updated.connect(self.result_updated.emit)
        self._gallery.arrived.connect(self.results_changed.emit)
        self.controller.finished.connect(lambda drawing: self.show_drawing(drawing, self._replace))
        compat.when_closed(viewer, self.controller.close)
        # after all others: it takes in the layers that are there already
        self._arrivals = Arrivals(viewer, self._scans, self._sides, self._queue, make_tasks)
        self._arrivals.results_changed.connect(self.results_changed.emit)
        self._arrivals.renamed.connect(self.result_updated.emit)

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

    def piecewise(self, work: Iterator[None]) -> None:
        """Do work in this thread, a piece a turn of the event loop, after what was begun before."""
        self._queue.start(work)

    # -- scans ---------------------------------------------------------------------------------------------------------

    @property
    def scans(self) -> list[Scan]:
        """Scans that are loaded."""
        return self._scans.all

    @property
    def choices(self) -> list[tuple[str, Scan | Layer]]:
        """What can be reconstructed, with what to call it: the scans, then other people's 3-D images."""
        return self._scans.choices

    @property
    def current(self) -> Scan | Layer | None:
        """The chosen scan, or somebody else's image that could be one; None when there is none."""
        return self._scans.current

    @property
    def scan_layer(self) -> Layer | None:
        """The layer that shows the current scan; None where an image is current, or nothing."""
        entry = self._scans.current_entry
        return None if entry is None else entry.layer

    def choose(self, choice: Scan | Layer | None) -> None:
        """Make `choice` the current one."""
        self._scans.choose(choice)

    def add_scan(self, scan: Scan, replaces: Scan | None = None) -> None:
        """Show `scan` and make it current; the layer that showed `replaces` shows it from now on."""
        self._scans.add(scan, replaces)

    def update_scan(self, scan: Scan, better: Scan) -> None:
        """Let `better`, the same scan with other corrections or another geometry, take its place; the view stays.

        Where the geometry is another, results of this scan are orthogonalised anew, not phased anew.
        """
        self._scans.update(scan, better)

    def correct_scan(self, scan: Scan, found: Scan) -> None:
        """Let `found`, the same scan read otherwise, take its place; what a person gave to it, and painted over it, stays."""
        better = with_geometry_of(scan, found) if self.was_placed(scan) else found
        self._scans.update(scan, self.masks.carried(scan, better), placed=reads_other_motors(scan, found))

    def was_placed(self, scan: Scan) -> bool:
        """Whether a person has given the geometry of a scan."""
        entry = self._scans.entry(scan)
        return entry is not None and entry.placed

    def name_material(self, formula: str) -> None:
        """Say what the crystals are."""
        if formula != self.material:
            self.material = formula
            if isinstance(self.current, Scan):
                self.scan_updated.emit()

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
        image = self.current
        if isinstance(image, Layer):
            scan = self.images.scan(image)
            self._make_room()
            self.add_scan(scan)
            self.images.made(image, self._scans.current_entry)
            self.choices_changed.emit()
        return self.current if isinstance(self.current, Scan) else None

    # -- what is seen --------------------------------------------------------------------------------------------------

    @property
    def diffraction_shown(self) -> bool:
        """Whether the diffraction is seen, or on its way, and not the results."""
        return self._sides.diffraction_shown

    def show_diffraction(self, then: Callable[[], object] = bool) -> None:
        """Hide the results and show the current scan's diffraction, with the view that it had, then call `then`."""
        self._scans.show(then)

    def show_diffraction_of(self, result: layers.ResultLayers | None) -> None:
        """Show the diffraction that a result was found in, which becomes current; where that is not here, the current scan's."""
        home = None if result is None else self._scans.home(result.reconstruction)
        if home is not None:
            self.choose(home.scan)
        self.show_diffraction()

    def change_dimensions(self, frame: Callable[[], object]) -> None:
        """Go over to slices, or to space, then turn the camera by `frame`."""
        self._queue.start(change_dimensions(self.viewer, frame))

    def show_result(self, result: layers.ResultLayers | None = None) -> None:
        """Hide the diffraction and show this result, or the one that was seen last, with the view that results had."""
        self._sides.show_result(result)

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
            self.controller.start(scan, recipe, further=begin is not None)

    def add_result(self, reconstruction: Reconstruction, replace_last: bool = False) -> layers.ResultLayers:
        """Show `reconstruction` at once, as a new numbered group of layers or in the place of the last one of its scan."""
        return self._gallery.add(reconstruction, replace_last)

    def show_drawing(self, drawing: Drawing, replace_last: bool = False) -> None:
        """Show a result likewise, layer by layer, so that the window answers in between; one result after the other."""
        self._gallery.show(drawing, replace_last)

    def home_of(self, result: layers.ResultLayers) -> Scan | None:
        """Return the scan that a result was found in, if it is here."""
        home = self._scans.home(result.reconstruction)
        return None if home is None else home.scan

    def scan_of(self, result: layers.ResultLayers) -> Scan | None:
        """Return the scan that a result was found in, if it is here and the result's place in it is known."""
        return None if result.reconstruction.peak is None else self.home_of(result)

    def bring_scan(self, scan: Scan, result: layers.ResultLayers) -> None:
        """Show the scan that a result was found in, read again: one can go on from the result then."""
        self._scans.bring(scan, result.reconstruction)

    def mark_result(self, result: layers.ResultLayers, starred: bool, remark: str) -> None:
        """Give a result a star or none, and a remark, which are kept with it."""
        self._gallery.mark(result, starred, remark)

    def place_result(
        self,
        result: layers.ResultLayers,
        geometry: Geometry | None,
        peak: tuple[float, float] | None = None,
        failed: Callable[[Exception], object] = bool,
    ) -> None:
        """Draw a result by another geometry, as `placement.placed` takes it; `failed` is told where that cannot be."""
        self._gallery.give_geometry(result, geometry, peak, failed)

    def arrange_result(
        self,
        result: layers.ResultLayers,
        arrangement: Arrangement,
        peak: tuple[float, float] | None = None,
        failed: Callable[[Exception], object] = bool,
    ) -> None:
        """Draw a result of another program, its array being as it is said to be, in the geometry that it has now."""
        self._gallery.arrange(result, arrangement, peak, failed)

    def arrangement_of(self, result: layers.ResultLayers) -> Arrangement:
        """Return what was said of the array of a result."""
        return self._gallery.arrangement_of(result)

    def _bring_layer_back(self, result: layers.ResultLayers, role: str) -> None:
        result.make(role)
        self.show_result(result)

    def _make_room(self) -> Layer | None:
        """Hide the image that was phased, which is not ours, before its result is seen; return it if it was not hidden."""
        image = self.current
        if not isinstance(image, Layer) or not image.visible:
            return None
        image.visible = False
        return image

    def _same_scan(self, one: Reconstruction | Scan, other: Reconstruction | Scan) -> bool:
        """Whether both are of one scan, which may have been renamed in between."""
        home = self._scans.home(one)
        same = (one.source, one.name) == (other.source, other.name)
        return same or (home is not None and home is self._scans.home(other))

    def _placed_scan(self, found: Reconstruction) -> Scan | None:
        """Return the scan of a result if it was given another geometry here."""
        home = self._scans.home(found)
        return home.scan if home is not None and home.placed else None

    def _launch(self, scan: Scan, recipe: Recipe, run: Run) -> Job:
        last, _ = self._gallery.place(scan, self._replace)
        return self._background.reconstruct(scan, recipe, run, last.look if last else None, self._begin)

"""The scans of one viewer, other people's images that could be scans, and which of them is current; without Qt."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from psygnal import Signal

from ...reconstruction import Reconstruction, one_line
from ...scan import Scan
from .canvas import compat
from .result.typed import Typed
from .scan.foreign import Images
from .scan.scan_entry import ScanEntry, is_same
from .stage import layers
from .stage.sides import Sides

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Scans:
    """Keeps each scan together with the layer that shows it.

    Layers are held by identity: they may be renamed, deleted and reordered at any time.

    Parameters
    ----------
    viewer
        Held weakly.
    sides
        Shows a scan.
    images
        What was said of other people's images.
    names
        Returns the units and axes that a new layer is made with.
    place_anew
        Called when a scan has another geometry: its results are orthogonalised anew, not phased anew.
    """

    choices_changed = Signal()
    """There are other scans and images to choose from."""
    current_changed = Signal()
    """Another one is current."""
    updated = Signal()
    """The current scan has other corrections, or another geometry."""

    def __init__(
        self,
        viewer: ViewerModel,
        sides: Sides,
        images: Images,
        names: Callable[[], dict[str, Any]],
        place_anew: Callable[[], object],
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self._sides, self._images, self._names, self._place_anew = sides, images, names, place_anew
        self._entries: list[ScanEntry] = []
        self._current: Scan | Layer | None = None
        self._beside: dict[str, Any] = {}
        self.typed = Typed()
        """What was typed into the geometry forms of scans and results and is not used yet."""

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def all(self) -> list[Scan]:
        """The scans, oldest first."""
        return [entry.scan for entry in self._entries]

    @property
    def choices(self) -> list[tuple[str, Scan | Layer]]:
        """What can be reconstructed, with what to call it: the scans, then other people's 3-D images."""
        scans = [(scan.name, scan) for scan in self.all]
        images = [(layer.name, layer) for layer in self._images.among(self._layers, self._entries)]
        return [*scans, *images]

    @property
    def current(self) -> Scan | Layer | None:
        """The chosen scan, or somebody else's image that could be one; None when there is none."""
        return self._current

    @property
    def current_entry(self) -> ScanEntry | None:
        """The current scan with its layer, if a scan is current."""
        return self.entry(self._current)

    @property
    def _layers(self) -> Sequence[Layer]:
        return () if (viewer := self._viewer()) is None else viewer.layers

    def entry(self, scan: Any) -> ScanEntry | None:
        """Return a scan with its layer, if it is here."""
        return next((entry for entry in self._entries if entry.scan is scan), None)

    def home(self, found: Reconstruction | Scan) -> ScanEntry | None:
        """Return the scan that a result was found in, or that itself, by any name that it ever had, if it is here."""
        same = (entry for entry in self._entries if found.source in (entry.scan.source, *entry.aliases))
        return next((entry for entry in same if found.name in entry.names), None)

    # -- which is current ----------------------------------------------------------------------------------------------

    def choose(self, choice: Scan | Layer | None) -> None:
        """Make `choice` the current one."""
        if choice is self._current:
            return
        self._current = choice
        if self._sides.diffraction_shown:
            self.show()
        self.current_changed.emit()

    def show(self, then: Callable[[], object] = bool) -> None:
        """Show the current scan's diffraction, or where an image is current that of the oldest scan, then call `then`."""
        entry = self.current_entry or next(iter(self._entries), None)
        if entry is not None:
            self._sides.show_scan(entry.layer, then=then)

    # -- scans come and go ---------------------------------------------------------------------------------------------

    def add(self, scan: Scan, replaces: Scan | None = None) -> None:
        """Show `scan` and make it current; the layer that showed `replaces` shows it from now on."""
        viewer = self._viewer()
        if viewer is None or not compat.is_open(viewer):  # closed while the scan was read
            return
        entry = self.entry(replaces)
        if entry is None:
            data, options, kind = layers.scan_layer_data(scan)
            viewer.add_layer(Layer.create(data, options | self._names(), kind))  # which calls `enter`
            return
        before, entry.scan = entry.scan, scan
        self.typed.carry(before, scan)
        if entry.layer.name == before.name:
            entry.layer.name = scan.name  # which napari numbers where it is taken
        layers.update_scan(entry.layer, entry.scan)
        entry.names.add(scan.name)
        if scan.source != before.source:
            entry.aliases.clear()
        entry.placed &= scan.geometry == before.geometry
        self._show_new(entry)

    def bring(self, scan: Scan, found: Reconstruction) -> None:
        """Show the scan that a result was found in, read again, and make it current; the result is one of it from now on."""
        entry = next((each for each in self._entries if is_same(each.scan, scan)), None)
        if entry is None:
            self.add(scan)
            entry = self.current_entry
        if entry is not None:
            entry.aliases.add(found.source)
            entry.names.add(found.name)
            self.choose(entry.scan)
            self.choices_changed.emit()

    def enter(self, scan: Scan, layer: Layer) -> None:
        """Take in a scan that `layer` shows, and make it current."""
        entry = ScanEntry(scan, layer, **self._beside)
        if any(scan.name == other.name for other in self.all):
            entry.rename()  # as napari has numbered it
        self._entries.append(entry)
        self._show_new(entry)

    def bring_back(self, scan: Scan, beside: dict[str, Any]) -> None:
        """Show a scan that was deleted, with what its entry had `beside` it, and make it current."""
        self._beside = beside
        try:
            self.add(scan)
        finally:
            self._beside = {}

    def _show_new(self, entry: ScanEntry) -> None:
        self._current = entry.scan
        self.choices_changed.emit()
        self._sides.show_scan(entry.layer, anew=True)
        self.current_changed.emit()

    def update(self, scan: Scan, better: Scan, placed: bool = True) -> None:
        """Let `better`, the same scan with other corrections or another geometry, take its place; the view stays.

        A geometry that differs was given by a person, unless it is not `placed`: of a part of the scan it is that of the part.
        """
        entry = self.entry(scan)
        if entry is None:
            return
        if len(entry.names) > 1 and better.name != scan.name:  # a person has renamed it
            better = replace(better, name=scan.name)
        entry.scan = better
        self.typed.carry(scan, better)
        layers.update_scan(entry.layer, better)
        if self._current is scan:
            self._current = better
            if (
                better.shape != scan.shape and self._sides.diffraction_shown
            ):  # another part: the view would miss it
                self._sides.show_scan(entry.layer, anew=True)
        self.choices_changed.emit()
        if self._current is better:
            self.updated.emit()
        if placed and better.geometry != scan.geometry:
            entry.placed = True
            self._place_anew()

    def rename(self, layer: Layer) -> None:
        """Call the scan that a layer shows, or an image, as the layer is called now."""
        entry = next((entry for entry in self._entries if entry.layer is layer), None)
        if entry is not None and one_line(entry.scan.name) and not one_line(layer.name):
            layer.name = entry.scan.name  # a scan without a name could not be chosen
        elif entry is not None and one_line(layer.name) != entry.scan.name:
            before = entry.scan
            entry.rename()
            self.typed.carry(before, entry.scan)
            if self._current is before:
                self._current = entry.scan
        self.choices_changed.emit()

    def forget(self, layer: Layer) -> None:
        """Leave out the scan that a layer showed; if it was current, another one is."""
        self._entries = [entry for entry in self._entries if entry.layer is not layer]
        self.choices_changed.emit()
        left = [choice for _, choice in self.choices]
        if self._current not in left:
            self.choose(left[-1] if left else None)

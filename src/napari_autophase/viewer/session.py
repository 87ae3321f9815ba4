"""What the docks of one viewer share: the scans, the results, the diffraction layers, the controller; without Qt."""

from __future__ import annotations

import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from napari.layers import Image, Layer
from psygnal import Signal

from ..recipe import Recipe
from ..reconstruction import Reconstruction
from ..scan import Scan
from . import compat, layers
from .controller import Controller, Job, Launch, Run
from .drawing import Drawing
from .turns import Turns

if TYPE_CHECKING:
    from napari.components import ViewerModel


@dataclass(eq=False)
class ScanEntry:
    """A scan and the layer that shows it, in the list or stowed away."""

    scan: Scan
    layer: Layer
    shown: bool = True


class Session:
    """The shared state of one viewer; get it with ``Session.of(viewer)``.

    Layers are held by identity: they may be renamed, deleted and reordered at any time.

    Parameters
    ----------
    viewer
        A viewer, with a window or without.
    launch
        How a reconstruction is started (see `controller`); None: in a thread.
    """

    choices_changed = Signal()
    """There are other scans and images to choose from."""
    scan_changed = Signal()
    """Another scan is current."""
    diffraction_changed = Signal(bool)
    """The diffraction layer came into the list (True) or left it."""

    _sessions: ClassVar[weakref.WeakKeyDictionary[ViewerModel, Session]] = weakref.WeakKeyDictionary()

    def __init__(self, viewer: ViewerModel, launch: Launch | None = None) -> None:
        self._viewer = weakref.ref(viewer)
        self._entries: list[ScanEntry] = []
        self._current: Scan | Layer | None = None
        self._moving = False
        self._replace = False
        self._turns = Turns()
        self.controller = Controller(launch or self._launch_in_thread)
        self.controller.finished.connect(self._on_finished)
        compat.name_axes(viewer)
        for layer in viewer.layers:
            self._adopt(layer)
        # last: the window must know a layer before we move others because of it
        viewer.layers.events.inserted.connect(self._on_inserted, position="last")
        viewer.layers.events.removed.connect(self._on_removed, position="last")

    @classmethod
    def of(cls, viewer: ViewerModel) -> Session:
        """Return the session of `viewer`, made when first asked for."""
        viewer = getattr(viewer, "__wrapped__", viewer)  # plugins are sometimes given a proxy
        if viewer not in cls._sessions:
            cls._sessions[viewer] = cls(viewer)
        return cls._sessions[viewer]

    @property
    def viewer(self) -> ViewerModel:
        """The viewer."""
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("The viewer is gone.")
        return viewer

    # -- scans ---------------------------------------------------------------------------------------------------------

    @property
    def scans(self) -> list[Scan]:
        """Scans that are loaded."""
        return [entry.scan for entry in self._entries]

    @property
    def choices(self) -> list[tuple[str, Scan | Layer]]:
        """What can be reconstructed, with what to call it: the scans, then other people's 3-D images."""
        foreign = [layer for layer in self.viewer.layers if is_foreign_volume(layer)]
        return [(scan.name, scan) for scan in self.scans] + [(layer.name, layer) for layer in foreign]

    @property
    def current(self) -> Scan | Layer | None:
        """The chosen scan, or somebody else's image that could be one; None when there is none."""
        return self._current

    def choose(self, choice: Scan | Layer | None) -> None:
        """Make `choice` the current one."""
        if choice is not self._current:
            self._current = choice
            chosen = self._entry(choice)
            if chosen is not None and chosen.shown:
                for entry in self._entries:
                    entry.layer.visible = entry is chosen
            self.scan_changed.emit()

    def current_scan(self) -> Scan | None:
        """Return the current scan; an image is read as counts.

        Raises
        ------
        InputError
            If the image that was chosen cannot be a scan.
        """
        if isinstance(self._current, Layer):
            return Scan.from_array(
                np.asarray(self._current.data), name=self._current.name, source="napari layer"
            )
        return self._current

    @property
    def current_shape(self) -> tuple[int, ...] | None:
        """Shape of the current scan, or of the image that may become one."""
        if isinstance(self._current, Layer):
            return tuple(self._current.data.shape)
        return None if self._current is None else self._current.shape

    def add_scan(self, scan: Scan, replaces: Scan | None = None) -> None:
        """Show `scan` and make it current; its layer takes the place of the one of `replaces`."""
        if old := self._entry(replaces):
            self._stow(old)
            self._entries.remove(old)
        layers.add_scan(self.viewer, scan)  # the rest happens when the layer arrives

    def _entry(self, scan: Any) -> ScanEntry | None:
        return next((entry for entry in self._entries if entry.scan is scan), None)

    # -- the diffraction layer -----------------------------------------------------------------------------------------

    @property
    def diffraction_shown(self) -> bool:
        """Whether a diffraction layer is in the list."""
        return any(entry.shown for entry in self._entries)

    def show_diffraction(self) -> None:
        """Bring the current scan's diffraction layer back in place of the results (a layer in pixels costs the nm)."""
        entry = self._entry(self._current) or next(iter(self._entries), None)
        if entry is None:
            return
        self._stow_results()
        if not entry.shown:
            entry.shown = True
            with self._moving_layers():
                self.viewer.layers.append(entry.layer)
        entry.layer.visible = True
        layers.turn_to_scan(self.viewer, entry.layer)
        self.diffraction_changed.emit(True)

    def _stow_results(self) -> None:
        for result in self.results:
            result.stow()
        compat.text(self.viewer).visible = False

    def hide_diffraction(self) -> None:
        """Take the diffraction out of the list, keep it, and show a result again; nothing happens without results."""
        results = self.results
        if not results:
            return
        self._stow_all()
        if not any(result.shown for result in results):
            results[-1].show()

    def _stow_all(self) -> None:
        for entry in self._entries:
            self._stow(entry)
        self.diffraction_changed.emit(False)

    # -- results -------------------------------------------------------------------------------------------------------

    @property
    def results(self) -> list[layers.ResultLayers]:
        """Results of which at least one layer is still there, oldest first."""
        return layers.results(self.viewer)

    def reconstruct(self, recipe: Recipe, replace_last: bool = False) -> None:
        """Reconstruct the current scan in the background.

        Raises
        ------
        InputError
            If the image that was chosen cannot be a scan.
        """
        scan = self.current_scan()
        if scan is not None:
            self._replace = replace_last
            self.controller.start(scan, recipe)

    def add_result(self, reconstruction: Reconstruction, replace_last: bool = False) -> layers.ResultLayers:
        """Show `reconstruction` at once, as a new numbered group of layers or in the place of the last one."""
        self._turns.finish()
        last, group = self._place(replace_last)
        self._clear_the_stage()
        return layers.add_reconstruction(self.viewer, reconstruction, group=group, replace=last)

    def show_drawing(self, drawing: Drawing, replace_last: bool = False) -> None:
        """Show a result likewise, layer by layer, so that the window answers in between; one result after the other."""
        self._turns.start(self._show(drawing, replace_last))

    def _show(self, drawing: Drawing, replace_last: bool) -> Generator[None, None, None]:
        last, group = self._place(replace_last)
        self._clear_the_stage()
        yield from layers.add_drawing(self.viewer, drawing, group=group, replace=last)

    def _place(self, replace_last: bool) -> tuple[layers.ResultLayers | None, int]:
        """Return the result to be replaced, if any, and the number of the new one."""
        results = self.results
        last = results[-1] if replace_last and results else None
        return last, 1 + max((result.group for result in results), default=0)

    def _clear_the_stage(self) -> None:
        self._stow_all()
        if isinstance(self._current, Layer) and self._current.visible:
            self._current.visible = False

    def _launch_in_thread(self, scan: Scan, recipe: Recipe, run: Run) -> Job:
        from . import worker  # Qt, only now

        last, _ = self._place(self._replace)
        look = None if last is None else last.look
        return worker.launch(scan, recipe, run, partial(worker.reconstruct, look=look))

    def _on_finished(self, drawing: Drawing) -> None:
        self.show_drawing(drawing, self._replace)

    # -- layers come and go --------------------------------------------------------------------------------------------

    @contextmanager
    def _moving_layers(self) -> Iterator[None]:
        # a layer that we move ourselves has neither been loaded nor thrown away
        self._moving = True
        try:
            yield
        finally:
            self._moving = False

    def _stow(self, entry: ScanEntry) -> None:
        if entry.shown:
            entry.shown = False
            with self._moving_layers():
                self.viewer.layers.remove(entry.layer)

    def _on_inserted(self, event: Any) -> None:
        if not self._moving:
            self._adopt(event.value)

    def _adopt(self, layer: Layer) -> None:
        if layers.RECONSTRUCTION in layer.metadata:
            if self.diffraction_shown:
                self.hide_diffraction()  # a saved result was opened
            layers.results(self.viewer)  # which takes it in
        scan = layer.metadata.get(layers.SCAN)
        if isinstance(scan, Scan) and self._entry(scan) is None:
            self._stow_results()
            self._entries.append(ScanEntry(scan, layer))
            self.choices_changed.emit()
            self.choose(scan)
            self.diffraction_changed.emit(True)
        elif is_foreign_volume(layer):
            layer.events.name.connect(self._on_renamed)
            self.choices_changed.emit()
            if self._current is None:
                self.choose(layer)

    def _on_renamed(self) -> None:
        self.choices_changed.emit()

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        if self._moving:
            return
        self._entries = [entry for entry in self._entries if entry.layer is not layer]
        self.choices_changed.emit()
        left = [choice for _, choice in self.choices]
        if self._current not in left:
            self.choose(left[-1] if left else None)


def is_foreign_volume(layer: Layer) -> bool:
    """Whether `layer` is a 3-D image that did not come from here, so that it may be a scan."""
    if not isinstance(layer, Image) or layer.rgb or layer.multiscale or layer.ndim != 3:
        return False
    return layers.SCAN not in layer.metadata and layers.RECONSTRUCTION not in layer.metadata

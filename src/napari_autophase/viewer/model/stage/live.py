"""The crystal on the canvas while it is refined: one surface, which becomes that of the result."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.colormaps import ensure_colormap

from ..canvas import compat
from ..canvas.canvas import show_caption
from ..canvas.piece_queue import PieceQueue
from ..crystal.mesh import RELIEF_TEXTURE
from ..crystal.quantity import colour_map
from ..crystal.result_data import AXES, LIVE
from ..crystal.sketch import Sketch
from ..result.results import ResultLayers
from ..run.controller import Controller, Update
from .stage import Stage


class Live:
    """Shows sketches of the run in progress in a layer of its own, which goes when the run is over.

    The first sketch of a run takes the place of what is seen; what a person turns to after that stays.  The layer then becomes
    the surface of the result (`hand_over`), or is hidden, and removed once that is drawn.

    Parameters
    ----------
    viewer
        Held weakly.
    queue
        Does what is done piece by piece.
    controller
        Whose runs are shown.
    make_room
        Called before the first sketch is seen; returns what it has hidden for that.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        queue: PieceQueue,
        controller: Controller,
        make_room: Callable[[], Layer | None],
    ) -> None:
        self._viewer, self._queue, self._make_room = weakref.ref(viewer), queue, make_room
        self._controller = controller
        controller.advanced.connect(self._on_advanced)
        controller.state_changed.connect(self._on_state)
        self._layer: weakref.ref[Layer] | None = None
        self._running = False
        self._before: tuple[ResultLayers | Layer | None, Layer | None] = (None, None)
        self._camera: tuple[object, ...] | None = None

    @property
    def layer(self) -> Layer | None:
        """Its layer, while that is in the viewer."""
        viewer, layer = self._viewer(), None if self._layer is None else self._layer()
        return layer if viewer is not None and layer is not None and layer in viewer.layers else None

    @property
    def layer_of_run(self) -> Layer | None:
        """The same if it shows the run in progress."""
        return self.layer if self._running and self._controller.busy else None

    @property
    def enabled(self) -> bool:
        """Whether runs are shown; without, what is seen stays until the result comes."""
        return self._controller.live

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        self._controller.live = enabled
        if not enabled:
            self._rest()

    def _on_state(self, state: str) -> None:
        if state == "running":
            self._running, self._camera = False, None
        elif state in ("idle", "failed"):
            self._rest()

    def _on_advanced(self, update: Update) -> None:
        log = self._controller.log
        if update.seen.sketch is not None and self.enabled and log is not None:
            self._show(update.seen.sketch, log.name)

    def _show(self, sketch: Sketch, name: str) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        layer, first = self.layer, not self._running
        if layer is None:
            if not first:
                return  # a person has deleted it
            layer = self._make(viewer, sketch)
        else:
            draw(layer, sketch)
        self._running = True
        if first:
            layer.name, layer.metadata[LIVE] = f"{name} · live", sketch.unit
            self._queue.start(self._bring(viewer, layer, sketch, name))

    def hand_over(self) -> Layer | None:
        """Return the layer if it is seen now, and have nothing to do with it any more; a result takes it."""
        layer = self.layer
        if layer is None or not layer.visible or not self._running:
            return None
        self._layer, self._running = None, False
        return layer

    def leave(self) -> Iterator[None]:
        """Let the layer go if its run is over and no result has taken it, piece by piece."""
        layer, viewer = self.layer, self._viewer()
        if layer is not None and viewer is not None and self.layer_of_run is None and not layer.visible:
            self._running = False
            yield from self._leave(viewer, layer)

    @property
    def untouched(self) -> bool:
        """Whether the camera stands as it was put for the first sketch."""
        viewer = self._viewer()
        return viewer is not None and self._camera is not None and _camera(viewer) == self._camera

    def _rest(self) -> None:
        """Let the layer go, and go back to what was seen before, if a person has not turned to something else."""
        layer, viewer, self._running = self.layer, self._viewer(), False
        if layer is not None and viewer is not None:
            self._queue.start(self._go_back(viewer, layer))

    def _go_back(self, viewer: ViewerModel, layer: Layer) -> Iterator[None]:
        seen_now = (
            layer.visible and self.layer is layer
        )  # asked only now: before, it may have been on its way
        if not seen_now:
            yield from self._leave(viewer, layer)
            return
        stage, (seen, hidden) = Stage.of(viewer), self._before
        if isinstance(seen, ResultLayers) and seen.alive:
            yield from stage.show_result(seen)
        elif isinstance(seen, Layer) and seen in viewer.layers:
            yield from stage.show_scan(seen)
        layer.visible = False
        if hidden is not None and hidden in viewer.layers:
            hidden.visible = True
        yield from self._leave(viewer, layer)

    def _leave(self, viewer: ViewerModel, layer: Layer) -> Iterator[None]:
        """Remove the layer, which is hidden, once that is drawn; another run may have begun to use it."""
        yield
        if not (layer.visible or self._running) and self.layer is layer:
            viewer.layers.remove(layer)

    def _make(self, viewer: ViewerModel, sketch: Sketch) -> Layer:
        found = sketch.mesh
        options = {
            "metadata": {LIVE: sketch.unit},
            "colormap": ensure_colormap(colour_map("phase")),
            "contrast_limits": (-np.pi, np.pi),
            "texture": RELIEF_TEXTURE,
            "texcoords": found.texcoords(True),
            "shading": "none",
            "visible": False,
            "axis_labels": AXES[sketch.unit],
        }
        layer = Layer.create(found.data, options | Stage.of(viewer).names, "surface")
        self._layer = weakref.ref(layer)
        compat.put(viewer, layer)
        return layer

    def _bring(self, viewer: ViewerModel, layer: Layer, sketch: Sketch, name: str) -> Iterator[None]:
        stage = Stage.of(viewer)
        if self.layer is not layer or not self._running:  # it has become a result's, or the run is over
            return
        self._before = stage.seen, self._make_room()
        yield from stage.show_live(layer, sketch.unit)
        show_caption(viewer, (f"{name} · live", "phase (rad)"))
        self._camera = _camera(viewer) if stage.framed else None


def draw(layer: Layer, sketch: Sketch) -> None:
    """Let a surface show a sketch."""
    # the old relief must not meet the new vertices: there is another number of them
    layer.texcoords = None
    layer.data = sketch.mesh.data
    layer.texcoords = sketch.mesh.texcoords(True)


def _camera(viewer: ViewerModel) -> tuple[object, ...]:
    camera = compat.camera(viewer)
    return camera.center, camera.zoom, camera.angles

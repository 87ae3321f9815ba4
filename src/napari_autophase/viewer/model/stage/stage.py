"""The stage of one viewer: the diffraction is seen or the results are, each with a view of its own, and the others are hidden.

Nothing leaves napari's list for that.  But napari counts hidden layers too: where two layers disagree about units there are none,
and the sliders reach over all there is.  So all layers bear the unit and the axes of what is seen, and sliders reach as far.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Literal

from napari.components import ViewerModel
from napari.layers import Layer, Surface
from psygnal import Signal

from ..canvas import compat
from ..canvas.canvas import VIEW_DIRECTION, orient, set_stage, show_caption
from ..canvas.piece_queue import while_there
from ..canvas.view import Framing, View, face_scan, set_visible
from ..crystal.result_data import AXES, LIVE, OVER_RESULT
from ..result.results import ResultLayers, results
from ..scan.scan_entry import OVER_SCAN, SCAN
from .colour_bars import ColourBars
from .marks import Names, Side, disown, marked, names_of, reaching, side_of, unit_seen

UNITS = {"nm": "nanometer", "voxel": "voxel", "pixel": "pixel"}
"""Our units as napari spells them."""
COUNTS = "log₁₀(1 + counts)"
"""What the colours of a diffraction mean."""


class Stage:
    """What is seen in a viewer; get it with ``Stage.of(viewer)``.

    What it is told to show comes in pieces (see `piece_queue`), of which none holds up the window for long.
    """

    side_changed = Signal(str)
    """From now on the diffraction is seen, or the results are."""

    seen_changed = Signal()
    """Another result is seen, or a scan."""

    _stages: ClassVar[weakref.WeakKeyDictionary[ViewerModel, Stage]] = weakref.WeakKeyDictionary()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self.side: Side | None = None
        """Which of the two is seen, or on its way; None as long as there is neither."""
        self._entered = False  # a side is left half-way where what it was entered for is deleted
        self._views: dict[Side, View] = {}
        self._last: weakref.ref[ResultLayers] | None = None
        self._beside: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._over: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._told: weakref.WeakKeyDictionary[Layer, tuple[Names, Names]] = weakref.WeakKeyDictionary()
        self._unit = "pixel"
        self._framing = Framing()
        self._shape: tuple[int, ...] | None = None  # of the scan that was seen last
        self.framed = False
        """Whether the camera was turned to the crystal that is seen when that was shown."""
        self._turning = False
        self.bars = ColourBars(viewer)
        for layer in viewer.layers:
            disown(layer)
            layer.events.visible.connect(self._on_visible)
            layer.events.name.connect(self._on_renamed)
        viewer.layers.events.inserted.connect(self._on_inserted, position="last")
        viewer.layers.events.removing.connect(self._on_removing)
        viewer.layers.events.removed.connect(self._on_removed, position="last")
        viewer.dims.events.range.connect(self._span, position="last")

    @classmethod
    def of(cls, viewer: ViewerModel) -> Stage:
        """Return the stage of `viewer`, made when first asked for."""
        if viewer not in cls._stages:
            cls._stages[viewer] = cls(viewer)
        return cls._stages[viewer]

    @property
    def _live(self) -> ViewerModel:
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("The viewer is gone.")
        return viewer

    def dimensions_of(self, side: Side) -> Literal[2, 3]:
        """Return in how many dimensions a side is seen, now or as soon as it is shown."""
        if self._is_on(side):
            return self._live.dims.ndisplay
        return self._views[side].ndisplay if side in self._views else 2 if side == "diffraction" else 3

    def _is_on(self, side: Side) -> bool:
        return self.side == side and self._entered

    @property
    def names(self) -> dict[str, Any]:
        """What a new layer of ours is made with: napari draws, and warns, before other listeners are called."""
        return {"units": (UNITS[self._unit],) * 3, "axis_labels": AXES[self._unit]}

    @property
    def last_result(self) -> ResultLayers | None:
        """The result that was seen last; if it is gone, the newest."""
        found = results(self._live)
        last = None if self._last is None else self._last()
        return last if last in found else found[-1] if found else None

    @property
    def seen(self) -> ResultLayers | Layer | None:
        """What of ours is seen now: a result, or the layer of a scan."""
        if self.side == "results":
            return next((result for result in results(self._live) if result.shown), None)
        return next((layer for layer in marked(self._live, SCAN) if layer.visible), None)

    # -- what is seen --------------------------------------------------------------------------------------------------

    def show_scan(self, layer: Layer, *, anew: bool = False) -> Iterator[None]:
        """Show a diffraction layer with the view that it had; the first time, or `anew`, with its brightest frame in slices.

        After a scan of another shape it is framed anew at its brightest frame.  It ends once the layer is deleted.
        """

        def there() -> bool:
            viewer = self._viewer()
            return viewer is not None and layer in viewer.layers

        return self._step_by_step(there, self._show_scan(layer, anew))

    def _show_scan(self, layer: Layer, anew: bool) -> Iterator[None]:
        viewer, entering = self._live, not self._is_on("diffraction")
        resized, self._shape = self._shape not in (None, layer.data.shape), layer.data.shape
        if anew or entering:
            ndisplay = 2 if anew else self.dimensions_of("diffraction")
            self._enter("diffraction")
            if anew:
                self._views.pop("diffraction", None)
            yield
            with compat.moved_once(viewer):
                viewer.dims.ndisplay = ndisplay
            yield
            with compat.moved_once(viewer):
                orient(viewer, laboratory=False)
            yield
            self._tell("pixel")
            yield
            if "diffraction" in self._views and not resized:
                yield from self._views["diffraction"].restore(viewer)
            else:
                yield from face_scan(viewer, layer)
            self._entered = True
            yield
        with self.changed_at_once():
            for other in marked(viewer, SCAN):
                set_visible(other, other is layer)
            for other in marked(viewer, OVER_SCAN) if entering else ():
                set_visible(other, other in self._over)
        if resized and not (anew or entering):
            yield from face_scan(viewer, layer)
        show_caption(viewer, (layer.name, COUNTS))
        self._select(layer, [layer])
        self.seen_changed.emit()

    def show_result(self, result: ResultLayers, *, followed: bool = False) -> Iterator[None]:
        """Show a result with the view that results had; the first time in 3-D, with the camera on the crystal.

        A crystal of another size is framed anew, unless it was `followed` while it was phased.
        It ends once the last of the result's layers is deleted.
        """
        return self._step_by_step(lambda: result.alive, self._show_result(result, followed))

    def _show_result(self, result: ResultLayers, followed: bool) -> Iterator[None]:
        viewer = self._live
        entering = not self._is_on("results")
        yield from self._to_results(result.unit, result.orient, result.frame)
        with self.changed_at_once():
            for layer in marked(viewer, LIVE):
                set_visible(layer, False)
            result.show()
            if not followed:
                ends = [result.extent(axis) for axis in range(3)]
                self.framed |= self._framing.follow(result.unit, ends, result.frame)
            for layer in viewer.layers:
                if entering and layer in self._beside:
                    set_visible(layer, True)
        self.seen_changed.emit()
        yield  # napari selects another layer after one was deleted
        self._select(result.seen_layer, result.layers)

    def _select(self, seen: Layer | None, own: list[Layer]) -> None:
        """Select what is seen where only others of ours are, which are hidden: else napari's controls are of those."""
        selected = self._live.layers.selection
        others = (layer not in own and side_of(layer) is not None and not layer.visible for layer in selected)
        if seen is not None and all(others):
            self._live.layers.selection = {seen}

    def show_live(self, layer: Layer, unit: str) -> Iterator[None]:
        """Show the layer of a run in progress with the view that results had; the first time in 3-D, framed.

        It ends once the layer is deleted.
        """

        def there() -> bool:
            viewer = self._viewer()
            return viewer is not None and layer in viewer.layers

        return self._step_by_step(there, self._show_live(layer, unit))

    def _show_live(self, layer: Layer, unit: str) -> Iterator[None]:
        viewer = self._live

        def turn_axes() -> None:
            orient(viewer, laboratory=unit == "nm")

        def frame() -> None:
            if viewer.dims.ndisplay == 3:
                up = 1.0 if unit == "nm" else -1.0
                z, y, x = VIEW_DIRECTION
                compat.look(viewer, (z, up * y, x), (0.0, up, 0.0))
            compat.fit_to_view(viewer, [layer])

        yield from self._to_results(unit, turn_axes, frame)
        with self.changed_at_once():
            self.framed |= self._framing.follow(unit, layer.extent.world.T, frame)
            for result in results(viewer):
                result.hide()
            turn_axes()
            set_visible(layer, True)
        viewer.layers.selection = {layer}
        self.seen_changed.emit()  # no result is: nor is what lies over one

    def _to_results(
        self, unit: str, turn_axes: Callable[[], object], frame: Callable[[], object]
    ) -> Iterator[None]:
        """Turn to the side of the results, with their unit; the first time, framed."""
        viewer = self._live
        entering = not self._is_on("results")
        self.framed = entering and "results" not in self._views
        if entering:
            ndisplay = self.dimensions_of("results")
            self._enter("results")
            yield
            with compat.moved_once(viewer):
                viewer.dims.ndisplay = ndisplay
            yield
            with compat.moved_once(viewer):
                turn_axes()
            yield
        self._tell(unit)
        if entering:
            yield
            if "results" not in self._views:  # what stands around it is seen from now on, with its axes
                yield from set_stage(viewer)
            if "results" in self._views:
                yield from self._views["results"].restore(viewer)
            else:
                with compat.moved_once(viewer):
                    frame()
            self._entered = True
            yield

    def _step_by_step(self, there: Callable[[], bool], work: Iterator[None]) -> Iterator[None]:
        """Do `work` piece by piece while what it is about is `there`; only what comes of it is drawn."""
        with compat.drawn_at_the_end(self._live):
            yield from while_there(there, work)

    def _enter(self, side: Side) -> None:
        """Leave the other side as it is now, to come back to, and hide everything that is ours."""
        viewer, before = self._live, self.side
        if before is not None and before != side and self._entered:
            self._views[before] = View.of(viewer)
        if before == "diffraction" and before != side:
            self._over = weakref.WeakSet(layer for layer in marked(viewer, OVER_SCAN) if layer.visible)
            for layer in marked(viewer, OVER_SCAN):
                set_visible(layer, False)
        if before == "results" and before != side:
            seen = [layer for result in results(viewer) for layer in result.layers if layer.visible]
            shown = [result for result in results(viewer) if result.shown]
            usual = [result.seen_layer for result in shown]
            self._beside = weakref.WeakSet(layer for layer in seen if layer not in usual)
            self._last = weakref.ref(shown[-1]) if shown else None
        self.side, self._entered, self._turning = side, False, True
        for layer in (*marked(viewer, SCAN), *marked(viewer, LIVE)):
            set_visible(layer, False)
        for result in results(viewer):
            result.hide()
        compat.text(viewer).visible = False
        self._turning = False
        self._span()
        self.side_changed.emit(side)

    @contextmanager
    def changed_at_once(self) -> Iterator[None]:
        """Change what is visible, and settle when all is done."""
        inner, self._turning = self._turning, True
        try:
            with compat.arranged_once(self._live):
                yield
        finally:
            self._turning = inner
            self.settle()

    # -- units, axes, sliders ------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let units, axes and sliders be those of what is visible: pixels, or lengths."""
        viewer = self._viewer()
        if viewer is None or self._turning:
            return
        ours = [layer for layer in viewer.layers if side_of(layer) is not None]
        # a file's layers come one by one, the hidden ones first: they are what is about to be seen
        visible = [layer for layer in ours if layer.visible] or ours
        sides = {side_of(layer) for layer in visible}
        units = {unit_seen(layer) for layer in visible if side_of(layer) == "results"}
        crystals = "results" in sides and "diffraction" not in sides
        self._tell("pixel" if not crystals else "nm" if "nm" in units else "voxel")
        self._span()

    def _tell(self, unit: str) -> None:
        """Let every layer bear this unit, but for other people's layers that bear one already; ours bear its axes too."""
        viewer, self._unit = self._live, unit
        wanted = {layer: self._wanted(layer, unit) for layer in viewer.layers}
        changed = [layer for layer in viewer.layers if wanted[layer] != names_of(layer)]
        with ExitStack() as quiet:
            for layer in changed[:-1]:  # napari works out everything anew for each event
                quiet.enter_context(layer.events.units.blocker())
                quiet.enter_context(layer.events.axis_labels.blocker())
                layer.units, layer.axis_labels = wanted[layer]
        for layer in changed[-1:]:
            layer.units, layer.axis_labels = wanted[layer]
        compat.name_axes(viewer, AXES[unit])

    def _wanted(self, layer: Layer, unit: str) -> Names:
        """Return the units and axes that a layer should bear."""
        if side_of(layer) is not None:
            return (UNITS[unit],) * layer.ndim, AXES[unit]
        own, told = self._told.get(layer, (None, None))
        if own is None or names_of(layer) != told:  # nobody has told it, or somebody else has
            own = names_of(layer)
        spatial = range(max(layer.ndim - 3, 0), layer.ndim)
        units = [UNITS[unit] if k in spatial and name == "pixel" else name for k, name in enumerate(own[0])]
        self._told[layer] = own, (tuple(units), own[1])
        return tuple(units), own[1]

    def _span(self) -> None:
        """Let the sliders reach over the side that is seen, and over whatever else is visible or not ours."""
        viewer = self._viewer()
        if viewer is None or self.side is None:
            return
        counted = reaching(viewer, self.side)
        if not counted:
            return
        extent = viewer.layers.get_extent(counted)
        # a surface has no voxels: it would make the slider's steps a nanometre
        voxels = [layer for layer in counted if not isinstance(layer, Surface)]
        step = viewer.layers.get_extent(voxels or counted).step
        if len(step) == viewer.dims.ndim:
            viewer.dims.range = tuple(zip(*extent.world, step, strict=True))

    # -- layers come and go --------------------------------------------------------------------------------------------

    def _on_inserted(self, event: Any) -> None:
        disown(event.value)
        event.value.events.visible.connect(self._on_visible)
        event.value.events.name.connect(self._on_renamed)
        self._on_visible()

    def _on_visible(self) -> None:
        self.settle()
        self.bars.follow()

    def _on_renamed(self, event: Any) -> None:
        name = str(event.source.name)
        if self._is_on("diffraction") and self.seen is event.source:
            show_caption(self._live, (name, COUNTS))

    def _on_removing(self) -> None:
        if (viewer := self._viewer()) is not None:
            compat.free_where_it_is_drawn(viewer)

    def _on_removed(self) -> None:
        if (viewer := self._viewer()) is None:
            return
        left = {
            side_of(layer)
            for layer in viewer.layers
            if OVER_RESULT not in layer.metadata and (layer.visible or LIVE not in layer.metadata)
        }
        self._views = {side: view for side, view in self._views.items() if side in left}
        if self.side is not None and self.side not in left:
            self.side = None
            compat.text(viewer).visible = False
        self.settle()

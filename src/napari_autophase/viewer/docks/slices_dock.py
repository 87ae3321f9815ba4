"""Three linked slices beside the isosurface, what stands where they meet, and how sharp the crystal ends along a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer, Surface
from qtpy.QtCore import QSize
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QBoxLayout, QVBoxLayout, QWidget

from ..model.crystal.quantity import label
from ..model.crystal.result_data import RESULT
from ..model.result.results import ResultLayers
from ..model.result.sections import Sections
from ..sessions import session_of
from ..widgets.layout import row
from ..widgets.listening import listen
from ..widgets.narrow import Combo
from ..widgets.notes import Note
from ..widgets.page import GoesWithItsDock
from ..widgets.slice_view import ProfileView, SliceView

if TYPE_CHECKING:
    from napari.components import ViewerModel

_ACROSS, _DOWN = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
_LEAST_PX = (150, 440)
"""The least height that is asked for, in pixels: of slices side by side, and below each other."""
_TITLE_PX = 24
"""Height of a dock's title."""


class SlicesDock(QWidget):
    """Slices across the three axes of the result that is shown; a click in one, or on the isosurface, moves all.

    Parameters
    ----------
    napari_viewer
        The viewer.
    is_high
        Whether the slices stand below each other, however wide it is.
    """

    def __init__(self, napari_viewer: ViewerModel, *, is_high: bool = False) -> None:
        super().__init__()
        GoesWithItsDock(self)
        self._session, self._is_high = session_of(napari_viewer), is_high
        self.sections: Sections | None = None
        self._heard: list[tuple[ResultLayers, list[Layer]]] = []
        self.views = tuple(SliceView() for _ in range(3))
        self.profile = ProfileView()
        self.along = Combo(11)
        self.along.setToolTip("The axis along which the line runs through the point.")
        self.edges, self.here, self.empty = Note(), Note(), Note()
        self.here.setToolTip(
            "What stands where the slices meet; press in a slice, or on the isosurface, to go there."
        )
        self.edges.setToolTip(
            "From a tenth to nine tenths of the amplitude inside: how sharp the crystal ends, and so how fine the picture is."
        )
        self.empty.say("There is no result yet. Its slices will stand here.")
        self._slices = QWidget()
        lines = QVBoxLayout()
        lines.setSpacing(2)
        lines.addWidget(self.along)
        lines.addWidget(self.profile, 1)
        self._pictures = pictures = QBoxLayout(_DOWN if is_high else _ACROSS)
        for view in self.views:
            pictures.addWidget(view, 2)
        pictures.addLayout(lines, 3)
        column = QVBoxLayout(self._slices)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(pictures, 1)
        words = row(self.here, self.edges)
        words.setStretch(1, 1)
        column.addLayout(words)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(6, 4, 6, 4)
        whole.addWidget(self.empty)
        whole.addWidget(self._slices, 1)

        for axis, view in enumerate(self.views):
            view.moved.connect(partial(self._on_moved, axis))
            view.stepped.connect(partial(self._on_stepped, axis))
            view.home.connect(self._on_home)
        self.along.activated.connect(lambda _: self._draw())
        session = self._session
        listen(
            self,
            (session.results_changed, self._listen),
            (session.result_updated, self._follow),
            close=lambda: _forget(self._heard, self._follow, self._pick),
        )
        self._listen()

    def minimumSizeHint(self) -> QSize:
        """Return a height that a low screen has; below it, slices become smaller."""
        least = super().minimumSizeHint()
        return least.boundedTo(QSize(least.width(), _LEAST_PX[self._is_high]))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Put the slices side by side, or below each other where the dock is high and narrow."""
        is_high = self._is_high or self.width() <= self.height()
        self._pictures.setDirection(_DOWN if is_high else _ACROSS)
        super().resizeEvent(event)

    # -- which result --------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Hear of all results that there are, and of clicks on their surfaces."""
        _forget(self._heard, self._follow, self._pick)
        for result in self._session.results:
            result.changed.connect(self._follow)
            surfaces = [layer for layer in result.layers if isinstance(layer, Surface)]
            for layer in surfaces:
                layer.mouse_drag_callbacks.append(self._pick)
            self._heard.append((result, surfaces))
        self._follow()

    def _follow(self, *_: object) -> None:
        """Show the result that is shown, by its present threshold and colours."""
        results = self._session.results
        shown = next((result for result in reversed(results) if result.shown), None)
        if shown is None and self.sections is not None and self.sections.result in results:
            shown = self.sections.result
        shown = shown or (results[-1] if results else None)
        self.empty.setVisible(shown is None)
        self._slices.setVisible(shown is not None)
        if shown is None:
            self.sections = None
            return
        before = self.sections
        if before is None or before.result is not shown or before.shape_seen != _size(shown):
            self.sections = Sections(shown)
        names = list(shown.axis_names)
        if [
            self.along.itemText(index).removeprefix("along ") for index in range(self.along.count())
        ] != names:
            self.along.clear()
            self.along.addItems([f"along {name}" for name in names])
            self.along.setCurrentIndex(2)
        self._draw()

    # -- where ---------------------------------------------------------------------------------------------------------

    def _on_moved(self, axis: int, right: float, down: float) -> None:
        if (sections := self.sections) is not None:
            sections.point_at(axis, right, down)
            self._draw()

    def _on_stepped(self, axis: int, by: int) -> None:
        if (sections := self.sections) is not None:
            sections.step(axis, by)
            self._draw()

    def _on_home(self) -> None:
        if (sections := self.sections) is not None:
            sections.point = sections.middle
            self._draw()

    def _pick(self, layer: Surface, event: Any) -> Iterator[None]:
        """Go where the isosurface was clicked, not dragged."""
        where = np.array(event.position)
        yield
        while event.type == "mouse_move":
            if not np.allclose(event.position, where):
                return
            yield
        hit = layer.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=event.dims_displayed,
            world=True,
        )
        result = layer.metadata.get(RESULT)
        if hit is None or hit[1] is None or not isinstance(result, ResultLayers):
            return
        if self.sections is None or self.sections.result is not result:
            return
        corners = layer.vertices[layer.faces[hit[1]]] * layer.scale[-3:] + layer.translate[-3:]
        self.sections.go_to(_met(corners, np.array(event.position)[-3:], np.array(event.view_direction)[-3:]))
        self._draw()

    # -- what ----------------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        sections = self.sections
        if sections is None or not sections.result.alive:
            return
        result, names = sections.result, sections.result.axis_names
        unit = "nm" if result.unit == "nm" else "voxels"
        for axis, view in enumerate(self.views):
            found = sections.slice(axis)
            title = f"{names[axis]} = {sections.place[axis]:.0f} {unit}"
            view.show_picture(
                found.rgba,
                sections.aspect(axis),
                sections.cross(axis),
                title,
                (names[found.right], names[found.up]),
            )
        axis = max(self.along.currentIndex(), 0)
        line, another = sections.line(axis), result.colour_by != "amplitude"
        self.profile.show_line(
            line.places,
            line.amplitude,
            line.values if another else np.full_like(line.values, np.nan),
            result.colouring[1],
            result.threshold,
            sections.place[axis],
            [line.places[0] + edge.place for edge in line.edges if edge is not None],
            (f"{names[axis]} ({unit})", label(result.colour_by, result.quantities) if another else ""),
        )
        self.edges.say(sections.edge_words(axis))
        self.here.say(sections.words())


def open_slices(viewer: ViewerModel) -> None:
    """Open the panel in a viewer's window, unless it is open: below the canvas, or beside it where that needs a higher window."""
    window = getattr(viewer, "window", None)
    if window is None or window._qt_window.findChildren(SlicesDock):
        return
    outside, panel = window._qt_window, SlicesDock(viewer)
    least = outside.minimumSizeHint().height() + panel.minimumSizeHint().height() + _TITLE_PX
    if least <= outside.height():
        window.add_dock_widget(panel, name="Slices", area="bottom")
    else:  # large letters, or a low screen
        panel.deleteLater()
        panel = SlicesDock(viewer, is_high=True)
        window.add_dock_widget(panel, name="Slices", area="right", tabify=True).raise_()


def _met(corners: np.ndarray, place: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return where a line meets a triangle, whose middle may be voxels away: faces of a cut are large."""
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    towards = float(normal @ direction)
    if abs(towards) <= 1e-9 * float(np.linalg.norm(normal)):  # seen from its edge
        return np.asarray(corners.mean(axis=0))
    return place + direction * (normal @ (corners[0] - place)) / towards


def _size(result: ResultLayers) -> tuple[object, ...]:
    return (*result.quantities.amplitude.shape, *result.quantities.voxel_size)


def _forget(
    heard: list[tuple[ResultLayers, list[Layer]]],
    follow: Callable[..., object],
    pick: Callable[..., object],
) -> None:
    for result, surfaces in heard:
        with suppress(ValueError):
            result.changed.disconnect(follow)
        for layer in surfaces:
            if pick in layer.mouse_drag_callbacks:
                layer.mouse_drag_callbacks.remove(pick)
    heard.clear()

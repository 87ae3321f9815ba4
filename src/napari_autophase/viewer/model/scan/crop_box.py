"""A box on the diffraction that a person moves with the mouse: which part of the scan is to be read."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer, Shapes
from psygnal import Signal

NAME = "crop"
Ends = tuple[int, int]


class CropBox:
    """A rectangle over rows and columns, as a Shapes layer of the viewer; only one at a time.

    Parameters
    ----------
    viewer
        Held weakly.
    """

    changed = Signal()
    """It was moved, or it is gone."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._layer: Shapes | None = None
        self._over: Layer | None = None
        self._shape = (0, 0)

    @property
    def drawn(self) -> bool:
        """Whether it is there."""
        viewer = self._viewer()
        return viewer is not None and self._layer is not None and self._layer in viewer.layers

    def draw(self, over: Layer, rows: Ends, columns: Ends) -> None:
        """Draw it over a diffraction layer, from starts to ends, ready to be moved."""
        viewer = self._viewer()
        if viewer is None:
            return
        self.erase()
        self._over, self._shape = over, over.data.shape[1:]
        self._layer = Shapes(
            _corners(rows, columns),
            shape_type="rectangle",
            name=NAME,
            edge_color="#00d0ff",
            face_color="#00d0ff14",
            edge_width=max(self._shape) / 200,
        )
        self._layer.events.data.connect(self._on_data)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.add_layer(self._layer)
        self._layer.mode = "select"
        self._layer.selected_data = {0}

    def erase(self) -> None:
        """Take it away; the diffraction is selected again."""
        viewer, layer = self._viewer(), self._layer
        drawn, self._layer = self.drawn, None
        if viewer is None or layer is None or not drawn:
            return
        layer.events.data.disconnect(self._on_data)
        viewer.layers.remove(layer)
        if self._over in viewer.layers:
            viewer.layers.selection = {self._over}

    def move(self, rows: Ends, columns: Ends) -> None:
        """Put it elsewhere."""
        if self.drawn and self._layer is not None:
            self._layer.data = [_corners(rows, columns)]

    @property
    def ends(self) -> tuple[Ends, Ends] | None:
        """Starts and ends of the rows and columns inside, in whole pixels of the diffraction; None: there is none."""
        if not self.drawn or self._layer is None or not len(self._layer.data):
            return None
        corners = np.asarray(self._layer.data[-1])[:, -2:]
        # a pixel reaches half a step to both sides of its index
        low, high = np.rint(corners.min(0) + 0.5), np.rint(corners.max(0) + 0.5)
        rows, columns = (
            (int(np.clip(first, 0, n)), int(np.clip(end, 0, n)))
            for first, end, n in zip(low, high, self._shape, strict=True)
        )
        return rows, columns

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            self._layer = None
            self.changed.emit()

    def _on_data(self) -> None:
        self.changed.emit()


def _corners(rows: Ends, columns: Ends) -> np.ndarray:
    (top, bottom), (left, right) = rows, columns
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]]) - 0.5

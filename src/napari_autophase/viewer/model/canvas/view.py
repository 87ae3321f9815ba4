"""Where one looks in a viewer, to come back to."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from napari.components import ViewerModel
from napari.layers import Layer

from . import compat

_OTHER_SIZE = 1.5
"""A crystal that is so many times larger or smaller is framed anew."""


@dataclass(frozen=True)
class View:
    """Where one looks: dimensions, slices, camera, selected layers."""

    ndisplay: Literal[2, 3]
    order: tuple[int, ...]
    point: tuple[float, ...]
    center: tuple[float, ...]
    zoom: float
    angles: tuple[float, float, float]
    selected: weakref.WeakSet[Layer]

    @classmethod
    def of(cls, viewer: ViewerModel) -> View:
        """Return the present view."""
        dims, camera = viewer.dims, compat.camera(viewer)
        selected = weakref.WeakSet(viewer.layers.selection)
        return cls(dims.ndisplay, dims.order, dims.point, camera.center, camera.zoom, camera.angles, selected)

    def restore(self, viewer: ViewerModel) -> Iterator[None]:
        """Look there again, piece by piece; layers that are gone are left out, and slices where there are other axes now."""
        dims, camera = viewer.dims, compat.camera(viewer)
        dims.ndisplay = self.ndisplay
        if len(self.point) == dims.ndim:
            dims.order = self.order
            dims.point = self.point
        yield
        with compat.moved_once(viewer):
            camera.center, camera.zoom, camera.angles = self.center, self.zoom, self.angles
        viewer.layers.selection = {layer for layer in viewer.layers if layer in self.selected}


class Framing:
    """Frames a crystal of which the camera, turned to another one, would show too little or too much."""

    def __init__(self) -> None:
        self._last: tuple[str, float] | None = None

    def follow(self, unit: str, ends: Iterable[Sequence[float]], frame: Callable[[], object]) -> bool:
        """Call `frame` if need be, for a crystal with these ends along its axes, and tell; the first one is framed already."""
        size, last = max(float(high - low) for low, high in ends), self._last
        if last is not None and last[0] == unit and 1 / _OTHER_SIZE < size / last[1] < _OTHER_SIZE:
            return False
        self._last = unit, max(size, 1e-9)
        if last is not None:
            frame()
        return last is not None


def face_scan(viewer: ViewerModel, layer: Layer) -> Iterator[None]:
    """Turn to a scan that is seen for the first time, at its brightest frame, in pieces."""
    with compat.moved_once(viewer):
        compat.fit_to_view(viewer, [layer])
    yield
    viewer.dims.set_point(viewer.dims.ndim - 3, int(layer.data.max(axis=(1, 2)).argmax()))
    viewer.layers.selection = {layer}


def change_dimensions(viewer: ViewerModel, frame: Callable[[], object]) -> Iterator[None]:
    """Go over to slices, or to space, then turn the camera by `frame`, piece by piece; only what comes of it is drawn."""
    with compat.drawn_at_the_end(viewer):
        with compat.moved_once(viewer):
            viewer.dims.ndisplay = 5 - viewer.dims.ndisplay
        yield
        with compat.moved_once(viewer):
            frame()
        yield


def set_visible(layer: Layer, visible: bool) -> None:
    """Show or hide a layer; napari arranges the whole scene anew whatever is set."""
    if layer.visible != visible:
        layer.visible = visible

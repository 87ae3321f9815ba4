"""Colour bars of our layers: each is made when its layer is first seen, in a turn of its own."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from napari.components import ViewerModel
from napari.layers import Image, Layer, Surface

from ..canvas import compat
from ..crystal.result_data import LIVE, ROLE
from ..scan.scan_entry import SCAN


class ColourBars:
    """Gives a colour bar to what is seen of ours for the first time; napari hides it with its layer.

    To make one takes napari a twentieth of a second.  A bar that a person has closed stays closed.

    Parameters
    ----------
    viewer
        Held weakly.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._made: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._waiting = False
        self.soon: Callable[[Callable[[], None]], bool] = lambda _: False
        """Has a function called in a later turn of the event loop, or returns False where none runs."""

    def follow(self) -> None:
        """Give what is seen its bar, soon."""
        if not self._waiting and self._missing:
            self._waiting = self.soon(self._make)
            if not self._waiting:
                self._make()

    @property
    def _missing(self) -> list[Layer]:
        viewer = self._viewer()
        if viewer is None or not compat.is_open(viewer):
            return []
        return [each for each in viewer.layers if each.visible and _has_bar(each) and each not in self._made]

    def rest(self) -> None:
        """Take their bars from layers that are hidden, until they are seen again.

        napari makes the bars of all layers anew, hidden ones too, when it goes over to several views, and back.
        """
        viewer = self._viewer()
        for layer in viewer.layers if viewer is not None else ():
            if layer in self._made and not layer.visible and layer.colorbar.visible:
                layer.colorbar.visible = False
                self._made.discard(layer)

    def _make(self) -> None:
        """Make one, and the next in a turn of its own."""
        self._waiting = False
        for layer in self._missing:
            self._made.add(layer)
            layer.colorbar.visible = True
            if self._missing:
                self._waiting = self.soon(self._make)
                if self._waiting:
                    return


def _has_bar(layer: Layer) -> bool:
    """Whether it is ours, and coloured by numbers."""
    return isinstance(layer, Image | Surface) and any(key in layer.metadata for key in (SCAN, LIVE, ROLE))

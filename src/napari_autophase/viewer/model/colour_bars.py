"""Colour bars of our layers: each is there while its layer is seen, and is made, and goes, in a turn of its own."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from napari.components import ViewerModel
from napari.layers import Image, Layer, Surface

from . import compat
from .result_data import LIVE, ROLE
from .scan_entry import SCAN


class ColourBars:
    """Shows the colour bars of what is seen of ours.

    To make one takes napari a twentieth of a second, and whatever is shown or hidden it arranges all that there are, those of
    hidden layers too.  A bar that a person has closed stays closed.

    Parameters
    ----------
    viewer
        Held weakly.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._seen: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._wanted: weakref.WeakKeyDictionary[Layer, bool] = weakref.WeakKeyDictionary()
        self._waiting = False
        self.soon: Callable[[Callable[[], None]], bool] = lambda _: False
        """Has a function called in a later turn of the event loop, or returns False where none runs."""

    def follow(self) -> None:
        """Let the bars be those of what is seen, soon."""
        if not self._waiting:
            self._waiting = self.soon(self._arrange)
            if not self._waiting:
                self._arrange()

    def _arrange(self) -> None:
        self._waiting, viewer = False, self._viewer()
        if viewer is None or not compat.is_open(viewer):
            return
        for layer in list(viewer.layers):
            if not _has_bar(layer) or layer.visible == (layer in self._seen):
                continue
            if layer.visible:
                self._seen.add(layer)
                layer.colorbar.visible = self._wanted.get(layer, True)
            else:
                self._seen.discard(layer)
                self._wanted[layer] = layer.colorbar.visible
                layer.colorbar.visible = False


def _has_bar(layer: Layer) -> bool:
    """Whether it is ours, and coloured by numbers."""
    return isinstance(layer, Image | Surface) and any(key in layer.metadata for key in (SCAN, LIVE, ROLE))

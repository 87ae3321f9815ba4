"""Layers of ours that leave the list of layers when what they belong to is not wanted any more, or is gone."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable

from napari.components import ViewerModel
from napari.layers import Layer

from . import compat
from .view import set_visible


class Leaving:
    """Hides layers at once, and takes them away in a later turn of the event loop.

    A list that is being changed must not be changed by those who hear of it: napari deletes several layers by the places that
    they had at first.  Where no event loop runs they go at once; while others are being deleted they wait for the next time.

    Parameters
    ----------
    viewer
        Held weakly.
    soon
        Has a function called in a later turn of the event loop, or returns False where none runs.
    """

    def __init__(self, viewer: ViewerModel, soon: Callable[[Callable[[], None]], bool]) -> None:
        self._viewer, self.soon = weakref.ref(viewer), soon
        self._going: list[Layer] = []
        self._deleting = False
        viewer.layers.events.removing.connect(self._on_removing)
        viewer.layers.events.removed.connect(self._on_removed, position="last")

    def let_go(self, layers: Iterable[Layer]) -> None:
        """Hide these, and take them away soon."""
        viewer = self._viewer()
        gone = [layer for layer in layers if viewer is not None and layer in viewer.layers]
        if viewer is not None:
            with compat.arranged_once(viewer):
                for layer in gone:
                    set_visible(layer, False)  # else napari draws, and frees, what is about to go
        self._going += gone
        if self._going and not self.soon(self._sweep) and not self._deleting:
            self._sweep()

    def _sweep(self) -> None:
        """Take one away, and the next in a turn of its own: napari needs a twentieth of a second for each."""
        viewer = self._viewer()
        while viewer is not None and self._going:
            layer = self._going.pop(0)
            if layer in viewer.layers:
                viewer.layers.remove(layer)
                if self._going and self.soon(self._sweep):
                    return

    def _on_removing(self) -> None:
        self._deleting = True

    def _on_removed(self) -> None:
        self._deleting = False

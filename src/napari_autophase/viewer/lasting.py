"""What lasts as long as the window is not looked through for garbage each time a layer leaves.

napari collects all garbage when a layer is removed, so that what it had on the graphics card is freed then and there.  With
torch, SciPy, numba and napari imported that looks through half a million objects: 0.3 s a layer on a slow machine, in which the
window does not answer.  Those that are there once the engine is warm are set aside (`gc.freeze`).
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.events import Event

from .model.canvas import compat
from .warmup import engine

_there: weakref.WeakSet[Layer] = weakref.WeakSet()
"""Layers that were there when objects were last set aside."""


class Lasting:
    """Sets aside what lasts, and counts it in again before a layer that was there then leaves, and when the window closes.

    So what belonged to a layer is freed when it leaves, as ever; the layers that came since are those that leave fast.

    Parameters
    ----------
    viewer
        Held weakly.
    soon
        Has a function called in a later turn of the event loop, or returns False where none runs.
    """

    def __init__(self, viewer: ViewerModel, soon: Callable[[Callable[[], None]], bool]) -> None:
        self._viewer, self._soon = weakref.ref(viewer), soon
        self._aside = self._again = False
        viewer.layers.events.removing.connect(self._on_removing, position="first")
        compat.when_closed(viewer, self._count_in)
        engine.warm.connect(self.set_aside)
        if engine.loaded and compat.has_window(viewer):  # it is not the first window
            soon(self.set_aside)

    def set_aside(self) -> None:
        """Leave alone all that is there now."""
        viewer, self._again = self._viewer(), False
        if viewer is not None and compat.is_open(viewer):
            gc.freeze()
            self._aside = True
            _there.update(viewer.layers)

    def _on_removing(self, event: Event) -> None:
        viewer = self._viewer()
        if viewer is None or viewer.layers[event.index] not in _there:
            return
        self._count_in()
        if not self._again:
            self._again = self._soon(self.set_aside)

    def _count_in(self) -> None:
        if self._aside:
            gc.unfreeze()
            self._aside = False

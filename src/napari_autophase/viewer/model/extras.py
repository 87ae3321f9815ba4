"""What is seen over a result or beside it, by which two things would be in each other's way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.components import ViewerModel

from .landmark_layers import LandmarkLayers
from .shown import Shown
from .side_by_side import SideBySide

if TYPE_CHECKING:
    from .background import Tasks


class Extras:
    """Landmarks over the result that is seen, and another result beside it; landmarks rest while two are compared.

    Parameters
    ----------
    viewer
        Held weakly.
    make_tasks
        Makes what works behind the window.
    """

    def __init__(self, viewer: ViewerModel, make_tasks: Callable[[], Tasks]) -> None:
        self.shown = Shown.of(viewer)
        """The result that is seen."""
        self.landmarks = LandmarkLayers(viewer, make_tasks)
        """Its facets, dislocations and directions."""
        self.side_by_side = SideBySide(viewer, make_tasks)
        """The result that it is compared with."""
        self.side_by_side.changed.connect(self._make_way)

    def _make_way(self) -> None:
        self.landmarks.hide(self.side_by_side.other is not None)

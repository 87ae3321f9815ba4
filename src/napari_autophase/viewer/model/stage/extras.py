"""What is seen over a scan, and over a result or beside it, by which two things would be in each other's way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.components import ViewerModel

from ..canvas.leaving import Leaving
from ..scan.phased_view import PhasedView
from .landmark_layers import LandmarkLayers
from .shown import Shown
from .side_by_side import SideBySide

if TYPE_CHECKING:
    from ..run.background import Background


class Extras:
    """What is phased of a scan; landmarks over the result that is seen, and another result beside it.

    Landmarks rest while two are compared.

    Parameters
    ----------
    viewer
        Held weakly.
    background
        What works behind the window, and later.
    """

    def __init__(self, viewer: ViewerModel, background: Background) -> None:
        self.leaving = leaving = Leaving(viewer, background.soon)
        """Takes layers of ours away."""
        self.shown = Shown.of(viewer)
        """The result that is seen."""
        self.landmarks = LandmarkLayers(viewer, background.tasks, leaving)
        """Its facets, dislocations and directions."""
        self.side_by_side = SideBySide(viewer, background.tasks, leaving)
        """The result that it is compared with."""
        self.phased = PhasedView(viewer, background.tasks, leaving)
        """What phasing takes of the current scan."""
        self.side_by_side.changed.connect(self._make_way)

    def _make_way(self) -> None:
        self.landmarks.hide(self.side_by_side.other is not None)

"""The scan in small: three slices through its brightest voxel, masked as it will be, and its rocking curve."""

from __future__ import annotations

from functools import partial

from qtpy.QtWidgets import QVBoxLayout

from ...recipe import Preparation
from ...scan import Scan
from ..model.run.choices import preparation_of
from ..model.scan.scan_seen import ScanSeen, scan_seen
from ..model.session import Session
from ..model.words import gists
from ..threads import Tasks
from ..widgets.layout import row
from ..widgets.listening import listen
from ..widgets.rocking_curve import RockingCurve
from ..widgets.section import Section
from ..widgets.slice_view import SliceView

_HEIGHT = 120
"""Of a slice in pixels: about as high as a third of a dock is wide."""
_NAMES = (("frame", "column", "row"), ("row", "column", "frame"), ("column", "row", "frame"))
"""Of each slice: across what it is, what runs to the right, and what runs down."""
_AXES = ((0, 2, 1), (1, 2, 0), (2, 1, 0))
"""The same as axes of the scan."""


class ScanPictures(Section):
    """Shows the current scan; hidden while none is.

    Parameters
    ----------
    session
        Of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__("The scan", is_open=True, page="tutorial/window.md#Open the sample")
        self._session, self._tasks = session, Tasks()
        self._preparation = preparation_of(session.choices_made) or Preparation()
        self._seen: ScanSeen | None = None
        self._at = [0, 0, 0]
        self.slices = [SliceView() for _ in _AXES]
        self.curve = RockingCurve()
        tip = "On a logarithmic scale, through the brightest voxel; what will be masked is coloured.  Press to go there."
        for axis, view in enumerate(self.slices):
            view.setMinimumWidth(96)
            view.setFixedHeight(_HEIGHT)
            view.setToolTip(tip)
            view.moved.connect(partial(self._on_moved, axis))
            view.stepped.connect(partial(self._on_stepped, axis))
            view.home.connect(self._on_home)
        self.curve.setToolTip("Counts of each frame that are not masked.  Press to go to a frame.")
        self.curve.chosen.connect(self._on_frame)
        column = QVBoxLayout(self.body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        pictures = row(*self.slices)
        for index in range(len(self.slices)):
            pictures.setStretch(index, 1)
        column.addLayout(pictures)
        column.addWidget(self.curve)
        listen(
            self,
            (session.scan_changed, self.follow),
            (session.scan_updated, self.follow),
            (session.choices_said, self._on_choices),
            close=self._tasks.close,
        )
        self.follow()

    def follow(self) -> None:
        """Show the scan that is current now, as soon as that is worked out."""
        scan = self._session.current
        self.setVisible(isinstance(scan, Scan))
        if isinstance(scan, Scan):
            self._tasks.start(
                "seen", scan_seen, scan, self._preparation, done=self._arrive, failed=self._refuse
            )
        else:
            self._tasks.forget("seen")

    def _on_choices(self) -> None:
        preparation = preparation_of(self._session.choices_made)
        if preparation is not None and preparation != self._preparation:
            self._preparation = preparation
            self.follow()

    def _refuse(self, _: Exception) -> None:
        self.hide()  # the panel says why

    def _arrive(self, found: ScanSeen) -> None:
        self._seen, self._at = found, list(found.at)
        self.sum_up(gists.pictured(found.shape, found.at))
        self._draw()

    def _draw(self) -> None:
        seen = self._seen
        if seen is None:
            return
        for view, picture, (name, right, down), (across, x, y) in zip(
            self.slices, seen.slices, _NAMES, _AXES, strict=True
        ):
            cross = ((self._at[x] + 0.5) / seen.shape[x], (self._at[y] + 0.5) / seen.shape[y])
            aspect = min(max(seen.shape[x] / seen.shape[y], 0.5), 2.0)
            view.show_picture(picture, aspect, cross, f"{name} {seen.at[across]}", (right, down))
        self.curve.show_curve(seen.curve, self._at[0])

    # -- go there ------------------------------------------------------------------------------------------------------

    def _on_moved(self, axis: int, right: float, down: float) -> None:
        if (seen := self._seen) is not None:
            across, x, y = _AXES[axis]
            self._at[across] = seen.at[across]
            for each, part in ((x, right), (y, down)):
                self._at[each] = min(int(part * seen.shape[each]), seen.shape[each] - 1)
            self._go()

    def _on_stepped(self, axis: int, by: int) -> None:
        if (seen := self._seen) is not None:
            across = _AXES[axis][0]
            self._at[across] = min(max(self._at[across] + by, 0), seen.shape[across] - 1)
            self._go()

    def _on_home(self) -> None:
        if (seen := self._seen) is not None:
            self._at = list(seen.at)
            self._go()

    def _on_frame(self, frame: int) -> None:
        self._at[0] = frame
        self._go()

    def _go(self) -> None:
        """Show that voxel on the canvas."""
        self._draw()
        at = tuple(self._at)
        if self._session.diffraction_shown:
            self._point(at)
        else:
            self._session.show_diffraction(partial(self._point, at))

    def _point(self, at: tuple[int, ...]) -> None:
        dims, layer = self._session.viewer.dims, self._session.scan_layer
        if layer is not None:
            dims.set_point(range(dims.ndim - 3, dims.ndim), layer.data_to_world(at))

"""What of a scan is masked: a Labels layer that a person paints, and a view of all that phasing will leave out, and why."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QPushButton

from ...recipe import Preparation
from ...scan import InputError, Scan
from ..model.run.choices import preparation_of
from ..model.scan.judgements import judgement
from ..model.scan.masks import COLOURS, MaskedView
from ..model.session import Session
from ..threads import Tasks
from ..widgets.layout import Rows, row
from ..widgets.listening import listen
from ..widgets.narrow import Combo, Tick
from ..widgets.notes import Note
from ..widgets.words import in_window

_REST_MS = 600
"""What is painted is used when nothing more was painted for so long; a run uses it at once."""


def why_masked(scan: Scan, preparation: Preparation) -> np.ndarray:
    """Return why voxels will be masked, in an array of its own."""
    return judgement(scan, preparation).why.copy()


class MaskRow(Rows):
    """Which Labels layer masks the current scan, a button that begins one, and a box that shows what is masked.

    Parameters
    ----------
    session
        Of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session, self._masks = session, session.masks
        self._tasks = Tasks(lambda _: None)
        self._view = MaskedView(session.viewer, self._tasks, session.extras.leaving)
        self._offered: list[Labels] = []
        self._preparation = preparation_of(session.choices_made) or Preparation()
        self.setToolTip(
            "Any 3-D Labels layer can mask the scan: what has a label is left out, beside what the mask's file says.\n"
            "The result keeps the mask, so that it can be repeated."
        )
        self.layer = Combo()
        self.paint = QPushButton("Paint…")
        self.paint.setToolTip(
            "Paint with napari's brush, polygon or fill: on one frame, or through all of them with n edit dim 3."
        )
        self.view = Tick("Show what is masked")
        self.view.setToolTip(
            "Colour every voxel that phasing will leave out: by the masks, as hot, dead or saturated."
        )
        self.legend = Note()
        self.column.addLayout(row(self.layer, self.paint))
        self.column.addWidget(self.view)
        self.column.addWidget(self.legend)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_REST_MS)
        self._soon.timeout.connect(self._apply)
        self.layer.activated.connect(lambda _: self._choose())
        self.paint.clicked.connect(self._paint)
        self.view.toggled.connect(self._on_view)
        self._view.shown.connect(self._say)
        listen(
            self,
            (session.scan_changed, self._on_scan),
            (session.scan_updated, self._on_scan),
            (session.choices_said, self._on_choices),
            (self._view.gone, lambda: self.view.setChecked(False)),
            (self._masks.changed, self._list),
            (self._masks.painted, self._on_painted),
            close=self._close,
        )
        self._list()

    def _list(self) -> None:
        """Offer the Labels layers that there are, and what is masked by one that is gone."""
        scan, chosen = self._session.current, self._masks.chosen
        self._offered = self._masks.offered
        left = isinstance(scan, Scan) and scan.painted is not None and chosen is None
        self.layer.clear()
        self.layer.addItem("nothing painted")
        for layer in self._offered:
            self.layer.addItem(layer.name, layer)
        if left and isinstance(scan, Scan) and scan.painted is not None:
            self.layer.addItem(f"as painted before: {int(scan.painted.sum()):,} voxels", scan)
        at = len(self._offered) + 1 if left else 0
        self.layer.setCurrentIndex(self._offered.index(chosen) + 1 if chosen is not None else at)

    def _choose(self) -> None:
        chosen = self.layer.currentData()
        if not isinstance(chosen, Scan):
            self._try(lambda: self._masks.choose(chosen))
        self._list()

    def _paint(self) -> None:
        self._session.show_diffraction(lambda: self._try(self._masks.paint))

    def _on_painted(self) -> None:
        self._soon.start()

    def _on_view(self, on: bool) -> None:
        if on:
            self._session.show_diffraction()
        self._show()

    def _apply(self) -> None:
        self._try(self._masks.apply)

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except InputError as error:
            self.legend.say(str(error), error=True)
            show_error(in_window(str(error)))

    def _on_scan(self) -> None:
        self._list()
        self._show()

    def _on_choices(self) -> None:
        """What is masked hangs on the preparation that the Reconstruct panel says."""
        preparation = preparation_of(self._session.choices_made)
        if preparation is not None and preparation != self._preparation:
            self._preparation = preparation
            self._show()

    def _show(self) -> None:
        """Show what is masked of the current scan, or nothing."""
        scan, over = self._session.current, self._session.scan_layer
        self.legend.say("")
        if self.view.isChecked() and isinstance(scan, Scan) and over is not None:
            self._view.show(over, why_masked, scan, self._preparation, self._refuse)
        else:
            self._view.hide()

    def _refuse(self, error: Exception) -> None:
        self._view.hide()
        self.legend.say(str(error), error=True)

    def _say(self, counted: dict[str, int]) -> None:
        parts = [
            f'<nobr><span style="color:{COLOURS[why]}">■</span> {why} {number:,}</nobr>'
            for why, number in counted.items()
        ]
        self.legend.say(" ".join(parts) or "Nothing is masked.", marked_up=bool(parts))

    def _close(self) -> None:
        self._tasks.close()
        self._view.hide()

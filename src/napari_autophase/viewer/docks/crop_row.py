"""Which part of a scan is read: in words, or as a box that is drawn on the diffraction."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QLabel, QPushButton, QSpinBox

from ...scan import Scan
from ...sides import LEAST, fits
from ..model.scan.crop_box import CropBox, Ends
from ..model.session import Session
from ..widgets.fields import Words
from ..widgets.layout import Rows, narrow, row
from ..widgets.listening import listen
from ..widgets.notes import Note

_HALF = 32
"""Shortest side of the box that is offered first, of a scan that has so much."""


class CropRow(Rows):
    """A line that says the crop, and a button that draws it; `chosen` tells it, as other fields do.

    Parameters
    ----------
    session
        Of the viewer.
    """

    chosen = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.box = CropBox(session.viewer)
        self.words = Words("none; auto, or frames, rows, columns")
        self.setToolTip(
            "Read only the part around the Bragg peak, frame by frame: auto (as far as light is seen),\n"
            "so many frames, rows and columns such as 64, 128, 128, or a box that is drawn.\n"
            "A crop makes the voxels larger; the oversampling stays."
        )
        self.draw = QPushButton("Draw…")
        self.draw.setCheckable(True)
        self.draw.setToolTip("Draw the part to be read as a box on the diffraction.")
        self.first, self.end = QSpinBox(), QSpinBox()
        for spin, tip in ((self.first, "First frame of the part."), (self.end, "Frame behind its last one.")):
            spin.setToolTip(tip)
            spin.setButtonSymbols(
                QSpinBox.ButtonSymbols.NoButtons
            )  # which would leave no room for the number
            narrow(spin, 40)
        self.seen = Note()
        self.use = QPushButton("Crop to this")
        self.use.setToolTip("Read the part in the box.")
        self.drawing = Rows()
        column = self.drawing.column
        frames = row(QLabel("Frames"), self.first, QLabel("to"), self.end, stretch=1)
        frames.setStretch(3, 1)
        column.addLayout(frames)
        column.addWidget(self.seen)
        column.addWidget(self.use)
        self.column.addLayout(row(self.words, self.draw))
        self.column.addWidget(self.drawing)
        self.drawing.hide()

        self.words.chosen.connect(self.chosen)
        self.draw.toggled.connect(self._on_draw)
        self.use.clicked.connect(self._use)
        self.first.valueChanged.connect(self._say)
        self.end.valueChanged.connect(self._say)
        self.box.changed.connect(self._say)
        listen(
            self,
            (session.scan_changed, self._stop),
            (session.scan_updated, self._stop),
            (session.side_changed, self._on_side),
            close=self.box.erase,
        )

    @property
    def path(self) -> str:
        """What the line says."""
        return self.words.path

    def choose(self, text: str) -> None:
        """Put a text in and tell."""
        self.words.choose(text)

    def show_path(self, text: str) -> None:
        """Put a text in, of which all know."""
        self.words.show_path(text)

    def settle(self) -> None:
        """Tell what the line says, if that was not told yet."""
        self.words.settle()

    # -- the box -------------------------------------------------------------------------------------------------------

    def _on_draw(self, begin: bool) -> None:
        if begin and self._session.scan_layer is not None:
            self._session.show_diffraction(self._begin)
        else:
            self._stop()

    def _begin(self) -> None:
        layer = self._session.scan_layer
        if layer is None or not self.draw.isChecked():  # in the meantime
            self._stop()
            return
        shape = layer.data.shape
        peak = np.unravel_index(int(np.argmax(layer.data)), shape)
        frames, rows, columns = (_half(int(at), n) for at, n in zip(peak, shape, strict=True))
        with QSignalBlocker(self.first), QSignalBlocker(self.end):
            for spin, value in zip((self.first, self.end), frames, strict=True):
                spin.setRange(0, shape[0])
                spin.setValue(value)
        self.box.draw(layer, rows, columns)
        self.drawing.show()
        self._say()

    def _on_side(self) -> None:
        if not self._session.diffraction_shown:  # a box of pixels means nothing over a crystal in nm
            self._stop()

    def _stop(self) -> None:
        with QSignalBlocker(self.draw):
            self.draw.setChecked(False)
        self.drawing.hide()
        self.box.erase()

    @property
    def _ends(self) -> tuple[Ends, Ends, Ends] | None:
        """What is in the box, counted as the diffraction is; None: too little."""
        across = self.box.ends
        if across is None:
            return None
        ends = ((self.first.value(), self.end.value()), *across)
        return ends if fits([end - first for first, end in ends]) else None

    def _say(self) -> None:
        if not self.box.drawn:  # a person has deleted it
            self._stop()
            return
        ends, scan = self._ends, self._session.current
        self.use.setEnabled(ends is not None)
        if ends is None or not isinstance(scan, Scan):
            self.seen.say(f"Draw a box of {LEAST[0]} frames, {LEAST[1]} rows and {LEAST[2]} columns or more.")
            return
        sides = [end - first for first, end in ends]
        text = " × ".join(map(str, sides)) + f" of {' × '.join(map(str, scan.shape))} voxels"
        larger = " × ".join(f"{n / side:.2g}" for n, side in zip(scan.shape, sides, strict=True))
        self.seen.say(f"{text}; the crystal's voxels become {larger} times as large.")

    def _use(self) -> None:
        ends, scan = self._ends, self._session.current
        if ends is None or not isinstance(scan, Scan):
            return
        origin = scan.origin
        starts = (0, 0, 0) if origin is None or origin.box is None else [first for first, _ in origin.box]
        text = ",".join(
            f"{first + start}:{end + start}" for (first, end), start in zip(ends, starts, strict=True)
        )
        self._stop()
        self.choose(text)


def _half(at: int, n: int) -> Ends:
    """Return half of an axis about an index, and no less than a scan may have."""
    side = min(n, max(n // 2, _HALF))
    first = min(max(at - side // 2, 0), n - side)
    return first, first + side

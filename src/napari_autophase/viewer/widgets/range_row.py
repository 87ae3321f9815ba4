"""From where to where colours reach: a slider with two handles, a box at each end, and a tick for what is usual."""

from __future__ import annotations

import math

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QLabel, QLineEdit, QVBoxLayout, QWidget
from superqt import QRangeSlider

from .layout import row
from .narrow import Tick

_STEPS = 1000
"""Steps of the slider from end to end."""
_BOX_PX = 58
"""Pixels: the least width of a box for a number."""
Range = tuple[float, float]


class RangeRow(QWidget):
    """Shows and changes a range; `changed` tells that a person has changed it."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = QLineEdit(), QLineEdit()
        self.low.setToolTip("Where the colours begin.")
        self.high.setToolTip("Where the colours end.")
        self.slider = QRangeSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.automatic = Tick("auto")
        self.automatic.setToolTip(
            "Phase ±π, amplitude 0 to 1; else from the 1st to the 99th percentile inside the crystal,\n"
            "symmetric where the sign counts.  Each quantity keeps the range that was chosen for it."
        )
        lines = QVBoxLayout(self)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(2)
        lines.addWidget(self.slider)
        lines.addLayout(row(self.low, QLabel("to"), self.high, self.automatic, stretch=-1))
        for box in (self.low, self.high):
            box.setMinimumWidth(_BOX_PX)
            box.editingFinished.connect(self._on_typed)
        self.slider.valueChanged.connect(self._on_moved)
        self.automatic.toggled.connect(self._on_automatic)
        self._ends: Range = (0.0, 1.0)
        self._usual = self._span = self._ends
        self._places = (0, _STEPS)

    @property
    def ends(self) -> Range | None:
        """What is chosen; None: what is usual."""
        return None if self.automatic.isChecked() else self._ends

    def show_range(self, ends: Range, usual: Range, span: Range, automatic: bool) -> None:
        """Show a range.

        Parameters
        ----------
        ends, usual, span
            What is shown, what is usual, and how far the slider reaches.
        automatic
            Whether nobody has chosen anything else.
        """
        self._ends, self._usual, self._span = ends, usual, span
        with QSignalBlocker(self.automatic):
            self.automatic.setChecked(automatic)
        self._show()

    def _show(self) -> None:
        for box, value in zip((self.low, self.high), self._ends, strict=True):
            with QSignalBlocker(box):
                box.setText(_said(value))
                box.setCursorPosition(0)
        least, most = self._span
        low, high = (
            round(_STEPS * min(max((value - least) / (most - least), 0.0), 1.0)) for value in self._ends
        )
        self._places = (low, high)
        with QSignalBlocker(self.slider):
            self.slider.setValue((low, high))

    def _choose(self, ends: Range) -> None:
        self._ends = ends
        with QSignalBlocker(self.automatic):
            self.automatic.setChecked(False)
        self._show()
        self.changed.emit()

    def _on_moved(self, places: tuple[int, ...]) -> None:
        least, most = self._span
        before = self._ends
        ends = tuple(
            old if place == kept else least + (most - least) * place / _STEPS
            for place, kept, old in zip(places, self._places, before, strict=True)
        )
        low, high = self._evened((float(ends[0]), float(ends[1])))
        if low < high:
            self._choose((low, high))
        else:
            self._show()

    def _evened(self, ends: Range) -> Range:
        """Return ends of which one was changed: what is symmetric stays so, with white in its middle."""
        before = self._ends
        if self._usual[0] != -self._usual[1] or before[0] != -before[1] or ends == before:
            return ends
        changed = abs(ends[1] if ends[1] != before[1] else ends[0])
        return -changed, changed

    def _on_typed(self) -> None:
        try:
            low, high = (
                old if box.text() == _said(old) else float(box.text().replace("−", "-"))
                for box, old in zip((self.low, self.high), self._ends, strict=True)
            )
        except ValueError:
            low, high = math.nan, math.nan
        low, high = self._evened((low, high))
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            self._show()  # what was before
        elif (low, high) != self._ends:
            self._choose((low, high))

    def _on_automatic(self, automatic: bool) -> None:
        if automatic:
            self._ends = self._usual
            self._show()
        self.changed.emit()


def _said(value: float) -> str:
    """Return a number with three digits, as short as it can be said."""
    plain, by_power = (
        said.replace("e-0", "e-").replace("e+0", "e") for said in (f"{value:.3g}", f"{value:.2e}")
    )
    return min(plain, by_power, key=len)

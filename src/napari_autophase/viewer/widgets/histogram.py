"""The histogram of a crystal's amplitudes, with the threshold in it; drawn by Qt alone, so that a dock opens at once."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

_HEIGHT = 46
"""Pixels."""
_MARGIN = 2
"""Pixels around the bars."""


class HistogramStrip(QWidget):
    """Bars on a logarithmic scale; what the threshold leaves is bright.  A press or a drag tells an amplitude by `chosen`.

    The dashed line is the value that is proposed.
    """

    chosen = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self._counts = np.zeros(0)
        self._threshold = 0.0
        self.proposed: float | None = None
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_histogram(self, counts: np.ndarray, proposed: float | None) -> None:
        """Draw how many voxels have which amplitude, from 0 to 1."""
        self._counts, self.proposed = counts, proposed
        self.update()

    def show_threshold(self, threshold: float) -> None:
        """Mark the threshold."""
        self._threshold = threshold
        self.update()

    def sizeHint(self) -> QSize:
        """Return a height that shows the shape of the histogram."""
        return QSize(120, _HEIGHT)

    def amplitude_at(self, x: float) -> float:
        """Return the amplitude that stands at a place of the widget."""
        return float(np.clip((x - _MARGIN) / max(self.width() - 2 * _MARGIN, 1), 0, 1))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Choose the amplitude under the mouse."""
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self.chosen.emit(self.amplitude_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Choose the amplitude under the mouse, while it is pressed."""
        self.mousePressEvent(event)

    def paintEvent(self, _: QPaintEvent | None) -> None:
        """Draw bars, threshold and proposal."""
        if not len(self._counts):
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().text().color()
        faint, strong = QColor(text), QColor(text)
        faint.setAlpha(70)
        strong.setAlpha(190)
        width, height = self.width() - 2 * _MARGIN, self.height() - 2 * _MARGIN
        heights = np.log1p(self._counts)
        heights = heights / max(float(heights.max()), 1e-9) * height
        step = width / len(heights)
        for index, tall in enumerate(heights.tolist()):
            inside = (index + 0.5) / len(heights) >= self._threshold
            bar = QRectF(_MARGIN + index * step, _MARGIN + height - tall, max(step - 0.4, 0.4), tall)
            painter.fillRect(bar, strong if inside else faint)
        self._line(painter, self._threshold, QPen(text, 2))
        if self.proposed is not None:
            self._line(painter, self.proposed, QPen(text, 1.4, Qt.PenStyle.DashLine))
        painter.end()

    def _line(self, painter: QPainter, amplitude: float, pen: QPen) -> None:
        x = _MARGIN + amplitude * (self.width() - 2 * _MARGIN)
        painter.setPen(pen)
        painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))

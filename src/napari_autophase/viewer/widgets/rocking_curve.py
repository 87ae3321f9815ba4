"""The rocking curve of a scan, drawn by Qt alone, so that a dock opens at once."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

_HEIGHT, _PAD, _TEXT = 80, 4, 15
"""Pixels: of the curve, around it, and of a line of text."""


class RockingCurve(QWidget):
    """Counts of each frame on a linear scale, and the frame that is chosen; a press or a drag tells a frame by `chosen`."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._counts = np.zeros(0)
        self._at = 0
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_curve(self, counts: np.ndarray, at: int) -> None:
        """Draw the counts of the frames, and mark one of them."""
        self._counts, self._at = counts, at
        self.update()

    def sizeHint(self) -> QSize:
        """Return a size at which a peak is seen."""
        return QSize(160, _HEIGHT)

    def frame_at(self, x: float) -> int:
        """Return the frame that stands at a place of the widget."""
        last = len(self._counts) - 1
        return int(np.clip(round((x - _PAD) / max(self.width() - 2 * _PAD, 1) * last), 0, max(last, 0)))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Choose the frame under the mouse."""
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton and len(self._counts):
            self._at = self.frame_at(event.position().x())
            self.update()
            self.chosen.emit(self._at)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Choose the frame under the mouse, while it is pressed."""
        self.mousePressEvent(event)

    def paintEvent(self, _: QPaintEvent | None) -> None:
        """Draw the curve, the frame that is chosen, and what they are."""
        if len(self._counts) < 2:
            return
        painter, text = QPainter(self), self.palette().text().color()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(_PAD, _TEXT, self.width() - 2 * _PAD, self.height() - 2 * _TEXT)
        top, last = float(self._counts.max()) or 1.0, len(self._counts) - 1
        points = [
            QPointF(area.left() + k / last * area.width(), area.bottom() - value / top * area.height())
            for k, value in enumerate(self._counts.tolist())
        ]
        faint = QColor(text)
        faint.setAlpha(80)
        painter.setPen(QPen(faint, 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        x = points[self._at].x()
        painter.setPen(QPen(faint, 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setPen(QPen(text, 1.6))
        painter.drawPolyline(QPolygonF(points))
        above = QRectF(area.left(), 0, area.width(), _TEXT)
        below = QRectF(area.left(), area.bottom(), area.width(), _TEXT)
        painter.drawText(above, Qt.AlignmentFlag.AlignLeft, "counts of a frame")
        painter.drawText(above, Qt.AlignmentFlag.AlignRight, f"{self._counts[self._at]:.3g}")
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, "0")
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, f"frame {self._at}")
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, f"{last}")
        painter.end()

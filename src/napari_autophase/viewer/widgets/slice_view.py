"""A slice with a cross in it, and a line through the crystal; drawn by Qt alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QWheelEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

_TEXT = 16
"""Height of a line of text in pixels."""
_PAD = 6
"""Pixels around what is drawn."""


class SliceView(QWidget):
    """Shows a picture with square nanometres; `moved` tells where in it, from 0 to 1 to the right and downwards, a person points.

    `stepped` tells by how many slices the wheel was turned, and `home` that the middle is asked for.
    """

    moved = Signal(float, float)
    stepped = Signal(int)
    home = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self._aspect = 1.0
        self._cross = (0.5, 0.5)
        self._title, self._right, self._up = "", "", ""
        self.setMinimumSize(110, 110)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def show_picture(
        self, rgba: np.ndarray, aspect: float, cross: tuple[float, float], title: str, names: tuple[str, str]
    ) -> None:
        """Show a picture, uint8 (rows, columns, 4), that is `aspect` times as wide as high."""
        rows, columns = rgba.shape[:2]
        self._image = QImage(rgba.tobytes(), columns, rows, 4 * columns, QImage.Format.Format_RGBA8888).copy()
        self._aspect, self._cross, self._title, (self._right, self._up) = aspect, cross, title, names
        self.update()

    def sizeHint(self) -> QSize:
        """Return a size at which a crystal is seen."""
        return QSize(220, 230)

    @property
    def area(self) -> QRectF:
        """Where the picture is drawn."""
        wide, high = self.width() - 2 * _PAD - _TEXT, self.height() - 2 * _PAD - 2 * _TEXT
        width = max(min(wide, high * self._aspect), 1.0)
        height = width / self._aspect
        left, top = _PAD + _TEXT + (wide - width) / 2, _PAD + _TEXT + (high - height) / 2
        return QRectF(left, top, width, height)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Tell where the mouse is pressed."""
        if event is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        area, at = self.area, event.position()
        right = (at.x() - area.left()) / area.width()
        down = (at.y() - area.top()) / area.height()
        self.moved.emit(min(max(right, 0.0), 1.0), min(max(down, 0.0), 1.0))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Tell where it is dragged."""
        self.mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:  # noqa: ARG002
        """Ask for the middle."""
        self.home.emit()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Go through the slices."""
        if event is not None:
            self.stepped.emit(1 if event.angleDelta().y() > 0 else -1)
            event.accept()

    def paintEvent(self, _: QPaintEvent | None) -> None:
        """Draw picture, cross and names."""
        if self._image.isNull():
            return
        painter, area, text = QPainter(self), self.area, self.palette().text().color()
        painter.drawImage(area, self._image)
        faint = QColor(text)
        faint.setAlpha(60)
        painter.setPen(QPen(faint, 1))
        painter.drawRect(area)
        faint.setAlpha(170)
        painter.setPen(QPen(faint, 1, Qt.PenStyle.DashLine))
        x, y = area.left() + self._cross[0] * area.width(), area.top() + self._cross[1] * area.height()
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.setPen(text)
        middle = Qt.AlignmentFlag.AlignCenter
        painter.drawText(QRectF(0, 0, self.width(), _TEXT + _PAD), middle, self._title)
        painter.drawText(QRectF(area.left(), area.bottom(), area.width(), _TEXT), middle, self._right)
        painter.translate(area.left() - _TEXT / 2 - 4, area.center().y())
        if len(self._up) > 1:  # a letter is read as it stands, a word along the picture
            painter.rotate(-90)
        painter.drawText(QRectF(-area.height() / 2, -_TEXT / 2, area.height(), _TEXT), middle, self._up)
        painter.end()


class ProfileView(QWidget):
    """An amplitude along a line, with the threshold and the edges, and a quantity over it."""

    def __init__(self) -> None:
        super().__init__()
        self._places = np.zeros(0)
        self._amplitude = self._values = np.zeros(0)
        self._limits = (0.0, 1.0)
        self._threshold, self._at = 0.0, 0.0
        self._edges: Sequence[float] = ()
        self._names = ("", "")
        self.setMinimumSize(150, 90)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_line(
        self,
        places: np.ndarray,
        amplitude: np.ndarray,
        values: np.ndarray,
        limits: tuple[float, float],
        threshold: float,
        at: float,
        edges: Sequence[float],
        names: tuple[str, str],
    ) -> None:
        """Draw amplitudes and values over their places; `limits` are the values at the bottom and at the top."""
        self._places, self._amplitude, self._values, self._limits = places, amplitude, values, limits
        self._threshold, self._at, self._edges, self._names = threshold, at, edges, names
        self.update()

    def sizeHint(self) -> QSize:
        """Return a size at which an edge is seen."""
        return QSize(260, 170)

    def paintEvent(self, _: QPaintEvent | None) -> None:
        """Draw both lines."""
        if len(self._places) < 2:
            return
        painter, text = QPainter(self), self.palette().text().color()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(_PAD, _TEXT + 2, self.width() - 2 * _PAD, self.height() - 2 * _TEXT - 4)
        first, last = float(self._places[0]), float(self._places[-1])

        def x(place: float) -> float:
            return area.left() + (place - first) / (last - first) * area.width()

        def y(part: float) -> float:
            return area.bottom() - min(max(part, 0.0), 1.05) * area.height() / 1.05

        faint = QColor(text)
        faint.setAlpha(80)
        painter.setPen(QPen(faint, 1))
        painter.drawRect(area)
        painter.setPen(QPen(faint, 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(area.left(), y(self._threshold)), QPointF(area.right(), y(self._threshold)))
        painter.setPen(QPen(faint, 1, Qt.PenStyle.DotLine))
        for place in (self._at, *self._edges):
            painter.drawLine(QPointF(x(place), area.top()), QPointF(x(place), area.bottom()))
        low, high = self._limits
        colour = QColor("#e8833a")
        parts = (self._values - low) / (high - low)
        self._curve(painter, [(x(p), y(v)) for p, v in _finite(self._places, parts)], QPen(colour, 1.6))
        self._curve(
            painter, [(x(p), y(a)) for p, a in _finite(self._places, self._amplitude)], QPen(text, 1.6)
        )
        painter.setPen(text)
        painter.drawText(QRectF(area.left(), 0, area.width(), _TEXT), Qt.AlignmentFlag.AlignLeft, "amplitude")
        bottom = QRectF(area.left(), area.bottom() + 2, area.width(), _TEXT)
        painter.drawText(bottom, Qt.AlignmentFlag.AlignLeft, f"{first:.0f}")
        painter.drawText(bottom, Qt.AlignmentFlag.AlignHCenter, self._names[0])
        painter.drawText(bottom, Qt.AlignmentFlag.AlignRight, f"{last:.0f}")
        painter.setPen(colour)
        painter.drawText(
            QRectF(area.left(), 0, area.width(), _TEXT), Qt.AlignmentFlag.AlignRight, self._names[1]
        )
        painter.end()

    def _curve(self, painter: QPainter, points: list[tuple[float, float]], pen: QPen) -> None:
        painter.setPen(pen)
        painter.drawPolyline(QPolygonF([QPointF(*point) for point in points]))


def _finite(places: np.ndarray, values: np.ndarray) -> list[tuple[float, float]]:
    known = np.isfinite(values)
    return list(zip(places[known].tolist(), values[known].tolist(), strict=True))

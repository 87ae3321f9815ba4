"""A dock's page: it scrolls if it must, and goes with its dock."""

from __future__ import annotations

from napari.settings import get_settings
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from ..warmup import engine
from .fields import Words

DOCK_WIDTH = 374
"""Docks are as wide as this, in pixels: fields stand beside their labels in letters of 9 points."""
_PER_POINT, _WIDEST = 18, 430
"""Pixels more for each point of larger letters, and where that ends: a window of 1280 pixels has no more beside napari's own."""
DOCK_HEIGHT = 170
"""Docks on top of each other leave each this height, in pixels."""
WARM_UP_AFTER_MS = 300
"""A dock has been drawn by then, and what it will need may be loaded."""


def _points() -> int:
    """Return how large napari's letters are."""
    return int(get_settings().appearance.font_size)


def _width() -> int:
    """Return the width that docks have."""
    return min(DOCK_WIDTH + _PER_POINT * max(0, _points() - 9), _WIDEST)


class GoesWithItsDock(QObject):
    """Deletes a widget with the dock that held it, once it has told what was typed in its lines.

    napari takes the widget out of a dock that is closed and does not delete it; ours would listen and compute on, unseen.
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        widget.installEventFilter(self)

    def eventFilter(self, widget: QObject | None, event: QEvent | None) -> bool:
        """Delete the widget when nothing holds it any more."""
        moved = event is not None and event.type() == QEvent.Type.ParentChange
        if moved and widget is not None and widget.parent() is None:
            for line in widget.findChildren(Words):
                line.settle()  # closing the dock leaves its lines
            widget.deleteLater()
        return False


class Page(QWidget):
    """A dock's page: fills the width, and scrolls down only where the window is too low; below it a foot may stand that stays."""

    def __init__(self) -> None:
        super().__init__()
        GoesWithItsDock(self)
        self.scroller = QScrollArea()
        self.scroller.setWidgetResizable(True)
        self.scroller.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # Tab goes to what can be set
        self.scroller.setFrameShape(QFrame.Shape.NoFrame)
        self.scroller.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._body = QWidget()
        self.column = QVBoxLayout(self._body)
        self.column.setContentsMargins(8, 8, 8, 8)
        self.column.setSpacing(8)
        self.scroller.setWidget(self._body)
        self._body.installEventFilter(self)
        self._whole = QVBoxLayout(self)
        self._whole.setContentsMargins(0, 0, 0, 0)
        self._whole.setSpacing(0)
        self._whole.addWidget(self.scroller, 1)
        self._seen = QTimer(self)
        self._seen.setSingleShot(True)
        self._seen.setInterval(WARM_UP_AFTER_MS)
        self._seen.timeout.connect(engine.begin)
        self._write_as_napari()

    def stand_on(self, foot: QWidget) -> None:
        """Put a widget below all that scrolls; a holder of the page may put it elsewhere."""
        self._whole.addWidget(foot)

    def changeEvent(self, event: QEvent | None) -> None:
        """Write as large as napari does now."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange:
            self._write_as_napari()

    def _write_as_napari(self) -> None:
        """Let all letters be as large as napari's style has those of labels and buttons: it leaves out lines and headlines."""
        wanted = f"QLineEdit, QToolButton {{ font-size: {_points()}pt; }}"
        if self.styleSheet() != wanted:
            self.setStyleSheet(wanted)

    def eventFilter(self, body: QObject | None, event: QEvent | None) -> bool:
        """Ask for the width that the body has come to need: a section was opened, or letters are larger."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(body, event)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Begin to load what will be needed, once this has been drawn."""
        super().showEvent(event)
        self._seen.start()

    def sizeHint(self) -> QSize:
        """Return the width that docks have, more of it for large letters, and the height of what they hold."""
        return QSize(_width(), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Return the width of docks, or more where something would be cut off, and room for the foot and some of what scrolls."""
        least, whole = self._body.minimumSizeHint(), self._whole.minimumSize()
        foot_height = whole.height() - self.scroller.minimumSizeHint().height()
        height = max(min(least.height(), DOCK_HEIGHT - foot_height), 0) + foot_height
        bar = self.scroller.verticalScrollBar()
        scrolling = 0 if bar is None else bar.sizeHint().width()
        return QSize(max(least.width() + scrolling, whole.width(), _width()), height)

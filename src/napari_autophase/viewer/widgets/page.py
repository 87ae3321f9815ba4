"""A dock's page: it scrolls if it must, and goes with its dock."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from ..warmup import engine

DOCK_WIDTH = 372
"""Docks ask for this width, in pixels."""
DOCK_HEIGHT = 170
"""Docks on top of each other leave each this height, in pixels: the button that a page begins with can be reached."""
WARM_UP_AFTER_MS = 300
"""A dock has been drawn by then, and what it will need may be loaded."""


class GoesWithItsDock(QObject):
    """Deletes a widget with the dock that held it.

    napari takes the widget out of a dock that is closed and leaves it to whoever may hold it; ours would listen and compute on,
    unseen.
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        widget.installEventFilter(self)

    def eventFilter(self, widget: QObject | None, event: QEvent | None) -> bool:
        """Delete the widget when nothing holds it any more."""
        moved = event is not None and event.type() == QEvent.Type.ParentChange
        if moved and widget is not None and widget.parent() is None:
            widget.deleteLater()
        return False


class Page(QScrollArea):
    """A dock's page: fills the width, and scrolls down only where the window is too low."""

    def __init__(self) -> None:
        super().__init__()
        GoesWithItsDock(self)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        body = QWidget()
        self.column = QVBoxLayout(body)
        self.column.setContentsMargins(8, 8, 8, 8)
        self.column.setSpacing(8)
        self.setWidget(body)
        self._seen = QTimer(self)
        self._seen.setSingleShot(True)
        self._seen.setInterval(WARM_UP_AFTER_MS)
        self._seen.timeout.connect(engine.begin)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Begin to load what will be needed, once this has been drawn."""
        super().showEvent(event)
        self._seen.start()

    def sizeHint(self) -> QSize:
        """Return the width that docks have, and the height of what they hold."""
        return QSize(DOCK_WIDTH, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Return the width below which something would be cut off, and the height for what a page begins with."""
        body = self.widget()
        if body is None:
            return super().minimumSizeHint()
        least = body.minimumSizeHint()
        return QSize(least.width(), min(least.height(), DOCK_HEIGHT))

"""A framed group of controls with a title, and a "?" in its corner."""

from __future__ import annotations

from qtpy.QtCore import QEvent
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QGroupBox

from .help import HelpButton

_SIDE = 18
"""Pixels: the least side of a "?"."""


class Box(QGroupBox):
    """A group box.

    Parameters
    ----------
    title
        Above it.
    page
        Where the documentation explains it (see `HelpButton`).
    """

    def __init__(self, title: str, page: str) -> None:
        super().__init__(title)
        self.explained = HelpButton(page)
        self.explained.setParent(self)
        self.toggled.connect(lambda _: self.explained.setEnabled(True))

    def changeEvent(self, event: QEvent | None) -> None:
        """Leave the "?" usable where a tick turns what is framed off."""
        super().changeEvent(event)
        if self.isEnabled():
            self.explained.setEnabled(True)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep the "?" in the corner, above what is framed."""
        super().resizeEvent(event)
        side = max(_SIDE, self.explained.fontMetrics().height() + 2)
        self.explained.setGeometry(self.width() - side - 4, 0, side, side)
        self.explained.raise_()

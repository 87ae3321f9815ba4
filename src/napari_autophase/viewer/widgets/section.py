"""A collapsible section."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

from .help import HelpButton
from .layout import row


class Section(QWidget):
    """A headline that folds its body away.

    Parameters
    ----------
    title
        The headline.
    is_open
        Whether its body is seen at first.
    page
        Where the documentation explains it (see `HelpButton`); empty: no "?".
    """

    def __init__(self, title: str, *, is_open: bool = False, page: str = "") -> None:
        super().__init__()
        self.head = QToolButton()
        self.head.setText(f" {title}")
        self.head.setCheckable(True)
        self.head.setChecked(is_open)
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setStyleSheet(
            "QToolButton { border: none; background: transparent; font-weight: bold; padding: 2px; }"
        )
        self.head.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.body = QWidget()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        headline = row(self.head)
        if page:
            headline.addWidget(HelpButton(page))
        column.addLayout(headline)
        column.addWidget(self.body)
        self.head.toggled.connect(self._fold)
        self._fold(is_open)

    def name(self, title: str) -> None:
        """Put another title above it."""
        self.head.setText(f" {title}")

    def _fold(self, is_open: bool) -> None:
        self.head.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self.body.setVisible(is_open)

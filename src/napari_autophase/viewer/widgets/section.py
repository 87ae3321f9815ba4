"""A collapsible section."""

from __future__ import annotations

from qtpy.QtCore import QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from ..model.words.gists import Gist
from .help import HelpButton
from .layout import row
from .narrow import Headline

MARKS = {"good": ("✓", "#30a46c"), "doubt": ("!", "#d98a00"), "off": ("!", "#e5484d")}
"""Of each mark its letter and a colour that is seen on a light and on a dark panel."""
_FAINT = 0.65
"""Part of its colour that a closed section's line has, beside the headline's."""
_GAP = 6
"""Pixels between the words and their mark."""


class GistLine(QLabel):
    """A line that takes the room that there is: its words are cut off where they need more, and told whole in the tooltip."""

    pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.gist, self.is_said = Gist(), True

    def say(self, gist: Gist) -> None:
        """Let it say this."""
        self.gist = gist
        self.setText(gist.words)
        self.setToolTip("\n".join(filter(None, (gist.words, *gist.more))))

    @property
    def cut(self) -> str:
        """The words as they have room."""
        return self.fontMetrics().elidedText(self.gist.words, Qt.TextElideMode.ElideRight, self._room.width())

    @property
    def _room(self) -> QRect:
        """Where the words may stand: marks stand below each other, whether there is one or not."""
        widest = max(self.fontMetrics().horizontalAdvance(letter) for letter, _ in MARKS.values())
        return self.rect().adjusted(_GAP, 0, -widest - _GAP, 0)

    def minimumSizeHint(self) -> QSize:
        """Return that it needs no room."""
        return QSize(0, super().minimumSizeHint().height())

    def paintEvent(self, _: QPaintEvent | None) -> None:
        """Draw the words faintly beside the headline, and the mark in its colour at the end."""
        if not self.is_said or not self.gist.words:
            return
        painter, text = QPainter(self), self.palette().windowText().color()
        text.setAlphaF(_FAINT * text.alphaF())
        painter.setPen(text)
        end = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(self._room, end, self.cut)
        if self.gist.mark:
            letter, colour = MARKS[self.gist.mark]
            font = painter.font()
            font.setBold(True)
            painter.setFont(font)
            painter.setPen(QColor(colour))
            painter.drawText(self.rect(), end, letter)
        painter.end()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Tell that it was pressed."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.pressed.emit()


class Section(QWidget):
    """A headline that folds its body away; closed, it says in the same line what is in it.

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
        self.head = Headline()
        self.head.setText(f" {title}")
        self.head.setCheckable(True)
        self.head.setChecked(is_open)
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setStyleSheet(
            "QToolButton { border: none; background: transparent; font-weight: bold; padding: 2px; }"
        )
        self.gist_line = GistLine()
        self.body = QWidget()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        headline = row(self.head, self.gist_line, stretch=1)
        if page:
            headline.addWidget(HelpButton(page))
        column.addLayout(headline)
        column.addWidget(self.body)
        self._is_chosen = False
        self.head.toggled.connect(self._fold)
        self.head.clicked.connect(self._choose)
        self.gist_line.pressed.connect(self.head.click)
        self._fold(is_open)

    def sum_up(self, gist: Gist) -> None:
        """Let it say this while it is closed."""
        self.gist_line.say(gist)
        self.head.setAccessibleDescription(gist.words)

    def propose(self, is_open: bool) -> None:
        """Open or close it, unless a person has done either."""
        if not self._is_chosen:
            self.head.setChecked(is_open)

    def _choose(self) -> None:
        self._is_chosen = True

    def _fold(self, is_open: bool) -> None:
        self.head.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self.body.setVisible(is_open)
        self.gist_line.is_said = not is_open
        self.gist_line.update()

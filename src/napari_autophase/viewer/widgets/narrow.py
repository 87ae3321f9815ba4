"""What gives way where a dock is narrow or letters are large: words end in an ellipsis, or go on in another line."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QFontMetrics, QHelpEvent, QPaintEvent, QResizeEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QStyleOptionComboBox,
    QStyleOptionToolButton,
    QStylePainter,
    QToolButton,
    QToolTip,
    QWidget,
)

_LETTERS = 8
"""Of a choice or a headline, for which there is room in any case."""


def elide(box: QComboBox, letters: int = _LETTERS) -> None:
    """Let a box be as narrow as `letters`; what there is no room for becomes an ellipsis, and its tooltip has all of it."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(letters)
    box.installEventFilter(_Ellipsis(box))


def _cut(
    text: str,
    letters: QFontMetrics,
    room: int,
    mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
) -> str:
    """Return a text as it has room."""
    if letters.horizontalAdvance(text) <= room:  # which is rounded: what fits exactly would be cut
        return text
    return letters.elidedText(text, mode, room)


class Combo(QComboBox):
    """A choice that gives way (see `elide`).

    Parameters
    ----------
    letters
        For which there is room in any case.
    """

    def __init__(self, letters: int = _LETTERS) -> None:
        super().__init__()
        elide(self, letters)

    @property
    def said(self) -> str:
        """What it says while it is closed."""
        return self.currentText()


class _Ellipsis(QObject):
    """Draws a combo box, whose own drawing would cut its text off in the midst of a letter."""

    def eventFilter(self, box: QObject | None, event: QEvent | None) -> bool:
        """Draw, and say in the tooltip what is left out."""
        if not isinstance(box, QComboBox) or event is None or box.isEditable():
            return False
        if event.type() == QEvent.Type.Paint:
            painter, option = QStylePainter(box), QStyleOptionComboBox()
            box.initStyleOption(option)
            option.currentText = shown(box)
            painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
            painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
            painter.end()
            return True
        if isinstance(event, QHelpEvent) and (whole := _said(box)) != shown(box):
            QToolTip.showText(event.globalPos(), f"{whole}\n{box.toolTip()}".strip(), box)
            return True
        return False


def _said(box: QComboBox) -> str:
    return box.said if isinstance(box, Combo) else box.currentText()


def shown(box: QComboBox) -> str:
    """Return the text of a combo box as far as there is room for it."""
    option, style = QStyleOptionComboBox(), box.style()
    box.initStyleOption(option)
    text = _said(box)
    if style is None:
        return text
    place = style.subControlRect(
        QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, box
    )
    icon = 0 if option.currentIcon.isNull() else option.iconSize.width() + 4
    # names differ at their end, and results by the number there
    return _cut(text, box.fontMetrics(), place.width() - icon - 2, Qt.TextElideMode.ElideMiddle)


class Tick(QCheckBox):
    """A tick whose words stand in as many lines as they need.

    Parameters
    ----------
    words
        What is ticked.
    """

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self._words = words
        policy = self.sizePolicy()
        policy.setHorizontalPolicy(QSizePolicy.Policy.Preferred)
        self.setSizePolicy(policy)

    def text(self) -> str:
        """Return the words in one line."""
        return self._words

    def sizeHint(self) -> QSize:
        """Return the width of the words in one line, and the height of the lines that there are."""
        return QSize(self._beside + self._wide(self._words), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Return the width of the longest word, and the same height."""
        longest = max(map(self._wide, self._words.split()), default=0)
        return QSize(self._beside + longest, super().sizeHint().height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Break the words where there is no more room."""
        super().resizeEvent(event)
        self._break()

    def changeEvent(self, event: QEvent | None) -> None:
        """Break them otherwise in other letters."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._break()

    @property
    def _beside(self) -> int:
        """Pixels that the box takes."""
        lines = super().text().split("\n")
        return int(super().sizeHint().width()) - max(map(self._wide, lines))

    def _wide(self, text: str) -> int:
        return int(self.fontMetrics().horizontalAdvance(text))

    def _break(self) -> None:
        room, lines = self.width() - self._beside, [""]
        for word in self._words.split():
            longer = f"{lines[-1]} {word}".strip()
            if self._wide(longer) <= room or not lines[-1]:
                lines[-1] = longer
            else:
                lines.append(word)
        if super().text() != (text := "\n".join(lines)):
            self.setText(text)
            self.updateGeometry()


class Headline(QToolButton):
    """A button whose words end in an ellipsis where there is no room for them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        """Return the room for a few letters."""
        whole, metrics = self.sizeHint(), self.fontMetrics()
        beside = whole.width() - metrics.horizontalAdvance(self.text())
        return QSize(min(whole.width(), beside + _LETTERS * metrics.averageCharWidth()), whole.height())

    def paintEvent(self, _: QPaintEvent | None) -> None:
        """Draw as much as there is room for."""
        painter, option, metrics = QStylePainter(self), QStyleOptionToolButton(), self.fontMetrics()
        self.initStyleOption(option)
        beside = self.sizeHint().width() - metrics.horizontalAdvance(self.text())
        option.text = _cut(self.text(), metrics, self.width() - beside)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ToolButton, option)
        painter.end()


class Button(QPushButton):
    """A button whose words end in an ellipsis where there is no room for them; its tooltip has all of them then.

    Parameters
    ----------
    words
        On it.
    least
        Words for which there is room in any case.
    """

    def __init__(self, words: str = "", least: str = _LETTERS * "n") -> None:
        super().__init__(words)
        self._least = least
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)  # else it could not shrink

    def minimumSizeHint(self) -> QSize:
        """Return the room for a few letters."""
        whole = self.sizeHint()
        return QSize(min(whole.width(), self._beside + self._wide(self._least)), whole.height())

    def event(self, event: QEvent | None) -> bool:
        """Say in the tooltip what is left out."""
        if isinstance(event, QHelpEvent) and self.cut != self.text():
            words = self.text().replace("&&", "&")
            QToolTip.showText(event.globalPos(), f"{words}\n{self.toolTip()}".strip(), self)
            return True
        return super().event(event)

    def paintEvent(self, _: QPaintEvent | None) -> None:
        """Draw as much as there is room for."""
        painter, option = QStylePainter(self), QStyleOptionButton()
        self.initStyleOption(option)
        option.text = self.cut
        painter.drawControl(QStyle.ControlElement.CE_PushButton, option)
        painter.end()

    @property
    def cut(self) -> str:
        """The words as they have room."""
        return _cut(self.text(), self.fontMetrics(), self.width() - self._beside)

    @property
    def _beside(self) -> int:
        return int(self.sizeHint().width()) - self._wide(self.text())

    def _wide(self, text: str) -> int:
        return int(self.fontMetrics().horizontalAdvance(text))

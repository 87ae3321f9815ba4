"""Fields that tell what they say: `chosen` when a person has chosen or entered something, and `settle` what is left to tell."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QLineEdit

from .narrow import Combo


class Choice(Combo):
    """One of several words; `chosen` tells which."""

    chosen = Signal(str)

    def __init__(self, words: Mapping[str, str]) -> None:
        super().__init__()
        for word, text in words.items():
            self.addItem(text, word)
        self.activated.connect(lambda _: self.chosen.emit(self.path))

    @property
    def path(self) -> str:
        """The word, or an empty string."""
        return str(self.currentData() or "")

    def choose(self, word: str) -> None:
        """Put a word in and tell."""
        self.show_path(word)
        self.chosen.emit(word)

    def show_path(self, word: str) -> None:
        """Put a word in, of which all know."""
        self.setCurrentIndex(max(self.findData(word), 0))

    def settle(self) -> None:
        """Do nothing: what is chosen was told."""


class Words(QLineEdit):
    """A line of text; `chosen` tells it on Enter and when the line is left.  Escape only takes back what was typed."""

    chosen = Signal(str)

    def __init__(self, placeholder: str) -> None:
        super().__init__()
        self.setPlaceholderText(placeholder)
        self.setClearButtonEnabled(True)
        self._told = ""
        self.editingFinished.connect(self.settle)

    @property
    def path(self) -> str:
        """The text."""
        return self.text().strip()

    def choose(self, text: str) -> None:
        """Put a text in and tell."""
        self.show_path(text)
        self.chosen.emit(text)

    def show_path(self, text: str) -> None:
        """Put a text in, of which all know."""
        self._told = text
        self.setText(text)

    @property
    def is_typed(self) -> bool:
        """Whether it says what was not told yet."""
        return self.path != self._told

    def event(self, event: QEvent | None) -> bool:
        """Keep Escape for this line, whatever it stands for elsewhere, while something is typed."""
        if self._takes_back(event) and event is not None and event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Take back what was typed on Escape."""
        if self._takes_back(event):
            self.setText(self._told)
        else:
            super().keyPressEvent(event)

    def _takes_back(self, event: QEvent | None) -> bool:
        return isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape and self.is_typed

    def settle(self) -> None:
        """Tell what the line says, if that was not told yet."""
        if self.is_typed:
            self.choose(self.path)

"""What a dock says: notes, errors, and that something goes on."""

from __future__ import annotations

from collections.abc import Iterable

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QApplication, QLabel, QProgressBar, QSizePolicy, QVBoxLayout

from ..model.words import gists
from ..model.words.run_words import together
from .layout import keep_place
from .section import Section
from .words import in_window

STEP_MS = 500
"""Without a graphics card the whole window is drawn in software for each step; Qt's own come dozens of times a second."""
PLACES = 6
"""Places where the short bar stands, one after the other."""
_LEGIBLE_PX = 80
"""Where there is less room, a note would become as high as it has words."""


class ActivityBar(QProgressBar):
    """A thin bar on which a short one wanders while something goes on; it keeps its place when it is still."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextVisible(False)
        self.setFixedHeight(4)
        keep_place(self)
        self.wanderer = QProgressBar(self)  # full, so that it has the theme's colour
        self.wanderer.setTextVisible(False)
        self.wanderer.setRange(0, 1)
        self.wanderer.setValue(1)
        self._place = 0
        self._timer = QTimer(self)
        self._timer.setInterval(STEP_MS)
        self._timer.timeout.connect(self._step)
        self.rest()

    def work(self) -> None:
        """Move."""
        if not self._timer.isActive():
            self._timer.start()
        self.show()

    def rest(self) -> None:
        """Be still."""
        self._timer.stop()
        self.hide()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Let the short bar be a part of the long one."""
        super().resizeEvent(event)
        self._move()

    def _step(self) -> None:
        self._place = (self._place + 1) % PLACES
        self._move()

    def _move(self) -> None:
        step = self.width() / PLACES
        self.wanderer.setGeometry(round(self._place * step), 0, round(step), self.height())


class Wrapped(QLabel):
    """Text whose lines break where there is no room, but not between a number and its unit."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._said = ""
        self.setWordWrap(True)
        self.setText(text)

    def setText(self, text: str | None) -> None:
        """Show `text`."""
        self._said = text or ""
        super().setText(together(self._said))

    def text(self) -> str:
        """Return the text as it was given."""
        return self._said

    def minimumSizeHint(self) -> QSize:
        """Return the height of all lines: Qt has that of two at most, and a panel that scrolls would cut off the rest."""
        return self._whole(super().minimumSizeHint())

    def sizeHint(self) -> QSize:
        """Return the same height: Qt's is that of wider lines, and forms give no more."""
        return self._whole(super().sizeHint())

    def _whole(self, hint: QSize) -> QSize:
        width = self.width()
        height = self.heightForWidth(width) if width >= _LEGIBLE_PX else 0
        return QSize(hint.width(), max(hint.height(), height))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Ask for another height where the lines break otherwise, or a form that knew the height before gave too little."""
        super().resizeEvent(event)
        if event is None:
            return
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()
        elif event.size().height() < self.minimumSizeHint().height():  # nobody hears in the midst of a layout
            QApplication.postEvent(self, QEvent(QEvent.Type.LayoutRequest))

    def event(self, event: QEvent | None) -> bool:
        """Ask for it once the layout has come to its end."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().event(event)


class Note(Wrapped):
    """Text that wraps and can be selected; an error is marked by a bar in the theme's colour."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.say("")

    def say(self, text: str, error: bool = False, *, marked_up: bool = False) -> None:
        """Show `text`, which is `marked_up` as HTML or as it stands; nothing is shown for an empty one."""
        self.setTextFormat(Qt.TextFormat.RichText if marked_up else Qt.TextFormat.PlainText)
        colour = get_theme("dark").error.as_hex()
        self.setStyleSheet(
            f"QLabel {{ border-left: 3px solid {colour}; padding-left: 6px; }}" if error else ""
        )
        self.setText(in_window(text) if error else text)
        self.setVisible(bool(text))


class Notes(Section):
    """Sentences that a person should read, each with a point; where there are many, folded away until they are asked for."""

    FEW = 3
    """So many stand open."""

    def __init__(self) -> None:
        super().__init__("Notes")
        self._sentences: tuple[str, ...] = ()
        self.words = Note()
        column = QVBoxLayout(self.body)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.words)
        self.say(())

    def text(self) -> str:
        """Return the sentences, a line each."""
        return "\n".join(self._sentences)

    def say(self, sentences: Iterable[str]) -> None:
        """Show these; nothing is shown where there are none."""
        before, self._sentences = self._sentences, tuple(in_window(sentence) for sentence in sentences)
        count = len(self._sentences)
        self.head.setText(f" {count} notes" if count != 1 else " A note")
        self.words.say("\n".join(f"•  {sentence}" for sentence in self._sentences))
        self.sum_up(gists.told(self._sentences))
        self.setVisible(count > 0)
        if self._sentences != before:  # what a person has opened stays open while nothing changes
            self.head.setChecked(count <= self.FEW)

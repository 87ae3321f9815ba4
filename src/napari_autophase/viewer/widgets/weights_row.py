"""Which weights the network has: those that ship with the plugin, or those of a file, and what that file holds."""

from __future__ import annotations

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...scan import InputError
from ..threads import Tasks
from ..warmup import engine
from .file_row import FileRow
from .notes import Note

WEIGHTS = "Network weights (*.safetensors *.pt *.pth *.hdf5 *.h5);;All files (*)"
TYPING_MS = 400
"""Milliseconds without a key after which what was typed is used."""


class WeightsRow(QWidget):
    """A weights file, typed, chosen or dropped; below it a line that says which network it is for, or why it cannot be used.

    The file is read in a thread: it may be large, and reading it loads torch.  It has what a field of a form has.
    """

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.file = FileRow("those that ship with the plugin", files=WEIGHTS)
        self.note = Note()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.file)
        column.addWidget(self.note)
        self._tasks = Tasks()
        self.destroyed.connect(
            self._tasks.close
        )  # no lambda: it could be collected together with this widget
        self._typed = QTimer(self)
        self._typed.setSingleShot(True)
        self._typed.setInterval(TYPING_MS)
        self._typed.timeout.connect(self._look)
        self.file.line.textChanged.connect(self._on_change)

    @property
    def value(self) -> str | None:
        """The file, or None for the weights that ship."""
        return self.file.path or None

    @value.setter
    def value(self, path: str | None) -> None:
        if path != self.value:
            self.file.line.setText(path or "")
            self.file.line.setCursorPosition(0)

    @property
    def native(self) -> QWidget:
        """Itself."""
        return self

    def _on_change(self) -> None:
        self.changed.emit(self.value)
        self._tasks.forget("weights")  # what it may still find is about another file
        self.note.say("")
        self._typed.start()

    def _look(self) -> None:
        if self.value is not None:
            self.note.say("reading…")
            self._tasks.start("weights", describe, self.value, done=self.note.say, failed=self._on_failed)

    def _on_failed(self, error: Exception) -> None:
        text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        self.note.say(text, error=True)


def describe(path: str) -> str:
    """Return one line about a weights file: its network, size and hash."""
    engine.load()
    from ...network import load  # brings torch: only in a thread

    return load(path).description

"""A path: typed, chosen in a dialog, or dropped."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFileDialog, QLineEdit, QPushButton, QToolButton, QWidget

from ..drops import dropped
from ..model.scan.request import FILES
from .layout import row


class FileRow(QWidget):
    """A path: typed, chosen in a dialog, or dropped; `chosen` tells it on Enter, when the line is left, and when it is cleared.

    Parameters
    ----------
    placeholder
        What the empty line says.
    folders
        Offer a button for folders too.
    files
        Which files the dialog shows, as Qt's name filters.
    """

    chosen = Signal(str)
    others = Signal(list)
    """More files were dropped than one: those after the first."""

    def __init__(self, placeholder: str, *, folders: bool = False, files: str = FILES) -> None:
        super().__init__()
        self._files = files
        self.line = QLineEdit()
        self.line.setPlaceholderText(placeholder)
        self.line.setClearButtonEnabled(True)
        self.line.setAcceptDrops(False)  # a drop is a path here, not text in the middle of another
        self.setAcceptDrops(True)
        self._told = ""
        self.line.returnPressed.connect(lambda: self.choose(self.path))
        self.line.editingFinished.connect(self.settle)
        clear = self.line.findChild(QToolButton)
        assert clear is not None
        clear.clicked.connect(self.settle)
        buttons = [_small_button("File…", "Choose a file", self._ask_for_file)]
        if folders:
            buttons.append(_small_button("Folder…", "Choose a folder of TIFF frames", self._ask_for_folder))
        self.setLayout(row(self.line, *buttons))

    @property
    def path(self) -> str:
        """The path, or an empty string."""
        return self.line.text().strip()

    def choose(self, path: str) -> None:
        """Put `path` in and tell."""
        self.show_path(path)
        self.chosen.emit(path)

    def show_path(self, path: str) -> None:
        """Put `path` in, of which all know."""
        self._told = path
        self.line.setText(path)

    def settle(self) -> None:
        """Tell what the line says, if that was not told yet."""
        if self.path != self._told:
            self.choose(self.path)

    def _ask_for_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Choose a file", self.path, self._files)
        if path:
            self.choose(path)

    def _ask_for_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Choose a folder of frames", self.path)
        if path:
            self.choose(path)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files."""
        if event is not None and dropped(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Choose the first file that was dropped, and tell of the others."""
        if event is not None and (paths := dropped(event)):
            self.choose(paths[0])
            if paths[1:]:
                self.others.emit(paths[1:])


def _small_button(text: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.clicked.connect(clicked)
    return button

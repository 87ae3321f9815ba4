"""“?”: a button that opens the page of the documentation where something is explained."""

from __future__ import annotations

from pathlib import PurePosixPath

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices, QTextCursor
from qtpy.QtWidgets import QDialog, QTextBrowser, QToolButton, QVBoxLayout, QWidget

from ..model.words import pages

_WIDTH, _HEIGHT = 720, 760
"""Pixels of the window of a page of help."""


class HelpButton(QToolButton):
    """Opens a page at a heading.

    Parameters
    ----------
    page
        Below ``docs``, with a heading after ``#`` as it is written there: ``guide/strain.md#Facets``.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.setText("?")
        self.setToolTip("Open the documentation where this is explained.")
        self.setAutoRaise(True)
        self.clicked.connect(lambda: HelpWindow.of(self.window()).open_page(self.page))


class HelpWindow(QDialog):
    """Shows a page; a link leads to the next one, or to the browser."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.resize(_WIDTH, _HEIGHT)
        self.text = QTextBrowser()
        self.text.setOpenLinks(False)
        self.text.anchorClicked.connect(self._follow)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.addWidget(self.text)
        self._page = ""

    @classmethod
    def of(cls, window: QWidget | None) -> HelpWindow:
        """Return the one of a window, made when first asked for."""
        found = window.findChild(cls) if window is not None else None
        return found if isinstance(found, cls) else cls(window)

    def open_page(self, page: str) -> None:
        """Show a page at its heading."""
        name, _, heading = page.partition("#")
        text = pages.text_of(name)
        if text is None:
            text = f"The page {name} is not installed with this copy of the program."
        self._page = name
        self.text.setMarkdown(text)
        self.setWindowTitle(text.lstrip("# \n").partition("\n")[0])
        self.text.moveCursor(QTextCursor.MoveOperation.Start)
        self._go_to(heading)
        self.show()
        self.raise_()

    def _go_to(self, heading: str) -> None:
        document = self.text.document()
        block = document.begin() if document is not None and heading else None
        while block is not None and block.isValid():
            if block.blockFormat().headingLevel() and block.text() == heading:
                self.text.moveCursor(QTextCursor.MoveOperation.End)  # so that the heading comes to the top
                self.text.setTextCursor(QTextCursor(block))
                return
            block = block.next()

    def _follow(self, link: QUrl) -> None:
        if link.isRelative() and link.path().endswith(".md"):
            parts: list[str] = []
            for part in (PurePosixPath(self._page).parent / link.path()).parts:
                parts = parts[:-1] if part == ".." else [*parts, part]
            self.open_page("/".join(parts))
        elif not link.isRelative():
            QDesktopServices.openUrl(link)

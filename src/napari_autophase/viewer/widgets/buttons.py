"""The buttons that stand out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QPushButton

from .narrow import Button

if TYPE_CHECKING:
    from napari.components import ViewerModel


class PrimaryButton(Button):
    """The one button that a dock is about."""

    def __init__(self, text: str, viewer: ViewerModel) -> None:
        super().__init__(text, least=text)
        self.setMinimumHeight(40)
        self._viewer = viewer
        viewer.events.theme.connect(self._paint)
        self._paint()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Be pressed by Return too."""
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def _paint(self) -> None:
        theme = get_theme(self._viewer.theme)
        self.setStyleSheet(
            f"QPushButton {{ background: {theme.current.as_hex()}; font-weight: bold; border-radius: 4px; }}"
            f"QPushButton:hover {{ background: {theme.secondary.as_hex()}; }}"
            f"QPushButton:focus {{ border: 2px solid {theme.text.as_hex()}; }}"
            f"QPushButton:disabled {{ background: {theme.foreground.as_hex()}; border: none; }}"
        )


class SampleButton(QPushButton):
    """Opens a crystal that ships with the plugin, for those who have no scan at hand."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__("Open the sample crystal")
        self.setToolTip(
            "A simulated scan of 64 × 64 × 64 voxels; File > Open Sample > AutoPhase has another."
        )
        self.clicked.connect(lambda: viewer.open_sample("napari-autophase", "faceted"))

"""All three panels in one dock, as tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QTabWidget

from .display_dock import DisplayDock
from .load_dock import LoadDock
from .parts import GoesWithItsDock
from .reconstruct_dock import ReconstructDock
from .session import Session

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Workspace(QTabWidget):
    """Load, Reconstruct and Display, in the order in which they are used.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        GoesWithItsDock(self)
        self.load = LoadDock(napari_viewer)
        self.reconstruct = ReconstructDock(napari_viewer)
        self.display = DisplayDock(napari_viewer)
        for title, dock in (
            ("Load", self.load),
            ("Reconstruct", self.reconstruct),
            ("Display", self.display),
        ):
            self.addTab(dock, title)
        if Session.of(napari_viewer).current is not None:  # as when a scan was opened first
            self.setCurrentWidget(self.reconstruct)
        self.setDocumentMode(True)
        self.setStyleSheet("QTabBar::tab { padding: 6px 14px; }")

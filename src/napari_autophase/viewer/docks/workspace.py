"""All three panels in one dock, as tabs, above what is always in sight of a run."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from qtpy.QtCore import QTimer
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from ..sessions import session_of
from ..widgets.page import GoesWithItsDock

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from .display_dock import DisplayDock
    from .load_dock import LoadDock
    from .reconstruct_dock import ReconstructDock

_Panel = TypeVar("_Panel", bound=QWidget)
_NEXT_AFTER_MS = 50
"""The panel that is seen is drawn by then, and the next may be made."""


class Workspace(QWidget):
    """Load, Reconstruct and Display, in the order in which they are used; those that are not seen yet are made a moment later.

    The buttons of a run, and how far it is, stand below all three.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    _PANELS = ("load", "reconstruct", "display")

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        GoesWithItsDock(self)
        self._viewer = napari_viewer
        self.tabs = QTabWidget()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addWidget(self.tabs, 1)
        for name in self._PANELS:
            page = QWidget()
            QVBoxLayout(page).setContentsMargins(0, 0, 0, 0)
            self.tabs.addTab(page, name.capitalize())
        if session_of(napari_viewer).current is not None:  # as when a scan was opened first
            self.tabs.setCurrentIndex(1)
        self._make(self.tabs.currentIndex())
        self.tabs.currentChanged.connect(self._make)
        self._later = QTimer(self)
        self._later.setInterval(_NEXT_AFTER_MS)
        self._later.timeout.connect(self._make_next)
        self._later.start()
        self.tabs.setDocumentMode(True)
        self.tabs.setUsesScrollButtons(False)  # a panel must not be out of sight
        self.tabs.setStyleSheet("QTabBar::tab { padding: 6px 12px; }")

    @cached_property
    def load(self) -> LoadDock:
        """The panel that loads scans."""
        from .load_dock import LoadDock

        return self._placed("load", LoadDock(self._viewer))

    @cached_property
    def reconstruct(self) -> ReconstructDock:
        """The panel that reconstructs."""
        from .reconstruct_dock import ReconstructDock

        panel = self._placed("reconstruct", ReconstructDock(self._viewer))
        self._column.addWidget(panel.footer)
        return panel

    @cached_property
    def display(self) -> DisplayDock:
        """The panel that shows results."""
        from .display_dock import DisplayDock

        return self._placed("display", DisplayDock(self._viewer))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Cancel the run on Esc, whatever panel is seen."""
        if not self.reconstruct.footer.cancels(event):
            super().keyPressEvent(event)

    def _placed(self, name: str, panel: _Panel) -> _Panel:
        page = self.tabs.widget(self._PANELS.index(name))
        assert page is not None
        layout = page.layout()
        assert layout is not None
        layout.addWidget(panel)
        return panel

    def _make(self, index: int) -> None:
        getattr(self, self._PANELS[index])

    def _make_next(self) -> None:
        missing = [i for i, name in enumerate(self._PANELS) if name not in self.__dict__]
        if missing:
            self._make(missing[0])
        else:
            self._later.stop()

"""What is always in sight of a run: the buttons that begin, rest and end it, how far it is, and how long it still takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QFrame, QPushButton, QVBoxLayout, QWidget

from ..model.run.controller import Controller
from ..widgets.buttons import PrimaryButton
from ..widgets.layout import row
from ..widgets.listening import listen
from .run_report import RunReport

if TYPE_CHECKING:
    from napari.components import ViewerModel

_HEIGHT = 40
"""Of the buttons, in pixels."""


class RunFooter(QWidget):
    """Stands below what scrolls; whether a run may begin it is told by `allow`.

    Parameters
    ----------
    controller
        What runs.
    viewer
        Gives the colours.
    report
        Says how far it is.
    """

    def __init__(self, controller: Controller, viewer: ViewerModel, report: RunReport) -> None:
        super().__init__()
        self._controller = controller
        self._allowed = self._focused = False
        self.button = PrimaryButton("Reconstruct", viewer)
        self.button.setToolTip(
            "Reconstruct the scan that is chosen above, as the settings say (Return, or Ctrl+Alt+R)."
        )
        self.pause = QPushButton("Pause")
        self.pause.setMinimumHeight(_HEIGHT)
        self.pause.setToolTip(
            "Let the run rest after the present iteration, so that the computer is free; it goes on where it was (Ctrl+Alt+P)."
        )
        self.pause.clicked.connect(lambda: controller.hold(not controller.held))
        self.cancel = QPushButton("Cancel")
        self.cancel.setMinimumHeight(_HEIGHT)
        self.cancel.setToolTip("Stop after the present iteration (Esc).")
        self.cancel.clicked.connect(controller.cancel)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 0, 8, 8)
        column.setSpacing(4)
        for above in (_line(), report.stage, report.bar):
            column.addWidget(above)
        column.addLayout(row(self.button, self.pause, self.cancel))
        listen(self, (controller.state_changed, self._follow), (controller.held_changed, self._follow))
        self._follow()

    def allow(self, allowed: bool) -> None:
        """Say whether there is something to reconstruct, and nothing in the way but a run itself."""
        self._allowed = allowed
        self._follow()

    def cancels(self, event: QKeyEvent | None) -> bool:
        """Cancel the run if the key is Esc and there is one; return whether."""
        asked = event is not None and event.key() == Qt.Key.Key_Escape and self.cancel.isEnabled()
        if asked:
            self._controller.cancel()
        return asked

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Cancel the run on Esc."""
        if not self.cancels(event):
            super().keyPressEvent(event)

    def _follow(self, _: object = None) -> None:
        busy, running = self._controller.busy, self._controller.state == "running"
        self._focused |= self.button.hasFocus() or self.cancel.hasFocus()
        self.button.setText("Reconstructing…" if busy else "Reconstruct")
        self.button.setEnabled(self._allowed and not busy)
        self.cancel.setEnabled(running)
        self.pause.setEnabled(running)
        self.pause.setText("Continue" if self._controller.held else "Pause")
        here = self.cancel if running else self.button
        if self._focused and here.isEnabled():  # else the focus would stay with whatever comes next
            here.setFocus()
            self._focused = False


def _line() -> QFrame:
    """Return a line that parts what stays from what scrolls."""
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setStyleSheet("color: palette(mid);")
    return line

"""A button that brings back what was deleted last; it is there while something is."""

from __future__ import annotations

from functools import partial

from qtpy.QtWidgets import QPushButton

from ..model.session import Session


class UndoButton(QPushButton):
    """Says what comes back.

    Parameters
    ----------
    session
        Of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._deleted = session.deleted
        self.setToolTip(
            "Bring back the scan or the result that was deleted last, as it was (Ctrl+Alt+Z); again: the one before it."
        )
        self.clicked.connect(lambda: self._deleted.bring_back())
        follow = partial(_follow, self)
        signal = self._deleted.changed
        signal.connect(follow)
        self.destroyed.connect(lambda _: signal.disconnect(follow))
        self.follow()

    def follow(self) -> None:
        """Say what comes back."""
        self.setText(f"Bring back {self._deleted.last}")
        self.setVisible(bool(self._deleted.last))


def _follow(button: UndoButton) -> None:
    button.follow()

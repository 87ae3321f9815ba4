"""A button that brings back what was deleted last; it is there while something is."""

from __future__ import annotations

from ..model.session import Session
from ..widgets.listening import listen
from ..widgets.narrow import Button


class UndoButton(Button):
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
        listen(self, (self._deleted.changed, self.follow))
        self.follow()

    def follow(self) -> None:
        """Say what comes back."""
        last = self._deleted.last
        self.setText(f"Bring back {last}".replace("&", "&&"))  # which would underline a letter
        self.setVisible(bool(self._deleted.last))

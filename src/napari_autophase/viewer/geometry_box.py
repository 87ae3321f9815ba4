"""The geometry of the current scan, to be seen, corrected and completed: what the box shows is what is used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from psygnal import SignalInstance
from qtpy.QtWidgets import QGroupBox, QPushButton, QVBoxLayout

from ..scan import InputError, Scan
from .geometry_form import GeometryForm, Incomplete
from .parts import Note, row
from .session import Session


class GeometryBox(QGroupBox):
    """A geometry form that acts on the current scan as soon as a line is entered or left.

    What cannot be used yet is said below it, and no run starts before it is mended (see `Session.unsettled`).

    Parameters
    ----------
    session
        Of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__("Geometry")
        self._session = session
        self.form = GeometryForm()
        self.form.typed.connect(self._on_typed)
        self.form.entered.connect(self._on_entered)
        self.note = Note()
        self.clear = QPushButton("Clear")
        self.clear.setToolTip("Work without geometry: lengths are in voxels.")
        self.clear.clicked.connect(self._clear)
        self.revert = QPushButton("Revert")
        self.revert.setToolTip("Take back what was typed: show what the scan has.")
        self.revert.clicked.connect(self._revert)
        box = QVBoxLayout(self)
        box.setContentsMargins(8, 10, 8, 8)
        box.addWidget(self.form)
        box.addWidget(self.note)
        box.addLayout(row(self.clear, self.revert, stretch=-1))

        links: list[tuple[SignalInstance, Callable[[], None]]] = [
            (session.scan_changed, self._show),
            (session.scan_updated, self._follow),
        ]
        for signal, slot in links:
            signal.connect(slot)
        session.unsettled.append(self.settle)
        self.destroyed.connect(partial(_close, links, session, self.settle))
        self._show()

    def settle(self) -> None:
        """Give the current scan what was typed.

        Raises
        ------
        InputError
            If fields are missing or are not what they should be.
        """
        if self.form.edited:
            self._use()

    def _use(self) -> None:
        """Use what the form says, or say why that cannot be, and raise it."""
        scan, edited = self._session.current, self.form.edited
        self.revert.setEnabled(edited)
        try:
            geometry = self.form.read_geometry()
        except InputError as error:
            self.note.say(str(error), error=not isinstance(error, Incomplete))
            raise
        self.note.say("")
        self.revert.setEnabled(False)
        if edited and isinstance(scan, Scan):
            self.form.show_geometry(geometry, {})
            if geometry != scan.geometry:
                self._session.update_scan(scan, replace(scan, geometry=geometry))

    def _show(self) -> None:
        """Show the geometry of another scan."""
        scan = self._session.current
        if isinstance(scan, Scan):
            self.form.show_geometry(scan.geometry, scan.metadata)
            self._on_entered()

    def _follow(self) -> None:
        """Show the scan's geometry if it was given elsewhere; otherwise what is being typed stays."""
        scan = self._session.current
        if isinstance(scan, Scan) and scan.geometry != self.form.given:
            self._show()

    def _on_entered(self) -> None:
        with suppress(InputError):  # which is said below the form
            self._use()  # unedited too: a file may know a part of it

    def _on_typed(self) -> None:
        self.note.say("Press Enter to use this.")
        self.revert.setEnabled(True)

    def _clear(self) -> None:
        self.form.clear()
        self._on_entered()

    def _revert(self) -> None:
        self.form.revert()
        self._on_entered()


def _close(
    links: list[tuple[SignalInstance, Callable[[], None]]], session: Session, settle: Callable[[], None]
) -> None:
    for signal, slot in links:
        signal.disconnect(slot)
    session.unsettled.remove(settle)

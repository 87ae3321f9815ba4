"""How many voxels are summed along each axis before phasing, and a view of what is then phased; the oversampling stands below."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QLabel, QSpinBox

from ...recipe import Preparation
from ...scan import InputError, Scan
from ..model.run.choices import choices_of, preparation_of, recipe_of
from ..model.session import Session
from ..widgets.layout import Rows, narrow, row
from ..widgets.listening import listen
from ..widgets.narrow import Tick
from ..widgets.notes import Note

_MOST = 16
"""Voxels that are summed along an axis, at most."""


class BinningRow(Rows):
    """Three numbers, which are the Reconstruct panel's too, and a box that shows what is phased.

    Parameters
    ----------
    session
        Of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session, self._phased = session, session.extras.phased
        self._preparation = preparation_of(session.choices_made) or Preparation()
        self.setToolTip(
            "Sum blocks of voxels before phasing: frames, rows, columns.  It makes phasing faster and loses no light,\n"
            "as long as the oversampling, which is said below, stays above 2."
        )
        self.sides = [QSpinBox() for _ in range(3)]
        for side in self.sides:
            side.setRange(1, _MOST)
            side.setButtonSymbols(
                QSpinBox.ButtonSymbols.NoButtons
            )  # which would leave no room for the number
            narrow(side, 30)
            side.setToolTip(self.toolTip())
            side.valueChanged.connect(lambda _: self._choose())
        self.view = Tick("Show what is phased")
        self.view.setToolTip(
            "Draw on the diffraction what phasing takes of it: binned, and cropped about the peak, with a frame around it."
        )
        self.view.toggled.connect(self._on_view)
        self.seen = Note()
        first, second, third = self.sides
        line = row(first, QLabel("×"), second, QLabel("×"), third)
        for index in (0, 2, 4):
            line.setStretch(index, 1)
        self.column.addLayout(line)
        self.column.addWidget(self.view)
        self.column.addWidget(self.seen)
        listen(
            self,
            (session.choices_said, self.show_binning),
            (session.scan_changed, self._show),
            (session.scan_updated, self._show),
            (self._phased.gone, lambda: self.view.setChecked(False)),
            close=self._phased.hide,
        )
        self.show_binning()

    def show_binning(self) -> None:
        """Show what the Reconstruct panel says."""
        preparation = preparation_of(self._session.choices_made)
        if preparation is None:
            return
        for side, factor in zip(self.sides, preparation.binning, strict=True):
            with QSignalBlocker(side):
                side.setValue(factor)
        if preparation != self._preparation:
            self._preparation = preparation
            self._show()

    def _choose(self) -> None:
        """Tell the Reconstruct panel, or what it will say when it is opened; show what it comes to."""
        session, said = self._session, self._session.choices_made
        try:
            recipe = recipe_of(said).with_settings(
                {"prepare.binning": tuple(side.value() for side in self.sides)}
            )
        except InputError:
            return
        session.choices_made = choices_of(recipe, said.get("preset", "fast"), said.get("replace", False))
        session.recipe_given.emit(recipe)
        session.choices_said.emit()
        self.view.setChecked(True)

    def _on_view(self, on: bool) -> None:
        if on:
            self._session.show_diffraction()
        self._show()

    def _show(self) -> None:
        """Show what is phased of the current scan, or nothing."""
        scan, over = self._session.current, self._session.scan_layer
        if self.view.isChecked() and isinstance(scan, Scan) and over is not None:
            self._phased.show(over, scan, self._preparation, self.seen.say, self._refuse)
        else:
            self.seen.say("")
            self._phased.hide()

    def _refuse(self, error: Exception) -> None:
        self._phased.hide()
        self.seen.say(str(error), error=True)

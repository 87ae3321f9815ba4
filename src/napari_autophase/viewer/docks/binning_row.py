"""How many voxels are summed along each axis before phasing; the oversampling that is left stands below."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QWidget

from ...scan import InputError
from ..model.choices import choices_of, recipe_of
from ..model.session import Session

_MOST = 16


class BinningRow(QWidget):
    """Three numbers, which are the Reconstruct panel's too.

    Parameters
    ----------
    session
        Of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.setToolTip(
            "Sum blocks of voxels before phasing: frames, rows, columns.  It makes phasing faster and loses no light,\n"
            "as long as the oversampling, which is said below, stays above 2."
        )
        self.sides = [QSpinBox() for _ in range(3)]
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        for index, side in enumerate(self.sides):
            side.setRange(1, _MOST)
            side.setButtonSymbols(
                QSpinBox.ButtonSymbols.NoButtons
            )  # which would leave no room for the number
            side.setStyleSheet("QSpinBox { min-width: 30px; }")  # napari's style makes the dock wider
            side.setToolTip(self.toolTip())
            side.valueChanged.connect(lambda _: self._choose())
            if index:
                line.addWidget(QLabel("×"))
            line.addWidget(side, 1)
        signal, show = session.choices_said, partial(_show, self)
        signal.connect(show)
        self.destroyed.connect(lambda _: signal.disconnect(show))
        self.show_binning()

    def show_binning(self) -> None:
        """Show what the Reconstruct panel says."""
        try:
            binning = recipe_of(self._session.choices_made).prepare.binning
        except InputError:  # in the midst of typing
            return
        for side, factor in zip(self.sides, binning, strict=True):
            with QSignalBlocker(side):
                side.setValue(factor)

    def _choose(self) -> None:
        """Tell the Reconstruct panel, or what it will say when it is opened."""
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


def _show(row: BinningRow) -> None:
    row.show_binning()

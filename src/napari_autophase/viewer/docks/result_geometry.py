"""The geometry of a result whose scan is not here: another program's, or one that was opened alone."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from itertools import permutations

from napari.utils.notifications import show_error

from ...reconstruction import Reconstruction
from ...scan import InputError
from ..model.result.arrangements import Arrangement, says_axes
from ..model.result.results import ResultLayers
from ..model.session import Session
from ..model.words import gists
from ..widgets.fields import Words
from ..widgets.geometry_form import GeometryForm, Incomplete
from ..widgets.layout import caption, form
from ..widgets.narrow import Combo, Tick
from ..widgets.notes import Note
from ..widgets.section import Section
from ..widgets.words import in_window

_ORDERS = tuple(permutations(range(3)))
"""In which the axes of an array may be."""


class ResultGeometry(Section):
    """A geometry form that acts on a result as soon as a line is entered: it is placed anew, not phased anew.

    Parameters
    ----------
    session
        Of the viewer.
    result
        Returns the result that is chosen, or None.
    """

    def __init__(self, session: Session, result: Callable[[], ResultLayers | None]) -> None:
        super().__init__("Geometry of this result", page="guide/geometry.md")
        self._session, self._result = session, result
        self._shown: weakref.ref[ResultLayers] | None = None
        self.form = GeometryForm()
        self.peak = Words("row, column")
        self.peak.setToolTip(
            "Where the Bragg peak lies in the scan's frames.\n"
            "Wanted where the direct beam is given; without either, the detector's angles are those of the peak."
        )
        self.axes = Combo()
        self.axes.addItems([", ".join(map(str, order)) for order in _ORDERS])
        self.axes.setToolTip(
            "Which axes of the file's array, counted from 0, are the rocking angle, the rows and the columns of the detector:\n"
            "another program's file does not say it."
        )
        self.axes_label = caption("Axes of the array", self.axes.toolTip())
        self.conjugated = Tick("The phase is +Q·u")
        self.conjugated.setToolTip(
            "The program that made the array came from the crystal to the detector by an inverse Fourier transform:\n"
            "the conjugate is taken, whose phase is −Q·u, so that strain has the right sign."
        )
        self.note = Note()
        lines = form(self.body)
        lines.addRow(self.axes_label, self.axes)
        lines.addRow(self.conjugated)
        lines.addRow(self.form)
        lines.addRow(caption("Bragg peak", self.peak.toolTip()), self.peak)
        lines.addRow(self.note)
        self.form.typed.connect(self._on_typed)
        self.form.entered.connect(self._use)
        self.peak.chosen.connect(lambda _: self._use(anew=True))
        self.axes.activated.connect(lambda _: self._arrange())
        self.conjugated.clicked.connect(lambda _: self._arrange())
        self.follow()

    def follow(self) -> None:
        """Show the geometry of the chosen result; where its scan is here, the geometry is given there."""
        result = self._result()
        alone = result is not None and self._session.scan_of(result) is None
        self.setVisible(alone)
        if result is None or not alone:
            return
        found, another = result.reconstruction, self._shown is None or self._shown() is not result
        self._show_array(result)
        typed, peak = dict(self._session.typed.lines(result, found.scan_geometry)), _peak_of(found)
        if typed.get("peak") == peak:
            del typed["peak"]  # it is used
        if typed and not another and self.form.given == found.scan_geometry:
            return  # what is being typed stays, and what is said of it
        self._shown = weakref.ref(result)
        self.form.show_geometry(found.scan_geometry, found.metadata)
        if another or not self.peak.path:
            self.peak.show_path(typed.get("peak", peak))
        self.peak.setEnabled(found.peak is None)
        self.note.say("")
        self.sum_up(gists.placed(found))
        if typed:
            self.form.type_again(typed)
            self._on_typed()

    def _on_typed(self) -> None:
        self.note.say("Press Enter to use this.")
        if (result := self._result()) is not None:
            self._keep(result)
            self.sum_up(gists.placed(result.reconstruction, edited=True))

    def _use(self, anew: bool = False) -> None:
        result = self._result()
        if result is None or not (self.form.edited or anew):
            return
        self._keep(result)
        try:
            geometry, peak = self.form.read_geometry(), _pixel(self.peak.path)
        except InputError as error:
            self.note.say(str(error), error=not isinstance(error, Incomplete))
            return
        self.note.say("Placing the crystal…")
        self._session.place_result(result, geometry, peak, self._refuse)

    def _show_array(self, result: ResultLayers) -> None:
        said, unknown = self._session.arrangement_of(result), not says_axes(result.reconstruction)
        for one in (self.axes_label, self.axes, self.conjugated):
            one.setVisible(unknown)
        self.axes.setCurrentIndex(_ORDERS.index(said.order))
        self.conjugated.setChecked(said.conjugated)

    def _arrange(self) -> None:
        result = self._result()
        if result is None:
            return
        said = Arrangement(_ORDERS[self.axes.currentIndex()], self.conjugated.isChecked())
        if said == self._session.arrangement_of(result):
            return
        try:
            peak = _pixel(self.peak.path)
        except InputError as error:
            self.note.say(str(error), error=True)
            return
        self.note.say("Placing the crystal…")
        self._session.arrange_result(result, said, peak, self._refuse)

    def _keep(self, result: ResultLayers) -> None:
        """Let what is typed be there again when this panel, or this result, is."""
        peak = {"peak": self.peak.path} if self.peak.isEnabled() and self.peak.path else {}
        self._session.typed.keep(result, result.reconstruction.scan_geometry, self.form.unused | peak)

    def _refuse(self, error: Exception) -> None:
        if (result := self._result()) is not None:
            self._show_array(result)
        self.note.say(str(error), error=True)
        show_error(in_window(str(error)))


def _peak_of(found: Reconstruction) -> str:
    """Return row and column of the Bragg peak as a line; of another program's result what was said when it was placed."""
    at = None if found.peak is None else found.peak[1:]
    if at is None and found.scan_geometry is not None:
        from ...placement import place_of

        at = place_of(found)[0]
    return "" if at is None else ", ".join(f"{each:.6g}" for each in at)


def _pixel(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    with suppress(ValueError):
        row, column = (float(part) for part in text.replace(",", " ").split())
        return row, column
    raise InputError(f"Bragg peak: '{text}' is no pixel; write a row and a column, such as 100, 128.5.")

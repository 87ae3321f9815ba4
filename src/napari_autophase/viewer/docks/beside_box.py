"""What is shown over a result or beside it: facets, dislocations, directions, another result and the difference."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QSignalBlocker, Qt

from ..model.crystal.landmarks import KINDS, Kind
from ..model.result.results import ResultLayers
from ..model.session import Session
from ..widgets.box import Box
from ..widgets.layout import Buttons, caption, form
from ..widgets.listening import listen
from ..widgets.narrow import Combo, Tick
from ..widgets.notes import Note
from ..widgets.words import in_window

_TITLES: dict[Kind, tuple[str, str]] = {
    "facets": (
        "Facets",
        "Colour the flat parts of the surface, by family of planes where the reflection's indices are known.\n"
        "The cursor says a facet's indices, area and strain.",
    ),
    "dislocations": (
        "Dislocations",
        "Draw the lines about which the phase winds, through the crystal.",
    ),
    "directions": (
        "Q and axes",
        "Draw the scattering vector from the crystal's centre, and a, b, c where facets settle how the crystal stands.",
    ),
}


class BesideBox(Box):
    """Ticks and a choice that act on the result that is seen.

    Parameters
    ----------
    session
        Of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__("Over it and beside it", "guide/strain.md#Dislocations")
        self._session, self._extras = session, session.extras
        self.ticks = {kind: Tick(_TITLES[kind][0]) for kind in KINDS}
        self.said = {kind: Note() for kind in KINDS}
        for kind, tick in self.ticks.items():
            tick.setToolTip(_TITLES[kind][1])
            tick.toggled.connect(partial(self._extras.landmarks.show, kind))
            self.said[kind].setTextFormat(Qt.TextFormat.RichText)
        self.other = Combo()
        self.other.setToolTip(
            "Show another result beside this one, brought onto it (shift, ramp, and twin where that agrees better),\n"
            "and what differs: three views that turn together, at one threshold, cut alike."
        )
        self.other.activated.connect(lambda _: self._extras.side_by_side.compare(self.other.currentData()))
        self.agreement = Note()
        rows = form(self)
        rows.setContentsMargins(8, 10, 8, 8)
        rows.addRow(Buttons(*self.ticks.values()))
        for note in self.said.values():
            rows.addRow(note)
        rows.addRow(caption("Compare with", self.other.toolTip()), self.other)
        rows.addRow(self.agreement)
        listen(
            self,
            (self._extras.landmarks.changed, self.follow),
            (self._extras.side_by_side.changed, self.follow),
            (self._extras.shown.changed, self._allow),
            (session.results_changed, self.follow),
            (session.result_updated, self.follow),
        )
        self.follow()

    def follow(self, *_: object) -> None:
        """Show what is wanted, and what there is to compare with."""
        landmarks, side_by_side = self._extras.landmarks, self._extras.side_by_side
        for kind, tick in self.ticks.items():
            with QSignalBlocker(tick):
                tick.setChecked(landmarks.wants(kind))
            words = landmarks.words[kind]
            self.said[kind].say(words, marked_up="<span" in words)
        self.agreement.say(in_window(side_by_side.words))
        self._allow()

    def _allow(self) -> None:
        seen, other = self._extras.shown.result, self._extras.side_by_side.other
        offered: list[ResultLayers] = [each for each in self._session.results if each is not seen]
        there = [self.other.itemData(at) for at in range(self.other.count())]
        if there != [None, *offered]:
            self.other.clear()
            self.other.addItem("nothing", None)
            for each in offered:
                self.other.addItem(each.title, each)
        for at, each in enumerate(offered, 1):  # one may have been renamed
            self.other.setItemText(at, each.title)
        self.other.setCurrentIndex(offered.index(other) + 1 if other in offered else 0)
        self.other.setEnabled(seen is not None and bool(offered))
        for tick in self.ticks.values():
            tick.setEnabled(seen is not None and other is None)

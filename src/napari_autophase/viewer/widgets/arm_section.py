"""The arm test: one spot, seen at two positions of the detector's arm, tells how the detector is mounted, and its distance."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLineEdit, QPushButton

from ...geometry import Geometry, Verdict, arm_test
from ...scan import InputError, Scan
from ..model.words import gists
from .crystal_form import differs, mounting_lines
from .layout import caption, form, row
from .notes import Note
from .section import Section

_WHAT = ("spot", "angles")


class ArmSection(Section):
    """Two lines, each a spot's pixel and the arm's angles then, and what they say; pixels are those of the stored frames."""

    mounting_chosen = Signal(object)
    """The person wants the mount and the distance that the test found: its `Verdict`."""
    typed = Signal()
    """A line is being edited."""

    def __init__(self) -> None:
        super().__init__("Arm test of the mount", page="guide/geometry.md")
        self.spots = [QLineEdit(), QLineEdit()]
        self.angles = [QLineEdit(), QLineEdit()]
        self.test = QPushButton("Test")
        self.test.setToolTip("Find how rows and columns run, and the distance.")
        self.answer = Note()
        self.mount = QPushButton("Use what was found")
        self.mount.setToolTip("Let rows and columns run as the test found, at its distance.")
        self._verdict: Verdict | None = None
        self._geometry: Geometry | None = None
        tip = (
            "Move the arm so that the same spot is seen elsewhere; the sample stands still.\n"
            "Move both of its motors: one alone tells of rows or of columns only."
        )
        lines = form(self.body)
        for which, spot, angles in zip(("First spot", "Second spot"), self.spots, self.angles, strict=True):
            spot.setPlaceholderText("row, column")
            spot.setToolTip("Row and column where the spot was seen, in the frames as they are stored.")
            angles.setPlaceholderText("arm's angles (°)")
            angles.setToolTip("The angles of the detector's circles then, outermost first, in degrees.")
            both = row(spot, angles)
            both.setStretch(1, 1)
            lines.addRow(caption(which, tip), both)
            for line in (spot, angles):
                line.returnPressed.connect(self.run)
                line.textEdited.connect(self._on_typed)
        lines.addRow("", self.test)
        lines.addRow(self.answer)
        lines.addRow("", self.mount)
        self.test.clicked.connect(self.run)
        self.mount.clicked.connect(lambda: self.mounting_chosen.emit(self._verdict))
        self._say(None)
        self.show_scan(None)

    @property
    def _lines(self) -> dict[str, QLineEdit]:
        pairs = zip(self.spots, self.angles, strict=True)
        return {
            f"{what} {at}": line
            for at, pair in enumerate(pairs)
            for what, line in zip(_WHAT, pair, strict=True)
        }

    @property
    def said(self) -> dict[str, str]:
        """What a person has typed, by the names of the lines."""
        return {name: line.text() for name, line in self._lines.items() if line.isModified()}

    def type_again(self, said: Mapping[str, str]) -> None:
        """Say what was typed of another scan when it was here, and nothing of the one that was here."""
        self._say(None)
        for name, line in self._lines.items():
            line.setText(said.get(name, ""))
            line.setModified(name in said)

    def show_scan(self, scan: Scan | None, peak: tuple[float, ...] | None = None) -> None:
        """Take circles, pixel size and direct beam from a scan; its own peak is the first spot unless one was typed."""
        geometry = None if scan is None else scan.geometry
        origin = None if scan is None else scan.origin
        if geometry is not None and origin is not None:
            geometry = origin.uncropped(geometry)
        if geometry != self._geometry:
            self._say(None)
        self._geometry = geometry
        if geometry is None:
            self.spots[0].clear()
            self.angles[0].clear()
        elif peak is not None and not (self.spots[0].isModified() or self.angles[0].isModified()):
            box = None if origin is None else origin.box
            first = (0, 0) if box is None else (box[1][0], box[2][0])
            at = [index + start for index, start in zip(peak[1:], first, strict=True)]
            self.spots[0].setText(", ".join(f"{each:.6g}" for each in at))
            self.angles[0].setText(", ".join(f"{each:.6g}" for each in geometry.detector_angles_deg))

    def _on_typed(self) -> None:
        self._say(None)
        self.typed.emit()

    def run(self) -> None:
        """Do the test and say what it found."""
        try:
            self._say(self._tested())
        except InputError as error:
            self._say(None)
            self.answer.say(str(error), error=True)

    def _tested(self) -> Verdict:
        geometry = self._geometry
        if geometry is None:
            raise InputError(
                "The arm test needs the beamline's circles and the pixel size: complete the geometry above."
            )
        if geometry.direct_beam_pixel is None:
            raise InputError("The arm test needs the direct beam's pixel: give it in the geometry above.")
        spots = [_numbers(line, 2, "A spot is a row and a column, such as 100, 128.5") for line in self.spots]
        count = len(geometry.detector_circles)
        what = f"The arm has {count} angles here, outermost circle first"
        angles = [_numbers(line, count, what) for line in self.angles]
        first, second = (((spot[0], spot[1]), at) for spot, at in zip(spots, angles, strict=True))
        return arm_test(geometry, first, second, (1, 1, 1))

    def _say(self, verdict: Verdict | None) -> None:
        self._verdict = verdict
        geometry = self._geometry
        self.sum_up(gists.tested(verdict, stated=not differs(verdict)))
        if verdict is None or geometry is None:
            self.answer.say("")
            self.mount.hide()
            return
        beam = ", ".join(f"{each:.6g}" for each in geometry.direct_beam_pixel or ())
        sizes = " × ".join(f"{each:g}" for each in geometry.pixel_size_um)
        lines = [
            f"The arm test says: {verdict.sentence}",
            *mounting_lines(verdict),
            f"Spots and angles as above; direct beam {beam} and pixels of {sizes} µm from the geometry.",
        ]
        self.answer.say("\n".join(lines))
        self.mount.setVisible(differs(verdict) or (verdict.decisive and verdict.distance_m is not None))


def _numbers(line: QLineEdit, count: int, what: str) -> list[float]:
    try:
        found = [float(part) for part in line.text().replace(",", " ").split()]
    except ValueError:
        found = []
    if len(found) != count:
        raise InputError(f"{what}; not '{line.text()}'.")
    return found

"""How detector and sample stood, as a form that a person can fill in."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLineEdit, QWidget

from ..geometry import BEAMLINES, Axis, Geometry, direction, find_beamline, said
from ..scan import InputError
from .parts import caption, form

_AS_STORED = "as stored in the file"
_TEXTS = {
    "energy_kev": ("Energy (keV)", "Photon energy in keV.", "8.0"),
    "distance_m": ("Distance (m)", "Sample to detector, in m.", "0.5"),
    "pixel_size_um": ("Pixel size (µm)", "Along rows and columns of the stored frames, in µm; one number if square.", "55"),
    "rocking_step_deg": ("Rocking step (°)", "Angle from frame to frame, in degrees; its sign counts.", "0.01"),
    "sample_angles_deg": ("Sample angles (°)", "Of the middle frame, outermost circle first, in degrees.", ""),
    "detector_angles_deg": ("Detector angles (°)", "Outermost circle first, in degrees.", ""),
    "direct_beam_pixel": ("Direct beam (pixel)", "Row, column where it falls with the arm at zero; empty: the centre.", "centre"),
}  # fmt: skip
_NEEDED = tuple(name for name in _TEXTS if name != "direct_beam_pixel")
_CIRCLES = {"sample_angles_deg": "sample_circles", "detector_angles_deg": "detector_circles"}
_CONVENTIONS = (
    "sample_circles", "detector_circles", "pixel_directions", "sample_offsets_deg", "detector_offsets_deg", "beamline", "detector"
)  # fmt: skip
"""What choosing a beamline says of a `Geometry`."""


_DIRECTIONS = "Which way rows and columns run with the arm at zero: x+ outboard, y+ up. A wrong one mirrors the crystal."


class Incomplete(InputError):
    """Fields of a geometry are missing."""


class GeometryForm(QWidget):
    """Edits a `Geometry`; an empty form means that none is known."""

    typed = Signal()
    """A line is being edited."""
    entered = Signal()
    """A line was left or Enter pressed in it, or something was chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.given: Geometry | None = None
        self._known: dict[str, Any] = {}
        self._match = ""
        self._as_given: list[str] = []
        self.beamline = QComboBox()
        self.beamline.addItems(list(BEAMLINES))
        self.beamline.setToolTip("Names and senses of the circles and of the detector's axes.")
        self.rocking = QComboBox()
        self.rocking.setToolTip("The circle that was scanned.")
        self.lines = {name: QLineEdit() for name in _TEXTS}
        self.directions = QLineEdit()
        self.directions.textEdited.connect(lambda _: self.typed.emit())
        self.directions.editingFinished.connect(self.entered)
        layout = form(self)
        layout.addRow("Beamline", self.beamline)
        layout.addRow(caption("Rows, columns", _DIRECTIONS), self.directions)
        for name, (label, tip, placeholder) in _TEXTS.items():
            line = self.lines[name]
            line.setToolTip(tip)
            line.setPlaceholderText(placeholder)
            line.textEdited.connect(lambda _: self.typed.emit())
            line.editingFinished.connect(self.entered)
            layout.addRow(caption(label, tip), line)
            if name == "rocking_step_deg":
                layout.addRow("Rocking circle", self.rocking)
        self.beamline.currentTextChanged.connect(self._name_circles)
        self.beamline.activated.connect(lambda _: self.entered.emit())
        self.rocking.activated.connect(lambda _: self.entered.emit())
        self._name_circles()
        self.show_geometry(None, {})

    @property
    def edited(self) -> bool:
        """Whether the form says something else than it was given."""
        return self._state() != self._as_given

    def _state(self) -> list[str]:
        choices = (self.beamline.currentText(), self.rocking.currentText())
        lines = (self.directions, *self.lines.values())
        return [*choices, *(line.text().strip() for line in lines)]

    def clear(self) -> None:
        """Empty all lines."""
        for line in self.lines.values():
            line.clear()

    def revert(self) -> None:
        """Say again what was given."""
        self.show_geometry(self.given, self._known)

    def show_geometry(self, geometry: Geometry | None, known: dict[str, Any]) -> None:
        """Fill the form from `geometry`, or from what is `known` of one (its fields by name)."""
        self.given, self._known = geometry, known
        values = known if geometry is None else vars(geometry)
        for name, line in self.lines.items():
            line.setText(_text(name, values.get(name)))
        stored = self.beamline.findText(_AS_STORED)
        if stored >= 0:
            self.beamline.removeItem(stored)
        if geometry is not None:
            match = next((name for name in BEAMLINES if _fits(name, geometry)), None)
            if match is None:
                self.beamline.addItem(match := _AS_STORED)
            self._match = match
            self.beamline.setCurrentText(match)
            self._name_circles()
            self.directions.setText(_said(geometry.pixel_directions))
            self.rocking.setCurrentIndex(geometry.rocking_circle)
        self._as_given = self._state()

    def read_geometry(self) -> Geometry | None:
        """Return what the form says; None if it is empty.

        Raises
        ------
        Incomplete
            If fields are missing: it names them all.
        InputError
            If a field is not what it should be.
        """
        values: dict[str, Any] = {name: _numbers(name, line.text()) for name, line in self.lines.items()}
        if not any(values.values()):
            return None
        conventions = self._chosen()
        if (text := self.directions.text().strip()) != _said(conventions["pixel_directions"]):
            conventions["pixel_directions"] = _directions(text)
        missing = [
            _TEXTS[name][0]
            for name in _NEEDED
            if not values[name] and conventions.get(_CIRCLES.get(name, ""), "some") != ()
        ]
        if missing:
            *others, last = missing
            named = f"{', '.join(others)} and {last}" if others else last
            raise Incomplete(f"The geometry lacks {named}; complete it, or clear it to work without.")
        for name in ("energy_kev", "distance_m", "rocking_step_deg"):
            values[name] = _exactly(name, values[name], 1)[0]
        pixel = values["pixel_size_um"]
        values["pixel_size_um"] = pixel * 2 if len(pixel) == 1 else _exactly("pixel_size_um", pixel, 2)
        beam = values["direct_beam_pixel"]
        values["direct_beam_pixel"] = _exactly("direct_beam_pixel", beam, 2) if beam else None
        values["detector_angles_deg"] = _exactly(
            "detector_angles_deg", values["detector_angles_deg"], len(conventions["detector_circles"])
        )
        values["sample_angles_deg"] = _exactly(
            "sample_angles_deg", values["sample_angles_deg"], len(conventions["sample_circles"])
        )
        if min(values["energy_kev"], values["distance_m"], *values["pixel_size_um"]) <= 0:
            raise InputError("Energy, distance and pixel sizes must be greater than zero.")
        if values["rocking_step_deg"] == 0:
            raise InputError("The rocking step must not be zero.")
        if self.given is not None:  # lines show fewer digits than a file may give
            for name, line in self.lines.items():
                if line.text() == _text(name, given := getattr(self.given, name)):
                    values[name] = given
        values |= {**conventions, "rocking_circle": max(0, self.rocking.currentIndex())}
        if self.given is None:
            return Geometry(**values)
        if values["rocking_step_deg"] != self.given.rocking_step_deg:
            values["rocking_angles_deg"] = None
        return replace(self.given, **values)  # with what has no line here

    def _chosen(self) -> dict[str, Any]:
        name = self.beamline.currentText()
        known = _conventions(name) if name in BEAMLINES else {}
        if self.given is not None and name == self._match:
            known = {key: getattr(self.given, key) for key in _CONVENTIONS}
        return known

    def _name_circles(self) -> None:
        preset = BEAMLINES.get(self.beamline.currentText())
        sample = preset["sample_names"] if preset else self._chosen()["sample_circles"]
        detector = preset["detector_names"] if preset else self._chosen()["detector_circles"]
        disputed = find_beamline(self.beamline.currentText()).detector().disputed if preset else ""
        self.directions.setToolTip(_DIRECTIONS + (f" Sources disagree on {disputed}." if disputed else ""))
        self.directions.setText(_said(self._chosen()["pixel_directions"]))
        self.rocking.clear()
        self.rocking.addItems([said(name) for name in sample])
        self.rocking.setCurrentIndex(preset["rocking_circle"] if preset else 0)
        self.lines["sample_angles_deg"].setPlaceholderText(", ".join(map(said, sample)))
        self.lines["detector_angles_deg"].setPlaceholderText(", ".join(map(said, detector)))


def _said(directions: tuple[Axis, Axis]) -> str:
    return ", ".join(map(said, directions))


def _directions(text: str) -> tuple[Axis, Axis]:
    """Return what a person typed for rows and columns."""
    names = text.replace(",", " ").split()
    if len(names) != 2:
        raise InputError(f"Rows, columns: '{text}' are not two directions; write for example y-, x+.")
    down, right = map(direction, names)
    if abs(down @ right) > 0:
        raise InputError(f"Rows, columns: '{text}' run along one line; write for example y-, x+.")
    return names[0], names[1]


def _conventions(beamline: str) -> dict[str, Any]:
    return {key: BEAMLINES[beamline].get(key) for key in _CONVENTIONS}


def _fits(beamline: str, geometry: Geometry) -> bool:
    """Whether a geometry is one of this beamline's: it says so, or its circles and its detector's directions are the same."""
    told = geometry.beamline in BEAMLINES
    if told and geometry.beamline != beamline:
        return False
    same = (
        _CONVENTIONS[:2] if told else _CONVENTIONS[:3]
    )  # detectors of one beamline may be mounted in different ways
    return all(_conventions(beamline)[key] == getattr(geometry, key) for key in same)


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    values = list(value) if isinstance(value, tuple | list) else [value]
    if name == "pixel_size_um" and values[:1] == values[1:]:
        values = values[:1]
    return ", ".join(f"{each:.9g}" for each in values)


def _numbers(name: str, text: str) -> tuple[float, ...]:
    numbers = []
    for part in text.replace(",", " ").replace(";", " ").split():
        try:
            numbers.append(float(part))
        except ValueError:
            numbers.append(math.nan)
        if not math.isfinite(numbers[-1]):
            example = {"direct_beam_pixel": "100, 128.5"}.get(name) or _TEXTS[name][2] or "0, 12.5"
            raise InputError(f"{_TEXTS[name][0]}: '{text}' is no number; write for example {example}.")
    return tuple(numbers)


def _exactly(name: str, values: tuple[float, ...], count: int) -> tuple[float, ...]:
    if len(values) != count:
        plural = "one number" if count == 1 else f"{count} numbers"
        raise InputError(f"{_TEXTS[name][0]} needs {plural}, not {len(values)}.")
    return values

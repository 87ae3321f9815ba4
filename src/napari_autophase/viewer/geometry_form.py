"""How detector and sample stood, as a form that a person can fill in."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLineEdit, QWidget

from ..scan import BEAMLINES, Geometry, InputError
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
        self._as_given: list[str] = []
        self.beamline = QComboBox()
        self.beamline.addItems(list(BEAMLINES))
        self.beamline.setToolTip("Names and senses of the circles and of the detector's axes.")
        self.rocking = QComboBox()
        self.rocking.setToolTip("The circle that was scanned.")
        self.lines = {name: QLineEdit() for name in _TEXTS}
        layout = form(self)
        layout.addRow("Beamline", self.beamline)
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
        return [*choices, *(line.text().strip() for line in self.lines.values())]

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
            match = next(
                (name for name in BEAMLINES if _conventions(name).items() <= vars(geometry).items()), None
            )
            if match is None:
                self.beamline.addItem(match := _AS_STORED)
            self.beamline.setCurrentText(match)
            self._name_circles()
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
        missing = [_TEXTS[name][0] for name in _NEEDED if not values[name]]
        if missing:
            *others, last = missing
            named = f"{', '.join(others)} and {last} are" if others else f"{last} is"
            raise Incomplete(
                f"Geometry: {named} missing; fill in what is, or clear all to work without geometry."
            )
        for name in ("energy_kev", "distance_m", "rocking_step_deg"):
            values[name] = _exactly(name, values[name], 1)[0]
        pixel = values["pixel_size_um"]
        values["pixel_size_um"] = pixel * 2 if len(pixel) == 1 else _exactly("pixel_size_um", pixel, 2)
        beam = values["direct_beam_pixel"]
        values["direct_beam_pixel"] = _exactly("direct_beam_pixel", beam, 2) if beam else None
        conventions = self._chosen()
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
        reflection = self.given.reflection if self.given is not None else None
        return Geometry(
            **values, **conventions, rocking_circle=max(0, self.rocking.currentIndex()), reflection=reflection
        )

    def _chosen(self) -> dict[str, Any]:
        name = self.beamline.currentText()
        if name == _AS_STORED and self.given is not None:
            keys = ("sample_circles", "detector_circles", "pixel_directions")
            return {key: getattr(self.given, key) for key in keys}
        return _conventions(name)

    def _name_circles(self) -> None:
        preset = BEAMLINES.get(self.beamline.currentText())
        sample = preset["sample_names"] if preset else self._chosen()["sample_circles"]
        detector = preset["detector_names"] if preset else self._chosen()["detector_circles"]
        self.rocking.clear()
        self.rocking.addItems([str(name) for name in sample])
        self.rocking.setCurrentIndex(preset["rocking_circle"] if preset else 0)
        self.lines["sample_angles_deg"].setPlaceholderText(", ".join(sample))
        self.lines["detector_angles_deg"].setPlaceholderText(", ".join(detector))


def _conventions(beamline: str) -> dict[str, Any]:
    keys = ("sample_circles", "detector_circles", "pixel_directions")
    return {key: BEAMLINES[beamline][key] for key in keys}


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

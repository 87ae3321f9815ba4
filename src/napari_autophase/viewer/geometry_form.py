"""How detector and sample stood, as a form that a person can fill in."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLineEdit, QWidget

from ..geometry import BEAMLINES, Geometry
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
_NEEDED = ("energy_kev", "distance_m", "pixel_size_um", "rocking_step_deg", "detector_angles_deg")


class GeometryForm(QWidget):
    """Edits a `Geometry`; an empty form means that none is known."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._given: Geometry | None = None
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
            line.textEdited.connect(lambda _: self.edited.emit())
            layout.addRow(caption(label, tip), line)
            if name == "rocking_step_deg":
                layout.addRow("Rocking circle", self.rocking)
        self.beamline.currentTextChanged.connect(self._name_circles)
        self.beamline.activated.connect(lambda _: self.edited.emit())
        self.rocking.activated.connect(lambda _: self.edited.emit())
        self._name_circles()

    def show_geometry(self, geometry: Geometry | None, known: dict[str, Any]) -> None:
        """Fill the form from `geometry`, or from what is `known` of one (its fields by name)."""
        self._given = geometry
        values = known if geometry is None else vars(geometry)
        for name, line in self.lines.items():
            value = values.get(name)
            if name == "pixel_size_um" and value and value[0] == value[1]:
                value = value[0]
            line.setText(_text(value))
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

    def read_geometry(self) -> Geometry | None:
        """Return what the form says; None if it is empty.

        Raises
        ------
        InputError
            If a field is missing or is not a number.
        """
        values: dict[str, Any] = {name: _numbers(name, line.text()) for name, line in self.lines.items()}
        if not any(values[name] for name in _NEEDED):
            return None
        for name in _NEEDED:
            if not values[name]:
                raise InputError(
                    f"{_TEXTS[name][0]} is missing: fill it in, or clear the form to work without geometry."
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
        sample = values["sample_angles_deg"] or (0.0,) * len(conventions["sample_circles"])
        values["sample_angles_deg"] = _exactly(
            "sample_angles_deg", sample, len(conventions["sample_circles"])
        )
        if min(values["energy_kev"], values["distance_m"], *values["pixel_size_um"]) <= 0:
            raise InputError("Energy, distance and pixel sizes must be greater than zero.")
        reflection = self._given.reflection if self._given is not None else None
        return Geometry(
            **values, **conventions, rocking_circle=max(0, self.rocking.currentIndex()), reflection=reflection
        )

    def _chosen(self) -> dict[str, Any]:
        name = self.beamline.currentText()
        if name == _AS_STORED and self._given is not None:
            keys = ("sample_circles", "detector_circles", "pixel_directions")
            return {key: getattr(self._given, key) for key in keys}
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


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple | list):
        return ", ".join(_text(each) for each in value)
    return f"{value:.9g}"


def _numbers(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.replace(",", " ").replace(";", " ").split())
    except ValueError:
        raise InputError(
            f"{_TEXTS[name][0]}: '{text}' is no number; write for example {_TEXTS[name][2] or '0, 12.5'}."
        ) from None


def _exactly(name: str, values: tuple[float, ...], count: int) -> tuple[float, ...]:
    if len(values) != count:
        plural = "one number" if count == 1 else f"{count} numbers"
        raise InputError(f"{_TEXTS[name][0]} needs {plural}, not {len(values)}.")
    return values

"""How detector and sample stood, as a form that a person can fill in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any, cast

from magicgui.widgets import Widget, create_widget
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLineEdit, QWidget

from ...geometry import BEAMLINES, KEYS, NEEDED, Axis, Geometry, check, direction, find_beamline, said
from ...scan import InputError
from .layout import caption, form
from .narrow import Combo
from .notes import Note
from .words import GEOMETRY as NAMES

_AS_STORED = "as stored in the file"
_TOLD = {each.name: each.metadata for each in fields(Geometry)}
_LINES = (*NEEDED, "direct_beam_pixel")
"""Fields of the geometry that are numbers, in the order in which they stand."""
_TIPS = {name: text.replace("null", "empty") for name, text in KEYS.items()}
_DIRECTIONS = f"{_TIPS['pixel_directions']} A wrong one mirrors the crystal."
_ROCKING = ("rocking_step_deg", "rocking_circle", "sample_angles_deg")


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
        self._as_given: dict[str, str] = {}
        self.beamline = Combo()
        self.beamline.addItems(list(BEAMLINES))
        self.beamline.setToolTip("Names and senses of the circles and of the detector's axes.")
        self.rocking = Combo()
        self.rocking.setToolTip("The circle that was scanned.")
        self._fields = {
            name: create_widget(annotation=str, name=name) for name in ("pixel_directions", *_LINES)
        }
        lines = {name: _line(name, field) for name, field in self._fields.items()}
        self.directions = lines.pop("pixel_directions")
        self.lines = lines
        self.notes: dict[str, Note] = {}
        """Below each line what is wrong with it, as long as it is."""
        layout = form(self)
        layout.addRow("Beamline", self.beamline)
        for name, line in {"pixel_directions": self.directions, **self.lines}.items():
            note = self.notes[name] = Note()
            layout.addRow(caption(NAMES[name], line.toolTip()), line)
            layout.addRow(note)
            line.textEdited.connect(lambda _: self.typed.emit())
            line.editingFinished.connect(self.entered)
            line.textChanged.connect(partial(self._say_problem, name))
            if name == "rocking_step_deg":
                layout.addRow(NAMES["rocking_circle"], self.rocking)
        self.beamline.currentTextChanged.connect(self._name_circles)
        self.beamline.activated.connect(lambda _: self.entered.emit())
        self.rocking.activated.connect(lambda _: self.entered.emit())
        self._name_circles()
        self.show_geometry(None, {})

    def _say_problem(self, name: str, text: str) -> None:
        """Say below a line what is wrong with it."""
        try:
            if name == "pixel_directions":
                _directions(text, ("y-", "x+"))
            else:
                _numbers(name, text)
        except InputError as error:
            self.notes[name].say(str(error), error=True)
        else:
            self.notes[name].say("")

    @property
    def edited(self) -> bool:
        """Whether the form says something else than it was given."""
        return self._state() != self._as_given

    @property
    def unused(self) -> dict[str, str]:
        """What it says otherwise than it was given, by the names of its lines, and then what is chosen too."""
        state = self._state()
        other = {name for name, text in state.items() if text != self._as_given[name]}
        chosen = {"beamline", "rocking", "pixel_directions"} if other else set()
        return {name: text for name, text in state.items() if name in other | chosen}

    def type_again(self, typed: Mapping[str, str]) -> None:
        """Say what was `typed` over what is given now."""
        for name, choice in (("beamline", self.beamline), ("rocking", self.rocking)):  # which set others
            if name in typed and (index := choice.findText(typed[name])) >= 0:
                choice.setCurrentIndex(index)
        for name, line in {"pixel_directions": self.directions, **self.lines}.items():
            if name in typed:
                line.setText(typed[name])

    def _state(self) -> dict[str, str]:
        choices = {"beamline": self.beamline.currentText(), "rocking": self.rocking.currentText()}
        lines = {"pixel_directions": self.directions, **self.lines}
        return choices | {name: line.text().strip() for name, line in lines.items()}

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
            likely = sorted(BEAMLINES, key=lambda name: name != geometry.beamline)
            match = next((name for name in likely if _fits(name, geometry)), None)
            if match is None:
                self.beamline.addItem(match := _AS_STORED)
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
        circles = self._circles()
        missing = [NAMES[name] for name in NEEDED if not values[name] and circles.get(name, ("any",)) != ()]
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
        for name in circles:
            values[name] = _exactly(name, values[name], len(circles[name]))
        values["rocking_circle"] = max(0, self.rocking.currentIndex())
        geometry = self._with(values)
        check(geometry)
        return geometry

    def _with(self, values: dict[str, Any]) -> Geometry:
        """Return the geometry that has these values, and else what was given or what the beamline knows."""
        given = self.given
        if given is not None:  # lines show fewer digits than a file may give
            for name, line in self.lines.items():
                if line.text() == _text(name, was := getattr(given, name)):
                    values[name] = was
        preset = BEAMLINES.get(self.beamline.currentText())
        if given is not None and self.beamline.currentText() == self._as_given["beamline"]:
            values["pixel_directions"] = _directions(self.directions.text(), given.pixel_directions)
            evenly = any(getattr(given, name) != values[name] for name in _ROCKING)
            return replace(given, **values, rocking_angles_deg=None if evenly else given.rocking_angles_deg)
        known = {key: value for key, value in (preset or {}).items() if not key.endswith("_names")}
        values["pixel_directions"] = _directions(self.directions.text(), known["pixel_directions"])
        return Geometry(**{**known, **values}, reflection=None if given is None else given.reflection)

    def _circles(self) -> dict[str, tuple[Any, ...]]:
        """Return the names, or else the axes, of the circles whose angles are wanted, by the angles' names."""
        preset = BEAMLINES.get(self.beamline.currentText())
        if preset is not None:
            sample, detector = preset["sample_names"], preset["detector_names"]
        else:
            assert self.given is not None
            sample, detector = self.given.sample_circles, self.given.detector_circles
        return {"sample_angles_deg": sample, "detector_angles_deg": detector}

    def _name_circles(self) -> None:
        preset = BEAMLINES.get(self.beamline.currentText())
        circles = {name: list(map(said, each)) for name, each in self._circles().items()}
        disputed = find_beamline(self.beamline.currentText()).detector().disputed if preset else ""
        self.directions.setToolTip(_DIRECTIONS + (f" Sources disagree on {disputed}." if disputed else ""))
        if preset:
            self.directions.setText(_said(preset["pixel_directions"]))
        self.rocking.clear()
        self.rocking.addItems(circles["sample_angles_deg"])
        self.rocking.setCurrentIndex(preset["rocking_circle"] if preset else 0)
        for name, names in circles.items():
            self.lines[name].setPlaceholderText(", ".join(names) or "none here")
            self.lines[name].setEnabled(bool(names))


def _line(name: str, field: Widget) -> QLineEdit:
    """Return the line of a field, with what the geometry says of it."""
    about, line = _TOLD[name], cast(QLineEdit, field.native)
    line.setToolTip(_DIRECTIONS if name == "pixel_directions" else _TIPS[name])
    line.setPlaceholderText("centre" if name == "direct_beam_pixel" else about["example"])
    return line


def _said(directions: tuple[Axis, Axis]) -> str:
    return ", ".join(map(said, directions))


def _directions(text: str, known: tuple[Axis, Axis]) -> tuple[Axis, Axis]:
    """Return what a person typed for rows and columns, or what is `known` if that is what it says."""
    if text.strip() == _said(known):
        return known
    names = text.replace(",", " ").split()
    if len(names) != 2:
        raise InputError(f"Rows, columns: '{text}' are not two directions; write for example y-, x+.")
    if abs(direction(names[0]) @ direction(names[1])) > 0:
        raise InputError(f"Rows, columns: '{text}' run along one line; write for example y-, x+.")
    return names[0], names[1]


def _fits(beamline: str, geometry: Geometry) -> bool:
    """Whether a geometry has a beamline's circles, and, unless it names the beamline, its detector's mount and offsets too."""
    keys = ["sample_circles", "detector_circles"]
    if geometry.beamline != beamline:
        keys += ["pixel_directions", "sample_offsets_deg", "detector_offsets_deg"]
    return all(BEAMLINES[beamline].get(key) == getattr(geometry, key) for key in keys)


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
            example = _TOLD[name]["example"] or "0, 12.5"
            raise InputError(f"{NAMES[name]}: '{text}' is no number; write for example {example}.")
    return tuple(numbers)


def _exactly(name: str, values: tuple[float, ...], count: int) -> tuple[float, ...]:
    if len(values) != count:
        plural = "one number" if count == 1 else f"{count} numbers"
        raise InputError(f"{NAMES[name]} needs {plural}, not {len(values)}.")
    return values

"""A setting of a model as a field: magicgui makes what suits its type, with the words and bounds of the model's own description.

magicgui chooses the widget of a type, holds its value and tells of changes.  Its numbers are shown by Qt's own boxes, which lose
no digit and have a unit (`Whole`, `Real`), and what has no widget there (several numbers, or one of several types) is a line of
text (`Entry`).
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Protocol, cast

from magicgui.application import use_app
from magicgui.widgets import LineEdit, create_widget
from magicgui.widgets.bases import RangedWidget
from psygnal import SignalInstance
from pydantic.fields import FieldInfo
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox, QWidget

from ...recipe import Recipe
from ...recipe.settings import name_of, problem, takes, unit_of, zero_of
from .narrow import elide
from .weights_row import WeightsRow

_LARGEST = 2**31 - 1
"""The largest whole number that Qt's boxes hold."""
_DIGITS = 9
"""Digits behind the point, at most."""


class Field(Protocol):
    """What a setting is shown by: any of magicgui's widgets with a value."""

    value: Any
    changed: SignalInstance

    @property
    def native(self) -> QWidget:
        """Qt's widget."""


class Number(QDoubleSpinBox):
    """A number with as many digits as it has; none is lost."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(_DIGITS)

    def textFromValue(self, value: float) -> str:
        """Return the number without idle zeros."""
        text = self.locale().toString(value, "f", _DIGITS)
        return text.rstrip("0").rstrip(self.locale().decimalPoint())


def _shown_by(box: type[QWidget], usual: str) -> type:
    """Return what magicgui shows numbers by, with another box of Qt's."""
    backend = use_app("qt").get_obj(usual)
    return type(
        box.__name__, (backend,), {"__init__": lambda self, **own: super(backend, self).__init__(box, **own)}
    )


class Whole(RangedWidget[int]):
    """A whole number."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "widget_type": _shown_by(QSpinBox, "SpinBox")})


class Real(RangedWidget[float]):
    """A number with all its digits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "widget_type": _shown_by(Number, "FloatSpinBox")})


class Entry(LineEdit):
    """One value or several as text: numbers between commas, a word, or nothing.

    Parameters
    ----------
    kind
        ``numbers``, ``text``, or ``text or nothing``.
    options
        As for every widget of magicgui.
    """

    def __init__(self, kind: str = "numbers", **options: Any) -> None:
        self._kind = kind
        super().__init__(**options)

    def get_value(self) -> Any:
        """Return what the line says; what it should not say is for the model to refuse."""
        return _from_text(super().get_value().strip(), self._kind)

    def set_value(self, value: Any) -> None:
        """Write a value."""
        super().set_value(to_text(value))
        cast(QLineEdit, self.native).setCursorPosition(0)


@dataclass(eq=False)
class Setting:
    """One setting: its field, and what it is called."""

    key: str
    field: Field
    label: str
    tip: str

    @property
    def widget(self) -> Any:
        """Qt's widget of the field."""
        return self.field.native

    @property
    def part(self) -> str:
        """The part of the recipe that it stands in."""
        return self.key.rpartition(".")[0]

    @property
    def problem(self) -> str:
        """What is wrong with its value; nothing: it is good."""
        found = problem(Recipe, self.key, self.value).replace("null", "nothing")
        return found and f"{found[0].upper()}{found[1:]}."

    @property
    def value(self) -> Any:
        """What the field says."""
        return self.field.value

    @value.setter
    def value(self, value: Any) -> None:
        box = self.widget
        if (
            isinstance(box, QComboBox) and box.findData(value) < 0
        ):  # not offered, such as another computer's device
            box.addItem(str(value), value)
        self.field.value = value

    def settle(self) -> None:
        """Let the field show what its value is, where it is left in the midst of typing."""
        if isinstance(self.widget, QSpinBox | QDoubleSpinBox):
            self.widget.interpretText()

    def on_change(self, slot: Callable[[], object]) -> None:
        """Call `slot` when the value changes."""
        self.field.changed.connect(lambda *_: slot())


def make_setting(key: str, info: FieldInfo) -> Setting:
    """Return a setting with the field that suits its type; what it does and what it takes is the tooltip."""
    field: Field = WeightsRow() if key == "guess.weights" else _field(info)
    widget = field.native
    tip = "\n".join([*wrap(info.description or key, 90), f"{key}: {takes(info)}"])
    widget.setToolTip(tip)
    if isinstance(widget, QComboBox):
        elide(widget)
    widget.setObjectName(key)
    unit, zero = unit_of(info), zero_of(info)
    if isinstance(widget, QSpinBox | QDoubleSpinBox):
        widget.setSuffix(f" {unit}" if unit else "")
        if zero and widget.minimum() == 0:
            widget.setSpecialValueText(zero)
    elif isinstance(widget, QLineEdit) and unit and widget.placeholderText():
        widget.setPlaceholderText(f"{widget.placeholderText()} ({unit})")
    return Setting(key, field, name_of(key, info), tip)


def _field(info: FieldInfo) -> Field:
    kind = info.annotation
    bounds = {
        name: value
        for item in info.metadata
        for name in ("ge", "gt", "le", "lt")
        if (value := getattr(item, name, None)) is not None
    }
    options: dict[str, Any] = {}
    shown: Any = None
    if kind is str and info.examples:
        shown, options = "ComboBox", {"choices": info.examples}
    elif kind is int and bounds.get("le", _LARGEST) <= _LARGEST:
        shown = Whole
        options = {"min": bounds.get("ge", -_LARGEST), "max": bounds.get("le", _LARGEST)}
    elif kind is float:
        least = 10.0**-_DIGITS
        shown = Real
        high = bounds.get("le", bounds.get("lt", 1e9 + least) - least)
        options = {"min": bounds.get("ge", least), "max": high, "step": 0.05}
    elif kind is not bool and typing.get_origin(kind) is not typing.Literal:
        shown, options = Entry, {"kind": _kind(kind)}
    field = cast(Field, create_widget(annotation=kind, widget_type=shown, options=options))
    if shown is Entry and type(None) in _options(kind):
        cast(QLineEdit, field.native).setPlaceholderText("none")
    return field


def _options(annotation: Any) -> tuple[Any, ...]:
    union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    return typing.get_args(annotation) if union else (annotation,)


def _kind(annotation: Any) -> str:
    options = _options(annotation)
    if str not in options:
        return "numbers"
    return "text or nothing" if type(None) in options else "text"


def _from_text(text: str, kind: str) -> Any:
    if not text and kind != "text":
        return None
    if kind != "numbers":
        return text
    try:
        numbers = [
            int(part) if part.lstrip("-").isdigit() else float(part)
            for part in text.replace(",", " ").split()
        ]
    except ValueError:
        return text  # the recipe says what is wrong with it
    return numbers[0] if len(numbers) == 1 else numbers


def to_text(value: Any) -> str:
    """Return a setting as its line shows it."""
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)

"""A widget for every setting of a recipe, made from the recipe's own description of it."""

from __future__ import annotations

import types
import typing
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from textwrap import wrap
from typing import Any, Literal

from pydantic.fields import FieldInfo
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ...recipe import Recipe
from ...recipe.settings import name_of, problem, settings, takes, unit_of, value_of, zero_of
from .layout import caption, form
from .notes import Note
from .section import Section
from .weights_row import WeightsRow

_TITLES = {
    "prepare": "Preparation",
    "model": "Light and background",
    "guess": "Start",
    "refine": "Refinement",
    "refine.shrink_wrap": "Support (shrink-wrap)",
    "analyse": "Analysis",
    "": "Computing",
}
_NO_PRESET_S = ("device", "backend", "seed", "runs", "guess.weights")
"""Settings that no preset makes."""
_LARGEST = 2**31 - 1
_DIGITS = 9


@dataclass(eq=False)
class Setting:
    """One setting: its widget, and how to read and write it."""

    key: str
    widget: QWidget
    label: str
    tip: str

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
        """What the widget says."""
        widget = self.widget
        if isinstance(widget, WeightsRow):
            return widget.value
        if isinstance(widget, QCheckBox):
            return widget.isChecked()
        if isinstance(widget, QSpinBox | QDoubleSpinBox):
            return widget.value()
        if isinstance(widget, QComboBox):
            return widget.currentData()
        return (
            _from_text(widget.text().strip(), widget.property("kind"))
            if isinstance(widget, QLineEdit)
            else None
        )

    @value.setter
    def value(self, value: Any) -> None:
        widget = self.widget
        if isinstance(widget, WeightsRow):
            widget.value = value
        elif isinstance(widget, QCheckBox):
            widget.setChecked(value)
        elif isinstance(widget, QSpinBox | QDoubleSpinBox):
            widget.setValue(value)
        elif isinstance(widget, QComboBox):
            if widget.findData(value) < 0:  # one that is not offered, such as another computer's device
                widget.addItem(str(value), value)
            widget.setCurrentIndex(widget.findData(value))
        elif isinstance(widget, QLineEdit):
            widget.setText(to_text(value))
            widget.setCursorPosition(0)

    def settle(self) -> None:
        """Let the widget show what its value is, where it is left in the midst of typing."""
        if isinstance(self.widget, QSpinBox | QDoubleSpinBox):
            self.widget.interpretText()

    def on_change(self, slot: Callable[[], object]) -> None:
        """Call `slot` when the value changes."""
        widget = self.widget
        if isinstance(widget, WeightsRow):
            widget.file.line.textChanged.connect(slot)
        elif isinstance(widget, QCheckBox):
            widget.toggled.connect(slot)
        elif isinstance(widget, QSpinBox | QDoubleSpinBox):
            widget.valueChanged.connect(slot)
        elif isinstance(widget, QComboBox):
            widget.currentIndexChanged.connect(slot)
        elif isinstance(widget, QLineEdit):
            widget.textChanged.connect(slot)


class Number(QDoubleSpinBox):
    """A number with as many digits as it has; none is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.setDecimals(_DIGITS)

    def textFromValue(self, value: float) -> str:
        """Return the number without idle zeros."""
        text = self.locale().toString(value, "f", _DIGITS)
        return text.rstrip("0").rstrip(self.locale().decimalPoint())


class RecipeForm(QWidget):
    """Every setting but those in `elsewhere`, which another widget shows, folded away by the parts of the recipe.

    Parameters
    ----------
    elsewhere
        Dotted names of settings that are left out.
    """

    def __init__(self, elsewhere: tuple[str, ...]) -> None:
        super().__init__()
        self.settings: dict[str, Setting] = {}
        self.parts: dict[str, Section] = {part: Section(title) for part, title in _TITLES.items()}
        rows = {part: form(section.body) for part, section in self.parts.items()}
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 0, 0, 0)
        column.setSpacing(2)
        for section in self.parts.values():
            column.addWidget(section)
        captions: list[QLabel] = []
        for key, info in settings(Recipe):
            if key in elsewhere:
                continue
            setting = self.settings[key] = make_setting(key, info)
            captions.append(caption(setting.label, setting.tip))
            rows[setting.part].addRow(captions[-1], setting.widget)
            if isinstance(setting.widget, QLineEdit):  # others take nothing that is out of range
                note = Note()
                note.setObjectName(f"{key} problem")
                rows[setting.part].addRow(note)
                setting.on_change(partial(_say_problem, setting, note))
        stops: list[QWidget] = []
        for part, section in self.parts.items():
            stops += [section.head, *(each.widget for each in self.settings.values() if each.part == part)]
        for before, after in pairwise(stops):  # Tab goes through them as they stand, not as they were made
            self.setTabOrder(before, after)
        widest = max(each.sizeHint().width() for each in captions)
        for each in captions:  # the fields of all parts begin in one line
            each.setMinimumWidth(widest)

    def mark(self, changed: Iterable[Setting]) -> None:
        """Say above each part how many of its settings are not as their preset makes them."""
        counts = Counter(setting.part for setting in changed if setting.key in self.settings)
        for part, section in self.parts.items():
            section.name(_TITLES[part] + (f" · {counts[part]} changed" if counts[part] else ""))

    def show_recipe(self, recipe: Recipe, parts: tuple[str, ...] = ("",)) -> None:
        """Show the settings of `recipe` whose names begin with one of `parts`."""
        for key, setting in self.settings.items():
            if key.startswith(parts):
                setting.value = value_of(recipe, key)

    def values(self) -> dict[str, Any]:
        """Return all settings shown here by their dotted names."""
        return {key: setting.value for key, setting in self.settings.items()}


def changed(recipe: Recipe, shown: Iterable[Setting]) -> list[Setting]:
    """Return those of the settings that are shown which are not as the recipe's preset makes them."""
    preset = Recipe.from_preset(recipe.preset)
    return [
        each
        for each in shown
        if each.key not in _NO_PRESET_S and value_of(recipe, each.key) != value_of(preset, each.key)
    ]


def in_words(recipe: Recipe, setting: Setting) -> str:
    """Return a setting with its value, as a person says it."""
    label = setting.label if setting.label[:2].isupper() else setting.label[0].lower() + setting.label[1:]
    return f"{label} {to_text(value_of(recipe, setting.key)) or 'none'}"


def make_setting(key: str, info: FieldInfo) -> Setting:
    """Return the widget that suits the kind of a setting, with what it does and what it takes as the tooltip."""
    widget = WeightsRow() if key == "guess.weights" else _widget(info)
    tip = "\n".join([*wrap(info.description or key, 90), f"{key}: {takes(info)}"])
    widget.setToolTip(tip)
    widget.setObjectName(key)
    unit, zero = unit_of(info), zero_of(info)
    if isinstance(widget, QSpinBox | QDoubleSpinBox):
        widget.setSuffix(f" {unit}" if unit else "")
        if zero and widget.minimum() == 0:
            widget.setSpecialValueText(zero)
    elif isinstance(widget, QLineEdit) and unit and widget.placeholderText():
        widget.setPlaceholderText(f"{widget.placeholderText()} ({unit})")
    return Setting(key, widget, name_of(key, info), tip)


def _say_problem(setting: Setting, note: Note, *_: object) -> None:
    note.say(setting.problem, error=True)


def _widget(info: FieldInfo) -> QWidget:
    kind = info.annotation
    bounds = {
        name: value
        for item in info.metadata
        for name in ("ge", "gt", "le", "lt")
        if (value := getattr(item, name, None)) is not None
    }
    if kind is bool:
        return QCheckBox()
    choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else info.examples
    if choices:
        combo = QComboBox()
        for choice in choices:
            combo.addItem(str(choice), choice)
        return combo
    if kind is int and bounds.get("le", _LARGEST) <= _LARGEST:
        whole = QSpinBox()
        whole.setRange(int(bounds.get("ge", -_LARGEST)), int(bounds.get("le", _LARGEST)))
        return whole
    if kind is float:
        number = Number()
        number.setSingleStep(0.05)
        least = 10.0**-_DIGITS
        number.setRange(bounds.get("ge", least), bounds.get("le", bounds.get("lt", 1e9 + least) - least))
        return number
    line = QLineEdit()
    line.setProperty("kind", _kind(kind))
    if type(None) in _options(kind):
        line.setPlaceholderText("none")
    return line


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

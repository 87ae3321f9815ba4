"""A field for every setting of a recipe, made by magicgui from the recipe's own description of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from typing import Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QLabel, QLineEdit, QVBoxLayout, QWidget

from ...recipe import Recipe
from ...recipe.settings import settings, value_of
from ..model.words import gists
from .layout import caption, form
from .notes import Note
from .section import Section
from .setting import Setting, make_setting, to_text

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
        self.captions = captions = list[QLabel]()
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

    def event(self, event: QEvent | None) -> bool:
        """Let the fields of all parts begin in one line, in whatever letters their captions are written."""
        done = super().event(event)
        if event is not None and event.type() in (
            QEvent.Type.Polish,
            QEvent.Type.StyleChange,
            QEvent.Type.FontChange,
        ):
            widest = max(each.sizeHint().width() for each in self.captions)
            for each in self.captions:
                each.setMinimumWidth(widest)
        return done

    def mark(self, recipe: Recipe | None, changed: Iterable[Setting]) -> None:
        """Say beside each part which of its settings are not as their preset makes them; without a recipe, which there are."""
        others = [setting for setting in changed if setting.key in self.settings]
        for part, section in self.parts.items():
            labels = [setting.label for setting in self.settings.values() if setting.part == part]
            said = [in_words(recipe, each) for each in others if recipe is not None and each.part == part]
            section.sum_up(gists.part(labels, said))

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
    value = value_of(recipe, setting.key)
    said = ("off", "on")[value] if isinstance(value, bool) else to_text(value)
    return f"{label} {said or 'none'}"


def _say_problem(setting: Setting, note: Note, *_: object) -> None:
    note.say(setting.problem, error=True)

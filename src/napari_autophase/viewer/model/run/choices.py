"""What the Reconstruct panel says, as plain values by the names of the settings: other panels read it, and may change it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....recipe import Preparation, Recipe
from ....recipe.settings import settings, value_of
from ....scan import InputError

_ELSEWHERE = ("version", "preset")


def recipe_of(choices: Mapping[str, Any]) -> Recipe:
    """Return the recipe that is said; where nothing is said, the usual one.

    Raises
    ------
    InputError
        If a setting is out of range.
    """
    said = {name: value for name, value in choices.items() if name not in ("preset", "replace")}
    return Recipe.from_preset(choices.get("preset", "fast")).with_settings(said)


def preparation_of(choices: Mapping[str, Any]) -> Preparation | None:
    """Return the preparation that is said; None: in the midst of typing it is none."""
    said = {name: value for name, value in choices.items() if name.startswith("prepare.")}
    try:
        return Recipe().with_settings(said).prepare
    except InputError:
        return None


def choices_of(recipe: Recipe, preset: str, replace: bool) -> dict[str, Any]:
    """Return a recipe as choices: what a panel that is opened later shows.

    Parameters
    ----------
    recipe, preset
        The recipe, and the preset that it is said to be.
    replace
        Whether a new result takes the place of the last.
    """
    values = {key: value_of(recipe, key) for key, _ in settings(Recipe) if key not in _ELSEWHERE}
    return {"preset": preset, "replace": replace, **values}

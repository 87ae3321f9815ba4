"""What panels call what the command line has options for: sentences that name an option name the field instead."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache

from ...recipe import Recipe
from ...recipe.settings import name_of, settings
from ...scan import Geometry

READING = {
    "mask": "Mask",
    "mask_good": "In the mask",
    "crop": "Crop",
    "dark": "Dark field",
    "white": "White field",
    "roi": "Region",
    "values": "Numbers",
    "axes": "Axes",
    "spec": "Motors",
}
"""Captions of what is said of a file, by the word of `Scan.corrections`."""
GEOMETRY = {
    each.name: f"{each.metadata['title']} ({each.metadata['unit']})"
    if each.metadata["unit"]
    else each.metadata["title"]
    for each in fields(Geometry)
    if each.metadata
}
"""Captions of the geometry, by its field."""
_OPTIONS = {name.replace("_", "-"): text for name, text in READING.items()}
_OPTIONS |= {"dataset": "Dataset", "beamline": "Beamline", "preset": "Preset", "geometry": "its geometry"}
_OPTIONS |= {"conjugate": "“The phase is +Q·u”"}
_VALUE = r"(?= (?:auto|counts|amplitudes|scaled|[A-Z]{3,}|\d+(?:,\d+)*))"
"""What follows an option as a value to be said, not as the rest of the sentence."""


def in_window(text: str) -> str:
    """Return a sentence in which captions of the window stand for options of the command line, and for settings."""
    text = re.sub(r"--set geometry\.(\w+)(=\S*[\w…])?", lambda found: GEOMETRY.get(found[1], found[0]), text)
    text = re.sub(r"--recipe\b", "Load recipe…", text)
    for name in sorted(_OPTIONS, key=len, reverse=True):
        text = re.sub(rf"--{name}\b(?!-){_VALUE}", f"{_OPTIONS[name]}:", text)
        text = re.sub(rf"--{name}\b(?!-)", _OPTIONS[name], text)
    text = re.sub(r"--set(?! \w)", "the fields below", text)
    return re.sub(r"(?:--set )?\b((?:\w+\.)+\w+)(?:=(true|false)?)?", _setting, text)


def _setting(found: re.Match[str]) -> str:
    """Return what a setting of the recipe is called, with its value if one is said; a file's name stays."""
    name, value = _settings().get(found[1]), {"true": "on", "false": "off"}.get(found[2], "")
    return found[0] if name is None else f"{name} {value}" if "=" in found[0] else name


@cache
def _settings() -> dict[str, str]:
    return {key: name_of(key, info) for key, info in settings(Recipe) if "." in key}

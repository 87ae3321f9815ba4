"""Modules above the nouns, for what a person asks of a noun in a notebook: a picture, a plot, a file.

A noun imports none of them; one is loaded when it is first asked.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def on_demand(name: str) -> ModuleType:
    """Return a module of this package, such as ``analysis``."""
    return import_module(f".{name}", __package__)

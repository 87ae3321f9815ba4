"""Modules that are loaded when they are first asked for.

Some stand above the nouns, for what a person asks of one in a notebook: a picture, a plot, a file; no noun imports them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def on_demand(name: str) -> ModuleType:
    """Return a module of this package, such as ``analysis``."""
    return import_module(f".{name}", __package__)


def fetched(package: str, homes: Mapping[str, str], name: str) -> Any:
    """Return what a package calls `name`, and keep it there: for the package's ``__getattr__``.

    Parameters
    ----------
    package
        The package's own name.
    homes
        Its public names, each with the module of the package that it stands in.
    name
        What is asked for.

    Raises
    ------
    AttributeError
        If it has no such name.
    """
    home = homes.get(name)
    if home is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    found = getattr(import_module(f".{home}", package), name)
    setattr(sys.modules[package], name, found)
    return found

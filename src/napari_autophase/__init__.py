"""Bragg coherent diffraction imaging in napari.

Importing this package loads neither torch nor Qt; the names below are fetched when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Scan": "scan",
    "Geometry": "scan",
    "InputError": "scan",
    "Recipe": "recipe",
    "Progress": "reconstruction",
    "Reconstruction": "reconstruction",
    "run": "reconstruct",
    "read": "formats",
    "write": "formats",
}
__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata  # costs more than all the rest of this module

        return metadata.version("napari-autophase")
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

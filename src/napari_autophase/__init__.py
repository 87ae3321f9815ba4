"""Bragg coherent diffraction imaging in napari.

Importing this package loads neither torch nor Qt; the names below are fetched when they are first used.
"""

from __future__ import annotations

import os as _os
from importlib import import_module as _import_module
from typing import Any as _Any

if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & _os.environ.keys():
    # torch's threads wait for each other by turning in a loop, 300,000 times on most computers. Where another program has one of
    # the cores that is most of what they do; where none has, so many are enough. Read when torch is loaded.
    _os.environ["GOMP_SPINCOUNT"] = "2000"

_HOME = {
    "Scan": "scan",
    "Geometry": "scan",
    "InputError": "scan",
    "Recipe": "recipe",
    "Progress": "reconstruction",
    "Reconstruction": "reconstruction",
    "run": "reconstruct",
    "read": "formats",
    "write": "export",
    "sample_path": "samples",
}
__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> _Any:
    if name == "__version__":
        from .version import VERSION

        return VERSION
    if name in _HOME:
        return getattr(_import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

"""The command line: each command is a few lines around the functions that the window uses too.

Importing this room loads none of them; `process` says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .process import program

if TYPE_CHECKING:
    from .commands import app, main

__all__ = ["app", "main", "program"]


def __getattr__(name: str) -> Any:
    if name in ("app", "main"):
        from . import commands

        return getattr(commands, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

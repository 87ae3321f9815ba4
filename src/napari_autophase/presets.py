"""The names of the presets, known before a recipe is: the help of the command line needs no more."""

from __future__ import annotations

from typing import Literal

Preset = Literal["network", "fast", "iterative", "best"]
PRESETS: tuple[Preset, ...] = ("network", "fast", "iterative", "best")
"""All of them, the quickest first."""

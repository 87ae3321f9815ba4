"""Every choice of a reconstruction, one JSON document: its settings, the language of its algorithm, its schemas."""

from ..presets import PRESETS, Preset
from .algorithm import parse, unparse
from .parts import Analysis, ForwardModel, Guess, Preparation, Refinement, ShrinkWrap, Window
from .plans import FINISH, GENTLE, ITERATIVE, POLISH, PRELUDE, SEARCH, finish
from .recipe import Recipe

__all__ = [
    "FINISH",
    "GENTLE",
    "ITERATIVE",
    "POLISH",
    "PRELUDE",
    "PRESETS",
    "SEARCH",
    "Analysis",
    "ForwardModel",
    "Guess",
    "Preparation",
    "Preset",
    "Recipe",
    "Refinement",
    "ShrinkWrap",
    "Window",
    "finish",
    "parse",
    "unparse",
]

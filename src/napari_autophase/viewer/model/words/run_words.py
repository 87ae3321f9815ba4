"""What the window says of a run: its presets, states and stages, its figures, and how long it takes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from ....evidence import MEANINGS, percent
from ....reconstruction import Reconstruction

EXPLANATIONS = {
    "network": "The network's guess alone: a first look.",
    "fast": "The network's guess, polished in its own window, then 140 iterations on the scan's grid: for most crystals.",
    "iterative": "620 iterations of error reduction and hybrid input-output from a random start, more in partly coherent "
    "light; no network: to compare with other programs.",
    "best": "Many starts within the shapes the network sees, phased in generations; held-out pixels choose: for strong strain, "
    "and where fast is not sure. It takes the longest.",
}
STATES = {"running": "Starting", "cancelling": "Cancelling", "done": "Done", "failed": "Failed"}
STAGES = {
    "prepare": "Preparing the scan",
    "guess": "Finding a start",
    "refine": "Refining",
    "analyse": "Analysing",
}
"""What each stage is called."""
QUALITY = {
    "chi2": "χ²",
    "free_chi2": "χ² of held-out pixels",
    "free_llk": "held-out likelihood",
    "confidence": "confidence",
}
"""What the figures of quality are called that people look at."""
BAR = 1000
"""Steps of a bar that is full."""
_UNIT = "1/nm|nm|µm|mm|cm|m|Å|keV|eV|°|rad|mrad|min|s|ms|h|[kKMGT]i?B|%|counts|iterations|voxels?|pixels?"
_APART = re.compile(
    rf"(?<=\d) (?=(?:{_UNIT})(?![\w/]))|(?<=[±≥≤≈<>=]) (?=[\d−+-])|(?<=\bconfidence) (?=\d)|(?<=χ²) (?=\d)|(?<=likelihood) (?=\d)"
)
"""Spaces between a number and what is said of it."""
DEVICES = {"auto": "automatic", "cpu": "CPU", "cuda": "GPU (CUDA)", "mps": "GPU (Apple)"}


def together(text: str) -> str:
    """Return a text whose lines do not break between a number and its unit, its sign or the name of the figure."""
    return _APART.sub("\u00a0", text)


def quality(figures: Mapping[str, float]) -> list[str]:
    """Return the figures of quality that people look at, each with its name."""
    parts = [
        f"{QUALITY[key]} {figures[key]:.3g}"
        for key in ("chi2", "free_llk")
        if math.isfinite(figures.get(key, math.nan))
    ]
    return [*parts, f"confidence {percent(figures['confidence'])} %"] if "confidence" in figures else parts


def meanings(*names: str) -> str:
    """Return what figures say, a line each: those that `quality` gives, or others."""
    return "\n".join(
        f"{QUALITY[name]}: {MEANINGS[name]}." for name in names or ("chi2", "free_llk", "confidence")
    )


def figures(found: Reconstruction) -> str:
    """Return the figures of quality in a line."""
    return " · ".join([*quality(found.figures), f"{found.iterations} iterations"])


def duration(seconds: float) -> str:
    """Return a time as a person says it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"

"""What a person says of a result: a star and a remark, which are kept with it, and a line of all that tells it from others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ....reconstruction import Reconstruction, one_line
from ..crystal.result_data import RECONSTRUCTION
from ..words.run_words import duration
from . import saving
from .results import ResultLayers

STARS = ("☆", "★")
"""Of results that nobody has starred, and of those that somebody has."""
COLUMNS = ("Result", "Preset", "χ²", "Held-out", "Time", "Remark")
"""What a `line` says."""


def mark(result: ResultLayers, starred: bool, remark: str) -> bool:
    """Give a result a star or none, and a remark; return whether it had others."""
    found = result.reconstruction
    remark = one_line(remark)
    if (found.starred, found.remark) == (starred, remark):
        return False
    result.reconstruction = replace(found, starred=starred, remark=remark)
    saving.SAVED.change(found, result.reconstruction)
    tell(result)
    return True


def tell(result: ResultLayers) -> None:
    """Let the layers of a result know what it is now."""
    for layer in result.layers:
        layer.metadata[RECONSTRUCTION] = result.reconstruction


def carried(before: Reconstruction, now: Reconstruction) -> Reconstruction:
    """Return the same result by another geometry with what was said of it meanwhile."""
    said = {name: getattr(before, name) for name in ("starred", "remark", "called")}
    return now if all(getattr(now, name) == value for name, value in said.items()) else replace(now, **said)


@dataclass(frozen=True)
class Line:
    """A result among others: text by the names of `COLUMNS`."""

    title: str
    preset: str
    chi2: str
    held_out: str
    time: str
    remark: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The text, column by column."""
        return self.title, self.preset, self.chi2, self.held_out, self.time, self.remark

    @property
    def words(self) -> str:
        """What is known, in a sentence."""
        named = zip(COLUMNS[2:4], self.cells[2:4], strict=True)
        figures = (f"{name.lower()} {value}" for name, value in named if value != "–")
        return " · ".join(
            filter(None, (self.title, self.preset, *figures, self.time.strip("–"), self.remark))
        )


def line(title: str, found: Reconstruction) -> Line:
    """Return what tells a result from others; ``*``: settings are not as its preset has them."""
    ours = "napari-autophase" in found.versions or not found.versions
    edited = "*" if found.recipe.changes() else ""
    return Line(
        title=f"{STARS[1]} {title}" if found.starred else title,
        preset=f"{found.recipe.preset}{edited}" if ours else next(iter(found.versions)),
        chi2=_number(found.figures, "chi2"),
        held_out=_number(found.figures, "free_llk"),
        time=duration(found.seconds["total"]) if "total" in found.seconds else "–",
        remark=found.remark,
    )


def lines(results: Iterable[ResultLayers]) -> list[Line]:
    """Return the lines of results."""
    return [line(result.title, result.reconstruction) for result in results]


def _number(figures: dict[str, float], name: str) -> str:
    value = figures.get(name, math.nan)
    return f"{value:.3g}" if math.isfinite(value) else "–"

"""What a preset is for, and about how long it would take on the scan that is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from napari.layers import Layer

from ....recipe import PRESETS, Recipe
from ....scan import InputError, Scan
from .pace import Plan, rate

USUAL_S = 5e-9
"""What an iteration of one voxel takes on two cores of a processor, in seconds, before a run has told."""
PURPOSES = {
    "network": "a first look: the network's guess alone",
    "fast": "for most crystals: the guess, then 140 iterations",
    "iterative": "no network: to compare with other programs",
    "best": "for strong strain, and where fast is not sure",
}
_SIMPLE = (1, 2, 3, 5, 8, 10, 15, 20, 30, 40, 60, 90)
"""Steps in which a time is said that nobody knows better."""


def costs(
    scan: Scan | Layer | None, recipe_of: Callable[[str], Recipe], known: Mapping[str, float] | None
) -> dict[str, str]:
    """Return what is said of each preset's time; nothing where a setting is wrong, or nobody can tell.

    Parameters
    ----------
    scan, recipe_of
        What is phased, and the recipe that a preset would be.
    known
        As for `seconds`; None: nobody can tell.
    """
    if scan is None or known is None:
        return {}
    shape = scan.shape if isinstance(scan, Scan) else scan.data.shape
    try:
        return {name: roughly(seconds(shape, recipe_of(name), known)) for name in PRESETS}
    except InputError:  # which is said under the setting
        return {}


def seconds(shape: tuple[int, ...], recipe: Recipe, known: Mapping[str, float]) -> float:
    """Return about how long phasing takes.

    Parameters
    ----------
    shape
        Of the scan.
    recipe
        How it is phased.
    known
        Seconds that a unit of each phase's work took in earlier runs (see `Pace`); nothing: as usual on a processor.
    """
    work = Plan.of(shape, recipe).work
    return sum(each * (rate(phase, work, {}, known) if known else USUAL_S) for phase, each in work.items())


def roughly(seconds: float) -> str:
    """Return a time as far as it is known."""
    if seconds < 0.75:
        return "< 1 s"
    value, unit = (seconds, "s") if seconds < 75 else (seconds / 60, "min")
    if unit == "min" and value > 100:
        value, unit = value / 60, "h"
    near = min(_SIMPLE, key=lambda step: abs(step / value - value / step))
    return f"~ {near} {unit}" if value < _SIMPLE[-1] * 1.2 else f"> {_SIMPLE[-1]} {unit}"

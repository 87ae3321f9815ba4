"""What colours a crystal: each quantity's numbers, its name and unit, its map and its limits; all readable on a black canvas."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from napari.utils.colormaps import Colormap

if TYPE_CHECKING:
    from .... import analysis

ColourBy = Literal["phase", "strain", "averaged", "error", "displacement", "spacing", "tilt", "amplitude"]
Range = tuple[float, float]
COLOUR_BY: tuple[ColourBy, ...] = get_args(ColourBy)
_MAPS = {
    "spacing": "viridis",
    "tilt": "magma",
    "error": "magma",
    "amplitude": "viridis",
}
_ROUND, _NEAR = (1, 2, 4, 5, 10), 0.77
"""Where colours end that would end a little before, at this part of it: napari's bar would say 0 alone."""


class Averaged(NamedTuple):
    """What several runs say of the strain, float32 on the grid that is shown, NaN where it is unknown.

    Parameters
    ----------
    strain
        Of their mean, at the resolution at which it reproduces.
    error
        Its standard error.
    """

    strain: np.ndarray
    error: np.ndarray


def offered(quantities: analysis.Quantities, averaged: Averaged | None) -> tuple[ColourBy, ...]:
    """Return the quantities that are known of a crystal."""
    unknown: set[ColourBy] = set()
    if quantities.relative:
        unknown |= {"displacement"}
    if quantities.lattice is None:
        unknown |= {"spacing", "tilt"}
    if averaged is None:
        unknown |= {"averaged", "error"}
    return tuple(name for name in COLOUR_BY if name not in unknown)


def volume(quantity: ColourBy, quantities: analysis.Quantities, averaged: Averaged | None) -> np.ndarray:
    """Return a quantity in every voxel, float32; displacements in pm."""
    if quantity == "displacement":
        found = quantities.displacement_nm
        return np.full_like(quantities.amplitude, np.nan) if found is None else 1e3 * found
    if quantity in ("averaged", "error"):
        if averaged is None:
            return np.full_like(quantities.amplitude, np.nan)
        values = averaged.strain if quantity == "averaged" else averaged.error
        return np.where(quantities.support, values, np.float32(np.nan))
    known = {
        "phase": lambda: quantities.phase,
        "strain": lambda: quantities.strain,
        "spacing": lambda: quantities.spacing_nm,
        "tilt": lambda: quantities.tilt_deg,
        "amplitude": lambda: quantities.amplitude,
    }[quantity]()
    return np.full_like(quantities.amplitude, np.nan) if known is None else known


@lru_cache
def phase_map() -> Colormap:
    """Return the cyclic map of the phase, to be used with limits exactly (−π, π)."""
    from ....analysis.colours import phase_rgb  # brings scipy: a dock opens without

    rgb = phase_rgb()
    return Colormap(np.c_[rgb, np.ones(len(rgb))], name="autophase phase", display_name="phase (cyclic)")


@lru_cache
def signed_map() -> Colormap:
    """Return the map of what is negative or positive, to be used with symmetric limits."""
    from ....analysis.colours import signed_rgb

    rgb = signed_rgb()
    return Colormap(np.c_[rgb, np.ones(len(rgb))], name="autophase signed", display_name="blue, grey, red")


def colour_map(quantity: str) -> Colormap | str:
    """Return the map of a quantity."""
    if is_signed(quantity):
        return signed_map()
    return phase_map() if quantity == "phase" else _MAPS[quantity]


def limits(quantity: ColourBy, quantities: analysis.Quantities, averaged: Averaged | None = None) -> Range:
    """Return the colour limits of a quantity where nobody has chosen others.

    ±π, 0 to 1 for the amplitude; else from the 1st to the 99th percentile inside, symmetric where the sign counts, and then as
    far as a round value that is near.
    """
    if quantity == "phase":
        return (-np.pi, np.pi)
    if quantity == "strain":
        return _signed(quantities.strain_limit)
    if quantity == "amplitude":
        return (0.0, 1.0)
    values = volume(quantity, quantities, averaged)[quantities.box]
    values = values[np.isfinite(values)]
    if is_signed(quantity):
        limit = float(np.percentile(np.abs(values), 99)) if values.size else 0.0
        return _signed(limit or 1.0)
    low, high = (float(each) for each in np.percentile(values, (1, 99))) if values.size else (0.0, 1.0)
    if quantity in ("tilt", "error"):
        low = 0.0
    return (low, high) if high > low else (low, low + 1.0)


def _signed(limit: float) -> Range:
    """Return symmetric limits: round ones, if those are near."""
    if limit > 0:
        power = 10.0 ** math.floor(math.log10(limit))
        round_ = next((each * power for each in _ROUND if each * power >= limit), limit)
        limit = round_ if limit > _NEAR * round_ else limit
    return (-limit, limit)


def is_signed(quantity: str) -> bool:
    """Whether the sign of a quantity counts, so that its colours are symmetric."""
    return quantity in ("strain", "averaged", "displacement")


def span(quantity: str, usual: Range) -> Range:
    """Return how far the limits of a quantity can be moved with a slider, by its usual limits."""
    low, high = usual
    if quantity in ("phase", "amplitude"):
        return usual
    if is_signed(quantity):
        return (3 * low, 3 * high)
    return (max(2 * low - high, 0.0), 2 * high - low)


def label(quantity: str, quantities: analysis.Quantities, against: bool = False) -> str:
    """Return the name of a quantity with its unit; with `against`, what it is measured against too, where that is a choice."""
    strain = "relative strain (rad/voxel)" if quantities.relative else "strain"
    name = {
        "phase": "phase (rad)",
        "strain": strain,
        "displacement": "displacement (pm)",
        "spacing": "lattice spacing d (nm)",
        "tilt": "tilt (°)",
        "averaged": f"averaged {strain}",
        "error": f"error of the {strain}",
        "amplitude": "amplitude",
    }[quantity]
    if against:
        name += {"spacing": ", absolute"}.get(
            quantity, ", relative to the mean" if is_signed(quantity) else ""
        )
    return name if quantity in ("averaged", "error") else quantities.named(name)


def captions(quantity: ColourBy, quantities: analysis.Quantities, ends: Range) -> tuple[str, ...]:
    """Return what stands below a result's title: what its colours mean, and what bounds it."""
    # napari's bar often has room for a zero alone; those of phase and amplitude are always the same
    low, high = ends
    reach = f" ± {high:.2g}" if low == -high else f" {low:.2g} to {high:.2g}"
    colours = label(quantity, quantities, against=True) + ("" if quantity == "phase" else reach)
    bound = f"amplitude ≥ {quantities.threshold:.2f}"
    return (bound,) if quantity == "amplitude" else (colours, bound)


def in_words(quantity: str, value: float, quantities: analysis.Quantities) -> str:
    """Return a value of a quantity with its name and unit, as the status bar says it."""
    unit = " rad/voxel" if quantities.relative else ""
    return {
        "phase": f"phase {value:.2f} rad",
        "strain": f"strain {value:.2e}{unit}",
        "displacement": f"displacement {value:.1f} pm",
        "spacing": f"d {value:.5f} nm",
        "tilt": f"tilt {value:.3f}°",
        "averaged": f"averaged strain {value:.2e}{unit}",
        "error": f"error of the strain {value:.1e}{unit}",
        "amplitude": f"amplitude {value:.2f}",
    }[quantity]


def thumbnail(
    quantity: ColourBy, values: np.ndarray, reach: tuple[float, float], colours: Colormap, side: int = 32
) -> np.ndarray:
    """Return the middle slice of a volume in its colours, uint8 (side, side, 4): what the layer list shows of a hidden layer."""
    middle = values[values.shape[0] // 2]
    rows, columns = (np.linspace(0, n - 1, side).round().astype(int) for n in middle.shape)
    flat = middle[np.ix_(rows, columns)]
    known = np.isfinite(flat)
    if quantity == "amplitude":
        known &= flat > 0
    part = np.clip((np.where(known, flat, reach[0]) - reach[0]) / (reach[1] - reach[0]), 0, 1)
    rgba = np.asarray(colours.map(part.ravel())).reshape(side, side, 4)
    return (255 * np.where(known[..., None], rgba, 0)).astype(np.uint8)

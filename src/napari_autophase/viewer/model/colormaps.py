"""The colours of phase, strain and amplitude in napari, their limits and their names; all readable on a black canvas."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import Colormap

if TYPE_CHECKING:
    from ... import analysis


@lru_cache
def phase_map() -> Colormap:
    """Return the cyclic map of the phase, to be used with limits exactly (−π, π)."""
    from ...analysis.colours import phase_rgb  # brings scipy: a dock opens without

    rgb = phase_rgb()
    return Colormap(np.c_[rgb, np.ones(len(rgb))], name="autophase phase", display_name="phase (cyclic)")


def colour_map(quantity: str) -> Colormap | str:
    """Return the map of phase, strain or amplitude."""
    return phase_map() if quantity == "phase" else {"strain": "RdBu_r", "amplitude": "viridis"}[quantity]


def limits(
    quantity: str, quantities: analysis.Quantities, strain_limit: float | None = None
) -> tuple[float, float]:
    """Return the colour limits of a quantity: ±π, ± the strain's limit (None: its 99th percentile inside), or 0 to 1."""
    if quantity == "phase":
        return (-np.pi, np.pi)
    if quantity == "strain":
        limit = quantities.strain_limit if strain_limit is None else strain_limit
        return (-limit, limit)
    return (0.0, 1.0)


def label(quantity: str, quantities: analysis.Quantities) -> str:
    """Return the name of a quantity with its unit."""
    strain = "relative strain (rad/voxel)" if quantities.relative else "strain"
    return {"phase": "phase (rad)", "strain": strain, "amplitude": "amplitude"}[quantity]

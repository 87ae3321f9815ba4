"""What the layers of a result show, computed where it does not hold up the window: in the thread that phased or read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..reconstruction import Reconstruction
from .mesh import ColourBy, Cut, Mesh, mesh

if TYPE_CHECKING:
    from .. import analysis


@dataclass(frozen=True)
class Look:
    """How a result is shown.

    Parameters
    ----------
    threshold
        Amplitude, as a fraction of its maximum, that bounds the crystal.
    colour_by
        What colours the isosurface.
    strain_limit
        The strain's colours reach from minus to plus this; None: the 99th percentile inside.
    cut
        Where the crystal is cut open.
    relief
        Whether facets that are turned away from the light are darker.
    """

    threshold: float
    colour_by: ColourBy = "phase"
    strain_limit: float | None = None
    cut: Cut | None = None
    relief: bool = True


@dataclass(frozen=True, eq=False)
class Drawing:
    """A reconstruction with the volumes and the mesh that show it."""

    reconstruction: Reconstruction
    look: Look
    quantities: analysis.Quantities
    mesh: Mesh


def draw(reconstruction: Reconstruction, look: Look | None = None) -> Drawing:
    """Return the drawing of a reconstruction; without a `look`, by phase at the threshold of its recipe.

    Raises
    ------
    InputError
        If the geometry is known and there is nothing inside the support.
    """
    from .. import analysis  # brings scipy: a dock opens without

    look = look or Look(reconstruction.recipe.analyse.threshold)
    quantities = analysis.quantities(reconstruction, look.threshold)
    for volume in ("phase", "strain", "strain_limit"):
        getattr(quantities, volume)  # which keeps it
    return Drawing(reconstruction, look, quantities, mesh(quantities, look.colour_by, look.cut))

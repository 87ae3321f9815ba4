"""What the layers of a result show, computed where it does not hold up the window: in the thread that phased or read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ....reconstruction import Reconstruction
from .mesh import Cut, Mesh, mesh
from .quantity import COLOUR_BY, Averaged, ColourBy, Range, limits, offered

if TYPE_CHECKING:
    from .... import analysis


@dataclass(frozen=True)
class Look:
    """How a result is shown.

    Parameters
    ----------
    threshold
        Amplitude, as a fraction of its maximum, that bounds the crystal.
    colour_by
        What colours the isosurface.
    ranges
        From where to where the colours of a quantity reach; one that is not among them: as `quantity.limits` has it.
    cut
        Where the crystal is cut open.
    relief
        Whether facets that are turned away from the light are darker.
    """

    threshold: float
    colour_by: ColourBy = "phase"
    ranges: Mapping[str, Range] = field(default_factory=dict)
    cut: Cut | None = None
    relief: bool = True

    @classmethod
    def of(cls, reconstruction: Reconstruction) -> Look:
        """Return how a result was shown when it was saved, else by phase at the threshold of its recipe."""
        usual, said = cls(reconstruction.recipe.analyse.threshold), reconstruction.shown
        try:
            cut, ranges = said.get("cut"), dict(said.get("ranges", {}))
            if said.get("strain_limit") is not None:  # as earlier versions say it
                ranges = {"strain": (-said["strain_limit"], said["strain_limit"]), **ranges}
            if cut is not None:
                z, y, x = map(float, cut["normal"])
                cut = Cut((z, y, x), float(cut["position"]))
            colour = said.get("colour_by", usual.colour_by)
            if colour not in COLOUR_BY:
                return usual
            return cls(
                threshold=float(said.get("threshold", usual.threshold)),
                colour_by=colour,
                ranges={name: _range(ends) for name, ends in ranges.items() if name in COLOUR_BY},
                cut=cut,
                relief=bool(said.get("relief", usual.relief)),
            )
        except (TypeError, ValueError, KeyError, AttributeError):  # another version's, or somebody's
            return usual

    @property
    def limits(self) -> Range | None:
        """What was chosen for the quantity that is shown; None: nothing was."""
        return self.ranges.get(self.colour_by)

    def document(self) -> dict[str, Any]:
        """Return it as plain values: what `of` reads."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Drawing:
    """A reconstruction with the volumes and the mesh that show it.

    Parameters
    ----------
    reconstruction, look
        What is shown, and how.
    quantities
        Its volumes at the threshold of the look.
    averaged
        Strain of several runs and its error, on their grid; None: unknown.
    """

    reconstruction: Reconstruction
    look: Look
    quantities: analysis.Quantities
    averaged: Averaged | None = None

    @property
    def limits(self) -> Range:
        """From where to where the colours reach."""
        return self.look.limits or limits(self.look.colour_by, self.quantities, self.averaged)

    @cached_property
    def mesh(self) -> Mesh:
        """The surface of the crystal."""
        return mesh(self.quantities, self.look.colour_by, self.look.cut, self.averaged)


def _range(ends: Any) -> Range:
    low, high = map(float, ends)
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError("no range")
    return low, high


def draw(reconstruction: Reconstruction, look: Look | None = None) -> Drawing:
    """Return the drawing of a reconstruction; without a `look`, as it was shown when it was saved, or as its recipe says.

    Raises
    ------
    InputError
        If the geometry is known and there is nothing inside the support.
    """
    from .... import analysis  # brings scipy: a dock opens without

    look = look or Look.of(reconstruction)
    quantities = analysis.quantities(reconstruction, look.threshold)
    trusted = analysis.trusted(reconstruction, quantities)
    averaged = None
    if trusted:
        averaged = Averaged(trusted["strain_averaged"].values, trusted["strain_error"].values)
    if look.colour_by not in offered(quantities, averaged):
        look = replace(look, colour_by="phase")
    drawing = Drawing(reconstruction, look, quantities, averaged)
    for kept in ("phase", "strain", "strain_limit"):
        getattr(quantities, kept)
    assert drawing.mesh is not None  # which it keeps too
    return drawing

"""The resolution of a result: one figure, by a criterion that is said, and the others beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from ..evidence import Trust
from .edges import edge_widths
from .quantities import Quantities

FSC = "full period, FSC of two halves of the photons, half-bit"
"""Criterion of the resolution of several runs."""
EDGES = "width of the edges from 10 to 90 %"
"""Criterion of the resolution of a single run."""


@dataclass(frozen=True)
class Resolution:
    """How small a thing a result shows.

    Parameters
    ----------
    value
        The figure to quote, in `unit`; NaN: nobody knows.
    criterion
        What it was found by: `FSC`, as the two halves share no photon; of a single run, `EDGES`.
    reached
        False: the criterion holds on the whole grid, so that the resolution may be finer.
    edges
        Width of the edges from a tenth to nine tenths of the amplitude, by the axis that they face (see `edge_widths`), and
        ``all`` of them.
    fsc, prtf, strain
        By the other criteria: FSC, PRTF at 1/e, and the width at which strain reproduces; NaN: unknown.
    unit
        nm, or voxels.
    """

    value: float
    criterion: str
    reached: bool
    edges: dict[str, float]
    fsc: float
    prtf: float
    strain: float
    unit: Literal["nm", "voxels"]

    @property
    def words(self) -> str:
        """The figure, and its criterion."""
        if not math.isfinite(self.value):
            return "unknown"
        finer = "" if self.reached else " or better"
        return f"{self.value:.3g} {self.unit}{finer} ({self.criterion})"

    @property
    def others(self) -> str:
        """The figures by the other criteria, in words; empty where there are none."""
        said = []
        if self.criterion != FSC and math.isfinite(self.fsc):
            said.append(f"FSC {self.fsc:.3g} (full period)")
        if math.isfinite(self.prtf):
            said.append(f"PRTF at 1/e {self.prtf:.3g} (full period)")
        known = {axis: width for axis, width in self.edges.items() if math.isfinite(width)}
        if known:
            widths = ", ".join(f"{axis} {width:.3g}" for axis, width in known.items())
            said.append(f"edges {widths} (10 to 90 %)")
        if math.isfinite(self.strain):
            said.append(f"strain {self.strain:.3g} (full width at half maximum)")
        return f"in {self.unit}: {'; '.join(said)}" if said else ""

    @property
    def all_words(self) -> str:
        """The figure to quote, and the others behind it."""
        return "; ".join(each for each in (self.words, self.others) if each)

    def document(self) -> dict[str, Any]:
        """Return all of it as plain values, None where nobody knows."""

        def known(value: float) -> float | None:
            return value if math.isfinite(value) else None

        return {
            "value": known(self.value),
            "criterion": self.criterion,
            "or_better": not self.reached,
            "edges": {axis: known(width) for axis, width in self.edges.items()},
            **{name: known(getattr(self, name)) for name in ("fsc", "prtf", "strain")},
            "unit": self.unit,
        }


def resolution(shown: Quantities, trust: Trust | None) -> Resolution:
    """Return the resolution of a crystal.

    Parameters
    ----------
    shown
        As `quantities` gives it.
    trust
        Of several runs; None: there was one, of which the edges alone tell.
    """
    edges = edge_widths(shown)
    figures = {} if trust is None else trust.figures
    fsc, prtf, strain = (figures.get(f"{name}_resolution", math.nan) for name in ("fsc", "prtf", "strain"))
    by_halves = math.isfinite(fsc)
    return Resolution(
        value=fsc if by_halves else edges["all"],
        criterion=FSC if by_halves else EDGES,
        reached=trust is None or trust.fsc is None or trust.fsc.reached,
        edges=edges,
        fsc=fsc,
        prtf=prtf,
        strain=strain,
        unit="voxels" if shown.relative else "nm",
    )

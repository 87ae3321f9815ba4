"""What a report says, whatever it is written as: facts, figures, tables, notes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

from .. import analysis
from ..analysis import Quantities
from ..evidence import Trust
from ..export import Against
from ..preparation import Background
from ..reconstruction import Reconstruction
from ..scan import Scan
from . import figures, seen, tables, trusted
from .facts import facet_words, facts
from .tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure with what is seen in it."""

    title: str
    caption: str
    figure: Figure


@dataclass(frozen=True, eq=False)
class Report:
    """All of a report.

    Parameters
    ----------
    title, subtitle
        The result's name, and when and by which version the report was made.
    facts
        Labels and words: what a reader wants first.
    pictures, tables
        In their order.
    notes
        Sentences of the result.
    """

    title: str
    subtitle: str
    facts: list[tuple[str, str]]
    pictures: list[Picture]
    tables: list[Table]
    notes: tuple[str, ...] = field(default=())


def gather(
    found: Reconstruction,
    *,
    scan: Scan | None = None,
    threshold: float | None = None,
    against: Against | None = None,
    background: Background | None = None,
) -> Report:
    """Return the report of a result; parameters as for `write_report`."""
    lattice = analysis.mean_lattice(found, **({} if against is None else vars(against)))
    shown = analysis.quantities(found, threshold, lattice=lattice)
    single = _of_single_voxels(found.trust)
    pictures = [
        Picture(
            "Surface",
            f"Where the amplitude passes {shown.threshold:.2f} of its largest, from three directions, coloured by strain "
            f"{_relative(shown)}{_positive(shown)} and by phase{_of_displacement(shown)}.{single}",
            figures.surfaces(shown),
        ),
        Picture(
            "Central slices",
            f"Through the middle of the crystal{_axes(shown)}; the line is the surface. {_absolutes(shown)}{single}",
            figures.slices(shown),
        ),
        Picture(
            "Distributions",
            "Amplitudes with the threshold, and strain of the bulk and of the outermost layer of voxels.",
            figures.histograms(shown),
        ),
    ]
    if found.trust is not None:
        pictures.append(
            Picture("Strain and its error", _averaged(found.trust), figures.averaged(found, shown))
        )
    trusting = trusted.curves(found)
    if trusting is not None:
        pictures.append(Picture("Resolution and trust", _trusting(found), trusting))
    both = seen.Seen.of(found, scan, background)
    curves = seen.curves(found, both)
    if curves is not None:
        pictures.append(
            Picture(
                "Rocking curve and convergence",
                "Photons in each frame, measured and expected by the model; χ² in the course of phasing.",
                curves,
            )
        )
    pictures.append(Picture("Diffraction", both.words, seen.diffraction(both)))
    resolved = analysis.resolution(shown, found.trust)
    facets = analysis.facets_of(shown, analysis.bare_mesh(shown))
    if facets:
        caption = f"{facet_words(facets)}. Coloured by the mean strain of each, {_relative(shown)}; the table has the numbers."
        pictures.insert(1, Picture("Facets", caption + single, figures.facets(shown, facets)))
    made = [Table("How strain was obtained", analysis.method(found, shown.threshold, shown.lattice))]
    made.append(tables.statistics(shown))
    if shown.displacement_nm is not None:
        made.append(tables.displacements(shown.displacement_nm, shown.support))
    if facets:
        made.append(tables.facets(shown, facets))
    if shown.dislocations:
        made.append(tables.dislocations(shown))
    made.append(tables.resolution(resolved))
    if found.trust is not None:
        made += [tables.runs(found.trust), tables.reproduced(found.trust)]
    if found.shells is not None and len(found.shells.frequency):
        made.append(tables.shells(found.shells))
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Report(
        title=found.title,
        subtitle=f"napari-autophase {metadata.version('napari-autophase')} · {now}",
        facts=facts(found, shown, resolved),
        pictures=pictures,
        tables=[*made, *tables.quality(found), tables.run(found), *tables.parameters(found)],
        notes=found.notes,
    )


def _trusting(found: Reconstruction) -> str:
    """Return what is seen in the curves of trust."""
    said = []
    if found.shells is not None:
        share = 200 * float(found.support.sum()) / max(int(found.shells.voxels.sum()), 1)
        said.append(
            "Deviance of the counts about what the model expects, over what photon noise leaves, with two standard deviations: "
            f"good below {analysis.trust.GOOD:g}, poor above {analysis.trust.POOR:g}, but good wherever less than "
            f"{100 * analysis.trust.FAITHFUL:g} % of the light is not explained (the table says it). Fitted voxels may have less "
            "than 1, as the "
            f"object can follow up to {share:.0f} % of their noise."
        )
    trust = found.trust
    if trust is not None and trust.fsc is not None:
        said.append(
            "FSC: correlation of two independent halves of the photons, against the half-bit threshold."
        )
    if trust is not None and trust.prtf is not None:
        number = sum(bool(run["kept"]) for run in trust.runs if not run["share"])
        what = "starts" if trust.of_starts else "runs"
        said.append(f"PRTF: |mean| over mean modulus of the {number} {what}’ transforms, against 1/e.")
    return " ".join(said)


def _averaged(trust: Trust) -> str:
    """Return what is seen of the strain of several runs."""
    wide, of = trust.figures["strain_resolution"], "" if trust.of_starts else " of the mean of the runs"
    return (
        f"Strain{of}, relative to the mean lattice, at a resolution of {wide:.3g} {trust.unit}; its standard error; and their "
        f"ratio: grey is within two errors. {analysis.trust.strain_in_words(trust)}"
    )


def _of_single_voxels(trust: Trust | None) -> str:
    """Say how far the strain of single voxels reproduces, where it does so at a coarser resolution only; else nothing."""
    alike = math.nan if trust is None else trust.figures.get("strain_correlation_per_voxel", math.nan)
    if not alike < analysis.trust.REPRODUCES:
        return ""
    return (
        f" This strain is that of single voxels, in which two halves of the photons correlate to {alike:.2f} only: what of it "
        "reproduces is under Strain and its error."
    )


def _relative(shown: Quantities) -> str:
    return shown.named(
        "per voxel along axis 1 (the geometry is unknown)"
        if shown.relative
        else "relative to the mean lattice"
    )


def _positive(shown: Quantities) -> str:
    return "" if shown.relative else " (along Q, positive where planes are farther apart)"


def _of_displacement(shown: Quantities) -> str:
    return "" if shown.relative else " (−Q·u)"


def _axes(shown: Quantities) -> str:
    if shown.relative:
        return ", on the axes of the phased array (rocking angle, row, column)"
    return f", in voxels of {shown.voxel_size[0]:.3g} nm along {analysis.axes_words(shown.frame)}"


def _absolutes(shown: Quantities) -> str:
    if shown.spacing_nm is None:
        return "Displacement and strain are relative to the mean lattice."
    return "Displacement and strain are relative to the mean lattice; the spacing d is absolute."

"""What a report says, whatever it is written as: facts, figures, tables, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import analysis
from ..analysis import Quantities
from ..evidence import Shells, Trust
from ..export import Against
from ..preparation import Background
from ..reconstruction import Reconstruction
from ..scan import Scan
from . import figures, seen, trusted

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure with what is seen in it."""

    title: str
    caption: str
    figure: Figure


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of words under a title; the first row names the columns where `head` says so."""

    title: str
    rows: Sequence[tuple[str, ...]]
    head: bool = False


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
    pictures = [
        Picture(
            "Surface",
            f"Where the amplitude passes {shown.threshold:.2f} of its largest, from three directions, coloured by strain "
            f"{_relative(shown)} and by phase.",
            figures.surfaces(shown),
        ),
        Picture(
            "Central slices",
            "Through the middle of the crystal; the line is the surface. " + _absolutes(shown),
            figures.slices(shown),
        ),
        Picture(
            "Distributions",
            "Amplitudes with the threshold, and strain of the bulk and of the outermost layer of voxels.",
            figures.histograms(shown),
        ),
    ]
    both = seen.Seen.of(found, scan, background)
    pictures.append(Picture("Diffraction", both.words, seen.diffraction(both)))
    curves = seen.curves(found, both)
    if curves is not None:
        pictures.append(
            Picture(
                "Rocking curve and convergence",
                "Photons in each frame, measured and expected by the model; χ² in the course of phasing.",
                curves,
            )
        )
    trusting = trusted.curves(found)
    if trusting is not None:
        pictures.append(Picture("Resolution and trust", _trusting(found), trusting))
    facets = analysis.facets_of(shown, analysis.bare_mesh(shown))
    if facets:
        caption = f"{facet_words(facets)}. Coloured by the mean strain of each, {_relative(shown)}; the table has the numbers."
        pictures.insert(1, Picture("Facets", caption, figures.facets(shown, facets)))
    tables = [_statistics(shown), *([_facets(shown, facets)] if facets else [])]
    if found.trust is not None:
        tables.append(_runs(found))
        tables.append(_reproduced(found.trust))
    if found.shells is not None and len(found.shells.frequency):
        tables.append(_shells(found.shells))
    if shown.dislocations:
        tables.append(_dislocations(shown))
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Report(
        title=found.name,
        subtitle=f"napari-autophase {metadata.version('napari-autophase')} · {now}",
        facts=facts(found, shown),
        pictures=pictures,
        tables=[*tables, _run(found), *_parameters(found)],
        notes=found.notes,
    )


def _trusting(found: Reconstruction) -> str:
    """Return what is seen in the curves of trust."""
    said = []
    if found.shells is not None:
        share = 200 * float(found.support.sum()) / max(int(found.shells.voxels.sum()), 1)
        said.append(
            "Deviance of the counts about what the model expects, over what photon noise leaves, with two standard deviations: "
            f"good below {analysis.trust.GOOD:g}, poor above {analysis.trust.POOR:g}. Fitted voxels may have less than 1, as the "
            f"object can follow up to {share:.0f} % of their noise."
        )
    trust = found.trust
    if trust is not None and trust.fsc is not None:
        said.append(
            "FSC: correlation of two independent halves of the photons, against the half-bit threshold."
        )
    if trust is not None and trust.prtf is not None:
        number = sum(bool(run["kept"]) for run in trust.runs if not run["share"])
        said.append(f"PRTF: |mean| over mean modulus of the {number} runs’ transforms, against 1/e.")
    return " ".join(said)


def _relative(shown: Quantities) -> str:
    return shown.named(
        "per voxel along axis 1 (the geometry is unknown)"
        if shown.relative
        else "relative to the mean lattice"
    )


def _absolutes(shown: Quantities) -> str:
    if shown.spacing_nm is None:
        return "Displacement and strain are relative to the mean lattice."
    return "Displacement and strain are relative to the mean lattice; the spacing d is absolute."


def facts(found: Reconstruction, shown: Quantities) -> list[tuple[str, str]]:
    """Return what the strain of a result says: a label and its words, a line each."""
    voxel = " × ".join(f"{size:.3g}" for size in dict.fromkeys(shown.voxel_size))
    count = int(shown.support.sum())
    lines = [("verdict", found.verdict)] if found.verdict else []
    lines += [
        (
            "crystal",
            f"{found.name}: {count} voxels of {voxel} {shown.unit} above amplitude {shown.threshold:g}",
        )
    ]
    if not shown.relative:
        volume = count * float(np.prod(shown.voxel_size))
        lines.append(("size", f"{volume:.4g} nm³, a ball of {np.cbrt(6 * volume / np.pi):.0f} nm across"))
    if shown.q_bragg_per_nm is not None:
        q = shown.q_bragg_per_nm
        size = float(np.linalg.norm(q))
        at = ", ".join(f"{each:.3f}" for each in q)
        lines.append(
            (
                "|Q|",
                f"{size:.4f} 1/nm, d {2 * np.pi / size:.5f} nm at the reference voxel; Q ({at}) along x, y, z",
            )
        )
    if shown.lattice is not None:
        lines += shown.lattice.lines()
    elif not shown.relative:
        lines.append(("mean lattice", "not in this file: the phase has lost its ramp"))
    lines += [("corrections", " ".join(each)) for each in shown.corrections]
    if shown.dislocations:
        length = sum(each.length for each in shown.dislocations)
        count = len(shown.dislocations)
        lines.append(
            (
                "dislocations",
                f"{count}, {length:.0f} {shown.unit} in all; strain is left out within 1.5 voxels",
            )
        )
    unit, factor = ("rad per voxel", 1.0) if shown.relative else ("%", 100.0)
    found_strain = analysis.statistics(shown.strain)
    if found_strain.count > 1:
        values = shown.strain[np.isfinite(shown.strain)]
        low, high = (factor * float(each) for each in np.percentile(values, (1, 99)))
        against = "" if shown.relative else ", relative to the mean lattice"
        lines.append(("strain", f"{factor * found_strain.std:.3g} {unit} (standard deviation), 98 % within {low:.3g} and "
                                f"{high:.3g} {unit}{against}"))  # fmt: skip
    return lines


def facet_words(facets: Sequence[analysis.Facet]) -> str:
    """Return how many facets there are, and of which planes."""
    if not facets:
        return "none: the surface is nowhere flat"
    counted: dict[str, int] = {}
    for each in facets:
        name = "without indices"
        if each.hkl is not None:
            name = "{" + "".join(map(str, sorted(map(abs, each.hkl), reverse=True))) + "}"
        counted[name] = counted.get(name, 0) + 1
    share = 100 * sum(each.share for each in facets)
    kinds = ", ".join(f"{count} {name}" for name, count in counted.items())
    return f"{len(facets)} on {share:.0f} % of the surface: {kinds}"


def _facets(shown: Quantities, facets: Sequence[analysis.Facet]) -> Table:
    strain, unit, factor = ("relative_strain", "rad/voxel", 1.0) if shown.relative else ("strain", "%", 100.0)
    rows: list[tuple[str, ...]] = [
        (
            "facet",
            "planes",
            "misfit (°)",
            f"area ({shown.unit}²)",
            "share (%)",
            "to Q (°)",
            f"strain ({unit})",
            "normal x, y, z",
        )
    ]
    for number, each in enumerate(facets, 1):
        mean, spread = each.values[strain]
        rows.append(
            (
                str(number),
                "–" if each.hkl is None else f"({' '.join(map(str, each.hkl))})",
                "–" if each.misfit_deg is None else f"{each.misfit_deg:.1f}",
                f"{each.area:.0f}",
                f"{100 * each.share:.1f}",
                "–" if each.angle_to_q_deg is None else f"{each.angle_to_q_deg:.1f}",
                f"{factor * mean:+.3f} ± {factor * spread:.3f}",
                ", ".join(f"{value:+.3f}" for value in each.normal),
            )
        )
    return Table("Facets", rows, head=True)


def _dislocations(shown: Quantities) -> Table:
    rows: list[tuple[str, ...]] = [
        ("line", f"length ({shown.unit})", "Q·b/2π", "to Q (°)", "amplitude (of the crystal's)", "kind")
    ]
    for number, each in enumerate(shown.dislocations, 1):
        angle = "–" if each.angle_to_q_deg is None else f"{each.angle_to_q_deg:.1f}"
        kind = "loop" if each.closed else "ends at the surface"
        rows.append(
            (str(number), f"{each.length:.0f}", f"{each.turns:+d}", angle, f"{each.amplitude:.2f}", kind)
        )
    return Table("Dislocations", rows, head=True)


def _statistics(shown: Quantities) -> Table:
    unit, factor = ("rad/voxel", 1.0) if shown.relative else ("%", 100.0)
    surface, bulk = analysis.surface_and_bulk(shown.support)
    names = ("mean", "std", "rms", "FWHM")
    rows: list[tuple[str, ...]] = [("strain", "voxels", *(f"{name} ({unit})" for name in names), "skew")]
    for name, where in (("bulk", bulk), ("surface", surface), ("all", shown.support)):
        each = analysis.statistics(shown.strain[where])
        figures_ = (factor * each.mean, factor * each.std, factor * each.rms, factor * each.fwhm, each.skew)
        rows.append((name, str(each.count), *(f"{value:.4g}" for value in figures_)))
    return Table("Strain, bulk and surface", rows, head=True)


def _runs(found: Reconstruction) -> Table:
    """Return the table of the runs that a result is the mean of."""
    assert found.trust is not None
    shares = ("all photons", "first half", "second half")
    rows: list[tuple[str, ...]] = [("run", "seed", "of", "χ²", "held-out", "agreement", "")]
    for number, run in enumerate(found.trust.runs, 1):
        said = ", ".join(
            word for word, holds in (("twin", run["twin"]), ("left out", not run["kept"])) if holds
        )
        figures_ = (f"{run.get(name, np.nan):.4g}" for name in ("chi2", "free_llk", "agreement"))
        rows.append((str(number), f"{run['seed']:.0f}", shares[int(run["share"])], *figures_, said))
    return Table("Runs", rows, head=True)


def _reproduced(trust: Trust) -> Table:
    """Return the table of the figures of several runs."""
    unit, strain = trust.unit, "" if trust.unit == "nm" else " (rad/voxel)"
    names = {
        "agreement": "runs, correlation of the objects",
        "first_mode": "runs, weight of their first mode",
        "half_agreement": "halves of the photons, correlation of the objects",
        "twin_likeness": "object and its own twin, correlation",
        "fsc_resolution": f"resolution by FSC, half-bit ({unit})",
        "prtf_resolution": f"resolution by PRTF, 1/e ({unit})",
        "strain_correlation_per_voxel": "halves, correlation of the strain of single voxels",
        "strain_correlation": "halves, correlation of the strain at its resolution",
        "strain_resolution": f"resolution of the strain ({unit})",
        "strain_spread": f"strain, standard deviation over the crystal{strain}",
        "strain_error": f"strain, standard error in the mean{strain}",
    }
    known = [*names, *(key for key in trust.figures if key not in names)]
    rows = [(names.get(key, key), f"{trust.figures[key]:.4g}") for key in known if key in trust.figures]
    return Table("How far it reproduces", rows)


def _shells(shells: Shells) -> Table:
    """Return the table of how well the model explains the counts at every resolution."""
    rows: list[tuple[str, ...]] = [
        (f"resolution ({shells.unit})", "voxels", "photons a voxel", "deviance a voxel", "of noise alone", "ratio",
         "ratio, held-out", "")
    ]  # fmt: skip
    for frequency, voxels, photons, deviance, expected, ratio, unseen, word in zip(
        shells.frequency,
        shells.voxels,
        shells.photons,
        shells.deviance,
        shells.expected,
        shells.ratio,
        shells.free_ratio,
        analysis.trust.bands(shells),
        strict=True,
    ):
        numbers = (f"{number:.3g}" for number in (photons, deviance, expected, ratio))
        held_out = f"{unseen:.3g}" if np.isfinite(unseen) else "–"
        rows.append((f"{1 / frequency:.4g}", str(voxels), *numbers, held_out, str(word)))
    return Table("How well the model explains the data", rows, head=True)


def _run(found: Reconstruction) -> Table:
    """Return the table of the run; what another program did not leave is left out."""
    rows = [(key, f"{value:.6g}") for key, value in found.figures.items() if np.isfinite(value)]
    if found.seconds:  # another program says nothing of these
        rows += [("coherence", found.coherence.words), ("background", found.background.words)]
    if found.iterations:
        rows.append(("iterations", str(found.iterations)))
    if found.seconds:
        rows += [("seed", str(found.seed)), ("device", found.device)]
        rows += [(f"seconds: {stage}", f"{seconds:.2f}") for stage, seconds in found.seconds.items()]
    return Table("Run", rows or [("", "nothing is known of the run")])


def _parameters(found: Reconstruction) -> list[Table]:
    report = found.report()
    tables = [
        (
            "Result",
            {
                key: report[key]
                for key in ("source", "shape", "phased_shape", "voxel_size_nm", "q_bragg_per_nm")
            },
        ),
        ("Geometry of the scan", report["scan_geometry"] or report["geometry"]),
        ("Recipe", report["recipe"] if found.seconds else None),
        ("Versions", {**found.versions, "weights (SHA-256)": found.weights_sha256}),
    ]
    made = [(title, list(_flat(values))) for title, values in tables if values]
    return [Table(title, rows) for title, rows in made if rows]


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        if value is None or value == "":
            continue
        if isinstance(value, Mapping):
            rows += _flat(value, f"{before}{key}.")
        else:
            rows.append((f"{before}{key}", _words(value)))
    return rows


def _words(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        if len(value) > 12:
            return f"{len(value)} values, {_words(value[0])} … {_words(value[-1])}"
        return ", ".join(map(_words, value))
    return str(value)

"""The tables of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import analysis
from ..analysis import Quantities
from ..evidence import MEANINGS, Shells, Trust
from ..reconstruction import Reconstruction

ANGSTROM_PER_NM = 10.0
"""Displacements are said in both."""


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of words under a title; the first row names the columns where `head` says so."""

    title: str
    rows: Sequence[tuple[str, ...]]
    head: bool = False


def facets(shown: Quantities, found: Sequence[analysis.Facet]) -> Table:
    """Return the table of the facets, the largest first."""
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
            *([] if shown.relative else ["displacement (Å)"]),
            "normal x, y, z" if shown.relative else f"normal x, y, z ({shown.frame})",
        )
    ]
    for number, each in enumerate(found, 1):
        rows.append(
            (
                str(number),
                "–" if each.hkl is None else f"({' '.join(map(str, each.hkl))})",
                "–" if each.misfit_deg is None else f"{each.misfit_deg:.1f}",
                f"{each.area:.0f}",
                f"{100 * each.share:.1f}",
                "–" if each.angle_to_q_deg is None else f"{each.angle_to_q_deg:.1f}",
                _spread(each.values[strain], factor),
                *([] if shown.relative else [_spread(each.values["displacement"], ANGSTROM_PER_NM)]),
                ", ".join(f"{value:+.3f}" for value in each.normal),
            )
        )
    return Table("Facets", rows, head=True)


def _spread(value: tuple[float, float], factor: float) -> str:
    mean, spread = value
    return f"{factor * mean:+.3f} ± {factor * spread:.3f}"


def dislocations(shown: Quantities) -> Table:
    """Return the table of the dislocations."""
    rows: list[tuple[str, ...]] = [
        ("line", f"length ({shown.unit})", "Q·b/2π", "to Q (°)", "amplitude (of the crystal's)", "kind")
    ]
    for number, each in enumerate(shown.dislocations, 1):
        angle = "–" if each.angle_to_q_deg is None else f"{each.angle_to_q_deg:.1f}"
        kind = "loop" if each.closed else "ends at the surface"
        rows.append(
            (
                str(number),
                f"{each.length:.0f}",
                f"{each.winding_number:+d}",
                angle,
                f"{each.amplitude:.2f}",
                kind,
            )
        )
    return Table("Dislocations", rows, head=True)


def statistics(shown: Quantities) -> Table:
    """Return the table of how the strain is distributed, in the bulk and at the surface."""
    unit, factor = ("rad/voxel", 1.0) if shown.relative else ("%", 100.0)
    surface, bulk = analysis.surface_and_bulk(shown.support)
    names = ("mean", "std", "rms", "FWHM")
    rows: list[tuple[str, ...]] = [("strain", "voxels", *(f"{name} ({unit})" for name in names), "skew")]
    for name, where in (("bulk", bulk), ("surface", surface), ("all", shown.support)):
        each = analysis.statistics(shown.strain[where])
        figures_ = (factor * each.mean, factor * each.std, factor * each.rms, factor * each.fwhm, each.skew)
        rows.append((name, str(each.count), *(f"{value:.4g}" for value in figures_)))
    return Table("Strain, bulk and surface", rows, head=True)


def displacements(displacement_nm: np.ndarray, support: np.ndarray) -> Table:
    """Return the table of how the displacement along Q is distributed, in the bulk and at the surface."""
    surface, bulk = analysis.surface_and_bulk(support)
    units = (("nm", 1.0), ("Å", ANGSTROM_PER_NM))
    names = ("mean", "std", "rms")
    columns = (f"{name} ({unit})" for name in names for unit, _ in units)
    rows: list[tuple[str, ...]] = [("displacement along Q", "voxels", *columns)]
    for name, where in (("bulk", bulk), ("surface", surface), ("all", support)):
        each = analysis.statistics(displacement_nm[where])
        values = (
            f"{factor * _unless_rounding(getattr(each, key), each.rms):.3g}"
            for key in names
            for _, factor in units
        )
        rows.append((name, str(each.count), *values))
    return Table("Displacement, bulk and surface", rows, head=True)


def _unless_rounding(mean: float, size: float) -> float:
    """Return a mean, 0 where it is what rounding leaves of values of such a size."""
    return mean if abs(mean) > 1e-6 * size else 0.0


def runs(trust: Trust) -> Table:
    """Return the table of the runs that a result is the mean of."""
    return Table("Runs", analysis.trust.run_rows(trust), head=True)


def resolution(found: analysis.Resolution) -> Table:
    """Return the table of the resolution by every criterion, the one to quote first."""
    others = (
        ("FSC of two halves of the photons, half-bit, full period", found.fsc),
        ("PRTF, 1/e, full period", found.prtf),
        *((f"edges, 10 to 90 %, {_facing(axis)}", width) for axis, width in found.edges.items()),
        ("strain, where it reproduces, full width at half maximum", found.strain),
    )
    rows: list[tuple[str, ...]] = [("resolution", found.words)]
    rows += [(name, f"{value:.3g} {found.unit}") for name, value in others if np.isfinite(value)]
    return Table("Resolution", rows)


def _facing(axis: str) -> str:
    return "of the whole surface" if axis == "all" else f"where the surface faces {axis}"


def reproduced(trust: Trust) -> Table:
    """Return the table of the figures of several runs."""
    strain, factor = ("%", 100.0) if trust.unit == "nm" else ("rad/voxel", 1.0)
    what = "starts" if trust.of_starts else "runs"
    names = {
        "agreement": f"{what}, correlation of the objects",
        "first_mode": f"{what}, weight of their first mode",
        "half_agreement": "halves of the photons, correlation of the objects",
        "twin_likeness": "object and its own twin, correlation",
        "strain_correlation_per_voxel": "halves, correlation of the strain of single voxels",
        "strain_correlation": "halves, correlation of the strain at its resolution",
        "strain_spread": f"strain, standard deviation over the crystal ({strain})",
        "strain_error": f"strain, standard error of a voxel, root mean square ({strain})",
    }
    scales = dict.fromkeys(("strain_spread", "strain_error"), factor)
    rows = [
        (words, f"{scales.get(key, 1.0) * trust.figures[key]:.4g}")
        for key, words in names.items()
        if key in trust.figures
    ]
    if trust.objects is not None:
        weights, _ = analysis.trust.modes(trust.objects[trust.shares == 0])
        rows.append(
            (f"{what}, weights of their modes (%)", ", ".join(f"{100 * each:.3g}" for each in weights))
        )
    return Table("How far it reproduces", rows)


def shells(found: Shells) -> Table:
    """Return the table of how well the model explains the counts at every resolution."""
    rows: list[tuple[str, ...]] = [
        (f"resolution ({found.unit})", "voxels", "photons a voxel", "deviance a voxel", "of noise alone", "ratio",
         "ratio, held-out", "unexplained (%)", "")
    ]  # fmt: skip
    for frequency, voxels, photons, deviance, expected, ratio, unseen, share, word in zip(
        found.frequency,
        found.voxels,
        found.photons,
        found.deviance,
        found.expected,
        found.ratio,
        found.free_ratio,
        100 * found.unexplained,
        analysis.trust.bands(found),
        strict=True,
    ):
        numbers = (f"{number:.3g}" for number in (photons, deviance, expected, ratio))
        held_out = f"{unseen:.3g}" if np.isfinite(unseen) else "–"
        rows.append((f"{1 / frequency:.4g}", str(voxels), *numbers, held_out, f"{share:.2g}", str(word)))
    return Table("How well the model explains the data", rows, head=True)


def quality(found: Reconstruction) -> list[Table]:
    """Return the table of the figures of quality and what they say; nothing where there are none."""
    rows = [
        (key, f"{value:.6g}", MEANINGS.get(key, ""))
        for key, value in found.figures.items()
        if np.isfinite(value)
    ]
    return (
        [Table("Figures of quality", [("figure", "value", "what it says"), *rows], head=True)] if rows else []
    )


def run(found: Reconstruction) -> Table:
    """Return the table of the run; what another program did not leave is left out."""
    rows: list[tuple[str, ...]] = []
    if found.seconds:  # another program says nothing of these
        rows += [("coherence", found.coherence.words), ("background", found.background.words)]
    if found.iterations:
        rows.append(("iterations", str(found.iterations)))
    if found.seconds:
        rows += [("seed", str(found.seed)), ("device", found.device)]
        rows += [(f"seconds: {stage}", f"{seconds:.2f}") for stage, seconds in found.seconds.items()]
    return Table("Run", rows or [("", "nothing is known of the run")])


def parameters(found: Reconstruction) -> list[Table]:
    """Return the tables of what it was made with: grid, geometry, recipe, versions."""
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
        (
            "Versions and hashes",
            {
                **found.versions,
                "weights (SHA-256)": found.weights_sha256,
                **{f"{name.replace('_', ' ')} (SHA-256)": each for name, each in found.used_sha256.items()},
            },
        ),
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

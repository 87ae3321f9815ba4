"""What a result says in a few lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import analysis
from ..analysis import Quantities
from ..evidence import Trust
from ..reconstruction import Reconstruction
from .tables import ANGSTROM_PER_NM


def facts(found: Reconstruction, shown: Quantities, resolved: analysis.Resolution) -> list[tuple[str, str]]:
    """Return what a result says of strain, resolution and runs: a label and its words, a line each."""
    voxel = " × ".join(f"{size:.3g}" for size in dict.fromkeys(shown.voxel_size))
    count = int(shown.support.sum())
    lines = [("remark", found.said)] if found.said else []
    lines += [("verdict", found.verdict)] if found.verdict else []
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
                f"{size:.4f} 1/nm, d {2 * np.pi / size:.5f} nm at the reference voxel; Q ({at}) along "
                f"{analysis.axes_words(shown.frame)}",
            )
        )
    if shown.lattice is not None:
        lines += shown.lattice.lines()
    elif not shown.relative:
        lines.append(("mean lattice", "not in this file: the phase has lost its ramp"))
    lines.append(("resolution", resolved.all_words))
    if found.trust is not None:
        lines.append(("starts" if found.trust.of_starts else "runs", _runs(found.trust)))
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
    if shown.displacement_nm is not None:
        moved = shown.displacement_nm[np.isfinite(shown.displacement_nm)]
        if moved.size > 1:
            low, high = np.percentile(moved, (1, 99))
            said = (
                f"{factor * moved.std():.3g} {unit} (standard deviation), 98 % within {factor * low:.3g} and {factor * high:.3g} "
                f"{unit}"
                for unit, factor in (("nm", 1.0), ("Å", ANGSTROM_PER_NM))
            )
            lines.append(("displacement", "; ".join(said)))
    return lines


def _runs(trust: Trust) -> str:
    """Return in words how many runs there were, how far they agree and what they have in common."""
    whole = [run for run in trust.runs if not run["share"]]
    kept = sum(bool(run["kept"]) for run in whole)
    words = [f"{kept} of one run compared" if trust.of_starts else f"{kept} of {len(whole)} averaged"]
    if np.isfinite(agreement := trust.figures.get("agreement", np.nan)):
        words.append(f"they correlate to {agreement:.3f}")
    if np.isfinite(first := trust.figures.get("first_mode", np.nan)):  # older versions do not say
        words.append(f"their first mode has {100 * first:.1f} % of their weight")
    return "; ".join(words)


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

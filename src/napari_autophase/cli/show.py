"""What the command line shows: results in a few lines, and values in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..faults import InputError

if TYPE_CHECKING:
    from ..analysis import Comparison, Resolution
    from ..formats import ScanEntry
    from ..reconstruction import Reconstruction


def summarise(found: Reconstruction, reference_nm: float | None = None) -> None:
    """Print what was found in a few lines."""
    print(found.headline)
    if found.figures:
        print(_columns(figure_rows(found.figures)))
    if found.effort:
        print(found.effort)
    if found.said:
        print(f"remark: {found.said}")
    for line in lattice_lines(found, reference_nm):
        print(line)
    if found.trust is not None:
        from .. import analysis

        print(_columns(analysis.trust.run_rows(found.trust)))
        with suppress(InputError):  # there may be nothing in it
            print(f"resolution: {analysis.resolution(found.quantities, found.trust).all_words}")
    if found.verdict:
        print(f"verdict: {found.verdict}")
    for note in found.notes:
        print(f"note: {note}")


def figure_rows(figures: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """Return figures of quality: the name of each, its value, and what it says."""
    from ..evidence import MEANINGS

    return [(name, f"{value:.4g}", MEANINGS.get(name, "")) for name, value in figures.items()]


def held(found: Reconstruction, reference_nm: float | None = None) -> None:
    """Print what a file holds of a result: what was found, of what, and how."""
    from ..recipe.settings import written

    summarise(found, reference_nm)
    recipe, made = found.recipe, found.versions
    rows = {"source": found.source}
    if "napari-autophase" in made:  # a program of others has recipes of its own
        rows["recipe"] = " ".join([recipe.preset, *(written(*each) for each in recipe.changes().items())])
        rows |= {"light": found.coherence.words, "background": found.background.words}
    if found.recipe_as_written:  # with settings that are not known here
        rows["recipe as written"] = found.recipe_as_written
    rows["made by"] = ", ".join(f"{name} {version}" for name, version in made.items())
    for name, value in rows.items():
        if value:
            print(f"{name}: {value}")
    print("all of it: --json")


def reported(path: str, report: Mapping[str, Any], result: Path | None) -> None:
    """Print what a report says of a reconstruction, and where its result is."""
    from ..evidence import MEANINGS

    print(f"{path} is the report of a reconstruction of {report.get('name') or 'a scan'}")
    if report.get("called"):
        print(f"called: {report['called']}")
    if figures := {key: report[key] for key in report if key in MEANINGS and isinstance(report[key], float)}:
        print(_columns(figure_rows(figures)))
    for key in ("verdict", "remark", "source"):
        if report.get(key):
            print(f"{key}: {report[key]}")
    for note in report.get("notes") or ():
        print(f"note: {note}")
    print(f"result: {'not in this folder' if result is None else result}")
    print("all of it: --json")


def lattice_lines(found: Reconstruction, reference_nm: float | None = None) -> list[str]:
    """Return what is said of the mean lattice, to which all strain is relative; nothing without geometry."""
    from ..analysis import mean_lattice

    lattice = mean_lattice(found, reference_nm=reference_nm)
    if lattice is None:
        return []
    text = f"mean lattice: d = {lattice.spacing_nm:.6f} nm; maps of strain are relative to it"
    if lattice.strain is not None:
        text += f"; add {lattice.strain:+.3e} to have them against {reference_nm:.6g} nm"
    return [f"{text}."]


def document(
    found: Reconstruction,
    reference_nm: float | None = None,
    resolved: Resolution | None = None,
    threshold: float | None = None,
) -> dict[str, Any]:
    """Return the report of a result, with its mean lattice, how strain is obtained and, if it is given, its resolution."""
    from ..analysis import mean_lattice, method

    lattice = mean_lattice(found, reference_nm=reference_nm)
    said = None
    if lattice is not None:
        said = {
            "q_per_nm": lattice.q_per_nm.tolist(),
            "spacing_nm": lattice.spacing_nm,
            "reference_nm": reference_nm,
            "strain": lattice.strain,
        }
    known = {} if resolved is None else {"resolution": resolved.document()}
    how = dict(method(found, threshold, lattice))
    return {
        **found.report(),
        "strain_is": "relative to the mean lattice",
        "mean_lattice": said,
        "method": how,
        **known,
    }


def table(scans: Sequence[ScanEntry]) -> str:
    """Return scans as the lines of a table."""
    rows = [("scan", "frames", "peak", "started", "command", "")]
    for each in scans:
        points = "" if each.points is None else str(each.points)
        peak = "" if each.brightest is None else f"{each.brightest:g}"
        rows.append((each.path, points, peak, each.when, each.command, each.state))
    return _columns(rows)


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(map(str.rstrip, lines))


def words(value: Any) -> str:
    """Return a value of a summary as a person reads it."""
    if value is None or value in ({}, []):
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {words(entry)}" for key, entry in value.items() if entry is not None)
    if isinstance(value, list | tuple):
        if len(value) > 12:
            return f"{len(value)} values, {words(value[0])} … {words(value[-1])}"
        return ", ".join(map(words, value))
    return str(value)


def compared(found: Comparison, names: tuple[str, str]) -> list[tuple[str, str]]:
    """Return what a comparison says: a label and its words, a line each."""
    figures, nm = found.figures, found.voxel_size_nm
    voxel = "voxels" if nm is None else "voxels of " + " × ".join(f"{edge:.2f}" for edge in nm) + " nm"
    shift = ", ".join(f"{each:+.2f}" for each in found.alignment.shift)
    unit, factor = ("rad per voxel", 1.0) if nm is None else ("%", 100.0)

    def said(key: str) -> str:
        return "–" if math.isnan(figures.get(key, math.nan)) else f"{figures[key]:.3f}"

    difference = figures.get("strain_difference", math.nan)
    apart = "–" if math.isnan(difference) else f"{factor * difference:.2g} {unit}"
    return [
        (
            "compared",
            f"{names[0]} with {names[1]}, {figures['core_voxels']:.0f} common {voxel}, moved by {shift} voxels",
        ),
        ("objects", f"correlation {said('correlation')}, supports {said('support_iou')} in common"),
        ("amplitude", f"correlation {said('amplitude_correlation')}"),
        ("phase", f"correlation {said('phase_correlation')}, {said('phase_error')} rad apart in the mean"),
        (
            "strain",
            f"correlation {said('strain_correlation')}, blurred by a voxel {said('strain_correlation_smoothed')}, "
            f"{apart} apart (rms)",
        ),
        *([("held-out", found.held_out)] if found.held_out else []),
        *(("note", note) for note in found.notes),
    ]

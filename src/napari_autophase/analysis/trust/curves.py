"""What is known of a result at every resolution, and of its runs, as tables for other programs."""

from __future__ import annotations

import numpy as np

from ...evidence import Trust
from ...reconstruction import Reconstruction
from ...scan import InputError
from .shells import POOR

_Row = tuple[str, float, float, float, float | None]


def table(found: Reconstruction) -> str:
    """Return the curves of a result as CSV, a line for each shell of each curve.

    ``deviance`` and ``deviance_held_out`` are over what photon noise leaves, and poor above their threshold; ``fsc`` and ``prtf``
    hold up to where they fall below theirs.

    Raises
    ------
    InputError
        If none is known.
    """
    rows: list[_Row] = []
    unit = "voxels"
    if (shells := found.shells) is not None:
        unit = shells.unit
        for name, values, voxels in (
            ("deviance", shells.ratio, shells.voxels),
            ("deviance_held_out", shells.free_ratio, shells.free_voxels),
        ):
            columns = zip(shells.frequency, values, voxels, strict=True)
            rows += [(name, f, value, POOR, number) for f, value, number in columns if np.isfinite(value)]
    if found.trust is not None:
        unit = found.trust.unit
        for name, curve in (("fsc", found.trust.fsc), ("prtf", found.trust.prtf)):
            if curve is not None:
                columns = zip(curve.frequency, curve.value, curve.threshold, strict=True)
                rows += [(name, f, value, limit, None) for f, value, limit in columns]
    if not rows:
        raise InputError(
            f"{found.name} holds no curves (another program, or an older version, wrote it): there is nothing to put into a "
            "table."
        )
    over = "nm" if unit == "nm" else "voxel"
    lines = [f"curve,frequency_per_{over},resolution_{unit},value,threshold,voxels"]
    for name, f, value, limit, number in rows:
        size = f"{1 / f:.6g}" if f else ""
        lines.append(f"{name},{f:.6g},{size},{value:.6g},{limit:.6g},{'' if number is None else number}")
    return "\n".join(lines) + "\n"


def run_rows(trust: Trust) -> list[tuple[str, ...]]:
    """Return the runs that speak for a result as words to read, a row each below the names of the columns."""
    shares = ("start" if trust.of_starts else "all photons", "first half", "second half", "simulated")
    rows: list[tuple[str, ...]] = [("run", "seed", "of", "χ²", "held-out", "agreement", "seconds", "")]
    for number, run in enumerate(trust.runs, 1):
        said = ", ".join(
            word for word, holds in (("twin", run["twin"]), ("left out", not run["kept"])) if holds
        )
        names = ("chi2", "free_llk", "agreement", "seconds")
        figures = (f"{run[name]:.4g}" if name in run else "" for name in names)
        rows.append((str(number), f"{run['seed']:.0f}", shares[int(run["share"])], *figures, said))
    return rows


def run_table(found: Reconstruction) -> str:
    """Return the runs that a result is the mean of as CSV, a line each.

    Raises
    ------
    InputError
        If there was one only.
    """
    if found.trust is None or not found.trust.runs:
        raise InputError(
            f"{found.name} is of a single run: there is no table of several; see --runs of reconstruct."
        )
    names = list(dict.fromkeys(name for run in found.trust.runs for name in run))
    lines = [",".join(["run", *names])]
    for number, run in enumerate(found.trust.runs, 1):
        lines.append(
            ",".join([str(number), *("" if name not in run else f"{run[name]:.9g}" for name in names)])
        )
    return "\n".join(lines) + "\n"

"""The command that writes a report of a result."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..faults import InputError
from .arguments import file_of
from .grouped import spread
from .options import Analysed, HeldAgainst, Result
from .results import against, analysed, check_outputs
from .targets import write_each

if TYPE_CHECKING:
    from ..preparation import Background
    from ..reconstruction import Reconstruction
    from ..scan import Scan


@spread
def report(
    result: Result,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help=".html or .pdf; NAME.html unless said otherwise."),
    ] = None,
    scan: Annotated[
        str | None,
        typer.Option(
            metavar="SCAN",
            help="What it was found in; for results of this program it is looked for where it was.",
        ),
    ] = None,
    *,
    seen: Analysed,
    held: HeldAgainst,
) -> None:
    """Write a report of RESULT: its surface, slices, histograms, data and model, what was found, and how."""
    from ..report import SUFFIXES, write_report

    output = output or Path(f"{file_of(result).stem}.html")
    check_outputs([(output, SUFFIXES)], result, scan)
    found = analysed(result, seen)
    measured = _scan_of(result, found, scan)
    options: dict[str, Any] = {
        "scan": measured,
        "threshold": seen.threshold,
        "against": against(held),
        "background": None if measured is None else _background_of(found, measured),
    }
    write_each([(output, lambda path: write_report(found, path, **options))], quiet=seen.quiet)


def _background_of(found: Reconstruction, scan: Scan) -> Background | None:
    """Return the background of each voxel of a scan, where a result has one; None: its mean does."""
    if found.background.kind not in ("frames", "volume"):
        return None
    from ..formats import background

    try:
        return background(found.recipe.model.background, scan)
    except InputError as error:
        print(f"The report shows the mean of the background: {error}", file=sys.stderr)
        return None


def _scan_of(result: str, found: Reconstruction, said: str | None) -> Scan | None:
    """Return the scan that is said, or the one that the result names, if it is still there and unchanged."""
    if said is not None:
        from .inputs import ScanFiles, read_scan

        return read_scan(said, ScanFiles())
    if found.origin is None:
        return None
    from ..repeat import record, reread

    try:
        return reread(record(file_of(result)))
    except InputError as error:
        print(f"The report shows no data: {error}", file=sys.stderr)
        return None

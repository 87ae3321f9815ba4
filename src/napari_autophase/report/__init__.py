"""A result as a report: one page in HTML that needs nothing beside it, or a PDF."""

from __future__ import annotations

from pathlib import Path

from .. import files
from ..export import Against
from ..preparation import Background
from ..reconstruction import Reconstruction
from ..scan import InputError, Scan
from .content import Report, gather

__all__ = ["SUFFIXES", "Report", "gather", "write_report"]

SUFFIXES = (".html", ".pdf")
"""How the names of files end that `write_report` writes."""


def write_report(
    found: Reconstruction,
    path: str | Path,
    *,
    scan: Scan | None = None,
    threshold: float | None = None,
    against: Against | None = None,
    background: Background | None = None,
) -> None:
    """Write a report, whole or not at all.

    Parameters
    ----------
    found
        The result.
    path
        ``.html`` or ``.pdf``.
    scan
        What it was found in: then data and model are shown side by side.
    threshold, against
        As for `export.maps_of`.
    background
        Light of the scan that is not the crystal's, where it differs from voxel to voxel; None: the mean that the result says.

    Raises
    ------
    InputError
        If the name ends otherwise, there is no crystal in the result, or the place cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"A report cannot be written as {path.name}; choose a name that ends in {' or '.join(SUFFIXES)}."
        )
    found.check_filled("to report")
    report = gather(found, scan=scan, threshold=threshold, against=against, background=background)
    if path.suffix.lower() == ".html":
        from .html import page

        files.write(path, page(report))
    else:
        from .pdf import document

        files.write(path, document(report))

"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ScanPath = Annotated[
    str, typer.Argument(metavar="SCAN", help="File or folder; FILE::DATASET picks one inside a file.")
]
Dataset = Annotated[str | None, typer.Option(help="The dataset inside SCAN.")]
MaskPath = Annotated[
    Path | None, typer.Option(help="Mask file of the scan's shape, or of one frame: not 0 is unusable.")
]
ScanPaths = Annotated[
    list[str],
    typer.Argument(
        metavar="SCAN…", help="File or folder; FILE::DATASET picks one inside a file. Several with --sum."
    ),
]
ResultPath = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="RESULT.cxi", help="Where the result goes.")
]
ReportPath = Annotated[Path | None, typer.Option(metavar="REPORT.json", help="Figures, times, provenance.")]
PicturePath = Annotated[
    Path | None, typer.Option(metavar="OUT.png", help="Isosurface and slices on one page.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
CropTo = Annotated[
    str | None,
    typer.Option(
        metavar="auto|N,N,N",
        help="Read frame by frame, and only what is around the Bragg peak: as far as light is seen, or so many frames, "
        "rows and columns.",
    ),
]
DarkPath = Annotated[Path | None, typer.Option(help="Dark frame, subtracted.")]
WhitePath = Annotated[Path | None, typer.Option(help="White field, divided by.")]

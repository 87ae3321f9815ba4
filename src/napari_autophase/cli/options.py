"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

ScanPath = Annotated[
    str, typer.Argument(metavar="SCAN", help="File or folder; FILE::DATASET picks one inside a file.")
]
Dataset = Annotated[str | None, typer.Option(help="The dataset inside SCAN.")]
MaskPath = Annotated[
    Path | None, typer.Option(help="Mask file of the scan's shape, of one frame, or of the whole detector.")
]
MaskGood = Annotated[
    int | None,
    typer.Option(help="What good pixels are in the mask, 0 or 1; told from what it covers otherwise."),
]
Roi = Annotated[
    str | None,
    typer.Option(
        metavar="ROW0,ROW1,COLUMN0,COLUMN1",
        help="Where the frames lie on the detector: masks and fields of the whole of it are cut to that.",
    ),
]
ValuesAre = Annotated[
    Literal["counts", "amplitudes", "scaled"] | None,
    typer.Option(help="What the file's numbers are; recognised otherwise, and brought back to counts."),
]
Axes = Annotated[
    str | None,
    typer.Option(
        metavar="ROCKING,ROW,COLUMN",
        help="Which of the file's axes are which, e.g. 2,0,1 if the last one rocks; 0,1,2 otherwise.",
    ),
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
        "rows and columns; or from starts to ends, A:B,A:B,A:B.",
    ),
]
DarkPath = Annotated[Path | None, typer.Option(help="Dark frame, subtracted.")]
WhitePath = Annotated[Path | None, typer.Option(help="White field, divided by.")]

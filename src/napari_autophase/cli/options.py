"""Arguments and options that several commands have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer


def _known_device(name: str | None) -> str | None:
    """Refuse a device that nobody could have, before anything is read."""
    if name is not None:
        from ..faults import InputError
        from ..recipe.devices import named

        try:
            named(name)
        except InputError as error:
            raise typer.BadParameter(str(error).rstrip(".")) from None
    return name


DEVICE = typer.Option(
    metavar="auto|cpu|cuda|mps",
    help="Where to compute; cuda:1 is the second of several GPUs.",
    callback=_known_device,
)
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
SpecPath = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The SPEC or fio file with the scan's motors, if it is not in the folders around the frames.",
    ),
]
GeometryPath = Annotated[
    Path | None,
    typer.Option(
        help="A file with the geometry: JSON (see `geometry --beamline`, `info --json`), a report, a result or a scan."
    ),
]
BeamlineName = Annotated[
    str | None,
    typer.Option(
        help="Where it was measured, e.g. 34-ID-C (`geometry` lists them), or a beamline's JSON file."
    ),
]
RecipePath = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        metavar="FILE",
        help="A recipe (.json), or a report or result with one: the scan is prepared as it says.",
    ),
]
MaterialName = Annotated[
    str | None,
    typer.Option(metavar="FORMULA", help="What the crystal is, e.g. Au, to compare its spacing with."),
]
Reflection = Annotated[str | None, typer.Option(metavar="H,K,L", help="Which reflection it is, e.g. 1,1,1.")]
Spacing = Annotated[
    float | None,
    typer.Option(metavar="NM", help="Spacing of the lattice planes in nm, instead of a material."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="One field of the geometry, e.g. 'geometry.energy_kev=9'."
    ),
]
AnySettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One field of the geometry, or of the recipe, e.g. 'geometry.energy_kev=9' or 'model.background=off'.",
    ),
]
Result = Annotated[
    str,
    typer.Argument(
        metavar="RESULT",
        help="A result: ours, PyNX's, cdiutils' (.cxi, .h5), bcdi's (.npz, .h5), cohere's (its folder), or a complex array "
        "(.npy, .npz, .mat), or amplitude and phase in image data of VTK (.vti). FILE::DATASET picks one inside a file.",
    ),
]
ResultAxes = Annotated[
    str | None,
    typer.Option(
        "--axes",
        metavar="ROCKING,ROW,COLUMN",
        help="Which axes of another program's array are which, where its file does not say it, e.g. 1,2,0.",
    ),
]
Conjugate = Annotated[
    bool,
    typer.Option(
        "--conjugate", help="Its phase is +Q·u, which its file does not say (ifft to the detector)."
    ),
]
Peak = Annotated[
    str | None,
    typer.Option(
        metavar="ROW,COLUMN",
        help="Where the Bragg peak lies in the frames, for a result that does not say; without a direct beam the angles are "
        "those of the peak.",
    ),
]
Binning = Annotated[
    str | None,
    typer.Option(
        metavar="FRAMES,ROWS,COLUMNS", help="What was summed before phasing, for a result that does not say."
    ),
]
PhasedShape = Annotated[
    str | None,
    typer.Option(
        metavar="FRAMES,ROWS,COLUMNS",
        help="Shape of the phased array, for a part of it that does not say so itself.",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Amplitude, as a fraction of the largest, that bounds the crystal."),
]
VoxelSize = Annotated[
    str | None,
    typer.Option(
        metavar="NM|resolution",
        help="Edge of the new voxels in nm, or resolution: half of what the result resolves; by default a cube as large as the "
        "old voxel. Of a scan in 1/nm.",
    ),
]
FrameName = Annotated[
    Literal["laboratory", "sample", "crystal"] | None,
    typer.Option(
        help="Axes of the grid: the laboratory's (unless the result is in another frame), the sample's with its circles at zero, "
        "or Q along y."
    ),
]
Apodise = Annotated[
    str | None,
    typer.Option(
        metavar="WINDOW:WIDTH",
        help="Smooth the object before phase and strain: gaussian, hann or blackman, and the width of a point in nm (in voxels "
        "without geometry), such as gaussian:12; off: not. What the result's recipe says otherwise.",
    ),
]
Refraction = Annotated[
    str | None,
    typer.Option(
        metavar="MATERIAL|DELTA,BETA",
        help="Correct for refraction and absorption on the beams' ways through the crystal: a material such as Pt, or δ and β of "
        "n = 1 − δ + iβ; off: not. What the result's recipe says otherwise.",
    ),
]


@dataclass(frozen=True)
class Analysed:
    """How commands on results read one and see it."""

    threshold: Threshold = None
    apodise: Apodise = None
    refraction: Refraction = None
    conjugate: Conjugate = False
    quiet: Quiet = False


@dataclass(frozen=True)
class HeldAgainst:
    """What the mean lattice of a result is held against."""

    material: MaterialName = None
    hkl: Reflection = None
    spacing: Spacing = None

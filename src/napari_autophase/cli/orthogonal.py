"""The command that brings a result or a scan onto an orthogonal grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..faults import InputError
from .options import (
    Axes,
    BeamlineName,
    CropTo,
    Dataset,
    GeometryPath,
    MaskPath,
    Settings,
    SpecPath,
    VoxelSize,
)
from .targets import check_targets


def orthogonalise(
    volume: Annotated[
        str, typer.Argument(metavar="INPUT", help="A result, or a scan: then its counts in reciprocal space.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Where it goes: .h5 (NeXus) or .npz.")
    ],
    frame: Annotated[
        Literal["laboratory", "sample", "crystal"] | None,
        typer.Option(
            help="Axes of the new grid, z, y, x: the laboratory's (x outboard, y up, z along the beam; the default), those of "
            "the sample with its circles at zero, or turned so that Q lies along y."
        ),
    ] = None,
    voxel_size: VoxelSize = None,
    dataset: Dataset = None,
    mask: MaskPath = None,
    axes: Axes = None,
    spec: SpecPath = None,
    crop: CropTo = None,
    geometry: GeometryPath = None,
    beamline: BeamlineName = None,
    settings: Settings = None,
) -> None:
    """Bring INPUT onto an orthogonal grid, and do nothing else."""
    from .. import formats, orthogonal
    from ..scan import Scan
    from .inputs import GeometryChoice, ScanFiles

    if output.suffix.lower() not in (".h5", ".npz"):
        raise InputError(f"{output} must end in .h5 or .npz.")
    check_targets([(output, output.suffix.lower())], (volume, geometry, beamline))
    size = orthogonal.voxel_size_in(voxel_size)
    stood = GeometryChoice.of(geometry, beamline, settings)
    said = stood.document()
    files = ScanFiles(dataset, mask, axes=axes, spec=spec, crop=crop)
    files.announce(volume)
    found = formats.read(volume, beamline=stood.said_beamline(), **files.options())
    if isinstance(found, Scan):
        found = stood.applied(found)
    elif said:
        raise InputError(f"{volume} is a result; napari-autophase analyse gives it another geometry.")
    made = orthogonal.orthogonalise(found, frame, size)
    orthogonal.write(made, output)
    print(
        f"{made.name}: {' × '.join(map(str, made.data.shape))} voxels of {made.voxel_size:.5g} {made.unit} along z, y, x of the "
        f"{made.frame} frame"
    )
    if isinstance(found, Scan):
        for note in made.notes:
            print(f"note: {note}")
    print(f"wrote {output}")

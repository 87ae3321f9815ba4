"""The commands that need no file: a simulated scan, and what there is to compute on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..faults import InputError
from .arguments import numbers
from .targets import check_targets, write_each

Kind = Literal["wulff", "winterbottom", "cut", "rod", "platelet", "scattered"]
"""`simulation.crystal.KINDS`, which takes long to import."""


def simulate(
    output: Annotated[
        Path, typer.Argument(metavar="OUT.h5", help="Where the scan goes (.h5, .nxs or .cxi).")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same crystal.")] = 0,
    size: Annotated[
        str,
        typer.Option(metavar="N|N,N,N", help="Side of the cube in voxels, or frames, rows and columns."),
    ] = "64",
    kind: Annotated[Kind | None, typer.Option(help="Shape of the crystal; any of them otherwise.")] = None,
    phase_range: Annotated[
        float, typer.Option(min=0, metavar="RAD", help="Peak-to-peak phase inside the crystal, in rad.")
    ] = 2.0,
    dislocation: Annotated[
        bool, typer.Option("--dislocation", help="Add a screw-like line about which the phase turns by 2π.")
    ] = False,
    texture: Annotated[
        float,
        typer.Option(min=0, max=0.9, help="Variation of the amplitude inside the crystal, as a part of it."),
    ] = 0.05,
    oversampling: Annotated[
        str | None,
        typer.Option(
            metavar="X,X,X",
            help="Voxels of the array over those of the crystal, along frames, rows and columns; 2 to 4 each otherwise.",
        ),
    ] = None,
    off_centre: Annotated[
        float,
        typer.Option(
            min=0, metavar="PX", help="The peak lies up to so many pixels off the middle, along each axis."
        ),
    ] = 0.3,
    peak: Annotated[float, typer.Option(min=1, help="Expected counts of the brightest voxel.")] = 1e6,
    background: Annotated[float, typer.Option(min=0, help="Mean counts per voxel added.")] = 0.0,
    coherence: Annotated[
        str,
        typer.Option(
            metavar="PX|PX,PX,PX",
            help="Partly coherent light: standard deviation of the blur of the intensity in pixels, of all axes or each.",
        ),
    ] = "0",
    drift: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="PX",
            help="The peak wanders over the detector, by steps of this standard deviation in pixels a frame.",
        ),
    ] = 0.0,
    saturation: Annotated[
        float | None, typer.Option(min=1, metavar="COUNTS", help="Counts are clipped here.")
    ] = None,
    gaps: Annotated[bool, typer.Option("--gaps", help="Mask two strips, as chip gaps do.")] = False,
    hot_pixels: Annotated[int, typer.Option(min=0, help="Number of false voxels.")] = 0,
    truth: Annotated[Path | None, typer.Option(metavar="TRUTH.cxi", help="Where the crystal goes.")] = None,
) -> None:
    """Simulate the rocking curve of a strained crystal with facets, in counts."""
    from .. import export, formats, simulation
    from ..recipe import Recipe
    from ..reconstruction import Reconstruction

    check_targets([(output, output.suffix), (truth, ".cxi")], ())
    frames, rows, columns = map(int, sides := _each(size, "--size"))
    if (frames, rows, columns) != sides or min(sides) < 16:
        raise InputError(
            f"--size '{size}': write one whole number of at least 16, or three, such as 64,80,72."
        )
    made = simulation.simulate(
        seed,
        (frames, rows, columns),
        kind=kind,
        phase_range=phase_range,
        dislocation=dislocation,
        texture=texture,
        oversampling=None if oversampling is None else _each(oversampling, "--oversampling"),
        off_centre=off_centre,
        peak=peak,
        background=background,
        coherence=_each(coherence, "--coherence"),
        drift=drift,
        saturation=saturation,
        gaps=gaps,
        hot_pixels=hot_pixels,
    )
    crystal = Reconstruction(
        object=made.object,
        support=made.support,
        recipe=Recipe(seed=seed),
        figures={},
        geometry=made.scan.geometry,
        voxel_steps_nm=made.voxel_steps_nm,
        q_bragg_per_nm=made.q_bragg_per_nm,
        name=made.scan.name,
        notes=("The simulated truth, not a reconstruction.",),
    )
    write_each([(output, partial(formats.write_scan, made.scan)), (truth, partial(export.write, crystal))])


def _each(text: str, what: str) -> tuple[float, float, float]:
    """Return one number for all axes, or one for each."""
    found = numbers(text, what)
    first, second, third = found * 3 if len(found) == 1 else numbers(text, what, 3)
    return first, second, third


def devices() -> None:
    """Say what this machine can compute on, and with which versions."""
    import platform

    from .. import phasing
    from ..reconstruct import versions

    print("\n".join(phasing.device_lines()))
    told = {**versions(), "Python": platform.python_version()}
    print(f"{', '.join(map(' '.join, told.items()))}, {platform.platform()}")

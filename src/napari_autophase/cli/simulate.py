"""The commands that need no file: a simulated scan, and what there is to compute on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .targets import check_targets, write_each


def simulate(
    output: Annotated[
        Path, typer.Argument(metavar="OUT.h5", help="Where the scan goes (.h5, .nxs or .cxi).")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same crystal.")] = 0,
    size: Annotated[int, typer.Option(min=16, help="Side of the cube in voxels.")] = 64,
    phase_range: Annotated[float, typer.Option(min=0, help="Peak-to-peak phase in rad.")] = 2.0,
    peak: Annotated[float, typer.Option(min=1, help="Counts of the brightest voxel.")] = 1e6,
    background: Annotated[float, typer.Option(min=0, help="Mean counts per voxel added.")] = 0.0,
    gaps: Annotated[bool, typer.Option("--gaps", help="Mask two strips, as chip gaps do.")] = False,
    hot_pixels: Annotated[int, typer.Option(min=0, help="Number of false voxels.")] = 0,
    dislocation: Annotated[bool, typer.Option("--dislocation", help="Add a screw-like line.")] = False,
    truth: Annotated[Path | None, typer.Option(metavar="TRUTH.cxi", help="Where the crystal goes.")] = None,
) -> None:
    """Simulate the rocking curve of a strained crystal with facets, in counts."""
    from .. import export, formats, simulation
    from ..recipe import Recipe
    from ..reconstruction import Reconstruction

    check_targets([(output, output.suffix), (truth, ".cxi")], ())
    made = simulation.simulate(
        seed,
        size,
        phase_range=phase_range,
        peak=peak,
        background=background,
        gaps=gaps,
        hot_pixels=hot_pixels,
        dislocation=dislocation,
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


def devices() -> None:
    """Say what this machine can compute on, and with which versions."""
    import platform

    from .. import phasing
    from ..reconstruct import versions

    print("\n".join(phasing.device_lines()))
    told = {**versions(), "Python": platform.python_version()}
    print(f"{', '.join(map(' '.join, told.items()))}, {platform.platform()}")

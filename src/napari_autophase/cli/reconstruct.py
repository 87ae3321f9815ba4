"""The commands that phase a scan, for the first time or once more."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..presets import Preset
from . import show
from .arguments import file_of
from .options import (
    DEVICE,
    Axes,
    BeamlineName,
    CropTo,
    DarkPath,
    Dataset,
    GeometryPath,
    MaskGood,
    MaskPath,
    PicturePath,
    Quiet,
    ReportPath,
    ResultPath,
    Roi,
    ScanPaths,
    SpecPath,
    ValuesAre,
    WhitePath,
)
from .targets import check_targets, write_each, write_json

if TYPE_CHECKING:
    from ..reconstruction import Reconstruction


def reconstruct(
    scans: ScanPaths,
    output: ResultPath = None,
    preset: Annotated[Preset | None, typer.Option(help="How: `fast` unless said otherwise.")] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A recipe (.json) instead of a preset, or a report or result with that recipe.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one setting, e.g. 'refine.algorithm=20*ER+180*HIO' or 'geometry.energy_kev=9'.",
        ),
    ] = None,
    dataset: Dataset = None,
    mask: MaskPath = None,
    mask_good: MaskGood = None,
    dark: DarkPath = None,
    white: WhitePath = None,
    roi: Roi = None,
    values: ValuesAre = None,
    axes: Axes = None,
    spec: SpecPath = None,
    crop: CropTo = None,
    add: Annotated[
        bool,
        typer.Option("--sum", help="The scans are repeats of one: align them by correlation and add them."),
    ] = False,
    least: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Correlation of the moduli that a scan needs to be summed, 0.99 unless said otherwise.",
        ),
    ] = None,
    geometry: GeometryPath = None,
    beamline: BeamlineName = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="The network's weights instead of those shipped: .safetensors, or AutoPhaseNN's in PyTorch or Keras form."
        ),
    ] = None,
    device: Annotated[str | None, DEVICE] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all random numbers.")] = None,
    runs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Average so many runs, and say how far they, and two halves of the photons, agree."
        ),
    ] = None,
    report: ReportPath = None,
    picture: PicturePath = None,
    quiet: Quiet = False,
) -> None:
    """Reconstruct the crystal that scattered SCAN.

    Without -o, --report and --picture the result goes to NAME_reconstruction.cxi in the current folder.
    """
    from .inputs import GeometryChoice, ScanFiles, check_weights, choose_recipe, read_scans

    chosen = choose_recipe(preset, recipe, settings or [])
    explicit = {
        "device": device,
        "seed": seed,
        "runs": runs,
        "guess.weights": None if weights is None else str(weights),
    }
    chosen = chosen.with_settings({key: value for key, value in explicit.items() if value is not None})
    check_weights(chosen)
    stood = GeometryChoice.of(geometry, beamline, settings, beside_recipe=True)
    stood.document()  # a misspelt file is told before the scan is read
    files = ScanFiles(dataset, mask, mask_good, dark, white, roi, values, axes, spec, crop)
    files.options()  # as soon
    if not (output or report or picture):
        output = Path(f"{file_of(scans[0]).stem}_reconstruction.cxi")
    given = (*scans, recipe, mask, dark, white, spec, geometry, beamline, weights)
    check_targets([(output, ".cxi"), (report, ".json"), (picture, ".png")], given)

    from ..libraries import load_libraries

    # while the scan is read: Python's lock is not needed for it
    loading = threading.Thread(target=load_libraries, daemon=True)
    loading.start()
    from .. import progress
    from ..reconstruct import run

    begin = time.perf_counter()
    if not quiet:
        files.announce(scans[0])
    measured = read_scans(scans, add, least, files, stood)
    loading.join()
    seconds_read = time.perf_counter() - begin

    if not quiet:
        from .. import phasing

        print(phasing.memory_line(measured.shape, chosen), file=sys.stderr)
    with progress.shown(False if quiet else None) as report_step:
        found = run(measured, chosen, report_step)
    seconds = {"read": seconds_read, **found.seconds, "total": seconds_read + found.seconds["total"]}
    _hand_over(replace(found, seconds=seconds), output, report, picture, quiet)


def _hand_over(
    found: Reconstruction, output: Path | None, report: Path | None, picture: Path | None, quiet: bool
) -> None:
    """Show a result in a few lines, and write what was asked for."""
    from .. import analysis, export

    if not quiet:
        show.summarise(found)
    write_each(
        [
            (output, partial(export.write, found)),
            (report, partial(write_json, show.document(found))),
            (picture, lambda path: analysis.draw_picture(found, path, found.recipe.analyse.threshold)),
        ],
        quiet=quiet,
    )


def repeat_result(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="A result (.cxi), or the report (.json) of one.")
    ],
    output: ResultPath = None,
    source: Annotated[
        Path | None, typer.Option(metavar="SCAN", help="Where the scan lies now, if it was moved.")
    ] = None,
    report: ReportPath = None,
    picture: PicturePath = None,
    quiet: Quiet = False,
) -> None:
    """Make RESULT again from its own file: the scan is read as it was then, and refused if its counts or mask have changed.

    The geometry is RESULT's own; where the scan's files say another one now, a note tells it.

    Without -o, --report and --picture the result goes to NAME_repeated.cxi in the current folder.
    """
    from .. import progress
    from ..repeat import record, repeat

    known = record(result)
    if not (output or report or picture):
        output = Path(f"{result.stem}_repeated.cxi")
    check_targets([(output, ".cxi"), (report, ".json"), (picture, ".png")], (result, source))
    with progress.shown(False if quiet else None) as report_step:
        found = repeat(known, source, report_step)
    _hand_over(found, output, report, picture, quiet)

"""The commands, and `main`, which turns what happens into an exit code.

0: done; 2: unusable input or arguments, with one line on stderr; 130: interrupted; 1: a fault of this program.
Heavy imports stand inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import errno
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal

import typer

from .. import memory, progress
from ..libraries import load_libraries
from ..recipe import Preset, Recipe
from ..reconstruction import Reconstruction
from ..scan import InputError, Scan
from . import geometry as geometry_commands
from . import results, show, surrogate
from .finetune import finetune
from .inputs import GeometryChoice, ScanFiles, check_weights, choose_recipe, file_of, read_scans
from .options import (
    Axes,
    CropTo,
    DarkPath,
    Dataset,
    MaskGood,
    MaskPath,
    PicturePath,
    Quiet,
    ReportPath,
    ResultPath,
    Roi,
    ScanPath,
    ScanPaths,
    ValuesAre,
    WhitePath,
)
from .orthogonal import orthogonalise
from .targets import as_json, check_targets, write_each, write_json

PROGRAM = "napari-autophase"
app = typer.Typer(
    name=PROGRAM,
    help="Bragg coherent diffraction imaging: from a rocking curve to the crystal, its phase and its strain.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _program(
    debug: Annotated[bool, typer.Option(help="Show the traceback of an unexpected error.")] = False,
) -> None:
    """Options of every command (`debug` is read by `main`)."""


@app.command()
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
    spec: geometry_commands.SpecPath = None,
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
    geometry: geometry_commands.GeometryPath = None,
    beamline: geometry_commands.BeamlineName = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="The network's weights instead of those shipped: .safetensors, or AutoPhaseNN's in PyTorch or Keras form."
        ),
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"] | None, typer.Option(help="Where to compute.")
    ] = None,
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
    chosen = choose_recipe(preset, recipe, settings or [])
    explicit = {
        "device": device,
        "seed": seed,
        "runs": runs,
        "guess.weights": None if weights is None else str(weights),
    }
    chosen = chosen.with_settings({key: value for key, value in explicit.items() if value is not None})
    check_weights(chosen)
    stood = GeometryChoice.of(geometry, beamline, settings)
    stood.document()  # a misspelt file is told before the scan is read
    files = ScanFiles(dataset, mask, mask_good, dark, white, roi, values, axes, spec, crop)
    files.options()  # as soon
    if not (output or report or picture):
        output = Path(f"{file_of(scans[0]).stem}_reconstruction.cxi")
    for each in scans:
        check_targets([(output, ".cxi"), (report, ".json"), (picture, ".png")], scan=file_of(each))

    # while the scan is read: Python's lock is not needed for it
    loading = threading.Thread(target=load_libraries, daemon=True)
    loading.start()
    from .. import formats
    from ..reconstruct import run

    begin = time.perf_counter()
    if crop is not None and not quiet:
        print(formats.cropping_line(scans[0], dataset=dataset), file=sys.stderr)
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


@app.command("repeat")
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
    """Make RESULT again from its own file: the scan is read as it was then, and refused if anything in it has changed.

    Without -o, --report and --picture the result goes to NAME_repeated.cxi in the current folder.
    """
    from ..repeat import record, repeat

    known = record(result)
    if not (output or report or picture):
        output = Path(f"{result.stem}_repeated.cxi")
    check_targets([(output, ".cxi"), (report, ".json"), (picture, ".png")], scan=result)
    with progress.shown(False if quiet else None) as report_step:
        found = repeat(known, source, report_step)
    _hand_over(found, output, report, picture, quiet)


@app.command()
def info(
    scan: ScanPath,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    dataset: Dataset = None,
    mask: MaskPath = None,
    mask_good: MaskGood = None,
    dark: DarkPath = None,
    white: WhitePath = None,
    roi: Roi = None,
    values: ValuesAre = None,
    axes: Axes = None,
    spec: geometry_commands.SpecPath = None,
    crop: CropTo = None,
    geometry: geometry_commands.GeometryPath = None,
    beamline: geometry_commands.BeamlineName = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the geometry, e.g. 'geometry.energy_kev=9'."),
    ] = None,
    material: geometry_commands.MaterialName = None,
    hkl: geometry_commands.Reflection = None,
    spacing: geometry_commands.Spacing = None,
) -> None:
    """Say what was understood of SCAN, or what a result holds; of a file with many scans, list them."""
    from .. import formats

    if dataset is None and "::" not in scan and len(held := formats.scans(scan)) > 1:
        print(
            as_json({"kind": "scans", "scans": [asdict(each) for each in held]}) if json else show.table(held)
        )
        return
    from ..summary import summarise

    stood = GeometryChoice.of(geometry, beamline, settings)
    stood.document()
    files = ScanFiles(dataset, mask, mask_good, dark, white, roi, values, axes, spec, crop)
    found = formats.read(scan, beamline=stood.said_beamline(), **files.options())
    lines: list[tuple[str, str]] = []
    if isinstance(found, Scan):
        seen = summarise(geometry_commands.reflected(stood.applied(found), hkl), material, spacing)
        document, lines = seen.document(), seen.lines()
    else:
        if stood.document():
            raise InputError(f"{scan} is a result; napari-autophase analyse gives it another geometry.")
        reference = geometry_commands.reference_nm(found, material, hkl, spacing)
        document = {"kind": "reconstruction", **show.document(found, reference)}
        lines = [("lattice", line) for line in show.lattice_lines(found, reference)]
    if json:
        print(as_json(document))
        return
    for key, value in document.items():
        if key == "notes" and isinstance(found, Scan):
            lines += [("note", sentence) for sentence in value]
        elif key != "seen":
            print(f"{key:>14}  {show.words(value)}")
    for key, sentence in lines:
        print(f"{key:>14}  {sentence}")


@app.command()
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

    check_targets([(output, output.suffix), (truth, ".cxi")], scan=None)
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


@app.command()
def devices() -> None:
    """Say what this machine can compute on."""
    from .. import phasing

    print("\n".join(phasing.device_lines()))


app.command()(surrogate.train)
app.command()(surrogate.evaluate)
app.command()(surrogate.run)
app.command("simulate-set")(surrogate.simulate_set)


app.command()(results.analyse)
app.command("export")(results.export_result)
app.command()(results.picture)
app.command()(results.report)
app.command()(results.compare)
app.command()(finetune)
app.command()(orthogonalise)
app.add_typer(geometry_commands.app, name="geometry")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with `arguments` (default: the process's own) and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without a letter is no reason to fail
    try:
        return app(arguments, prog_name=PROGRAM, standalone_mode=False) or 0
    except InputError as error:
        return _complain(str(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        return _complain("Interrupted.", 130)
    except Exception as error:
        if hasattr(error, "format_message"):  # how typer says that the arguments are wrong
            return _complain(f"{error.format_message().rstrip('. ')}. See {PROGRAM} --help.", 2)
        if "--debug" in arguments:
            raise
        if isinstance(error, MemoryError):
            return _complain(memory.said("this"), 2)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG):
            # files say so themselves: this is what was printed
            return _complain(f"The output cannot be printed ({error.strerror}); send it elsewhere.", 2)
        return _complain(f"Unexpected {type(error).__name__}: {error} ({PROGRAM} --debug … shows where).", 1)


def _complain(text: str, code: int) -> int:
    print(f"{PROGRAM}: {' '.join(text.split())}", file=sys.stderr)
    return code

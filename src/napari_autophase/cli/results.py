"""The commands for results that exist, of this program or another: look at them, place, compare and export them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..faults import InputError
from . import show
from .arguments import file_of, numbers, told_apart
from .grouped import spread
from .options import (
    Analysed,
    BeamlineName,
    Binning,
    FrameName,
    GeometryPath,
    HeldAgainst,
    Peak,
    PhasedShape,
    PicturePath,
    ReportPath,
    Result,
    ResultAxes,
    Settings,
    Threshold,
    VoxelSize,
)
from .targets import as_json, check_targets, write_each, write_json

if TYPE_CHECKING:
    from ..export import Against
    from ..reconstruction import Reconstruction
    from .inputs import GeometryChoice


def read_result(
    result: str,
    choice: GeometryChoice,
    conjugate: bool = False,
    peak: str | None = None,
    binning: str | None = None,
    phased_shape: str | None = None,
    axes: str | None = None,
) -> Reconstruction:
    """Return a result in the geometry that it has, or that is said."""
    from .. import formats
    from ..placement import arranged

    if not formats.holds_crystal(result):
        raise InputError(
            f"{result} is a scan, not a result: a crystal has amplitude and phase (a complex array), and this one is real; "
            "reconstruct it first."
        )
    found = formats.read_reconstruction(result)
    order = formats.numbers_in(axes=axes)["axes"] or (0, 1, 2)
    if axes is not None or conjugate:
        found = arranged(found, order, conjugate)
    factors, shape = None, None
    if choice.path is not None and choice.path.suffix.lower() in (".yml", ".yaml"):
        from .bcdi_config import grid_in, is_flipped

        factors, shape = grid_in(choice.path)
        if is_flipped(choice.path):
            from .. import analysis

            note = "Turned into its twin, as the configuration says (flip_reconstruction)."
            found = replace(
                found,
                object=analysis.twin(found.object),
                support=analysis.twin(found.support),
                notes=(*found.notes, note),
            )
    if binning is not None:
        factors = _whole(binning, "--binning")
    if phased_shape is not None:
        shape = _whole(phased_shape, "--phased-shape")
    elif found.phased_shape is not None:
        shape = found.phased_shape
    if shape is not None and found.peak is None:
        if any(n < m for n, m in zip(shape, found.shape, strict=True)):
            raise InputError(
                f"{found.name} has {' × '.join(map(str, found.shape))} voxels: it cannot be a part of a phased array of "
                f"{' × '.join(map(str, shape))}; check --phased-shape."
            )
        found = replace(found, phased_shape=None if shape == found.shape else shape)
    row_column = None if peak is None else numbers(peak, "--peak", 2)
    return choice.placed(found, row_column, factors)  # type: ignore[arg-type]


def analysed(result: str, seen: Analysed) -> Reconstruction:
    """Return a result in the geometry that it has, to be analysed as the options say."""
    from .. import analysis
    from .inputs import GeometryChoice

    found = read_result(result, GeometryChoice(), seen.conjugate)
    return analysis.with_corrections(found, seen.apodise, seen.refraction)


def against(held: HeldAgainst) -> Against:
    """Return what the options say that a mean lattice is held against."""
    from ..export import Against
    from ..geometry import indices

    return Against(held.material, None if held.hkl is None else indices(held.hkl), held.spacing)


def _facet(text: str) -> tuple[int, tuple[int, int, int]]:
    from ..geometry import indices

    number, equals, plane = text.partition("=")
    if not equals or not number.strip().isdigit():
        raise InputError(f"--facet '{text}': write the facet's number and its planes, such as 1=1,1,1.")
    return int(number), indices(plane)


def _whole(text: str, what: str) -> tuple[int, int, int]:
    found = numbers(text, what, 3)
    if any(each != int(each) or each < 1 for each in found):
        raise InputError(f"{what} '{text}': write three whole numbers, such as 1,2,2.")
    first, second, third = map(int, found)
    return first, second, third


def check_outputs(outputs: list[tuple[Path | None, tuple[str, ...]]], *inputs: str | Path | None) -> None:
    """Make sure that files can be written as their names end, and that none of them is one that is read."""
    targets = [(path, path.suffix.lower(), suffixes) for path, suffixes in outputs if path is not None]
    for path, suffix, suffixes in targets:
        if suffix not in suffixes:
            raise InputError(f"{path} must end in one of {', '.join(suffixes)}.")
    check_targets([(path, suffix) for path, suffix, _ in targets], inputs)


PICTURES = (".png", ".pdf", ".svg")
"""Suffixes of the files that a picture can be written to."""


@spread
def analyse(
    result: Result,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="What it is written as, by the ending: see `export`. May be repeated.",
        ),
    ] = None,
    geometry: GeometryPath = None,
    beamline: BeamlineName = None,
    settings: Settings = None,
    peak: Peak = None,
    binning: Binning = None,
    phased_shape: PhasedShape = None,
    axes: ResultAxes = None,
    facets: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", help="A table of the facets, with the strain of each.")
    ] = None,
    facet: Annotated[
        str | None,
        typer.Option(
            metavar="N=H,K,L",
            help="Which planes facet N of the table is: how the crystal is turned about Q; else what fits best.",
        ),
    ] = None,
    dislocations: Annotated[
        Path | None,
        typer.Option(metavar="OUT.csv", help="A table of the dislocations that the phase winds about."),
    ] = None,
    run_table: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", help="A table of the runs that RESULT is the mean of.")
    ] = None,
    report: ReportPath = None,
    picture: PicturePath = None,
    *,
    seen: Analysed,
    held: HeldAgainst,
) -> None:
    """Go from the phase of RESULT to its strain, in the geometry that it has or in another one; nothing is phased anew."""
    from .. import analysis, export, files
    from ..analysis.dislocations import table as line_table
    from ..analysis.facets import table as facet_table
    from .inputs import GeometryChoice, reference_nm

    check_outputs(
        [
            *((path, export.SUFFIXES) for path in output or ()),
            *((report, (".json",)), (picture, PICTURES)),
            *((table, (".csv",)) for table in (facets, dislocations, run_table)),
        ],
        result,
        geometry,
        beamline,
    )
    second = None if facet is None else _facet(facet)
    found = read_result(
        result,
        GeometryChoice.of(geometry, beamline, settings),
        seen.conjugate,
        peak,
        binning,
        phased_shape,
        axes,
    )
    found = analysis.with_corrections(found, seen.apodise, seen.refraction)
    from ..report.facts import facet_words, facts

    to = against(held)
    shown = analysis.quantities(found, seen.threshold, lattice=analysis.mean_lattice(found, **vars(to)))
    resolved = analysis.resolution(shown, found.trust)
    if not seen.quiet:
        for label, words in [*facts(found, shown, resolved), *(("note", note) for note in found.notes)]:
            print(f"{label:>14}  {words}")
    document = show.document(found, reference_nm(found, **vars(held)), resolved, seen.threshold)
    runs = "" if run_table is None else analysis.trust.run_table(found)
    flat: list[analysis.Facet] = []
    if facets is not None:
        flat = analysis.facets_of(shown, analysis.bare_mesh(shown), second)
        if not seen.quiet:
            print(f"{'facets':>14}  {facet_words(flat)}")
    writers = [
        (path, partial(export.export, found, threshold=seen.threshold, against=to)) for path in output or ()
    ]
    write_each(
        [
            *writers,
            (facets, lambda path: files.write(path, facet_table(flat, shown.unit))),
            (dislocations, lambda path: files.write(path, line_table(shown.dislocations, shown.unit))),
            (run_table, lambda path: files.write(path, runs)),
            (report, partial(write_json, document)),
            (picture, lambda path: analysis.draw_picture(found, path, seen.threshold)),
        ],
        quiet=seen.quiet,
    )


@spread
def export_result(
    result: Result,
    output: Annotated[
        list[Path],
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="By its ending: .cxi (whole, opens again), .nxs or .h5 (NeXus), .npz, .mat, .tif (ImageJ), .vti (ParaView): "
            "volumes; .vtp, .stl, .ply: the surface; .csv: curves of trust and resolution. May be repeated.",
        ),
    ],
    frame: FrameName = None,
    voxel_size: VoxelSize = None,
    *,
    seen: Analysed,
    held: HeldAgainst,
) -> None:
    """Write RESULT as other programs open it: amplitude, phase, displacement and strain on an orthogonal grid, or the surface."""
    from .. import export
    from ..orthogonal import voxel_size_in

    size = voxel_size_in(voxel_size)
    check_outputs([(path, export.SUFFIXES) for path in output], result)
    found = analysed(result, seen)
    write = partial(
        export.export,
        found,
        threshold=seen.threshold,
        voxel_size_nm=size,
        frame=frame,
        against=against(held),
    )
    write_each([(path, write) for path in output], quiet=seen.quiet)


@spread
def picture(
    result: Result,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help=".png, .pdf or .svg; NAME.png unless said otherwise."
        ),
    ] = None,
    *,
    seen: Analysed,
) -> None:
    """Draw RESULT on one page: its surface, and slices of amplitude, phase and strain."""
    from .. import analysis

    output = output or Path(f"{file_of(result).stem}.png")
    check_outputs([(output, PICTURES)], result)
    found = analysed(result, seen)
    write_each([(output, lambda path: analysis.draw_picture(found, path, seen.threshold))], quiet=seen.quiet)


def compare(
    one: Annotated[
        str,
        typer.Argument(
            metavar="A", help="A result, brought onto B: its voxels may be others, and it its twin."
        ),
    ],
    other: Annotated[str, typer.Argument(metavar="B", help="The result that it is held against.")],
    picture: PicturePath = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    geometry: GeometryPath = None,
    beamline: BeamlineName = None,
    settings: Settings = None,
    threshold: Threshold = None,
    ramp: Annotated[
        bool,
        typer.Option(
            "--ramp/--no-ramp", help="Take out the linear phase between the two, which is a difference of Q."
        ),
    ] = True,
    conjugate: Annotated[
        bool, typer.Option("--conjugate", help="The phase of A is +Q·u, which its file does not say.")
    ] = False,
    axes: Annotated[
        str | None,
        typer.Option(
            "--axes",
            metavar="ROCKING,ROW,COLUMN",
            help="Which axes of A's array are which, where its file does not say it.",
        ),
    ] = None,
) -> None:
    """Hold two results against each other: shift, phase, ramp, twin and voxel sizes are resolved; what is left is said.

    A geometry that is given holds for both.
    """
    from .. import analysis
    from .inputs import GeometryChoice

    check_outputs([(picture, PICTURES)], one, other, geometry, beamline)
    choice = GeometryChoice.of(geometry, beamline, settings)
    pair = [read_result(one, choice, conjugate, axes=axes), read_result(other, choice)]
    names = [each.title for each in pair]
    if names[0] == names[1]:
        names = list(told_apart(one, other))
    pair = [replace(each, name=name) for each, name in zip(pair, names, strict=True)]
    found = analysis.compare_results(pair[0], pair[1], threshold, ramp=ramp)
    if json:
        how = {
            "twin": found.alignment.twin,
            "shift_voxels": found.alignment.shift,
            "voxel_size_nm": found.voxel_size_nm,
        }
        print(
            as_json(
                {
                    "one": one,
                    "other": other,
                    **found.figures,
                    **how,
                    "held_out": found.held_out,
                    "notes": found.notes,
                }
            )
        )
    else:
        from .show import compared

        for label, words in compared(found, (names[0], names[1])):
            print(f"{label:>14}  {words}")
    write_each(
        [(picture, lambda path: analysis.draw_comparison(found, (names[0], names[1]), path))], quiet=json
    )

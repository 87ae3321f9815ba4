"""The commands that help to get the geometry right: templates, beamlines, and two tests of how a detector is mounted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..faults import InputError
from .arguments import numbers
from .options import (
    Axes,
    BeamlineName,
    CropTo,
    GeometryPath,
    MaterialName,
    Reflection,
    Settings,
    Spacing,
    SpecPath,
)

app = typer.Typer(
    add_completion=False,
    help="Templates for a geometry, the known beamlines, and tests of how a detector is mounted.",
    invoke_without_command=True,
    no_args_is_help=False,
)


@app.callback()
def geometry(
    context: typer.Context,
    beamline: BeamlineName = None,
    detector: Annotated[str | None, typer.Option(help="A detector of the beamline.")] = None,
) -> None:
    """List the known beamlines; with --beamline print a geometry to fill in, each key explained.

    Write it to a file, fill in what is null, and give it to `reconstruct` or `info` with --geometry.
    """
    if context.invoked_subcommand is not None:
        if beamline or detector:
            raise InputError(f"Give --beamline after '{context.invoked_subcommand}'.")
        return
    from ..geometry import beamlines, find_beamline, said, template

    if beamline is not None:
        document = template(find_beamline(beamline), detector)
        lines = (f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in document.items())
        print("{\n" + ",\n".join(lines) + "\n}")
        return
    if detector is not None:
        raise InputError("--detector needs --beamline.")
    for each in beamlines().values():
        circles = "; ".join(
            f"{what} " + ", ".join(f"{circle.motor} {said(circle.axis)}" for circle in of)
            for what, of in (("sample", each.sample), ("arm", each.arm))
            if of
        )
        print(f"{each.name} ({each.facility}): {circles}")
        for one in each.detectors:
            rows, columns = map(said, one.directions)
            note = f"; sources disagree on {one.disputed}" if one.disputed else ""
            print(f"    {one.name}: rows {rows}, columns {columns}{note}")


@app.command()
def lattice(
    scan: Annotated[str, typer.Argument(metavar="SCAN", help="A scan of a known reflection.")],
    material: MaterialName = None,
    hkl: Reflection = None,
    spacing: Spacing = None,
    geometry: GeometryPath = None,
    beamline: BeamlineName = None,
    settings: Settings = None,
    spec: SpecPath = None,
    dataset: Annotated[str | None, typer.Option(help="The dataset inside SCAN.")] = None,
    mask: Annotated[Path | None, typer.Option(help="Mask file: not 0 is unusable.")] = None,
    axes: Axes = None,
    crop: CropTo = None,
) -> None:
    """Find how the detector is mounted from a known lattice spacing: d for all four orientations."""
    from ..geometry import find_material, lattice_test, said, spacing_nm
    from ..preparation import prepare
    from ..recipe import Recipe
    from .inputs import GeometryChoice, ScanFiles, read_scan, reflected

    choice = GeometryChoice.of(geometry, beamline, settings)
    files = ScanFiles(dataset, mask, axes=axes, spec=spec, crop=crop)
    files.announce(scan)
    measured = reflected(read_scan(scan, files, choice), hkl)
    if measured.geometry is None:
        raise InputError(f"{scan} has no geometry; give one with --geometry or --beamline and --set.")
    if spacing is None:
        if material is None or measured.geometry.reflection is None:
            raise InputError("The lattice test needs --material and --hkl, or --spacing in nm.")
        spacing = spacing_nm(find_material(material)[1], measured.geometry.reflection)
    prepared = prepare(measured, Recipe().prepare)
    assert prepared.geometry is not None
    found = lattice_test(prepared.geometry, prepared.peak[1:], prepared.counts.shape, spacing)
    for mounting in found.mountings:
        rows, columns = map(said, mounting.pixel_directions)
        print(f"rows {rows}, columns {columns}: d {mounting.spacing_nm:.5f} nm, {mounting.misfit:+.2f} %")
    print(found.sentence)


@app.command()
def arm(
    pixels: Annotated[
        list[str] | None,
        typer.Option("--pixel", metavar="ROW,COLUMN", help="Where the spot was seen; twice."),
    ] = None,
    angles: Annotated[
        list[str] | None,
        typer.Option("--angles", metavar="A,B,…", help="The arm's angles then, outermost first; twice."),
    ] = None,
    geometry: GeometryPath = None,
    beamline: BeamlineName = None,
    settings: Settings = None,
) -> None:
    """Find how the detector is mounted, and its distance, from one spot seen at two positions of the arm.

    The sample stands still.  Move both motors of the arm, or do it twice: one motor tells of rows or of columns alone.
    The direct beam's pixel and the pixel size must be known.
    """
    from ..geometry import arm_test, complete, said
    from .inputs import GeometryChoice

    if pixels is None or angles is None or len(pixels) != 2 or len(angles) != 2:
        raise InputError(
            "The arm test needs two positions: --pixel R,C --angles A,B --pixel R,C --angles A,B."
        )
    positions = [numbers(each, "--angles") for each in angles]
    spots = [numbers(each, "--pixel", 2) for each in pixels]
    # what the test does not look at
    unused = {"energy_kev": 10.0, "distance_m": 1.0, "rocking_step_deg": 0.01}
    document = GeometryChoice.of(geometry, beamline, settings).document()
    document = {**unused, "detector_angles_deg": positions[0], **document}
    if "sample_angles_deg" not in document and "beamline" in document:
        from ..geometry import find_beamline

        document["sample_angles_deg"] = [0.0] * len(find_beamline(document["beamline"]).sample)
    stood = complete(document, besides=["direct_beam_pixel"])
    first, second = (((s[0], s[1]), p) for s, p in zip(spots, positions, strict=True))
    found = arm_test(stood, first, second, (1, 1, 1))
    for mounting in found.mountings:
        rows, columns = map(said, mounting.pixel_directions)
        print(
            f"rows {rows}, columns {columns}: {mounting.misfit:.2f} pixels off at best, at {mounting.distance_m:.4g} m"
        )
    print(found.sentence)

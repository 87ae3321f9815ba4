"""The command that says what a file holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from . import show
from .arguments import file_of
from .options import (
    AnySettings,
    Axes,
    BeamlineName,
    CropTo,
    DarkPath,
    Dataset,
    GeometryPath,
    MaskGood,
    MaskPath,
    MaterialName,
    RecipePath,
    Reflection,
    Roi,
    ScanPath,
    Spacing,
    SpecPath,
    ValuesAre,
    WhitePath,
)
from .targets import as_json


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
    spec: SpecPath = None,
    crop: CropTo = None,
    geometry: GeometryPath = None,
    beamline: BeamlineName = None,
    recipe: RecipePath = None,
    settings: AnySettings = None,
    material: MaterialName = None,
    hkl: Reflection = None,
    spacing: Spacing = None,
) -> None:
    """Say what was understood of SCAN, or what a result or a report holds; of a file with many scans, list them."""
    from .. import formats

    if (report := formats.report_in(file_of(scan))) is not None:
        if json:
            print(as_json({"kind": "report", **report}))
        else:
            show.reported(scan, report, formats.result_of(report, file_of(scan)))
        return
    if dataset is None and "::" not in scan and len(held := formats.scans(scan)) > 1:
        print(
            as_json({"kind": "scans", "scans": [asdict(each) for each in held]}) if json else show.table(held)
        )
        return
    from ..faults import InputError
    from ..scan import Scan
    from ..summary import summarise
    from .inputs import GeometryChoice, ScanFiles, choose_recipe, reference_nm, reflected

    stood = GeometryChoice.of(geometry, beamline, settings, beside_recipe=True)
    stood.document()
    prepared_as = choose_recipe(None, recipe, settings or [])
    files = ScanFiles(dataset, mask, mask_good, dark, white, roi, values, axes, spec, crop)
    files.announce(scan)
    found = formats.read(scan, beamline=stood.said_beamline(), **files.options())
    lines: list[tuple[str, str]] = []
    if isinstance(found, Scan):
        seen = summarise(reflected(stood.applied(found), hkl), material, spacing, prepared_as)
        document, lines = seen.document(), seen.lines()
    else:
        if stood.document():
            raise InputError(f"{scan} is a result; napari-autophase analyse gives it another geometry.")
        reference = reference_nm(found, material, hkl, spacing)
        if not json:
            print(f"{scan} is a reconstruction")
            show.held(found, reference)
            return
        document = {"kind": "reconstruction", **show.document(found, reference)}
    if json:
        print(as_json(document))
        return
    for key, value in document.items():
        if key == "notes":
            lines += [("note", sentence) for sentence in value]
        elif key != "seen":
            print(f"{key:>14}  {show.words(value)}")
    for key, sentence in lines:
        print(f"{key:>14}  {sentence}")

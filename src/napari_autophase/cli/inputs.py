"""From arguments to the nouns: which recipe, which scan, which geometry."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, replace
from pathlib import Path

from ..recipe import Preset, Recipe
from ..scan import Geometry, InputError, Scan


def choose_recipe(preset: Preset | None, path: Path | None, settings: list[str]) -> Recipe:
    """Return the recipe that the preset or the JSON file at `path` gives, with ``KEY=VALUE`` `settings` changed."""
    if preset is not None and path is not None:
        raise InputError("--preset and --recipe both say how to reconstruct; give one of them.")
    recipe = Recipe.from_preset(preset or "fast") if path is None else Recipe.from_file(path)
    changes = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set '{setting}' has no '='; write it as 'refine.algorithm=50*ER'.")
        changes[key.strip()] = value.strip()
    return recipe.with_settings(changes)


def check_weights(recipe: Recipe) -> None:
    """Say that the network's weights are missing before the scan is read, which may take long."""
    weights = recipe.guess.weights
    if weights is not None and recipe.guess.start != "random" and not Path(weights).is_file():
        raise InputError(
            f"The network's weights {weights} are missing; give another file, or none for the shipped weights."
        )


def file_of(scan: str) -> Path:
    """Return the file of ``FILE::DATASET``."""
    return Path(scan.partition("::")[0])


def read_scan(
    scan: str,
    dataset: str | None,
    mask: Path | None,
    dark: Path | None,
    white: Path | None,
    geometry: Path | None,
) -> Scan:
    """Return the scan that these files make."""
    from .. import formats

    return with_geometry(
        formats.read_scan(scan, dataset=dataset, mask=mask, dark=dark, white=white), geometry
    )


def with_geometry(scan: Scan, path: Path | None) -> Scan:
    """Return `scan` with the geometry of the JSON file at `path`, if there is one."""
    if path is None:
        return scan
    from pydantic import TypeAdapter, ValidationError

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The geometry {path} cannot be read: {error}.") from None
    if isinstance(document, dict) and "geometry" in document:  # the whole of `info --json`
        document = document["geometry"]
    if not isinstance(document, dict):
        raise InputError(f"{path} holds no geometry: a JSON object with its keys is wanted.")
    if unknown := set(document) - set(Geometry.__dataclass_fields__):
        raise InputError(f"The geometry {path} has an unknown key '{min(unknown)}'.")
    # an angle that nobody gave is not zero, whatever the default says
    needed = [each.name for each in fields(Geometry) if each.default is MISSING] + ["sample_angles_deg"]
    if missing := [name for name in needed if document.get(name) in (None, [])]:
        raise InputError(f"The geometry {path} lacks {', '.join(missing)}; add what is missing.")
    try:
        return replace(scan, geometry=TypeAdapter(Geometry).validate_python(document))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(step) for step in fault["loc"]) or "the document"
        raise InputError(f"The geometry {path} is not usable at '{where}': {fault['msg']}.") from None

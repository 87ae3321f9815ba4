"""A result made again from its own file: the same counts, the same corrections, the same recipe."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import analysis, formats, painted
from .geometry import complete
from .preparation import sum_scans
from .recipe import Recipe
from .reconstruct import run, used_sha256, versions
from .reconstruction import BEGUN_WITH, Progress, Reconstruction
from .scan import Geometry, InputError, Origin, Scan

OURS = "napari-autophase"


@dataclass(frozen=True)
class Record:
    """What a result, or a report, says of how it was made.

    Parameters
    ----------
    path
        Its file.
    recipe
        The recipe.
    origin
        How the scan was read; None: nobody knows.
    geometry
        That of the scan as it was phased.
    sha256
        Of the counts and of the mask as they were used.
    weights_sha256
        Of the network's weights; None: it took no part.
    versions
        Of the packages.
    backend
        What computed; empty: nobody knows.
    """

    path: Path
    recipe: Recipe
    origin: Origin | None
    geometry: Geometry | None
    sha256: Mapping[str, str]
    weights_sha256: str | None
    versions: Mapping[str, str]
    backend: str = ""

    @classmethod
    def of(cls, found: Reconstruction) -> Record:
        """Return what a result says that is at hand, read from a file or just found."""
        return cls(
            Path(found.path or found.name),
            Recipe.from_json(found.recipe_json()),  # repeated whole or not at all
            found.origin,
            found.scan_geometry,
            found.used_sha256,
            found.weights_sha256,
            found.versions,
            found.backend,
        )


def record(path: str | Path) -> Record:
    """Read what a result (.cxi) or a report (.json) says of how it was made.

    Raises
    ------
    InputError
        If it is neither, or was written by another program.
    """
    path = Path(path)
    return _of_report(path) if path.suffix.lower() == ".json" else _of_result(path)


def recipe_of(path: str | Path) -> Recipe:
    """Return the recipe that stands in a JSON file, in a report or in a result.

    Raises
    ------
    InputError
        If there is none.
    """
    from .formats.registry import UnknownFile  # both bring the libraries of formats
    from .formats.results import NoObject

    path = Path(path)
    if path.suffix.lower() == ".json" or not path.exists():
        try:
            document = json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            document = None
        if not (isinstance(document, dict) and "recipe" in document):
            return Recipe.from_file(path)  # says what is wrong with it
    try:
        return record(path).recipe
    except (UnknownFile, NoObject):
        raise InputError(
            f"{path} holds no recipe; give a recipe or a report (.json), or a result of this program (.cxi)."
        ) from None


def reread(known: Record, source: Path | None = None) -> Scan:
    """Read the scan of a result again, with the same corrections.

    Parameters
    ----------
    known
        What the result says.
    source
        Where the scan lies now; None: where it lay then, or beside the result.

    Raises
    ------
    InputError
        If the result does not say how it was read, a file is missing, or anything is not what it was.
    """
    if known.origin is None:
        raise InputError(
            f"{known.path} does not say how its scan was read (an older version wrote it, or the scan came from no file); "
            f"give the scan: reconstruct SCAN --recipe {known.path.name}."
        )
    if BEGUN_WITH in known.sha256:
        raise InputError(
            f"{known.path} went on from another result, which it does not hold, so that it cannot be repeated; repeat that one, "
            "and go on from it."
        )
    return _as_it_was(known, known.origin, source)


def scan_behind(found: Reconstruction, source: Path | None = None) -> Scan:
    """Return the scan in which a result was found, read as it was then; of an older version's result as its file stands.

    Parameters
    ----------
    found
        The result.
    source
        As for `reread`.

    Raises
    ------
    InputError
        If the result does not say which scan that is, a file is missing, or anything is not what it was.
    """
    known = Record.of(found)
    if known.origin is not None:
        return _as_it_was(known, known.origin, source)
    if not found.source:
        raise InputError(
            f"{known.path.name} does not say which scan it was found in: that came from no file."
        )
    inside = found.source.partition("::")[1:]
    scan = formats.read_scan(
        _found(known, found.source) if source is None else "".join((str(source), *inside))
    )
    note = (
        f"{known.path.name} does not say how its scan was read (an older version wrote it): masks, corrections and crops of then "
        "are not known."
    )
    return replace(scan, geometry=known.geometry or scan.geometry, notes=(*scan.notes, note))


def _as_it_was(known: Record, origin: Origin, source: Path | None) -> Scan:
    if source is not None and origin.summed:
        raise InputError(f"{known.path} is of a sum of scans; put them back where they were, or beside it.")
    if origin.summed:
        scan = sum_scans([_read(known, each, None) for each in origin.summed], origin.least or 0.0)
    else:
        scan = _read(known, origin, source)
    if origin.painted:
        scan = painted.over(scan, painted.unpacked(origin.painted, scan.shape))
    others = _differing(scan.geometry, known.geometry)
    note = f"The geometry is that of {known.path.name}; what the scan's files say now differs: {others}."
    scan = replace(scan, geometry=known.geometry, notes=(*scan.notes, note) if others else scan.notes)
    found = used_sha256(scan)
    for name in ("counts", "mask"):
        if found.get(name) != known.sha256.get(name):
            what, why = {
                "counts": ("counts of {} are", "was the file written anew?"),
                "mask": ("mask of {} is", "was it changed by hand?"),
            }[name]
            raise InputError(
                f"The {what.format(origin.source)} not what {known.path.name} was made from ({why}); "
                f"nothing was computed. To use it all the same: reconstruct SCAN --recipe {known.path.name}."
            )
    return scan


def _differing(now: Geometry | None, then: Geometry | None) -> str:
    """Name the fields in which two geometries differ: motors that were changed since, or a geometry that a person gave."""
    if now is None or then is None:
        return ""
    names = (each.name for each in fields(Geometry))
    return ", ".join(name for name in names if not _is_same(getattr(now, name), getattr(then, name)))


def _is_same(one: Any, other: Any) -> bool:
    try:
        return bool(np.allclose(one, other, rtol=1e-9, atol=1e-12))
    except (TypeError, ValueError):  # words, nothing, or more than before
        return bool(one == other)


def repeat(
    known: Record, source: Path | None = None, report: Callable[[Progress], object] | None = None
) -> Reconstruction:
    """Make a result again; on the CPU of the same machine it is the same bit for bit.

    It is compared with the one that it repeats, where that is a result and no report: a note says whether they are the same, and
    ``repeat_correlation`` among its figures how far.

    Raises
    ------
    InputError
        As `reread`; also if the network's weights, or the background, are not those of the result.
    """
    scan = reread(known, source)
    check_weights(known)
    recipe = _with_background(known, scan)
    if recipe.backend == "auto" and known.backend in ("torch", "compiled"):  # their bits differ
        recipe = recipe.with_settings({"backend": known.backend})
    found = replace(run(scan, recipe, report), recipe=known.recipe)
    now = versions()
    changed = [
        f"{name} {then}, now {now[name]}"
        for name, then in known.versions.items()
        if now.get(name, then) != then
    ]
    if changed:
        found = replace(found, notes=(*found.notes, f"Repeated with other packages: {'; '.join(changed)}."))
    return _compared(found, known)


def _with_background(known: Record, scan: Scan) -> Recipe:
    """Return the recipe of a result, with its background's file where it lies now, if that is what it was."""
    told = known.recipe.model.background
    if not isinstance(told, str) or told in ("off", "estimate"):
        return known.recipe
    place = _found(known, told)
    recipe = known.recipe.with_settings({"model.background": place})
    now = used_sha256(scan, formats.background(place, scan))
    if now.get("background") != known.sha256.get("background"):
        raise InputError(
            f"{place} is not the background that {known.path.name} was made with; nothing was computed. "
            f"To use it all the same: reconstruct SCAN --recipe {known.path.name}."
        )
    return recipe


def _compared(found: Reconstruction, known: Record) -> Reconstruction:
    """Return what was found, with what it has in common with the result that it repeats."""
    if known.path.suffix.lower() == ".json":
        return found
    before = formats.read_reconstruction(known.path).object
    if np.array_equal(found.object, before):
        likeness, note = 1.0, f"The same as {known.path.name}, bit for bit."
    else:
        likeness = analysis.compare(found.object, before)["correlation"]
        note = f"Not the same as {known.path.name} bit for bit: the two objects correlate by {likeness:.6f}."
    figures = {**found.figures, "repeat_correlation": likeness}
    return replace(found, figures=figures, notes=(*found.notes, note))


def check_weights(known: Record) -> None:
    """Make sure that the network is the one that took part.

    Raises
    ------
    InputError
        If it is another.
    """
    if known.weights_sha256 is None:
        return
    from . import network, phasing

    device, _ = phasing.pick_device(known.recipe.device)
    if network.load(known.recipe.guess.weights, device).sha256 != known.weights_sha256:
        raise InputError(
            f"The network's weights are not those that {known.path.name} was made with; install the version that it names, "
            f"{known.versions.get(OURS, 'unknown')}, or give its weights to reconstruct."
        )


def _read(known: Record, origin: Origin, source: Path | None) -> Scan:
    options = dict(origin.options)
    for name, digest in origin.sha256.items():
        if name not in options:
            raise InputError(
                f"The {name} of {known.path.name} was an array in a program, and is in no file; call read_scan there."
            )
        options[name] = str(_found(known, options[name]))
        if formats.sha256_of(options[name]) != digest:
            raise InputError(
                f"{options[name]} is not the {name} that {known.path.name} was made with: its SHA-256 differs."
            )
    for name in {"roi", "axes"} & set(options):
        options[name] = tuple(options[name])
    inside = origin.source.partition("::")[2]
    place = _found(known, origin.source) if source is None else f"{source}::{inside}" if inside else source
    return formats.read_scan(place, crop=origin.box, **options)


def _found(known: Record, name: str) -> str:
    """Return where a file lies: where it lay then, or beside the result."""
    path, mark, inside = name.partition("::")
    beside = known.path.parent / Path(path).name
    for place in (Path(path), beside):
        if place.exists():
            return f"{place}{mark}{inside}"
    raise InputError(
        f"{path}, which {known.path.name} was made from, is not there; put it back, or say where it is."
    )


def _of_result(path: Path) -> Record:
    found = formats.read_reconstruction(path)
    if OURS not in found.versions:
        raise InputError(
            f"{path} holds no recipe: no reconstruction by this program wrote it; give one that did."
        )
    return Record.of(found)


def _of_report(path: Path) -> Record:
    document = _document(path)
    if not isinstance(document, dict) or not isinstance(document.get("recipe"), dict):
        raise InputError(f"{path} is no report of a reconstruction: it holds no recipe.")
    origin, geometry = document.get("origin"), document.get("scan_geometry")
    try:
        known = None if origin is None else Origin.from_document(origin)
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(f"{path} says in no usable way how its scan was read ({error}).") from None
    return Record(
        path,
        Recipe.from_document(document["recipe"]),
        known,
        None if geometry is None else complete(geometry, str(path)),
        dict(document.get("used_sha256") or {}),
        document.get("weights_sha256"),
        dict(document.get("versions") or {}),
        str(document.get("backend") or ""),
    )


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"The report {path} cannot be read: {reason}.") from None

"""A geometry as a JSON document: a template to fill in, and a `Geometry` from what was filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..faults import faults_by_key
from ..scan import Geometry, InputError
from .beamline import Beamline, Circle, find_beamline
from .circles import direction, rotation, unwrapped
from .plausible import check
from .units import quantity_in, restated

KEYS: dict[str, str] = {
    "energy_kev": "Photon energy in keV.",
    "distance_m": "Sample to detector in m, along the beam with the arm at zero.",
    "pixel_size_um": "Pixel sizes along rows and columns in µm, as stored: times the binning if the file is binned.",
    "rocking_step_deg": "Degrees from frame to frame; the sign counts. 0 in an energy scan.",
    "rocking_angles_deg": "Instead of the step: the scanned motor's angle in every frame; where its reading begins again "
    "after a whole turn (359.99, 0), it runs on.",
    "rocking_circle": "Which of the sample circles was scanned: its motor's name, or its number from 0.",
    "sample_angles_deg": "What the sample's motors read in the middle frame, outermost first, in degrees.",
    "detector_angles_deg": "What the arm's motors read, outermost first, in degrees.",
    "direct_beam_pixel": "Row and column of the stored frames that the direct beam meets with the arm at zero; may lie outside. "
    "null: the middle of the frame, with a note.",
    "pixel_directions": "Which way rows and columns run with the arm at zero, seen from the sample: x+ outboard, y+ up.",
    "reflection": "Miller indices, when known.",
    "sample_circles": "Rotation axes of the sample, outermost first: 'y+' turns by the right-hand rule about y "
    "(x outboard, y up, z along the beam); or vectors [x, y, z].",
    "detector_circles": "Rotation axes of the arm, outermost first.",
    "sample_offsets_deg": "What the sample's motors read where their circles stand at zero; null: 0.",
    "detector_offsets_deg": "The same for the arm's.",
    "energy_step_kev": "keV from frame to frame in an energy scan.",
    "detector_steps_deg": "Degrees by which the arm's motors move from frame to frame; null: they stand still.",
    "beamline": "Name of the beamline: gives what the lines below do not say.",
    "detector": "Name of the detector at the beamline.",
}
"""Every field of `Geometry`, as a person needs to know it."""
NEEDED = (
    "energy_kev",
    "distance_m",
    "pixel_size_um",
    "rocking_step_deg",
    "sample_angles_deg",
    "detector_angles_deg",
)
"""Fields without which a geometry is not complete."""
_LISTS = {each.name for each in fields(Geometry) if "tuple" in str(each.type)}
INCOMPLETE = "The geometry is not complete"
"""How a note begins that says what a file's geometry lacks."""
_UNITS = {
    "kev": ("an energy", "keV"),
    "m": ("a length", "m"),
    "um": ("a length", "µm"),
    "deg": ("an angle", "degrees"),
}
"""Units by which keys end: what they are units of, and how they are written."""
_CONVENTIONS = ("sample_circles", "detector_circles", "pixel_directions")


def template(beamline: Beamline, detector: str | None = None) -> dict[str, Any]:
    """Return a document with every key explained: what the beamline knows filled in, what a person must give null."""
    mounted = beamline.detector(detector)
    known: dict[str, Any] = {
        **{each.name: None if each.default is MISSING else each.default for each in fields(Geometry)},
        **beamline.conventions(detector),
        "pixel_size_um": mounted.pixel_size_um,
        "rocking_circle": beamline.rocking[0],
        "sample_angles_deg": None,
        "detector_angles_deg": None if beamline.arm else (),
    }
    motors = {"sample_angles_deg": beamline.sample, "detector_angles_deg": beamline.arm}
    document: dict[str, Any] = {"#": "Lines that begin with # are for reading only. null: unknown."}
    if beamline.notes:
        document["# notes"] = list(beamline.notes)
    for key, words in KEYS.items():
        names = ", ".join(circle.motor for circle in motors.get(key, ()))
        if key == "pixel_directions" and mounted.disputed:
            words += f" Sources disagree: {mounted.disputed}."
        document[f"# {key}"] = words + (f" Here: {names}." if names else "")
        document[key] = known[key]
    return document


def conventional(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return a document without its comments and nulls, and with what its beamline knows.

    A beamline's motors may stand in it by name (``"eta": 17.5``) instead of ``sample_angles_deg`` and ``detector_angles_deg``.

    Returns
    -------
    dict
        The document.
    dict
        For each of the two of which only some motors are given, those that are not.

    Raises
    ------
    InputError
        If the beamline or detector is unknown.
    """
    found = {key: value for key, value in document.items() if not key.startswith("#") and value is not None}
    name = found.get("beamline")
    motors_apart = set(found) - set(KEYS)
    if not isinstance(name, str) or (
        found.keys() >= set(_CONVENTIONS) and not motors_apart and not _named(found)
    ):
        return found, {}  # it is complete: the name may be that of a beamline that only its writer knows
    beamline = find_beamline(name)
    circle = found.get("rocking_circle")
    conventions = beamline.conventions(found.get("detector"))
    if isinstance(circle, str) and not circle.isdigit():
        found["rocking_circle"] = beamline.circle(circle)
    size = beamline.detector(found.get("detector")).pixel_size_um
    found = {**conventions, **({} if size is None else {"pixel_size_um": size}), **found}
    found["beamline"] = beamline.name
    lacking = {}
    for key, circles in (("sample_angles_deg", beamline.sample), ("detector_angles_deg", beamline.arm)):
        given = [found[circle.motor] for circle in circles if circle.motor in found]
        if key in found:
            found[key] = _with_motors(found[key], circles, found)
            continue
        if circles and not given:
            continue
        if len(given) < len(circles):
            lacking[key] = [circle.motor for circle in circles if circle.motor not in found]
        else:
            found[key] = given
    return {key: value for key, value in found.items() if key not in _motors(beamline)}, lacking


def _with_motors(angles: Any, circles: Sequence[Circle], found: Mapping[str, Any]) -> Any:
    """Return the angles of all circles, with those of motors that are named by themselves in their places."""
    if not isinstance(angles, list | tuple) or len(angles) != len(circles):
        return angles
    return [found.get(each.motor, angle) for each, angle in zip(circles, angles, strict=True)]


def complete(
    document: Any,
    origin: str = "The geometry",
    sources: Mapping[str, str] | None = None,
    besides: Sequence[str] = (),
) -> Geometry:
    """Return the geometry of a document.

    Parameters
    ----------
    document
        Fields of `Geometry` by name; see `conventional` for what may stand in their place.
    origin
        What to call the document in errors.
    sources
        Where its keys come from, as far as that is known, to be named where two contradict each other.
    besides
        Keys that are needed too, where a geometry can do without them.

    Raises
    ------
    InputError
        Naming everything that is missing, everything that is unknown, or what cannot be.
    """
    from pydantic import TypeAdapter, ValidationError

    if not isinstance(document, Mapping):
        raise InputError(f"{origin} is no geometry: it must be a JSON object with the fields of one.")
    given, lacking = conventional(document)
    unknown = sorted(set(given) - set(KEYS))
    if unknown:
        raise InputError(f"{origin} has {', '.join(map(_unknown, unknown))}.")
    given = {key: _in_its_unit(key, value) for key, value in given.items()}
    for key in _LISTS & set(given):
        if not isinstance(given[key], list | tuple | str):
            given[key] = [given[key]] * (2 if key == "pixel_size_um" else 1)
    if isinstance(given.get("pixel_size_um"), list | tuple) and len(given["pixel_size_um"]) == 1:
        given["pixel_size_um"] = list(given["pixel_size_um"]) * 2
    angles = given.get("rocking_angles_deg")
    if isinstance(angles, list | tuple) and all(isinstance(each, int | float) for each in angles):
        angles = given["rocking_angles_deg"] = unwrapped(angles).tolist()
    if "rocking_step_deg" not in given and isinstance(angles, list | tuple) and len(angles) > 1:
        given["rocking_step_deg"] = mean_step(angles)
    if given.get("energy_step_kev"):
        given.setdefault("rocking_step_deg", 0.0)
    # where nobody names circles, there is one for the sample, and its angle changes nothing
    named = "sample_circles" in given or "detector_circles" in given
    needed = [key for key in NEEDED if named or key != "sample_angles_deg"]
    missing = [name for key in needed if key not in given for name in lacking.get(key, [key])]
    missing += [key for key in besides if given.get(key) is None]
    if missing:
        raise InputError(
            f"{origin} lacks {', '.join(missing)}; give {'it' if len(missing) == 1 else 'them'}, for example with "
            f"--set geometry.{missing[0]}=…"
        )
    try:
        geometry = TypeAdapter(Geometry).validate_python(given)
    except ValidationError as error:
        told = "; ".join(
            f"'{where}' ({_in_short(where)}): {what}" if where in KEYS else f"'{where}': {what}"
            for where, what in faults_by_key(error.errors()).items()
        )
        raise InputError(f"{origin} is not usable at {told}.") from None
    check(geometry)
    for whose in ("sample", "detector"):
        circles, angles = getattr(geometry, f"{whose}_circles"), getattr(geometry, f"{whose}_angles_deg")
        if len(circles) != len(angles):
            raise InputError(_contradiction(whose, len(circles), angles, given, sources or {}))
        rotation(circles, angles, getattr(geometry, f"{whose}_offsets_deg"))
    for axis in geometry.pixel_directions:
        direction(axis)
    return geometry


def _contradiction(
    whose: str, number: int, angles: tuple[float, ...], given: Mapping[str, Any], sources: Mapping[str, str]
) -> str:
    """Say that circles and angles do not belong together, and where both come from."""
    name, key = given.get("beamline"), f"{whose}_angles_deg"

    def from_where(*keys: str) -> str:
        found = next((sources[each] for each in keys if each in sources), "")
        return f" (from {found})" if found else ""

    which = from_where(f"{whose}_circles", "beamline")
    if isinstance(name, str) and f"{whose}_circles" not in sources:
        with suppress(InputError):  # only its writer may know it
            site = find_beamline(name)
            motors = (each.motor for each in (site.sample if whose == "sample" else site.arm))
            which = f" of {name} ({', '.join(motors)}){which}"
    circles = "is 1 circle" if number == 1 else f"are {number} circles"
    return (
        f"There {circles} of the {whose}{which} but {len(angles)} in {key}{from_where(key)}, {angles}; "
        f"give one angle per circle, for example with --set geometry.{key}=…"
    )


def _in_short(key: str) -> str:
    return re.split(r"[.:;] |[.:;]$", KEYS[key])[0]


def mean_step(angles_deg: Any) -> float:
    """Return the step of angles, one a frame: that of the line that fits them best, as each is read with an error."""
    values = np.asarray(angles_deg, float)
    places = np.arange(len(values)) - (len(values) - 1) / 2
    return float(places @ (values - values.mean()) / (places @ places))


def _in_its_unit(key: str, value: Any) -> Any:
    """Return what stands under a key whose last part is a unit, with numbers that have another one (``9000 eV``) in that one.

    Raises
    ------
    InputError
        If a number has a unit of another kind, or one that is not known.
    """
    if isinstance(value, list | tuple):
        return [_in_its_unit(key, each) for each in value]
    own = key.rpartition("_")[2]
    if not isinstance(value, str) or own not in _UNITS or (found := quantity_in(value)) is None:
        return value
    number = restated(*found, own) if found[1] else found[0]
    if number is None:
        kind, unit = _UNITS[own]
        raise InputError(f"geometry.{key} reads '{value}', whose unit is none of {kind}; give it in {unit}.")
    return float(f"{number:.12g}")


def _named(found: Mapping[str, Any]) -> bool:
    circle = found.get("rocking_circle")
    return isinstance(circle, str) and not circle.isdigit()


def _motors(beamline: Beamline) -> set[str]:
    return {circle.motor for circle in (*beamline.sample, *beamline.arm)}


def _unknown(key: str) -> str:
    close = get_close_matches(key, KEYS, 1, 0.5)
    return f"an unknown key '{key}'" + (f" (did you mean {close[0]}?)" if close else "")

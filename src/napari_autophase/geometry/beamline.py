"""Beamlines as data: one JSON file each in ``beamlines/``, read into one `Beamline`.

A beamline says which circles it has (outermost first, by the name of their motors), which of them rock, and how each detector is
mounted: which way its rows and columns run.  To add one, add a file; nothing else changes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..faults import first_fault
from ..scan import Axis, InputError
from .records import STRICT, Files, Gaps, Seam, built

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_FIRST = ("34-ID-C", "ID01", "P10")
"""Listed before all others: whose geometry measured scans have confirmed, or many people use."""


@dataclass(frozen=True)
class Circle:
    """A rotation: its motor, the axis about which positive readings turn, and its zero.

    Parameters
    ----------
    motor
        Name of the motor, as files have it.
    axis
        ``"y+"`` and its kin, or a vector.
    offset_deg
        What the motor reads where the circle stands at zero.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    motor: str
    axis: Axis
    offset_deg: float = 0.0


@dataclass(frozen=True)
class Detector:
    """A detector as it is mounted at a beamline.

    Parameters
    ----------
    name
        As the beamline's files have it.
    shape
        Rows and columns of a whole frame, or None.
    pixel_size_um
        Along rows and columns, or None.
    directions
        Laboratory directions of increasing row and column with the arm at zero.
    disputed
        Who says what, where the sources of `directions` disagree.
    aliases
        What else files call it.
    gaps
        Where a whole frame is blind.
    saturation
        Counts from which a pixel is no longer believed, or None.
    seam
        What lies between its chips and not in its frames, or None.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    name: str
    shape: tuple[int, int] | None
    pixel_size_um: tuple[float, float] | None
    directions: tuple[Axis, Axis]
    disputed: str = ""
    aliases: tuple[str, ...] = ()
    gaps: Gaps | None = None
    saturation: float | None = None
    seam: Seam | None = None

    def is_called(self, name: str) -> bool:
        """Tell whether this detector is meant by a name in a file."""
        return name.lower() in (self.name.lower(), *map(str.lower, self.aliases))

    def blind(self, region: tuple[int, int, int, int] | None = None) -> np.ndarray | None:
        """Return which pixels see nothing, or None where that is not known.

        Parameters
        ----------
        region
            First row, end row, first column, end column of the part that was read out; None: the whole.
        """
        if self.shape is None or self.gaps is None:
            return None
        top, bottom, left, right = region or (0, self.shape[0], 0, self.shape[1])
        return self.gaps.mask(self.shape)[top:bottom, left:right]


@dataclass(frozen=True)
class Beamline:
    """What is always the same at a beamline.

    Parameters
    ----------
    name, facility, aliases
        What it is called.
    sample, arm
        Circles of the sample and of the detector, outermost first; one that carries both stands in both.
    rocking
        Motors that are scanned, the usual one first.
    detectors
        The usual one first.
    translations
        Motors that translate the detector.
    sources, notes
        Where this was read, and what a person should know.
    files
        How its files are laid out, for the readers.
    """

    name: str
    facility: str
    sample: tuple[Circle, ...]
    arm: tuple[Circle, ...]
    rocking: tuple[str, ...]
    detectors: tuple[Detector, ...]
    aliases: tuple[str, ...] = ()
    translations: tuple[str, ...] = ()
    sources: str = ""
    notes: tuple[str, ...] = ()
    files: Files = field(default_factory=Files)

    def detector(self, name: str | None = None) -> Detector:
        """Return the detector of that name, or the usual one.

        Raises
        ------
        InputError
            If there is none of that name.
        """
        if name is None:
            return self.detectors[0]
        for each in self.detectors:
            if each.is_called(name):
                return each
        raise InputError(
            f"{self.name} has no detector '{name}'; choose one of {', '.join(d.name for d in self.detectors)}, "
            "or say how yours is mounted with geometry.pixel_directions."
        )

    def circle(self, motor: str) -> int:
        """Return which of the sample's circles a motor turns.

        Raises
        ------
        InputError
            If it turns none.
        """
        names = [each.motor.lower() for each in self.sample]
        if motor.lower() not in names:
            raise InputError(
                f"{self.name} has no sample circle '{motor}'; choose one of {', '.join(c.motor for c in self.sample)}."
            )
        return names.index(motor.lower())

    def conventions(self, detector: str | None = None, rocking: str | None = None) -> dict[str, Any]:
        """Return the fields of `Geometry` that the beamline, its detector and the scanned motor determine."""
        mounted = self.detector(detector)
        found: dict[str, Any] = {
            "sample_circles": tuple(each.axis for each in self.sample),
            "rocking_circle": self.circle(rocking or self.rocking[0]),
            "detector_circles": tuple(each.axis for each in self.arm),
            "pixel_directions": mounted.directions,
            "beamline": self.name,
            "detector": mounted.name,
        }
        for name, circles in (("sample_offsets_deg", self.sample), ("detector_offsets_deg", self.arm)):
            if any(each.offset_deg for each in circles):
                found[name] = tuple(each.offset_deg for each in circles)
        return found


def from_file(path: Path) -> Beamline:
    """Return the beamline that a JSON file describes, a person's own perhaps.

    Raises
    ------
    InputError
        If it cannot be read, or a field is missing, unknown or wrong.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"The beamline {path} cannot be read: {reason}.") from None
    return _from_document(document, str(path))


@cache
def _adapter() -> TypeAdapter[Beamline]:
    from pydantic import TypeAdapter

    return TypeAdapter(Beamline)


def _from_document(document: Any, origin: str) -> Beamline:
    from pydantic import ValidationError

    unknown = sorted(set(document) - set(Beamline.__dataclass_fields__)) if isinstance(document, dict) else []
    if unknown:
        raise InputError(f"The beamline {origin} has an unknown key '{unknown[0]}'.")
    try:
        found = _adapter().validate_python(document)
    except ValidationError as error:
        raise InputError(f"The beamline {origin} is not usable{first_fault(error.errors())}.") from None
    if not found.detectors or not found.rocking:
        raise InputError(f"The beamline {origin} needs at least one detector and one motor that rocks.")
    found.conventions()
    found.files.check(origin)
    motors = {each.motor for each in (*found.sample, *found.arm)}
    strange = sorted((set(found.files.motors) | set(found.files.fixed_deg)) - motors)
    if strange:
        raise InputError(
            f"The beamline {origin} says how files call '{strange[0]}', which is none of its circles; "
            f"they are {', '.join(sorted(motors))}."
        )
    return found


@cache
def beamlines() -> dict[str, Beamline]:
    """Return all beamlines that come with the package, by name."""
    files = sorted((Path(__file__).parent / "beamlines").glob("*.json"), key=lambda each: each.name)
    found: list[Beamline] = [built(Beamline, json.loads(each.read_text(encoding="utf-8"))) for each in files]
    found.sort(key=lambda each: (each.name not in _FIRST, each.name))
    return {each.name: each for each in found}


def find_beamline(name: str) -> Beamline:
    """Return a beamline by its name, however it is spelt, or by the path of a JSON file.

    Raises
    ------
    InputError
        If there is none.
    """
    if name.endswith(".json"):
        return from_file(Path(name))

    def plain(text: str) -> str:
        return "".join(letter for letter in text.lower() if letter.isalnum())

    for beamline in beamlines().values():
        if plain(name) in map(plain, (beamline.name, *beamline.aliases)):
            return beamline
    raise InputError(
        f"There is no beamline '{name}'; choose one of {', '.join(beamlines())}, or give a JSON file of your own."
    )


def presets() -> dict[str, dict[str, Any]]:
    """Return what a `Geometry` takes from each beamline, and beside it the motors' names under two keys in ``_names``."""
    return {
        name: {
            "sample_names": tuple(each.motor for each in beamline.sample),
            "detector_names": tuple(each.motor for each in beamline.arm),
            **beamline.conventions(),
        }
        for name, beamline in beamlines().items()
    }

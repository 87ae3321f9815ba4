"""What a beamline's files are like, as data: where they keep what a geometry needs, and in which units.

A quantity has a list of `Source`: the first that a file has, and whose number is plausible, is taken.  Logs (SPEC, fio) know
names of motors and counters; HDF5 files know paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from fnmatch import fnmatchcase
from functools import cache
from itertools import repeat
from math import isfinite
from types import UnionType
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from ..scan import HC_KEV_NM, InputError
from .units import DEGREES, KEV, METRES, NM, plain, restated

_T = TypeVar("_T")
STRICT = {"extra": "forbid"}
"""What is misspelt in a beamline's file is refused."""


@dataclass(frozen=True)
class Source:
    """Where a number or a word stands in a file.

    Parameters
    ----------
    name
        A motor or counter of a log, or a path inside an HDF5 file seen from the scan's group; ``*`` and ``?`` stand for
        anything, and case does not matter.
    unit
        Of the number: keV, eV, J, or A and nm (a wavelength) for an energy; m, mm, … for a length; deg, mdeg, udeg, rad for an
        angle.  Empty: that of the geometry (keV, m, degrees).
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    name: str
    unit: str = ""

    def fits(self, name: str) -> bool:
        """Tell whether something of that name is meant."""
        return fnmatchcase(name.lower(), self.name.lower())

    def look_up(self, table: Mapping[str, _T]) -> _T | None:
        """Return what a table with names in lower case holds for this source, or None."""
        name = self.name.lower()
        if "*" in name or "?" in name:
            return next((value for key, value in table.items() if fnmatchcase(key, name)), None)
        return table.get(name)

    def kev(self, value: float) -> float:
        """Return an energy in keV, from a wavelength too; raises `InputError` for an unknown unit."""
        unit = plain(self.unit or "keV")
        if unit in NM:
            return HC_KEV_NM / (value * NM[unit]) if value else 0.0
        return value * self._factor(KEV, "keV")

    def metres(self, value: float) -> float:
        """Return a length in m; raises as `kev`."""
        return value * self._factor(METRES, "m")

    def degrees(self, value: float) -> float:
        """Return an angle in degrees; raises as `kev`."""
        return value * self._factor(DEGREES, "deg")

    def restated(self, value: float, unit: str) -> float | None:
        """Return a number that a file gives in `unit` ("": in no unit) in this source's own; None if that unit is not known."""
        given, own = plain(unit), plain(self.unit)
        for one in (own,) if own else ("kev", "m", "deg"):
            if given and (found := restated(value, given, one)) is not None:
                return found
        return None if given and own and given != own else value

    def _factor(self, units: dict[str, float], own: str) -> float:
        unit = plain(self.unit or own)
        if unit not in units:
            raise InputError(
                f"'{self.unit}' is no unit of {self.name} known here; write one of {', '.join(units)}."
            )
        return units[unit]


@dataclass(frozen=True)
class Files:
    """How a beamline's files are laid out.

    Parameters
    ----------
    kinds
        What they are: ``"spec"`` and ``"fio"`` are logs beside the frames, ``"hdf5"`` holds all.
    evidence
        Names that such a file has besides the circles' motors, which tell it from other beamlines'; all are needed.
    energy, distance
        Of the photons; from sample to detector.
    motors
        For each circle, by its motor's name in `Beamline`, what else the motor is called.  Its own name is looked for too.
    detector
        Where the detector's name stands.
    beam_row, beam_column
        Which row and column of the whole detector the direct beam meets with the arm at zero.
    beam_at_centre
        Whether the direct beam is put on the middle of the whole detector where the files say nothing.
    fixed_deg
        Circles whose motors such files do not have, and where they stand.
    monitor
        Counters of the incoming beam.
    region
        Names of the log's words for the first row, the rows, the first column and the columns that were read out.
    frame_number
        Counters that hold the number of each point's frame.
    frames
        Where a log's frames are, seen from the log's folder or one of the two around it: patterns of paths with ``{scan}``,
        ``{scan:05d}``, ``{stem}`` (of the log's own name).
    scans
        Of HDF5 files: what the groups of scans are called, where one file holds many.  All paths are seen from such a group.
    recorded
        The group of what was recorded at every point.
    command, started, ended
        What was typed, and when the scan began and ended; where `ended` is given and a file has none, it still runs.
    end_reason
        How it ended: ``SUCCESS``, or what kept it from its end.
    brightest
        Counters of the brightest pixel of each frame.
    actuators
        What was scanned, where a file does not say which motor that is: it is the one that stands among these values.
    row_size, column_size
        Sizes of the detector's pixels along rows and columns.
    mask
        The detector's mask: 0 is good.
    dark, white
        Fields of the detector that stand beside the frames; a person says whether they are applied.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    kinds: tuple[Literal["spec", "fio", "hdf5"], ...] = ()
    evidence: tuple[str, ...] = ()
    energy: tuple[Source, ...] = ()
    distance: tuple[Source, ...] = ()
    motors: dict[str, tuple[Source, ...]] = field(default_factory=dict)
    detector: tuple[Source, ...] = ()
    beam_row: tuple[Source, ...] = ()
    beam_column: tuple[Source, ...] = ()
    beam_at_centre: bool = False
    fixed_deg: dict[str, float] = field(default_factory=dict)
    monitor: tuple[Source, ...] = ()
    region: tuple[str, ...] = ()
    frame_number: tuple[Source, ...] = ()
    frames: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()
    command: tuple[Source, ...] = ()
    started: tuple[Source, ...] = ()
    ended: tuple[Source, ...] = ()
    end_reason: tuple[Source, ...] = ()
    brightest: tuple[Source, ...] = ()
    actuators: tuple[str, ...] = ()
    row_size: tuple[Source, ...] = ()
    column_size: tuple[Source, ...] = ()
    mask: tuple[str, ...] = ()
    dark: tuple[str, ...] = ()
    white: tuple[str, ...] = ()

    def of_motor(self, motor: str) -> tuple[Source, ...]:
        """Return where the angle of a circle stands: under the motor's own name, or another."""
        return (Source(motor), *self.motors.get(motor, ()))

    def check(self, origin: str) -> None:
        """Raise `InputError` if a unit is unknown, or a pattern cannot be filled in."""
        for pattern in self.frames:
            try:
                pattern.format(scan=1, stem="sample")
            except (KeyError, IndexError, ValueError):
                raise InputError(
                    f"The beamline {origin} is not usable: files.frames has '{pattern}'; only "
                    "{scan}, {scan:05d} and {stem} can stand in braces."
                ) from None
        for source in self.energy:
            _known(source.kev, origin)
        for source in (*self.distance, *self.row_size, *self.column_size):
            _known(source.metres, origin)
        for sources in self.motors.values():
            for source in sources:
                _known(source.degrees, origin)


@dataclass(frozen=True)
class Gaps:
    """Where a whole frame of a detector is blind; numbers count from 0, both ends belong to it.

    Parameters
    ----------
    rows, columns
        (first, last) of what is blind from edge to edge.
    blocks
        (first row, last row, first column, last column).
    border
        So many pixels all round.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    rows: tuple[tuple[int, int], ...] = ()
    columns: tuple[tuple[int, int], ...] = ()
    blocks: tuple[tuple[int, int, int, int], ...] = ()
    border: int = 0

    def mask(self, shape: tuple[int, int]) -> np.ndarray:
        """Return a whole frame, True where it is blind."""
        bad = np.zeros(shape, bool)
        for first, last in self.rows:
            bad[first : last + 1] = True
        for first, last in self.columns:
            bad[:, first : last + 1] = True
        for top, bottom, left, right in self.blocks:
            bad[top : bottom + 1, left : right + 1] = True
        if self.border:
            inside = np.zeros(shape, bool)
            inside[self.border : -self.border, self.border : -self.border] = True
            bad |= ~inside
        return bad


@dataclass(frozen=True)
class Seam:
    """Chips that lie apart in space but side by side in the frames: `rows` are missing before row `row`, likewise columns."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    row: int
    rows: int
    column: int
    columns: int


def built(kind: Any, value: Any) -> Any:
    """Return what JSON holds of a record as the record, unchecked: for the package's own files, which its tests validate.

    A list of scans is there before the package that validates is imported.

    Parameters
    ----------
    kind
        A dataclass, or the type of one of its fields.
    value
        What `json.loads` returns of it.
    """
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    for each in kinds:
        inner = get_args(each)
        if isinstance(value, list) and get_origin(each) is tuple:
            return tuple(map(built, repeat(inner[0]) if inner[-1] is Ellipsis else inner, value))
        if isinstance(value, dict) and get_origin(each) is dict:
            return {key: built(inner[1], one) for key, one in value.items()}
        if isinstance(value, dict) and isinstance(each, type) and is_dataclass(each):
            types = _types(each)
            return each(**{key: built(types[key], one) for key, one in value.items()})
    return float(value) if float in kinds and value is not None else value


@cache
def _types(record: Any) -> dict[str, Any]:
    return get_type_hints(record)


def _known(convert: object, origin: str) -> None:
    try:
        assert callable(convert)
        assert isfinite(convert(1.0))
    except InputError as error:
        raise InputError(f"The beamline {origin} is not usable: {error}") from None

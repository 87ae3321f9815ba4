"""What a log says of one scan, whichever program wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import remainder
from pathlib import Path
from typing import Any

import numpy as np

from ...geometry import Source, begins_again, unwrapped
from ...geometry.units import quantity_in, restated
from ..commands import MOVED, RELATIVE, asked_points

_MOVES = 1e-6
"""What changes by less than this is at rest."""
_STEADY = 0.98
"""What moves in steps goes with the points' numbers at least so well (a correlation)."""
_UNEVEN = 0.5
"""Parts of the usual step by which even steps differ from it at most."""
_FEWEST = 4
"""Positions that have an order."""
_HOLES, _STRAIGHT = 8, 0.25
"""One position in so many may not have been written, among those that were; more, where these lie so near to a straight line, in
parts of a step."""
_TURN = 360.0
"""Degrees in a whole turn."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def number_in(text: str) -> float:
    """Return the number that a cell of a table holds, NaN if it holds none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def is_row(cells: Sequence[str], count: int) -> bool:
    """Tell whether a line is a row of a table of so many columns: it has a cell for each, and a number in one at least."""
    return len(cells) == count and any(number_in(cell) == number_in(cell) for cell in cells)


def order_of(positions: np.ndarray) -> np.ndarray | None:
    """Return the order in which positions run in even steps; None where they do so as they are, or in no order.

    An encoder's jitter is no disorder: put in order, positions that only jitter lie unevenly.
    """
    if len(positions) < _FEWEST or not np.isfinite(positions).all():
        return None
    steps = np.diff(np.sort(positions))
    usual = float(np.median(steps))
    if usual < _MOVES or steps.min() < _UNEVEN * usual:
        return None
    order = np.argsort(positions)
    runs_down = np.corrcoef(np.arange(len(positions)), positions)[0, 1] < -0.5
    order = order[::-1] if runs_down else order
    if unsteady(positions[order]):  # one that was lost, and reads 0, stands alone
        return None
    return None if (np.diff(order) == 1).all() or (np.diff(order) == -1).all() else order


def in_order(positions: np.ndarray) -> np.ndarray:
    """Return positions in the order in which they run in even steps, where they do in one."""
    order = order_of(positions)
    return positions if order is None else positions[order]


def unsteady(values: np.ndarray) -> str:
    """Return why values do not run from one end to the other, but for the jitter of an encoder; "" if they do."""
    lost = np.count_nonzero(~np.isfinite(values))
    if lost:
        return f"is no number at {lost} of {len(values)} points"
    if len(values) < 2 or np.ptp(values) < _MOVES:
        return f"stands still at {values[0]:g}" if len(values) else "has no values"
    if abs(np.corrcoef(np.arange(len(values)), values)[0, 1]) <= _STEADY:
        return f"does not run steadily from {values[0]:g} to {values[-1]:g}"
    return ""


def ways(values: np.ndarray) -> list[tuple[int, int]]:
    """Return the stretches, first and end of each, in which values run there, and back; empty where they do not turn.

    Each stretch has positions enough for an order, and goes most of the way.
    """
    if len(values) < 2 * _FEWEST or not np.isfinite(values).all():
        return []
    turns = [0]
    up = bool(values[len(values) // 4] > values[0])
    reach = 0.5 * float(np.ptp(values))
    furthest = 0
    for index in range(1, len(values)):
        gone = values[index] - values[furthest]
        if (gone > 0) == up:
            furthest = index
        elif abs(gone) > reach:
            turns.append(furthest + 1)
            up, furthest = not up, index
    turns.append(len(values))
    found = list(pairwise(turns))
    is_run = len(found) > 1 and all(
        end - first >= _FEWEST and not unsteady(values[first:end]) for first, end in found
    )
    return found if is_run else []


def run_on(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return those of some columns that run steadily but for a reading that begins again at 360 degrees, or ±180, run on."""
    found = {}
    for name, values in columns.items():
        turned = unwrapped(values) if len(values) >= _FEWEST else values
        if turned is not values and np.ptp(values) <= _TURN and not unsteady(in_order(turned)):
            found[name] = turned
    return found


def went_on(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return those of some columns of which rows were never written, the last ones or a few others, as if they had run evenly.

    What was not written is no number, or 0; what was runs steadily.
    """
    found = {}
    for name, values in columns.items():
        if len(values) < _FEWEST or not unsteady(values):
            continue
        lost, filled = _lost(values)
        count = np.count_nonzero(~lost)
        holes = np.count_nonzero(lost[: len(lost) - int(np.argmin(lost[::-1]))])
        is_few = count < max(_FEWEST, len(values) // 2) or holes > len(values) // _HOLES
        if is_few and not _is_line(np.flatnonzero(~lost), values[~lost], len(values)):
            continue
        if lost.any() and not unsteady(filled):
            found[name] = filled
    return found


def _is_line(rows: np.ndarray, values: np.ndarray, points: int) -> bool:
    """Tell whether what was written of a motor lies on a straight line through most points, so that the rest is known too."""
    if len(rows) < max(_FEWEST + 1, points // 4) or rows[-1] - rows[0] < points // 2:
        return False
    step, first = np.polyfit(rows, values, 1)
    away = float(np.abs(values - first - step * rows).max())
    return bool(abs(step) > _MOVES and away < _STRAIGHT * abs(step))


def _lost(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which positions were not written, and all of them as if these had run evenly; a 0 on the way is one that was."""
    rows = np.flatnonzero((values != 0) & np.isfinite(values))
    if len(rows) < _FEWEST:
        return np.full(len(values), True), values
    first, last, every = rows[0], rows[-1], np.arange(len(values))
    step = (values[last] - values[first]) / (last - first)
    filled = np.interp(every, rows, values[rows])
    filled += step * (np.minimum(every - first, 0) + np.maximum(every - last, 0))
    is_there = np.isfinite(values) & ((values != 0) | (np.abs(filled) < abs(step) / 2))
    return ~is_there, np.where(is_there, values, filled)


def beyond(what: str, recorded: int, frames: int) -> str:
    """Say that there are more positions than frames."""
    return (
        f"{what} has {recorded} positions for {frames} frames: the first {frames} are taken; if frames at the beginning are "
        "those that were not stored, all angles are so many steps further."
    )


def unwritten(what: str, values: np.ndarray) -> str:
    """Say which positions were not written: the last ones, or others; `values` are as they stand in the file."""
    lost, _ = _lost(values)
    points = np.flatnonzero(lost)
    if lost[points[0] :].all():
        return (
            f"{what} has no values from point {points[0]} on, as where a scan was aborted: it is taken to have gone on as "
            "before."
        )
    which = (
        f"value at point {points[0]}"
        if len(points) == 1
        else f"values at points {', '.join(map(str, points[:10]))}{', …' if len(points) > 10 else ''}"
    )
    return f"{what} has no {which} (0, or no number): it is taken to have run evenly between those beside."


_LEADING = re.compile(rf"{_NUMBER.pattern}(?!\d*[,.:]\d)")
"""A number before a unit; 1,5 is none, of which the 1 would be wrong."""


@dataclass(frozen=True)
class Scanned:
    """One motor that a command moves: under all the names it has, from where to where."""

    names: tuple[str, ...]
    first: float
    last: float


@dataclass(frozen=True, eq=False)
class ScanLog:
    """One scan of a log.

    Parameters
    ----------
    path, kind
        The file, and what it is: ``"spec"`` or ``"fio"``.
    number
        The scan's number, or None.
    command
        What was typed, such as ``ascan th -0.1 0.1 20 1``.
    motors
        What the motors read when it began, by name, in the log's units.
    aliases
        Other names of motors: short ones by long ones.
    columns
        What was recorded at every point, by name; float64, all of one length.
    words
        Whatever else it says, as text, by name.
    ended
        Whether the log says that the scan came to its end (or was aborted: False); None: it does not say.
    cut_by
        What kept it from its end, as the log says it; "" if nothing did, or the log does not say.
    notes
        What a person should know of the log itself.
    unusable
        What stands under names that could be motors' and is no number, in a few words, by name.
    unwritten
        Columns as they were read of which rows were not written, and are taken to have run evenly, by name; found when the log is
        made.
    also
        What moved though the command, which moves nothing, does not say so.
    """

    path: Path
    kind: str
    number: int | None
    command: str
    motors: dict[str, float]
    columns: dict[str, np.ndarray]
    aliases: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    ended: bool | None = None
    notes: tuple[str, ...] = ()
    unusable: dict[str, str] = field(default_factory=dict)
    cut_by: str = ""
    unwritten: dict[str, np.ndarray] = field(default_factory=dict)
    also: tuple[Scanned, ...] = ()

    def __post_init__(self) -> None:
        gone = went_on(self.columns)
        if gone:
            read = {name: self.columns[name] for name in gone}
            object.__setattr__(self, "columns", {**self.columns, **gone})
            object.__setattr__(self, "unwritten", {**self.unwritten, **read})
        turned = run_on(self.columns)
        if turned:
            motors = {
                name.rpartition("/")[2]: values for name, values in turned.items()
            }  # several paths may lead to one
            said = (begins_again(name, self.path.name, values) for name, values in motors.items())
            object.__setattr__(self, "columns", {**self.columns, **turned})
            object.__setattr__(self, "notes", (*self.notes, *said))

    @property
    def points(self) -> int:
        """How many points were recorded."""
        return max((len(values) for values in self.columns.values()), default=0)

    @property
    def asked(self) -> int | None:
        """How many points the command asks for; None where it does not say."""
        return asked_points(self.command)

    @property
    def is_complete(self) -> bool | None:
        """Whether all of it was measured: by the command's points, or as the log says; None: nobody knows."""
        if self.asked is not None and self.points < self.asked:
            return False
        return self.ended if self.ended is not None or self.asked is None else True

    @property
    def scanned(self) -> tuple[Scanned, ...]:
        """The motors that the command moves, in its order."""
        verb, *words = self.command.split() or [""]
        moved = MOVED.get(verb, 0)
        found = []
        for name, first, last in zip(
            words[0 : 3 * moved : 3], words[1 : 3 * moved : 3], words[2 : 3 * moved : 3], strict=False
        ):
            if not (_NUMBER.fullmatch(first) and _NUMBER.fullmatch(last)):
                break
            names = self._names_of_moved(name, float(first), float(last), verb in RELATIVE)
            start = next((self.motors[each] for each in names if each in self.motors), 0.0)
            zero = start if verb in RELATIVE else 0.0
            found.append(Scanned(names, zero + float(first), zero + float(last)))
        return tuple(found) or self.also

    def recorded(self, moved: Scanned) -> np.ndarray | None:
        """Return where a motor that the command moves stood at every point; None where no column tells."""
        return next((self.columns[each] for each in moved.names if each in self.columns), None)

    def run_of(self, moved: Scanned, source: Source) -> tuple[float, float] | None:  # noqa: ARG002
        """Return from where to where something moves, in the unit of a source; None where that is not known."""
        return moved.first, moved.last

    def _names_of_moved(self, name: str, first: float, last: float, relative: bool) -> tuple[str, ...]:
        """Return all names of a moved motor; where no column has one, with that of the one column that runs as commanded."""
        names = self.names(name)
        intervals = (self.asked or self.points) - 1
        if any(each in self.columns for each in names) or intervals < 1 or self.points < 2:
            return names
        step = (last - first) / intervals
        running = [
            label
            for label, values in self.columns.items()
            if step
            and abs(values[-1] - values[0] - step * (self.points - 1)) <= abs(step)
            and (relative or abs(remainder(values[0] - first, _TURN)) <= abs(step))
        ]
        return tuple(dict.fromkeys((*names, *self.names(running[0])))) if len(running) == 1 else names

    def names(self, name: str) -> tuple[str, ...]:
        """Return all names of a motor, itself first."""
        same = {long for long, short in self.aliases.items() if name in (long, short)}
        return (name, *sorted({*same, *(self.aliases[long] for long in same)} - {name}))

    def number_of(self, source: Source) -> float | None:
        """Return the number that a source has: a motor's, a word's, or the middle point's of a column; None: there is none."""
        value = source.look_up(self._readings)
        if value is not None:
            return value
        text = self.word(source)
        if text is not None:
            found = quantity_in(text)
            if found is not None and found[1] and restated(1.0, found[1], found[1]) is not None:
                return source.restated(*found)
            match = _LEADING.match(text)
            return float(match[0]) if match else None
        values = self.column(source)
        return None if values is None or not len(values) else float(values[len(values) // 2])

    def word(self, source: Source) -> str | None:
        """Return a text, or None."""
        return source.look_up(self._texts)

    def column(self, source: Source) -> np.ndarray | None:
        """Return what was recorded at every point, or None."""
        return source.look_up(self._recorded)

    def as_read(self, source: Source) -> np.ndarray | None:
        """Return what was recorded at every point as it stands in the log, whether it was written or not, or None."""
        return source.look_up({**self._recorded, **self.unwritten})

    def called(self, source: Source) -> str:
        """Return what a source is called in this log."""
        names = (*self.motors, *self.words, *self.columns)
        return next((each for each in names if source.fits(each)), source.name)

    def why_not(self, sources: Iterable[Source]) -> list[str]:
        """Return which of some sources stand before the first that has a number and have none, and why not."""
        found = []
        for source in sources:
            if self.number_of(source) is not None:
                break
            name = next((each for each in self.unusable if source.fits(each)), None)
            if name is not None:
                found.append(f"{name} {self.unusable[name]}")
        return found

    def has(self, name: str) -> bool:
        """Tell whether something goes by one of the names in ``this|that``."""
        unusable = {name.lower(): why for name, why in self.unusable.items()}
        tables: tuple[dict[str, Any], ...] = (self._readings, self._texts, self._recorded, unusable)
        return any(Source(each).look_up(table) is not None for each in name.split("|") for table in tables)

    @cached_property
    def _readings(self) -> dict[str, float]:
        return {each.lower(): value for name, value in self.motors.items() for each in self.names(name)}

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {name.lower(): text for name, text in self.words.items()}

    @cached_property
    def _recorded(self) -> dict[str, np.ndarray]:
        return {each.lower(): column for name, column in self.columns.items() for each in self.names(name)}

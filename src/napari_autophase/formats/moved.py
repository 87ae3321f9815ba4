"""What a scan moves, and where it stood in every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry import Beamline, Circle, Source, mean_step
from ..geometry.plausible import ANGLE, fault
from .commands import is_mesh
from .logs import ScanLog
from .logs.log import Scanned, order_of, unsteady, ways

_MOVED = 5e-3
"""What moves by less, in degrees, while frames are taken in time drifts."""


@dataclass(frozen=True)
class Moving:
    """How what a command moves stands in every frame: as it was recorded, else as it was asked for."""

    log: ScanLog
    frames: int
    points: np.ndarray | None
    notes: list[str]

    def along(self, source: Source, others: Sequence[Source] = ()) -> list[float] | None:
        """Return the values, one a frame; None where the command does not move that.

        `others` are the beamline's other names of the same motor; where no column is found, a note is made.
        """
        moved = next((each for each in self.log.scanned if any(map(source.fits, each.names))), None)
        run = None if moved is None else self.log.run_of(moved, source)
        if moved is None or run is None:
            return None
        recorded = _recorded(self.log, moved, source, others)
        step = (run[1] - run[0]) / max((self.log.asked or self.frames) - 1, 1)
        which = np.arange(self.frames) if self.points is None else self.points
        if recorded is not None and self.points is not None:
            values = recorded[self.points]
            read = np.isfinite(values)
            if not read.all() and (np.abs(values - run[0] - step * which)[read] < abs(step) / 2).all():
                lost = f"{np.count_nonzero(~read)} of {len(values)} points"
                self._say(
                    f"{moved.names[0]} of {self.log.path.name} is no number at {lost}: "
                    f"its positions are those of the command, '{self.log.command}'."
                )
                return [float(value) for value in run[0] + step * which]
            if why := unsteady(values):
                self._say(
                    _not_known(f"{moved.names[0]} of {self.log.path.name}", source.degrees, values, why)
                )
                return None
            return [float(value) for value in values]
        self._say(
            f"Where {moved.names[0]} stood is not known frame by frame from {self.log.path.name}: "
            f"its positions are those of the command, '{self.log.command}'."
        )
        return [float(value) for value in run[0] + step * which]

    def _say(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _recorded(
    log: ScanLog, moved: Scanned, source: Source, others: Sequence[Source] = ()
) -> np.ndarray | None:
    """Return where what moved stood at every point, under any name of it; None: that was not recorded."""
    same = (source, *(each for each in others if each.unit == source.unit))
    found = next((column for each in same if (column := log.column(each)) is not None), None)
    return log.recorded(moved) if found is None else found


def order_in(log: ScanLog, points: np.ndarray, beamline: Beamline) -> tuple[np.ndarray | None, str]:
    """Return the order in which frames rock, and what moved so; None where they lie in it, or in none.

    Parameters
    ----------
    log, points
        The scan, and which of its points each frame belongs to.
    beamline
        Where it was measured.
    """
    circles = [beamline.files.of_motor(each.motor) for each in beamline.sample]
    for sources in (*circles, beamline.files.energy):
        for source in sources:
            for moved in log.scanned:
                if any(map(source.fits, moved.names)):
                    recorded = _recorded(log, moved, source, sources)
                    order = None if recorded is None else order_of(recorded[points])
                    if order is not None:
                        return order, moved.names[0]
    return None, ""


def as_recorded(log: ScanLog, beamline: Beamline) -> tuple[ScanLog, list[str]]:
    """Return a log in which what its command does not name, but was recorded to move, is moved, and what to say of that.

    Frames that are taken in time (``time_scan``, ``ct``, a macro) while a motor moves on are a rocking curve too.
    """
    if log.scanned or is_mesh(log.command):
        return log, []
    for circle in beamline.sample:
        for source in beamline.files.of_motor(circle.motor):
            values = log.column(source)
            if values is None or unsteady(values) or np.ptp(source.degrees(1) * values) < _MOVED:
                continue
            name = log.called(source)
            ends = float(values[0]), float(values[-1])
            names = f"'{log.command}' names" if log.command else f"{log.path.name} names in its command"
            run = f"is recorded to have run from {ends[0]:.6g} to {ends[1]:.6g}"
            note = f"{names} no motor, but {name} {run}: that is taken for what rocked."
            return replace(log, also=(Scanned(log.names(name), *ends),)), [note]
    return log, []


def sorted_by(motor: str, where: str) -> str:
    """Say that frames are put in order."""
    return f"The frames were not taken in the order of {motor}: they are sorted by where it stood, as {where} says."


def _not_known(what: str, degrees: Callable[[float], float], values: np.ndarray, why: str) -> str:
    stretches = ways(values)
    if stretches:
        told = ", ".join(
            f"{first} to {end - 1} (--crop {first}:{end},0:ROWS,0:COLUMNS --set geometry.rocking_step_deg="
            f"{degrees(mean_step(values[first:end])):.6g})"
            for first, end in stretches
        )
        return f"{what} goes there and back, which no rocking curve does: reconstruct one way alone, its frames {told}."
    return f"{what} {why}: where it stood in every frame is not known; say the step with --set geometry.rocking_step_deg=…"


def still(log: ScanLog, circles: Iterable[Circle], beamline: Beamline) -> str:
    """Return why a circle is not seen to move that the command names, or that goes there and back; "" if there is none."""
    words = log.command.split()
    for circle in circles:
        sources = beamline.files.of_motor(circle.motor)
        if log.why_not(sources) and any(log.called(each).rpartition("/")[2] in words for each in sources):
            return (
                f"'{log.command}' turns {circle.motor}, but where that stood is not known: say the step with "
                "--set geometry.rocking_step_deg=…"
            )
        for source in sources:
            column, name = log.column(source), log.called(source)
            if column is None:
                continue
            middle = float(column[len(column) // 2])
            if np.nanmax(np.abs(source.degrees(1) * column), initial=0) > ANGLE.most:
                why = fault(ANGLE, source.degrees(middle), middle, source.unit or ANGLE.unit)
                if why and name.rpartition("/")[2] in words:
                    return (
                        f"{name} of {log.path.name} is not used: {why} Say the step with --set geometry.rocking_step_deg=… and "
                        "where the circles stood with --set geometry.sample_angles_deg=…"
                    )
                continue
            if (name.rpartition("/")[2] in words or ways(column)) and (why := unsteady(column)):
                return _not_known(f"{name} of {log.path.name}", source.degrees, column, why)
    return ""


def moves(log: ScanLog, circles: Iterable[Circle], beamline: Beamline) -> list[tuple[int, Source]]:
    """Return which of some circles the command moves, and where their angles stand."""
    found = []
    for index, circle in enumerate(circles):
        for source in beamline.files.of_motor(circle.motor):
            moved = (each for each in log.scanned if any(map(source.fits, each.names)))
            runs = (log.run_of(each, source) for each in moved)
            if any(run is not None and min(map(abs, map(source.degrees, run))) <= ANGLE.most for run in runs):
                found.append((index, source))
                break
    return found

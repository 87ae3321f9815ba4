"""What a scan in an HDF5 file moved: its command, its end, and the motor behind what was scanned without a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import remainder

import numpy as np

from ..geometry import Beamline, Source
from .commands import run_of_tree, what_cut
from .logs.log import beyond, in_order, unsteady, ways
from .logs.tree import TreeLog
from .moved import moves

_UNITS = {"radians": 180 / np.pi, "millidegrees": 1e-3, "millionths of a degree": 1e-6}
"""What was scanned may be recorded in one of these, each with how many degrees it has."""
_FAR = 2.0
"""So many times as far from zero as they run, values tell their unit."""


def explained(log: TreeLog, site: Beamline) -> TreeLog:
    """Return the log with its command, its end, and with what was scanned under the name of the motor that it moved."""
    files = site.files
    command = next((word for each in files.command if (word := log.word(each)) is not None), "")
    cut_by = what_cut(next((word for each in files.end_reason if (word := log.word(each)) is not None), ""))
    ended = not cut_by and any(log.word(each) is not None for each in files.ended) if files.ended else None
    log = replace(log, command=command, ended=ended, cut_by=cut_by)
    for name in files.actuators:
        values = log.column(Source(name))
        if values is not None and (not unsteady(in_order(values)) or ways(values)):
            log = _named(log, site, values, next(filter(Source(name).fits, log.columns)))
    run = run_of_tree(command)
    is_recorded = run is not None and any(name.rpartition("/")[2] == run[0] for name in log.columns)
    if not is_recorded and not moves(log, site.sample, site):
        log = replace(log, as_commanded=True)
    if ended is not False:  # a motor of a scan that runs is ahead of the detector
        log = replace(log, notes=(*log.notes, *_beyond(log, site)))
    if not moves(log, site.sample, site):
        log = replace(log, notes=(*log.notes, *_why_none(log, files.actuators)))
    if not log.columns:  # nothing was recorded for each frame
        log = replace(log, notes=(*log.notes, f"{log.path.name} records nothing for each frame."))
    return log


def _why_none(log: TreeLog, actuators: Iterable[str]) -> Iterator[str]:
    """Say why the first of what was scanned, which has no name of its own, does not tell where a motor stood."""
    for name in actuators:
        source = Source(name)
        values = log.column(source)
        recorded = next(filter(source.fits, (*log.columns, *log.unusable)), "")
        why = log.unusable.get(recorded, "") if values is None else unsteady(values)
        if why:
            yield f"{recorded} of {log.path.name}, which holds where what was scanned stood, {why}: it is not used."
            return


def _beyond(log: TreeLog, site: Beamline) -> Iterator[str]:
    """Say which of what the scan moved has more positions than there are frames."""
    motors = [
        each.motor for index, each in enumerate(site.sample) if index in dict(moves(log, site.sample, site))
    ]
    sources = [*(each for motor in motors for each in site.files.of_motor(motor)), *site.files.energy]
    moved = {each.names[0] for each in log.scanned}
    for name in (
        each for each in log.ahead if each in moved and any(source.fits(each) for source in sources)
    ):
        yield beyond(f"{name} of {log.path.name}", log.ahead[name], log.frames)
        break


def _in_another_unit(log: TreeLog, site: Beamline, values: np.ndarray, called: str) -> TreeLog:
    """Put recorded values in the place of the one motor that rocks and stood among them if they are in another unit."""
    if abs(float(values[len(values) // 2])) < _FAR * np.ptp(values):
        return log  # about zero nothing tells one unit from another
    for unit, factor in _UNITS.items():
        turned = values * factor
        step = np.ptp(turned) / (len(turned) - 1)
        for source in (each for motor in site.rocking for each in site.files.of_motor(motor)):
            name = next((each for each in log.motors if source.fits(each)), None)
            stood = 0.0 if name is None else log.motors[name]
            if name is None or not stood or not turned.min() - step <= stood <= turned.max() + step:
                continue
            note = f"{called} of {log.path.name} is taken to be in {unit}: so it lies about {name}, which stood at {stood:.6g}."
            motors = {key: value for key, value in log.motors.items() if key != name}
            return replace(
                log, motors=motors, columns={**log.columns, name: turned}, notes=(*log.notes, note)
            )
    return log


def _named(log: TreeLog, site: Beamline, values: np.ndarray, called: str) -> TreeLog:
    """Put recorded values in the place of the one number that lies among them, or a step beside.

    `called` is the column that they stand in.
    """
    step = np.ptp(values) / (len(values) - 1)
    circles = {each.motor for each in (*site.sample, *site.arm)}
    usual = [*site.rocking, *sorted(circles - set(site.rocking))]
    sources = [each for motor in usual for each in site.files.of_motor(motor)]
    stood = []
    middle = float(values[len(values) // 2])
    for source in (*sources, *site.files.energy):
        name = next((each for each in log.motors if source.fits(each)), None)
        if name is None:
            continue
        away = log.motors[name] - middle
        if source in sources and np.ptp(values) < 360:  # a circle's reading begins again after a whole turn
            away = remainder(away, 360.0)
        if values.min() - step <= middle + away <= values.max() + step:
            stood.append(name)
    stood = list(dict.fromkeys(stood))
    if not stood:
        return _in_another_unit(log, site, values, called)
    name, *others = stood
    notes = log.notes
    if others:
        notes += (
            f"{log.path.name} does not name what was scanned: {name} is taken, and {' or '.join(others)} stood within the same "
            "values; if it was another, say --set geometry.rocking_circle.",
        )
    motors = {key: value for key, value in log.motors.items() if key != name}
    log = replace(log, motors=motors, columns={**log.columns, name: values}, notes=notes)
    ahead = {**log.ahead, name: log.ahead[called]} if called in log.ahead else log.ahead
    unread = {**log.unwritten, name: log.unwritten[called]} if called in log.unwritten else log.unwritten
    return replace(log, ahead=ahead, unwritten=unread)

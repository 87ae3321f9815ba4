"""Which beamline a log is from, told by what it names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..geometry import Beamline, Source, beamlines
from .logs import ScanLog
from .moved import moves

_PIXELS = ("pixel", "pixels", "px")
"""How files call the unit of what is counted in pixels."""


BY_NAMES = "by what it names"
"""A note of `of_another` has these words."""


def first_of(log: ScanLog, sources: Iterable[Source]) -> float | None:
    """Return the first number that some sources have in a log, or None."""
    return next((value for each in sources if (value := log.number_of(each)) is not None), None)


def pixel_of(log: ScanLog, sources: Iterable[Source], size_um: float | None) -> float | None:
    """Return the first number that some sources have as a pixel, a length in pixels of such a size; None: there is none."""
    for source in sources:
        for unit in _PIXELS:
            if (value := log.number_of(replace(source, unit=unit))) is not None:
                return value
        metres = log.number_of(replace(source, unit="m"))
        if metres is not None and size_um:
            return metres / (size_um * 1e-6)
    return None


def told_from(log: ScanLog) -> list[Beamline]:
    """Return the beamlines that a log may be from, by what it names; one, if it is clear."""
    scores: dict[str, int] = {}
    for each in beamlines().values():
        files = each.files
        if log.kind not in files.kinds or not all(map(log.has, files.evidence)):
            continue
        circles = {circle.motor for circle in (*each.sample, *each.arm)} - set(files.fixed_deg)
        has = {motor for motor in circles if first_of(log, files.of_motor(motor)) is not None}
        unusable = {motor for motor in circles - has if log.why_not(files.of_motor(motor))}
        if has | unusable == circles and (has or not circles):
            scores[each.name] = len(has) + len(files.evidence) + 100 * any(moves(log, each.sample, each))
            scores[each.name] += 1000 * (first_of(log, files.energy) is not None) + 10_000 * (not unusable)
    best = max(scores.values(), default=0)
    return [beamlines()[name] for name, score in scores.items() if score == best]


def circles_lacking(log: ScanLog, site: Beamline) -> list[str]:
    """Return the circles of a beamline that a log has no number of, and that do not always stand at the same angle."""
    circles = dict.fromkeys(each.motor for each in (*site.sample, *site.arm))
    return [
        motor
        for motor in circles
        if motor not in site.files.fixed_deg and first_of(log, site.files.of_motor(motor)) is None
    ]


def of_another(log: ScanLog, said: Beamline) -> tuple[str, bool]:
    """Return what to say of a log that is evidently from another beamline than a person says, and if it is of no use then.

    Nothing is said of a beamline of the person's own.
    """
    told = told_from(log)
    if len(told) != 1 or told[0].name == said.name or said.name not in beamlines():
        return "", False
    lacking = circles_lacking(log, said)
    name = told[0].name
    here = f"{log.path.name} is from {name}, {BY_NAMES}"
    why = f"it does not hold where {', '.join(lacking)} stood" if lacking else ""
    if log.kind not in said.files.kinds:
        why = why or f"{said.name} writes no such files"
    if why:
        return (
            f"{here}, and not from {said.name}, as was said: {why}, and is not used. Leave out --beamline, or say --beamline "
            f"'{name}'."
        ), True
    return (
        f"{here}, but read as from {said.name}, as was said; if that is wrong, leave out --beamline.",
        False,
    )


def nearly_from(log: ScanLog) -> list[Beamline]:
    """Return the one beamline that a log is evidently from though it lacks circles, or whose motor alone moved; else none.

    What tells a beamline from others comes first, then where its energy stands, then what moved.
    """
    told, named, moving = [], [], []
    for each in beamlines().values():
        files = each.files
        if log.kind not in files.kinds:
            continue
        circles = {circle.motor for circle in (*each.sample, *each.arm)} - set(files.fixed_deg)
        has = {motor for motor in circles if first_of(log, files.of_motor(motor)) is not None}
        has_half, says_energy = (
            bool(has) and 2 * len(has) >= len(circles),
            first_of(log, files.energy) is not None,
        )
        is_told = bool(files.evidence) and all(map(log.has, files.evidence))
        if (is_told and (has_half or says_energy)) or (not files.evidence and says_energy and has_half):
            told.append(each)
        if says_energy and has_half:
            named.append(each)
        if has and any(moves(log, each.sample, each)):
            moving.append(each)
    found = told or named or moving
    return found if len(found) == 1 else []

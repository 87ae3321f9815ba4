"""A quantity of a scan from the places of a log that may hold it: the first plausible one, and what to say of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ..geometry import Source
from ..geometry.plausible import DISTANCE, ENERGY, Range, fault
from .logs import ScanLog

_APART = {ENERGY.what: 1e-3, DISTANCE.what: 0.02}
"""What a log says twice of these, or otherwise in every frame, contradicts itself where it differs by a larger part."""


def quantity(
    log: ScanLog,
    sources: Iterable[Source],
    convert: Callable[[Source, float], float],
    needed: Range,
    notes: list[str],
) -> float | None:
    """Return the first plausible number of some sources, in its usual unit; None if there is none, and say why not."""
    faults: list[str] = []
    found: tuple[str, float] | None = None
    apart = _APART.get(needed.what, np.inf)
    for source in sources:
        number = log.number_of(source)
        if number is None:
            continue
        value, name = convert(source, number), log.called(source)
        column = log.column(source)
        why = fault(needed, value, number, source.unit or needed.unit)
        if not why and needed is DISTANCE and column is not None and np.ptp(column) > apart * abs(number):
            why = (
                f"it changes from frame to frame, from {column.min():g} to {column.max():g} {source.unit or needed.unit}, and a "
                "scan has one; say it with --set geometry.distance_m=…"
            )
        if why:
            faults.append(f"{name} of {log.path.name} is not used: {why}")
        elif found is None:
            found = name, value
        elif abs(value - found[1]) > apart * abs(found[1] or value):
            notes.append(
                f"{found[0]} and {name} of {log.path.name} contradict each other: the {needed.what} is {found[1]:.6g} "
                f"{needed.unit} by the former, which is taken, and {value:.6g} by the latter; say the right one with --set."
            )
            break
    if found is None:
        notes += faults[:1]
    return None if found is None else found[1]

"""A quantity of a scan from the places of a log that may hold it: the first plausible one, and what to say of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..geometry import Source
from ..geometry.plausible import DISTANCE, ENERGY, PIXEL, Range, fault
from .logs import ScanLog

_KEYS = {"energy_kev": ENERGY, "distance_m": DISTANCE, "pixel_size_um": PIXEL}
_APART = {ENERGY.what: 1e-3, DISTANCE.what: 0.02, PIXEL.what: 0.02}
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


def unlike(taken: Mapping[str, Any], said: Mapping[str, Any], log: str) -> Iterator[str]:
    """Yield what the frames' own file says otherwise than their log, which is taken."""
    for key, needed in _KEYS.items():
        one, other = taken.get(key), said.get(key)
        scanned = needed is ENERGY and taken.get("energy_step_kev")
        if (
            one is None
            or other is None
            or scanned
            or np.allclose(one, other, rtol=_APART[needed.what], atol=0)
        ):
            continue
        former, latter = (" × ".join(f"{value:.6g}" for value in np.ravel(each)) for each in (one, other))
        yield (
            f"{log} and the frames' own file contradict each other: the {needed.what} is {former} {needed.unit} by the former, "
            f"which is taken, and {latter} by the latter; --set geometry.{key}=… says another."
        )

"""Chains of NeXus transformations: each is a number in some unit along or about a vector, and depends on the next one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import h5py
import numpy as np

from ..geometry import direction, rotation, unwrapped
from ..geometry.plausible import PIXEL, fault
from ..geometry.units import DEGREES, METRES, plain
from ..scan import Axis
from . import nexus
from .links import Item, local
from .logs.log import beyond, unsteady, unwritten, went_on

_CHAIN = 24
"""Longer chains go round."""
_AHEAD = 2
"""So many more positions than frames may have been recorded."""
_MOVES_DEG = 1e-5
"""What turns by less than this is at rest."""
_ZERO_M = 1e-12
"""Metres: a shorter way is none."""
_NAMED: tuple[Axis, ...] = ("x+", "x-", "y+", "y-", "z+", "z-")


class Unusable(ValueError):
    """Why a chain is none."""


@dataclass(frozen=True, eq=False)
class Step:
    """One transformation: by how much in every frame (degrees or metres), along or about what, and what it adds in metres.

    `unit` is that of the numbers in the file, and `factor` what they were multiplied by.  Where their reading begins again
    after a whole turn (`begins_again`), they run on here.  `note` says what of them was left out, or put in.
    """

    name: str
    is_rotation: bool
    values: np.ndarray
    vector: np.ndarray
    offset_m: np.ndarray
    unit: str
    factor: float
    begins_again: bool = False
    note: str = ""

    @property
    def middle(self) -> float:
        """Degrees or metres in the middle frame."""
        return float(self.values[len(self.values) // 2])

    @property
    def is_moving(self) -> bool:
        """Whether the values change from frame to frame."""
        return bool(np.ptp(self.values) > (_MOVES_DEG if self.is_rotation else 1e-7))

    def sorted(self, order: np.ndarray) -> Step:
        """Return the same with the frames in some order."""
        return replace(self, values=self.values[order]) if len(self.values) > 1 else self

    @property
    def shifts(self) -> bool:
        """Whether the origin is moved."""
        moves = not self.is_rotation and np.abs(self.values).max() * np.abs(self.vector).max() > _ZERO_M
        return bool(moves or np.abs(self.offset_m).max() > _ZERO_M)

    @property
    def size_um(self) -> float:
        """How far this leads, as the direction of a pixel."""
        size = abs(self.middle) * float(np.linalg.norm(self.vector))
        why = fault(PIXEL, size * 1e6, size / self.factor, self.unit)
        if why:
            raise Unusable(f"{self.name}: {why}")
        return round(size * 1e6, 4)

    def rotation(self) -> np.ndarray:
        """Return the 3 × 3 rotation of the middle frame."""
        return rotation((axis_of(self.vector),), (self.middle,)) if self.is_rotation else np.eye(3)

    def shift(self) -> np.ndarray:
        """Return by how much the origin is moved in the middle frame, in metres."""
        return self.offset_m + (0 if self.is_rotation else self.middle * self.vector)


def chain_of(group: h5py.Group, on: str | None, frames: int) -> list[Step]:
    """Return the transformations that something in `group` depends on, outermost first."""
    found: list[Step] = []
    source, first = group.name, group.name
    while on and on != ".":
        if len(found) == _CHAIN:
            raise Unusable(f"what {first} depends on goes round.")
        step, group, on = step_of(group, on, frames, source)
        source = step.name
        found.append(step)
    return found[::-1]


def step_of(
    group: h5py.Group, path: str, frames: int, source: str | None = None
) -> tuple[Step, h5py.Group, str | None]:
    """Return a transformation, on which `source` or the group depends, where it stands, and what it depends on."""
    item = _item(group, path)
    if not isinstance(item, h5py.Dataset) or "vector" not in item.attrs:
        raise Unusable(f"{source or group.name} depends on {path}, which is no transformation in this file.")
    kind = nexus.attribute(item, "transformation_type")
    if kind is None:  # an angle turns
        kind = "rotation" if plain(nexus.attribute(item, "units") or "") in DEGREES else "translation"
    is_rotation = kind == "rotation"
    own, default = (DEGREES, "deg") if is_rotation else (METRES, "m")
    unit, factor = _factor(item, "units", own, default)
    recorded, note = _of_frames(np.ravel(item[()]), frames, item.name)
    values = _numbers(recorded, item.name) * factor
    if len(values) not in (1, frames):
        if np.ptp(values) > 0:
            raise Unusable(f"{item.name} has {len(values)} values, but there are {frames} frames.")
        values = values[:1]
    read = values
    values = unwrapped(values) if is_rotation else values
    vector = _numbers(item.attrs["vector"], f"the vector of {item.name}", 3)
    offset = _numbers(item.attrs.get("offset", np.zeros(3)), f"the offset of {item.name}", 3)
    units = "units" if not is_rotation and "offset_units" not in item.attrs else "offset_units"
    offset_m = offset * _factor(item, units, METRES, "m")[1] if offset.any() else np.zeros(3)
    if is_rotation and not vector.any():
        raise Unusable(f"{item.name} turns about no axis.")
    if is_rotation and "units" not in item.attrs and 0 < np.abs(values).max() <= 2 * np.pi:
        middle = float(values[len(values) // 2])
        unsaid = f"{item.name} has no unit: {middle:.6g} is taken for degrees; in radians it would be {np.degrees(middle):.6g}."
        note = f"{note} {unsaid}".strip()
    step = Step(item.name, is_rotation, values, vector, offset_m, unit, factor, values is not read, note)
    return step, item.parent, one_name(item.attrs.get("depends_on"), item.name)


def _of_frames(recorded: np.ndarray, frames: int, name: str) -> tuple[np.ndarray, str]:
    """Return values as of so many frames, and what to say of that: some may not have been written, or the last be too many."""
    if recorded.dtype.kind not in "uif":
        return recorded, ""
    if frames < len(recorded) <= frames + _AHEAD and not unsteady(recorded[np.isfinite(recorded)]):
        return recorded[:frames], beyond(name, len(recorded), frames)
    if len(recorded) == frames and (gone := went_on({name: recorded})):
        return gone[name], unwritten(name, recorded)
    return recorded, ""


def _numbers(found: Any, what: str, count: int | None = None) -> np.ndarray:
    """Return what a file holds as numbers, as many as there must be."""
    try:
        values = np.ravel(np.asarray(found, float))
    except (TypeError, ValueError):
        raise Unusable(f"{what} is no number.") from None
    if not len(values) or count not in (None, len(values)):
        many = "none" if not len(values) else str(len(values))
        raise Unusable(f"{what} has {many} of {count or 'the'} numbers.")
    if not np.isfinite(values).all():
        raise Unusable(f"{what} is not a number everywhere (NaN or infinite).")
    return values


def one_name(found: Any, of: str) -> str | None:
    """Return what something depends on; None: nothing."""
    if found is None:
        return None
    names = [
        each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in np.ravel(found)
    ]
    if len(names) != 1:
        raise Unusable(
            f"{of} depends on {len(names)} things ({', '.join(names[:4])}): which chain holds is not known."
        )
    return names[0]


def _factor(item: h5py.Dataset, name: str, units: dict[str, float], default: str) -> tuple[str, float]:
    """Return the unit that an attribute names, and how many degrees or metres it is."""
    unit = nexus.attribute(item, name) or default
    if plain(unit) not in units:
        raise Unusable(f"{item.name} is in '{unit}', which is no unit known here.")
    return unit.replace("um", "µm"), units[plain(unit)]


def _item(group: h5py.Group, path: str) -> Item | None:
    """Return what is meant by a path: seen from the group, or from the root even where the first slash was left out."""
    for base, name in ((group, path), (group.file["/"], path)):
        found = local(base, name)
        if found is not None:
            return found
    return None


def axis_of(vector: np.ndarray) -> Axis:
    """Return a vector as a direction, by its name where it has one."""
    if not np.any(vector):
        raise Unusable("a pixel has no direction.")
    for name in _NAMED:
        if np.allclose(vector / np.linalg.norm(vector), direction(name), atol=1e-9):
            return name
    x, y, z = (float(each) for each in vector)
    return (x, y, z)

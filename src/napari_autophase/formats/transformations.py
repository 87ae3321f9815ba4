"""Geometry from NeXus transformations, whichever facility wrote them.

A NeXus file may say in full where everything is: each transformation is a value in some unit along (or about) a vector, with an
offset, and depends on the next one, as far as ``"."``.  The chain of the sample gives its circles, that of the detector's module
the arm, the pixels and where the first of them lies.  NeXus' frame (z along the beam, y up) is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..geometry import complete, direction, find_beamline, mean_step, on_plane, rocked, rotation
from ..geometry.plausible import PIXEL, fault
from ..scan import Axis, Geometry, InputError
from . import nexus
from .common import Description
from .links import Item, Tree, local
from .logs.log import order_of, unsteady
from .moved import sorted_by
from .nexus import DEGREES, METRES

_CHAIN = 24
"""Longer chains go round."""
_MOVES_DEG = 1e-5
"""What turns by less than this is at rest."""
_ZERO_M = 1e-12
_OPEN = {"energy_kev": 10.0, "rocking_step_deg": 0.01}
"""What stands for that which is not known: no other length and no angle depends on it."""
_WHY = {"energy_kev": "says no energy", "rocking_step_deg": "turns nothing from frame to frame"}
_OTHERWISE = 0.02
"""Sizes and distances of one detector that differ by more contradict each other."""
_NAMED: tuple[Axis, ...] = ("x+", "x-", "y+", "y-", "z+", "z-")


class _Unusable(ValueError):
    """Why a chain is none."""


@dataclass(frozen=True, eq=False)
class _Step:
    """One transformation: by how much in every frame (degrees or metres), along or about what, and what it adds in metres.

    `unit` is that of the numbers in the file, and `factor` what they were multiplied by.
    """

    name: str
    is_rotation: bool
    values: np.ndarray
    vector: np.ndarray
    offset_m: np.ndarray
    unit: str
    factor: float

    @property
    def middle(self) -> float:
        return float(self.values[len(self.values) // 2])

    @property
    def is_moving(self) -> bool:
        return bool(np.ptp(self.values) > (_MOVES_DEG if self.is_rotation else 1e-7))

    def sorted(self, order: np.ndarray) -> _Step:
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
            raise _Unusable(f"{self.name}: {why}")
        return round(size * 1e6, 4)

    def rotation(self) -> np.ndarray:
        return rotation((_axis(self.vector),), (self.middle,)) if self.is_rotation else np.eye(3)

    def shift(self) -> np.ndarray:
        return self.offset_m + (0 if self.is_rotation else self.middle * self.vector)


def describe(tree: Tree, entry: h5py.Group, path: str, frames: int) -> Description | None:
    """Return what the transformations around the frames at `path` say; None: there are none."""
    parent = tree.groups(path)[-1]
    own = parent if nexus.attribute(parent, "NX_class") == "NXdetector" else None
    found = read(entry, own, frames)
    geometry = None if found is None else found.geometry
    if found is None or geometry is None:
        return found
    command = nexus.command(entry)
    name = f"{geometry.beamline}, {geometry.detector}," if geometry.beamline else "the scan"
    note = f"Geometry of {name} from the transformations in {tree.path.name}{command and f': {command}'}."
    return replace(found, notes=(note, *found.notes, *_contradicted(entry, geometry)))


def _contradicted(entry: h5py.Group, geometry: Geometry) -> Iterator[str]:
    """Yield what the fields of the entry's one detector say otherwise than where the transformations put it."""
    if sum(kind == "NXdetector" for kind, _ in nexus.groups(entry)) != 1:
        return  # whose fields they are is open
    known, _ = nexus.known(entry)
    for key, what, unit in (("pixel_size_um", "pixels", "µm"), ("distance_m", "distance", "m")):
        said, placed = np.ravel(known.get(key, ())), np.ravel(getattr(geometry, key))
        if len(said) and not np.allclose(said, placed, rtol=_OTHERWISE, atol=0):
            one, other = (" × ".join(f"{value:.4g}" for value in each) for each in (placed, said))
            yield (
                f"{Path(entry.file.filename).name} contradicts itself: {what} {one} {unit} by its transformations, but "
                f"{other} {unit} by the fields of its detector. The former is taken; --set geometry.{key}=… says another."
            )


def read(entry: h5py.Group, detector: h5py.Group | None, frames: int) -> Description | None:
    """Return what an entry's transformations say.

    Parameters
    ----------
    entry
        The NXentry.
    detector
        The NXdetector of the frames; None: the only one that is placed.
    frames
        Their number.

    Returns
    -------
    Description | None
        None where the entry has no full chains; where it has and they cannot be used, a note says why, and where only something
        beside them is lacking, all else is in the metadata.
    """
    modules, sample = _modules(entry, detector), _first(entry, "NXsample")
    if not modules:
        return _without_pixels(entry, detector)
    if sample is None:
        unplaced = (
            f"{entry.file.filename} places its detector by transformations, but no sample that depends on any: how it was turned "
            "is not known, and they are not used; give the geometry with --beamline and --set."
        )
        return Description(notes=(unplaced,))
    if len(modules) > 1:
        names = ", ".join(each.name for each in modules[:4])
        several = (
            f"{entry.file.filename} places {len(modules)} detector modules ({names}), and it is not known which of them the "
            "frames are: their transformations are not used; give the geometry with --beamline and --set."
        )
        return Description(notes=(several,))
    module = modules[0]
    where = entry.file.filename
    try:
        fast, slow = (_step(module, f"{name}_pixel_direction", frames) for name in ("fast", "slow"))
        chain = _chain(fast[1], fast[2], frames)
        on = local(sample, "depends_on")
        named = _one_name(on[()] if isinstance(on, h5py.Dataset) else None, sample.name)
        circles = [each for each in _chain(sample, named, frames) if each.is_rotation]
        energies = _energies(entry, frames)
        order, by = _order(circles, energies)
        if order is not None:
            chain, circles = ([each.sorted(order) for each in some] for some in (chain, circles))
            energies = None if energies is None else energies[order]
        document: dict[str, Any] = {"energy_kev": nexus.energy(entry), "distance_m": 1.0}
        document |= _detector(fast[0], slow[0], chain)
        document |= _sample(circles, frames)
        if energies is not None:
            document |= {"energy_kev": float(energies[frames // 2]), "energy_step_kev": mean_step(energies)}
        document |= _names(entry, module)
        origin = document.pop("origin_m")
        given = {key: value for key, value in document.items() if value is not None}
        lacking = {key: value for key, value in _OPEN.items() if not given.get(key)}
        if given.get("energy_step_kev"):
            lacking.pop("rocking_step_deg", None)
        found = on_plane(complete(given | lacking, where), origin)
    except (_Unusable, InputError) as error:
        return Description(notes=(f"The transformations of {where} are not used: {error}",))
    said = () if order is None else (sorted_by(by, Path(where).name),)
    if not lacking:
        return Description(geometry=found, notes=said, order=order)
    known = {key: value for key, value in asdict(found).items() if value is not None and key not in lacking}
    why = " and ".join(_WHY[key] for key in lacking)
    how = " ".join(f"--set geometry.{key}=…" for key in lacking)
    note = f"{where} places detector and sample, but {why}, so the geometry is not complete: {how}"
    return Description(metadata=known, notes=(note, *said), order=order)


def _without_pixels(entry: h5py.Group, detector: h5py.Group | None) -> Description | None:
    """Say so if detector and sample are placed, but not how the pixels run; None: they are not."""
    detectors = [detector] if detector is not None else _all(entry, "NXdetector")
    placed = [each.name for each in detectors if nexus.scalar(local(each, "depends_on")) not in (None, ".")]
    if not placed or _first(entry, "NXsample") is None:
        return None
    note = (
        f"{entry.file.filename} places {placed[0]} by transformations, but no NXdetector_module there says by "
        "fast_pixel_direction and slow_pixel_direction how its pixels run: they are not used; give the geometry with --beamline "
        "and --set."
    )
    return Description(notes=(note,))


def _detector(fast: _Step, slow: _Step, chain: Sequence[_Step]) -> dict[str, Any]:
    """Return circles of the arm, pixels, and where the first one lies with the arm at zero (``origin_m``)."""
    outer = 0
    while outer < len(chain) and chain[outer].is_rotation and not chain[outer].shifts:
        outer += 1
    arm, fixed = chain[:outer], chain[outer:]
    moving = next((each for each in fixed if each.is_moving), None)
    if moving is not None:
        raise _Unusable(f"{moving.name} moves the detector from frame to frame inside of what carries it.")
    turned, origin = np.eye(3), np.zeros(3)
    for each in fixed:
        origin = origin + turned @ each.shift()
        turned = turned @ each.rotation()
    steps = [mean_step(each.values) if each.is_moving else 0.0 for each in arm]
    return {
        "detector_circles": [_axis(each.vector) for each in arm],
        "detector_angles_deg": [each.middle for each in arm],
        "detector_steps_deg": steps if any(steps) else None,
        "pixel_directions": [_axis(turned @ each.vector) for each in (slow, fast)],
        "pixel_size_um": [each.size_um for each in (slow, fast)],
        "origin_m": origin + turned @ fast.offset_m,
    }


def _sample(circles: Sequence[_Step], frames: int) -> dict[str, Any]:
    moving = [index for index, each in enumerate(circles) if each.is_moving]
    axes = [_axis(each.vector) for each in circles]
    angles = [each.middle for each in circles]
    found: dict[str, Any] = {"sample_circles": axes, "sample_angles_deg": angles, "rocking_step_deg": 0.0}
    if len(moving) == 1:
        values = circles[moving[0]].values
        if why := unsteady(values):
            raise _Unusable(f"{circles[moving[0]].name} {why}: how it stood in every frame is not known.")
        found |= {"rocking_circle": moving[0], "rocking_step_deg": mean_step(values)}
        found["rocking_angles_deg"] = values.tolist()
    elif moving:
        table = np.stack([np.broadcast_to(each.values, frames) for each in circles], axis=1)
        axis, turned = rocked(axes, table)
        found |= {"sample_circles": [_axis(axis)], "sample_angles_deg": [0.0], "rocking_circle": 0}
        found |= {"rocking_angles_deg": turned.tolist(), "rocking_step_deg": mean_step(turned)}
    return found


def _energies(entry: h5py.Group, frames: int) -> np.ndarray | None:
    """Return the beam's energy in keV in every frame; None where it stands still, or has no number for each."""
    values = nexus.beam_energies(list(nexus.groups(entry)))
    return values if values is not None and len(values) == frames and np.ptp(values) >= 1e-6 else None


def _order(circles: Sequence[_Step], energies: np.ndarray | None) -> tuple[np.ndarray | None, str]:
    """Return the order in which the frames rock, and what moves so; None where they lie in it, or in none."""
    moving = {each.name: each.values for each in circles if each.is_moving}
    for name, values in (moving or ({} if energies is None else {"the energy": energies})).items():
        order = order_of(values)
        if order is not None:
            return order, name
    return None, ""


def _names(entry: h5py.Group, module: h5py.Group) -> dict[str, Any]:
    """Return the names of beamline and detector, as far as they are those of one known here."""
    detector = module.parent.name.rpartition("/")[2]
    for path in ("instrument/beamline", "instrument/name"):
        name = nexus.scalar(local(entry, path))
        try:
            site = find_beamline(str(name))
            return {"beamline": site.name, "detector": site.detector(detector).name}
        except InputError:
            continue
    return {}


def _modules(entry: h5py.Group, detector: h5py.Group | None) -> list[h5py.Group]:
    """Return the NXdetector_modules of a detector that are placed; None: of all; with one only, its pixels are the frames'."""
    detectors = [detector] if detector is not None else _all(entry, "NXdetector")
    modules = [module for each in detectors for module in _all(each, "NXdetector_module")]
    return [each for each in modules if {"fast_pixel_direction", "slow_pixel_direction"} <= set(each)]


def _all(group: h5py.Group, nx_class: str) -> list[h5py.Group]:
    return [each for kind, each in nexus.groups(group) if kind == nx_class.replace("_", "")]


def _first(entry: h5py.Group, nx_class: str) -> h5py.Group | None:
    return next((each for each in _all(entry, nx_class) if "depends_on" in each), None)


def _chain(group: h5py.Group, on: str | None, frames: int) -> list[_Step]:
    """Return the transformations that something in `group` depends on, outermost first."""
    found: list[_Step] = []
    while on and on != ".":
        if len(found) == _CHAIN:
            raise _Unusable(f"what {group.name} depends on goes round.")
        step, group, on = _step(group, on, frames)
        found.append(step)
    return found[::-1]


def _step(group: h5py.Group, path: str, frames: int) -> tuple[_Step, h5py.Group, str | None]:
    """Return a transformation, the group it stands in, and what it depends on."""
    item = _item(group, path)
    if not isinstance(item, h5py.Dataset) or "vector" not in item.attrs:
        raise _Unusable(f"{group.name} depends on {path}, which is no transformation in this file.")
    kind = nexus.attribute(item, "transformation_type")
    if kind is None:  # an angle turns
        kind = (
            "rotation" if (nexus.attribute(item, "units") or "").strip().lower() in DEGREES else "translation"
        )
    is_rotation = kind == "rotation"
    own, default = (DEGREES, "deg") if is_rotation else (METRES, "m")
    unit, factor = _factor(item, "units", own, default)
    values = _numbers(item[()], item.name) * factor
    if len(values) not in (1, frames):
        if np.ptp(values) > 0:
            raise _Unusable(f"{item.name} has {len(values)} values, but there are {frames} frames.")
        values = values[:1]
    vector = _numbers(item.attrs["vector"], f"the vector of {item.name}", 3)
    offset = _numbers(item.attrs.get("offset", np.zeros(3)), f"the offset of {item.name}", 3)
    units = "units" if not is_rotation and "offset_units" not in item.attrs else "offset_units"
    offset_m = offset * _factor(item, units, METRES, "m")[1] if offset.any() else np.zeros(3)
    if is_rotation and not vector.any():
        raise _Unusable(f"{item.name} turns about no axis.")
    step = _Step(item.name, is_rotation, values, vector, offset_m, unit, factor)
    return step, item.parent, _one_name(item.attrs.get("depends_on"), item.name)


def _numbers(found: Any, what: str, count: int | None = None) -> np.ndarray:
    """Return what a file holds as numbers, as many as there must be."""
    try:
        values = np.ravel(np.asarray(found, float))
    except (TypeError, ValueError):
        raise _Unusable(f"{what} is no number.") from None
    if not len(values) or count not in (None, len(values)):
        many = "none" if not len(values) else str(len(values))
        raise _Unusable(f"{what} has {many} of {count or 'the'} numbers.")
    if not np.isfinite(values).all():
        raise _Unusable(f"{what} is not a number everywhere (NaN or infinite).")
    return values


def _one_name(found: Any, of: str) -> str | None:
    """Return what something depends on; None: nothing."""
    if found is None:
        return None
    names = [
        each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in np.ravel(found)
    ]
    if len(names) != 1:
        raise _Unusable(
            f"{of} depends on {len(names)} things ({', '.join(names[:4])}): which chain holds is not known."
        )
    return names[0]


def _factor(item: h5py.Dataset, name: str, units: dict[str, float], default: str) -> tuple[str, float]:
    """Return the unit that an attribute names, and how many degrees or metres it is."""
    unit = (nexus.attribute(item, name) or default).strip().lower()
    if unit not in units:
        raise _Unusable(f"{item.name} is in '{unit}', which is no unit known here.")
    return unit.replace("um", "µm"), units[unit]


def _item(group: h5py.Group, path: str) -> Item | None:
    """Return what is meant by a path: seen from the group, or from the root even where the first slash was left out."""
    for base, name in ((group, path), (group.file["/"], path)):
        found = local(base, name)
        if found is not None:
            return found
    return None


def _axis(vector: np.ndarray) -> Axis:
    """Return a vector as a direction, by its name where it has one."""
    if not np.any(vector):
        raise _Unusable("a pixel has no direction.")
    for name in _NAMED:
        if np.allclose(vector / np.linalg.norm(vector), direction(name), atol=1e-9):
            return name
    x, y, z = (float(each) for each in vector)
    return (x, y, z)

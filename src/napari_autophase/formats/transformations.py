"""Geometry from NeXus transformations, whichever facility wrote them.

A NeXus file may say in full where everything is: each transformation is a value in some unit along (or about) a vector, with an
offset, and depends on the next one, as far as ``"."``.  The chain of the sample gives its circles, that of the detector's module
the arm, the pixels and where the first of them lies.  NeXus' frame (z along the beam, y up) is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..geometry import (
    begins_again,
    complete,
    find_beamline,
    mean_step,
    on_plane,
    rocked,
)
from ..scan import Geometry, InputError
from . import instrument, nexus
from .chains import Step, Unusable, axis_of, chain_of, one_name, step_of
from .common import Description
from .links import Tree, local
from .logs.log import order_of, unsteady
from .moved import sorted_by

_OPEN = {"energy_kev": 10.0, "rocking_step_deg": 0.01}
"""What stands for that which is not known: no other length and no angle depends on it."""
_WHY = {"energy_kev": "says no energy", "rocking_step_deg": "turns nothing from frame to frame"}
_PIXELS = 2
"""Places of the direct beam that differ by more contradict each other."""


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
    known, _ = instrument.known(entry)
    for key, what, unit in (
        ("pixel_size_um", "pixels", "µm"),
        ("distance_m", "distance", "m"),
        ("direct_beam_pixel", "the direct beam's pixel", "(row × column)"),
    ):
        said, placed = np.ravel(known.get(key, ())), np.ravel(getattr(geometry, key))
        alike = (
            {"rtol": 0, "atol": _PIXELS}
            if key == "direct_beam_pixel"
            else {"rtol": instrument.OTHERWISE, "atol": 0}
        )
        if len(said) and not np.allclose(said, placed, **alike):
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
        fast, slow = (step_of(module, f"{name}_pixel_direction", frames) for name in ("fast", "slow"))
        chain = chain_of(fast[1], fast[2], frames)
        on = local(sample, "depends_on")
        named = one_name(on[()] if isinstance(on, h5py.Dataset) else None, sample.name)
        circles = [each for each in chain_of(sample, named, frames) if each.is_rotation]
        energies = _energies(entry, frames)
        order, by = _order(circles, energies)
        if order is not None:
            chain, circles = ([each.sorted(order) for each in some] for some in (chain, circles))
            energies = None if energies is None else energies[order]
        document: dict[str, Any] = {"energy_kev": instrument.energy(entry), "distance_m": 1.0}
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
    except (Unusable, InputError) as error:
        unused = f"The transformations of {where} are not used: {str(error).rstrip('.')}"
        how = "" if unused.endswith("?") else "."
        return Description(notes=(f"{unused}{how} Give the geometry with --beamline and --set.",))
    name = Path(where).name
    said: tuple[str, ...] = () if order is None else (sorted_by(by, name),)
    said += tuple(dict.fromkeys(f"{name}: {each.note}" for each in (*chain, *circles) if each.note))
    said += tuple(
        begins_again(each.name, name, each.values) for each in (*chain, *circles) if each.begins_again
    )
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


def _detector(fast: Step, slow: Step, chain: Sequence[Step]) -> dict[str, Any]:
    """Return circles of the arm, pixels, and where the first one lies with the arm at zero (``origin_m``)."""
    outer = 0
    while outer < len(chain) and chain[outer].is_rotation and not chain[outer].shifts:
        outer += 1
    arm, fixed = chain[:outer], chain[outer:]
    moving = next((each for each in fixed if each.is_moving), None)
    if moving is not None:
        raise Unusable(f"{moving.name} moves the detector from frame to frame inside of what carries it.")
    turned, origin = np.eye(3), np.zeros(3)
    for each in fixed:
        origin = origin + turned @ each.shift()
        turned = turned @ each.rotation()
    steps = [mean_step(each.values) if each.is_moving else 0.0 for each in arm]
    return {
        "detector_circles": [axis_of(each.vector) for each in arm],
        "detector_angles_deg": [each.middle for each in arm],
        "detector_steps_deg": steps if any(steps) else None,
        "pixel_directions": [axis_of(turned @ each.vector) for each in (slow, fast)],
        "pixel_size_um": [each.size_um for each in (slow, fast)],
        "origin_m": origin + turned @ fast.offset_m,
    }


def _sample(circles: Sequence[Step], frames: int) -> dict[str, Any]:
    moving = [index for index, each in enumerate(circles) if each.is_moving]
    axes = [axis_of(each.vector) for each in circles]
    angles = [each.middle for each in circles]
    found: dict[str, Any] = {"sample_circles": axes, "sample_angles_deg": angles, "rocking_step_deg": 0.0}
    if len(moving) == 1:
        values = circles[moving[0]].values
        if why := unsteady(values):
            raise Unusable(f"{circles[moving[0]].name} {why}: how it stood in every frame is not known.")
        found |= {"rocking_circle": moving[0], "rocking_step_deg": mean_step(values)}
        found["rocking_angles_deg"] = values.tolist()
    elif moving:
        table = np.stack([np.broadcast_to(each.values, frames) for each in circles], axis=1)
        axis, turned = rocked(axes, table)
        found |= {"sample_circles": [axis_of(axis)], "sample_angles_deg": [0.0], "rocking_circle": 0}
        found |= {"rocking_angles_deg": turned.tolist(), "rocking_step_deg": mean_step(turned)}
    return found


def _energies(entry: h5py.Group, frames: int) -> np.ndarray | None:
    """Return the beam's energy in keV in every frame; None where it stands still, or has no number for each."""
    values = instrument.beam_energies(list(nexus.groups(entry)))
    return values if values is not None and len(values) == frames and np.ptp(values) >= 1e-6 else None


def _order(circles: Sequence[Step], energies: np.ndarray | None) -> tuple[np.ndarray | None, str]:
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

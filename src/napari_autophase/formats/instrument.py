"""What a NeXus or CXI file says of the measurement: the beam, the detector, and where it contradicts itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..geometry.plausible import DISTANCE, PIXEL, Range, fault
from ..geometry.units import KEV, METRES, plain
from ..scan import HC_KEV_NM, SATURATES_AT, Geometry, InputError
from . import nexus
from .links import local

_ENERGIES = (("NXbeam", "incident_energy"), ("NXmonochromator", "energy"), ("NXdetector", "photon_energy"),
             ("NXcollection", "photon_energy"), ("NXsource", "energy"))  # fmt: skip
_LENGTHS = (("NXbeam", "incident_wavelength"), ("NXmonochromator", "wavelength"), ("NXsource", "wavelength"))
_ASKED = ("nimages", "ntrigger")
_PHOTONS_KEV = (0.1, 200.0)
"""Energies outside are not those of the photons: NXsource has that of the electrons in the ring."""
_JOULES = 1e-12
"""Smaller numbers are energies in joules: photons have about 1e-15."""
_CHANGES = 1e-3
"""What differs by more than this part of it from frame to frame is not the same in all."""
_ONE_ENERGY = 1e-3
"""Energies of one beam that differ by a larger part contradict each other."""
OTHERWISE = 0.02
"""Sizes and distances of one detector that differ by more contradict each other."""
_DISTANCES = ("distance", "detector_distance")


def energy(entry: h5py.Group) -> float | None:
    """Return the photons' energy in keV (of the middle frame), from a wavelength where there is no energy."""
    return _energy(list(nexus.groups(entry)), [])


def beam_energies(inside: Sequence[tuple[str, h5py.Group]]) -> np.ndarray | None:
    """Return the photons' energy in keV in every frame, or the one for all; None where the `groups` of an entry do not say."""
    for kind, name in _ENERGIES:
        for has, group in inside:
            if has == kind and (values := _energies(local(group, name))) is not None:
                return values
    return None


_MOST = ("saturation_value", "countrate_correction_count_cutoff")
"""What files call the most counts of a pixel and frame: NXmx, and Dectris' masters."""


def known(entry: h5py.Group) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what an entry says of the measurement, and what to read about what it says.

    ``energy_kev``, ``distance_m``, ``pixel_size_um`` (row, column), ``direct_beam_pixel``, ``saturation_counts``, ``sample`` and
    ``command``, as far as it holds them.
    """
    inside = list(nexus.groups(entry))
    notes: list[str] = []

    def first(name: str, needed: Range) -> float | None:
        return next(_quantities(inside, "NXdetector", name, METRES, "m", notes, needed), None)

    pixels = [first(name, PIXEL) for name in ("y_pixel_size", "x_pixel_size")]
    distance = [first(name, DISTANCE) for name in _DISTANCES]
    found: dict[str, Any] = {
        "energy_kev": _energy(inside, notes),
        "distance_m": next((value for value in distance if value is not None), None),
        "saturation_counts": _saturation(inside),
        SATURATES_AT: _saturation(inside),
    }
    if all(pixels):
        sizes = tuple(round(pixel * 1e6, 9) for pixel in pixels if pixel is not None)
        found["pixel_size_um"] = sizes
        found["direct_beam_pixel"] = _beam_centre(
            [group for has, group in inside if has == "NXdetector"], sizes
        )
    found["sample"] = next(
        (nexus.scalar(local(group, "name")) for has, group in inside if has == "NXsample"), None
    )
    found["command"] = nexus.command(entry) or None
    notes += _unlike(list(_said_energies(inside)), "energy", "keV", "energy_kev", _ONE_ENERGY)
    notes += _unlike(list(_said_distances(inside)), "distance", "m", "distance_m", OTHERWISE)
    return {key: value for key, value in found.items() if value is not None}, tuple(dict.fromkeys(notes))


def _saturation(inside: Sequence[tuple[str, h5py.Group]]) -> float | None:
    """Return how many counts of a pixel and frame a file says are the most."""
    detectors = [group for has, group in inside if has == "NXdetector"]
    for place in (*detectors, *(local(group, "detectorSpecific") for group in detectors)):
        for name in _MOST:
            value = nexus.scalar(local(place, name)) if isinstance(place, h5py.Group) else None
            if isinstance(value, int | float) and value > 1:
                return float(value)
    return None


def read_geometry(entry: h5py.Group) -> tuple[Geometry | None, dict[str, Any], tuple[str, ...]]:
    """Return the geometry of an entry if it is complete, its metadata, as we wrote them, or what is `known`, and notes."""
    places = (local(entry, f"{name}/geometry_1") for name in ("instrument_1", "image_1/instrument_1"))
    stored = next((group for group in places if isinstance(group, h5py.Group)), None)
    metadata = nexus.scalar(local(entry, nexus.METADATA))
    try:
        geometry = None if stored is None else nexus.read_fields(stored)
        if metadata is not None:
            return geometry, json.loads(metadata), ()
        found, notes = known(entry)
        return geometry, found, notes if geometry is None else ()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{entry.file.filename}: the geometry inside is not usable ({error}); write the file again."
        ) from error


def short_of(entry: h5py.Group, path: str, frames: int) -> tuple[str, ...]:
    """Say so if the detector of the frames at a path was to take more of them than there are (Dectris: nimages, ntrigger)."""
    for group in nexus.detectors(entry, path):
        for place in (group, local(group, "detectorSpecific")):
            images, triggers = (
                nexus.scalar(local(place, name)) if isinstance(place, h5py.Group) else None for name in _ASKED
            )
            if isinstance(images, int) and isinstance(triggers, int) and images * triggers > frames:
                name, asked = Path(entry.file.filename).name, images * triggers
                return (
                    f"{name} announces {asked} frames (nimages {images} × ntrigger {triggers}), but its data files hold "
                    f"{frames}: the scan was aborted, still runs, or {asked - frames} of them were not copied.",
                )
    return ()


def energies_apart(entry: h5py.Group) -> tuple[str, ...]:
    """Say so if the energy changes from frame to frame: in a rocking curve it does not, and an energy scan has a step."""
    values = beam_energies(list(nexus.groups(entry)))
    if values is None or np.ptp(values) <= _ONE_ENERGY * abs(values[0]):
        return ()
    where = Path(entry.file.filename).name
    return (
        f"The energy in {where} changes from frame to frame, from {values[0]:.6g} to {values[-1]:.6g} keV, and that "
        "of the middle frame is taken; if that is an energy scan, say --set geometry.energy_step_kev=…",
    )


def _said_energies(inside: Sequence[tuple[str, h5py.Group]]) -> Iterator[tuple[str, float]]:
    """Yield every energy of the photons that the groups of an entry hold, in the order in which they are believed."""
    for kind, name in _ENERGIES:
        for has, group in inside:
            values = _energies(local(group, name)) if has == kind else None
            if values is not None and (kind != "NXsource" or _is_of_photons(local(group, name))):
                yield f"{group.name}/{name}", float(values[len(values) // 2])
    low, high = _PHOTONS_KEV
    for kind, name in _LENGTHS:
        for has, group in inside:
            length = _quantity(local(group, name), METRES, "m", []) if has == kind else None
            if length is not None and low <= (energy := HC_KEV_NM / (length * 1e9)) <= high:
                yield f"{group.name}/{name}", energy


def _said_distances(inside: Sequence[tuple[str, h5py.Group]]) -> Iterator[tuple[str, float]]:
    """Yield every distance of the entry's one detector."""
    found = [group for has, group in inside if has == "NXdetector"]
    for name in _DISTANCES if len(found) == 1 else ():
        distance = _quantity(local(found[0], name), METRES, "m", [], DISTANCE)
        if distance is not None:
            yield f"{found[0].name}/{name}", distance


def _unlike(said: list[tuple[str, float]], what: str, unit: str, key: str, apart: float) -> Iterator[str]:
    """Yield that two places of a file say otherwise of one quantity."""
    for (first, value), (place, other) in ((said[0], each) for each in said[1:]):
        if abs(other - value) > apart * value:
            yield (
                f"{first} and {place} contradict each other: the {what} is {value:.6g} {unit} by the former, which is taken, and "
                f"{other:.6g} {unit} by the latter; --set geometry.{key}=… says another."
            )
            return


def _energy(inside: Sequence[tuple[str, h5py.Group]], notes: list[str]) -> float | None:
    sure = [each for each in inside if each[0] != "NXsource" or _is_of_photons(local(each[1], "energy"))]
    energies = beam_energies(sure)
    if energies is not None:
        return float(energies[len(energies) // 2])
    low, high = _PHOTONS_KEV
    lengths = (value for place in _LENGTHS for value in _quantities(inside, *place, METRES, "m", notes))
    found = (HC_KEV_NM / (each * 1e9) for each in lengths)
    energy = next((value for value in found if low <= value <= high), None)
    if energy is None and (energies := beam_energies(inside)) is not None:
        return float(energies[len(energies) // 2])
    if energy is None:
        notes += _no_energies(inside)
    return energy


def _is_of_photons(item: Any) -> bool:
    """Tell whether a source's energy is surely not that of the electrons in its ring: it has a unit, or CXI's, joules."""
    found = nexus.numbers(item)
    return found is not None and len(found[0]) > 0 and (bool(found[1]) or abs(found[0][0]) < _JOULES)


def _no_energies(inside: Sequence[tuple[str, h5py.Group]]) -> Iterator[str]:
    """Yield what stands where the photons' energy or wavelength should, and is none; a source's may be the electrons'."""
    for kind, name in (*_ENERGIES, *_LENGTHS):
        for has, group in inside if kind != "NXsource" else ():
            item = local(group, name)
            value = nexus.scalar(item)
            if (
                has == kind
                and isinstance(item, h5py.Dataset)
                and isinstance(value, int | float | str)
                and value
            ):
                unit = nexus.attribute(item, "units")
                text = f"'{value:.40}'" if isinstance(value, str) else f"{value:g}"
                what = f"{text} {unit}" if unit else f"{text}, without a unit," if text[0] != "'" else text
                yield (
                    f"{_not_used(item)} {what} is no energy or wavelength of X-rays; give the energy with --set "
                    "geometry.energy_kev=…"
                )


def _energies(item: Any) -> np.ndarray | None:
    """Return energies in keV; those without a unit are in the one that makes photons of them (keV, eV; J as CXI has it)."""
    found = nexus.numbers(item)
    if found is None or not len(found[0]):
        return None
    values, said = found
    unit = plain(said)
    low, high = _PHOTONS_KEV
    for factor in [KEV[unit]] if unit in KEV else [] if unit else [KEV[name] for name in ("j", "kev", "ev")]:
        if low <= values[0] * factor <= high:
            return values * factor
    return None


def _quantities(
    inside: Sequence[tuple[str, h5py.Group]],
    kind: str,
    name: str,
    units: dict[str, float],
    si: str,
    notes: list[str],
    needed: Range | None = None,
) -> Iterator[float]:
    for has, group in inside:
        value = _quantity(local(group, name), units, si, notes, needed) if has == kind else None
        if value is not None:
            yield value


def _quantity(
    item: Any, units: dict[str, float], si: str, notes: list[str], needed: Range | None = None
) -> float | None:
    """Return a positive number in SI units; None if there is none, it has a unit that is unknown, or is not what is needed."""
    read = nexus.numbers(item)
    if read is None and isinstance(text := nexus.scalar(item), str):
        notes.append(f"{_not_used(item)} it reads '{text:.40}', which is no number{_in_unit(item)}.")
    if read is None or not len(read[0]) or read[0][0] == 0:  # was never set
        return None
    (value, *others), said = read[0], (read[1] or si).strip()
    where = _not_used(item)
    if plain(said) not in units:
        notes.append(f"{where} its unit, '{said}', is not known here; give it in {si}.")
        return None
    if others and np.ptp(read[0]) > _CHANGES * abs(value):
        notes.append(
            f"{where} it changes from frame to frame, from {read[0].min():g} to {read[0].max():g} {said}, and a scan has one; "
            "say it with --set, or reconstruct frames that have the same."
        )
        return None
    found = float(value * units[plain(said)])
    own = 1.0 if needed is None else METRES[plain(needed.unit)]
    why = "" if needed is None else fault(needed, found / own, value, said.replace("um", "µm"))
    if why:
        notes.append(f"{where} {why}")
    return None if why or not found > 0 else found


def _not_used(item: h5py.Dataset) -> str:
    return f"{item.name} of {Path(item.file.filename).name} is not used:"


def _in_unit(item: h5py.Dataset) -> str:
    unit = nexus.attribute(item, "units")
    return f" in {unit}" if unit else ""


def _beam_centre(detectors: list[h5py.Group], sizes_um: tuple[float, ...]) -> tuple[float, ...] | None:
    """Return the row and column that the direct beam meets: NeXus has lengths, others pixels; zeros were never set."""
    for group in detectors:
        items = [local(group, name) for name in ("beam_center_y", "beam_center_x")]
        values = [nexus.scalar(item) for item in items]
        if all(isinstance(value, int | float) for value in values) and any(values):
            units = [
                METRES.get(plain(nexus.attribute(item, "units") or "")) for item in items if item is not None
            ]
            scales = [
                1.0 if unit is None else unit * 1e6 / size for unit, size in zip(units, sizes_um, strict=True)
            ]
            return tuple(float(value) * scale for value, scale in zip(values, scales, strict=True))
    return None

"""The fields of NeXus and CXI that say how a scan was measured, read and written.

A complete `Geometry` is known only from files that we wrote: it has a group of its own, ``instrument_1/geometry_1``,
with one dataset for each of its fields.  From others come energy, distance and pixel sizes, with their ``units``
honoured (SI where none are given, as CXI prescribes).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..geometry.plausible import DISTANCE, PIXEL, Range, fault
from ..scan import HC_KEV_NM, Axis, Geometry, InputError
from .links import Tree, child, link_of, local

METADATA = "autophase_metadata"
"""Where a scan's metadata stand, as JSON."""
_AXES = ("sample_circles", "detector_circles", "pixel_directions")
_J_PER_KEV = 1.602176634e-16
METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "micron": 1e-6, "microns": 1e-6,
           "nm": 1e-9, "angstrom": 1e-10, "angstroms": 1e-10, "å": 1e-10, "a": 1e-10, "pm": 1e-12}  # fmt: skip
DEGREES = {"deg": 1.0, "degree": 1.0, "degrees": 1.0, "°": 1.0, "rad": 180 / np.pi, "radian": 180 / np.pi,
           "radians": 180 / np.pi, "mrad": 0.18 / np.pi, "mdeg": 1e-3}  # fmt: skip
_KEV = {"j": 1 / _J_PER_KEV, "ev": 1e-3, "kev": 1.0, "gev": 1e6}
_ENERGIES = (("NXbeam", "incident_energy"), ("NXmonochromator", "energy"), ("NXdetector", "photon_energy"),
             ("NXcollection", "photon_energy"), ("NXsource", "energy"))  # fmt: skip
_ASKED = ("nimages", "ntrigger")
_LENGTHS = (("NXbeam", "incident_wavelength"), ("NXmonochromator", "wavelength"))
_DEEP = 5
"""Groups nested deeper than this are not looked into."""
_CLASSES = {"detectorSpecific": "NXcollection"}
"""What groups are whose class is not given."""
_PHOTONS_KEV = (0.1, 200.0)
"""Energies outside are not those of the photons: NXsource has that of the electrons in the ring."""


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> str | None:
    """Return an attribute as text, or None."""
    value = item.attrs.get(name)
    if value is None or np.ndim(value) > 1 or np.size(value) != 1:
        return None
    value = np.ravel(value)[0]
    return decoded(value if isinstance(value, bytes) else str(value).encode(errors="surrogateescape"))


def decoded(text: bytes) -> str:
    """Return a text of a file, which older programs wrote in Latin 1: the µ of µm."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def scalar(item: Any) -> Any:
    """Return the first number or the text of a dataset as a plain value; None if there is none."""
    if not isinstance(item, h5py.Dataset) or not item.size:
        return None
    value = item[()]
    if isinstance(value, np.ndarray):
        value = value.flat[0]
    if isinstance(value, bytes):
        return decoded(value)
    if isinstance(value, str):
        return value
    return value.item() if isinstance(value, np.generic) and value.dtype.kind in "buif" else None


def entry_of(tree: Tree, path: str) -> h5py.Group:
    """Return the entry that a dataset belongs to: the innermost group of that class, else the first, else the file."""
    root, *groups = tree.groups(path)
    entries = [group for group in groups if attribute(group, "NX_class") == "NXentry"]
    return [root, *groups[:1], *entries[-1:]][-1]


def _energies(item: Any) -> np.ndarray | None:
    """Return energies in keV; those without a unit are in the one that makes photons of them (keV, eV; J as CXI has it)."""
    if not isinstance(item, h5py.Dataset) or not item.size or item.dtype.kind not in "uif":
        return None
    values = np.ravel(np.asarray(item[()], float))
    unit = (attribute(item, "units") or "").strip().lower()
    low, high = _PHOTONS_KEV
    for factor in (
        [_KEV[unit]] if unit in _KEV else [] if unit else [_KEV[name] for name in ("j", "kev", "ev")]
    ):
        if low <= values[0] * factor <= high:
            return values * factor
    return None


def beam_energies(inside: Sequence[tuple[str, h5py.Group]]) -> np.ndarray | None:
    """Return the photons' energy in keV in every frame, or the one for all; None where the `groups` of an entry do not say."""
    for kind, name in _ENERGIES:
        for has, group in inside:
            if has == kind and (values := _energies(local(group, name))) is not None:
                return values
    return None


def energy(entry: h5py.Group) -> float | None:
    """Return the photons' energy in keV (of the middle frame), from a wavelength where there is no energy."""
    return _energy(list(groups(entry)), [])


def command(entry: h5py.Group) -> str:
    """Return what was typed to make the scan, as far as an entry says it."""
    words = (scalar(local(entry, name)) for name in ("scan_command", "title"))
    return next((str(each) for each in words if each), "")


def _quantity(
    item: Any, units: dict[str, float], si: str, notes: list[str], needed: Range | None = None
) -> float | None:
    """Return a positive number in SI units; None if there is none, it has a unit that is unknown, or is not what is needed."""
    value = scalar(item)
    if value is None or value == 0:  # was never set
        return None
    said = (attribute(item, "units") or si).strip()
    where = f"{item.name} of {Path(item.file.filename).name} is not used:"
    if isinstance(value, str):
        notes.append(f"{where} it reads '{value:.40}', which is no number.")
        return None
    if said.lower() not in units:
        notes.append(f"{where} its unit, '{said}', is not known here; give it in {si}.")
        return None
    found = float(value * units[said.lower()])
    own = 1.0 if needed is None else METRES[needed.unit.lower()]
    why = "" if needed is None else fault(needed, found / own, value, said.replace("um", "µm"))
    if why:
        notes.append(f"{where} {why}")
    return None if why or not found > 0 else found


def groups(group: h5py.Group, depth: int = 0) -> Iterator[tuple[str, h5py.Group]]:
    """Yield the groups of an entry with their class, by attribute or else by the name that CXI gives them."""
    if depth == _DEEP:
        return
    for key in group:
        item = _group(group, key)
        if item is not None:
            by_name = _CLASSES.get(key, "NX" + key.rstrip("_0123456789"))
            yield (attribute(item, "NX_class") or by_name).replace("_", ""), item
            yield from groups(item, depth + 1)


def _group(group: h5py.Group, key: str) -> h5py.Group | None:
    """Return a group that stands in this very file, or None."""
    if isinstance(link_of(group, key), h5py.HardLink):
        item: Any = child(group, key)
    else:
        item = local(group, key)
    return item if isinstance(item, h5py.Group) else None


def detectors(entry: h5py.Group, path: str) -> list[h5py.Group]:
    """Return the detectors of an entry; only the one in which `path` lies, if it lies in one."""
    found = [group for kind, group in groups(entry) if kind == "NXdetector"]
    return [group for group in found if path.startswith(f"{group.name}/")] or found


def known(entry: h5py.Group) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what an entry says of the measurement, and what to read about what it says.

    ``energy_kev``, ``distance_m``, ``pixel_size_um`` (row, column), ``direct_beam_pixel``, ``saturation_counts``, ``sample`` and
    ``command``, as far as it holds them.
    """
    inside = list(groups(entry))
    notes: list[str] = []

    def first(name: str, needed: Range) -> float | None:
        return next(_quantities(inside, "NXdetector", name, METRES, "m", notes, needed), None)

    pixels = [first(name, PIXEL) for name in ("y_pixel_size", "x_pixel_size")]
    distance = [first(name, DISTANCE) for name in ("distance", "detector_distance")]
    found: dict[str, Any] = {
        "energy_kev": _energy(inside, notes),
        "distance_m": next((value for value in distance if value is not None), None),
        "saturation_counts": next(
            _quantities(inside, "NXdetector", "saturation_value", {"": 1.0}, "", []), None
        ),
    }
    if all(pixels):
        sizes = tuple(round(pixel * 1e6, 9) for pixel in pixels if pixel is not None)
        found["pixel_size_um"] = sizes
        found["direct_beam_pixel"] = _beam_centre(
            [group for has, group in inside if has == "NXdetector"], sizes
        )
    found["sample"] = next((scalar(local(group, "name")) for has, group in inside if has == "NXsample"), None)
    found["command"] = command(entry) or None
    return {key: value for key, value in found.items() if value is not None}, tuple(dict.fromkeys(notes))


def short_of(entry: h5py.Group, path: str, frames: int) -> tuple[str, ...]:
    """Say so if the detector of the frames at a path was to take more of them than there are (Dectris: nimages, ntrigger)."""
    for group in detectors(entry, path):
        for place in (group, local(group, "detectorSpecific")):
            images, triggers = (
                scalar(local(place, name)) if isinstance(place, h5py.Group) else None for name in _ASKED
            )
            if isinstance(images, int) and isinstance(triggers, int) and images * triggers > frames:
                name, asked = Path(entry.file.filename).name, images * triggers
                return (
                    f"{name} announces {asked} frames (nimages {images} × ntrigger {triggers}), but its data files hold "
                    f"{frames}: the scan was aborted, still runs, or {asked - frames} of them were not copied.",
                )
    return ()


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


def _energy(inside: Sequence[tuple[str, h5py.Group]], notes: list[str]) -> float | None:
    energies = beam_energies(inside)
    if energies is not None:
        return float(energies[len(energies) // 2])
    low, high = _PHOTONS_KEV
    lengths = (value for place in _LENGTHS for value in _quantities(inside, *place, METRES, "m", notes))
    found = (HC_KEV_NM / (each * 1e9) for each in lengths)
    energy = next((value for value in found if low <= value <= high), None)
    if energy is None:
        notes += _no_energies(inside)
    return energy


def _no_energies(inside: Sequence[tuple[str, h5py.Group]]) -> Iterator[str]:
    """Yield what stands where the photons' energy or wavelength should, and is none; a source's may be the electrons'."""
    for kind, name in (*_ENERGIES, *_LENGTHS):
        for has, group in inside if kind != "NXsource" else ():
            item = local(group, name)
            value = scalar(item)
            if has == kind and isinstance(item, h5py.Dataset) and isinstance(value, int | float) and value:
                unit = attribute(item, "units")
                what = f"{value:g} {unit}" if unit else f"{value:g}, without a unit,"
                yield (
                    f"{item.name} of {Path(item.file.filename).name} is not used: {what} is no energy or wavelength of X-rays; "
                    "give the energy with --set geometry.energy_kev=…"
                )


def _beam_centre(detectors: list[h5py.Group], sizes_um: tuple[float, ...]) -> tuple[float, ...] | None:
    """Return the row and column that the direct beam meets: NeXus has lengths, others pixels; zeros were never set."""
    for group in detectors:
        items = [local(group, name) for name in ("beam_center_y", "beam_center_x")]
        values = [scalar(item) for item in items]
        if all(isinstance(value, int | float) for value in values) and any(values):
            units = [
                METRES.get((attribute(item, "units") or "").strip().lower())
                for item in items
                if item is not None
            ]
            scales = [
                1.0 if unit is None else unit * 1e6 / size for unit, size in zip(units, sizes_um, strict=True)
            ]
            return tuple(float(value) * scale for value, scale in zip(values, scales, strict=True))
    return None


def read_geometry(entry: h5py.Group) -> tuple[Geometry | None, dict[str, Any], tuple[str, ...]]:
    """Return the geometry of an entry if it is complete, its metadata, as we wrote them, or what is `known`, and notes."""
    places = (local(entry, f"{name}/geometry_1") for name in ("instrument_1", "image_1/instrument_1"))
    stored = next((group for group in places if isinstance(group, h5py.Group)), None)
    metadata = scalar(local(entry, METADATA))
    try:
        geometry = None if stored is None else read_fields(stored)
        if metadata is not None:
            return geometry, json.loads(metadata), ()
        found, notes = known(entry)
        return geometry, found, notes if geometry is None else ()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{entry.file.filename}: the geometry inside is not usable ({error}); write the file again."
        ) from error


def _plain(item: Any) -> Any:
    if not isinstance(item, h5py.Dataset):
        raise TypeError("a field is no value")
    words = h5py.check_string_dtype(item.dtype) is not None
    value = np.asarray(item.asstr()[()] if words else item[()])
    if not item.ndim:
        return value.item()
    return tuple(_axis(word) for word in value.tolist()) if words else tuple(value.tolist())


def _axis(word: str) -> Axis:
    """Return what `_word` wrote."""
    return tuple(map(float, word.split())) if " " in word else word  # type: ignore[return-value]


def _word(axis: Axis) -> str:
    return axis if isinstance(axis, str) else " ".join(map(repr, map(float, axis)))


def write_geometry(instrument: h5py.Group, geometry: Geometry) -> None:
    """Write the fields that CXI and NeXus know (for other programs), and the whole geometry in its own group."""
    group(instrument, "source_1", "NXsource", energy=(geometry.energy_kev * _J_PER_KEV, "J"))
    group(
        instrument,
        "beam_1",
        "NXbeam",
        incident_energy=(geometry.energy_kev * _J_PER_KEV, "J"),
        incident_wavelength=(geometry.wavelength_nm * 1e-9, "m"),
    )
    rows, columns = geometry.pixel_size_um
    group(
        instrument,
        "detector_1",
        "NXdetector",
        distance=(geometry.distance_m, "m"),
        x_pixel_size=(columns * 1e-6, "m"),
        y_pixel_size=(rows * 1e-6, "m"),
    )
    write_fields(instrument, "geometry_1", geometry)


def write_fields(parent: h5py.Group, name: str, geometry: Geometry) -> None:
    """Write a whole geometry into a group of its own, one dataset for each of its fields."""
    own = group(parent, name, "NXcollection")
    for each in fields(Geometry):
        value = getattr(geometry, each.name)
        if value is not None:
            if each.name in _AXES:
                value = np.array([_word(axis) for axis in value], h5py.string_dtype())
            own.create_dataset(each.name, data=value)


def read_fields(group: h5py.Group) -> Geometry:
    """Return what `write_fields` wrote; TypeError or ValueError where that is not a geometry."""
    return Geometry(**{key: _plain(local(group, key)) for key in group})


def group(parent: h5py.Group, name: str, nx_class: str, **quantities: tuple[float, str]) -> h5py.Group:
    """Return the group `name`, made if needed, with its NeXus class and quantities (value, unit)."""
    made = parent.require_group(name)
    made.attrs["NX_class"] = nx_class
    for key, (value, unit) in quantities.items():
        made[key] = value
        made[key].attrs["units"] = unit
    return made

"""The fields of NeXus and CXI that say how a scan was measured, read and written.

A complete `Geometry` is known only from files that we wrote: it has a group of its own, ``instrument_1/geometry_1``,
with one dataset for each of its fields.  From others come energy, distance and pixel sizes, with their ``units``
honoured (SI where none are given, as CXI prescribes).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import h5py
import numpy as np

from ..scan import HC_KEV_NM, Axis, Geometry, InputError
from .links import Tree, local

METADATA = "autophase_metadata"
"""Where a scan's metadata stand, as JSON."""
_AXES = ("sample_circles", "detector_circles", "pixel_directions")
_J_PER_KEV = 1.602176634e-16
_METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "micron": 1e-6, "microns": 1e-6,
           "nm": 1e-9, "angstrom": 1e-10, "angstroms": 1e-10, "å": 1e-10, "a": 1e-10, "pm": 1e-12}  # fmt: skip
_KEV = {"j": 1 / _J_PER_KEV, "ev": 1e-3, "kev": 1.0, "gev": 1e6}
_PHOTONS_KEV = (0.1, 200.0)
"""Energies outside are not those of the photons: NXsource has that of the electrons in the ring."""


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> str | None:
    """Return an attribute as text, or None."""
    value = item.attrs.get(name)
    if value is None or np.ndim(value) > 1 or np.size(value) != 1:
        return None
    value = np.ravel(value)[0]
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def scalar(item: Any) -> Any:
    """Return the first number or the text of a dataset as a plain value; None if there is none."""
    if not isinstance(item, h5py.Dataset) or not item.size:
        return None
    if h5py.check_string_dtype(item.dtype) is not None:
        return str(np.ravel(item.asstr(errors="replace")[()])[0])
    return np.ravel(item[()])[0].item() if item.dtype.kind in "buif" else None


def entry_of(tree: Tree, path: str) -> h5py.Group:
    """Return the entry that a dataset belongs to: the innermost group of that class, else the first, else the file."""
    root, *groups = tree.groups(path)
    entries = [group for group in groups if attribute(group, "NX_class") == "NXentry"]
    return [root, *groups[:1], *entries[-1:]][-1]


def _quantity(item: Any, units: dict[str, float], si: str) -> float | None:
    value = scalar(item)
    factor = units.get((attribute(item, "units") or si).strip().lower()) if value is not None else None
    return None if factor is None or isinstance(value, str) or not value > 0 else value * factor


def _groups(group: h5py.Group, depth: int = 0) -> Iterator[tuple[str, h5py.Group]]:
    """Yield the groups of an entry with their class, by attribute or else by the name that CXI gives them."""
    for key in group:
        item = local(group, key)
        if isinstance(item, h5py.Group) and depth < 5:
            by_name = "NX" + key.rstrip("_0123456789")
            yield (attribute(item, "NX_class") or by_name).replace("_", ""), item
            yield from _groups(item, depth + 1)


def detectors(entry: h5py.Group, path: str) -> list[h5py.Group]:
    """Return the detectors of an entry; only the one in which `path` lies, if it lies in one."""
    found = [group for kind, group in _groups(entry) if kind == "NXdetector"]
    return [group for group in found if path.startswith(f"{group.name}/")] or found


def known(entry: h5py.Group) -> dict[str, Any]:
    """Return ``energy_kev``, ``distance_m`` and ``pixel_size_um`` (row, column), as far as an entry holds them."""
    groups = list(_groups(entry))

    def first(kind: str, name: str, units: dict[str, float], si: str) -> float | None:
        values = (_quantity(local(group, name), units, si) for has, group in groups if has == kind)
        return next((value for value in values if value is not None), None)

    lengths = [first(kind, name, _METRES, "m") for kind, name in
               (("NXbeam", "incident_wavelength"), ("NXmonochromator", "wavelength"))]  # fmt: skip
    energies = [first(kind, name, _KEV, "j") for kind, name in
                (("NXbeam", "incident_energy"), ("NXmonochromator", "energy"), ("NXsource", "energy"))]  # fmt: skip
    energies[2:2] = [None if length is None else HC_KEV_NM / (length * 1e9) for length in lengths]
    low, high = _PHOTONS_KEV
    energy = next((value for value in energies if value is not None and low <= value <= high), None)
    pixels = [first("NXdetector", name, _METRES, "m") for name in ("y_pixel_size", "x_pixel_size")]
    found: dict[str, Any] = {
        "energy_kev": energy,
        "distance_m": first("NXdetector", "distance", _METRES, "m")
        or first("NXdetector", "detector_distance", _METRES, "m"),  # so Dectris and NXmx
    }
    if all(pixels):
        found["pixel_size_um"] = tuple(round(pixel * 1e6, 9) for pixel in pixels if pixel is not None)
    sample = next((scalar(local(group, "name")) for has, group in groups if has == "NXsample"), None)
    return {key: value for key, value in {**found, "sample": sample}.items() if value is not None}


def read_geometry(entry: h5py.Group) -> tuple[Geometry | None, dict[str, Any]]:
    """Return the geometry of an entry if it is complete, and its metadata: as we wrote them, or what is `known`."""
    places = (local(entry, f"{name}/geometry_1") for name in ("instrument_1", "image_1/instrument_1"))
    stored = next((group for group in places if isinstance(group, h5py.Group)), None)
    metadata = scalar(local(entry, METADATA))
    try:
        geometry = None if stored is None else read_fields(stored)
        return geometry, known(entry) if metadata is None else json.loads(metadata)
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

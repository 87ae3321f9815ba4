"""The fields of NeXus and CXI that say how a scan was measured, read and written.

A complete `Geometry` is known only from files that we wrote: it has a group of its own, ``instrument_1/geometry_1``,
with one dataset for each of its fields.  From others come energy, distance and pixel sizes, with their ``units``
honoured (SI where none are given, as CXI prescribes).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import h5py
import numpy as np

from ..geometry.units import KEV, plain, quantity_in
from ..scan import Axis, Geometry
from .links import Tree, child, link_of, local

METADATA = "autophase_metadata"
"""Where a scan's metadata stand, as JSON."""
_AXES = ("sample_circles", "detector_circles", "pixel_directions")
_J_PER_KEV = 1 / KEV["j"]
"""NeXus and CXI say energies in joules."""
_DEEP = 5
"""Groups nested deeper than this are not looked into."""
_CLASSES = {"detectorSpecific": "NXcollection"}
"""What groups are whose class is not given."""


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


def numbers(item: Any) -> tuple[np.ndarray, str] | None:
    """Return the numbers of a dataset and their unit ("": it has none), also of a text such as ``9.0 keV``; None: it has none."""
    if not isinstance(item, h5py.Dataset) or item.shape is None:
        return None
    unit = attribute(item, "units") or ""
    if item.dtype.kind in "buif":
        return np.ravel(np.asarray(item[()], float)), unit
    text = scalar(item)
    found = quantity_in(text) if isinstance(text, str) else None
    if found is None or (found[1] and unit and plain(found[1]) != plain(unit)):
        return None
    return np.array(found[:1]), found[1] or unit


def axes_of(item: h5py.Dataset) -> tuple[str, ...]:
    """Return what a file calls the axes of an array: by the group that plots it, by itself, or by labels of its dimensions."""
    for holder in (item.parent, item):
        found = holder.attrs.get("axes")
        if found is not None and np.ndim(found) <= 1:
            names = [decoded(each) if isinstance(each, bytes) else str(each) for each in np.ravel(found)]
            if len(names) == 1:
                names = names[0].strip("[]").replace(",", ":").split(":")
            return tuple(name.strip() for name in names)
    return tuple(each.label for each in item.dims)


def entry_of(tree: Tree, path: str) -> h5py.Group:
    """Return the entry that a dataset belongs to: the innermost group of that class, else the first, else the file."""
    root, *groups = tree.groups(path)
    entries = [group for group in groups if attribute(group, "NX_class") == "NXentry"]
    return [root, *groups[:1], *entries[-1:]][-1]


def command(entry: h5py.Group) -> str:
    """Return what was typed to make the scan, as far as an entry says it."""
    words = (scalar(local(entry, name)) for name in ("scan_command", "title"))
    return next((str(each) for each in words if each), "")


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

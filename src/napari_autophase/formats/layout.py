"""What an HDF5 file shows of itself without a link being followed: whether it is laid out as a scan or a result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import prod

import h5py
import numpy as np

from . import nexus
from .common import could_be_volume, kept_axes
from .links import Item, is_elsewhere, local
from .rocking import LOOKED_AT, frames_to_look_at

_OBJECTS = 2000
"""So many groups, datasets and links are looked at before a file is taken for somebody else's."""
_DEEP = 7
"""Groups inside each other, at most, in which files' scans are looked for."""
_TECHNIQUES = ("NXmx", "NXbcdi", "NXcxi", "NXxbase", "NXrot", "NXarchive")
"""NeXus definitions that a rocking curve goes by; files of others (tomography, electron microscopy) are judged by content."""

_SCANS = re.compile(
    r"/entry_\d+/(image|data)_\d+/data"  # CXI, PyNX
    r"|/entry_\d+/instrument_\d+/detector_\d+/data"
    r"|/entry/data/data_\d{6}|/entry/data_\d{2,3}"  # Dectris
    r"|/entry_0000/(measurement|instrument/[^/]+)/data"  # LIMA
    r"|/[^/]+\.\d+/(measurement/[^/]+|instrument/[^/]+/data)"  # BLISS
    r"|(/[^/]+)?/scan_data/[^/]+"  # SIXS, CRISTAL
    r"|/entry/measurement/[^/]+/(frames|data)"  # NanoMAX
)
"""Where beamlines and programs of coherent imaging keep their volumes."""
_LINKS = re.compile(_SCANS.pattern + r"|/([^/]+_)?\d+\.\d+")
"""The same, and the scans in the tables of contents that BLISS writes."""


def declares(file: h5py.File) -> bool:
    """Tell whether the layout is that of a scan or of a result."""
    for each in islice(_walk(file["/"], _Place(), set()), _OBJECTS):
        if not each.place.ours:
            continue
        if isinstance(each.item, h5py.ExternalLink):
            if (each.place.detector and each.path.endswith("/data")) or _LINKS.fullmatch(each.path):
                return True
        elif could_be_volume(each.item.shape, each.item.dtype) and (
            each.place.detector or _SCANS.fullmatch(each.path)
        ):
            return True
    return False


def own(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield the volumes whose bytes stand in this very file, with their paths."""
    for each in islice(_walk(file["/"], _Place(), set()), _OBJECTS):
        item = each.item
        if (
            isinstance(item, h5py.Dataset)
            and could_be_volume(item.shape, item.dtype)
            and not is_elsewhere(item.id)
        ):
            yield each.path, item


@dataclass(frozen=True)
class _Place:
    """What is known of the group that something stands in: its path, whether it is a detector, and of a technique of ours."""

    path: str = "/"
    detector: bool = False
    ours: bool = True


@dataclass(frozen=True)
class _Met:
    path: str
    item: h5py.Dataset | h5py.ExternalLink
    place: _Place


def _walk(group: h5py.Group, place: _Place, seen: set[int]) -> Iterator[_Met]:
    """Yield datasets and external links."""
    for name in group:
        link = group.get(name, getlink=True)
        item = group[name] if isinstance(link, h5py.HardLink) else link
        if isinstance(item, h5py.Dataset | h5py.ExternalLink):
            yield _Met(place.path + name, item, place)
        elif isinstance(item, h5py.Group) and place.path.count("/") <= _DEEP:
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            kind = (nexus.attribute(item, "NX_class") or "").replace("_", "")
            technique = nexus.scalar(local(item, "definition")) if kind in ("NXentry", "NXsubentry") else None
            ours = place.ours and (technique is None or str(technique).startswith(_TECHNIQUES))
            yield from _walk(item, _Place(f"{place.path}{name}/", kind == "NXdetector", ours), seen)


def glimpse(item: Item | None) -> np.ndarray | None:
    """Return a few frames of a volume that stands in its file, packed frame by frame or nearly so; else None."""
    if not isinstance(item, h5py.Dataset) or is_elsewhere(item.id) or len(kept := kept_axes(item.shape)) != 3:
        return None
    shape = [item.shape[axis] for axis in kept]
    together = 1
    if item.chunks is not None:
        frames, *frame = (item.chunks[axis] for axis in kept)
        if frames * prod(frame) * item.dtype.itemsize > LOOKED_AT // 4:
            return None
        together = frames
    chosen = frames_to_look_at(shape, item.dtype.itemsize, together)
    if not chosen:
        return None
    rest = {axis: slice(None) for axis in kept[1:]}
    return np.stack(
        [item[tuple({kept[0]: index, **rest}.get(axis, 0) for axis in range(item.ndim))] for index in chosen]
    )

"""The scans that one HDF5 file holds, as a list: no frames are opened for it, and no file of a detector."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache

import h5py
import numpy as np

from ..geometry import Files, Source, beamlines
from . import nexus
from .common import ScanEntry
from .links import LinkError, Tree, link_of, local
from .trees import asked_points

_TEXT = h5py.string_dtype()


def entries(tree: Tree) -> list[ScanEntry]:
    """Return the scans of a file in the order of their numbers; none where it is no list of scans."""
    found = []
    root = tree.root["/"]
    for name in root:
        files = next((each for pattern, each in _patterns() if fnmatchcase(name, pattern)), None)
        if files is None:
            continue
        try:
            with tree.visit(name) as group:
                if isinstance(group, h5py.Group) and any(
                    isinstance(local(group, path), h5py.Group) for path in files.recorded
                ):
                    found.append(_entry(group, name, files))
        except LinkError:
            found.append(ScanEntry(name))
    return sorted(found, key=lambda each: _natural(each.path))


def is_scan(name: str) -> bool:
    """Tell whether a group is called as beamlines call those of their scans."""
    return any(fnmatchcase(name, pattern) for pattern, _ in _patterns())


@cache
def _patterns() -> tuple[tuple[str, Files], ...]:
    return tuple((pattern, each.files) for each in beamlines().values() for pattern in each.files.scans)


def _natural(name: str) -> list[tuple[int, str]]:
    """Order names as their numbers count."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _entry(group: h5py.Group, name: str, files: Files) -> ScanEntry:
    command = _word(group, files.command)
    points, has_frames, brightest = _recorded(group, files)
    ended = any(_has(group, each.name) for each in files.ended) if files.ended else None
    return ScanEntry(
        name,
        command,
        _word(group, files.started),
        points,
        asked_points(command),
        has_frames,
        brightest,
        ended,
    )


def _has(group: h5py.Group, path: str) -> bool:
    return (
        isinstance(link_of(group, path), h5py.HardLink) if "/" not in path else local(group, path) is not None
    )


def _word(group: h5py.Group, sources: tuple[Source, ...]) -> str:
    for each in sources:
        if "/" not in each.name and (item := _opened(group, each.name)) is not None:
            return _text(item)
        word = nexus.scalar(local(group, each.name))
        if word is not None:
            return str(word)
    return ""


def _text(item: h5py.h5d.DatasetID) -> str:
    """Return a text, without what h5py wraps around it: that takes ten times as long, and there are hundreds."""
    kind = item.get_type()
    if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str() and item.shape == ():
        value = np.empty((), _TEXT)
        item.read(h5py.h5s.ALL, h5py.h5s.ALL, value, h5py.h5t.py_create(_TEXT))
        return (value.item() or b"").decode(errors="replace")
    word = nexus.scalar(h5py.Dataset(item, readonly=True))
    return "" if word is None else str(word)


def _recorded(group: h5py.Group, files: Files) -> tuple[int | None, bool, float | None]:
    """Return the number of points, whether there are frames, and the brightest pixel, as the group's own file says."""
    points = 0
    has_frames = False
    brightest: list[float] = []
    soft: list[tuple[h5py.Group, str]] = []
    for path in files.recorded:
        inside = local(group, path)
        for name in inside if isinstance(inside, h5py.Group) else ():
            link = link_of(inside, name)
            if isinstance(link, h5py.SoftLink):
                soft.append((inside, link.path))
            elif isinstance(link, h5py.ExternalLink):
                has_frames = True
            else:
                item = _opened(inside, name)
                points = max(points, *item.shape[:1], 0) if item is not None else points
                has_frames |= item is not None and item.rank > 2
                if item is not None and any(each.fits(f"{path}/{name}") for each in files.brightest):
                    brightest += _largest(item)
    # soft links lead to what recorded it: motors, counters, and detectors, whose frames are called data
    soft.sort(key=lambda each: not each[1].endswith("/data"))
    while soft and not (has_frames and points):
        base, target = soft.pop(0)
        folder, _, name = target.rpartition("/")
        inside = local(base, folder or ("/" if target.startswith("/") else "."))
        if isinstance(inside, h5py.Group):
            has_frames |= isinstance(link_of(inside, name), h5py.ExternalLink)
            item = _opened(inside, name)
            points = max(points, *item.shape[:1], 0) if item is not None else points
            has_frames |= item is not None and item.rank > 2
    return points or None, has_frames, max(brightest, default=None)


def _opened(group: h5py.Group, name: str) -> h5py.h5d.DatasetID | None:
    """Return a dataset that a hard link of the group leads to, or None."""
    if not isinstance(link_of(group, name), h5py.HardLink):
        return None
    item = h5py.h5o.open(group.id, name.encode(errors="surrogateescape"))
    return item if isinstance(item, h5py.h5d.DatasetID) else None


def _largest(item: h5py.h5d.DatasetID) -> list[float]:
    if (
        item.get_type().get_class() not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT)
        or len(item.shape) > 1
        or 0 in item.shape
    ):
        return []
    values = np.empty(item.shape)
    item.read(h5py.h5s.ALL, h5py.h5s.ALL, values, h5py.h5t.NATIVE_DOUBLE)
    return [float(values.max())]

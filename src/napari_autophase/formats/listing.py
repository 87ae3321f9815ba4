"""The scans that one file holds, as a list: no frames are opened for it, and no file of a detector.

There are hundreds, so HDF5 is called as it is: what h5py wraps around every group and dataset takes several times as long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..geometry import Files, Source, beamlines
from .commands import asked_of_tree, what_cut
from .entry import ScanEntry
from .links import LinkError, Tree, is_elsewhere
from .paths import check_file, damage, split_path
from .patience import patient
from .within import link_types, place_of

_TEXT = h5py.string_dtype()
_STORED_TEXT = h5py.h5t.py_create(_TEXT)
_ONE = h5py.h5s.create(h5py.h5s.SCALAR)


@patient
def scans(path: str | Path) -> list[ScanEntry]:
    """Return the scans of a file that holds several (of BLISS, or SPEC), in the order of their numbers; else none.

    Groups and links are looked at, no frames: hundreds of scans take no time to speak of.  ``FILE::PATH`` or `dataset` of
    `read_scan` picks one by its ``path``.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    file, _ = split_path(path)
    check_file(file)
    if not file.is_file():
        return []
    if not h5py.is_hdf5(file):
        return _logged(file)
    with damage(file), Tree(file) as tree:
        return entries(tree)


def _logged(file: Path) -> list[ScanEntry]:
    """Return the scans of a SPEC file; none of any other."""
    from .logs import is_log

    if is_log(file) != "spec":
        return []
    from .spec_scans import SpecScans

    return SpecScans().entries(file)


class _Group:
    """A group: its names, each with the type of its link, and what stands in its own file under a path."""

    def __init__(self, group: h5py.h5g.GroupID, around: _Group | None = None) -> None:
        self.id = group
        self.links = link_types(group)
        self._known: set[bytes] = set() if around is None else around._known

    def place(self, path: str) -> tuple[bytes, int] | None:
        """Return what `place_of` does."""
        kind = self.links.get(path)
        if kind is None or kind == h5py.h5l.TYPE_SOFT:
            return place_of(self.id, path, self._known) if kind is not None or "/" in path else None
        return path.encode(errors="surrogateescape"), kind

    def at(self, place: tuple[bytes, int] | None) -> h5py.h5g.GroupID | h5py.h5d.DatasetID | None:
        """Return what stands at a place, or None."""
        return None if place is None or place[1] != h5py.h5l.TYPE_HARD else h5py.h5o.open(self.id, place[0])

    def opened(self, path: str) -> h5py.h5g.GroupID | h5py.h5d.DatasetID | None:
        """Return what stands there, or None."""
        return self.at(self.place(path))


def entries(tree: Tree) -> list[ScanEntry]:
    """Return the scans of a file in the order of their numbers; none where it is no list of scans."""
    found = []
    root = _Group(tree.root["/"].id)
    for name, kind in root.links.items():
        files = _files(name)
        if files is None:
            continue
        try:
            with tree.tidy():
                # what stands in this very file needs no care for links
                item = root.opened(name) if kind == h5py.h5l.TYPE_HARD else tree.behind(name)
                if isinstance(item, h5py.h5g.GroupID):
                    group = _Group(item)
                    recorded = {path: group.opened(path) for path in files.recorded}
                    if any(isinstance(each, h5py.h5g.GroupID) for each in recorded.values()):
                        found.append(_entry(group, name, files, recorded))
        except LinkError as error:
            found.append(ScanEntry(name, lost=str(error)))
    return sorted(found, key=lambda each: _natural(each.path))


def is_scan(name: str) -> bool:
    """Tell whether a group is called as beamlines call those of their scans."""
    return _files(name) is not None


def _files(name: str) -> Files | None:
    """Return the layout whose scans are called so, or None."""
    return next((files for fits, files in _patterns() if fits(name)), None)


@cache
def _patterns() -> tuple[tuple[Callable[[str], object], Files], ...]:
    return tuple(
        (re.compile(translate(pattern)).match, each.files)
        for each in beamlines().values()
        for pattern in each.files.scans
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """Order names as their numbers count."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _entry(group: _Group, name: str, files: Files, recorded: dict[str, Any]) -> ScanEntry:
    command = _word(group, files.command)
    brightest: list[float] = []
    points, has_frames = 0, False
    for path, each in recorded.items():
        if not isinstance(each, h5py.h5g.GroupID):
            continue
        inside = _Group(each, group)
        maxima = {what for what in inside.links if _is_one_of(files.brightest, f"{path}/{what}")}
        # frames first, then what is opened anyhow: all was recorded at as many points, but for some slow counters
        order = sorted(
            inside.links.items(), key=lambda each: (not _is_detector(each[0]), each[0] not in maxima, each[1])
        )
        for what, _ in order:
            is_maximum = what in maxima
            if has_frames and points and not is_maximum:
                continue
            place = inside.place(what)
            has_frames |= place is not None and place[1] == h5py.h5l.TYPE_EXTERNAL
            item = inside.at(place)
            if isinstance(item, h5py.h5d.DatasetID) and (shape := item.shape):
                points = max(points, shape[0])
                has_frames |= len(shape) > 2
                if is_maximum:
                    brightest += _largest(item, shape)
    cut_by = what_cut(_word(group, files.end_reason))
    return ScanEntry(
        name,
        command,
        _word(group, files.started),
        points or None,
        asked_of_tree(command),
        has_frames,
        max(brightest, default=None),
        not cut_by and any(group.place(each.name) for each in files.ended) if files.ended else None,
        cut_by,
    )


@cache
def _is_one_of(sources: tuple[Source, ...], path: str) -> bool:
    """Tell whether one of some sources is meant by a path."""
    return any(each.fits(path) for each in sources)


@cache
def _is_detector(name: str) -> bool:
    """Tell whether something recorded is called as a detector of a beamline is."""
    return any(detector.is_called(name) for each in beamlines().values() for detector in each.detectors)


def _word(group: _Group, sources: tuple[Source, ...]) -> str:
    for each in sources:
        item = group.opened(each.name)
        if isinstance(item, h5py.h5d.DatasetID):
            return _text(item)
    return ""


def _text(item: h5py.h5d.DatasetID) -> str:
    value = np.empty((), _TEXT)
    try:
        if not is_elsewhere(item):
            item.read(_ONE, h5py.h5s.ALL, value, _STORED_TEXT)
    except (OSError, TypeError, ValueError):  # of a fixed length, several, or no text
        from . import nexus

        word = nexus.scalar(h5py.Dataset(item, readonly=True))
        return "" if word is None else str(word)
    return (value.item() or b"").decode(errors="replace")


def _largest(item: h5py.h5d.DatasetID, shape: tuple[int, ...]) -> list[float]:
    if len(shape) > 1 or 0 in shape or is_elsewhere(item):
        return []
    values = np.empty(shape)
    try:
        item.read(h5py.h5s.ALL, h5py.h5s.ALL, values, h5py.h5t.NATIVE_DOUBLE)
    except (OSError, TypeError):  # no numbers
        return []
    return [float(values.max())]

"""HDF5 files that hold a scan with its motors: what such a tree says is read as a log, by the paths that beamlines' data name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..geometry import Beamline, Source
from ..geometry.plausible import PIXEL
from . import nexus, sources
from .common import Description, as_volume
from .explained import explained
from .lima import readout
from .links import Item, Lost, Tree, link_of, local, why_not_local
from .logs.tree import TreeLog
from .masks import StoredMask, lost_mask
from .measured import Frames, described
from .readings import quantity
from .whose import nearly_from, of_another, told_from

_OBJECTS = 4000
"""So many groups and datasets of a scan are looked at."""
_DEEP = 6
"""Groups inside each other, at most, in which datasets are looked for."""
_AHEAD = 2
"""So many more points than others a counter may have while a scan runs."""
_FRAMES = ("", "data", "frames", "image")
"""What frames are called themselves."""
_LONG = 20_000
"""Longer arrays are no motors."""
_NUMBER = re.compile(r"(\d+)(?:\.\d+)?(?:_master)?$")


def describe(
    tree: Tree,
    path: str,
    shape: tuple[int, ...],
    beamline: Beamline | None = None,
    known: Mapping[str, Any] | None = None,
) -> Description | None:
    """Return what the tree around some frames says of them; None where it is that of no beamline known here.

    Parameters
    ----------
    tree, path, shape
        The file, and where in it which frames stand.
    beamline
        Where it was measured, if a person says so; None: told from the file.
    known
        What else is known, which holds where the tree says nothing: fields of `Geometry`.
    """
    groups = [*tree.groups(path)[1:2], tree.root["/"]]
    useless = ""
    for group in groups:
        detector = _detector(path)
        log = _log(tree, group, shape[0], detector)
        found = [beamline] if beamline is not None else told_from(log) or nearly_from(log)
        if beamline is not None:
            another, is_useless = of_another(log, beamline)
            useless = useless or (another if is_useless else "")
            if is_useless or not _has_motors(log, beamline):
                continue
        if len(found) != 1 or "hdf5" not in found[0].files.kinds:
            continue
        site = found[0]
        log = _of_detector(explained(log, site), site, detector)
        whole = shape[0], shape[1], shape[2]
        frames = Frames(Path(f"{tree.path}{path}"), whole, known=known or {}, readout=readout(tree, path))
        about = _sized(described(log, frames, site), log, site)
        mask, lost = _mask(tree, group, site, shape, detector)
        about = replace(about, stored_mask=mask, notes=(*about.notes, *lost, *_fields(tree, group, site)))
        return _placed(about, site)
    return Description(notes=(useless,)) if useless else None


def _sized(about: Description, log: TreeLog, site: Beamline) -> Description:
    """Return a description with the sizes of pixels that the file gives, and a note where they are not the detector's."""
    notes = list(about.notes)
    rows, columns = (
        quantity(log, some, _micrometres, PIXEL, notes)
        for some in (site.files.row_size, site.files.column_size)
    )
    if rows is None or columns is None:
        return replace(about, notes=tuple(dict.fromkeys(notes)))
    found = round(rows, 6), round(columns, 6)
    usual = about.metadata.get("pixel_size_um") if about.geometry is None else about.geometry.pixel_size_um
    if usual is not None and tuple(usual) != found:
        notes.append(
            f"{log.path.name} says that pixels have {found} µm, those of this detector {tuple(usual)}: binned?"
        )
    geometry = None if about.geometry is None else replace(about.geometry, pixel_size_um=found)
    metadata = {**about.metadata, "pixel_size_um": found}
    return replace(about, geometry=geometry, metadata=metadata, notes=tuple(notes))


def _micrometres(source: Source, number: float) -> float:
    return source.metres(number) * 1e6


def _has_motors(log: TreeLog, site: Beamline) -> bool:
    sources = (each for circle in (*site.sample, *site.arm) for each in site.files.of_motor(circle.motor))
    return any(log.number_of(each) is not None for each in sources)


def _placed(about: Description, site: Beamline) -> Description:
    """Take a geometry back that does not say where a detector stood that translates: it has no direct-beam pixel."""
    geometry = about.geometry
    if site.arm or geometry is None or geometry.direct_beam_pixel is not None:
        return about
    known = {
        each.name: value for each in fields(geometry) if (value := getattr(geometry, each.name)) is not None
    }
    note = (
        f"The detector of {site.name} translates ({', '.join(site.translations)}), and nothing says where the direct beam meets "
        "these frames, so the geometry is not complete: --set geometry.direct_beam_pixel=ROW,COLUMN says it."
    )
    return replace(about, geometry=None, metadata={**known, **about.metadata}, notes=(note, *about.notes[1:]))


def owner(path: Path) -> tuple[Path, str] | None:
    """Return the file of the scan to which a detector's own file belongs, and where its frames stand there; None: nobody knows.

    A detector's file stands in a folder of its own scan, and the scan's file beside that folder links to it.
    """
    real = path.resolve()
    number = _number(path.resolve().parent.name)
    if number is None:
        return None
    for each in sorted(real.parent.parent.glob("*.h5"))[:8]:
        try:
            with h5py.File(each, "r", locking=False) as file:
                for name in (key for key in file if _number(key) == number and key.endswith(".1")):
                    for place, inside in _links(local(file["/"], f"{name}/instrument")):
                        if (each.parent / inside).resolve() == real:
                            return each, place
        except OSError:
            continue
    return None


def _links(instrument: Item | None) -> Iterator[tuple[str, str]]:
    """Yield where the frames of detectors stand, and the files to which they link."""
    for name in instrument if isinstance(instrument, h5py.Group) else ():
        group = local(instrument, name)
        if not isinstance(group, h5py.Group):
            continue
        link = link_of(group, "data")
        if isinstance(link, h5py.ExternalLink):
            yield f"{group.name}/data", link.filename
        elif isinstance(link, h5py.HardLink):
            item = group["data"]
            if isinstance(item, h5py.Dataset) and item.is_virtual:
                yield from ((item.name, source.file_name) for source in item.virtual_sources())


def _number(name: str) -> int | None:
    match = _NUMBER.search(name)
    return None if match is None else int(match[1])


def _detector(path: str) -> str:
    """Return what the detector is called by the path of its frames."""
    names = [name for name in path.split("/") if name not in _FRAMES]
    return names[-1] if names else ""


def _log(tree: Tree, group: h5py.Group, frames: int, detector: str) -> TreeLog:
    """Return a group as a log, with what stands beside the frames of its `detector` before all else."""
    numbers: dict[str, float] = {}
    columns: dict[str, np.ndarray] = {}
    words: dict[str, str] = {}
    units: dict[str, str] = {}
    arrays: dict[str, np.ndarray] = {}
    unusable: dict[str, str] = {}
    small = sorted(
        islice(_small(group, "", set()), _OBJECTS), key=lambda each: detector not in each[0].split("/")
    )
    for name, item in small:
        if isinstance(item, str):
            unusable[name] = item
            continue
        if h5py.check_string_dtype(item.dtype) is not None and item.size == 1:
            words[name] = str(nexus.scalar(item))
        read = nexus.numbers(item)
        if read is None:
            unusable[name] = f"reads '{words[name]:.40}'" if name in words else "holds words"
            continue
        values, unit = read
        if unit:
            units[name] = unit
        if item.size == 1:
            numbers[name] = float(values[0])
        else:
            arrays[name] = values
    points = _points([len(values) for values in arrays.values()], frames)
    columns = {
        name: values[:points] for name, values in arrays.items() if 0 <= len(values) - points <= _AHEAD
    }
    unusable |= {
        name: f"has {len(values)} values for {points} points"
        for name, values in arrays.items()
        if name not in columns
    }
    name = group.name.strip("/") or tree.path.stem
    number = _number(re.sub(r"\.\d+$", "", name))
    if number is None:
        number = _number(tree.path.stem)
    return TreeLog(
        tree.path,
        "hdf5",
        number,
        "",
        numbers,
        columns,
        words=words,
        unusable=unusable,
        units=units,
        frames=frames,
        place=group.name.rstrip("/"),
        ahead={name: len(arrays[name]) for name in columns if len(arrays[name]) > points},
    )


def vectors(groups: Iterable[h5py.Group]) -> dict[str, np.ndarray]:
    """Return the short arrays that stand in some groups, by their names."""
    small = (each for group in groups for each in islice(_small(group, "", set()), _OBJECTS))
    return {
        name: np.ravel(np.asarray(item[()], float))
        for name, item in small
        if not isinstance(item, str) and item.size > 1 and item.dtype.kind in "uif"
    }


def _points(lengths: list[int], frames: int) -> int:
    """Return how many points were recorded: the number of frames, else the commonest length, as of a scan that still runs."""
    if not lengths or frames in lengths:
        return frames
    return Counter(lengths).most_common(1)[0][0]


def _small(group: h5py.Group, prefix: str, seen: set[int]) -> Iterator[tuple[str, h5py.Dataset | str]]:
    """Yield numbers, short arrays and texts that stand in a group's own file, and of links why nothing stands there."""
    for name in group:
        item = local(group, name)
        if isinstance(item, h5py.Group):
            address = h5py.h5o.get_info(item.id).addr
            if address not in seen and prefix.count("/") < _DEEP:
                yield from _small(item, f"{prefix}{name}/", seen | {address})
        elif item is None:
            yield prefix + name, why_not_local(group, name)
        elif (
            isinstance(item, h5py.Dataset)
            and item.shape is not None
            and item.size
            and item.size <= _LONG
            and max(item.shape, default=1) == item.size
            and (item.dtype.kind in "buif" or h5py.check_string_dtype(item.dtype) is not None)
        ):
            yield prefix + name, item


def _of_detector(log: TreeLog, site: Beamline, detector: str) -> TreeLog:
    """Return the log without what other detectors say of themselves, where the one of the frames has a group of its own."""
    files = site.files
    own = (*files.distance, *files.row_size, *files.column_size, *files.beam_row, *files.beam_column)
    patterns = [each for each in own if "*" in each.name]

    def is_its(name: str) -> bool:
        return detector in name.split("/")

    if not any(map(is_its, (*log.motors, *log.columns, *log.words))):
        return log
    motors = {
        name: value
        for name, value in log.motors.items()
        if is_its(name) or not any(each.fits(name) for each in patterns)
    }
    return replace(log, motors=motors)


def _mask(
    tree: Tree, group: h5py.Group, site: Beamline, shape: tuple[int, ...], detector: str
) -> tuple[StoredMask | None, tuple[str, ...]]:
    """Return the mask that the beamline's files hold at the paths that its data name, and which ones are lost."""
    lost: list[str] = []
    for path in site.files.mask:
        places = _matching(group, path)
        for parent, name in sorted(places, key=lambda each: detector not in each[0].name.split("/")):
            item = tree.sought(parent, name)
            if isinstance(item, Lost):
                lost.append(lost_mask(tree.path.name, item.path, item.why))
            elif isinstance(item, h5py.Dataset) and item.shape in (shape, shape[-2:]):
                values = as_volume(sources.read(tree, item))
                return StoredMask(values, f"{tree.path.name}::{item.name}"), tuple(lost)
    return None, tuple(lost)


def _fields(tree: Tree, group: h5py.Group, site: Beamline) -> Iterator[str]:
    """Say which fields of the detector stand beside the frames, and how they are applied."""
    for what, paths in (("dark", site.files.dark), ("white", site.files.white)):
        for item in (local(group, path) for path in paths):
            if isinstance(item, h5py.Dataset):
                yield (
                    f"{tree.path.name} holds a {what} field, {item.name}; it is applied where it is asked for, by --{what} "
                    f"{tree.path.name}::{item.name}."
                )


def _matching(group: h5py.Group, path: str) -> Iterator[tuple[h5py.Group, str]]:
    """Yield the groups that fit a path in which a name may be ``*``, each with the rest of the path, seen from it."""
    before, star, after = path.partition("*/")
    if not star:
        yield group, path
        return
    outer = local(group, before.rstrip("/") or ".")
    for name in outer if isinstance(outer, h5py.Group) else ():
        inner = local(outer, name)
        if isinstance(inner, h5py.Group):
            yield from _matching(inner, after)

"""HDF5 files of any layout: which datasets they hold, which one they declare, and reading it.

The choice follows the NeXus ``default`` and ``signal`` attributes, then the paths that CXI prescribes.  The numbered parts
of an Eiger master (``data_000001``, ``data_000002``, …) are one dataset, ``data_*``.  Compressed data (bitshuffle, LZ4, zstd)
opens through hdf5plugin, and a file that an acquisition still writes to is read as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from posixpath import dirname

import h5py
import hdf5plugin  # noqa: F401  (registers the filters)
import numpy as np

from ..reconstruction import Reconstruction
from ..scan import InputError
from . import (
    exposure,
    instrument,
    layout,
    listing,
    nexus,
    parts,
    raw_series,
    results,
    signals,
    sources,
    strange,
    transformations,
    trees,
)
from .axes import Rocking
from .choice import pick
from .common import Box, Dataset, Description, Hints, Volume, as_volume, check_memory, joined, kept_axes
from .hdf5_mask import centred, mask_of, never_written
from .links import Absent, Dangling, Item, Lost, Tree, local
from .logs import ScanLog
from .paths import damage
from .raw_series import SERIES
from .registry import Format, register

_CXI = ("/entry_1/instrument_1/detector_1/data", "/entry_1/image_1/data", "/entry_1/data_1/data")
_DEEP = 12
"""Groups nested deeper than this are not looked into (external links may go round)."""
_PART = re.compile(r"data_(\d{6})")
_OLD_PART = re.compile(r"data_(\d+)")  # directly in the entry
_UNKNOWN = np.dtype("V1")
"""The dtype of what is lost."""


@contextmanager
def opened(path: Path) -> Iterator[Tree]:
    """Open an HDF5 file for reading; whatever breaks inside the block means that the file is damaged."""
    with damage(path), Tree(path) as tree:
        yield tree


@register
class Hdf5(Format):
    """Any layout."""

    name, title = "hdf5", "HDF5, NeXus"
    suffixes: tuple[str, ...] = (".h5", ".hdf5", ".nxs")
    holds_results = True

    def matches(self, path: Path) -> bool:
        """Look for the signature of HDF5."""
        return path.is_file() and h5py.is_hdf5(path)

    def lists(self, path: Path) -> list[Dataset]:
        """Return the numeric arrays of two or more dimensions, and the frames that are linked to and are not there."""
        with opened(path) as tree:
            return list(_walk(tree, tree.root["/"], "/", set()))

    def vectors(self, path: Path) -> list[Dataset]:
        """Return the numeric arrays of one dimension."""
        with opened(path) as tree:
            return [each for each in _walk(tree, tree.root["/"], "/", set(), 1) if len(each.shape) == 1]

    def why_none(self, path: Path) -> str:
        """Say what the file holds instead of arrays of numbers."""
        with opened(path) as tree:
            return strange.why_none(tree.root)

    def lists_own(self, path: Path) -> list[Dataset]:
        """Return the numeric arrays whose bytes stand in this very file."""
        with opened(path) as tree:
            return [Dataset(name, item.shape, item.dtype) for name, item in layout.own(tree.root)]

    def declares(self, path: Path) -> bool:
        """Look at the layout, without following a link."""
        with opened(path) as tree:
            return layout.declares(tree.root)

    def scan_of(self, dataset: Dataset) -> str:
        """Return the group of a scan in which a dataset stands, without the number of the part."""
        group = dataset.path.strip("/").partition("/")[0]
        return group.removesuffix(".1") if listing.is_scan(group) else ""

    def preferred(self, path: Path, arrays: list[Dataset]) -> Dataset | None:
        """Return the volume that the NeXus attributes, else the CXI convention, point to."""
        with opened(path) as tree:
            marked = [_known_as(tree, each, arrays) for each in _signals(tree, tree.root["/"], "/")]
            volumes = {each.path: each for each in marked if each.is_volume}
            volumes = volumes or {each.path: each for each in marked if each.is_small}
            if len(volumes) == 1:
                return next(iter(volumes.values()))
            real = [each for each in arrays if each.is_volume and each.dtype.kind != "c"]
            amplitudes = [each for each in real if parts.is_amplitude(tree, _parts(tree, each.path)[0])]
            if len(amplitudes) == 1 and len(real) == len(arrays):
                return amplitudes[0]
        return next((each for path in _CXI for each in arrays if each.path == path and each.is_volume), None)

    def find(self, path: Path, name: str) -> Dataset | None:
        """Return the dataset called `name`, or what stands in the group called so: its signal, or its only volume."""
        name = f"/{name.strip('/')}"
        with opened(path) as tree:
            try:
                item = tree[dirname(name) if name.endswith(f"/{SERIES}") else name]
            except Dangling:
                raise
            except Absent:
                return None
            if not isinstance(item, h5py.Group):
                found = _as_dataset(item, name)
                if found is None and isinstance(item, h5py.Dataset):
                    raise InputError(
                        f"{path}::{name} holds {item.dtype} values of shape {item.shape}; a rocking curve is a 3-D volume "
                        "(frames, rows, columns) of numbers."
                    )
                return found
            prefix = f"{name.removesuffix(SERIES).rstrip('/')}/"
            arrays = list(_walk(tree, item, prefix, set()))
            declared = next((_known_as(tree, each, arrays) for each in _signals(tree, item, prefix)), None)
            if not arrays and declared is None:
                raise InputError(
                    f"{path}::{name} holds no numeric array, and so no frames of a rocking curve; choose another group "
                    f"(napari-autophase info {path.name} shows what is there)."
                )
            return pick(path, arrays, declared, lambda each: each.is_volume)

    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return one dataset; of several complex modes the first."""
        with opened(path) as tree:
            shape = dataset.shape[-3:] if dataset.is_modes else dataset.shape
            check_memory(shape, dataset.dtype, f"{path}::{dataset.path}")
            pieces = _parts(tree, dataset.path)
            if pieces == [dataset.path]:
                item = tree[dataset.path]
                return centred(item, sources.read(tree, item, 0 if dataset.is_modes else ()))
            array = np.empty(shape, dataset.dtype)
            at = 0
            for part in pieces:
                with tree.visit(part) as item:
                    array[at : at + len(item)] = sources.read(tree, item)
                    at += len(item)
            return array

    @contextmanager
    def opens(self, path: Path, dataset: Dataset) -> Iterator[Volume]:
        """Read chunk after chunk, of all parts of a series; raw storage and what must be shifted are read whole."""
        with ExitStack() as stack:
            with damage(path):
                tree = stack.enter_context(Tree(path))
                first = tree[_parts(tree, dataset.path)[0]]
                together = 1 if first.chunks is None else first.chunks[kept_axes(first.shape)[0]]
                in_parts = not (first.external or nexus.scalar(local(first.parent, "is_fft_shifted")))

            def part(box: Box) -> np.ndarray:
                start, end, _ = box[0].indices(dataset.frames[0])
                with damage(path):
                    return as_volume(stretch(tree, dataset.path, start, end, box[1:]))

            if in_parts:
                yield Volume(part, together)
                return
        with super().opens(path, dataset) as whole:
            yield whole

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Read a few frames, if they stand in this very file and are packed frame by frame or nearly so."""
        with opened(path) as tree:
            return layout.glimpse(local(tree.root["/"], dataset.path))

    def describes(self, path: Path, dataset: Dataset, hints: Hints) -> Description:
        """Return the mask beside a dataset, and the geometry or what is known of it."""
        with opened(path) as tree:
            place = _parts(tree, dataset.path)[0]
            entry = nexus.entry_of(tree, dataset.path)
            mask, notes = mask_of(tree, path, dataset, tree[place])
            geometry, metadata, said = instrument.read_geometry(entry)
            if dataset.path.endswith(f"/{SERIES}"):
                said += instrument.short_of(entry, dataset.path, dataset.frames[0])
            said += tuple(strange.scaling(tree[place]))
            said += exposure.uneven(entry, dataset.path, dataset.frames[0])
            lost, unwritten = never_written(tree, _parts(tree, dataset.path), dataset.frames)
            said += raw_series.master_of(path)
            apart = instrument.energies_apart(entry)
            found = Description(lost, geometry, metadata, mask, (*said, *notes, *unwritten))
            if geometry is None:
                found = joined(found, transformations.describe(tree, entry, place, dataset.frames[0]))
            if found.geometry is None:
                found = _with_tree(tree, dataset.path, dataset, found, hints)
        if found.geometry is None and (scan := trees.owner(path)) is not None:
            with opened(scan[0]) as tree:
                found = _with_tree(tree, scan[1], dataset, found, hints)
        elif found.geometry is None and hints.log is None:
            found = replace(found, notes=(*found.notes, *raw_series.alone(path, dataset.path)))
        if not apart or (found.geometry is not None and found.geometry.energy_step_kev):
            return found
        return replace(found, notes=(*found.notes, *apart))

    def rocking(self, path: Path, dataset: Dataset) -> Rocking:
        """Take the axes that NXdata names, or labels of dimensions, and the motors beside the frames and in their scan."""
        with opened(path) as tree:
            item = tree[_parts(tree, dataset.path)[0]]
            names = nexus.axes_of(item) if item.ndim == len(dataset.shape) == 3 else ()
            groups = (*tree.groups(dataset.path)[:0:-1][:1], nexus.entry_of(tree, dataset.path))
            return Rocking(trees.vectors(groups), names)

    def stands(self, path: Path, dataset: Dataset) -> frozenset[tuple[int, int, object]]:
        """Return where the dataset lies in its own file, or those that it is made of in theirs."""
        found = set()
        with opened(path) as tree:
            for part in _parts(tree, dataset.path):
                with tree.visit(part) as item:
                    for file, address in sources.origins(tree, item):
                        about = file.stat()
                        found.add((about.st_dev, about.st_ino, address))
        return frozenset(found)

    def is_object(self, path: Path, dataset: Dataset) -> bool:
        """Take complex arrays, and real ones that the file says are in direct space."""
        if dataset.dtype.kind == "c" or not (dataset.is_volume or dataset.is_small):
            return dataset.dtype.kind == "c"
        with opened(path) as tree:
            return parts.is_direct(tree[_parts(tree, dataset.path)[0]].parent)

    def log(self, path: Path, dataset: Dataset, given: Path | None) -> tuple[ScanLog | None, tuple[str, ...]]:
        """Take the log that is named; of a raw series of frames, look for one with as many points around the file."""
        return raw_series.log_of(path, dataset, given)

    def reads_result(self, path: Path, dataset: Dataset) -> Reconstruction:
        """Return a reconstruction: ours whole, others' as far as they go."""
        if dataset.dtype.kind != "c" and self.is_object(path, dataset):
            with opened(path) as tree:
                return parts.read(path, tree, dataset)
        found = self.reads(path, dataset) if dataset.is_volume or dataset.is_small else np.empty(0)
        with opened(path) as tree:
            return results.read_result(path, tree, dataset, found)


def _with_tree(tree: Tree, path: str, dataset: Dataset, found: Description, hints: Hints) -> Description:
    """Return what is found, and what the tree around the frames at `path` says, which holds where both say something."""
    more = trees.describe(tree, path, dataset.frames, hints.beamline, found.metadata)
    return found if more is None else joined(more, found)


def _walk(
    tree: Tree, group: h5py.Group, prefix: str, seen: set[tuple[Path, int]], least: int = 2
) -> Iterator[Dataset]:
    """Yield the numeric arrays of at least so many dimensions below a group."""
    if prefix.count("/") > _DEEP:
        return
    parts: dict[int, Dataset] = {}
    for name, item in tree.items(group, prefix):
        if not isinstance(item, Lost):
            if (which := tree.identity(item)) in seen:
                continue
            seen.add(which)
        if isinstance(item, h5py.Group):
            yield from _walk(tree, item, f"{prefix}{name}/", seen, least)
        elif (found := _as_dataset(item, prefix + name, least)) is not None:
            number = _number(prefix, name)
            if number is None:
                yield found
            else:
                parts[number] = found
    whole = _series(tree, prefix, parts)
    yield from parts.values() if whole is None else (whole,)


def _number(prefix: str, name: str) -> int | None:
    """Return which part of a series this is, or None."""
    match = _PART.fullmatch(name) or (_OLD_PART.fullmatch(name) if prefix == "/entry/" else None)
    return None if match is None else int(match[1])


def _series(tree: Tree, prefix: str, parts: dict[int, Dataset]) -> Dataset | None:
    """Return the one dataset that numbered parts make, lost if one of them is; None if they are none."""
    there = [each for each in parts.values() if not each.lost]
    if len(parts) < 2 or not any(len(each.shape) == 3 for each in there):
        return None
    kinds = {(len(each.shape), each.shape[1:], each.dtype): each for each in there}
    if len(kinds) > 1:
        if not all(_PART.fullmatch(each.path.rpartition("/")[2]) for each in there):
            return None
        first, other, *_ = kinds.values()
        why = (
            f"The parts of {tree.path} are not of one scan: {first}, but {other}; copy the right files, or open one part by its "
            "name."
        )
        return Dataset(f"{prefix}{SERIES}", (), _UNKNOWN, why)
    each = there[0].shape[0]  # so many frames are in all files but the last
    for place, number in enumerate(range(min(parts), max(parts) + 1)):
        part = parts.get(number)
        if part is None or part.lost:
            frames = (
                f"frame {place} is"
                if each == 1
                else f"frames {place * each} to {place * each + each - 1} are"
            )
            if number == max(parts) and each > 1:  # which may hold fewer
                frames = f"frames from {place * each} on are"
            why = part.lost if part else f"{tree.path} has no part {number} of {prefix}{SERIES}."
            return Dataset(f"{prefix}{SERIES}", (), _UNKNOWN, f"Of the scan {frames} lost: {why}")
    return Dataset(
        f"{prefix}{SERIES}", (sum(each.shape[0] for each in there), *there[0].shape[1:]), there[0].dtype
    )


def _parts(tree: Tree, path: str) -> list[str]:
    """Return the path of a dataset, or those of its numbered parts in their order."""
    if not path.endswith(f"/{SERIES}"):
        return [path]
    prefix = path.removesuffix(SERIES)
    numbers = {name: _number(prefix, name) for name in tree[prefix]}
    return [
        prefix + name
        for _, name in sorted((number, name) for name, number in numbers.items() if number is not None)
    ]


def stretch(
    tree: Tree, path: str, first: int, end: int, rows_and_columns: tuple[slice, ...] = ()
) -> np.ndarray:
    """Return some frames (or a part of each) of a dataset, or of the numbered parts of one."""
    found, at = [], 0
    for part in _parts(tree, path):
        with tree.visit(part) as item:
            kept = kept_axes(item.shape)
            frames = item.shape[kept[0]]
            if at < end and at + frames > first:
                wanted: list[int | slice] = [0] * item.ndim
                for axis in kept:
                    wanted[axis] = slice(None)
                some = (slice(max(first - at, 0), end - at), *rows_and_columns)
                for axis, part_of_it in zip(kept, some, strict=False):
                    wanted[axis] = part_of_it
                found.append(sources.read(tree, item, tuple(wanted)))
            at += frames
        if at >= end:
            break
    return np.concatenate(found)


def _as_dataset(item: Item | Lost, path: str, least: int = 2) -> Dataset | None:
    if isinstance(item, Lost):
        return Dataset(path, (), _UNKNOWN, item.why)
    if not isinstance(item, h5py.Dataset) or item.shape is None or len(item.shape) < least:
        return None
    dtype = item.dtype
    if dtype.names == ("real", "imag"):  # as MATLAB writes complex numbers
        dtype = np.result_type(dtype["real"], np.complex64)
    return Dataset(path, item.shape, dtype) if dtype.kind in "buifc" else None


def _known_as(tree: Tree, signal: Dataset, arrays: list[Dataset]) -> Dataset:
    """Return a signal by the name under which it stands: it is often a soft link, or the first part of a series."""
    own = tree.identity(tree[signal.path])
    return next((each for each in arrays if not each.lost and own in _identities(tree, each)), signal)


def _identities(tree: Tree, dataset: Dataset) -> Iterator[tuple[Path, int]]:
    for path in _parts(tree, dataset.path):
        with tree.visit(path) as item:
            yield tree.identity(item)


def _signals(tree: Tree, group: h5py.Group, prefix: str) -> Iterator[Dataset]:
    """Yield the datasets that NeXus marks as the ones to plot."""
    for path, item in signals.marked(tree, group, prefix):
        found = _as_dataset(item, path)
        if found is not None:
            yield found

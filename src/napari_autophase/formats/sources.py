"""Where the bytes of an HDF5 dataset stand, and whether all of them are there.

HDF5 fills what it cannot find with zeros: virtual datasets whose sources were not copied or are short, and raw storage that
is cut.  A scan must not lose frames that way, so sources are looked at before anything is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..scan import InputError
from .common import kept_axes
from .links import Absent, Item, MissingFile, Tree
from .paths import damage
from .redirected import is_found, redirected

_NESTED = 8
"""Virtual datasets of virtual datasets go no deeper than this."""


def read(tree: Tree, item: h5py.Dataset, selection: Any = ()) -> np.ndarray:
    """Return (part of) a dataset, wherever its bytes stand.

    Raises
    ------
    InputError
        If some of them are missing, or stand outside the folder that was opened.
    """
    if (which := tree.identity(item)) not in tree.sound:
        check(tree, item)
        tree.sound.add(which)
    if item.external:
        return _raw(tree, item)[selection]
    if item.is_virtual:
        item = redirected(tree, item)
    try:
        return item[selection]
    except OSError as error:
        with damage(_broken(tree, item)):
            raise error


def unwritten(item: h5py.Dataset) -> np.ndarray:
    """Return which frames of a dataset were announced and never written, whole or in part: bool (frames,).

    HDF5 reads zeros there.  Only chunks tell: what was written has a place in the file, be it zero everywhere.
    """
    frames = kept_axes(item.shape)[0]
    found = np.zeros(item.shape[frames], bool)
    if item.chunks is None or item.is_virtual:
        return found
    along = [-(-side // chunk) for side, chunk in zip(item.shape, item.chunks, strict=True)]
    if item.id.get_num_chunks() >= prod(along):
        return found
    written = np.zeros(along[frames], int)

    def count(chunk: Any) -> None:
        written[chunk.chunk_offset[frames] // item.chunks[frames]] += 1

    item.id.chunk_iter(count)
    lacking = written < prod(along) // along[frames]
    return np.repeat(lacking, item.chunks[frames])[: len(found)]


def _broken(tree: Tree, item: h5py.Dataset, nested: int = 0) -> Path:
    """Return the file, of those that a dataset is made of, that cannot be read; its own if all others can."""
    for source in item.virtual_sources() if item.is_virtual and nested < _NESTED else ():
        with tree.tidy():
            found = _source(tree, item, source)
            try:
                for frame in found if isinstance(found, h5py.Dataset) else ():
                    del frame
            except OSError:
                return _broken(tree, found, nested + 1)
    return Path(item.file.filename)


def _raw(tree: Tree, item: h5py.Dataset) -> np.ndarray:
    """Return a dataset from its raw storage; HDF5 itself would look for the files in the current folder."""
    array = np.empty(item.shape, item.dtype)
    left = array.reshape(-1).view(np.uint8).data
    for name, offset, _ in item.external:
        with tree.locate(item, name).open("rb") as file:
            file.seek(offset)
            left = left[file.readinto(left) :]
    if left:
        raise InputError(
            f"{item.file.filename}: the files of {item.name} are shorter than it; copy them again."
        )
    return array


def check(tree: Tree, item: h5py.Dataset, nested: int = 0) -> None:
    """Raise `InputError` unless all bytes of a dataset are there; it names the files, and the frames that they hold."""
    if nested > _NESTED:
        raise InputError(
            f"{item.file.filename}::{item.name}: virtual datasets go round; export the frames again."
        )
    if item.is_virtual:
        _check_virtual(tree, item, nested)
    elif item.external:
        _check_external(tree, item)


def origins(tree: Tree, item: h5py.Dataset, nested: int = 0) -> Iterator[tuple[Path, object]]:
    """Yield the file and the place in it of a dataset, or of those that a virtual one is made of."""
    made_of = item.virtual_sources() if item.is_virtual and nested < _NESTED else []
    for source in made_of:
        with tree.tidy():
            found = _source(tree, item, source)
            if isinstance(found, h5py.Dataset):
                yield from origins(tree, found, nested + 1)
    if not made_of:
        yield tree.identity(item)


def first_of(tree: Tree, item: h5py.Dataset) -> Item:
    """Return the first of the datasets that a virtual one is made of, or the dataset itself."""
    for _ in range(_NESTED):
        made_of = item.virtual_sources() if isinstance(item, h5py.Dataset) and item.is_virtual else []
        if not made_of:
            break
        item = _source(tree, item, made_of[0])
    return item


def _source(tree: Tree, item: h5py.Dataset, source: Any) -> Item:
    """Return what one source of a virtual dataset is; raises as `Tree.step` does."""
    # %b numbers the files of a growing series, of which HDF5 takes those that there are
    name, inside = source.file_name.replace("%b", "0"), source.dset_name.replace("%b", "0")
    return tree.step(item.file if name == "." else tree.linked(item, name), inside)


def _check_external(tree: Tree, item: h5py.Dataset) -> None:
    for name, offset, size in item.external:
        raw = tree.locate(item, name)
        if size != h5py.h5f.UNLIMITED and raw.stat().st_size < offset + size:
            raise InputError(
                f"{raw} is shorter than {item.name} of {item.file.filename} says; copy it again, whole."
            )


def _check_virtual(tree: Tree, item: h5py.Dataset, nested: int) -> None:
    scan = f"{item.file.filename}::{item.name}"
    axis = kept_axes(item.shape)[0] if item.ndim > 2 else 0
    covered = np.zeros(item.shape[axis], bool)
    lost: dict[tuple[str, str], list[int]] = {}
    for source in item.virtual_sources():
        frames = _frames(source.vspace, axis, item.shape[axis])
        covered[frames] = True
        with tree.tidy():
            why, there = _fault(tree, item, source, nested)
        if why:
            lost.setdefault((source.file_name, why), []).extend(np.delete(frames, there[there < len(frames)]))
    if lost:
        (name, why), places = next(iter(lost.items()))
        more = f" ({len(lost) - 1} more of its files are lost, too)" if len(lost) > 1 else ""
        raise InputError(f"{name}, which holds {_said(places)} of {scan}, {why}{more}.")
    if item.ndim == 3 and not covered.all():
        raise InputError(
            f"{scan} has no file for {_said(np.flatnonzero(~covered))}: it was not written to its end; "
            "open the files of its parts."
        )


def _fault(tree: Tree, item: h5py.Dataset, source: Any, nested: int) -> tuple[str, np.ndarray]:
    """Return what is wrong with one source ("" if nothing), and which of its frames are there all the same, counted from 0.

    Raises
    ------
    LinkError
        If it may not be looked at.
    """
    none = np.zeros(0, int)
    try:
        found = _source(tree, item, source)
    except MissingFile as error:
        return f"is not there; copy it to {error.folder}", none
    except Absent:
        return f"holds no frames at {source.dset_name}; copy it again", none
    if not isinstance(found, h5py.Dataset):
        return f"holds no frames at {source.dset_name}; copy it again", none
    check(tree, found, nested + 1)
    if nested and not is_found(item, source.file_name):
        return (
            f"is not where {Path(item.file.filename).name} says; copy it there, or open that file itself",
            none,
        )
    axis = kept_axes(found.shape)[0] if found.ndim > 2 else None
    if source.src_space.get_select_type() == h5py.h5s.SEL_ALL:
        whole = found.size >= source.vspace.get_select_npoints()
        there = np.arange(1 if axis is None else found.shape[axis])
    elif axis is None:  # one frame, or a part of it
        end = source.src_space.get_select_bounds()[1]
        whole, there = all(last < side for last, side in zip(end, found.shape, strict=False)), none
    else:
        wanted = _frames(source.src_space, axis, source.src_space.shape[axis])
        there = np.flatnonzero(wanted < found.shape[axis])
        whole = len(there) == len(wanted)
    return ("", none) if whole else ("is cut short; copy it again, whole", there)


def _frames(space: h5py.h5s.SpaceID, axis: int, frames: int) -> np.ndarray:
    """Return the frames that a selection holds along an axis, in order; an unlimited one ends with the dataset."""
    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_ALL or axis >= len(space.shape):
        return np.arange(frames)
    if kind == h5py.h5s.SEL_HYPERSLABS and space.is_regular_hyperslab():
        first, step, count, block = (int(each[axis]) for each in space.get_regular_hyperslab())
        starts = np.arange(first, frames, max(step, 1))[:count]  # an unlimited count is a large number
        found = np.unique(starts[:, None] + np.arange(min(block, frames)))
    elif kind == h5py.h5s.SEL_HYPERSLABS:
        blocks = space.get_select_hyper_blocklist()
        found = np.unique(np.concatenate([np.arange(first[axis], last[axis] + 1) for first, last in blocks]))
    else:
        start, end = space.get_select_bounds()
        found = np.arange(int(start[axis]), int(end[axis]) + 1)
    return found[found < frames]


def _said(frames: Sequence[int] | np.ndarray) -> str:
    """Name some frames: a run of them, those of a step, or the first few."""
    numbers = np.unique(frames)
    if len(numbers) == 1:
        return f"frame {numbers[0]}"
    steps = np.unique(np.diff(numbers))
    if len(steps) > 1:
        named = ", ".join(map(str, numbers[:6])) + (f", … {numbers[-1]}" if len(numbers) > 6 else "")
        return f"{len(numbers)} frames ({named})"
    if steps[0] == 1:
        return f"frames {numbers[0]} to {numbers[-1]}"
    return f"frames {numbers[0]}, {numbers[1]}, … {numbers[-1]} (one in {steps[0]})"

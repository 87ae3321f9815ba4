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
from .links import Item, MissingFile, Tree
from .paths import damage

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
    covered = np.zeros(item.shape[0], bool)
    lost: dict[tuple[str, str], list[int]] = {}
    for source in item.virtual_sources():
        first, last = _frames(source.vspace, item.shape[0])
        covered[first : last + 1] = True
        with tree.tidy():
            why, there = _fault(tree, item, source, nested)
        if why:
            lost.setdefault((source.file_name, why), []).extend(range(first + there, last + 1))
    if lost:
        (name, why), frames = next(iter(lost.items()))
        more = f" ({len(lost) - 1} more of its files are lost, too)" if len(lost) > 1 else ""
        raise InputError(f"{name}, which holds {_said(frames)} of {scan}, {why}{more}.")
    if item.ndim == 3 and not covered.all():
        raise InputError(
            f"{scan} has no file for {_said(np.flatnonzero(~covered))}: it was not written to its end; "
            "open the files of its parts."
        )


def _fault(tree: Tree, item: h5py.Dataset, source: Any, nested: int) -> tuple[str, int]:
    """Return what is wrong with one source ("" if nothing), and how many of its frames are there all the same.

    Raises
    ------
    LinkError
        If it may not be looked at.
    """
    try:
        found = _source(tree, item, source)
    except MissingFile as error:
        return f"is not there; copy it to {error.folder}", 0
    if not isinstance(found, h5py.Dataset):
        return f"holds no frames at {source.dset_name}; copy it again", 0
    check(tree, found, nested + 1)
    frames = found.shape[0] if found.ndim > 2 else 1
    if source.src_space.get_select_type() == h5py.h5s.SEL_ALL:
        whole = found.size >= source.vspace.get_select_npoints()
        return ("", 0) if whole else ("is cut short; copy it again, whole", frames)
    first, last = _frames(source.src_space, source.src_space.shape[0])
    return ("", 0) if last < frames else ("is cut short; copy it again, whole", max(frames - first, 0))


def _frames(space: h5py.h5s.SpaceID, frames: int) -> tuple[int, int]:
    """Return the first and the last frame that a selection holds; an unlimited one ends with the dataset."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return 0, frames - 1
    start, end = space.get_select_bounds()
    return int(start[0]), min(int(end[0]), frames - 1)


def _said(frames: Sequence[int] | np.ndarray) -> str:
    return f"frame {frames[0]}" if len(frames) == 1 else f"frames {min(frames)} to {max(frames)}"

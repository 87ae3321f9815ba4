"""Virtual datasets whose files lie elsewhere than HDF5 looks for them: moved as a whole, or named as under Windows."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import h5py
import numpy as np

from .links import Tree

_SAME = "."
"""The file in which a virtual dataset stands, as a source of it."""


def is_found(item: h5py.Dataset, name: str) -> bool:
    """Tell whether HDF5 finds a file that a virtual dataset names; where it does not, it reads zeros without a word."""
    if name == _SAME or "%b" in name:  # numbered files, of which there are as many as there are
        return True
    return (Path(item.file.filename).parent / name).exists() and not PureWindowsPath(name).drive


def redirected(tree: Tree, item: h5py.Dataset) -> h5py.Dataset:
    """Return a virtual dataset, or, if HDF5 does not find its files, the same one with the places where they are.

    Parameters
    ----------
    tree
        What follows the links.
    item
        A virtual dataset whose files are all there: see `sources.check`.
    """
    sources = item.virtual_sources()
    if all(is_found(item, each.file_name) for each in sources):
        return item
    which = tree.identity(item)
    if which not in tree.redirected:
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        fill = np.zeros((), item.dtype)
        item.id.get_create_plist().get_fill_value(fill)
        made.set_fill_value(fill)
        for each in sources:
            own = each.file_name == _SAME
            there = Path(item.file.filename) if own else tree.locate(item, each.file_name)
            part = each.src_space
            if part.get_select_type() == h5py.h5s.SEL_ALL:  # which does not say of how much
                with tree.tidy():
                    source = tree.step(
                        item.file if own else tree.linked(item, each.file_name), each.dset_name
                    )
                    part = h5py.h5s.create_simple(source.shape)
            made.set_virtual(each.vspace, str(there.resolve()).encode(), each.dset_name.encode(), part)
        # a file in memory, which ends with its dataset
        file = h5py.File(f"{which}", "w", driver="core", backing_store=False, locking=False)
        space, kind = item.id.get_space(), item.id.get_type()
        tree.redirected[which] = h5py.Dataset(h5py.h5d.create(file.id, b"data", kind, space, made))
    return tree.redirected[which]

"""What LIMA writes beside a detector's frames: the part of the detector that was read out.

The layout is that of LIMA's own HDF5 files: ``image_operation/region_of_interest/{xstart, ystart, xsize, ysize}`` and
``image_operation/binning/{x, y}`` in the detector's group, counted in the image as it is stored.
"""

from __future__ import annotations

import h5py

from ..faults import InputError
from . import nexus, sources
from .links import Tree, local
from .masks import Region

_REGION = ("ystart", "ysize", "xstart", "xsize")


def readout(tree: Tree, path: str) -> Region | None:
    """Return first row, end row, first column, end column of the frames at a path on their detector; None: nothing says it."""
    try:
        item = tree[path]
        item = sources.first_of(tree, item) if isinstance(item, h5py.Dataset) else item
    except InputError:
        return None
    operation = local(item.parent, "image_operation")
    if not isinstance(item, h5py.Dataset) or not isinstance(operation, h5py.Group):
        return None
    binned = [_number(operation, f"binning/{axis}") for axis in "xy"]
    found = [_number(operation, f"region_of_interest/{name}") for name in _REGION]
    if any(each not in (None, 1) for each in binned) or None in found:
        return None
    row, rows, column, columns = (int(each) for each in found if each is not None)
    if (rows, columns) != item.shape[-2:] or min(row, column) < 0:
        return None
    return row, row + rows, column, column + columns


def _number(group: h5py.Group, path: str) -> int | None:
    found = nexus.scalar(local(group, path))
    return None if not isinstance(found, float | int) or found != int(found) else int(found)

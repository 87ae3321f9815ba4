"""Volumes on orthogonal grids, written with their axes and units: NumPy's .npz, and .h5 as NeXus plots it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .. import files
from ..scan import InputError
from . import nexus
from .cxi import PACKED, write_file
from .results import PROGRAM


def write_volume(
    path: Path,
    data: np.ndarray,
    beside: str,
    known: np.ndarray,
    axes: Mapping[str, np.ndarray],
    about: Mapping[str, Any],
    units: Mapping[str, str],
) -> None:
    """Write a volume whole or not at all.

    Parameters
    ----------
    path
        .npz or .h5.
    data
        The volume, called ``data`` in the file.
    beside, known
        Name and values (bool) of the volume that goes with it.
    axes
        Where the voxels lie along axes 0, 1, 2, by the axes' names.
    about
        What else is to be known: numbers, arrays and text.
    units
        The unit of each of these that has one, by its name.

    Raises
    ------
    InputError
        If the name ends otherwise, or the place cannot be written.
    """
    if path.suffix.lower() == ".npz":
        memory = io.BytesIO()
        arrays: dict[str, Any] = {"data": data, beside: known, **axes, **about}
        np.savez_compressed(memory, **arrays)
        files.write(path, memory.getbuffer())
        return
    if path.suffix.lower() not in (".h5", ".hdf5", ".nxs"):
        raise InputError(
            f"A volume cannot be written as {path.name}; choose a name that ends in .npz or .h5."
        )

    def fill(file: h5py.File) -> None:
        file.attrs["creator"], file.attrs["default"] = PROGRAM, "entry_1"
        entry = nexus.group(file, "entry_1", "NXentry")
        entry.attrs["default"] = "orthogonal"
        group = nexus.group(entry, "orthogonal", "NXdata")
        group.attrs["signal"], group.attrs["axes"] = "data", list(axes)
        group.create_dataset("data", data=data, **PACKED)
        group.create_dataset(beside, data=known.astype(np.int8), **PACKED)
        for name, value in {**axes, **about}.items():
            group[name] = value
        for name, unit in units.items():
            group[name].attrs["units"] = unit

    write_file(path, fill, data.nbytes + known.nbytes)

"""Maps and surfaces as other programs open them; the name's ending says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ... import files
from ...maps import Maps
from ...scan import InputError
from . import arrays, meshes, vtk

WRITERS: dict[str, Callable[[Maps], files.Content]] = {
    ".vti": vtk.image_data,
    ".vtp": vtk.poly_data,
    ".npz": arrays.npz,
    ".mat": arrays.matlab,
    ".tif": arrays.tiff,
    ".tiff": arrays.tiff,
    ".nxs": arrays.nexus_file,
    ".h5": arrays.nexus_file,
    ".hdf5": arrays.nexus_file,
    ".stl": meshes.stl,
    ".ply": meshes.ply,
}
"""What makes the content of a file, by the ending of its name."""


def write(maps: Maps, path: Path) -> None:
    """Write maps, or the surface, whole or not at all.

    Raises
    ------
    InputError
        If the name ends otherwise, or the place cannot be written.
    """
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise InputError(
            f"Maps cannot be written as {path.name}; choose a name that ends in one of {', '.join(WRITERS)}."
        )
    files.write(path, writer(maps))

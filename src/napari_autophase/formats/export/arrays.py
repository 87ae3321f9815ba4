"""Maps as arrays: NumPy's .npz, MATLAB's .mat, TIFF for ImageJ, and NeXus."""

from __future__ import annotations

import io
import json
from typing import Any

import h5py
import numpy as np

from ...maps import Maps
from .. import nexus
from ..cxi import PACKED, in_memory
from ..results import PROGRAM


def _beside(maps: Maps) -> dict[str, Any]:
    """Return what stands beside the volumes: where the voxels lie, units, and what is said about all of it."""
    places = {f"{axis}_{maps.unit}": place for axis, place in zip(maps.axes, maps.places(), strict=True)}
    units = {name: each.unit for name, each in maps.volumes.items()}
    meanings = {name: each.meaning for name, each in maps.volumes.items()}
    said = {key: value for key, value in maps.about.items() if value is not None}
    return {
        **places,
        "units": json.dumps(units),
        "meanings": json.dumps(meanings, ensure_ascii=False),
        **said,
    }


def npz(maps: Maps) -> memoryview:
    """Return a ``.npz`` of the volumes by name, their axes in nm, and what is said about them."""
    memory = io.BytesIO()
    arrays: dict[str, Any] = {name: each.values for name, each in maps.volumes.items()}
    np.savez_compressed(memory, **arrays, **_beside(maps))
    return memory.getbuffer()


def matlab(maps: Maps) -> memoryview:
    """Return a ``.mat`` (version 5): ``data(y, x, z)``, which is the order in which MATLAB draws volumes."""
    from scipy.io import savemat

    memory = io.BytesIO()
    arrays = {
        name: np.moveaxis(each.values.astype(np.uint8) if each.values.dtype == bool else each.values, 0, 2)
        for name, each in maps.volumes.items()
    }
    names = {key: value for key, value in _beside(maps).items() if not key[0].isdigit()}
    savemat(
        memory, {**arrays, **names, "axes": "y x z" if maps.axes[0] == "z" else "1 2 0"}, do_compression=True
    )
    return memory.getbuffer()


def tiff(maps: Maps) -> memoryview:
    """Return a TIFF for ImageJ: float32, one channel for each map, slices along axis 0, voxel sizes in their unit."""
    import tifffile

    real = {name: each for name, each in maps.volumes.items() if each.values.dtype.kind != "c"}
    stack = np.stack([each.values.astype(np.float32) for each in real.values()], axis=1)  # z, channel, y, x
    along_z, along_y, along_x = maps.voxel_size
    labels = [f"{name} ({each.unit}): {each.meaning}" for name, each in real.items()] * maps.shape[0]
    memory = io.BytesIO()
    tifffile.imwrite(
        memory,
        stack,
        imagej=True,
        resolution=(1 / along_x, 1 / along_y),
        metadata={"axes": "ZCYX", "spacing": along_z, "unit": maps.unit, "Labels": labels},
    )
    return memory.getbuffer()


def nexus_file(maps: Maps) -> memoryview:
    """Return NeXus: an NXdata with axes and units for each map, the strain being what is plotted."""
    plotted = next(name for name in ("strain", "relative_strain", "amplitude") if name in maps.volumes)

    def fill(file: h5py.File) -> None:
        file.attrs["creator"], file.attrs["default"] = PROGRAM, "entry_1"
        entry = nexus.group(file, "entry_1", "NXentry")
        entry.attrs["default"] = plotted
        entry["program_name"] = PROGRAM
        entry["title"] = str(maps.about.get("name", ""))
        for name, each in maps.volumes.items():
            group = nexus.group(entry, name, "NXdata")
            group.attrs["signal"], group.attrs["axes"] = "data", [f"axis_{axis}" for axis in maps.axes]
            values = each.values.astype(np.int8) if each.values.dtype == bool else each.values
            data = group.create_dataset("data", data=values, **PACKED)
            data.attrs["units"], data.attrs["long_name"] = each.unit, each.meaning
            for axis, place in zip(maps.axes, maps.places(), strict=True):
                group[f"axis_{axis}"] = place
                group[f"axis_{axis}"].attrs["units"] = maps.unit
            group["title"], group["data_space"] = name, "real"
        about = nexus.group(entry, "about", "NXcollection")
        for key, value in maps.about.items():
            if value is not None:
                about[key] = value

    return in_memory(fill, maps.nbytes)

"""CXI files: scans as PyNX reads them, and reconstructions as PyNX writes them, with all that repeats ours beside.

The object is stored as `reconstruction` defines it: the detector sees ``fftshift(fftn(ifftshift(object)))``, which is also
PyNX's sign, so that the phase is −Q·u in both.
"""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .. import files
from ..evidence import TRUST_MAPS, Trust
from ..maps import Maps
from ..reconstruction import Reconstruction, one_line
from ..scan import InputError, Scan
from ..version import full_version
from . import nexus
from .hdf5 import Hdf5, opened
from .registry import register
from .results import PROGRAM

PACKED: dict[str, Any] = {"compression": "gzip", "shuffle": True}
_SPARE_BYTES = 2**24
"""What HDF5 takes beside the arrays: chunks being packed, its caches, what else a file says."""


def write_scan(scan: Scan, path: Path) -> None:
    """Write a scan: counts as stored, mask (0 is good), geometry, metadata; the layout is CXI 1.4 and NeXus at once."""
    counts = np.asarray(scan.counts)

    def fill(file: h5py.File) -> None:
        entry = _entry(file, scan.name, default="data_1")
        instrument = nexus.group(entry, "instrument_1", "NXinstrument")
        detector = nexus.group(instrument, "detector_1", "NXdetector")
        detector.create_dataset("data", data=counts, **PACKED)
        if scan.mask is not None:
            detector.create_dataset("mask", data=scan.mask.astype(np.int8), **PACKED)
        if scan.geometry is not None:
            nexus.write_geometry(instrument, scan.geometry)
        data = nexus.group(entry, "data_1", "NXdata")
        data.attrs["signal"] = "data"
        data["data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        entry[nexus.METADATA] = json.dumps(scan.metadata, default=_plain)

    write_file(path, fill, counts.nbytes + counts.size)


def write_reconstruction(result: Reconstruction, path: Path, maps: Maps | None = None) -> None:
    """Write a reconstruction with everything that is needed to read it back whole, and to repeat it.

    `maps` stand beside the object, an image each, with a link of its name in the entry, as cdiutils has them.
    """

    def fill(file: h5py.File) -> None:
        entry = _entry(file, result.name, default="image_1")
        image = nexus.group(entry, "image_1", "NXdata")
        image.attrs["signal"] = "data"
        image.create_dataset("data", data=np.asarray(result.object, np.complex64), **PACKED)
        image.create_dataset("mask", data=np.asarray(result.support, np.int8), **PACKED)
        image["support"] = h5py.SoftLink("/entry_1/image_1/mask")
        image["data_type"], image["data_space"] = "electron density", "real"
        if result.voxel_size_nm is not None:
            image["image_size"] = np.multiply(result.voxel_size_nm, result.shape) * 1e-9
            image["image_size"].attrs["units"] = "m"
        instrument = nexus.group(entry, "instrument_1", "NXinstrument")
        image["instrument_1"] = h5py.SoftLink("/entry_1/instrument_1")
        if result.geometry is not None:
            nexus.write_geometry(instrument, result.geometry)
        if result.scan_geometry is not None:
            nexus.write_fields(instrument, "scan_geometry_1", result.scan_geometry)
        if result.good is not None:
            detector = nexus.group(instrument, "detector_1", "NXdetector")
            detector.create_dataset("mask", data=(~result.good).astype(np.int8), **PACKED)
        process = nexus.group(image, "process_1", "NXprocess")
        _write_process(process, result)
        if result.trust is not None:
            _write_trust(nexus.group(process, "trust", "NXcollection"), result.trust)
        if result.shells is not None:
            group = nexus.group(process, "shells", "NXcollection")
            for key, value in vars(result.shells).items():
                group[key] = value
        if result.metadata:
            entry[nexus.METADATA] = json.dumps(result.metadata, default=_plain)
        data = nexus.group(entry, "data_1", "NXdata")
        data.attrs["signal"] = "data"
        data["data"] = h5py.SoftLink("/entry_1/image_1/data")
        if maps is not None:
            _write_maps(entry, maps)

    size = 10 * result.object.size + (0 if maps is None else maps.nbytes)
    if result.trust is not None:
        kept = result.trust.objects
        size += 4 * len(TRUST_MAPS) * result.object.size + (0 if kept is None else kept.nbytes)
    write_file(path, fill, size)


def _write_maps(entry: h5py.Group, maps: Maps) -> None:
    """Write real maps as images 2, 3, … in direct space, and the grid that they are on."""
    real = {name: each for name, each in maps.volumes.items() if each.values.dtype.kind != "c"}
    for number, (name, each) in enumerate(real.items(), start=2):
        image = nexus.group(entry, f"image_{number}", "NXdata")
        image.attrs["signal"], image.attrs["interpretation"] = "data", "image"
        values = each.values.astype(np.int8) if each.values.dtype == bool else each.values
        data = image.create_dataset("data", data=values, **PACKED)
        data.attrs["units"], data.attrs["long_name"] = each.unit, each.meaning
        image["title"], image["data_space"], image["data_type"] = name, "real", each.meaning
        if maps.unit == "nm":
            image["image_size"] = np.multiply(maps.voxel_size, maps.shape) * 1e-9
        entry[name] = h5py.SoftLink(f"/entry_1/image_{number}")
    grid = nexus.group(entry, "result_1", "NXcollection")
    grid["description"] = (
        f"grid of the maps beside the object: axes {', '.join(maps.axes)}, the crystal's centre at shape // 2"
    )
    grid["voxel_size"], grid["units"] = maps.voxel_size, maps.unit
    for key in ("q_bragg_per_nm", "threshold", "frame"):
        if maps.about.get(key) is not None:
            grid[key] = maps.about[key]


def _write_process(process: h5py.Group, result: Reconstruction) -> None:
    process["program"], process["version"] = PROGRAM, full_version()
    process["command"] = shlex.join(sys.argv)
    process.create_dataset("notes", data=np.array(result.notes, h5py.string_dtype()))
    configuration = nexus.group(process, "configuration", "NXcollection")
    configuration["recipe"] = result.recipe_json()
    configuration["iobs_shape"] = result.phased_shape or result.shape
    if result.scan_shape is not None:
        configuration["scan_shape"] = result.scan_shape
    configuration["seed"] = result.seed
    configuration["source"], configuration["device"] = result.source, result.device
    configuration["backend"] = result.backend
    configuration["verdict"] = result.verdict
    if result.origin is not None:
        configuration["origin"] = json.dumps(asdict(result.origin), default=_plain)
    if result.starred:
        configuration["starred"] = 1
    if result.remark:
        configuration["remark"] = one_line(result.remark)
    if result.called:
        configuration["called"] = one_line(result.called)
    if result.shown:
        configuration["shown"] = json.dumps(result.shown)
    if result.weights_sha256 is not None:
        configuration["weights_sha256"] = result.weights_sha256
    results = nexus.group(process, "results", "NXcollection")
    for key, figure in result.figures.items():
        results[key] = float(figure)
    more = nexus.group(process, "reconstruction", "NXcollection")
    more["iterations"], more["errors"] = result.iterations, result.errors
    more["coherence"], more["coherence_sigma_px"] = result.coherence.kind, result.coherence.sigma_px
    if result.coherence.lorentzian:
        more["coherence_lorentzian"] = result.coherence.lorentzian
    if any(result.coherence.correlations):
        more["coherence_correlations"] = result.coherence.correlations
    if result.coherence.kernel is not None:
        more["coherence_kernel"] = result.coherence.kernel
    more["background"] = result.background.kind
    more["background_photons_per_voxel"] = result.background.photons_per_voxel
    for key in ("voxel_steps_nm", "q_bragg_per_nm", "peak"):
        if (value := getattr(result, key)) is not None:
            more[key] = value
    tables: dict[str, Mapping[str, Any]] = {
        "seconds": result.seconds,
        "versions": result.versions,
        "used_sha256": result.used_sha256,
    }
    for name, values in tables.items():
        table = nexus.group(process, name, "NXcollection")
        for key, value in values.items():
            table[key] = value


def _write_trust(group: h5py.Group, trust: Trust) -> None:
    for name in TRUST_MAPS:
        group.create_dataset(name, data=getattr(trust, name), **PACKED)
    group["strain"].attrs["long_name"] = "strain along Q relative to the mean lattice"
    if trust.objects is not None:
        runs = group.create_dataset("objects", data=trust.objects, **PACKED)
        runs.attrs["long_name"] = "the kept runs, aligned, cropped about the centre of the object"
    group["unit"], group["runs"] = trust.unit, json.dumps(trust.runs)
    figures = nexus.group(group, "figures", "NXcollection")
    for key, figure in trust.figures.items():
        figures[key] = float(figure)
    for name in ("fsc", "prtf"):
        if (curve := getattr(trust, name)) is not None:
            inside = nexus.group(group, name, "NXcollection")
            for key, values in vars(curve).items():
                inside[key] = values


@register
class Cxi(Hdf5):
    """The layout of coherent X-ray imaging."""

    name, title, suffixes = "cxi", "CXI", (".cxi",)

    def matches(self, path: Path) -> bool:
        """Look for the version that the standard demands."""
        if not super().matches(path):
            return False
        with opened(path) as tree:
            return "cxi_version" in tree.root


def _entry(file: h5py.File, name: str, default: str) -> h5py.Group:
    file["cxi_version"] = 150
    file.attrs["creator"], file.attrs["default"] = PROGRAM, "entry_1"
    entry = nexus.group(file, "entry_1", "NXentry")
    entry.attrs["default"] = default
    entry["program_name"] = f"{PROGRAM} {full_version()}"
    entry["start_time"] = datetime.now(UTC).isoformat(timespec="seconds")
    nexus.group(entry, "sample_1", "NXsample")["name"] = name
    return entry


def _plain(value: Any) -> Any:
    """Return NumPy numbers and arrays, and paths, as JSON knows them."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def write_file(path: Path, fill: Callable[[h5py.File], None], size: int) -> None:
    """Make a file in memory, which costs as much as it will on the disk, and write it; see `in_memory`."""
    files.write(path, in_memory(fill, size))


def in_memory(fill: Callable[[h5py.File], None], size: int) -> memoryview:
    """Return the bytes of the HDF5 file that `fill` fills.

    HDF5 ends the process when a write fails under it, on a full disk as for want of memory, so that all it may need is asked
    for first: `size` is that of its arrays in bytes, before they are packed.
    """
    try:
        np.empty(2 * size + _SPARE_BYTES, np.uint8)  # untouched, this takes no memory
    except MemoryError:
        raise InputError(
            f"The file cannot be written: that takes up to {(2 * size + _SPARE_BYTES) / 2**30:.2g} GiB of memory; "
            "close other programs and write it again."
        ) from None
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        fill(file)
    return memory.getbuffer()

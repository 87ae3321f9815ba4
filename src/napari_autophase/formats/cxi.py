"""CXI files: scans as PyNX reads them, and reconstructions as PyNX writes them, with all that repeats ours beside.

The object is stored as `reconstruction` defines it: the detector sees ``fftshift(fftn(ifftshift(object)))``, which is also
PyNX's sign, so that the phase is −Q·u in both.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..recipe import Recipe
from ..reconstruction import Reconstruction
from ..scan import InputError, Scan
from . import nexus
from .common import Dataset
from .hdf5 import load, opened

PROGRAM = "napari-autophase"
_PACKED = {"compression": "gzip", "shuffle": True}


def write_scan(scan: Scan, path: Path) -> None:
    """Write a scan: counts as stored, mask (0 is good), geometry, metadata; the layout is CXI 1.4 and NeXus at once."""
    counts = np.asarray(scan.counts)

    def fill(file: h5py.File) -> None:
        entry = _entry(file, scan.name, default="data_1")
        instrument = nexus.group(entry, "instrument_1", "NXinstrument")
        detector = nexus.group(instrument, "detector_1", "NXdetector")
        detector.create_dataset("data", data=counts, **_PACKED)
        if scan.mask is not None:
            detector.create_dataset("mask", data=scan.mask.astype(np.int8), **_PACKED)
        if scan.geometry is not None:
            nexus.write_geometry(instrument, scan.geometry)
        data = nexus.group(entry, "data_1", "NXdata")
        data.attrs["signal"] = "data"
        data["data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        entry[nexus.METADATA] = json.dumps(scan.metadata, default=_plain)

    _write(path, fill)


def write_reconstruction(result: Reconstruction, path: Path) -> None:
    """Write a reconstruction with everything that is needed to read it back whole, and to repeat it."""

    def fill(file: h5py.File) -> None:
        entry = _entry(file, result.name, default="image_1")
        image = nexus.group(entry, "image_1", "NXdata")
        image.attrs["signal"] = "data"
        image.create_dataset("data", data=np.asarray(result.object, np.complex64), **_PACKED)
        image.create_dataset("mask", data=np.asarray(result.support, np.int8), **_PACKED)
        image["support"] = h5py.SoftLink("/entry_1/image_1/mask")
        image["data_type"], image["data_space"] = "electron density", "real"
        if result.voxel_size_nm is not None:
            image["image_size"] = np.multiply(result.voxel_size_nm, result.shape) * 1e-9
        instrument = nexus.group(entry, "instrument_1", "NXinstrument")
        image["instrument_1"] = h5py.SoftLink("/entry_1/instrument_1")
        if result.geometry is not None:
            nexus.write_geometry(instrument, result.geometry)
        _write_process(nexus.group(image, "process_1", "NXprocess"), result)
        data = nexus.group(entry, "data_1", "NXdata")
        data.attrs["signal"] = "data"
        data["data"] = h5py.SoftLink("/entry_1/image_1/data")

    _write(path, fill)


def _write_process(process: h5py.Group, result: Reconstruction) -> None:
    process["program"], process["version"] = PROGRAM, metadata.version(PROGRAM)
    process["command"] = shlex.join(sys.argv)
    process.create_dataset("notes", data=np.array(result.notes, h5py.string_dtype()))
    configuration = nexus.group(process, "configuration", "NXcollection")
    configuration["recipe"] = result.recipe.model_dump_json()
    configuration["iobs_shape"] = result.shape
    configuration["seed"] = result.seed
    configuration["source"], configuration["device"] = result.source, result.device
    if result.weights_sha256 is not None:
        configuration["weights_sha256"] = result.weights_sha256
    results = nexus.group(process, "results", "NXcollection")
    for key, figure in result.figures.items():
        results[key] = float(figure)
    more = nexus.group(process, "reconstruction", "NXcollection")
    more["iterations"], more["errors"] = result.iterations, result.errors
    for key in ("voxel_steps_nm", "q_bragg_per_nm", "peak"):
        if (value := getattr(result, key)) is not None:
            more[key] = value
    for name, values in (("seconds", result.seconds), ("versions", result.versions)):
        table = nexus.group(process, name, "NXcollection")
        for key, value in values.items():
            table[key] = value


def read_reconstruction(path: Path, dataset: Dataset) -> Reconstruction:
    """Read a reconstruction: all of it from our own files, what there is from PyNX's and others'.

    Raises
    ------
    InputError
        If the file is damaged, or `dataset` is not a complex volume.
    """
    if dataset.dtype.kind != "c" or not dataset.is_volume:
        raise InputError(f"{path}::{dataset.path} is not a complex volume; open it as a scan (read_scan).")
    found = load(path, dataset).astype(np.complex64, copy=False)
    with opened(path) as file:
        image = file[dataset.path].parent
        stored = next((image[name] for name in ("mask", "support") if name in image), None)
        support = None if stored is None else stored[()].reshape(stored.shape[-3:]) != 0
        if support is not None and support.shape != found.shape:
            raise InputError(
                f"{path}: the support has shape {support.shape} but the object {found.shape}; repair the file."
            )
        process = image.get("process_1")
        if (
            isinstance(process, h5py.Group)
            and nexus.scalar(process.get("program")) == PROGRAM
            and support is not None
        ):
            return _read_ours(file, process, found, support)
        return _read_foreign(path, file, dataset, found, support)


def _read_ours(
    file: h5py.File, process: h5py.Group, found: np.ndarray, support: np.ndarray
) -> Reconstruction:
    configuration, more = process["configuration"], process["reconstruction"]

    def table(name: str) -> dict[str, Any]:
        return {key: nexus.scalar(item) for key, item in process[name].items()}

    return Reconstruction(
        object=found,
        support=support,
        recipe=Recipe.from_json(nexus.scalar(configuration["recipe"])),
        figures=table("results"),
        errors=more["errors"][()],
        iterations=nexus.scalar(more["iterations"]),
        seconds=table("seconds"),
        geometry=nexus.read_geometry(file["entry_1"])[0],
        voxel_steps_nm=more["voxel_steps_nm"][()] if "voxel_steps_nm" in more else None,
        q_bragg_per_nm=more["q_bragg_per_nm"][()] if "q_bragg_per_nm" in more else None,
        peak=tuple(more["peak"][()].tolist()) if "peak" in more else None,
        name=nexus.scalar(file["entry_1/sample_1/name"]),
        source=nexus.scalar(configuration["source"]),
        device=nexus.scalar(configuration["device"]),
        weights_sha256=nexus.scalar(configuration.get("weights_sha256")),
        versions=table("versions"),
        notes=tuple(process["notes"].asstr()[()].tolist()),
    )


def _read_foreign(
    path: Path, file: h5py.File, dataset: Dataset, found: np.ndarray, support: np.ndarray | None
) -> Reconstruction:
    entry = nexus.entry_of(file, dataset.path)
    image = file[dataset.path].parent
    program = nexus.scalar(entry.get("program_name")) or "another program"
    pynx = program.startswith("PyNX")
    notes = [
        f"Written by {program}, " + ("whose Fourier sign is ours (fft: phase = −Q·u)." if pynx else
        "whose Fourier sign is not recorded: ours is assumed (fft: phase = −Q·u), otherwise conjugate the object.")
    ]  # fmt: skip
    if len(dataset.shape) == 4 and dataset.shape[0] > 1:
        notes.append(f"This is the first of {dataset.shape[0]} modes.")
    notes.append("The recipe is this program's default, not the one it was phased with.")
    threshold = Recipe().guess.threshold
    if support is None:
        amplitude = np.abs(found)
        support = amplitude > threshold * amplitude.max()
        notes.append(f"The file has no support: it is the amplitude above {threshold:g} of its maximum.")
    # PyNX keeps how it phased beside the object, or, in a file of modes, beside the analysis
    processes = [
        group for name in ("process_1", "process_2") if isinstance(group := image.get(name), h5py.Group)
    ]
    figures = {"chi2": float("nan"), "free_llk": float("nan")}
    iterations = 0
    for process in processes:
        phased = process.get("configuration/iobs_shape")
        if phased is not None and (shape := tuple(phased[()].tolist())) != found.shape:
            notes.append(
                f"The object is a cut from the phased grid of {' × '.join(map(str, shape))}, which sets its voxel size."
            )
        results = process.get("results", {})
        figures |= {key: nexus.scalar(item) for key, item in results.items()
                    if isinstance(item, h5py.Dataset) and not item.shape and item.dtype.kind == "f"}  # fmt: skip
        if "cycle_history" in results and "cycle" in (results["cycle_history"].dtype.names or ()):
            iterations = int(results["cycle_history"]["cycle"].max()) + 1
    geometry, about = nexus.read_geometry(entry)
    if geometry is None:
        notes.append(
            "The file holds no diffractometer angles: lengths are in voxels and the strain is relative."
        )
    return Reconstruction(
        object=found,
        support=support,
        recipe=Recipe(),
        figures=figures,
        iterations=iterations,
        geometry=geometry,
        name=about.get("sample") or path.stem,
        source=str(path),
        versions={program.partition(" ")[0]: program.partition(" ")[2]} if pynx else {},
        notes=tuple(notes),
    )


def _entry(file: h5py.File, name: str, default: str) -> h5py.Group:
    file["cxi_version"] = 150
    file.attrs["creator"], file.attrs["default"] = PROGRAM, "entry_1"
    entry = nexus.group(file, "entry_1", "NXentry")
    entry.attrs["default"] = default
    entry["program_name"] = f"{PROGRAM} {metadata.version(PROGRAM)}"
    entry["start_time"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
    nexus.group(entry, "sample_1", "NXsample")["name"] = name
    return entry


def _plain(value: Any) -> Any:
    """Return NumPy numbers and arrays, and paths, as JSON knows them."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def _write(path: Path, fill: Callable[[h5py.File], None]) -> None:
    """Write beside the target and rename at the end, so that no reader ever meets half a file.

    Raises
    ------
    InputError
        If the folder or the file may not be written; nothing is left behind.
    """
    path = path.resolve()  # through a link to the file itself
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(0, "it is write-protected")
        beside.open("xb").close()  # says plainly why not, which h5py does not
        with h5py.File(beside, "w") as file:
            fill(file)
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(beside, path)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be written ({reason}); choose another place.") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)

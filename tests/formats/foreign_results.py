"""What other programs write, made from one crystal whose displacement is known, each in its own convention."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

# a sheared grid (frames, rows, columns), nm; Q in 1/nm along x, y, z
STEPS = np.array([[0.4, 0.5, 7.1], [0.9, 7.4, -0.6], [8.0, 0.8, 0.7]])
Q = np.array([3.0, 24.0, -8.0])
ALONG = Q / np.linalg.norm(Q)
SHAPE = (28, 24, 26)
BEND = 4e-5
"""Strain per nm along Q: u = BEND·s²/2 with s = r·Q̂."""


def places(steps: np.ndarray = STEPS, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    index = np.indices(shape) - np.array(shape)[:, None, None, None] // 2
    return np.tensordot(steps, index, 1)


def amplitude(steps: np.ndarray = STEPS, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A lop-sided ball of about 60 nm."""
    x, y, z = places(steps, shape)
    depth = 1 - np.sqrt((x / 62) ** 2 + (y / 55) ** 2 + (z / 58) ** 2) - 0.12 * np.tanh((x + 2 * y) / 40)
    return 0.5 * (1 + np.tanh(15 * depth))


def displacement_nm(steps: np.ndarray = STEPS, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return BEND * np.tensordot(ALONG, places(steps, shape), 1) ** 2 / 2


def strain_along(steps: np.ndarray = STEPS, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return BEND * np.tensordot(ALONG, places(steps, shape), 1)


def ours() -> np.ndarray:
    """The object whose fft is the field at the detector: exp(−iQ·u)."""
    return (amplitude() * np.exp(-1j * np.linalg.norm(Q) * displacement_nm())).astype(np.complex64)


def pynx(path: Path, modes: bool = False) -> None:
    """As PyNX 2025 writes a run, or a file of modes; the object is ours."""
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 150
        entry = file.create_group("entry_1")
        entry["program_name"] = "PyNX 2025.1"
        image = entry.create_group("image_1")
        image["data"] = ours()[None] if modes else ours()
        image["process_1/configuration/iobs_shape"] = (60, 50, 40)
        image["process_1/results/free_llk_poisson"] = 0.5
        image["instrument_1/source_1/energy"] = 9.0 * 1.602176634e-16
        image["instrument_1/detector_1/distance"] = 0.5
        for axis in "xy":
            image[f"instrument_1/detector_1/{axis}_pixel_size"] = 55e-6
        if modes:
            entry["data_2/data"] = np.array([0.95, 0.04, 0.01], np.float32)
        else:
            image["mask"] = (amplitude() > 0.2).astype(np.int8)


def cohere(folder: Path) -> None:
    """Columns, rows, frames; the detector sees the ifft."""
    folder.mkdir(parents=True)
    np.save(folder / "image.npy", ours().conj().transpose())
    np.save(folder / "support.npy", (amplitude() > 0.2).astype(np.int8).transpose())
    (folder / "errors.txt").write_text("0.5\n0.25\n0.125\n", encoding="utf-8")


def cdiutils(path: Path, convention: str = "cxi") -> None:
    """An image for each quantity on the laboratory's grid; phase = +Q·u, Q in 1/Å, displacement in Å, strain in percent."""
    axes = {"cxi": "zyx", "xu": "zxy"}[convention]
    steps = np.zeros((3, 3))
    for column, (axis, size) in enumerate(zip(axes, (8.0, 7.0, 7.5), strict=True)):
        steps["xyz".index(axis), column] = size
    inside = np.where(amplitude(steps) > 0.3, 1.0, np.nan)
    phase = np.linalg.norm(Q) * displacement_nm(steps) * inside
    arrays = {
        "amplitude": amplitude(steps),
        "support": inside,
        "phase": phase,
        "displacement": phase / (np.linalg.norm(Q) / 10),
        "het_strain": 100 * strain_along(steps) * inside,
        "g_vector": np.array([Q["xyz".index(axis)] for axis in axes]) / 10,
    }
    with h5py.File(path, "w") as file:
        file["cxi_version"], file["creator"], file["version"] = 150, "CdiUtils", "0.2.0"
        entry = file.create_group("entry_1")
        entry.attrs["default"] = "data_1"
        entry["result_1/voxel_size"], entry["result_1/units"] = (8.0, 7.0, 7.5), "nm"
        entry["parameters_1/convention"], entry["parameters_1/hkl"] = convention, (1, 1, 1)
        for number, (name, array) in enumerate(arrays.items(), 1):
            image = entry.create_group(f"image_{number}")
            image.attrs["signal"], image.attrs["NX_class"] = "data", "NXdata"
            image["data"], image["title"], image["data_space"] = array, name, "Direct space"
            image["image_size"] = array.shape
            entry[name] = h5py.SoftLink(f"/entry_1/image_{number}")
            data = entry.create_group(f"data_{number}")
            data.attrs["signal"], data.attrs["NX_class"] = "data", "NXdata"
            data["data"] = h5py.SoftLink(f"/entry_1/image_{number}/data")


def bcdi(path: Path, inverted: bool = True) -> None:
    """Crystal frame, Q along y, 1/Å; as .npz with an object that only pickle opens, or as .h5."""
    steps = np.diag([6.0, 7.0, 8.0])[:, ::-1]
    _, y, _ = places(steps)
    u = BEND * y**2 / 2
    arrays = {
        "amp": amplitude(steps),
        "phase": (1 if inverted else -1) * np.linalg.norm(Q) * u,
        "bulk": (amplitude(steps) > 0.3).astype(int),
        "strain": (1 if inverted else -1) * BEND * y,
        "q_com": np.array([0.0, np.linalg.norm(Q) / 10, 0.0]),
        "voxel_sizes": np.array([8.0, 7.0, 6.0]),
    }
    words = f"beamline: ID01\ninvert_phase: {str(inverted).lower()}\nsdd: 0.5\n"
    if path.suffix == ".npz":
        np.savez_compressed(path, **arrays, detector=np.array({"a": 1}, dtype=object), params=words)
        return
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[f"output/{name}"] = array
        file["params/parameters"] = str({"invert_phase": inverted, "sdd": 0.5})

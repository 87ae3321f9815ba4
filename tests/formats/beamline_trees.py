"""Files as beamlines lay them out, written for the tests: a BLISS tree, and one file of each kind that holds motors.

The numbers are those of one platinum 111 rocking curve in eta or theta, the same for all; the layouts are in the docstrings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

FRAMES, ROWS, COLUMNS = 17, 24, 32
SHAPE = (FRAMES, ROWS, COLUMNS)


def counts(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A peak in the middle, with Poisson noise."""
    at = np.indices(shape) - np.reshape([n // 2 for n in shape], (-1, 1, 1, 1))
    return np.random.default_rng(seed).poisson(900 * np.exp(-np.sum(at**2, 0) / 12)).astype(np.uint32)


def scanned(middle: float, step: float, frames: int = FRAMES) -> np.ndarray:
    """Positions of a motor whose middle frame stands at `middle`."""
    return middle + step * (np.arange(frames) - frames // 2)


def put(file: h5py.Group, values: dict[str, Any], units: dict[str, str] | None = None) -> None:
    for path, value in values.items():
        file[path] = value
    for path, unit in (units or {}).items():
        file[path].attrs["units"] = unit


ID01_MOTORS = {"mu": 0.5, "phi": -2.0, "nu": 10.0, "delta": 35.0, "mononrj": 9.0}


def bliss(
    root: Path,
    datasets: int = 1,
    scans: int = 1,
    *,
    shape: tuple[int, int, int] = SHAPE,
    detector: str = "mpx1x4",
    virtual: bool = False,
    running: bool = False,
) -> Path:
    """Proposal (returned), collection, datasets, scans, detector files, by external links; see "A BLISS tree" of blisswriter.

    Scan s of dataset d has the counts of seed 10 d + s; a slow ``s.2`` stands beside each.
    """
    collection = root / "S1"
    collection.mkdir(parents=True, exist_ok=True)
    frames, rows, columns = shape
    with (
        h5py.File(root / "proposal.h5", "w") as proposal,
        h5py.File(collection / "exp_S1.h5", "w") as experiment,
    ):
        for d in range(1, datasets + 1):
            name = f"S1_{d:04d}"
            folder = collection / name
            folder.mkdir()
            with h5py.File(folder / f"{name}.h5", "w") as file:
                for s in range(1, scans + 1):
                    lima(folder, s, detector, counts(10 * d + s, shape))
                    scan = file.create_group(f"{s}.1")
                    scan.attrs["NX_class"] = "NXentry"
                    at = scanned(17.5, 0.01, frames)
                    put(
                        scan,
                        {
                            "title": f"ascan eta {at[0]:g} {at[-1]:g} {frames - 1} 1.0",
                            "start_time": f"2026-02-{d:02d}T10:{s % 60:02d}:00+01:00",
                            **({} if running else {"end_time": f"2026-02-{d:02d}T11:{s % 60:02d}:00+01:00"}),
                            **{f"instrument/positioners/{key}": value for key, value in ID01_MOTORS.items()},
                            "instrument/positioners/eta": at,
                            "instrument/positioners_start/eta": at[0],
                            f"instrument/{detector}/distance": 0.83,
                            f"instrument/{detector}/x_pixel_size": 55e-6,
                            f"instrument/{detector}/y_pixel_size": 55e-6,
                            f"instrument/{detector}/beam_center_x": 14.5,
                            f"instrument/{detector}/beam_center_y": 11.25,
                            f"instrument/{detector}/pixel_mask": dead(rows, columns),
                            "measurement/eta": h5py.SoftLink(f"/{s}.1/instrument/positioners/eta"),
                            "measurement/imon": np.full(frames, 1e5),
                            "measurement/roi1_max": np.linspace(5, 800 + s, frames),
                        },
                    )
                    source = f"scan{s:04d}/{detector}_0000.h5"
                    if virtual:
                        layout = h5py.VirtualLayout(shape, np.uint32)
                        layout[:] = h5py.VirtualSource(
                            source, f"/entry_0000/instrument/{detector}/data", shape
                        )
                        scan.create_virtual_dataset(f"instrument/{detector}/data", layout)
                    else:
                        scan[f"instrument/{detector}/data"] = h5py.ExternalLink(
                            source, f"/entry_0000/instrument/{detector}/data"
                        )
                    scan[f"measurement/{detector}"] = h5py.SoftLink(f"/{s}.1/instrument/{detector}/data")
                    slow = file.create_group(f"{s}.2")
                    put(slow, {"title": "slow", "measurement/temperature": np.full(3, 300.0)})
                    for above, where in ((experiment, ""), (proposal, "S1/")):
                        for part in (1, 2):
                            above[f"{name}_{s}.{part}"] = h5py.ExternalLink(
                                f"{where}{name}/{name}.h5", f"/{s}.{part}"
                            )
    return root / "proposal.h5"


def dead(rows: int, columns: int) -> np.ndarray:
    bad = np.zeros((rows, columns), np.uint8)
    bad[3, 4] = 1
    return bad


def lima(folder: Path, scan: int, detector: str, data: np.ndarray) -> Path:
    """The detector's own file."""
    path = folder / f"scan{scan:04d}" / f"{detector}_0000.h5"
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file[f"entry_0000/instrument/{detector}/data"] = data
        file["entry_0000/measurement/data"] = h5py.SoftLink(f"/entry_0000/instrument/{detector}/data")
    return path

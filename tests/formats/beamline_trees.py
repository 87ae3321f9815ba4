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


def sixs(path: Path, year: int) -> Path:
    """SIXS: the motors' names hold the hutch and the device; what was scanned is an actuator without a name."""
    position = {2019: "position_pre", 2022: "position"}[year]
    prefix = "com/SIXS/i14-c-cx1-ex-med-v-dif-group.1-"
    with h5py.File(path, "w") as file:
        put(
            file,
            {
                "com/scan_data/data_01" if year == 2022 else "com/scan_data/data_11": counts(),
                {2019: "com/scan_data/data_07", 2022: "com/scan_data/actuator_1_1"}[year]: scanned(
                    16.4, -0.008
                ),
                f"{prefix}beta/{position}": 0.3,
                f"{prefix}mu/{position}": 16.4,
                f"{prefix}gamma/{position}": 12.0,
                f"{prefix}delta/{position}": 33.0,
                "com/SIXS/i14-c-c02-op-mono/energy": 8.5,
                "com/scan_data/imon0": np.full(FRAMES, 3e4),
            },
        )
    return path


def cristal(path: Path, *, in_millionths: bool = False, energies: bool = False) -> Path:
    """CRISTAL: a group for each scan; old files have omega in millionths of a degree, and energy scans move delta along."""
    scale = 1e6 if in_millionths else 1.0
    energy = scanned(8.5, 0.002)
    delta = scanned(33.0, -0.009)
    actuators = {"actuator_1_1": scanned(16.4, 0.005) * scale}
    if energies:
        actuators = {"actuator_1_1": scanned(5.5, 0.001), "actuator_1_2": delta, "actuator_1_3": energy}
    with h5py.File(path, "w") as file:
        put(
            file,
            {
                "exp_0012/scan_config/name": "energy_scan" if energies else "rocking",
                "exp_0012/scan_data/data_06": counts(),
                "exp_0012/scan_data/data_04": np.full(FRAMES, 7e4),
                **{f"exp_0012/scan_data/{name}": values for name, values in actuators.items()},
                "exp_0012/CRISTAL/Diffractometer/I06-C-C07-EX-DIF-DELTA/position": np.array([33.0]),
                "exp_0012/CRISTAL/Diffractometer/i06-c-c07-ex-dif-gamma/position": np.array([12.0]),
                "exp_0012/CRISTAL/i06-c-c07-ex-mg_omega/position": np.array([16.4 * scale]),
                "exp_0012/CRISTAL/i06-c-c07-ex-mg_phi/position": np.array([1.25]),
                "exp_0012/CRISTAL/Monochromator/energy": np.array([8.5]),
            },
        )
    return path


def nanomax(path: Path, *, old: bool = False, detector: str = "merlin") -> Path:
    """NanoMAX: an entry with the scanned motor among what was measured, the others in a snapshot, the energy in eV."""
    snapshot = "entry/snapshot" if old else "entry/snapshots/pre_scan"
    frames = "entry/measurement/Merlin/data" if old else f"entry/measurement/{detector}/frames"
    with h5py.File(path, "w") as file:
        put(
            file,
            {
                frames: counts(),
                "entry/description": "dscan gontheta -0.08 0.08 16 1",
                "entry/measurement/gontheta": scanned(16.4, 0.01),
                "entry/measurement/alba2/1": np.full(FRAMES, 2e4),
                f"{snapshot}/gontheta": 16.4,
                f"{snapshot}/gonphi": 3.0,
                f"{snapshot}/gamma": 12.0,
                f"{snapshot}/delta": 33.0,
                f"{snapshot}/energy": 8500.0,
            },
        )
    return path


def id27(path: Path) -> Path:
    """ID27: one circle, a detector that translates, and a calibrated wavelength in Å."""
    with h5py.File(path, "w") as file:
        put(
            file,
            {
                "S1_7.1/title": "ascan nath 2.92 3.08 16 1",
                "S1_7.1/start_time": "2026-03-01T10:00:00+01:00",
                "S1_7.1/end_time": "2026-03-01T10:10:00+01:00",
                "S1_7.1/measurement/eiger": counts(),
                "S1_7.1/instrument/positioners/nath": scanned(3.0, 0.01),
                **{f"S1_7.1/instrument/positioners/eig{axis}": 1.5 for axis in "xyz"},
                "S1_7.1/instrument/calibration/wavelength": 0.3738,
            },
        )
    return path


def dxchange(path: Path) -> Path:
    """20-ID-E: DXchange with the groups of the control system beside it."""
    with h5py.File(path, "w") as file:
        put(
            file,
            {
                "exchange/data": counts(),
                "exchange/data_white": counts(1)[:1],
                "exchange/theta": scanned(3.0, 0.01),
                "SMS/E/HR/samRy": 3.0,
                "DMS/DetX": 12.0,
                "DMS/DetY": -4.0,
                "DMS/DetZ": 1500.0,
                "HEM/Energy": 10.0,
            },
        )
    return path


def eiger(folder: Path, parts: int = 2) -> Path:
    """A Dectris master and its data files; without motors."""
    data = counts()
    data[:, 3, 4] = 2**32 - 1
    with h5py.File(folder / "s_master.h5", "w") as file:
        for part, block in enumerate(np.array_split(data, parts), 1):
            with h5py.File(folder / f"s_data_{part:06d}.h5", "w") as own:
                own["entry/data/data"] = block
            file[f"entry/data/data_{part:06d}"] = h5py.ExternalLink(
                f"s_data_{part:06d}.h5", "/entry/data/data"
            )
        put(
            file,
            {
                "entry/instrument/beam/incident_wavelength": 1.2398,
                "entry/instrument/detector/detector_distance": 1.84,
                "entry/instrument/detector/x_pixel_size": 75e-6,
                "entry/instrument/detector/y_pixel_size": 75e-6,
                "entry/instrument/detector/beam_center_x": 20.5,
                "entry/instrument/detector/beam_center_y": 9.0,
                "entry/instrument/detector/detectorSpecific/pixel_mask": dead(ROWS, COLUMNS),
                "entry/instrument/detector/detectorSpecific/photon_energy": 10000.0,
            },
            {
                "entry/instrument/beam/incident_wavelength": "angstrom",
                "entry/instrument/detector/detector_distance": "m",
                "entry/instrument/detector/x_pixel_size": "m",
                "entry/instrument/detector/y_pixel_size": "m",
                "entry/instrument/detector/beam_center_x": "pixel",
                "entry/instrument/detector/beam_center_y": "pixel",
                "entry/instrument/detector/detectorSpecific/photon_energy": "eV",
            },
        )
        for group, kind in (("entry", "NXentry"), ("entry/instrument", "NXinstrument"), ("entry/instrument/beam", "NXbeam"),
                            ("entry/instrument/detector", "NXdetector"), ("entry/data", "NXdata"),
                            ("entry/instrument/detector/detectorSpecific", "NXcollection")):  # fmt: skip
            file[group].attrs["NX_class"] = kind
    return folder / "s_master.h5"

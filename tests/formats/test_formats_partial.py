"""Scans of which something is not there, or not yet: what is left is right, and a person is told what is missing."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from beamline_trees import FRAMES, SHAPE, bliss, counts, dxchange, id27, nanomax, scanned, sixs
from written_logs import fio, spec_header, spec_scan, tiffs

from napari_autophase import cli, formats
from napari_autophase.scan import InputError, Scan

PARAMETERS = {"mu": 0.0, "om": 15.0, "chi": 90.0, "phi": 2.0, "gam": 1.5, "del": 33.0, "fmbenergy": 8700.0,
              "_distance": 1830.0, "_ccd": "e500"}  # fmt: skip
MOTORS_28 = {"mu": 0.1, "eta": 15.0, "chi": 1.0, "phi": 2.0, "nu": 3.0, "delta": 31.0, "camdist": 900.0,
             "INIT_MOPO_Energy": 10.2}  # fmt: skip
MOTORS_34 = {
    "Theta": 0.5,
    "Chi": 90.0,
    "Phi": 1.0,
    "Delta": 30.0,
    "Gamma": 10.0,
    "camdist": 500.0,
    "Energy": 9.0,
}


def is_said(scan: Scan, *words: str) -> bool:
    """Whether one note has all these words."""
    return any(all(word in note for word in words) for note in scan.notes)


def p10(root: Path, recorded: int = FRAMES, monitor: np.ndarray | None = None) -> Path:
    """A master with two data files, and a fio file around it in which so many of the points stand."""
    detector = root / "gold_00031/e500"
    detector.mkdir(parents=True)
    light = np.full(FRAMES, 100.0) if monitor is None else monitor
    columns = {"om": scanned(15.08, 0.01)[:recorded], "ipetra": light[:recorded]}
    command = f"ascan om 15 15.16 {FRAMES - 1} 1"
    fio(detector.parent / "gold_00031.fio", command, PARAMETERS, columns, ended=False)
    with h5py.File(detector / "gold_00031_master.h5", "w") as master:
        for part, frames in enumerate(np.split(counts(), [16]), 1):
            name = f"gold_00031_data_{part:06d}.h5"
            with h5py.File(detector / name, "w") as file:
                file["entry/data/data"] = frames
            master[f"entry/data/data_{part:06d}"] = h5py.ExternalLink(name, "/entry/data/data")
    return detector / "gold_00031_master.h5"


def test_frames_that_are_ahead_of_their_log_keep_its_geometry(tmp_path):
    """Logs are written less often than frames: what the command says of the others holds."""
    geometry = (scan := formats.read_scan(p10(tmp_path, recorded=FRAMES - 2))).geometry
    assert geometry is not None
    assert geometry.rocking_angles_deg == pytest.approx(tuple(scanned(15.08, 0.01)))
    assert is_said(scan, f"not complete: {FRAMES - 2} of {FRAMES} points")


def test_a_file_of_some_of_an_eigers_frames_names_the_master(tmp_path):
    master = p10(tmp_path)
    scan = formats.read_scan(master.with_name("gold_00031_data_000001.h5"))
    assert scan.shape == (16, *SHAPE[1:])
    assert is_said(scan, "some of the frames", "open gold_00031_master.h5")
    with pytest.raises(InputError, match=r"; open gold_00031_master\.h5\.$"):
        formats.read_scan(master.parent)


def test_a_beam_that_was_weaker_in_some_frames_is_said(tmp_path):
    steady, weak = np.linspace(90, 110, FRAMES), np.full(FRAMES, 100.0)
    weak[[4, 5]] = 50.0, 10.0
    assert not is_said(formats.read_scan(p10(tmp_path / "a", monitor=steady)), "weaker")
    assert not is_said(formats.read_scan(p10(tmp_path / "d", monitor=-1e-9 * steady)), "weaker"), "a current"
    dumped = np.where(np.arange(FRAMES) < FRAMES - 3, steady[::-1], 0.0)
    assert is_said(formats.read_scan(p10(tmp_path / "e", monitor=dumped)), f"weaker in 3 of {FRAMES}", "0%")
    scan = formats.read_scan(p10(tmp_path / "b", monitor=weak))
    assert is_said(scan, f"weaker in 2 of {FRAMES} frames", "in frame 5 it had 10%")
    weak[3:] = 0.0  # lost for most of the scan
    scan = formats.read_scan(p10(tmp_path / "c", monitor=weak))
    assert is_said(scan, f"weaker in {FRAMES - 3} of {FRAMES} frames", "it had 0%")


@pytest.mark.parametrize(
    ("points", "asked", "is_its_own"), [(15, 17, True), (15, 15, False), (30, 30, False)]
)
def test_a_log_of_other_points_is_not_taken_and_that_is_said(tmp_path, points, asked, is_its_own):
    table = {"eta": 15 + 0.01 * np.arange(points)}
    command = f"ascan eta 15 {15 + 0.01 * (asked - 1):g} {asked - 1} 1"
    (tmp_path / "run.spec").write_text(spec_header(MOTORS_28) + spec_scan(8, command, MOTORS_28, table))
    with h5py.File(tmp_path / "run_S8.h5", "w") as file:
        file["entry/data/data"] = counts()
    scan = formats.read_scan(tmp_path / "run_S8.h5")
    assert (scan.metadata.get("beamline") == "28-ID-B") is is_its_own
    not_taken = f"scan 8 of run.spec has {points} points, and run_S8.h5 {FRAMES} frames"
    assert is_said(scan, not_taken, "--spec run.spec") is not is_its_own


def test_a_scan_whose_log_is_nowhere_says_so(tmp_path):
    scan = formats.read_scan(tiffs(tmp_path / "gold_S0054", counts()))
    assert is_said(scan, "No SPEC or fio file", "motors of scan 54 are not known", "--spec FILE")


def test_a_calibrated_beam_on_an_unknown_part_of_the_detector_is_said_not_to_be_used(tmp_path):
    motors = {"mu": 0.0, "eta": 10.0, "phi": 1.0, "nu": 0.0, "del": 33.0, "nrj": 8.5}
    table = {"eta": scanned(10.0, 0.01), "mpx4inr": np.arange(FRAMES)}
    line = "#UDETCALIB cen_pix_x=250.5,cen_pix_y=80,det_distance_COM=1.05"
    command = f"ascan eta 9.92 10.08 {FRAMES - 1} 1"
    (tmp_path / "align.spec").write_text(spec_header(motors) + spec_scan(17, command, motors, table, [line]))
    tiffs(tmp_path / "align_S17", counts())
    scan = formats.read_scan(tmp_path / "align_S17")
    assert scan.geometry is not None
    assert scan.geometry.direct_beam_pixel is None
    assert is_said(scan, "direct beam's pixel 80, 250.5", "--roi says where")
    placed = formats.read_scan(tmp_path / "align_S17", roi=(60, 84, 240, 272)).geometry
    assert placed is not None
    assert placed.direct_beam_pixel == (20.0, 10.5)


@pytest.mark.parametrize(
    ("write", "lost", "says"),
    [
        (lambda path: sixs(path, 2022), "com/SIXS/i14-c-cx1-ex-med-v-dif-group.1-delta", "delta"),
        (lambda path: sixs(path, 2019), "com/SIXS/i14-c-cx1-ex-med-v-dif-group.1-delta", "delta"),
        (dxchange, "SMS", "samRy"),
        (dxchange, "DMS/DetZ", "distance_m"),
    ],
)
def test_what_told_a_beamline_may_be_missing(tmp_path, write, lost, says):
    """The others of its motors, or where its energy stands, tell it then; what is missing is named."""
    path = write(tmp_path / "scan_0012.h5")
    place = formats.read_scan(path).metadata["beamline"]
    with h5py.File(path, "r+") as file:
        del file[lost]
    scan = formats.read_scan(path)
    assert scan.metadata["beamline"] == place
    assert scan.geometry is None
    assert is_said(scan, says)


@pytest.mark.parametrize(
    ("write", "motor", "command", "angles"),
    [
        (nanomax, "gontheta", f"ascan gontheta 16.32 16.48 {FRAMES - 1} 1", scanned(16.4, 0.01)),
        (id27, "nath", f"fscan nath 1 0.02 {FRAMES} 0.5", 1 + 0.02 * np.arange(FRAMES)),
    ],
)
def test_a_motor_of_which_nothing_was_recorded_moved_as_commanded(tmp_path, write, motor, command, angles):
    path = write(tmp_path / "000123.h5")
    with h5py.File(path, "r+") as file:
        recorded = []
        file.visititems(lambda name, _: recorded.append(name) if name.endswith(f"/{motor}") else None)
        for name in recorded:
            del file[name]
        group = next(iter(file.values()))
        file[recorded[-1]] = float(angles[0])
        where = "description" if write is nanomax else "title"
        if where in group:
            del group[where]
        group[where] = command
    scan = formats.read_scan(path)
    known = scan.metadata if scan.geometry is None else vars(scan.geometry)
    assert tuple(known["rocking_angles_deg"]) == pytest.approx(tuple(angles))
    assert is_said(scan, f"Where {motor} stood is not known frame by frame", command)


def test_fields_beside_the_frames_are_named(tmp_path):
    path = dxchange(tmp_path / "S1_0012.h5")
    assert is_said(formats.read_scan(path), "white field", "--white S1_0012.h5::/exchange/data_white")


def test_a_group_without_frames_and_frames_that_are_gone(tmp_path):
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        del file["1.2/measurement/temperature"]
    with pytest.raises(InputError, match=r"S1_0001\.h5::/1\.2 holds no numeric array"):
        formats.read_scan(f"{path}::1.2")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/detector/pixel_mask"] = np.zeros((24, 32), np.uint8)
    with pytest.raises(
        InputError, match=r"holds no frames but /entry/detector/pixel_mask .*open the file that has"
    ):
        formats.read_scan(tmp_path / "a.h5")


def test_a_spec_file_is_a_list_of_its_scans(tmp_path, capsys):
    """With and without frames, and one of which most are gone; nothing but the log and names of files is looked at."""
    table = {"theta": scanned(0.5, 0.01)}
    command = f"ascan th 0.42 0.58 {FRAMES - 1} 1"
    scans = [spec_scan(number, command, MOTORS_34, table) for number in (3, 4, 5)]
    (tmp_path / "run.spec").write_text(spec_header(MOTORS_34) + "".join(scans))
    for number in (3, 5):
        folder = tmp_path / f"run_S{number:04d}"
        folder.mkdir()
        for frame in range(FRAMES):
            (folder / f"run_S{number:04d}_{frame:05d}.tif").write_bytes(b"")
    found = formats.scans(tmp_path / "run.spec")
    assert [(each.path, each.has_frames, each.points) for each in found] == [
        ("3", True, FRAMES), ("4", False, FRAMES), ("5", True, FRAMES),
    ]  # fmt: skip
    assert found[0].started == "2020-02-04T12:28:23"
    assert cli.main(["info", str(tmp_path / "run.spec")]) == 0
    table_lines = capsys.readouterr().out.splitlines()
    assert len(table_lines) == 4
    assert table_lines[1].split()[0] == "3"
    assert table_lines[1].endswith(command)


def test_a_number_in_a_unit_that_is_not_known_is_not_used(tmp_path):
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        file["1.1/instrument/mpx1x4/distance"].attrs["units"] = "furlong"
    scan = formats.read_scan(path)
    assert scan.geometry is None
    assert "distance_m" not in scan.metadata
    assert is_said(
        scan, "instrument/mpx1x4/distance has a unit that is not known here, 'furlong': it is not used"
    )


def test_a_rocking_motor_in_a_unit_that_is_not_known_is_said_to_rock(tmp_path):
    """The command turns eta: that it turns no circle would send a person to look in the wrong place."""
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        file["1.1/instrument/positioners/eta"].attrs["units"] = "furlong"
    scan = formats.read_scan(path)
    assert scan.geometry is None
    assert is_said(scan, "positioners/eta has a unit that is not known here, 'furlong': it is not used")
    assert is_said(scan, "turns eta, but where that stood is not known: say the step with --set geometry")
    assert not is_said(scan, "turns none of the sample's circles")


def test_frames_ahead_of_a_motor_in_another_unit_go_on_in_it(tmp_path):
    """Radians that were recorded of the first points, degrees of the command, and a step of hundredths of a degree."""
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        motors, recorded = file["1.1/instrument/positioners"], file["1.1/measurement"]
        del motors["eta"], recorded["eta"], recorded["imon"], recorded["roi1_max"]
        motors["eta"] = np.radians(scanned(17.5, 0.01)[:-2])
        motors["eta"].attrs["units"] = "rad"
        recorded["imon"] = np.full(FRAMES - 2, 1e5)
    geometry = formats.read_scan(path).geometry
    assert geometry is not None
    assert geometry.rocking_angles_deg == pytest.approx(tuple(scanned(17.5, 0.01)))

"""Raw data of beamlines that keep frames and a log apart, in the documented layouts: what is read of each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
import tifffile
from written_logs import counts, fio, spec_header, spec_scan, tiffs

from napari_autophase import formats
from napari_autophase.geometry import beamlines, find_beamline
from napari_autophase.scan import Geometry, InputError, Scan

THETA = np.linspace(-0.1, 0.28, 20)
MOTORS_34 = {
    "Delta": 32.174, "Theta": 0.22, "Chi": 90.0, "Phi": -5.0, "Mu": 0.0, "Gamma": 12.6346, "z-sample": 10.2, "camdist": 500.0,
    "IDEnergy": 9.198, "Energy": 9.0,
}  # fmt: skip
SHORT_34 = dict(
    zip(MOTORS_34, ["del", "th", "chi", "phi", "mu", "gam", "z", "cam", "iden", "en"], strict=True)
)


def write_34(folder: Path, stack: np.ndarray, region: tuple[int, int, int, int], **changes) -> Path:
    """A scan of 34-ID-C; `region`: first column, columns, first row, rows, as the control system writes them."""
    motors = changes.get("motors", MOTORS_34)
    command = changes.get("command", f"ascan  th {THETA[0]} {THETA[-1]}  {len(THETA) - 1} 0.25")
    table = {"Theta": THETA, "Epoch": np.arange(20.0), "Monitor": 1000.0 + np.arange(20)}
    table |= changes.get("table", {})
    lines = [f"#UIMDET {changes.get('detector', '34idcTIM2')}:", f"#UIMR5  {' '.join(map(str, region))} 1"]
    folder.mkdir(parents=True, exist_ok=True)
    short = {name: SHORT_34[name] for name in motors} if changes.get("short", True) else None
    text = spec_header(motors, short) + spec_scan(53, "ct 1", motors, {"Monitor": [1.0]})
    (folder / "Staff20-1a.spec").write_text(text + spec_scan(54, command, motors, table, lines))
    return tiffs(folder / "run" / "Staff20-1a_S0054", stack, "Staff20-1a_S0054_{:05d}.tif")


# 34-ID-C: TIFF frames and SPEC -------------------------------------------------------------------------------------------


def test_34_id_c_frames_motors_energy_distance_pixels_direct_beam(tmp_path):
    """Columns 100 to 163 and rows 30 to 77 were read out, in that order in the log; the beam is on 256, 256."""
    stack = counts((20, 48, 64))
    scan = formats.read_scan(write_34(tmp_path, stack, (100, 64, 30, 48)))
    geometry = scan.geometry
    np.testing.assert_array_equal(scan.counts, stack)
    assert (geometry.beamline, geometry.detector) == ("34-ID-C", "34idcTIM2")
    assert geometry.energy_kev == 9
    assert geometry.distance_m == 0.5
    assert geometry.pixel_size_um == (55, 55)
    assert geometry.direct_beam_pixel == (226, 156)
    assert geometry.detector_angles_deg == (32.174, 12.6346)
    assert geometry.sample_angles_deg == pytest.approx((THETA[10], 90, -5))
    assert geometry.rocking_circle == 0
    assert geometry.rocking_step_deg == pytest.approx(0.02)
    assert geometry.rocking_angles_deg == pytest.approx(tuple(THETA))
    assert (geometry.sample_circles, geometry.detector_circles) == (("y+", "z-", "y+"), ("y+", "x-"))
    assert scan.metadata["monitor"] == [1000.0 + index for index in range(20)]
    assert scan.metadata["command"] == "ascan th -0.1 0.28 19 0.25"
    assert any("complete: 20 of 20 points" in note for note in scan.notes)
    assert any("row 256, column 256" in note for note in scan.notes)


def test_34_id_c_a_region_that_the_detector_does_not_have_is_said(tmp_path):
    """Columns 480 to 543 of 512: the direct beam would lie on a place that does not exist."""
    scan = formats.read_scan(write_34(tmp_path, counts((20, 48, 64)), (480, 64, 30, 48)))
    assert scan.geometry is None
    assert any("columns 480 to 543 were read out, but 34idcTIM2 has 512 × 512" in note for note in scan.notes)


def test_34_id_c_mask(tmp_path):
    """Columns 255 and 256 are dead above row 255 on TIM2; TIM1 has none."""
    scan = formats.read_scan(write_34(tmp_path / "a", counts((20, 32, 64)), (192, 64, 224, 32)))
    assert scan.mask.shape == (20, 32, 64)
    assert not scan.mask[:, :, :63].any()
    assert scan.mask[:, :31, 63].all()
    assert not scan.mask[:, 31, 63].any()
    assert any("Masked 31 pixels" in note for note in scan.notes)
    whole = formats.read_scan(
        write_34(tmp_path / "b", counts((20, 32, 32)), (0, 32, 0, 32), detector="34idcTIM1")
    )
    assert whole.mask is None
    assert whole.geometry.detector == "34idcTIM1"
    assert whole.geometry.direct_beam_pixel == (128, 128)


@pytest.mark.parametrize(
    ("folder", "others", "says"),
    [
        ("best scan", 5, ""),
        (
            "Staff20-1a_S0055",
            5,
            "is called after scan 55, and its files (Staff20-1a_S0054_…) after scan 54: scan 54 is taken",
        ),
        ("Staff20-1a_S0055", 20, "and both have 20 points: which it is"),
        (
            "Staff20-1a_S0099",
            5,
            "after scan 99, and its files (Staff20-1a_S0054_…) after scan 54: scan 54 is taken",
        ),
    ],
)
def test_34_id_c_a_folder_that_was_called_otherwise_than_its_frames(tmp_path, folder, others, says):
    """The control system calls folder and frames after the scan; people rename folders."""
    path = write_34(tmp_path, counts((20, 48, 64)), (100, 64, 30, 48))
    log = tmp_path / "Staff20-1a.spec"
    other = {"Theta": np.linspace(3, 4, others), "Monitor": np.ones(others)}
    command = f"ascan th 3 4 {others - 1} 1"
    log.write_text(log.read_text() + spec_scan(55, command, {**MOTORS_34, "Delta": 20.0}, other))
    scan = formats.read_scan(path.rename(path.with_name(folder)))
    if others == 20:
        assert scan.geometry is None
    else:
        assert scan.geometry is not None
        assert scan.geometry.detector_angles_deg == (32.174, 12.6346)
    assert any(says in note for note in scan.notes)


def test_34_id_c_a_mesh_is_no_rocking_curve(tmp_path):
    path = write_34(tmp_path, counts((20, 48, 64)), (100, 64, 30, 48), command="mesh th 0 1 3 phi 0 1 4 1")
    assert any("goes over a grid of two motors" in note for note in formats.read_scan(path).notes)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Monitor", "the beam was weaker in 10 of 20 frames (in frame 10 it had 10%"),
        ("filter2", "filter2 of Staff20-1a.spec changed within the scan, from 100 to 1000"),
        ("Seconds", "Seconds of Staff20-1a.spec changed within the scan"),
        ("Sample_Z", ""),
    ],
)
def test_34_id_c_light_that_changed_in_the_middle_of_a_scan_is_said(tmp_path, name, says):
    """Half of the frames have a tenth of the others' light: what is usual is not in the middle of all."""
    changed = np.where(np.arange(20) < 10, 1000.0, 100.0)
    table = {"Monitor": np.full(20, 1e3), name: changed}
    notes = formats.read_scan(write_34(tmp_path, counts((20, 48, 64)), (100, 64, 30, 48), table=table)).notes
    assert any(says in note for note in notes)
    assert any("taken as they are" in note for note in notes) == bool(says)


@pytest.mark.parametrize("usual", [0.0, 0.5])
def test_34_id_c_the_noise_of_what_reads_an_attenuator_is_no_change(tmp_path, usual):
    read = usual + np.random.default_rng(1).normal(0, 0.03, 20)
    table = {"Monitor": np.full(20, 1e3), "transm": read}
    notes = formats.read_scan(write_34(tmp_path, counts((20, 48, 64)), (100, 64, 30, 48), table=table)).notes
    assert not any("changed within the scan" in note for note in notes)


def test_34_id_c_seam(tmp_path):
    """A region across the chips gets 5 rows and 4 columns, masked; the beam, on the seam, meets its middle."""
    stack = counts((20, 40, 48))
    scan = formats.read_scan(write_34(tmp_path, stack, (240, 48, 236, 40)))
    assert scan.shape == (20, 45, 52)
    np.testing.assert_array_equal(scan.counts[:, :20, :16], stack[:, :20, :16])
    np.testing.assert_array_equal(scan.counts[:, 25:, 20:], stack[:, 20:, 16:])
    assert scan.mask[:, 20:25].all()
    assert scan.mask[:, :, 16:20].all()
    assert scan.geometry.direct_beam_pixel == (20 + 2.5, 16 + 2)
    assert any("5 rows at 20 and 4 columns at 16" in note for note in scan.notes)
    rows = formats.read_scan(write_34(tmp_path / "rows", stack, (0, 48, 236, 40)))
    assert rows.shape == (20, 45, 48)
    assert rows.geometry.direct_beam_pixel == (22.5, 256)


def test_34_id_c_fields_and_mask_of_the_whole_detector(tmp_path):
    """They are cut to the region read out before the seam is put in."""
    rng = np.random.default_rng(3)
    region = (100, 64, 30, 48)
    white = rng.integers(500, 1500, (512, 512)).astype("f4")
    dark = np.zeros((512, 512), "f4")
    dark[40, 120] = 90
    mask = np.zeros((512, 512), "u1")
    mask[31, 102] = 1
    folder = write_34(tmp_path, counts((20, 48, 64)), region)
    for name, field in (("dark", dark), ("white", white), ("mask", mask)):
        tifffile.imwrite(tmp_path / f"{name}.tif", field)
    scan = formats.read_scan(
        folder, dark=tmp_path / "dark.tif", white=tmp_path / "white.tif", mask=tmp_path / "mask.tif"
    )
    part = white[30:78, 100:164]
    mean = np.delete(part.ravel(), 0).mean()
    expected = counts((20, 48, 64)) * (part.mean() / part)
    expected[:, 10, 20] = 0
    np.testing.assert_allclose(scan.counts, expected, rtol=2e-3)
    assert mean > 0
    assert scan.mask[:, 10, 20].all()
    assert scan.mask[:, 1, 2].all()
    assert scan.mask[0].sum() == 2


def test_34_id_c_turned(tmp_path):
    """What is known of the detector turns with the frames: seam, gaps, fields and masks of the whole, and the direct beam."""
    rng = np.random.default_rng(3)
    folder = write_34(tmp_path, counts((20, 40, 48)), (240, 48, 236, 40))
    mask = np.zeros((512, 512), "u1")
    mask[238, 281:284] = 1
    fields = {"dark": np.zeros((512, 512), "f4"), "white": rng.integers(500, 1500, (512, 512)), "mask": mask}
    upright = formats.read_scan(folder, **fields)
    turned = formats.read_scan(folder, axes=(0, 2, 1), **fields)
    np.testing.assert_array_equal(turned.counts, upright.counts.swapaxes(1, 2))
    np.testing.assert_array_equal(turned.mask, upright.mask.swapaxes(1, 2))
    assert turned.geometry == upright.geometry.transposed()
    placed = formats.read_scan(folder, axes=(0, 2, 1), roi=(240, 288, 236, 276), **fields)
    np.testing.assert_array_equal(placed.counts, turned.counts)
    np.testing.assert_array_equal(placed.mask, turned.mask)


def test_34_id_c_when_things_are_missing(tmp_path):
    without = {name: value for name, value in MOTORS_34.items() if name != "Gamma"}
    scan = formats.read_scan(write_34(tmp_path / "a", counts((20, 32, 32)), (0, 32, 0, 32), motors=without))
    assert scan.geometry is None
    assert any("--beamline" in note for note in scan.notes)
    said = formats.read_scan(tmp_path / "a/run/Staff20-1a_S0054", beamline="34idc")
    assert said.geometry is None
    assert any("does not say where gamma stood" in note for note in said.notes)
    assert any("lacks detector_angles_deg" in note for note in said.notes)
    assert said.metadata["energy_kev"] == 9

    wrong = formats.read_scan(
        write_34(tmp_path / "b", counts((20, 32, 32)), (0, 32, 0, 32), motors={**MOTORS_34, "Energy": 9000.0})
    )
    assert wrong.geometry is None
    assert any("9 keV, if the number is in eV?" in note for note in wrong.notes)

    cropped = formats.read_scan(write_34(tmp_path / "c", counts((20, 32, 32)), (0, 64, 0, 64)))
    assert cropped.geometry is None
    assert any("64 × 64 pixels were read out, but the frames have 32 × 32" in note for note in cropped.notes)
    assert any("lacks direct_beam_pixel" in note for note in cropped.notes)

    still = formats.read_scan(
        write_34(tmp_path / "d", counts((20, 32, 32)), (0, 32, 0, 32), command="ascan labx 0 1 19 1")
    )
    assert still.geometry is None
    assert any("turns none of the sample's circles (theta, chi, phi)" in note for note in still.notes)


def test_34_id_c_frames_that_do_not_match_the_points(tmp_path):
    """A frame that is lost keeps its place; one that the log does not know yet is counted on."""
    folder = write_34(tmp_path / "a", counts((20, 32, 32)), (0, 32, 0, 32))
    (folder / "Staff20-1a_S0054_00007.tif").unlink()
    scan = formats.read_scan(folder)
    assert scan.geometry.rocking_angles_deg == pytest.approx(tuple(THETA))
    np.testing.assert_array_equal(np.flatnonzero(scan.mask.all((1, 2))), [7])
    assert scan.geometry.sample_angles_deg[0] == pytest.approx(THETA[10])
    assert "Frame 7 is missing and masked." in scan.notes

    half = {"Theta": THETA[:12], "Epoch": np.arange(12.0), "Monitor": np.ones(12)}
    scan = formats.read_scan(write_34(tmp_path / "b", counts((20, 32, 32)), (0, 32, 0, 32), table=half))
    assert any(
        "not complete: 12 of 20 points (aborted, or still running); there are 20 frames" in n
        for n in scan.notes
    )
    assert scan.geometry.rocking_angles_deg == pytest.approx(tuple(THETA))


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize(
    ("lost", "said"), [((0, 1), "frames {0}, {1} are lost"), ((18, 19), "frames {0}, {1} are lost")]
)
def test_34_id_c_frames_lost_at_an_end_leave_the_others_their_angles(tmp_path, base, lost, said):
    folder = write_34(tmp_path, counts((20, 32, 32)), (0, 32, 0, 32))
    for path in sorted(folder.iterdir(), reverse=base == 1):
        number = int(path.stem[-5:])
        if number in lost:
            path.unlink()
        elif base:
            path.rename(folder / f"Staff20-1a_S0054_{number + 1:05d}.tif")
    scan = formats.read_scan(folder)
    kept = [angle for index, angle in enumerate(THETA) if index not in lost]
    assert scan.geometry.rocking_angles_deg == pytest.approx(tuple(kept))
    state = next(note for note in scan.notes if note.startswith("Scan 54"))
    assert "is not complete: 20 of 20 points; there are 18 frames" in state
    assert said.format(*(number + base for number in lost)) in state


@pytest.mark.parametrize(("points", "state"), [(24, "is not complete: 24 of 24"), (16, "has 16 of 16")])
def test_34_id_c_points_and_frames_that_do_not_match(tmp_path, points, state):
    theta = -0.1 + 0.02 * np.arange(points)
    table = {"Theta": theta, "Epoch": np.arange(points), "Monitor": np.ones(points)}
    command = f"ascan th {theta[0]} {theta[-1]} {points - 1} 1"
    folder = write_34(tmp_path, counts((20, 32, 32)), (0, 32, 0, 32), command=command, table=table)
    notes = formats.read_scan(folder).notes
    assert any(f"{state} points; there are 20 frames, which do not match" in note for note in notes)


UNEVEN = THETA + np.where(np.arange(20) > 8, 0.002, 0.0) * (np.arange(20) < 19)


@pytest.mark.parametrize(
    ("command", "column"),
    [
        (f"ascan th {THETA[0]} {THETA[-1]} 19 1", "Theta"),
        (f"dscan th {THETA[0] - 0.22} {THETA[-1] - 0.22} 19 1", "Theta"),
        (f"ascan th {THETA[0]} {THETA[-1]} 19 1", "Theta_encoder"),
    ],
)
def test_34_id_c_recorded_angles_hold_where_short_names_are_lacking(tmp_path, command, column):
    """The header has long names alone: the column is known by the motor's other name, or by how it runs."""
    table = {column: UNEVEN, "Epoch": np.arange(20.0), "Monitor": np.ones(20)}
    folder = write_34(tmp_path, counts((20, 32, 32)), (0, 32, 0, 32), command=command, short=False)
    log = tmp_path / "Staff20-1a.spec"
    motors = dict(MOTORS_34)
    lines = ["#UIMDET 34idcTIM2:", "#UIMR5  0 32 0 32 1"]
    log.write_text(spec_header(motors) + spec_scan(54, command, motors, table, lines))
    scan = formats.read_scan(folder)
    assert scan.geometry.rocking_angles_deg == pytest.approx(tuple(UNEVEN))
    assert not any("positions are those of the command" in note for note in scan.notes)


def test_34_id_c_angles_of_the_command_are_said_to_be_so(tmp_path):
    log = write_34(tmp_path, counts((20, 32, 32)), (0, 32, 0, 32), short=False).parents[1] / "Staff20-1a.spec"
    lines = ["#UIMDET 34idcTIM2:", "#UIMR5  0 32 0 32 1"]
    table = {"Epoch": np.arange(20.0), "Monitor": np.ones(20)}
    command = f"ascan th {THETA[0]} {THETA[-1]} 19 1"
    log.write_text(spec_header(MOTORS_34) + spec_scan(54, command, MOTORS_34, table, lines))
    scan = formats.read_scan(tmp_path / "run" / "Staff20-1a_S0054")
    assert scan.geometry.rocking_angles_deg == pytest.approx(tuple(THETA))
    assert any("positions are those of the command" in note for note in scan.notes)


def test_34_id_c_a_scan_of_phi_and_one_of_the_energy(tmp_path):
    phi = {"Phi": np.linspace(-5.5, -4.5, 20), "Monitor": np.ones(20)}
    scan = formats.read_scan(
        write_34(
            tmp_path / "a",
            counts((20, 32, 32)),
            (0, 32, 0, 32),
            command="ascan phi -5.5 -4.5 19 1",
            table=phi,
        )
    )
    assert scan.geometry.rocking_circle == 2
    assert scan.geometry.rocking_step_deg == pytest.approx(1 / 19)
    assert scan.geometry.sample_angles_deg == pytest.approx((0.22, 90, phi["Phi"][10]))
    energy = {"Energy": np.linspace(8.9, 9.1, 20)}
    scan = formats.read_scan(
        write_34(
            tmp_path / "b",
            counts((20, 32, 32)),
            (0, 32, 0, 32),
            command="ascan en 8.9 9.1 19 1",
            table=energy,
        )
    )
    assert scan.geometry.rocking_step_deg == 0
    assert scan.geometry.energy_step_kev == pytest.approx(0.2 / 19)
    assert scan.geometry.energy_kev == pytest.approx(energy["Energy"][10])


def test_34_id_c_the_spec_file_itself(tmp_path):
    """FILE.spec::54 is the scan; others have no frames."""
    stack = counts((20, 32, 32))
    write_34(tmp_path, stack, (0, 32, 0, 32))
    path = tmp_path / "Staff20-1a.spec"
    assert [each.path for each in formats.datasets(path)] == ["54"]
    for name in (str(path), f"{path}::54", f"{path}::54.1"):
        scan = formats.read_scan(name)
        np.testing.assert_array_equal(scan.counts, stack)
        assert scan.geometry.direct_beam_pixel == (256, 256)
    with pytest.raises(InputError, match="frames of scan 53 are not found"):
        formats.read_scan(path, dataset="53")
    with pytest.raises(InputError, match="no dataset '99'"):
        formats.read_scan(path, dataset="99")


def test_frames_are_known_again_by_whatever_name_they_are_opened(tmp_path):
    stack = counts((20, 32, 32))
    folder = write_34(tmp_path / "a", stack, (0, 32, 0, 32))
    again = formats.frames_of(tmp_path / "a/Staff20-1a.spec", dataset="54")
    assert formats.frames_of(folder) == again
    assert len(again) == 20
    assert (
        not formats.frames_of(write_34(tmp_path / "b", stack, (0, 32, 0, 32))) & again
    )  # a copy counts anew
    p10 = write_p10(tmp_path, counts((40, 32, 32)), files=2)
    names = (p10, p10 / "gold_00031.fio", p10 / "e500/gold_00031_master.h5")
    found = [formats.frames_of(each) for each in names]
    assert found[0] == found[1] == found[2]
    assert formats.frames_of(p10 / "e500/gold_00031_data_000002.h5") < found[0]


def test_a_log_of_nowhere(tmp_path):
    """A beamline that nobody knows is said, with the motors, and what to do."""
    motors = {"omegaX": 1.0, "lambda": 0.1}
    folder = tiffs(tmp_path / "gold_S0003", counts((16, 32, 32)))
    (tmp_path / "log").write_text(
        spec_header(motors) + spec_scan(3, "ascan omegaX 0 1 15 1", motors, {"omegaX": range(16)})
    )
    scan = formats.read_scan(folder)
    assert isinstance(scan, Scan)
    assert scan.geometry is None
    assert any("from no beamline known here (its motors: omegaX, lambda, …)" in note for note in scan.notes)


# ID01: SPEC and EDF ------------------------------------------------------------------------------------------------------

MOTORS_ID01 = {"mu": 0.0, "eta": 17.6, "phi": 3.0, "nu": 1.25, "del": 36.2, "nrj": 8.5}
CALIBRATION = "#UDETCALIB cen_pix_x=11.195,cen_pix_y=281.115,pixperdeg=455.257,det_distance_CC=1.434,det_distance_COM=1.193"


def write_id01(
    folder: Path, stack: np.ndarray, calibration: str = CALIBRATION, motors: dict[str, float] = MOTORS_ID01
) -> Path:
    """A SPEC file and its EDF frames, numbered on through all scans by the counter."""
    fabio = pytest.importorskip("fabio")
    eta = np.linspace(17.5, 17.7, len(stack))
    table = {"Eta": eta, "exp1": np.full(len(stack), 7.0), "mpx4inr": 300.0 + np.arange(len(stack))}
    (folder / "edf").mkdir(parents=True)
    scan = spec_scan(11, f"ascan eta 17.5 17.7 {len(stack) - 1} 1", motors, table, [calibration])
    (folder / "align.spec").write_text(
        spec_header(motors) + spec_scan(10, "ct 1", motors, {"exp1": [1.0]}) + scan
    )
    for index, frame in enumerate([stack[0], *stack, stack[0]]):
        fabio.edfimage.EdfImage(data=frame.astype("u4")).write(
            str(folder / f"edf/data_mpx4_{299 + index:05d}.edf.gz")
        )
    return folder / "align.spec"


def test_id01_frames_mask_motors_energy_distance_pixels_direct_beam(tmp_path):
    stack = counts((16, 516, 516))
    scan = formats.read_scan(write_id01(tmp_path, stack), dataset="11")
    np.testing.assert_array_equal(scan.counts, stack)
    geometry = scan.geometry
    assert (geometry.beamline, geometry.detector) == ("ID01", "mpx1x4")
    assert (geometry.energy_kev, geometry.distance_m, geometry.pixel_size_um) == (8.5, 1.193, (55, 55))
    assert geometry.direct_beam_pixel == (281.115, 11.195)
    assert geometry.detector_angles_deg == (1.25, 36.2)
    assert geometry.sample_angles_deg == pytest.approx((0, 17.5 + 8 * 0.2 / 15, 3))
    assert geometry.rocking_circle == 1
    assert geometry.rocking_step_deg == pytest.approx(0.2 / 15)
    assert scan.metadata["monitor"] == [7.0] * 16
    assert any("complete: 16 of 16 points" in note for note in scan.notes)
    cross = np.zeros((516, 516), bool)
    cross[255:261] = cross[:, 255:261] = True
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(cross, scan.shape))


def test_id01_older_names_and_millimetres(tmp_path):
    """In 2017 the calibration was written in mm, and motors had capital letters."""
    older = {"Mu": 0.0, "Eta": 17.6, "Phi": 3.0, "Nu": 1.25, "Delta": 36.2, "Energy": 9.1}
    calibration = (
        "#UDETCALIB cen_pix_x=18.347,cen_pix_y=278.971,det_distance_CC=1402.175,det_distance_COM=1401.096"
    )
    scan = formats.read_scan(write_id01(tmp_path, counts((16, 516, 516)), calibration, older), dataset="11")
    assert (scan.geometry.energy_kev, scan.geometry.distance_m) == (9.1, pytest.approx(1.401096))
    assert scan.geometry.detector_angles_deg == (1.25, 36.2)


def test_id01_part_of_a_detector(tmp_path):
    """Nobody knows which part, and of which detector: gaps are not masked, the beam is not placed, and it is said."""
    scan = formats.read_scan(write_id01(tmp_path, counts((16, 100, 120))), dataset="11")
    assert scan.mask is None
    assert scan.geometry.direct_beam_pixel is None
    assert any("Which detector it was is not known: mpx1x4 is taken" in note for note in scan.notes)
    assert any("gaps of mpx1x4 are not masked" in note for note in scan.notes)


def test_id01_without_calibration_and_with_lost_frames(tmp_path):
    path = write_id01(tmp_path, counts((16, 516, 516)), "#UNOTHING")
    scan = formats.read_scan(path, dataset="11")
    assert scan.geometry is None
    assert any("lacks distance_m" in note for note in scan.notes)
    assert scan.metadata["energy_kev"] == 8.5
    (tmp_path / "edf/data_mpx4_00305.edf.gz").unlink()
    scan = formats.read_scan(path, dataset="11")
    assert [index for index, frame in enumerate(scan.mask) if frame.all()] == [5]
    assert "Frame 305 is missing and masked." in scan.notes
    assert any("not complete: 16 of 16 points; frame 305 is missing" in note for note in scan.notes)
    assert scan.metadata["sample_angles_deg"][1] == pytest.approx(17.5 + 8 * 0.2 / 15)
    for number in range(306, 314):
        (tmp_path / f"edf/data_mpx4_{number:05d}.edf.gz").unlink()
    with pytest.raises(InputError, match="16 frames, of which 9 are not there \\(number 305 first\\)"):
        formats.read_scan(path, dataset="11")


def write_counted(folder: Path, stack: np.ndarray, scans: dict[int, int]) -> Path:
    """A SPEC file whose scans go over the frames of a stack, each counted from a number, all in one folder ``edf``."""
    fabio = pytest.importorskip("fabio")
    eta = np.linspace(17.5, 17.7, len(stack))
    text = spec_header(MOTORS_ID01)
    (folder / "edf").mkdir()
    for number, first in scans.items():
        counter = first + np.arange(len(stack))
        table = {"Eta": eta + number, "mpx4inr": counter}
        command = f"ascan eta {17.5 + number} {17.7 + number} {len(stack) - 1} 1"
        text += spec_scan(number, command, MOTORS_ID01, table, [CALIBRATION])
        for at, frame in zip(counter, stack, strict=True):
            fabio.edfimage.EdfImage(data=frame).write(str(folder / f"edf/data_mpx4_{at:05d}.edf"))
    (folder / "align.spec").write_text(text)
    return folder / "align.spec"


@pytest.mark.parametrize("named", [False, True])
def test_the_frames_counter_tells_the_scan_of_a_folder(tmp_path, named):
    """The folder is called ``edf``, and the file has two scans; one of the folders was left behind."""
    log = write_counted(tmp_path, counts((16, 40, 48)), {11: 300, 12: 400})
    for number in range(400, 416):
        (tmp_path / f"edf/data_mpx4_{number:05d}.edf").unlink()
    scan = formats.read_scan(tmp_path / "edf", **({"spec": log} if named else {}))
    assert scan.metadata["scan_number"] == 11
    assert scan.geometry.sample_angles_deg[1] == pytest.approx(28.5 + 8 * 0.2 / 15)


def test_frames_of_two_scans_in_one_folder_are_not_one_scan(tmp_path):
    """They would make a rocking curve with two peaks; the log tells them apart."""
    stack = counts((16, 40, 48))
    log = write_counted(tmp_path, stack, {11: 300, 12: 400})
    with pytest.raises(InputError, match=r"32 frames, of which 16 are of scan 11 .*16 are of scan 12 .*::11"):
        formats.read_scan(tmp_path / "edf")
    (tmp_path / "edf").rename(tmp_path / "run_S0012")
    with pytest.raises(InputError, match="32 frames, of which 16 are of scan 11"):
        formats.read_scan(tmp_path / "run_S0012")
    scan = formats.read_scan(f"{log}::12")
    np.testing.assert_array_equal(scan.counts, stack)
    assert scan.geometry.sample_angles_deg[1] == pytest.approx(29.5 + 8 * 0.2 / 15)


def test_scans_that_count_anew_do_not_tell_which_is_a_folders(tmp_path):
    log = write_counted(tmp_path, counts((16, 40, 48)), {11: 0, 12: 0})
    assert formats.read_scan(tmp_path / "edf").geometry is None
    with pytest.raises(InputError, match="holds 2 scans, and the frames' names do not tell which"):
        formats.read_scan(tmp_path / "edf", spec=log)


def test_edf_without_its_package(tmp_path, monkeypatch):
    (tmp_path / "run_S0001").mkdir()
    for index in range(16):
        (tmp_path / f"run_S0001/a_{index:05d}.edf").write_bytes(b"{ EDF }")
    monkeypatch.setitem(sys.modules, "fabio", None)
    with pytest.raises(
        InputError, match=r"package fabio reads; install it: pip install 'napari-autophase\[beamline\]'"
    ):
        formats.read_scan(tmp_path / "run_S0001")


def test_cbf_and_damaged_edf(tmp_path):
    fabio = pytest.importorskip("fabio")
    stack = counts((16, 32, 48)).astype("i4")
    (tmp_path / "run_S0001").mkdir()
    for index, frame in enumerate(stack):
        fabio.cbfimage.CbfImage(data=frame).write(str(tmp_path / f"run_S0001/a_{index:05d}.cbf"))
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "run_S0001").counts, stack)
    (tmp_path / "run_S0001/a_00004.cbf").write_bytes(b"nothing of the kind" * 20)
    with pytest.raises(InputError, match=r"a_00004\.cbf is damaged"):
        formats.read_scan(tmp_path / "run_S0001")


def test_bm02_frames_motors_energy(tmp_path):
    """Neither the distance nor the pixels are in its files: both are named."""
    fabio = pytest.importorskip("fabio")
    motors = {"mu": 0.5, "THETA": 20.0, "CHI": 91.0, "PHI": 4.0, "nu": 2.0, "2THETA": 40.0, "Emono": 9.5}
    table = {"THETA": np.linspace(19.9, 20.1, 16), "img": 50.0 + np.arange(16), "d0_cps": np.full(16, 3.0)}
    path = tmp_path / "bm02.spec"
    path.write_text(spec_header(motors) + spec_scan(5, "ascan THETA 19.9 20.1 15 1", motors, table))
    stack = counts((16, 40, 48))
    for index, frame in enumerate(stack):
        fabio.edfimage.EdfImage(data=frame).write(str(tmp_path / f"d_{50 + index:04d}.edf"))
    scan = formats.read_scan(path)
    np.testing.assert_array_equal(scan.counts, stack)
    assert any("lacks distance_m, pixel_size_um" in note for note in scan.notes)
    assert scan.metadata["energy_kev"] == 9.5
    assert scan.metadata["sample_angles_deg"] == pytest.approx([0.5, table["THETA"][8], 91, 4])
    assert scan.metadata["detector_angles_deg"] == [2, 40]
    assert scan.metadata["monitor"] == [3.0] * 16
    assert "direct_beam_pixel" not in scan.metadata
    assert any("complete: 16 of 16 points" in note for note in scan.notes)


# P10: fio and Eiger masters ----------------------------------------------------------------------------------------------

PARAMETERS = {
    "mu": 0.0, "om": 15.05, "chi": 90.0, "phi": 2.0, "gam": 1.5, "del": 33.0, "fmbenergy": 8700.0, "_distance": 1830.0,
    "_ccd": "e500",
}  # fmt: skip


def write_p10(root: Path, stack: np.ndarray, files: int, each: int = 1, **changes) -> Path:
    """A folder of P10: fio, and a master with links to data files; `each` frames at every point."""
    folder = root / "gold_00031"
    detector = folder / changes.get("detector", "e500")
    detector.mkdir(parents=True)
    points = len(stack) // each
    om = np.linspace(15.0, 15.0 + 0.01 * (points - 1), points)
    fio(
        folder / "gold_00031.fio",
        changes.get("command", f"ascan om 15 {om[-1]:.2f} {points - 1} 1.0"),
        changes.get("parameters", PARAMETERS),
        {"om": om, "ipetra": np.full(points, 100.0)},
        ended=changes.get("ended", True),
    )
    with h5py.File(detector / "gold_00031_master.h5", "w") as master:
        data = master.create_group("entry/data")
        for index, part in enumerate(np.array_split(stack, files), 1):
            name = f"gold_00031_data_{index:06d}.h5"
            with h5py.File(detector / name, "w") as file:
                file.create_dataset(
                    "entry/data/data",
                    data=part,
                    chunks=(1, *part.shape[1:]),
                    **hdf5plugin.Bitshuffle(cname="lz4"),
                )
            data[f"data_{index:06d}"] = h5py.ExternalLink(name, "/entry/data/data")
    return folder


@pytest.mark.parametrize("kind", ["master", "frames", "nothing"])
def test_a_folder_without_frames_names_what_can_be_opened_in_its_folders(tmp_path, kind):
    """The fio of a scan of P10 was not copied, or the folder above the scans was chosen."""
    if kind == "master":
        write_p10(tmp_path, counts((20, 514, 1030)), files=1)
        (tmp_path / "gold_00031/gold_00031.fio").unlink()
    elif kind == "frames":
        tiffs(tmp_path / "gold_00031" / "run_S0001", counts((20, 16, 16)))
    else:
        (tmp_path / "gold_00031" / "empty").mkdir(parents=True)
    says = {
        "master": r"open what is in it: e500/gold_00031_master\.h5\.",
        "frames": r"open what is in it: run_S0001\.",
        "nothing": "choose the folder of one scan",
    }
    with pytest.raises(InputError, match=f"holds no numbered frames .*; {says[kind]}"):
        formats.read(tmp_path / "gold_00031")


@pytest.mark.parametrize("opened", ["folder", "fio", "master"])
def test_p10_frames_motors_energy_distance_pixels(tmp_path, opened):
    stack = counts((20, 514, 1030))
    folder = write_p10(tmp_path, stack, files=3)
    paths = {
        "folder": folder,
        "fio": folder / "gold_00031.fio",
        "master": folder / "e500/gold_00031_master.h5",
    }
    scan = formats.read_scan(paths[opened])
    np.testing.assert_array_equal(scan.counts, stack)
    geometry = scan.geometry
    assert (geometry.beamline, geometry.detector) == ("P10", "e500")
    assert (geometry.energy_kev, geometry.distance_m, geometry.pixel_size_um) == (
        pytest.approx(8.7),
        1.83,
        (75, 75),
    )
    assert geometry.detector_angles_deg == (1.5, 33)
    assert geometry.sample_angles_deg == pytest.approx((0, 15.1, 90, 2))
    assert geometry.sample_offsets_deg == (0, 0, 90, 0)
    assert (geometry.rocking_circle, geometry.rocking_step_deg) == (1, pytest.approx(0.01))
    assert geometry.direct_beam_pixel is None
    assert scan.metadata["monitor"] == [100.0] * 20
    assert any("gold_00031.fio is complete: 20 of 20 points" in note for note in scan.notes)


def test_p10_a_series_is_summed_and_flags_stay_flags(tmp_path):
    """Three frames at every point, each point in a file of its own; a pixel flagged in one of them is masked."""
    stack = counts((48, 514, 1030))
    stack[7, 100, 200] = 2**32 - 1
    scan = formats.read_scan(write_p10(tmp_path, stack, files=16, each=3))
    expected = stack.reshape(16, 3, 514, 1030).astype(float).sum(axis=1)
    expected[2, 100, 200] = 0
    np.testing.assert_array_equal(scan.counts, expected)
    assert scan.mask[2, 100, 200]
    assert scan.mask.sum() == 1
    assert any("3 frames were taken at every point: they are summed" in note for note in scan.notes)
    assert scan.geometry.rocking_step_deg == pytest.approx(0.01)


def test_p10_mask_of_the_eiger_4m():
    """Border, the column gap and the three row gaps, in 0-based numbers with both ends."""
    bad = beamlines()["P10"].detector("e4m").blind()
    assert bad.shape == (2167, 2070)
    assert bad[[0, -1]].all()
    assert bad[:, [0, -1]].all()
    columns = np.flatnonzero(bad[300])
    np.testing.assert_array_equal(columns, [0, *range(1029, 1041), 2069])
    rows = np.flatnonzero(bad[:, 300])
    np.testing.assert_array_equal(rows, [0, *range(513, 552), *range(1064, 1103), *range(1615, 1654), 2166])


def test_p10_when_it_did_not_end_and_frames_are_lost(tmp_path):
    folder = write_p10(
        tmp_path / "a", counts((20, 514, 1030)), 2, command="ascan om 15 15.29 29 1.0", ended=False
    )
    scan = formats.read_scan(folder)
    assert any("not complete: 20 of 30 points (aborted, or still running)" in note for note in scan.notes)
    (folder / "e500/gold_00031_data_000002.h5").unlink()
    with pytest.raises(InputError, match=r"gold_00031_data_000002\.h5"):
        formats.read_scan(folder)


def test_p10_second_hutch(tmp_path):
    """samth for om and e2_t02 for del; what stood still and is not recorded is said."""
    parameters = {"samth": 15.05, "gam": 1.5, "e2_t02": 33.0, "fmbenergy": 8700.0, "_distance": 1830.0}
    folder = write_p10(
        tmp_path, counts((20, 514, 1030)), 1, parameters=parameters, command="ascan samth 15 15.19 19 1.0"
    )
    geometry = (scan := formats.read_scan(folder)).geometry
    assert geometry.beamline == "P10 EH2"
    assert geometry.detector_angles_deg == (1.5, 33)
    assert geometry.sample_angles_deg == pytest.approx((0, 15.1, 90, 0))
    assert any("does not say where mu stood: 0 degrees are taken" in note for note in scan.notes)


# 28-ID-B: HDF5 frames and SPEC; HEPS: TIFF frames, SPEC three folders above -------------------------------------------------


@pytest.mark.parametrize("name", ["sample_scan_0008.h5", "sample_S8.h5"])
def test_28_id_b_frames_motors_energy_distance(tmp_path, name):
    motors = {
        "mu": 0.1,
        "eta": 15.0,
        "chi": 1.0,
        "phi": 2.0,
        "nu": 3.0,
        "delta": 31.0,
        "camdist": 900.0,
        "INIT_MOPO_Energy": 10.2,
    }
    table = {"eta": np.linspace(14.9, 15.1, 16), "Monitor": np.full(16, 5.0)}
    (tmp_path / "run.spec").write_text(
        spec_header(motors) + spec_scan(8, "ascan eta 14.9 15.1 15 1", motors, table)
    )
    stack = counts((16, 40, 48))
    with h5py.File(tmp_path / name, "w") as file:
        file["entry/data/data"] = stack
    scan = formats.read_scan(tmp_path / name)
    np.testing.assert_array_equal(scan.counts, stack)
    assert any("lacks pixel_size_um" in note for note in scan.notes)
    assert (scan.metadata["beamline"], scan.metadata["energy_kev"], scan.metadata["distance_m"]) == (
        "28-ID-B",
        10.2,
        0.9,
    )
    assert scan.metadata["sample_angles_deg"] == pytest.approx([0.1, table["eta"][8], 1, 2])
    assert scan.metadata["detector_angles_deg"] == [3, 31]
    assert scan.metadata["monitor"] == [5.0] * 16
    assert "direct_beam_pixel" not in scan.metadata
    assert any("complete: 16 of 16 points" in note for note in scan.notes)


def test_heps_frames_motors_energy_pixels(tmp_path):
    """The wavelength, in Å, is the fourth word of #G4."""
    motors = {"mu": 0.0, "omega": 20.0, "chi": 1.0, "phi": 2.0, "gamma": 3.0, "delta": 40.0}
    table = {"omega": np.linspace(19.9, 20.1, 16)}
    line = "#G4 -0.1 0.2 0.4 1.24 44.8 -12.6"
    text = spec_header(motors) + spec_scan(3, "ascan omega 19.9 20.1 15 1", motors, table, [line])
    (tmp_path / "gold.spec").write_text(text)
    stack = counts((16, 195, 487)).astype("i4")
    folder = tiffs(tmp_path / "images/gold/S003", stack, "gold_S003_{:05d}.tif")
    scan = formats.read_scan(folder)
    np.testing.assert_array_equal(scan.counts, stack)
    assert any("lacks distance_m" in note for note in scan.notes)
    assert scan.metadata["energy_kev"] == pytest.approx(12.39841984 / 1.24)
    assert scan.metadata["pixel_size_um"] == (172, 172)
    assert scan.metadata["detector"] == "pilatus100k"
    assert scan.metadata["detector_angles_deg"] == [3, 40]
    assert "direct_beam_pixel" not in scan.metadata
    assert any("complete: 16 of 16 points" in note for note in scan.notes)


# beamlines' files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"files": {"energy": [{"name": "en", "unit": "furlong"}]}}, "'furlong' is no unit of en"),
        ({"files": {"motors": {"omega": [{"name": "om"}]}}}, "'omega', which is none of its circles"),
        ({"files": {"enrgy": []}}, "files.enrgy"),
        ({"files": {"kinds": ["excel"]}}, "files.kinds"),
        ({"files": {"frames": ["{number}/x"]}}, "{number}"),
        ({"sample": [{"motor": "th", "axis": "y+", "ofset_deg": 3}]}, "ofset_deg"),
    ],
)
def test_a_wrong_beamline_file_says_where(tmp_path, change, why):
    document = {
        "name": "X", "facility": "Y", "sample": [{"motor": "th", "axis": "y+"}], "arm": [], "rocking": ["th"],
        "detectors": [{"name": "d", "shape": [32, 32], "pixel_size_um": [55, 55], "directions": ["y-", "x+"]}],
    }  # fmt: skip
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**document, **change}))
    with pytest.raises(InputError) as caught:
        formats.read_scan(tiffs(tmp_path / "a", counts((16, 32, 32))), beamline=str(path))
    assert why in str(caught.value)


@pytest.mark.parametrize("crop", [None, (16, 40, 40)])
@pytest.mark.parametrize("what", ["white", "dark", "mask"])
def test_a_field_of_another_part_of_a_known_detector_is_refused(tmp_path, what, crop):
    """Its corner is not the detector's: only the frames' own part and the whole 512 × 512 pixels say what lies where."""
    stack = counts((20, 48, 64))
    path = write_34(tmp_path, stack, (100, 64, 30, 48))
    whole = np.zeros((512, 512)) if what == "mask" else np.ones((512, 512))
    with pytest.raises(InputError, match=rf"The {what} .*300 × 300 .* 48 × 64 .* 512 × 512: give one"):
        formats.read_scan(path, **{what: whole[:300, :300]}, crop=crop)
    by_whole = formats.read_scan(path, **{what: whole}, crop=crop)
    by_part = formats.read_scan(path, **{what: whole[30:78, 100:164]}, crop=crop)
    np.testing.assert_array_equal(by_whole.counts, by_part.counts)


def test_a_place_of_the_frames_that_the_detector_does_not_have_is_refused(tmp_path):
    """Rows 480 to 527 of 512: the log names the detector."""
    with pytest.raises(
        InputError, match=r"--roi 480,528,100,164 ends at row 528 and column 164, but .* has 512 × 512 pixels"
    ):
        formats.read_scan(
            write_34(tmp_path, counts((20, 48, 64)), (100, 64, 30, 48)), roi=(480, 528, 100, 164)
        )


@pytest.mark.parametrize(("beamline", "detector"), [("34-ID-C", "34idcTIM2"), ("ID01", None)])
def test_a_place_of_the_frames_that_a_detector_named_by_hand_does_not_have_is_refused(
    tmp_path, beamline, detector
):
    """The largest detector that is known of ID01 has 2164 rows."""
    roi = (480, 528, 100, 164) if detector else (2150, 2198, 100, 164)
    np.save(tmp_path / "scan.npy", counts((20, 48, 64)))
    scan = formats.read_scan(tmp_path / "scan.npy", roi=roi)
    with pytest.raises(
        InputError, match=rf"--roi {','.join(map(str, roi))} ends at row {roi[1]} .* has (512|2164) × "
    ):
        formats.check_place(scan, known_of(beamline, detector), is_named=detector is not None)


def known_of(beamline, detector):
    site = find_beamline(beamline)
    about = {"energy_kev": 9.0, "distance_m": 1.0, "pixel_size_um": (55, 55), "rocking_step_deg": 0.01}
    about |= {"sample_angles_deg": (0.0,) * len(site.sample), "detector_angles_deg": (30.0, 10.0)}
    return Geometry(**about, **site.conventions(detector))


@pytest.mark.parametrize("command", ["time_scan 0.1 2.0", "my_macro gold", "ct 1"])
def test_p10_a_motor_that_was_recorded_to_run_rocked_whatever_the_command(tmp_path, command):
    folder = write_p10(tmp_path, counts((20, 514, 1030)), files=1, command=command)
    scan = formats.read_scan(folder)
    assert scan.geometry.rocking_circle == 1
    assert scan.geometry.rocking_angles_deg == pytest.approx(tuple(15 + 0.01 * np.arange(20)))
    assert any(
        f"'{command}' names no motor, but om is recorded to have run from 15 to 15.19" in note
        for note in scan.notes
    )
    log = folder / "gold_00031.fio"
    log.write_text(log.read_text().replace(" 15.", " 15.000"))  # which drifts
    assert formats.read_scan(folder).geometry is None


@pytest.mark.parametrize("points", [5, 20])
def test_34_id_c_of_two_scans_with_one_number_that_of_the_frames_is_taken(tmp_path, points):
    """SPEC was begun anew, and counted from 1 again in one file; where both could be meant, it is said that motors differ."""
    path = write_34(tmp_path, counts((20, 48, 64)), (100, 64, 30, 48))
    log = tmp_path / "Staff20-1a.spec"
    other = {"Theta": np.linspace(3, 4, points), "Monitor": np.ones(points)}
    command = f"ascan th 3 4 {points - 1} 1"
    log.write_text(log.read_text() + spec_scan(54, command, {**MOTORS_34, "Delta": 20.0}, other))
    scan = formats.read_scan(path)
    assert scan.geometry.detector_angles_deg[0] == (32.174 if points == 5 else 20.0)
    says = (
        "the one of 20 points is taken."
        if points == 5
        else "taken, and motors stood elsewhere in the other: give"
    )
    assert any(
        f"has 2 scans 54; {'' if points == 5 else 'the last of them is '}{says}" in note
        for note in scan.notes
    )


def test_p10_without_an_energy_has_all_else(tmp_path):
    """What tells the beamline is missing, but no other one has these circles: all that is there is read."""
    parameters = {name: value for name, value in PARAMETERS.items() if name != "fmbenergy"}
    scan = formats.read_scan(write_p10(tmp_path, counts((20, 514, 1030)), files=1, parameters=parameters))
    assert scan.metadata["beamline"] == "P10"
    assert scan.metadata["distance_m"] == pytest.approx(1.83)
    assert scan.metadata["detector_angles_deg"] == [1.5, 33.0]
    assert scan.metadata["rocking_step_deg"] == pytest.approx(0.01)
    assert any("lacks energy_kev; give it" in note for note in scan.notes)

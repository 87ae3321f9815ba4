"""What a person is told of a scan that is not what it seems: which file, what is wrong with it, and what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile

import h5py
import hdf5plugin
import numpy as np
import pytest
from beamline_trees import bliss, cristal, eiger, lima, nanomax, scanned, sixs
from beamline_trees import counts as peak
from test_formats_beamlines import MOTORS_34, PARAMETERS, write_34, write_p10
from test_formats_transformations import placed
from written_logs import counts, fio

from napari_autophase import cli, formats
from napari_autophase.formats.correction import flat_field
from napari_autophase.formats.values import to_counts
from napari_autophase.preparation import find_flagged
from napari_autophase.preparation.judge import WHY, why_masked
from napari_autophase.scan import InputError, Scan

WHOLE = (0, 32, 0, 32)
SMALL = (20, 32, 32)


def notes_with(scan: Scan, *words: str) -> list[str]:
    return [note for note in scan.notes if all(word in note for word in words)]


def one_note(scan: Scan, *words: str) -> str:
    (found,) = notes_with(scan, *words)
    assert "\n" not in found
    return found


# -- circles -------------------------------------------------------------------------------------------------------------


def _id01(folder):
    return bliss(folder).parent / "S1/S1_0001/S1_0001.h5", "1.1/instrument/positioners/nu"


def _sixs(folder):
    return sixs(folder / "a_00012.nxs", 2022), "com/SIXS/i14-c-cx1-ex-med-v-dif-group.1-gamma/position"


def _cristal(folder):
    return cristal(folder / "c.nxs"), "exp_0012/CRISTAL/Diffractometer/i06-c-c07-ex-dif-gamma/position"


def _nanomax(folder):
    return nanomax(folder / "000123.h5"), "entry/snapshots/pre_scan/gamma"


@pytest.mark.parametrize("written", [_id01, _sixs, _cristal, _nanomax])
def test_a_circle_that_a_file_lacks_is_named_and_the_others_are_known(tmp_path, written):
    path, circle = written(tmp_path)
    with h5py.File(path, "r+") as file:
        del file[circle]
    scan = formats.read_scan(path)
    assert scan.geometry is None
    one_note(scan, "does not say where nu stood" if written is _id01 else "does not say where gamma stood")
    assert "detector_angles_deg" in one_note(scan, "not complete", "lacks")
    assert scan.metadata["rocking_step_deg"] != 0
    assert scan.metadata["energy_kev"] in (8.5, 9)


def test_a_scan_without_a_command_is_not_said_to_have_an_empty_one(tmp_path):
    path = sixs(tmp_path / "a_00012.nxs", 2022)
    with h5py.File(path, "r+") as file:
        del file["com/scan_data/actuator_1_1"]
    said = one_note(formats.read_scan(path), "is it a rocking curve?")
    assert said.startswith(
        "What a_00012.nxs records for each frame turns none of the sample's circles (beta, mu)"
    )


@pytest.mark.parametrize("apart", [0.01, 1.0])
def test_two_circles_that_may_have_moved_are_both_named(tmp_path, apart):
    path = cristal(tmp_path / "c.nxs")
    with h5py.File(path, "r+") as file:
        file["exp_0012/CRISTAL/i06-c-c07-ex-mg_phi/position"][...] = 16.4 + apart
    found = notes_with(formats.read_scan(path), "mg_omega/position is taken", "mg_phi/position stood within")
    assert len(found) == (1 if apart < 0.04 else 0)


def test_a_direct_beam_on_pixel_zero_was_never_set(tmp_path):
    path, _ = _id01(tmp_path)
    with h5py.File(path, "r+") as file:
        for axis in "xy":
            file[f"1.1/instrument/mpx1x4/beam_center_{axis}"][...] = 0
    assert formats.read_scan(path).geometry.direct_beam_pixel is None


@pytest.mark.parametrize("moved", ["eta", "phi"])
def test_a_motor_may_be_recorded_among_what_was_measured(tmp_path, moved):
    """As BLISS writes continuous scans: in the group of the motors stands only where it began."""
    path, _ = _id01(tmp_path)
    values = scanned(3.0, -0.02)
    with h5py.File(path, "r+") as file:
        place = "1.1/instrument/positioners"
        del file[f"{place}/{moved}"], file["1.1/title"], file["1.1/measurement/eta"]
        if moved == "phi":
            del file[f"{place}/eta"]
            file[f"{place}/eta"] = 17.5
        file[f"{place}/{moved}"], file[f"1.1/measurement/{moved}"] = values[0], values
        file["1.1/title"] = f"fscan {moved} 3.16 -0.02 17 1.0"
    geometry = formats.read_scan(path).geometry
    assert geometry.rocking_circle == {"eta": 1, "phi": 2}[moved]
    assert geometry.rocking_angles_deg == pytest.approx(values)
    assert geometry.sample_angles_deg[geometry.rocking_circle] == pytest.approx(3)


def test_the_log_beside_what_a_symbolic_link_leads_to_is_found(tmp_path):
    folder = write_34(tmp_path / "data", counts((20, 32, 32)), (100, 32, 30, 32))
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk/today").symlink_to(folder)
    assert formats.read_scan(tmp_path / "desk/today").geometry == formats.read_scan(folder).geometry


# -- frames and points ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        (24, "has 20 of 20 points; there are 24 frames, which do not match: 4 too many"),
        (16, "is not complete: 20 of 20 points; there are 16 frames, which do not match: 4 too few; they are taken for"),
    ],
)  # fmt: skip
def test_p10_frames_and_points_that_disagree(tmp_path, frames, said):
    folder = write_p10(tmp_path, counts((frames, 32, 32)), 2)
    om = np.linspace(15, 15.19, 20)
    fio(folder / "gold_00031.fio", "ascan om 15 15.19 19 1.0", PARAMETERS, {"om": om, "ipetra": np.ones(20)})
    assert said in one_note(formats.read_scan(folder), "gold_00031.fio", "points")


def test_more_points_than_a_command_asks_for_are_not_called_complete(tmp_path):
    path = bliss(tmp_path, shape=(20, 24, 32)).parent / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        del file["1.1/title"]
        file["1.1/title"] = "ascan eta 17.4 17.5 11 1.0"
    note = one_note(formats.read_scan(path), "points")
    assert "Scan 1 of S1_0001.h5 has 20 points, 8 more than the 12 that its command asks for." in note


def test_bliss_frames_and_points_that_disagree(tmp_path):
    path = bliss(tmp_path).parent / "S1/S1_0001/S1_0001.h5"
    lima(path.parent, 1, "mpx1x4", peak(11, (24, 24, 32)))
    note = one_note(formats.read_scan(path), "points")
    assert "has 17 of 17 points; there are 24 frames, which do not match: 7 too many" in note


def test_frames_that_are_missing_in_the_middle_make_a_scan_incomplete(tmp_path):
    folder = write_34(tmp_path, counts(SMALL), WHOLE)
    for number in (7, 12):
        (folder / f"Staff20-1a_S0054_{number:05d}.tif").unlink()
    note = one_note(formats.read_scan(folder), "Scan 54")
    assert note == "Scan 54 of Staff20-1a.spec is not complete: 20 of 20 points; frames 7, 12 are missing."


def test_whether_the_first_or_the_last_frame_is_lost_may_be_open(tmp_path):
    folder = write_34(tmp_path, counts(SMALL), WHOLE)
    (folder / "Staff20-1a_S0054_00000.tif").unlink()
    note = one_note(formats.read_scan(folder), "Scan 54")
    assert "either frame 0 or frame 20 is lost; they are taken to count from 1" in note
    assert "all angles are one step further" in note


@pytest.mark.parametrize(("images", "triggers"), [(20, 1), (1, 20), (4, 5)])
def test_a_master_that_announces_more_frames_than_there_are(tmp_path, images, triggers):
    path = eiger(tmp_path)
    with h5py.File(path, "r+") as file:
        detector = file["entry/instrument/detector/detectorSpecific"]
        detector["nimages"], detector["ntrigger"] = images, triggers
    note = one_note(formats.read_scan(path), "announces")
    assert f"s_master.h5 announces 20 frames (nimages {images} × ntrigger {triggers})" in note
    assert "its data files hold 17" in note
    with h5py.File(path, "r+") as file:
        file["entry/instrument/detector/detectorSpecific/nimages"][()] = 17
        file["entry/instrument/detector/detectorSpecific/ntrigger"][()] = 1
    assert not notes_with(formats.read_scan(path), "announces")


# -- parts and links -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (peak()[9:, :20], "data_000002 (8 × 20 × 32, uint32)"),
        (peak()[9:].astype(np.uint16), "data_000002 (8 × 24 × 32, uint16)"),
        (peak()[9], "data_000002 (24 × 32, uint32)"),
    ],
    ids=["another size", "another type", "one frame"],
)
def test_parts_that_do_not_fit_together(tmp_path, second, said):
    path = eiger(tmp_path)
    with h5py.File(tmp_path / "s_data_000002.h5", "w") as file:
        file["entry/data/data"] = second
    with pytest.raises(InputError) as caught:
        formats.read_scan(path)
    assert f"The parts of {path} are not of one scan" in str(caught.value)
    assert "data_000001 (9 × 24 × 32, uint32)" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("crop", [None, "auto"])
@pytest.mark.parametrize("virtual", [False, True])
def test_a_damaged_data_file_is_named_not_what_links_to_it(tmp_path, crop, virtual):
    path = eiger(tmp_path)
    for number in (1, 2):
        with h5py.File(tmp_path / f"s_data_{number:06d}.h5", "w") as file:
            data = file.create_dataset(
                "entry/data/data", data=peak(number, (9, 24, 32)), chunks=(1, 24, 32), **hdf5plugin.Bitshuffle(cname="lz4")
            )  # fmt: skip
            if number == 2:
                data.id.write_direct_chunk((3, 0, 0), b"\0" * 50)
    if virtual:
        layout = h5py.VirtualLayout((18, 24, 32), np.uint32)
        for number in (1, 2):
            source = h5py.VirtualSource(f"s_data_{number:06d}.h5", "entry/data/data", (9, 24, 32))
            layout[9 * number - 9 : 9 * number] = source
        path = tmp_path / "whole.h5"
        with h5py.File(path, "w") as file:
            file.create_virtual_dataset("entry/data/data", layout)
    with pytest.raises(InputError, match=r"s_data_000002\.h5 is damaged") as caught:
        formats.read_scan(path, crop=crop)
    assert path.name not in str(caught.value)


def test_a_scan_that_is_picked_and_whose_link_leads_to_nothing(tmp_path):
    proposal = bliss(tmp_path, scans=3)
    with h5py.File(tmp_path / "S1/S1_0001/S1_0001.h5", "r+") as file:
        del file["2.1"]
    with pytest.raises(InputError) as caught:
        formats.read_scan(f"{proposal}::S1_0001_2.1")
    assert f"/S1_0001_2.1 of {proposal} is a link that leads to nothing" in str(caught.value)
    assert "S1_0001.h5 has no /2.1" in str(caught.value)
    entry = formats.scans(proposal)[1]
    assert (entry.path, entry.state, entry.points) == ("S1_0001_2.1", "cannot be reached", None)
    assert "leads to nothing" in entry.lost
    (tmp_path / "S1/S1_0001/S1_0001.h5").unlink()
    with pytest.raises(
        InputError, match=r"S1_0001_2\.1 of .* is in S1/S1_0001/S1_0001\.h5, which is not there"
    ):
        formats.read_scan(f"{proposal}::S1_0001_2.1")


# -- numbers in other units ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("energy", "said"),
    [(8.7, "8.7 eV is no energy (2 to 120 keV): 8.7 keV, if the number is in keV?"), (8.7e8, "check it")],
)
def test_an_energy_in_another_unit_than_the_beamline_writes(tmp_path, energy, said):
    scan = formats.read_scan(
        write_p10(tmp_path, counts(SMALL), 2, parameters={**PARAMETERS, "fmbenergy": energy})
    )
    note = one_note(scan, "fmbenergy of gold_00031.fio is not used")
    assert said in note
    assert scan.geometry is None
    assert "energy_kev" not in scan.metadata
    assert notes_with(scan, "lacks energy_kev")


@pytest.mark.parametrize(("distance", "unit"), [(0.5, "m"), (5e5, "µm")])
def test_a_distance_in_another_unit_than_the_beamline_writes(tmp_path, distance, unit):
    scan = formats.read_scan(
        write_34(tmp_path, counts(SMALL), WHOLE, motors={**MOTORS_34, "camdist": distance})
    )
    note = one_note(scan, "camdist of Staff20-1a.spec is not used")
    assert f"{distance:g} mm is no distance (0.02 to 20 m): 0.5 m, if the number is in {unit}?" in note


@pytest.mark.parametrize(("size", "unit"), [(55.0, "µm"), (0.055, "mm")])
def test_a_size_of_pixels_in_another_unit_does_not_cost_the_scan(tmp_path, size, unit):
    path = bliss(tmp_path).parent / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        for name in ("x_pixel_size", "y_pixel_size"):
            file[f"1.1/instrument/mpx1x4/{name}"][()] = size
    scan = formats.read_scan(path)
    note = one_note(scan, "/1.1/instrument/mpx1x4/y_pixel_size of S1_0001.h5 is not used")
    assert f"{size:g} m is no pixel size (5 to 1000 µm): 55 µm, if the number is in {unit}?" in note
    assert scan.geometry.pixel_size_um == (55, 55)  # the detector's


@pytest.mark.parametrize(
    ("unit", "said"), [("m", "75 µm, if the number is in µm?"), ("furlong", "its unit, 'furlong', is not")]
)
def test_a_size_of_pixels_of_a_master_in_another_unit(tmp_path, unit, said):
    path = eiger(tmp_path)
    with h5py.File(path, "r+") as file:
        for name in ("x_pixel_size", "y_pixel_size"):
            item = file[f"entry/instrument/detector/{name}"]
            item[()], item.attrs["units"] = 75.0, unit
    scan = formats.read_scan(path)
    assert said in one_note(scan, "y_pixel_size of s_master.h5 is not used")
    assert "pixel_size_um" not in scan.metadata


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file["entry/sample/circles/om"].attrs.update(vector=[[0, 1, 0], [1, 0, 0]]), "6 of 3 numbers"),
        (lambda file: file["entry/sample/circles/om"].attrs.update(vector="y"), "the vector of /entry/sample/circles/om is no"),
        (lambda file: file["entry/sample/circles/om"].attrs.update(vector=[0, np.nan, 0]), "not a number everywhere"),
        (lambda file: file["entry/sample/circles/om"].attrs.update(depends_on=["mu", "nu"]), "depends on 2 things (mu, nu)"),
        (lambda file: file["entry/sample/circles/om"].attrs.update(depends_on="eta"), "/circles/om depends on eta, which is no"),
        (lambda file: file["entry/sample/circles/mu"].attrs.update(depends_on="om"), "what /entry/sample depends on goes round."),
        (lambda file: file.copy("entry/instrument/det/module", "entry/instrument/det/module2"), "places 2 detector modules"),
        (
            lambda file: file["entry/instrument/det/module/slow_pixel_direction"].attrs.update(units="m"),
            "slow_pixel_direction: 0.172 m is no pixel size (5 to 1000 µm): 172 µm, if the number is in mm?",
        ),
    ],
    ids=["two vectors", "a word", "nan", "two chains", "nothing", "a circle", "two modules", "pixels"],
)  # fmt: skip
def test_transformations_that_cannot_be_used_are_no_damage(tmp_path, change, said):
    path = placed(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        change(file)
    scan = formats.read_scan(path)
    assert scan.geometry is None
    note = one_note(scan, "a.nxs", "not used")
    assert said in note
    assert "ive the geometry with --beamline and --set" in note


# -- motors that do not run ----------------------------------------------------------------------------------------------

ODD = {
    "nan": (
        lambda at: np.where(
            np.isin(np.arange(len(at)), (3, 5, 8)),
            np.nan,
            at + (at[1] - at[0]) * np.sin(2.1 * np.arange(len(at))),
        ),
        "is no number at 3 of {0} points",
    ),
    "constant": (lambda at: np.full_like(at, 17.5), "stands still at 17.5"),
    "there and back": (
        lambda at: at[np.abs(np.arange(len(at)) - len(at) // 2)],
        "goes there and back",
    ),
    "to and fro": (lambda at: at[np.arange(len(at)) * 7 % len(at) // 5 * 5], "does not run steadily from"),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_motor_that_does_not_run_as_the_command_says(tmp_path, odd):
    change, said = ODD[odd]
    path = bliss(tmp_path).parent / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        file["1.1/instrument/positioners/eta"][...] = change(scanned(17.5, 0.01))
    scan = formats.read_scan(path)
    assert said.format(17) in one_note(scan, "/1.1/instrument/positioners/eta of S1_0001.h5")
    assert scan.geometry is None
    assert not notes_with(scan, "turns none")


@pytest.mark.parametrize("odd", ODD)
def test_a_column_that_does_not_run_as_the_command_says(tmp_path, odd):
    change, said = ODD[odd]
    theta = change(np.linspace(-0.1, 0.28, 20))
    scan = formats.read_scan(write_34(tmp_path, counts(SMALL), WHOLE, table={"Theta": theta}))
    assert said.format(20) in one_note(scan, "th of Staff20-1a.spec")
    assert scan.geometry is None
    assert notes_with(scan, "lacks", "rocking_step_deg")


@pytest.mark.parametrize("millionths", [False, True])
def test_a_scan_up_and_down_names_both_ways_and_each_opens(tmp_path, millionths):
    path, scale = cristal(tmp_path / "c.nxs", in_millionths=millionths), 1e6 if millionths else 1.0
    way = scanned(16.4, 0.005)
    with h5py.File(path, "r+") as file:
        data = file["exp_0012/scan_data"]
        for name, values in {"data_06": peak(), "data_04": np.full(len(way), 7e4)}.items():
            del data[name]
            data[name] = np.concatenate([values, peak(1) if name == "data_06" else values])
        del data["actuator_1_1"]
        data["actuator_1_1"] = np.concatenate([way, way[::-1]]) * scale
    said = one_note(formats.read_scan(path), "mg_omega", "goes there and back", "0 to 16", "17 to 33")
    assert "--crop 17:34," in said
    assert "rocking_step_deg=-0.005)" in said
    back = formats.read_scan(path, crop=((17, 34), (0, 24), (0, 32)))
    np.testing.assert_array_equal(back.counts, peak(1))


@pytest.mark.parametrize("year", [2019, 2022])
def test_the_name_of_a_device_may_end_behind_its_motor(tmp_path, year):
    path, name = sixs(tmp_path / "a_00012.nxs", year), {2019: "position_pre", 2022: "position"}[year]
    with h5py.File(path, "r+") as file:
        prefix = "com/SIXS/i14-c-cx1-ex-med-v-dif-group.1-"
        for motor in ("beta", "mu", "gamma", "delta"):
            file.move(f"{prefix}{motor}", f"com/SIXS/i14-c-cx1-ex-dif-{motor}.1")
        file[f"com/SIXS/i14-c-cx1-ex-multiplier.1/{name}"] = 3.0
    geometry = formats.read_scan(path).metadata
    assert geometry["sample_angles_deg"] == pytest.approx([0.3, 16.4])
    assert geometry["rocking_step_deg"] == pytest.approx(-0.008)


# -- values --------------------------------------------------------------------------------------------------------------


def test_a_dark_field_that_is_brighter_than_the_frames():
    raw = Scan.from_array(counts(SMALL), name="raw")
    with pytest.raises(InputError, match=r"The dark field \(9000 counts .*at most 5000.*nothing is left"):
        flat_field(raw, np.full((32, 32), 9000.0))
    (note,) = flat_field(raw, np.full((32, 32), 300.0)).notes
    assert "brighter than the frames in" in note
    assert "300 counts against 0.05" in note
    right = np.random.default_rng(5).poisson(300, (21, 32, 32))  # one dark, and a scan on a floor like it
    floor = Scan.from_array(counts(SMALL) + right[1:], name="floor")
    assert not [note for note in flat_field(floor, right[0]).notes if "brighter" in note]


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.h5"])
def test_true_and_false_are_no_counts(tmp_path, name):
    seen = counts(SMALL) > 2
    if name.endswith("h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file["data"] = seen
    elif name.endswith("npz"):
        np.savez(tmp_path / name, data=seen)
    else:
        np.save(tmp_path / name, seen)
    with pytest.raises(InputError, match="holds true and false, as masks do, and no counts; give the scan"):
        formats.read_scan(tmp_path / name)


@pytest.mark.parametrize("flag", [2**32 - 1, 2**31 - 1])
@pytest.mark.parametrize("monitor", [1e6, 5e9, 1e13])
def test_flags_that_were_divided_by_a_monitor_that_drifts(flag, monitor):
    """However large the monitor: below 1, too, they are no light."""
    stored = counts((20, 48, 48)).astype(float)
    stored[:, 3:5, 4:9] = flag
    drift = np.random.default_rng(1).uniform(0.95, 1.05, (20, 1, 1)) * monitor
    back, _ = to_counts(stored / drift, "a", "scaled")
    np.testing.assert_array_equal(find_flagged(back), stored == flag)
    assert back[10, 24, 24] == back[stored != flag].max()
    back, (note, *_) = to_counts(stored / drift, "a")
    np.testing.assert_array_equal(find_flagged(back), stored == flag)
    expected = (stored * np.median(drift) / drift)[10, 24, 24]
    assert back[10, 24, 24] == pytest.approx(expected, rel=1e-3)
    assert "divided by a monitor" in note


def test_motors_that_have_changed_are_said_when_a_result_is_repeated(tmp_path, capsys):
    folder = write_34(tmp_path, counts(SMALL), WHOLE)
    result = tmp_path / "r.cxi"
    quick = ["--preset", "iterative", "--set", "refine.algorithm=5*ER", "--set", "refine.starts=1"]
    assert cli.main(["reconstruct", str(folder), "-o", str(result), *quick]) == 0, capsys.readouterr().err
    again = ["repeat", str(result), "-o", str(tmp_path / "again.cxi")]
    assert cli.main(again) == 0
    assert "what the scan's files say now differs" not in capsys.readouterr().out
    write_34(tmp_path, counts(SMALL), WHOLE, motors={**MOTORS_34, "Delta": 33.0, "camdist": 510.0})
    assert cli.main(again) == 0
    assert (
        "The geometry is that of r.cxi; what the scan's files say now differs: distance_m, detector_angles_deg."
        in " ".join(capsys.readouterr().out.split())
    )
    assert cli.main(["repeat", "--help"]) == 0
    assert "refused if its counts or mask have changed" in " ".join(capsys.readouterr().out.split())


# -- odd files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "units", "said"),
    [
        ("0,5 m", "m", "it reads '0,5 m', which is no number in m"),
        ("0.5 m", "mm", "it reads '0.5 m', which is no number in mm"),
        (np.linspace(0.5, 0.6, 20), "m", "it changes from frame to frame, from 0.5 to 0.6 m"),
        (np.nan, "m", "nan m is no distance"),
        (-0.5, "m", "-0.5 m is no distance"),
        (500.0, b"\xb5m", "500 µm is no distance (0.02 to 20 m): 0.5 m, if the number is in mm?"),  # Latin 1
        (0.0, "m", None),  # was never set
    ],
)
def test_a_distance_that_is_none_is_said(tmp_path, value, units, said):
    path = eiger(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["entry/instrument/detector/detector_distance"]
        file["entry/instrument/detector/detector_distance"] = value
        file["entry/instrument/detector/detector_distance"].attrs["units"] = units
    scan = formats.read_scan(path)
    assert "distance_m" not in scan.metadata
    found = notes_with(scan, "detector_distance of s_master.h5 is not used")
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def zipped(data: bytes) -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("frame_00000.tif", data)
        return file.getvalue()


@pytest.mark.parametrize(
    ("pack", "name"),
    [(gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz"), (zipped, "zip")],
)
def test_a_packed_file_is_said_to_be_packed(tmp_path, pack, name):
    np.save(tmp_path / "a.npy", counts(SMALL))
    path = tmp_path / "a.npy.packed"
    path.write_bytes(pack((tmp_path / "a.npy").read_bytes()))
    with pytest.raises(InputError, match=f"is packed with {name}; unpack it"):
        formats.read_scan(path)


def test_a_dataset_that_is_named_and_is_no_volume_is_not_said_to_be_absent(tmp_path):
    proposal = bliss(tmp_path)
    with pytest.raises(
        InputError, match=r"measurement/imon holds float64 values of shape \(17,\); a rocking"
    ):
        formats.read_scan(f"{proposal}::S1_0001_1.1/measurement/imon")


def test_words_among_the_numbers_of_a_log_are_no_damage(tmp_path):
    folder = write_34(tmp_path, counts(SMALL), WHOLE)
    log = tmp_path / "Staff20-1a.spec"
    log.write_text(log.read_text().replace("32.174", "moving").replace("\n0.02 ", "\noops "))
    scan = formats.read_scan(folder)
    assert notes_with(scan, "In Staff20-1a.spec Delta reads 'moving': it is not used.")
    assert notes_with(scan, "Theta of Staff20-1a.spec has no value at point 6 (0, or no number)")
    folder = write_p10(tmp_path, counts(SMALL), 2)
    log = folder / "gold_00031.fio"
    log.write_text(log.read_text().replace("\n 15.05 ", "\n oops "))
    assert notes_with(formats.read_scan(folder), "om of gold_00031.fio has no value at point")


def test_a_dark_field_with_a_hole_is_of_use_and_one_of_holes_is_not():
    raw = Scan.from_array(counts(SMALL), name="raw")
    dark = np.zeros((32, 32))
    dark[3, 4] = np.nan
    scan = flat_field(raw, dark)
    assert scan.mask[:, 3, 4].all()
    assert scan.mask.sum() == len(raw.counts)
    with pytest.raises(InputError, match="dark field holds no number"):
        flat_field(raw, np.full((32, 32), np.nan))


@pytest.mark.parametrize(
    ("shape", "axes", "said"),
    [((32, 32, 20), None, True), ((32, 32, 20), (2, 0, 1), False), ((20, 32, 32), None, False), ((32, 32, 32), None, False)],
)  # fmt: skip
def test_frames_that_may_lie_along_the_last_axis_are_asked_about(tmp_path, shape, axes, said):
    np.save(tmp_path / "a.npy", peak(1, shape))
    notes = formats.read_scan(tmp_path / "a.npy", axes=axes).notes
    assert any("--axes 2,0,1" in note for note in notes) == said


@pytest.mark.parametrize("peak", [1e3, 1e5])
def test_amplitudes_that_were_rounded_are_told_from_counts(tmp_path, peak):
    """Neighbours with n photons between them differ by n in the mean square at least; rounded roots do not."""
    at = np.exp(-(((np.arange(40) - 20) / 7.0) ** 2))
    expected = peak * at[:, None, None] * at[:, None] * at + 2
    counts = np.random.default_rng(1).poisson(expected)
    rounded = np.rint(np.sqrt(counts)).astype("u2")

    def said(array, **how) -> bool:
        np.save(tmp_path / "scan.npy", array)
        return bool(notes_with(formats.read_scan(tmp_path / "scan.npy", **how), "say --values amplitudes"))

    assert said(rounded)
    assert not said(counts.astype("u4"))
    assert not said(counts.astype("f4"))
    assert not said(rounded, values="amplitudes")
    assert said((counts + np.random.default_rng(2).poisson(expected) + 1) // 2)  # the mean of two


def test_counts_on_an_offset_are_judged_less_their_dark_frame(tmp_path):
    """Photons on a constant offset of 3 are steadier than so many photons would be; less their dark they are photons."""
    at = np.exp(-(((np.arange(40) - 20) / 7.0) ** 2))
    counts = np.random.default_rng(1).poisson(1e4 * at[:, None, None] * at[:, None] * at)
    np.save(tmp_path / "scan.npy", counts + 3)
    dark = np.full((40, 40), 3.0)

    def said(**how) -> list[str]:
        return notes_with(formats.read_scan(tmp_path / "scan.npy", **how), "of what photons would")

    assert "--dark FILE" in said()[0]
    assert not said(dark=dark)
    assert not said(dark=dark, white=np.random.default_rng(2).uniform(0.9, 1.1, (40, 40)))
    np.save(tmp_path / "scan.npy", np.rint(np.sqrt(counts)) + 3)
    assert said(dark=dark)


def test_a_file_in_which_no_frame_is_yet(tmp_path):
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file.create_dataset("entry/data/data", (0, 48, 48), "u4", maxshape=(None, 48, 48))
    for dataset in (None, "entry/data/data"):
        with pytest.raises(InputError, match="holds no frames yet; wait"):
            formats.read_scan(tmp_path / "run.h5", dataset=dataset)


def test_data_files_of_a_detector_without_their_master(tmp_path):
    for index in range(1, 4):
        with h5py.File(tmp_path / f"s_data_{index:06d}.h5", "w") as file:
            file["entry/data/data"] = np.ones((1, 32, 32))
    with pytest.raises(InputError, match=r"3 data files .*without the master file that joins them"):
        formats.read_scan(tmp_path)


def test_a_file_of_a_beamline_that_says_nothing_but_the_scanned_motor(tmp_path):
    """NanoMAX without its snapshots: the one motor tells whose file it is."""
    with h5py.File(nanomax(tmp_path / "000123.h5"), "r+") as file:
        del file["entry/snapshots"]
    scan = formats.read_scan(tmp_path / "000123.h5")
    assert scan.geometry is None
    one_note(scan, "does not say where", "gamma, delta stood")
    one_note(
        scan, "The geometry is not complete", "energy_kev, distance_m, sample_angles_deg, detector_angles_deg"
    )


def test_a_picture_made_for_the_eye_is_no_scan(tmp_path):
    """The logarithm of 0, 1 and 2 counts in 8 bits is 0, 15 and 24: what lies between is missing."""
    at = np.exp(-(((np.arange(40) - 20) / 7.0) ** 2))
    counts = np.random.default_rng(1).poisson(1e5 * at[:, None, None] * at[:, None] * at + 0.1)
    pictures = {
        "log": np.log10(1 + counts) / 5 * 255,
        "gamma": 255 * (counts / counts.max()) ** 0.3,
        "counts": counts,
        "on a background": np.where(
            np.arange(40) == 7, 0, counts + np.random.default_rng(2).poisson(40, counts.shape)
        ),
        "times seven": 7 * counts,
    }
    said = {}
    for name, array in pictures.items():
        np.save(tmp_path / "scan.npy", array.astype("u1" if name in ("log", "gamma") else "u4"))
        said[name] = bool(notes_with(formats.read_scan(tmp_path / "scan.npy"), "made for the eye"))
    assert said == {
        "log": True,
        "gamma": True,
        "counts": False,
        "on a background": False,
        "times seven": False,
    }


@pytest.mark.parametrize(
    ("group", "kind", "name"),
    [
        ("attenuator", "NXattenuator", "attenuator_transmission"),
        ("detector", "NXdetector", "count_time"),
        ("control", "NXmonitor", "data"),
    ],
)
def test_light_that_changed_amid_a_nexus_scan_is_said(tmp_path, group, kind, name):
    """An attenuator that went in, or a longer exposure: the rocking curve has a step that the crystal did not make."""

    def notes(values) -> list[str]:
        with h5py.File(tmp_path / "scan.nxs", "w") as file:
            entry = file.create_group("entry")
            entry.attrs["NX_class"] = "NXentry"
            for each, has in (("detector", "NXdetector"), (group, kind)):
                entry.require_group(f"instrument/{each}").attrs["NX_class"] = has
            entry["instrument/detector/data"] = peak(shape=SMALL)
            entry[f"instrument/{group}/{name}"] = values
        return notes_with(formats.read_scan(tmp_path / "scan.nxs"), name, "taken as they are")

    ones = np.ones(SMALL[0])
    assert not notes(ones)
    assert not notes(ones * np.linspace(1, 0.9, SMALL[0]))  # a ring that decays
    assert not notes(ones * 0)  # was never read
    (note,) = notes(np.where(np.arange(SMALL[0]) < 10, 1, 0.1))
    assert "from 0.1 to 1" in note
    (note,) = notes(np.where(np.arange(SMALL[0]) < 8, 1.0, 0.0))  # the beam was lost in most frames
    assert "from 0 to 1" in note


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "detector_distance",
            2.5,
            "the distance is 1.83 m by the former, which is taken, and 2.5 by the latter",
        ),
        ("photon_energy", 9000.0, "the energy is 8.7 keV by the former, which is taken, and 9 by the latter"),
        ("detector_distance", 1.831, None),
        ("photon_energy", 8701.0, None),
    ],
)
def test_a_log_that_contradicts_the_frames_own_file_is_said_to(tmp_path, name, value, said):
    folder = write_p10(tmp_path, counts((20, 40, 48)), 2)
    with h5py.File(folder / "e500/gold_00031_master.h5", "r+") as file:
        file["entry"].attrs["NX_class"] = "NXentry"
        detector = file.create_group("entry/instrument/detector")
        detector.attrs["NX_class"] = "NXdetector"
        detector[name] = value
        detector[name].attrs["units"] = "eV" if name == "photon_energy" else "m"
    scan = formats.read_scan(folder)
    assert (scan.geometry.energy_kev, scan.geometry.distance_m) == pytest.approx((8.7, 1.83))
    assert [said in note for note in scan.notes if "contradict" in note] == ([] if said is None else [True])


def changed_bliss(folder, path, value, units=None):
    """The notes and the geometry of an ID01 scan in which one dataset is another."""
    proposal = bliss(folder)
    with h5py.File(folder / "S1/S1_0001/S1_0001.h5", "r+") as file:
        del file[f"1.1/{path}"]
        file[f"1.1/{path}"] = value
        if units:
            file[f"1.1/{path}"].attrs["units"] = units
    return formats.read_scan(proposal)


ETA, RADIANS = "instrument/positioners/eta", np.pi / 180
OTHERWISE = {
    "radians": (ETA, RADIANS * scanned(17.5, 0.01), r"asks for steps of 0\.01 degrees.*0\.0001745 \(recorded in radians\?\)"),
    "reversed": (ETA, scanned(17.5, -0.01), r"asks for steps of 0\.01 degrees.*-0\.01 \(the other way round\)"),
    "half": (ETA, scanned(17.5, 0.005), r"asks for steps of 0\.01 degrees, but proposal\.h5 records steps of 0\.005: what"),
    "an arm that moved": ("instrument/positioners/nu", scanned(10, 0.1), r"nu turned along by proposal\.h5, from 9\.2 to 10\.8"),
}  # fmt: skip


@pytest.mark.parametrize("how", OTHERWISE)
def test_a_command_and_motors_that_contradict_each_other_are_said_to(tmp_path, how):
    path, values, said = OTHERWISE[how]
    notes = changed_bliss(tmp_path, path, values).notes
    assert len([note for note in notes if re.search(said, note)]) == 1, notes


def test_a_command_that_names_another_circle_than_the_one_that_turned_is_said_to(tmp_path):
    proposal = bliss(tmp_path)
    with h5py.File(tmp_path / "S1/S1_0001/S1_0001.h5", "r+") as file:
        for name, value in (("mu", scanned(0.5, 0.01)), ("eta", 17.5)):
            del file[f"1.1/instrument/positioners/{name}"]
            file[f"1.1/instrument/positioners/{name}"] = value
    scan = formats.read_scan(proposal)
    assert one_note(scan, "turns eta, but proposal.h5 records that mu turned")
    assert scan.geometry.rocking_circle == 0


def test_an_encoder_that_jitters_contradicts_nothing(tmp_path):
    values = scanned(17.5, 0.01) + np.random.default_rng(0).normal(0, 0.001, 17)
    notes = changed_bliss(tmp_path, "instrument/positioners/eta", values).notes
    assert not any("asks for steps" in note or "turned along" in note for note in notes)


@pytest.mark.parametrize(
    ("value", "units"), [(0.7975, "mm"), (7.975e-4, "m"), (14.5, "pixels"), (14.5, None)]
)
def test_a_direct_beam_as_a_length_is_brought_to_pixels(tmp_path, value, units):
    """Column 14.5 of pixels of 55 µm; it lay on pixel 0.0008."""
    scan = changed_bliss(tmp_path, "instrument/mpx1x4/beam_center_x", value, units)
    assert scan.geometry.direct_beam_pixel == pytest.approx((11.25, 14.5))


def _records(file):
    file["entry/data/data"] = np.rec.fromarrays(
        [counts((16, 16, 16)), counts((16, 16, 16))], names="counts,error"
    )


def _lengths(file):
    rows = file.create_dataset("entry/data/data", (16,), dtype=h5py.vlen_dtype(np.uint32))
    rows[0] = np.arange(5)


def _nowhere(file):
    file["entry/data/data"] = h5py.SoftLink("/entry/detector/data")


STRANGE = {
    _records: r"/entry/data/data \(16 × 16 × 16\) holds records of several fields \(counts, error\), which are no counts; save",
    _lengths: r"/entry/data/data \(16\) holds rows of their own lengths, which are no counts; save",
    _nowhere: r"/entry/data/data is a link to /entry/detector/data, which leads to nothing; open the file",
}


@pytest.mark.parametrize("write", STRANGE)
def test_what_stands_where_frames_should_is_named(tmp_path, write):
    """It was said that the file holds no numeric array."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write(file)
    with pytest.raises(InputError, match=STRANGE[write]):
        formats.read_scan(tmp_path / "a.h5")


def test_a_factor_that_belongs_to_stored_counts_is_said(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/data/data"] = counts((16, 20, 24))
        file["entry/data/data"].attrs["scale_factor"] = 10.0
        file["entry/data/data_offset"] = 3
    scan = formats.read_scan(tmp_path / "a.h5")
    assert one_note(
        scan, "/entry/data/data is stored with scale_factor 10 and offset 3, which nothing applies"
    )


@pytest.mark.parametrize(("names", "said"), [(("eta", "x", "y"), True), (("eta", "y", "x"), False)])
def test_axes_that_are_called_the_other_way_round_are_asked_about(tmp_path, names, said):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("entry/data")
        group["data"] = counts((16, 20, 24))
        group.attrs["axes"] = names
    notes = formats.read_scan(tmp_path / "a.h5").notes
    assert any("say --axes 0,2,1" in note for note in notes) is said
    turned = formats.read_scan(tmp_path / "a.h5", axes=(0, 2, 1))
    assert not any("say --axes" in note for note in turned.notes)


@pytest.mark.parametrize(
    ("place", "dark", "expected"),
    [
        ("saturation_value", None, True),
        ("detectorSpecific/countrate_correction_count_cutoff", None, True),
        ("saturation_value", np.zeros((24, 32)), False),  # no counts as they were measured any more
    ],
)
def test_the_most_counts_that_a_file_names_are_a_limit(tmp_path, place, dark, expected):
    """The peak of 900 photons is saturated from 300 on; it was phased as it is."""
    master = eiger(tmp_path)
    with h5py.File(master, "r+") as file:
        file[f"entry/instrument/detector/{place}"] = 300
    scan = formats.read_scan(master, dark=dark)
    why = why_masked(scan)
    bright = (scan.counts >= 300) & (scan.counts < 1e4) & ~scan.mask
    assert bright.sum() > 10
    assert (why[bright] == WHY.index("saturated")).all() == expected

"""HDF5 files of beamlines: frames, mask, motors, energy, distance, pixels and direct beam, as they stand in each layout."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from beamline_trees import (
    COLUMNS,
    FRAMES,
    ROWS,
    SHAPE,
    bliss,
    counts,
    cristal,
    dead,
    dxchange,
    eiger,
    id27,
    lima,
    nanomax,
    put,
    scanned,
    sixs,
)

from napari_autophase import formats
from napari_autophase.geometry import arm_vector, complete
from napari_autophase.scan import Geometry, InputError, Scan

BAD = np.zeros((ROWS, COLUMNS), bool)
BAD[3, 4] = True


def completed(scan: Scan, **said: Any) -> Geometry:
    """What a person has who adds what the file lacks."""
    if scan.geometry is not None:
        return scan.geometry
    known = {each.name for each in fields(Geometry)}
    return complete({**{key: value for key, value in scan.metadata.items() if key in known}, **said})


def spacing_nm(energy_kev: float, two_theta_deg: float) -> float:
    """Bragg's law."""
    return 1.23984198 / energy_kev / 2 / np.sin(np.radians(two_theta_deg) / 2)


def two_theta(in_plane: float, out_of_plane: float) -> float:
    return float(np.degrees(np.arccos(np.cos(np.radians(in_plane)) * np.cos(np.radians(out_of_plane)))))


# -- ID01: BLISS at every level ------------------------------------------------------------------------------------------

LEVELS = {
    "proposal": ("proposal.h5", "S1_0001_2.1"),
    "collection": ("S1/exp_S1.h5", "S1_0001_2.1"),
    "dataset": ("S1/S1_0001/S1_0001.h5", "2.1"),
    "detector": ("S1/S1_0001/scan0002/mpx1x4_0000.h5", None),
}


@pytest.mark.parametrize("virtual", [False, True], ids=["linked", "virtual"])
@pytest.mark.parametrize("level", LEVELS)
def test_id01_is_whole_at_every_level(tmp_path, level, virtual):
    bliss(tmp_path, scans=2, virtual=virtual)
    name, dataset = LEVELS[level]
    scan = formats.read_scan(tmp_path / name, dataset=dataset)
    np.testing.assert_array_equal(scan.counts, counts(12))
    assert scan.mask is not None
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(BAD, SHAPE))
    geometry = scan.geometry
    assert geometry is not None
    assert geometry == Geometry(
        energy_kev=9.0,
        distance_m=0.83,
        pixel_size_um=(55.0, 55.0),
        rocking_step_deg=pytest.approx(0.01),
        detector_angles_deg=(10.0, 35.0),
        sample_circles=("y-", "x-", "y-"),
        sample_angles_deg=(0.5, pytest.approx(17.5), -2.0),
        rocking_circle=1,
        detector_circles=("y-", "x-"),
        pixel_directions=("y-", "x+"),
        direct_beam_pixel=(11.25, 14.5),
        rocking_angles_deg=pytest.approx(tuple(scanned(17.5, 0.01))),
        beamline="ID01",
        detector="mpx1x4",
    )
    spacing = 2 * np.pi / np.linalg.norm(arm_vector(geometry))
    assert spacing == pytest.approx(spacing_nm(9.0, two_theta(10, 35)), rel=1e-7)
    assert scan.metadata["command"] == "ascan eta 17.42 17.58 16 1.0"
    assert scan.metadata["monitor"] == [1e5] * FRAMES
    assert any("complete: 17 of 17 points" in note for note in scan.notes)


def id01_file(tmp_path: Path) -> Path:
    """The file of one scan of ID01, below which all stands to which it links."""
    bliss(tmp_path)
    return tmp_path / "S1/S1_0001/S1_0001.h5"


def replaced(path: Path, values: dict[str, Any]) -> Path:
    with h5py.File(path, "a") as file:
        for name, value in values.items():
            del file[name]
            file[name] = value
    return path


@pytest.mark.parametrize("own", [False, True])
def test_a_lost_mask_of_id01_is_said_once(tmp_path, own):
    """The scan's file was opened, or the detector's own, whose scan stands beside its folder."""
    path = replaced(
        id01_file(tmp_path), {"1.1/instrument/mpx1x4/pixel_mask": h5py.ExternalLink("gone.h5", "/m")}
    )
    scan = formats.read_scan(path.parent / "scan0001/mpx1x4_0000.h5" if own else path)
    assert scan.mask is None
    (note,) = [each for each in scan.notes if "gone.h5" in each]
    assert "S1_0001.h5::/1.1/instrument/mpx1x4/pixel_mask is lost" in note


@pytest.mark.parametrize("raw", [False, True])
def test_a_mask_of_id01_outside_the_folder_is_refused_from_the_detector_s_file_too(tmp_path, raw):
    path = id01_file(tmp_path)
    dead(ROWS, COLUMNS).tofile(tmp_path / "m.bin")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["m"] = dead(ROWS, COLUMNS)
    with h5py.File(path, "a") as file:
        del file["1.1/instrument/mpx1x4/pixel_mask"]
        if raw:
            file.create_dataset(
                "1.1/instrument/mpx1x4/pixel_mask",
                (ROWS, COLUMNS),
                "u1",
                external=[(str(tmp_path / "m.bin"), 0, ROWS * COLUMNS)],
            )
        else:
            file["1.1/instrument/mpx1x4/pixel_mask"] = h5py.ExternalLink("../../m.h5", "/m")
    for each in (path, path.parent / "scan0001/mpx1x4_0000.h5"):
        with pytest.raises(InputError, match=r"pixel_mask of .*outside the folder"):
            formats.read(each)


DELTA, ENERGY = "1.1/instrument/positioners/delta", "1.1/instrument/positioners/mononrj"


@pytest.mark.parametrize(
    ("name", "value", "why", "field"),
    [
        (DELTA, h5py.ExternalLink("../outside/o.h5", "/d"), "link into another file, ../outside/o.h5", "detector_angles_deg"),
        (DELTA, h5py.SoftLink("/gone"), "link that leads to nothing", "detector_angles_deg"),
        (DELTA, np.array([35.0, 36.0]), "has 2 values for 17 points", "detector_angles_deg"),
        (DELTA, "out", "reads 'out'", "detector_angles_deg"),
        (ENERGY, "nine", "reads 'nine'", "energy_kev"),
        (ENERGY, h5py.ExternalLink("gone.h5", "/e"), "link into another file, gone.h5", "energy_kev"),
        ("1.1/instrument/positioners/mu", h5py.ExternalLink("gone.h5", "/mu"), "file, gone.h5", "sample_angles_deg"),
    ],
)  # fmt: skip
def test_a_motor_that_is_no_number_is_named_and_the_rest_is_kept(tmp_path, name, value, why, field):
    scan = formats.read_scan(replaced(id01_file(tmp_path), {name: value}))
    assert scan.geometry is None
    (note,) = [each for each in scan.notes if name.removeprefix("1.1/") in each]
    assert why in note
    assert any(field in each and "--set" in each for each in scan.notes)
    known = {"beamline": "ID01", "distance_m": 0.83, "energy_kev": 9.0, "detector_angles_deg": [10.0, 35.0]}
    for each in {*known} - {field}:
        assert scan.metadata[each] == known[each]
    assert field not in scan.metadata


def test_the_group_of_a_scan_may_be_named_behind_the_file(tmp_path):
    bliss(tmp_path, datasets=2, scans=3)
    dataset = tmp_path / "S1/S1_0002/S1_0002.h5"
    np.testing.assert_array_equal(formats.read_scan(f"{dataset}::3.1").counts, counts(23))
    np.testing.assert_array_equal(
        formats.read_scan(f"{tmp_path / 'proposal.h5'}::S1_0001_1.1").counts, counts(11)
    )
    with pytest.raises(InputError, match=r"no dataset '9\.1'; it holds 1\.1, 2\.1, 3\.1\."):
        formats.read_scan(f"{dataset}::9.1")


@pytest.mark.parametrize("moved", ["phi", "eta"])
def test_id01_rocks_about_the_motor_that_was_scanned(tmp_path, moved):
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        motors = file["1.1/instrument/positioners"]
        del motors["eta"], motors["phi"], file["1.1/instrument/positioners_start/eta"]
        motors["eta"] = 17.5 if moved == "phi" else scanned(17.5, -0.004)
        motors["phi"] = -2.0 if moved == "eta" else scanned(-2.0, -0.004)
    geometry = formats.read_scan(path).geometry
    assert geometry is not None
    assert geometry.rocking_circle == {"eta": 1, "phi": 2}[moved]
    assert geometry.rocking_step_deg == pytest.approx(-0.004)
    assert geometry.sample_angles_deg == pytest.approx((0.5, 17.5, -2.0))


def test_a_motor_that_drifts_is_not_taken_for_the_one_that_was_scanned(tmp_path):
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        del file["1.1/instrument/positioners/phi"]
        file["1.1/instrument/positioners/phi"] = scanned(-2.0, 1e-5)
    geometry = formats.read_scan(path).geometry
    assert geometry is not None
    assert geometry.rocking_circle == 1
    assert geometry.sample_angles_deg == pytest.approx((0.5, 17.5, -2.0))


def test_groups_that_only_look_like_scans_are_none(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        put(file, {"exp_1/data": counts(1), "exp_2/data": counts(2)})
    assert formats.scans(tmp_path / "a.h5") == []
    with pytest.raises(formats.AmbiguousDataset, match="several arrays"):
        formats.read_scan(tmp_path / "a.h5")


def test_a_list_does_not_follow_links_out_of_its_folder(tmp_path):
    bliss(tmp_path / "elsewhere")
    inside = tmp_path / "inside"
    inside.mkdir()
    with h5py.File(inside / "list.h5", "w") as file:
        for number in (1, 2):
            file[f"{number}.1"] = h5py.ExternalLink(str(tmp_path / "elsewhere/S1/S1_0001/S1_0001.h5"), "/1.1")
    assert [(each.path, each.command) for each in formats.scans(inside / "list.h5")] == [
        ("1.1", ""),
        ("2.1", ""),
    ]
    with pytest.raises(InputError, match="outside the folder"):
        formats.read_scan(inside / "list.h5")


def test_a_scan_that_still_runs_is_said_to(tmp_path):
    bliss(tmp_path, running=True)
    scan = formats.read_scan(tmp_path / "S1/S1_0001/S1_0001.h5")
    assert any("is not complete" in note for note in scan.notes)
    assert formats.scans(tmp_path / "proposal.h5")[0].is_complete is False


@pytest.mark.parametrize(
    ("reason", "asked", "state", "said"),
    [
        ("SUCCESS", 17, "", "is complete: 17 of 17 points"),
        ("SUCCESS", 33, "not complete", "is not complete: 17 of 33 points (it ended early)"),
        ("USER_ABORT", 33, "not complete: USER_ABORT", "is not complete: 17 of 33 points (it was ended by USER_ABORT)"),
        ("FAILURE", 17, "not complete: FAILURE", "is not complete: 17 of 17 points (it was ended by FAILURE)"),
    ],
)  # fmt: skip
def test_what_ended_a_scan_of_id01_is_said(tmp_path, reason, asked, state, said):
    path = id01_file(tmp_path)
    with h5py.File(path, "r+") as file:
        file["1.1/end_reason"] = reason
        del file["1.1/title"]
        file["1.1/title"] = f"ascan eta 17.42 {17.42 + 0.01 * (asked - 1):g} {asked - 1} 1.0"
    assert formats.scans(path)[0].state == state
    assert any(said in note for note in formats.read_scan(path).notes)


def test_the_motor_of_a_scan_that_still_runs_goes_on_as_it_went(tmp_path):
    bliss(tmp_path, running=True)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        scan = file["1.1"]
        del scan["title"], scan["instrument/positioners/eta"], scan["measurement/imon"]
        scan["title"] = "ascan eta 17.42 17.74 32 1.0"
        # the motor is one point ahead of the counters, and both are behind the detector
        scan["instrument/positioners/eta"] = scanned(17.5, 0.01)[:16]
        scan["measurement/imon"] = np.ones(15)
        scan["measurement/imon2"] = np.ones(15)
        del scan["measurement/roi1_max"], scan["measurement/eta"]
    scan = formats.read_scan(path)
    geometry = scan.geometry
    assert geometry is not None
    assert geometry.rocking_step_deg == pytest.approx(0.01)
    assert geometry.sample_angles_deg == pytest.approx((0.5, 17.5, -2.0))
    assert any(
        "is not complete: 15 of 33 points" in note and "there are 17 frames" in note for note in scan.notes
    )


@pytest.mark.parametrize(
    ("running", "title"), [(False, "ascan eta 17.42 17.58 16 1.0"), (False, "sweep"), (True, "")]
)
def test_one_position_more_than_frames_is_said_once_a_scan_is_over(tmp_path, running, title):
    """A frame was not stored, or the edges of a continuous scan were recorded; while a scan runs its motor is ahead."""
    bliss(tmp_path, running=running)
    path = replaced(
        tmp_path / "S1/S1_0001/S1_0001.h5",
        {"1.1/title": title, "1.1/instrument/positioners/eta": scanned(17.5, 0.01)[0] + 0.01 * np.arange(18)},
    )
    scan = formats.read_scan(path)
    assert scan.geometry is not None
    assert scan.geometry.rocking_angles_deg == pytest.approx(tuple(scanned(17.5, 0.01)))
    said = [note for note in scan.notes if "18 positions for 17 frames: the first 17 are taken" in note]
    assert len(said) == (0 if running else 1)


@pytest.mark.parametrize(
    ("actuator", "step", "says"),
    [
        (scanned(16.4, -0.008, 18)[:18], -0.008, "has 18 positions for 17 frames"),
        (
            scanned(16.4, -0.008)[:16],
            None,
            "actuator_1_1 of a_00012.nxs, which holds where what was scanned stood, has 16 values",
        ),
        (np.where(np.arange(17) < 13, scanned(16.4, -0.008), 0), -0.008, "has no values from point 13 on"),
        (
            np.where(np.arange(17) < 13, scanned(16.4, -0.008), np.nan),
            -0.008,
            "has no values from point 13 on",
        ),
        (
            np.where(np.arange(17) != 5, scanned(16.4, -0.008), 0),
            -0.008,
            "no value at point 5 (0, or no number)",
        ),
        (np.where(np.arange(17) % 9, scanned(16.4, -0.008), np.nan), -0.008, "no values at points 0, 9 (0,"),
        (
            np.where(np.arange(17) < 5, scanned(16.4, -0.008), 0),
            None,
            "actuator_1_1 of a_00012.nxs, which holds where",
        ),
    ],
)
def test_positions_of_a_scan_that_are_too_many_too_few_or_were_not_written_are_said(
    tmp_path, actuator, step, says
):
    path = sixs(tmp_path / "a_00012.nxs", 2022)
    scan = formats.read_scan(replaced(path, {"com/scan_data/actuator_1_1": actuator}))
    assert any(says in note for note in scan.notes)
    assert scan.metadata.get("rocking_step_deg") == (None if step is None else pytest.approx(step))
    if step is not None and "no value" in says:
        assert not any("are sorted" in note for note in scan.notes)
        assert scan.metadata["rocking_angles_deg"] == pytest.approx(list(scanned(16.4, -0.008)))


@pytest.mark.parametrize(("factor", "unit"), [(1e3, "millidegrees"), (1e6, "millionths of a degree")])
def test_a_rocking_motor_in_parts_of_a_degree_is_named_with_the_likely_unit(tmp_path, factor, unit):
    path = replaced(id01_file(tmp_path), {"1.1/instrument/positioners/eta": factor * scanned(17.5, 0.01)})
    notes = formats.read_scan(path).notes
    assert any(
        f"17.5 degrees, if the number is in {unit}?" in note and "Say the step" in note for note in notes
    )
    assert not any("is it a rocking curve" in note for note in notes)


def test_each_of_two_detectors_has_its_own_distance_and_mask(tmp_path):
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        other = {
            "distance": 1.5,
            "x_pixel_size": 75e-6,
            "y_pixel_size": 75e-6,
            "beam_center_x": 1.0,
            "beam_center_y": 2.0,
        }
        put(file["1.1/instrument"], {f"eiger2M/{key}": value for key, value in other.items()})
        file["1.1/instrument/eiger2M/data"] = counts(5)
        file["1.1/instrument/eiger2M/pixel_mask"] = np.zeros((ROWS, COLUMNS), np.uint8)
    for name, distance, size, masked in (("mpx1x4", 0.83, 55.0, FRAMES), ("eiger2M", 1.5, 75.0, 0)):
        scan = formats.read_scan(path, dataset=f"1.1/instrument/{name}/data")
        assert scan.geometry is not None
        assert scan.geometry.distance_m == distance
        assert scan.geometry.pixel_size_um == (size, size)
        assert scan.geometry.detector == name
        assert scan.mask is not None
        assert scan.mask.sum() == masked


def test_a_detector_does_not_borrow_the_distance_of_another(tmp_path):
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        put(file, {"1.1/instrument/eiger2M/data": counts(5), "1.1/instrument/eiger2M/model": "Eiger2"})
    scan = formats.read_scan(path, dataset="1.1/instrument/eiger2M/data")
    assert scan.geometry is None
    assert any("lacks distance_m" in note for note in scan.notes)


def test_pixels_that_were_binned_are_as_large_as_the_file_says(tmp_path):
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        for name in ("x_pixel_size", "y_pixel_size"):
            file[f"1.1/instrument/mpx1x4/{name}"][()] = 110e-6
    scan = formats.read_scan(path)
    assert scan.geometry is not None
    assert scan.geometry.pixel_size_um == (110.0, 110.0)
    assert any("binned?" in note for note in scan.notes)


def test_whole_frames_have_the_gaps_of_their_detector(tmp_path):
    bliss(tmp_path, shape=(16, 516, 516))
    scan = formats.read_scan(tmp_path / "S1/S1_0001/S1_0001.h5")
    assert scan.mask is not None
    assert scan.mask[:, 255:261].all()
    assert scan.mask[:, :, 255:261].all()
    assert scan.mask[0].sum() == 2 * 6 * 516 - 36 + 1
    assert scan.geometry is not None
    assert scan.geometry.direct_beam_pixel == (11.25, 14.5)


def test_the_units_that_a_file_gives_are_believed(tmp_path):
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        scan = file["1.1/instrument"]
        del scan["mpx1x4/distance"], scan["positioners/mononrj"], scan["positioners/delta"]
        put(
            scan,
            {"mpx1x4/distance": 830.0, "positioners/mononrj": 9000.0, "positioners/delta": np.radians(35.0)},
            {"mpx1x4/distance": "mm", "positioners/mononrj": "eV", "positioners/delta": "rad"},
        )
    geometry = formats.read_scan(path).geometry
    assert geometry is not None
    assert geometry.distance_m == pytest.approx(0.83)
    assert geometry.energy_kev == pytest.approx(9.0)
    assert geometry.detector_angles_deg == pytest.approx((10.0, 35.0))
    with h5py.File(path, "r+") as file:
        scan = file["1.1/instrument"]
        del scan["mpx1x4/distance"], scan["positioners/mononrj"]
        put(scan, {"mpx1x4/distance": "83 cm", "positioners/mononrj": "9000 electronvolts"})
        for name in ("mu", "phi", "nu"):
            scan[f"positioners_start/{name}"] = scan[f"positioners/{name}"][()]
    assert not any("contradict" in note for note in formats.read_scan(path).notes)
    with h5py.File(path, "r+") as file:
        file["1.1/instrument/positioners/nrj"] = 9.5
    found = formats.read_scan(path)
    assert (found.geometry.distance_m, found.geometry.energy_kev) == pytest.approx((0.83, 9.0))
    assert any("contradict each other: the energy is 9 keV by the former" in note for note in found.notes)


# -- the list of scans ---------------------------------------------------------------------------------------------------


def test_a_file_of_many_scans_is_a_list(tmp_path):
    proposal = bliss(tmp_path, datasets=2, scans=11)
    found = formats.scans(proposal)
    assert [each.path for each in found] == [f"S1_{d:04d}_{s}.1" for d in (1, 2) for s in range(1, 12)]
    third = found[2]
    assert (third.command, third.when) == ("ascan eta 17.42 17.58 16 1.0", "2026-02-01 10:03:00")
    assert (third.points, third.asked, third.brightest, third.has_frames) == (FRAMES, FRAMES, 803, True)
    assert third.is_complete is True


def test_a_list_opens_no_detector_file(tmp_path, monkeypatch):
    proposal = bliss(tmp_path, scans=3)
    for each in tmp_path.rglob("mpx1x4_0000.h5"):
        each.unlink()
    opened = []
    real = h5py.File

    class Watched(real):
        def __init__(self, name, *args, **known):
            opened.append(Path(name).name)
            super().__init__(name, *args, **known)

    monkeypatch.setattr(h5py, "File", Watched)
    assert len(formats.scans(proposal)) == 3
    assert set(opened) == {"proposal.h5", "S1_0001.h5"}


def test_counters_that_are_links_are_listed_as_those_that_are_not(tmp_path):
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        scan = file["1.1"]
        for name in ("imon", "roi1_max"):  # as BLISS writes them
            scan.move(f"measurement/{name}", f"instrument/{name}/data")
            scan[f"measurement/{name}"] = h5py.SoftLink(f"/1.1/instrument/{name}/data")
    found = formats.scans(path)[0]
    assert (found.points, found.has_frames, found.brightest) == (FRAMES, True, 801)


def test_a_list_shows_nothing_of_files_that_its_words_and_counters_name(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"password" * FRAMES)
    folder = tmp_path / "opened"
    path = bliss(folder).parent / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        scan = file["1.1"]
        for name, dtype, shape in (("title", "S8", (1,)), ("measurement/roi1_max", float, (FRAMES,))):
            del scan[name]
            scan.create_dataset(name, shape, dtype, external=str(secret))
    found = formats.scans(path)[0]
    assert (found.command, found.brightest, found.points) == ("", None, FRAMES)


def test_scans_without_frames_are_listed_but_not_offered(tmp_path):
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        put(
            file,
            {"2.1/title": "ascan mu 0 1 10 1", "2.1/measurement/imon": np.ones(11), "2.1/end_time": "now"},
        )
    assert [(each.path, each.state) for each in formats.scans(path)] == [("1.1", ""), ("2.1", "no frames")]
    np.testing.assert_array_equal(formats.read_scan(path).counts, counts(11))


def test_scans_of_one_file_have_names_of_their_own(tmp_path):
    proposal = bliss(tmp_path, scans=2)
    assert formats.read_scan(proposal, dataset="S1_0001_2.1").name == "proposal_S1_0001_2"
    assert formats.read_scan(tmp_path / "S1/S1_0001/S1_0001.h5", dataset="1.1").name == "S1_0001_1"


def test_which_scan_is_meant_must_be_said(tmp_path):
    bliss(tmp_path, scans=2)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    with pytest.raises(formats.AmbiguousScan) as caught:
        formats.read_scan(path)
    assert "holds 2 scans; choose one as S1_0001.h5::1.1" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [each.path for each in caught.value.candidates] == ["1.1", "2.1"]


def test_scans_whose_file_was_not_copied_are_listed_by_name(tmp_path):
    proposal = bliss(tmp_path, datasets=2, scans=1)
    (tmp_path / "S1/S1_0002/S1_0002.h5").unlink()
    assert [(each.path, each.points) for each in formats.scans(proposal)] == [
        ("S1_0001_1.1", FRAMES),
        ("S1_0002_1.1", None),
    ]


# -- the other beamlines -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("year", "directions"), [(2019, ("y-", "x+")), (2022, ("x-", "y-"))], ids=["2019", "2022"]
)
def test_sixs(tmp_path, year, directions):
    scan = formats.read_scan(sixs(tmp_path / f"a_{year}.nxs", year))
    np.testing.assert_array_equal(scan.counts, counts())
    assert completed(scan, distance_m=1.18) == Geometry(
        energy_kev=8.5,
        distance_m=1.18,
        pixel_size_um=(55.0, 55.0),
        rocking_step_deg=pytest.approx(-0.008),
        detector_angles_deg=(0.3, 12.0, 33.0),
        sample_circles=("x-", "y+"),
        sample_angles_deg=(0.3, pytest.approx(16.4)),
        rocking_circle=1,
        detector_circles=("x-", "y+", "x-"),
        pixel_directions=directions,
        rocking_angles_deg=pytest.approx(tuple(scanned(16.4, -0.008))),
        beamline=f"SIXS {year}",
        detector="maxipix",
    )
    assert scan.metadata["monitor"] == [3e4] * FRAMES
    assert any("lacks distance_m" in note for note in scan.notes)
    assert any("whether it is complete, its log does not say" in note for note in scan.notes)


@pytest.mark.parametrize("in_millionths", [False, True], ids=["degrees", "millionths"])
def test_cristal(tmp_path, in_millionths):
    scan = formats.read_scan(cristal(tmp_path / "scan.nxs", in_millionths=in_millionths))
    np.testing.assert_array_equal(scan.counts, counts())
    assert completed(scan, distance_m=1.3) == Geometry(
        energy_kev=8.5,
        distance_m=1.3,
        pixel_size_um=(55.0, 55.0),
        rocking_step_deg=pytest.approx(0.005),
        detector_angles_deg=(12.0, 33.0),
        sample_circles=("x-", "y+"),
        sample_angles_deg=(pytest.approx(16.4), 1.25),
        rocking_circle=0,
        detector_circles=("y+", "x-"),
        pixel_directions=("y-", "x+"),
        rocking_angles_deg=pytest.approx(tuple(scanned(16.4, 0.005))),
        beamline="CRISTAL",
        detector="maxipix",
    )
    assert scan.metadata["monitor"] == [7e4] * FRAMES
    assert any("whether it is complete, its log does not say" in note for note in scan.notes)


def test_cristal_scans_the_energy_with_delta_following(tmp_path):
    geometry = completed(formats.read_scan(cristal(tmp_path / "scan.nxs", energies=True)), distance_m=1.3)
    assert geometry.energy_kev == pytest.approx(8.5)
    assert geometry.energy_step_kev == pytest.approx(0.002)
    assert geometry.detector_steps_deg == pytest.approx((0.0, -0.009))
    assert (geometry.rocking_step_deg, geometry.rocking_angles_deg) == (0.0, None)
    assert geometry.detector_angles_deg == pytest.approx((12.0, 33.0))


@pytest.mark.parametrize(
    ("known", "detector", "columns", "size"),
    [
        ({}, "merlin", "x+", 55.0),
        ({"old": True}, "merlin", "x+", 55.0),
        ({"detector": "eiger500k"}, "eiger500k", "x-", 75.0),
    ],
    ids=["merlin", "old", "eiger500k"],
)
def test_nanomax(tmp_path, known, detector, columns, size):
    scan = formats.read_scan(nanomax(tmp_path / "000123.h5", **known))
    np.testing.assert_array_equal(scan.counts, counts())
    assert completed(scan, distance_m=1.0) == Geometry(
        energy_kev=8.5,
        distance_m=1.0,
        pixel_size_um=(size, size),
        rocking_step_deg=pytest.approx(0.01),
        detector_angles_deg=(12.0, 33.0),
        sample_circles=("x-", "y-"),
        sample_angles_deg=(pytest.approx(16.4), 3.0),
        rocking_circle=0,
        detector_circles=("y-", "x-"),
        pixel_directions=("y-", columns),
        rocking_angles_deg=pytest.approx(tuple(scanned(16.4, 0.01))),
        beamline="NanoMAX",
        detector=detector,
    )
    assert scan.metadata["scan_number"] == 123
    assert any("complete: 17 of 17 points" in note for note in scan.notes)


def test_id27(tmp_path):
    scan = formats.read_scan(id27(tmp_path / "S1.h5"))
    np.testing.assert_array_equal(scan.counts, counts())
    assert scan.geometry is None
    assert scan.metadata["energy_kev"] == pytest.approx(33.1686, abs=1e-4)  # 12.39842 keV Å / 0.3738 Å
    geometry = completed(scan, distance_m=1.5, direct_beam_pixel=(500.0, 16.0))
    assert (geometry.sample_circles, geometry.detector_circles) == (("y+",), ())
    assert geometry.rocking_step_deg == pytest.approx(0.01)
    assert geometry.pixel_size_um == (75.0, 75.0)
    assert any("complete: 17 of 17 points" in note for note in scan.notes)


def test_20_id_e_lacks_only_where_the_direct_beam_is(tmp_path):
    scan = formats.read_scan(dxchange(tmp_path / "s_0007.h5"))
    np.testing.assert_array_equal(scan.counts, counts())
    assert scan.geometry is None
    assert any("DetX, DetY, DetZ" in note and "direct_beam_pixel" in note for note in scan.notes)
    geometry = completed(scan, direct_beam_pixel=(12.0, 6000.0))
    assert (geometry.energy_kev, geometry.distance_m) == (10.0, pytest.approx(1.5))
    assert geometry.rocking_step_deg == pytest.approx(0.01)
    assert geometry.sample_circles == ("y+",)
    assert any("whether it is complete, its log does not say" in note for note in scan.notes)


def test_eiger_masters_say_what_a_dectris_detector_knows(tmp_path):
    scan = formats.read_scan(eiger(tmp_path))
    assert scan.mask is not None
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(dead(ROWS, COLUMNS) != 0, SHAPE))
    np.testing.assert_array_equal(scan.counts[:, ~BAD], counts()[:, ~BAD])
    assert scan.metadata == {
        "energy_kev": 10.0,
        "distance_m": 1.84,
        "pixel_size_um": (75.0, 75.0),
        "direct_beam_pixel": (9.0, 20.5),
    }


def test_a_beam_centre_in_millimetres_is_one_in_pixels(tmp_path):
    path = eiger(tmp_path)
    with h5py.File(path, "r+") as file:
        detector = file["entry/instrument/detector"]
        for name, value in (("beam_center_x", 1.5375), ("beam_center_y", 0.675)):
            detector[name][()] = value
            detector[name].attrs["units"] = "mm"
    assert formats.read_scan(path).metadata["direct_beam_pixel"] == pytest.approx((9.0, 20.5))


def test_a_detector_file_on_its_own_still_opens(tmp_path):
    scan = formats.read_scan(lima(tmp_path, 5, "eiger2M", counts()))
    np.testing.assert_array_equal(scan.counts, counts())
    assert scan.geometry is None


def test_motors_of_an_unknown_beamline_give_no_geometry(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        put(
            file,
            {"entry/data/data": counts(), "entry/motors/tth": 30.0, "entry/motors/om": scanned(15.0, 0.01)},
        )
    scan = formats.read_scan(tmp_path / "a.h5")
    assert scan.geometry is None


def test_a_beamline_of_ones_own_is_a_file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        put(
            file,
            {
                "exchange/data": counts(), "motors/tth": 30.0, "motors/om": scanned(15.0, 0.01), "source/energy": 8000.0,
                "camera/distance": 950.0, "camera/row": 10.0, "camera/column": 11.0, "camera/bad": dead(ROWS, COLUMNS),
            },
        )  # fmt: skip
    (tmp_path / "mine.json").write_text(
        """{
          "name": "Mine", "facility": "here", "rocking": ["om"],
          "sample": [{"motor": "om", "axis": "y+"}], "arm": [{"motor": "tth", "axis": "y+"}],
          "detectors": [{"name": "camera", "shape": null, "pixel_size_um": [50, 50], "directions": ["y-", "x+"]}],
          "files": {
            "kinds": ["hdf5"],
            "motors": {"om": [{"name": "motors/om"}], "tth": [{"name": "motors/tth"}]},
            "energy": [{"name": "source/energy", "unit": "eV"}],
            "distance": [{"name": "camera/distance", "unit": "mm"}],
            "beam_row": [{"name": "camera/row"}], "beam_column": [{"name": "camera/column"}],
            "mask": ["camera/bad"]
          }
        }""",
        encoding="utf-8",
    )
    scan = formats.read_scan(tmp_path / "a.h5", beamline=str(tmp_path / "mine.json"))
    geometry = scan.geometry
    assert geometry is not None
    assert (geometry.energy_kev, geometry.distance_m) == (8.0, pytest.approx(0.95))
    assert (geometry.detector_angles_deg, geometry.direct_beam_pixel) == ((30.0,), (10.0, 11.0))
    assert geometry.rocking_step_deg == pytest.approx(0.01)
    assert scan.mask is not None
    assert scan.mask.sum() == FRAMES


# -- axes of length one --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_axes_of_length_one_are_dropped(tmp_path, axis):
    data = np.expand_dims(counts(), axis)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/data/data"] = data
        file["entry/data/mask"] = dead(ROWS, COLUMNS)
    np.save(tmp_path / "a.npy", data)
    for name in ("a.h5", "a.npy"):
        scan = formats.read_scan(tmp_path / name)
        np.testing.assert_array_equal(scan.counts, counts())
    assert formats.recognise(tmp_path / "a.h5") == formats.recognise(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("factor", "unit"), [(np.pi / 180, "radians"), (1e3, "millidegrees"), (1e6, "millionths of a degree")]
)
def test_what_was_scanned_is_known_by_the_motor_that_stood_there_in_another_unit(tmp_path, factor, unit):
    path = replaced(dxchange(tmp_path / "a_0012.h5"), {"exchange/theta": scanned(3.0, 0.01) * factor})
    scan = formats.read_scan(path)
    assert scan.metadata["rocking_step_deg"] == pytest.approx(0.01)
    assert scan.metadata["sample_angles_deg"] == pytest.approx((3.0,))
    assert any(
        f"exchange/theta of a_0012.h5 is taken to be in {unit}: so it lies about SMS" in note
        for note in scan.notes
    )


@pytest.mark.parametrize(
    ("title", "angles"),
    [
        ("ascan eta 17.42 17.58 16 1.0", scanned(17.5, 0.01)),
        ("fscan eta 17.42 0.01 17 0.5", scanned(17.5, 0.01)),
        ("dscan eta -0.08 0.08 16 1.0", scanned(17.5, 0.01)),
    ],
)
@pytest.mark.parametrize("stood", ["before", "nowhere"])
def test_id01_without_positions_of_what_rocked_has_those_of_its_command(tmp_path, title, angles, stood):
    """The command says where it was in the middle too; a relative one as seen from where the motor stood before."""
    path = bliss(tmp_path).parent / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        for name in ("measurement/eta", "instrument/positioners/eta", "instrument/positioners_start/eta"):
            del file[f"1.1/{name}"]
        del file["1.1/title"]
        file["1.1/title"] = title
        if stood == "before":
            file["1.1/instrument/positioners_start/eta"] = 17.5
    scan = formats.read_scan(path)
    if stood == "nowhere" and title.startswith("dscan"):
        assert scan.geometry is None
        return
    assert scan.geometry.rocking_angles_deg == pytest.approx(tuple(angles))
    assert scan.geometry.sample_angles_deg == pytest.approx((0.5, angles[8], -2.0))
    assert scan.geometry.rocking_circle == 1
    assert any("its positions are those of the command" in note for note in scan.notes)


def test_what_runs_about_zero_is_in_no_other_unit(tmp_path):
    """Positions that are given from where a motor stood would lie about many a motor if they were in radians."""
    path = replaced(
        sixs(tmp_path / "a_00012.nxs", 2022), {"com/scan_data/actuator_1_1": scanned(0.0, -0.008)}
    )
    scan = formats.read_scan(path)
    assert "rocking_step_deg" not in scan.metadata
    assert not any("is taken to be in" in note for note in scan.notes)


def test_nanomax_a_scan_of_the_energy(tmp_path):
    path = replaced(nanomax(tmp_path / "000012.h5"), {"entry/description": "ascan energy 8460 8540 16 1"})
    with h5py.File(path, "r+") as file:
        del file["entry/measurement/gontheta"]
        file["entry/measurement/energy"] = scanned(8500.0, 5.0)
    scan = formats.read_scan(path)
    assert scan.metadata["energy_kev"] == pytest.approx(8.5)
    assert scan.metadata["energy_step_kev"] == pytest.approx(0.005)


def test_a_file_that_says_where_motors_stood_needs_no_log_though_it_is_called_after_a_scan(tmp_path):
    scan = formats.read_scan(
        replaced(id27(tmp_path / "gold_S1.h5"), {"S1_7.1/instrument/calibration/wavelength": 0.0})
    )
    assert scan.geometry is None
    assert scan.metadata["log"] == "gold_S1.h5"
    assert not any("SPEC or fio" in note for note in scan.notes)


def test_the_file_of_a_detector_alone_says_where_its_motors_stand(tmp_path):
    folder = bliss(tmp_path).parent / "S1/S1_0001"
    file = folder / "scan0001/mpx1x4_0000.h5"
    assert formats.read_scan(file).geometry is not None
    away = tmp_path / "away.h5"
    file.rename(away)
    assert any(
        "away.h5 holds the frames of a detector alone" in note for note in formats.read_scan(away).notes
    )


@pytest.mark.parametrize("virtual", [False, True])
def test_id01_a_part_of_a_detector_of_which_its_file_says_where_it_lies(tmp_path, virtual):
    """LIMA writes the region in which it read out: rows 100 to 123 and columns 240 to 271, across the gap at 255 to 260."""
    path = bliss(tmp_path, virtual=virtual).parent / "S1/S1_0001/S1_0001.h5"
    before = formats.read_scan(path)
    assert any("gaps of mpx1x4 are not masked" in note for note in before.notes)
    place = {"xstart": 240, "ystart": 100, "xsize": COLUMNS, "ysize": ROWS}
    with h5py.File(path.parent / "scan0001/mpx1x4_0000.h5", "r+") as file:
        operation = file.create_group("entry_0000/instrument/mpx1x4/image_operation")
        put(operation, {f"region_of_interest/{name}": value for name, value in place.items()})
        put(operation, {"binning/x": 1, "binning/y": 1})
    scan = formats.read_scan(path)
    gap = np.zeros((ROWS, COLUMNS), bool)
    gap[:, 15:21] = True
    gap |= dead(ROWS, COLUMNS).astype(bool)
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(gap, scan.shape))
    assert scan.geometry.direct_beam_pixel == before.geometry.direct_beam_pixel
    # a mask of the whole detector is cut to it
    whole = np.zeros((516, 516), np.uint8)
    whole[101, 243] = 1
    np.save(tmp_path / "mask.npy", whole)
    assert formats.read_scan(path, mask=tmp_path / "mask.npy").mask[:, 1, 3].all()
    for change in ({"binning/x": 2}, {"region_of_interest/xstart": 500}, {"region_of_interest/ysize": 23}):
        ((name, value),) = change.items()
        with h5py.File(path.parent / "scan0001/mpx1x4_0000.h5", "r+") as file:
            item = file[f"entry_0000/instrument/mpx1x4/image_operation/{name}"]
            kept, item[()] = item[()], value
        assert any("gaps of mpx1x4 are not masked" in note for note in formats.read_scan(path).notes), name
        with h5py.File(path.parent / "scan0001/mpx1x4_0000.h5", "r+") as file:
            file[f"entry_0000/instrument/mpx1x4/image_operation/{name}"][()] = kept

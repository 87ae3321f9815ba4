"""Files as they lie about at a beamline, with something missing or odd: read right, or one sentence that says what it is."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from beamline_trees import ID01_MOTORS, bliss, eiger, sixs
from test_formats_beamlines import MOTORS_34, PARAMETERS, write_34, write_p10
from written_logs import counts, tiffs

from napari_autophase import formats
from napari_autophase.geometry import Source
from napari_autophase.scan import InputError

REGION = (100, 64, 30, 48)


def nexus(path, data, mask=None):
    with h5py.File(path, "w") as file:
        file.create_group("entry").attrs["NX_class"] = "NXentry"
        file["entry/instrument/detector/data"] = data
        file["entry/instrument/detector"].attrs["NX_class"] = "NXdetector"
        if mask is not None:
            file["entry/instrument/detector/pixel_mask"] = mask
    return path


def test_a_log_without_the_scan_is_named(tmp_path):
    write_34(tmp_path, counts((20, 48, 64)), REGION)
    folder = tiffs(tmp_path / "run/Staff20-1a_S0099", counts((20, 48, 64)))
    assert any("No scan 99 is in Staff20-1a.spec" in note for note in formats.read_scan(folder).notes)


def test_a_log_without_the_energy_is_that_of_its_beamline_all_the_same(tmp_path):
    motors = {name: value for name, value in MOTORS_34.items() if "Energy" not in name}
    scan = formats.read_scan(write_34(tmp_path, counts((20, 48, 64)), REGION, motors=motors))
    assert any("lacks energy_kev; give it" in note for note in scan.notes)
    assert scan.metadata["detector_angles_deg"] == [32.174, 12.6346]


def test_a_bliss_file_without_the_energy_says_so(tmp_path):
    path = bliss(tmp_path).parent / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        del file["1.1/instrument/positioners/mononrj"]
    scan = formats.read_scan(path)
    assert any("lacks energy_kev; give it" in note for note in scan.notes)
    assert scan.metadata["detector_angles_deg"] == [ID01_MOTORS["nu"], ID01_MOTORS["delta"]]


@pytest.mark.parametrize(("unit", "factor"), [("rad", np.pi / 180), ("radians", np.pi / 180), ("mdeg", 1e3)])
def test_the_unit_of_a_motor_counts_whatever_the_beamline_is_used_to(tmp_path, unit, factor):
    path = bliss(tmp_path).parent / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        for motor in ("nu", "delta"):
            item = file[f"1.1/instrument/positioners/{motor}"]
            item[()] = ID01_MOTORS[motor] * factor
            item.attrs["units"] = unit
    assert formats.read_scan(path).geometry.detector_angles_deg == pytest.approx((10.0, 35.0))
    assert Source("nu").restated(10.0 * factor, unit) == pytest.approx(10.0)  # its data give no unit


def test_a_mask_of_ones_in_a_bliss_file_masks_nothing(tmp_path):
    path = bliss(tmp_path).parent / "S1/S1_0001/S1_0001.h5"
    with h5py.File(path, "r+") as file:
        file["1.1/instrument/mpx1x4/pixel_mask"][()] = 1
    scan = formats.read_scan(path)
    assert scan.mask is None or not scan.mask.any()
    assert any("1 is taken for good" in note for note in scan.notes)


def test_an_empty_frame_is_said_to_be_empty(tmp_path):
    folder = tiffs(tmp_path / "a_S0001", counts((20, 32, 32)))
    sorted(folder.iterdir())[5].write_bytes(b"")
    with pytest.raises(InputError, match=r"00005\.tif is empty"):
        formats.read_scan(folder)


def test_a_tiff_without_pages_is_said_to_hold_none(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(100))
    with pytest.raises(InputError, match="holds no frames"):
        formats.read_scan(tmp_path / "a.tif")


@pytest.mark.filterwarnings("error")
def test_half_precision_is_read_as_single(tmp_path):
    data = np.minimum(counts((20, 32, 32)), 2000)
    scan = formats.read_scan(nexus(tmp_path / "a.nxs", data.astype(np.float16)))
    assert scan.counts.dtype == np.float32
    assert np.array_equal(scan.counts, data)


def test_a_mask_that_does_not_fit_does_not_lock_its_file_up(tmp_path):
    data = counts((20, 32, 48))
    scan = formats.read_scan(nexus(tmp_path / "a.nxs", data, np.zeros((48, 32), np.uint8)))
    assert np.array_equal(scan.counts, data)
    assert any("(48, 32)" in note and "masks nothing" in note for note in scan.notes)


def test_the_detector_of_p10_is_known_by_its_folder_or_its_log(tmp_path):
    """A part of the frame tells nothing by its shape."""
    for name, changes in (("a", {}), ("b", {"parameters": {**PARAMETERS, "_ccd": "lambda"}})):
        folder = write_p10(tmp_path / name, counts((20, 40, 48)), files=2, **changes)
        scan = formats.read_scan(folder)
        assert scan.geometry.detector == "e500"
        assert not any("Which detector" in note for note in scan.notes)


def test_a_folder_of_two_logs_is_that_of_the_one_it_is_called_after(tmp_path):
    folder = write_p10(tmp_path, counts((20, 40, 48)), files=2)
    (folder / "gold_00032.fio").write_text((folder / "gold_00031.fio").read_text())
    assert formats.read_scan(folder).metadata["scan_number"] == 31


def test_a_log_that_was_cut_in_its_head_is_said_to_name_nothing(tmp_path):
    folder = write_p10(tmp_path, counts((20, 40, 48)), files=2)
    log = folder / "gold_00031.fio"
    log.write_bytes(log.read_bytes()[:40])
    assert any("names no motors" in note and "cut short" in note for note in formats.read_scan(folder).notes)


def test_equal_counts_are_no_scan_and_a_subtracted_background_is_seen(tmp_path):
    np.save(tmp_path / "flat.npy", np.full((20, 32, 32), 7, np.uint16))
    with pytest.raises(InputError, match="holds 7 in every voxel: there is no Bragg peak"):
        formats.read_scan(tmp_path / "flat.npy")
    data = counts((20, 32, 32)).astype(np.float32) - 0.3
    np.save(tmp_path / "below.npy", data)
    share = f"{np.mean(data < 0):.0%} of the values are negative, down to -0.3"
    assert any(
        share in note and "background" in note for note in formats.read_scan(tmp_path / "below.npy").notes
    )
    gap = counts((20, 32, 32)).astype(np.int32)
    gap[:, :, 30] = gap[7] = -1  # a gap is none, nor a lost frame
    np.save(tmp_path / "gap.npy", gap)
    assert not any("background" in note for note in formats.read_scan(tmp_path / "gap.npy").notes)


def test_a_mask_that_a_person_names_and_that_masks_nothing_is_said(tmp_path):
    np.save(tmp_path / "a.npy", counts((20, 32, 32)))
    np.save(tmp_path / "mask.npy", np.zeros((64, 64), np.uint8))
    scan = formats.read_scan(tmp_path / "a.npy", mask=tmp_path / "mask.npy", roi=(0, 32, 0, 32))
    assert any("mask.npy masks nothing of this scan" in note for note in scan.notes)
    with pytest.raises(InputError, match="no rows 40 to 71 and columns 0 to 31, where these lie"):
        formats.read_scan(tmp_path / "a.npy", mask=tmp_path / "mask.npy", roi=(40, 72, 0, 32))


@pytest.mark.parametrize("value", [0.0, -3.0, np.nan])
def test_values_without_a_count_are_said_to_be_none(tmp_path, value):
    np.save(tmp_path / "a.npy", np.full((20, 32, 32), value))
    with pytest.raises(
        InputError, match=r"a\.npy holds no counts at all: every value is zero, negative or no number"
    ):
        formats.read_scan(tmp_path / "a.npy")


def test_a_fio_file_without_its_frames_names_what_is_missing(tmp_path):
    folder = write_p10(tmp_path, counts((20, 40, 48)), files=2)
    (folder / "e500").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"there is no gold_00031…_master\.h5 beside it"):
        formats.read_scan(folder / "gold_00031.fio")


def test_the_last_part_of_a_series_may_hold_fewer_frames(tmp_path):
    path = eiger(tmp_path, 3)
    (tmp_path / "s_data_000003.h5").write_bytes(b"cut")
    with pytest.raises(InputError, match="Of the scan frames from 12 on are lost"):
        formats.read_scan(path)


def test_a_scan_without_a_number_is_not_called_by_one(tmp_path):
    scan = formats.read_scan(sixs(tmp_path / "a b é.nxs", 2019))
    assert any("a b é.nxs lacks distance_m" in note for note in scan.notes)


def test_numbers_with_a_comma_are_none_and_not_cut_short(tmp_path):
    """As a program of another locale writes them: 1,5 is not 1."""
    folder = write_p10(tmp_path, counts((20, 40, 48)), files=2, parameters={**PARAMETERS, "gam": "1,5"})
    scan = formats.read_scan(folder)
    assert scan.geometry is None
    assert "detector_angles_deg" not in scan.metadata
    assert any("gam reads '1,5': it is not used" in note for note in scan.notes)

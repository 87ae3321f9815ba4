"""Masks in the places and conventions that detectors and people use."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest
import tifffile

from napari_autophase import formats
from napari_autophase.scan import InputError
from napari_autophase.simulation import simulate

SIDE = 32


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return simulate(seed=2, size=SIDE, peak=1e5).scan.counts


@pytest.fixture
def bad() -> np.ndarray:
    """A gap, and a block away from the peak."""
    found = np.zeros((SIDE, SIDE), bool)
    found[24:26] = found[4:8, 20:25] = True
    return found


def master(path, counts, mask, place="pixel_mask", **more):
    """Write a master file as Dectris does: frames by an external link, the mask in the detector's group."""
    with h5py.File(path.with_name("data_000001.h5"), "w") as file:
        file["entry/data/data"] = counts
    with h5py.File(path, "w") as file:
        file.create_group("entry").attrs["NX_class"] = "NXentry"
        file["entry/data/data_000001"] = h5py.ExternalLink("data_000001.h5", "/entry/data/data")
        detector = file.create_group("entry/instrument/detector")
        detector.attrs["NX_class"] = "NXdetector"
        detector[place] = mask
        for key, value in more.items():
            detector[key] = value
            detector[key].attrs["units"] = "m"
    return path


@pytest.mark.parametrize("place", ["pixel_mask", "detectorSpecific/pixel_mask"])
def test_the_mask_of_the_detector(tmp_path, counts, bad, place):
    path = master(tmp_path / "m.h5", counts, bad.astype("u4"), place, detector_distance=1.83)
    scan = formats.read_scan(path)
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(bad, counts.shape))
    assert scan.notes == (
        f"Masked {SIDE * bad.sum():,} voxels, as m.h5::/entry/instrument/detector/{place} says.",
    )
    assert scan.metadata["distance_m"] == 1.83


PLACES = ["pixel_mask", "detectorSpecific/pixel_mask"]


@pytest.mark.parametrize("place", PLACES)
def test_a_mask_in_another_file_of_the_folder_is_used(tmp_path, counts, bad, place):
    with h5py.File(tmp_path / "masks.h5", "w") as file:
        file["m"] = bad.astype("u4")
    path = master(tmp_path / "m.h5", counts, h5py.ExternalLink("masks.h5", "/m"), place)
    np.testing.assert_array_equal(formats.read_scan(path).mask, np.broadcast_to(bad, counts.shape))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("link", "why"),
    [
        (h5py.ExternalLink("gone.h5", "/m"), "is in gone.h5, which is not there; copy it to"),
        (h5py.ExternalLink("data_000001.h5", "/m"), "data_000001.h5 has no /m"),
        (h5py.SoftLink("/entry/m"), "m.h5 has no /entry/m"),
    ],
)
def test_a_lost_mask_is_said(tmp_path, counts, place, link, why):
    scan = formats.read_scan(master(tmp_path / "m.h5", counts, link, place))
    assert scan.mask is None
    (note,) = scan.notes
    assert note.startswith(f"The mask m.h5::/entry/instrument/detector/{place} is lost")
    assert why in note


@pytest.mark.parametrize("place", PLACES)
def test_a_mask_outside_the_folder_is_refused(tmp_path, counts, bad, place):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    with h5py.File(tmp_path / "out/m.h5", "w") as file:
        file["m"] = bad.astype("u4")
    path = master(tmp_path / "in/m.h5", counts, h5py.ExternalLink("../out/m.h5", "/m"), place)
    with pytest.raises(InputError, match=r"pixel_mask of .*out/m\.h5, outside the folder"):
        formats.read(path)


@pytest.mark.parametrize("linked", [False, True])
def test_a_cxi_file_s_detector_has_the_mask(tmp_path, counts, bad, linked):
    """The frames stand in data_1 themselves, or there is a soft link to those of the detector."""
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file["entry_1/instrument_1/detector_1/mask"] = bad.astype("i4")
        if linked:
            file["entry_1/instrument_1/detector_1/data"] = counts
            file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        else:
            file["entry_1/data_1/data"] = counts
    scan = formats.read_scan(tmp_path / "a.cxi")
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(bad, counts.shape))
    assert any("a.cxi::/entry_1/instrument_1/detector_1/mask says" in note for note in scan.notes)


def test_bits_are_named(tmp_path, counts):
    bits = np.zeros((SIDE, SIDE), "u4")
    bits[24:26], bits[3, 4], bits[3, 5] = 1, 2 + 16, 1 << 31
    scan = formats.read_scan(master(tmp_path / "m.h5", counts, bits))
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(bits != 0, counts.shape))
    assert scan.notes[0].endswith("(64 gap, 1 dead, 1 noisy).")


def test_only_the_mask_of_the_detector_that_saw_the_frames(tmp_path, counts, bad):
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        for name, mask in (("one", bad), ("two", bad.T)):
            detector = file.create_group(f"entry/instrument/{name}")
            detector.attrs["NX_class"] = "NXdetector"
            detector["pixel_mask"] = mask.astype("u4")
            detector["data"] = counts
        file["entry"].attrs["NX_class"] = "NXentry"
    for name, mask in (("one", bad), ("two", bad.T)):
        scan = formats.read_scan(tmp_path / "a.nxs", dataset=f"/entry/instrument/{name}/data")
        np.testing.assert_array_equal(scan.mask, np.broadcast_to(mask, counts.shape))


@pytest.mark.parametrize("name", ["mask", "pixel_mask"])
@pytest.mark.parametrize("whole", [True, False])
def test_npz(tmp_path, counts, bad, name, whole):
    stored = np.broadcast_to(bad, counts.shape) if whole else bad
    np.savez(tmp_path / "a.npz", data=counts, **{name: stored.astype(int)})
    scan = formats.read_scan(tmp_path / "a.npz")
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(bad, counts.shape))
    assert f"as a.npz::{name} says" in scan.notes[0]


@pytest.mark.parametrize("flagged", [False, True])
def test_one_that_marks_the_good_pixels_is_turned_round(tmp_path, counts, bad, flagged):
    """What is in the gaps does not matter: nothing, or the largest number of all."""
    counts = np.where(bad, np.iinfo("u4").max if flagged else 0, counts).astype("u4")
    np.savez(tmp_path / "a.npz", data=counts, mask=~bad)
    scan = formats.read_scan(tmp_path / "a.npz")
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(bad, counts.shape))
    assert "1 is taken for good" in scan.notes[0]
    as_is = formats.read_scan(tmp_path / "a.npz", mask_good=0)
    np.testing.assert_array_equal(as_is.mask, np.broadcast_to(~bad, counts.shape))


@pytest.mark.parametrize(
    ("good", "other"), [(1.0, 0.3), (1, -1), (255, 1), (4, 3), (1.0, np.nan), (0.0, np.nan), (-1, 0)]
)
def test_what_a_mask_holds_besides_good_and_bad_is_not_good(tmp_path, counts, bad, good, other):
    """Weights, signs, pixels of a binned mask of which one was bad, and what is no number."""
    np.savez(tmp_path / "a.npz", data=counts, mask=np.where(bad, other, good))
    scan = formats.read_scan(tmp_path / "a.npz")
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(bad, counts.shape))
    said = "is no number (NaN) in places" if other != other else f"other values besides 0 ({other:g})"
    assert any(said in note for note in scan.notes) == (other != 0)


def test_a_large_mask_that_leaves_the_peak_is_believed(tmp_path, counts):
    outside = np.ones((SIDE, SIDE), bool)
    outside[8:24, 8:24] = False
    np.savez(tmp_path / "a.npz", data=counts, mask=outside)
    scan = formats.read_scan(tmp_path / "a.npz")
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(outside, counts.shape))


def test_a_mask_that_covers_the_peak_alone_is_said(tmp_path, counts):
    on_peak = np.zeros((SIDE, SIDE), bool)
    on_peak[14:19, 14:19] = True
    np.save(tmp_path / "a.npy", counts)
    scan = formats.read_scan(tmp_path / "a.npy", mask=on_peak)
    assert any("covers the Bragg peak" in note and "--mask-good 1" in note for note in scan.notes)
    turned = formats.read_scan(tmp_path / "a.npy", mask=on_peak, mask_good=1)
    np.testing.assert_array_equal(turned.mask, np.broadcast_to(~on_peak, counts.shape))


def test_a_mask_of_the_whole_detector(tmp_path, counts, bad):
    whole = np.zeros((100, 120), bool)
    whole[40 : 40 + SIDE, 50 : 50 + SIDE] = bad
    np.save(tmp_path / "a.npy", counts)
    scan = formats.read_scan(tmp_path / "a.npy", mask=whole, roi=(40, 72, 50, 82))
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(bad, counts.shape))
    with pytest.raises(InputError, match=r"100 × 120 pixels.*--roi"):
        formats.read_scan(tmp_path / "a.npy", mask=whole)
    with pytest.raises(InputError, match=r"31 × 32 pixels, but the frames have 32 × 32"):
        formats.read_scan(tmp_path / "a.npy", mask=whole, roi=(40, 71, 50, 82))
    # in the scan's own file it is said, and can be put right
    path = master(tmp_path / "m.h5", counts, whole.astype("u4"))
    assert formats.read_scan(path).mask is None
    assert "--roi" in formats.read_scan(path).notes[0]
    np.testing.assert_array_equal(formats.read_scan(path, roi=(40, 72, 50, 82)).mask[0], bad)


@pytest.mark.parametrize(
    ("data", "mask", "key"),
    [
        ("S11_pynx_norm_32_32_32.npz", "S11_maskpynx_norm_32_32_32.npz", "mask"),
        ("S11_pynx_input_data.npz", "S11_pynx_input_mask.npz", "data"),
        ("S11_pynx_input_data.npz", "S11_pynx_input_mask.npz", "mask"),
        ("scan.npy", "scan_mask.npy", ""),
        ("data.tif", "mask.npy", ""),
    ],
)
@pytest.mark.parametrize("crop", [None, (16, 24, 24)])
def test_a_mask_in_a_file_of_its_own_beside_the_data(tmp_path, counts, bad, data, mask, key, crop):
    """As bcdi, cdiutils and people call them."""
    for name, values, inside in ((data, counts, "data"), (mask, bad.astype("i4"), key)):
        if name.endswith(".npz"):
            np.savez(tmp_path / name, **{inside: values})
        elif name.endswith(".npy"):
            np.save(tmp_path / name, values)
        else:
            tifffile.imwrite(tmp_path / name, values.astype("f4"), photometric="minisblack")
    scan = formats.read_scan(tmp_path / data, crop=crop)
    given = formats.read_scan(tmp_path / data, crop=crop, mask=tmp_path / mask)
    assert scan.mask is not None
    assert scan.mask.any()
    np.testing.assert_array_equal(scan.mask, given.mask)
    (note,) = [each for each in scan.notes if f"as {mask} says" in each]
    assert note.startswith(f"Masked {np.count_nonzero(scan.mask):,} voxels")
    assert sum("says" in each for each in given.notes) == 1


def test_what_stands_beside_and_is_no_mask_of_the_data_is_said(tmp_path, counts, bad):
    np.save(tmp_path / "scan.npy", counts)
    np.save(tmp_path / "scan_mask.npy", bad[:20])
    scan = formats.read_scan(tmp_path / "scan.npy")
    assert scan.mask is None
    assert any("scan_mask.npy has shape (20, 32)" in each and "masks nothing" in each for each in scan.notes)
    (tmp_path / "scan_mask.npy").write_bytes(b"\x93NUMPY\x01\x00")
    os.utime(tmp_path / "scan_mask.npy", (1e9, 1e9))
    scan = formats.read_scan(tmp_path / "scan.npy")
    assert scan.mask is None
    assert any(
        "scan_mask.npy, by its name the mask of these data, is not used" in each for each in scan.notes
    )


@pytest.mark.parametrize("name", ["S11_maskpynx_norm.npz", "scan_mask.npy"])
def test_a_mask_is_no_scan(tmp_path, counts, bad, name):
    whole = np.broadcast_to(bad, counts.shape).astype("i4")
    if name.endswith(".npz"):
        np.savez(tmp_path / name, mask=whole)
    else:
        np.save(tmp_path / name, whole)
    with pytest.raises(InputError, match="0 and 1 alone, as masks do"):
        formats.read_scan(tmp_path / name)


def test_what_cdiutils_leaves_of_its_preprocessing(tmp_path, counts, bad):
    """Cropped frames with the mask of one, and the same on a straight grid; energy in eV, units beside it as a dataset."""
    path = tmp_path / "S11_preprocessed_data.cxi"
    with h5py.File(path, "w") as file:
        file.attrs["creator"] = "CdiUtils"
        entry = file.create_group("entry_1")
        entry.attrs["NX_class"] = "NXentry"
        detector = entry.create_group("detector_1")
        detector.attrs["NX_class"] = "NXdetector"
        calibration = {"distance": 1.2, "pwidth1": 75e-6, "pwidth2": 55e-6}
        for name, value in calibration.items():
            detector[f"calibration/{name}"] = value
        for name, source in (
            ("distance", "distance"),
            ("y_pixel_size", "pwidth1"),
            ("x_pixel_size", "pwidth2"),
        ):
            detector[name] = h5py.SoftLink(f"/entry_1/detector_1/calibration/{source}")
        entry["source_1/energy"], entry["source_1/units"] = 9000.0, "eV"
        entry["source_1"].attrs["NX_class"] = "NXsource"
        for number, volume in ((1, counts), (2, np.roll(counts, 3, 2))):
            image = entry.create_group(f"image_{number}")
            image.attrs["NX_class"], image.attrs["signal"] = "NXdata", "data"
            image["data"], image["data_space"] = volume, "reciprocal"
            entry[f"data_{number}/data"] = h5py.SoftLink(f"/entry_1/image_{number}/data")
            entry[f"data_{number}"].attrs["NX_class"] = "NXdata"
        entry["image_1/mask"] = bad.astype("i8")
    scan = formats.read_scan(path)
    np.testing.assert_array_equal(scan.counts, counts)
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(bad, counts.shape))
    known = {"energy_kev": 9.0, "distance_m": 1.2, "pixel_size_um": (75.0, 55.0)}
    assert {key: scan.metadata[key] for key in known} == known


@pytest.mark.parametrize("kind", ["S1", complex])
def test_what_holds_no_plain_numbers_is_no_mask(tmp_path, counts, kind):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"], file["mask"] = counts, np.zeros(counts.shape[1:], kind)
    scan = formats.read_scan(tmp_path / "a.h5::/data")
    assert any(
        "values and is no mask" in note and "until then it masks nothing" in note for note in scan.notes
    )


def test_counts_are_no_mask(tmp_path, counts):
    """Refused where a person gives them; those of a file itself mask nothing, which is said."""
    np.save(tmp_path / "a.npy", counts)
    with pytest.raises(
        InputError, match=r"the mask given holds [\d,]+ different values, as counts do, and is no mask"
    ):
        formats.read_scan(tmp_path / "a.npy", mask=counts)
    scan = formats.read_scan(master(tmp_path / "m.h5", counts, counts[SIDE // 2]))
    assert scan.mask is None
    assert any(
        "is no mask; give one of 0 and 1, or of bits; until then it masks nothing." in note
        for note in scan.notes
    )


def test_what_is_said_of_a_mask_that_is_not_there_does_nothing_and_is_said_to(tmp_path, counts):
    np.save(tmp_path / "a.npy", counts)
    scan = formats.read_scan(tmp_path / "a.npy", mask_good=1)
    assert scan.mask is None
    assert any("there is no mask" in note for note in scan.notes)

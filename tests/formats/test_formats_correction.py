"""Dark and white field: a known detector pattern is taken out."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
from kinds_of_volumes import measured

from napari_autophase import formats
from napari_autophase.formats.correction import flat_field
from napari_autophase.scan import InputError, Scan

SHAPE = (16, 20, 24)


@pytest.fixture
def true() -> np.ndarray:
    return np.random.default_rng(3).integers(1, 1000, SHAPE).astype("i4")


def test_a_known_pattern_is_taken_out(true):
    """raw = true · gain + dark with mean gain 1 gives back the truth."""
    rng = np.random.default_rng(4)
    gain, dark = rng.uniform(0.5, 1.5, SHAPE[1:]), rng.integers(0, 3, SHAPE[1:])
    gain /= gain.mean()
    scan = flat_field(Scan.from_array(true * gain + dark), dark, 5000 * gain)
    assert scan.counts.dtype == np.float32
    np.testing.assert_allclose(scan.counts, true, rtol=1e-5, atol=1e-3)
    assert not scan.mask.any()


def test_hot_in_the_dark_and_black_in_the_white_are_masked(true):
    dark, white = np.zeros(SHAPE[1:]), np.full(SHAPE[1:], 100.0)
    dark[3, 4], white[5, 6] = 100, 0
    given = np.zeros(SHAPE, bool)
    given[0, 0, 0] = True
    scan = flat_field(Scan.from_array(true, mask=given), dark, white)
    wanted = given.copy()
    wanted[:, 3, 4] = wanted[:, 5, 6] = True
    np.testing.assert_array_equal(scan.mask, wanted)
    # a constant white field changes no other voxel
    np.testing.assert_array_equal(scan.counts[~wanted], true[~wanted])


def test_what_falls_below_zero_is_zero(true):
    scan = flat_field(Scan.from_array(np.minimum(true, 5)), np.full(SHAPE[1:], 3))
    np.testing.assert_array_equal(scan.counts, np.maximum(np.minimum(true, 5) - 3, 0))


def test_region_of_interest_on_a_larger_detector(true):
    white = np.full((64, 64), 7.0)
    white[10:30, 5:29] = np.random.default_rng(5).uniform(50, 60, SHAPE[1:])
    scan = Scan.from_array(true)
    at = flat_field(scan, white=white, roi=(10, 30, 5, 29))
    np.testing.assert_array_equal(at.counts, flat_field(scan, white=white[10:30, 5:29]).counts)
    assert at.notes == (
        "The white field of shape (64, 64) is cut to the frames' rows 10 to 29 and columns 5 to 28.",
    )
    # without one nobody knows: the top left corner is as wrong as any other
    with pytest.raises(InputError, match=r"nothing says where they lie on it.*--roi"):
        flat_field(scan, white=white)


@pytest.mark.parametrize("roi", [(50, 70, 0, 24), (0, 21, 0, 24), (-20, 0, 0, 24)])
def test_a_field_that_does_not_cover_the_frames(true, roi):
    with pytest.raises(InputError, match="where the frames lie; check --roi"):
        flat_field(Scan.from_array(true), np.ones((64, 64)), roi=roi)
    with pytest.raises(InputError, match="dark field of shape"):
        flat_field(Scan.from_array(true), np.ones((10, 64)))


@pytest.mark.parametrize(("counted", "how_much"), [(0, "all pixels"), (20, "95.83% of the pixels")])
def test_a_white_field_that_is_rather_a_dark_is_refused(true, counted, how_much):
    white = np.zeros(SHAPE[1:])
    white.flat[:counted] = 50
    with pytest.raises(InputError, match=f"black in {how_much} under the frames: is it the dark field"):
        flat_field(Scan.from_array(true), white=white)


def test_fields_from_files(tmp_path, true):
    dark, white = np.ones((32, 32), "i4"), np.random.default_rng(6).uniform(50, 60, (32, 32)).astype("f4")
    np.save(tmp_path / "raw.npy", true)
    np.savez(tmp_path / "fields.npz", dark=dark, whitefield=white)
    tifffile.imwrite(tmp_path / "dark.tif", dark)
    tifffile.imwrite(tmp_path / "white.tif", white)
    roi = (3, 23, 5, 29)
    expected = flat_field(Scan.from_array(true), dark, white, roi).counts
    by_arrays = formats.read_scan(tmp_path / "raw.npy", dark=dark, white=white, roi=roi)
    by_tiff = formats.read_scan(
        tmp_path / "raw.npy", dark=tmp_path / "dark.tif", white=tmp_path / "white.tif", roi=roi
    )
    fields = tmp_path / "fields.npz"
    by_name = formats.read_scan(tmp_path / "raw.npy", dark=fields, white=f"{fields}::whitefield", roi=roi)
    for scan in (
        by_arrays,
        by_tiff,
        by_name,
        formats.read_scan(tmp_path / "raw.npy", dark=fields, white=fields, roi=roi),
    ):
        np.testing.assert_array_equal(scan.counts, expected)


def test_the_mean_of_several_frames_is_the_dark_field(tmp_path):
    dark = np.random.default_rng(1).poisson(3.0, (5, 32, 32)).astype(float)
    counts = np.random.default_rng(2).poisson(30.0, (20, 32, 32))
    counts[10, 16, 16] = 900
    np.save(tmp_path / "scan.npy", counts.astype("u4"))
    np.save(tmp_path / "dark.npy", dark)
    scan = formats.read_scan(tmp_path / "scan.npy", dark=tmp_path / "dark.npy", crop=(16, 20, 24))
    one = formats.read_scan(tmp_path / "scan.npy", dark=dark.mean(axis=0), crop=(16, 20, 24))
    np.testing.assert_array_equal(scan.counts, one.counts)
    assert "The dark field is the mean of its 5 frames." in scan.notes


ODD = {
    "another size": (
        np.ones((21, 22)),
        r"21 × 22 pixels, but the scan's 16 frames have 20 × 24: give one of that size",
    ),
    "transposed": (np.ones((24, 20)), r"24 × 20 pixels.*exchanged"),
    "larger": (np.ones((64, 64)), r"64 × 64 pixels.*--roi ROW0,ROW1,COLUMN0,COLUMN1"),
    "a line": (np.ones(20), r"holds 20 values of float64, and no image: give a .* of 20 × 24 pixels"),
    "no frame": (np.ones((0, 20, 24)), r"holds 0 × 20 × 24 values of float64, and no image"),
    "four axes": (np.ones((2, 3, 20, 24)), r"holds 2 × 3 × 20 × 24 values of float64, and no image"),
    "complex": (np.ones((20, 24), complex), r"holds 20 × 24 values of complex128, and no image"),
    "words": (np.array(["a", "b"]), r"holds no array of numbers, and no image"),
}


@pytest.mark.parametrize("option", ["mask", "dark", "white"])
@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("data", ["scan.npz", "scan.h5", "frames"])
def test_what_does_not_fit_the_frames_is_named_with_both_shapes_and_the_next_step(
    tmp_path, true, option, kind, data
):
    stack = true.astype("u2")
    if data == "frames":
        (tmp_path / data).mkdir()
        for index, frame in enumerate(stack):
            tifffile.imwrite(tmp_path / data / f"scan_{index:05d}.tif", frame)
    elif data == "scan.h5":
        with h5py.File(tmp_path / data, "w") as file:
            file["entry/data/data"] = stack
    else:
        np.savez(tmp_path / data, data=stack)
    array, says = ODD[kind]
    np.save(tmp_path / "given.npy", array)
    with pytest.raises(InputError, match=rf"given\.npy .*{says}"):
        formats.read_scan(tmp_path / data, **{option: tmp_path / "given.npy"})


def test_a_mask_of_another_number_of_frames_and_what_is_no_image(tmp_path, true):
    np.save(tmp_path / "scan.npy", true)
    np.save(tmp_path / "mask.npy", np.zeros((13, 20, 24), bool))
    (tmp_path / "notes.txt").write_text("of the detector\n")
    with pytest.raises(
        InputError,
        match=r"mask\.npy has 13 frames of 20 × 24 pixels, but the scan has 16 of them: give one frame",
    ):
        formats.read_scan(tmp_path / "scan.npy", mask=tmp_path / "mask.npy")
    with pytest.raises(
        InputError, match=r"notes\.txt is of no kind known here, and no image: give a mask of 20 × 24"
    ):
        formats.read_scan(tmp_path / "scan.npy", mask=tmp_path / "notes.txt")


def test_of_several_arrays_the_one_of_the_frames_is_the_mask(tmp_path, true):
    bad = np.zeros((20, 24), "u1")
    bad[3, 4] = 1
    np.save(tmp_path / "scan.npy", true)
    np.savez(tmp_path / "masks.npz", mask_of_eiger=np.ones((512, 512), "u1"), mask_of_maxipix=bad)
    scan = formats.read_scan(tmp_path / "scan.npy", mask=tmp_path / "masks.npz")
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(bad == 1, SHAPE))


@pytest.mark.parametrize("name", ["dark", "white"])
def test_a_scan_that_is_given_for_a_field_is_refused(tmp_path, name):
    """The file beside the right one was chosen; what the frames lose by it leaves a pattern that is none."""
    counts = measured(peak=2e4)
    np.save(tmp_path / "scan.npy", counts)
    np.save(tmp_path / "other.npy", measured(peak=2e4, seed=5))
    for wrong in ("scan.npy", "other.npy"):
        with pytest.raises(InputError, match=f"The {name} field has .* where the scan's Bragg peak is"):
            formats.read_scan(tmp_path / "scan.npy", **{name: tmp_path / wrong})
    field = np.random.default_rng(1).poisson(3 if name == "dark" else 900, counts.shape[1:])
    field[32, 32] = 5000
    field[5:12, 5:12] = 800
    np.save(tmp_path / "right.npy", field)
    assert formats.read_scan(tmp_path / "scan.npy", **{name: tmp_path / "right.npy"}).shape == counts.shape


def test_damaged_pixels_at_the_peak_and_a_white_field_with_a_bright_middle_are_no_scan():
    scan = Scan.from_array(measured(peak=2e4))
    shape = scan.shape[1:]
    row, column = np.unravel_index(scan.counts.max(axis=0).argmax(), shape)
    away = np.hypot(np.arange(shape[0])[:, None] - row, np.arange(shape[1]) - column)
    rng = np.random.default_rng(3)
    for size in (1.5, 3.5):
        dark = rng.poisson(0.2, shape) + np.where(away < size, 500, 0)
        assert flat_field(scan, dark=dark).mask[:, row, column].all()
    for white in (np.exp(-(away**2) / 128), away < 12):
        assert flat_field(scan, white=rng.poisson(1000 * white + 3)).counts.any()
    for field in (scan.counts[len(scan.counts) // 2], scan.counts.mean(axis=0)):
        with pytest.raises(InputError, match="it is a scan"):
            flat_field(scan, dark=field)

"""NumPy files: what goes in comes out, and what cannot be a scan is said in one sentence."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase import formats
from napari_autophase.scan import InputError, Scan

DTYPES = ["u1", "u2", "u4", "i2", "i4", "i8", "f4", "f8"]


def volume(shape: tuple[int, ...], dtype: str = "i4", seed: int = 0) -> np.ndarray:
    """Photon counts that differ in every voxel's neighbourhood, so that a swapped axis shows."""
    return np.random.default_rng(seed).poisson(40, shape).astype(dtype)


shapes = st.tuples(*[st.integers(16, 24)] * 3)


@settings(max_examples=12)
@given(shape=shapes, dtype=st.sampled_from(DTYPES), order=st.sampled_from("CF"), seed=st.integers(0, 99))
def test_npy_round_trip_keeps_values_dtype_and_orientation(tmp_path_factory, shape, dtype, order, seed):
    path = tmp_path_factory.mktemp("npy") / "crystal.npy"
    counts = volume(shape, dtype, seed)
    np.save(path, np.asarray(counts, order=order))
    scan = formats.read(path)
    assert isinstance(scan, Scan)
    assert scan.counts.dtype == counts.dtype
    np.testing.assert_array_equal(scan.counts, counts)
    assert (scan.name, scan.source, scan.geometry, scan.mask) == ("crystal", str(path), None, None)


def test_foreign_byte_order_comes_home(tmp_path):
    counts = volume((16, 17, 18), ">f4")
    np.save(tmp_path / "big.npy", counts)
    read = formats.read_scan(tmp_path / "big.npy").counts
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, counts)


def test_format_is_found_by_content_not_by_name(tmp_path):
    counts = volume((16, 17, 18))
    np.save(tmp_path / "a.npy", counts)
    (tmp_path / "a.npy").rename(tmp_path / "a.dat")
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "a.dat").counts, counts)


def test_one_leading_axis_is_dropped(tmp_path):
    np.save(tmp_path / "a.npy", volume((1, 16, 17, 18)))
    assert formats.read_scan(tmp_path / "a.npy").shape == (16, 17, 18)


def test_npz_picks_the_volume_and_keeps_small_arrays(tmp_path):
    counts, theta = volume((16, 20, 18)), np.linspace(0, 1, 16)
    np.savez_compressed(tmp_path / "a.npz", theta=theta, counts=counts, flat=counts[0], mask=counts > 90)
    scan = formats.read_scan(tmp_path / "a.npz")
    np.testing.assert_array_equal(scan.counts, counts)
    assert scan.metadata["theta"] == theta.tolist()
    assert scan.source.endswith("a.npz::counts")
    assert [each.path for each in formats.datasets(tmp_path / "a.npz")] == ["counts"]


def test_npz_with_two_like_volumes_asks(tmp_path):
    first, second = volume((16, 20, 18)), volume((16, 20, 18), seed=1)
    path = tmp_path / "a.npz"
    np.savez(path, first=first, second=second)
    with pytest.raises(formats.AmbiguousDataset, match=r"first.*second.*--dataset") as caught:
        formats.read(path)
    assert {each.path for each in caught.value.candidates} == {"first", "second"}
    assert caught.value.candidates[0].shape == (16, 20, 18)
    np.testing.assert_array_equal(formats.read_scan(path, dataset="second").counts, second)
    np.testing.assert_array_equal(formats.read_scan(f"{path}::first").counts, first)
    with pytest.raises(InputError, match=r"no dataset 'third'.*first"):
        formats.read(path, dataset="third")


def test_npz_clearly_largest_wins(tmp_path):
    np.savez(tmp_path / "a.npz", small=volume((16, 16, 16)), large=volume((40, 32, 32)))
    assert formats.read_scan(tmp_path / "a.npz").shape == (40, 32, 32)


def test_nan_and_negative_voxels_become_masked(tmp_path):
    counts = volume((16, 16, 16), "f4")
    counts[0, 0, 0], counts[1, 2, 3] = np.nan, -1
    np.save(tmp_path / "a.npy", counts)
    scan = formats.read_scan(tmp_path / "a.npy")
    assert scan.mask is not None
    assert sorted(map(tuple, np.argwhere(scan.mask))) == [(0, 0, 0), (1, 2, 3)]
    assert scan.counts[scan.mask].tolist() == [0, 0]
    counts[2], counts[:, 5] = -np.inf, np.inf  # what a division by a monitor or a white field of 0 leaves
    np.save(tmp_path / "a.npy", counts)
    scan = formats.read_scan(tmp_path / "a.npy")
    assert scan.mask is not None
    assert scan.mask[2].all()
    assert scan.mask[:, 5].all()
    assert not scan.counts[scan.mask].any()


@pytest.mark.parametrize("frame", [True, False])
def test_mask_of_a_frame_or_of_the_volume(tmp_path, frame):
    counts = volume((16, 17, 18))
    bad = np.random.default_rng(1).random((17, 18) if frame else counts.shape) > 0.8
    np.save(tmp_path / "a.npy", counts)
    np.save(tmp_path / "bad.npy", bad.astype("u1"))
    for mask in (tmp_path / "bad.npy", bad):
        scan = formats.read_scan(tmp_path / "a.npy", mask=mask)
        np.testing.assert_array_equal(scan.mask, np.broadcast_to(bad, counts.shape))


def test_mask_of_another_shape(tmp_path):
    np.save(tmp_path / "a.npy", volume((16, 17, 18)))
    np.save(tmp_path / "bad.npy", np.ones((18, 17)))
    with pytest.raises(InputError, match="18 × 17 pixels, but the scan's 16 frames have 17 × 18"):
        formats.read_scan(tmp_path / "a.npy", mask=tmp_path / "bad.npy")


BAD = {
    "2-D": (np.ones((32, 32)), "2-dimensional"),
    "4-D": (np.ones((3, 16, 16, 16)), "4-dimensional.*one of its 3 volumes"),
    "complex": (np.ones((16, 16, 16), "c8"), "complex"),
    "zero": (np.zeros((16, 16, 16)), "no counts"),
    "thin": (np.ones((7, 32, 32)), "at least 8 frames"),
    "text": (np.full((16, 16, 16), "a"), "no numeric array"),
    "truth": (np.ones((16, 16, 16), bool), "true and false, as masks do"),
}


@pytest.mark.parametrize("case", BAD)
def test_unusable_arrays_say_why(tmp_path, case):
    array, message = BAD[case]
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=message):
        formats.read_scan(tmp_path / "a.npy")
    # all zero is known only after reading; the others are told by the header
    assert formats.recognise(tmp_path / "a.npy") is None


def test_pickles_are_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    bombs = np.array([Bomb()] * 3, dtype=object)
    np.save(tmp_path / "a.npy", bombs, allow_pickle=True)
    np.savez(tmp_path / "a.npz", bombs=bombs, allow_pickle=True)
    for path in (tmp_path / "a.npy", tmp_path / "a.npz", f"{tmp_path / 'a.npz'}::bombs"):
        with pytest.raises(InputError, match=r"pickle|no numeric array"):
            formats.read(path)
        assert formats.recognise(path) is None
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@settings(max_examples=25)
@given(share=st.floats(0, 0.999))
def test_a_file_cut_anywhere_is_an_input_error(tmp_path, name, share):
    path = tmp_path / name
    (np.save if name.endswith("y") else np.savez_compressed)(path, volume((16, 17, 18)))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError):
        formats.read(path)


def test_missing_empty_and_foreign_files(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        formats.read(tmp_path / "nothing.npy")
    (tmp_path / "empty.npy").touch()
    with pytest.raises(InputError, match="is empty"):
        formats.read(tmp_path / "empty.npy")
    (tmp_path / "letter.npy").write_text("Dear colleague,\n")
    with pytest.raises(InputError, match="not a scan of a kind known"):
        formats.read(tmp_path / "letter.npy")
    for name in ("nothing.npy", "empty.npy", "letter.npy"):
        assert formats.recognise(tmp_path / name) is None


def test_unreadable_file(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", volume((16, 16, 16)))
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(InputError, match="may not be read"):
        formats.read(tmp_path / "a.npy")


def test_too_big_for_memory_is_said_before_the_allocation(tmp_path, monkeypatch):
    counts = volume((64, 64, 64), "f8")
    np.save(tmp_path / "a.npy", counts)
    np.savez_compressed(tmp_path / "a.npz", counts=counts)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=counts.nbytes - 1))
    for name in ("a.npy", "a.npz"):
        tracemalloc.start()
        try:
            with pytest.raises(InputError, match="GiB of memory"):
                formats.read(tmp_path / name)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < counts.nbytes


def test_a_plain_npy_is_held_once(tmp_path):
    counts = volume((64, 64, 64), "f8")
    np.save(tmp_path / "a.npy", counts)
    formats.read_scan(tmp_path / "a.npy")  # what is imported on the way is not the array's
    tracemalloc.start()
    try:
        scan = formats.read_scan(tmp_path / "a.npy")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # the array itself and the byte-sized comparisons that look for NaN and negative voxels, but no second copy
    assert scan.counts.nbytes <= peak < 1.6 * counts.nbytes

"""TIFF stacks and folders of frames."""

from __future__ import annotations

import os
import re
import shutil

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase import formats
from napari_autophase.formats import patience, unfinished
from napari_autophase.scan import InputError


def volume(shape: tuple[int, ...], dtype: str = "i4", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(40, shape).astype(dtype)


def write_frames(folder, stack, name="scan_{:d}.tif"):
    folder.mkdir(exist_ok=True)
    for index, frame in enumerate(stack):
        tifffile.imwrite(folder / name.format(index), frame, photometric="minisblack")


@settings(max_examples=12)
@given(
    shape=st.tuples(*[st.integers(16, 24)] * 3),
    dtype=st.sampled_from(["u1", "u2", "u4", "i2", "i4", "f4", "f8"]),
    order=st.sampled_from("<>"),
    how=st.sampled_from(
        [{}, {"compression": "zlib"}, {"bigtiff": True}, {"metadata": None}, {"rowsperstrip": 5}]
    ),
)
def test_stack_round_trip(tmp_path_factory, shape, dtype, order, how):
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    counts = volume(shape, dtype)
    tifffile.imwrite(path, counts, byteorder=order, photometric="minisblack", **how)
    scan = formats.read_scan(path)
    assert scan.counts.dtype == counts.dtype
    np.testing.assert_array_equal(scan.counts, counts)
    assert formats.datasets(path) == [formats.Dataset("", shape, counts.dtype)]


def test_imagej_stack(tmp_path):
    counts = volume((16, 17, 18), "u2")
    tifffile.imwrite(tmp_path / "a.tif", counts, imagej=True, metadata={"axes": "ZYX"})
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "a.tif").counts, counts)


def test_pictures_are_somebody_elses(tmp_path):
    tifffile.imwrite(tmp_path / "photo.tif", volume((64, 64), "u1"))
    tifffile.imwrite(tmp_path / "rgb.tif", volume((20, 32, 32, 3), "u1"), photometric="rgb")
    tifffile.imwrite(tmp_path / "one.tif", volume((32, 32, 3), "u1"), photometric="rgb")
    tifffile.imwrite(
        tmp_path / "channels.tif", volume((8, 32, 32), "u2"), imagej=True, metadata={"axes": "CYX"}
    )
    for name, why in {"photo": "2-dim", "rgb": "colours", "one": "colours", "channels": "channels"}.items():
        assert formats.recognise(tmp_path / f"{name}.tif") is None
        with pytest.raises(InputError, match=why):
            formats.read(tmp_path / f"{name}.tif")


def test_a_picture_of_another_kind_named_tif(tmp_path):
    path = tmp_path / "picture.tif"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    assert formats.recognise(path) is None
    with pytest.raises(InputError, match="not a scan of a kind known"):
        formats.read(path)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_that_were_written_one_by_one_are_one_stack(tmp_path, compression):
    frames = volume((20, 32, 36))
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for frame in frames:
            file.write(frame, photometric="minisblack", compression=compression)
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "a.tif").counts, frames)
    part = formats.read_scan(tmp_path / "a.tif", crop=((1, 17), (4, 30), (2, 33)))
    np.testing.assert_array_equal(part.counts, frames[1:17, 4:30, 2:33])


def test_pages_of_different_sizes(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(volume((20, 32, 32)), photometric="minisblack")
        file.write(volume((16, 24)), photometric="minisblack")
    with pytest.raises(InputError, match="different sizes"):
        formats.read(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "how", [{}, {"metadata": None}, {"compression": "zlib"}, {"bigtiff": True, "metadata": None}]
)
@settings(max_examples=25)
@given(share=st.floats(0, 0.999))
def test_a_file_cut_anywhere_is_an_input_error(tmp_path, how, share):
    """Never a shorter stack: tifffile alone reads one where the chain of pages leaves the file."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, volume((16, 17, 18)), photometric="minisblack", **how)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError):
        formats.read(path)


def test_folder_in_natural_order(tmp_path):
    stack = volume((21, 16, 18))
    write_frames(tmp_path / "s7", stack)  # scan_10 comes after scan_9, whatever the alphabet says
    scan = formats.read_scan(tmp_path / "s7")
    np.testing.assert_array_equal(scan.counts, stack)
    assert scan.name == "s7"
    assert scan.metadata == {"frames": 21}


def test_folder_with_fields_beside_and_a_lost_frame(tmp_path):
    stack = volume((20, 16, 18))
    write_frames(tmp_path / "s", stack, "scan_{:04d}.TIFF")
    tifffile.imwrite(tmp_path / "s" / "dark.tif", volume((32, 32)))
    (tmp_path / "s" / "notes.txt").write_text("beam came back at frame 3")
    (tmp_path / "s" / "scan_0003.TIFF").unlink()
    scan = formats.read_scan(tmp_path / "s")
    np.testing.assert_array_equal(np.delete(scan.counts, 3, axis=0), np.delete(stack, 3, axis=0))
    assert scan.mask[3].all()
    assert scan.mask.sum() == 16 * 18
    assert scan.metadata == {"frames": 20, "other_files": ["dark.tif"], "missing_frames": [3]}
    assert "Frame 3 is missing and masked." in scan.notes
    assert any(
        "Another image of the folder is not read" in note and "dark.tif" in note for note in scan.notes
    )


def test_no_image_of_a_folder_is_left_out_without_a_word(tmp_path):
    """Hexadecimal numbers end in letters, a copy is called otherwise; what a Mac leaves beside each file is nobody's."""
    stack = volume((24, 16, 18))
    write_frames(tmp_path / "hex", stack, "scan_{:02x}.tif")
    shutil.copy(tmp_path / "hex" / "scan_00.tif", tmp_path / "hex" / "._scan_00.tif")
    scan = formats.read_scan(tmp_path / "hex")
    assert len(scan.counts) == 18
    (note,) = [note for note in scan.notes if "not read" in note]
    assert "6 other images" in note
    assert "scan_0a.tif" in note
    assert "._scan" not in note


@pytest.mark.parametrize("name", ["scan_{:.2f}.tif", "S{:.0f}_{}.tif", "scan_{:+.3f}.tif"])
def test_frames_under_several_numbers_are_not_told_by_the_last_alone(tmp_path, name):
    """By decimals 0.95 comes before 1.00: twenty of 24 frames would make a scan, and the others be lost."""
    (tmp_path / "s").mkdir()
    for index, frame in enumerate(volume((24, 16, 18))):
        tifffile.imwrite(tmp_path / "s" / name.format(0.05 * index - ("+" in name), index), frame)
    with pytest.raises(InputError, match="the last whole number of a name tells their order"):
        formats.read_scan(tmp_path / "s")


def test_a_stray_frame_of_another_scan_is_named(tmp_path):
    write_frames(tmp_path / "s", volume((24, 16, 18)), "S54_{:04d}.tif")
    shutil.copy(tmp_path / "s" / "S54_0003.tif", tmp_path / "s" / "S53_0000.tif")
    scan = formats.read_scan(tmp_path / "s")
    assert len(scan.counts) == 24
    assert any("is not read" in note and "S53_0000.tif" in note for note in scan.notes)


def test_times_of_day_are_no_numbers_of_places(tmp_path):
    """Every ten minutes from 10:00: forty of a hundred minutes are not lost in every hour."""
    stack = volume((20, 16, 18))
    (tmp_path / "s").mkdir()
    for index, frame in enumerate(stack):
        tifffile.imwrite(tmp_path / "s" / f"scan_{10 + index // 6}{index % 6}000.tif", frame)
    scan = formats.read_scan(tmp_path / "s")
    np.testing.assert_array_equal(scan.counts, stack)
    assert scan.mask is None
    assert any("run unevenly" in note for note in scan.notes)


def test_the_first_odd_frame_is_named(tmp_path):
    write_frames(tmp_path / "s", volume((20, 16, 18)))
    tifffile.imwrite(tmp_path / "s" / "scan_11.tif", volume((16, 20)))
    tifffile.imwrite(tmp_path / "s" / "scan_15.tif", volume((16, 22)))
    with pytest.raises(InputError, match=re.escape("scan_11.tif is (16, 20)")):
        formats.read(tmp_path / "s")


@pytest.mark.parametrize("kept", [4, 100, 700])
def test_a_last_frame_that_is_being_written_is_waited_for(tmp_path, monkeypatch, kept):
    """Cut within its head, its list of frames, or its pixels; never completed, it is named and left out."""
    folder, counts = tmp_path / "scan_7", volume((16, 20, 20))
    write_frames(folder, counts)
    last = folder / "scan_15.tif"
    whole = last.read_bytes()
    last.write_bytes(whole[:kept])
    monkeypatch.setattr(patience.time, "sleep", lambda _: last.write_bytes(whole))
    np.testing.assert_array_equal(formats.read_scan(folder).counts, counts)
    last.write_bytes(whole[:kept])
    monkeypatch.setattr(patience.time, "sleep", lambda _: last.write_bytes(whole[: last.stat().st_size + 1]))
    unfinished._wait_for.cache_clear()
    for changed in (None, (1e9, 1e9)):
        os.utime(last, changed)
        scan = formats.read_scan(folder)
        np.testing.assert_array_equal(scan.counts, counts[:15])
        assert [
            note
            for note in scan.notes
            if note.startswith("The last frame, scan_15.tif, is damaged or cut short")
        ]


def test_a_damaged_frame_is_named(tmp_path):
    write_frames(tmp_path / "s", volume((20, 16, 18)))
    broken = tmp_path / "s" / "scan_7.tif"
    broken.write_bytes(broken.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"scan_7\.tif is damaged"):
        formats.read(tmp_path / "s")


def test_folders_that_are_no_scan(tmp_path):
    (tmp_path / "empty").mkdir()
    write_frames(tmp_path / "two", volume((16, 16, 16)), "a_{:d}.tif")
    write_frames(tmp_path / "two", volume((17, 16, 16)), "b_{:d}.tif")
    write_frames(tmp_path / "few", volume((5, 16, 16)))
    write_frames(tmp_path / "stacks", volume((16, 3, 16, 16)))
    why = {
        "empty": "no numbered",
        "two": "several scans",
        "few": "at least 8 frames",
        "stacks": "one 2-D frame",
    }
    for name, message in why.items():
        assert formats.recognise(tmp_path / name) is None
        with pytest.raises(InputError, match=message):
            formats.read(tmp_path / name)


def test_a_stack_that_imagej_calls_channels_is_a_scan(tmp_path):
    """Its files call the first axis so where nobody names it; three of them are colours."""
    frames = np.random.default_rng(0).poisson(5, (20, 24, 28)).astype("u2")
    tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True)
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "a.tif").counts, frames)
    tifffile.imwrite(tmp_path / "b.tif", frames[:3], imagej=True)
    with pytest.raises(InputError, match="colours or channels"):
        formats.read_scan(tmp_path / "b.tif")

"""Frames that stand in other files: all of them are there, or the file that is missing is named; nothing outside is read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from kinds_of_volumes import measured

from napari_autophase import formats
from napari_autophase.formats import links, patience
from napari_autophase.scan import InputError

PARTS = 4


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return measured(seed=2).astype(np.uint32)


def virtual(folder: Path, counts: np.ndarray, *, whole: bool = True) -> Path:
    """A scan in four files behind a virtual dataset, as BLISS and LIMA make it; `whole`: each source is all of its file."""
    each = len(counts) // PARTS
    layout = h5py.VirtualLayout(counts.shape, counts.dtype)
    for part in range(PARTS):
        frames = slice(each * part, each * part + each)
        with h5py.File(folder / f"part_{part}.h5", "w") as file:
            file["entry_0000/mpx1x4/data"] = counts[frames]
        source = h5py.VirtualSource(f"part_{part}.h5", "entry_0000/mpx1x4/data", (each, *counts.shape[1:]))
        layout[frames] = source if whole else source[:each]
    with h5py.File(folder / "scan.h5", "w") as file:
        file.create_group("1.1").attrs["NX_class"] = "NXentry"
        file.create_virtual_dataset("1.1/instrument/mpx1x4/data", layout)
    return folder / "scan.h5"


def master(folder: Path, counts: np.ndarray, parts: int, entry: str = "entry/data/data_{:06d}") -> Path:
    """An Eiger's master file, and its data files."""
    with h5py.File(folder / "s_master.h5", "w") as file:
        for part, block in enumerate(np.array_split(counts, parts), 1):
            with h5py.File(folder / f"s_data_{part:06d}.h5", "w") as data:
                data["entry/data/data"] = block
            file[entry.format(part)] = h5py.ExternalLink(f"s_data_{part:06d}.h5", "/entry/data/data")
        file["entry/instrument/detector/detectorSpecific/pixel_mask"] = np.zeros(counts.shape[1:], np.uint32)
    return folder / "s_master.h5"


# -- trees that were moved -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["/data/visitor/hc1234/S1_0001/", "/data/visitor/", "C:\\data\\S1_0001\\"])
def test_a_link_by_its_whole_path_is_followed_after_the_tree_was_moved(tmp_path, counts, before):
    slash = "\\" if "\\" in before else "/"
    (tmp_path / "scan0001").mkdir()
    with h5py.File(tmp_path / "scan0001/mpx1x4_0000.h5", "w") as file:
        file["data"] = counts
    with h5py.File(tmp_path / "S1_0001.h5", "w") as file:
        file["entry/data"] = h5py.ExternalLink(f"{before}scan0001{slash}mpx1x4_0000.h5", "/data")
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "S1_0001.h5").counts, counts)
    (tmp_path / "scan0001/mpx1x4_0000.h5").rename(tmp_path.parent / "outside.h5")
    with h5py.File(tmp_path / "S1_0001.h5", "r+") as file:
        del file["entry/data"]
        file["entry/data"] = h5py.ExternalLink(f"/elsewhere/{tmp_path.name}/../outside.h5", "/data")
    with pytest.raises(InputError, match=r"no link is followed|is not there"):
        formats.read_scan(tmp_path / "S1_0001.h5")


# -- virtual datasets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
def test_a_virtual_dataset_is_read_when_its_sources_are_there(tmp_path, counts, whole):
    np.testing.assert_array_equal(formats.read_scan(virtual(tmp_path, counts, whole=whole)).counts, counts)


@pytest.mark.parametrize("whole", [True, False])
def test_a_source_that_is_missing_is_named_with_its_frames(tmp_path, counts, whole):
    path = virtual(tmp_path, counts, whole=whole)
    (tmp_path / "part_2.h5").unlink()
    with pytest.raises(
        InputError, match=r"part_2\.h5, which holds frames 32 to 47 of .*scan\.h5::.*not there; copy it to"
    ):
        formats.read(path)
    for part in (0, 1, 3):
        (tmp_path / f"part_{part}.h5").unlink()
    with pytest.raises(InputError, match=r"part_0\.h5, which holds frames 0 to 15 .*3 more of its files"):
        formats.read(path)


@pytest.mark.parametrize("whole", [True, False])
def test_a_source_that_is_short_is_named_with_the_frames_that_it_lacks(tmp_path, counts, whole):
    path = virtual(tmp_path, counts, whole=whole)
    with h5py.File(tmp_path / "part_2.h5", "w") as file:
        file["entry_0000/mpx1x4/data"] = counts[32:40]
    with pytest.raises(InputError, match=r"part_2\.h5, which holds frames 40 to 47 of .* is cut short"):
        formats.read(path)


def interleaved(folder: Path, counts: np.ndarray, *, one_each: bool = False) -> Path:
    """Every second frame in another file, as two threads write them; `one_each`: a file for each frame."""
    files = len(counts) if one_each else 2
    layout = h5py.VirtualLayout(counts.shape, counts.dtype)
    for part in range(files):
        frames = counts[part] if one_each else counts[part::2]
        with h5py.File(folder / f"part_{part}.h5", "w") as file:
            file["data"] = frames
        source = h5py.VirtualSource(f"part_{part}.h5", "data", frames.shape)
        layout[part if one_each else slice(part, None, 2)] = source[:, :] if one_each else source
    with h5py.File(folder / "scan.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    return folder / "scan.h5"


@pytest.mark.parametrize("one_each", [True, False])
def test_sources_that_take_turns_are_read_and_missed_by_their_own_frames(tmp_path, counts, one_each):
    path = interleaved(tmp_path, counts, one_each=one_each)
    np.testing.assert_array_equal(formats.read_scan(path).counts, counts)
    if not one_each:
        with h5py.File(tmp_path / "part_1.h5", "w") as file:
            file["data"] = counts[1::2][:20]
        lost = r"part_1\.h5, which holds frames 41, 43, … 63 \(one in 2\) of .* is cut short"
        with pytest.raises(InputError, match=lost):
            formats.read(path)
    (tmp_path / "part_1.h5").unlink()
    held = r"frame 1 of" if one_each else r"frames 1, 3, … 63 \(one in 2\) of"
    with pytest.raises(InputError, match=rf"part_1\.h5, which holds {held} .* is not there; copy it to"):
        formats.read(path)


def test_frames_that_no_source_of_a_step_holds_are_said(tmp_path, counts):
    path = interleaved(tmp_path, counts)
    layout = h5py.VirtualLayout(counts.shape, counts.dtype)
    layout[::2] = h5py.VirtualSource("part_0.h5", "data", (32, *counts.shape[1:]))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout)
    with pytest.raises(InputError, match=r"has no file for frames 1, 3, … 63 \(one in 2\)"):
        formats.read(path)


def test_a_source_that_lost_its_dataset_is_named(tmp_path, counts):
    path = virtual(tmp_path, counts)
    with h5py.File(tmp_path / "part_1.h5", "w") as file:
        file["other"] = 1
    with pytest.raises(
        InputError,
        match=r"part_1\.h5, which holds frames 16 to 31 of .* holds no frames at .*; copy it again",
    ):
        formats.read(path)


@pytest.mark.parametrize("crop", [None, (24, 24, 24)])
@pytest.mark.parametrize("before", ["/data/visitor/hc1234/S1_0001/", "C:\\data\\S1_0001\\", "..\\S1_0001\\"])
def test_a_virtual_dataset_of_whole_paths_is_read_after_the_tree_was_moved(tmp_path, counts, before, crop):
    """HDF5 itself finds none of them, and reads zeros without a word."""
    slash = "\\" if "\\" in before else "/"
    top = tmp_path / "S1_0001"
    (top / "raw").mkdir(parents=True)
    layout = h5py.VirtualLayout(counts.shape, counts.dtype)
    for part in range(2):
        with h5py.File(top / f"raw/part_{part}.h5", "w") as file:
            file["data"] = counts[part::2]
        name = f"{before}raw{slash}part_{part}.h5"
        layout[part::2] = h5py.VirtualSource(name, "data", counts[part::2].shape)
    with h5py.File(top / "scan.h5", "w") as file:
        file.create_virtual_dataset("entry/data", layout)
    found = formats.read_scan(top / "scan.h5", crop=crop).counts
    if crop is None:
        np.testing.assert_array_equal(found, counts)
    else:
        assert (found.shape, found.max()) == (crop, counts.max())
    (top / "raw/part_1.h5").unlink()
    with pytest.raises(InputError, match=r"part_1\.h5, which holds frames 1, 3, … 63 .* is not there"):
        formats.read_scan(top / "scan.h5")


@pytest.mark.parametrize("virtual", [True, False])
def test_a_relative_link_that_was_written_under_windows_is_followed(tmp_path, counts, virtual):
    (tmp_path / "raw").mkdir()
    with h5py.File(tmp_path / "raw/det.h5", "w") as file:
        file["d"] = counts
    with h5py.File(tmp_path / "a.h5", "w") as file:
        if virtual:
            layout = h5py.VirtualLayout(counts.shape, counts.dtype)
            layout[:] = h5py.VirtualSource("raw\\det.h5", "d", counts.shape)
            file.create_virtual_dataset("data", layout)
        else:
            file["data"] = h5py.ExternalLink("raw\\det.h5", "/d")
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "a.h5").counts, counts)


def test_frames_that_no_source_holds_are_said(tmp_path, counts):
    path = virtual(tmp_path, counts)
    layout = h5py.VirtualLayout(counts.shape, counts.dtype)
    layout[:16] = h5py.VirtualSource("part_0.h5", "entry_0000/mpx1x4/data", (16, *counts.shape[1:]))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout)
    with pytest.raises(InputError, match=r"has no file for frames 16 to 63"):
        formats.read(path)


def test_modules_of_a_detector_may_leave_gaps(tmp_path, counts):
    """Two halves side by side with a gap between them: what no module sees is filled, frame by frame."""
    layout = h5py.VirtualLayout((64, 64, 132), counts.dtype)
    for part, columns in enumerate((slice(0, 64), slice(68, 132))):
        with h5py.File(tmp_path / f"module_{part}.h5", "w") as file:
            file["data"] = counts
        layout[:, :, columns] = h5py.VirtualSource(f"module_{part}.h5", "data", counts.shape)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    read = formats.read_scan(tmp_path / "a.h5").counts
    np.testing.assert_array_equal(read, np.concatenate([counts, np.zeros((64, 64, 4)), counts], axis=2))
    (tmp_path / "module_1.h5").unlink()
    with pytest.raises(InputError, match=r"module_1\.h5, which holds frames 0 to 63"):
        formats.read(tmp_path / "a.h5")


def test_virtual_datasets_of_virtual_datasets_are_looked_into(tmp_path, counts):
    virtual(tmp_path, counts)
    layout = h5py.VirtualLayout(counts.shape, counts.dtype)
    layout[:] = h5py.VirtualSource("scan.h5", "1.1/instrument/mpx1x4/data", counts.shape)
    with h5py.File(tmp_path / "above.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "above.h5").counts, counts)
    (tmp_path / "part_3.h5").unlink()
    with pytest.raises(InputError, match=r"part_3\.h5, which holds frames 48 to 63"):
        formats.read(tmp_path / "above.h5")


def test_a_virtual_dataset_of_itself_ends(tmp_path):
    layout = h5py.VirtualLayout((32, 32, 32), "u2")
    layout[:] = h5py.VirtualSource("a.h5", "data", (32, 32, 32))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    with pytest.raises(InputError, match="go round"):
        formats.read(tmp_path / "a.h5")


# -- masters of several files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 3, 4, 64])
def test_a_master_of_several_files_is_one_scan(tmp_path, counts, parts):
    path = master(tmp_path, counts, parts)
    scan = formats.read_scan(path)
    np.testing.assert_array_equal(scan.counts, counts)
    assert scan.name == "s_master"
    if parts > 1:
        assert [each.path for each in formats.datasets(path)] == ["/entry/data/data_*"]
        np.testing.assert_array_equal(formats.read_scan(f"{path}::/entry/data/data_*").counts, counts)
    assert formats.recognise(path) == "hdf5"


def test_the_first_part_that_is_marked_as_the_signal_stands_for_all(tmp_path, counts):
    path = master(tmp_path, counts, 4)
    with h5py.File(path, "a") as file:
        file.attrs["default"] = "entry"
        file["entry"].attrs["default"], file["entry/data"].attrs["signal"] = "data", "data_000001"
    np.testing.assert_array_equal(formats.read_scan(path).counts, counts)


def test_a_master_of_the_older_kind(tmp_path, counts):
    np.testing.assert_array_equal(
        formats.read_scan(master(tmp_path, counts, 4, "entry/data_{:02d}")).counts, counts
    )


def test_a_master_of_more_files_than_a_process_may_open(tmp_path, counts):
    """A step scan with one file a point: hundreds of them, one open at a time."""
    resource = pytest.importorskip("resource")
    path = master(tmp_path, counts, 64)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
    try:
        np.testing.assert_array_equal(formats.read_scan(path).counts, counts)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_part_may_be_named(tmp_path, counts):
    path = master(tmp_path, counts, 4)
    np.testing.assert_array_equal(formats.read_scan(f"{path}::/entry/data/data_000002").counts, counts[16:32])


def test_a_data_file_that_is_missing_is_named(tmp_path, counts):
    path = master(tmp_path, counts, 4)
    (tmp_path / "s_data_000003.h5").unlink()
    with pytest.raises(
        InputError, match=r"frames 32 to 47 are lost: .*s_data_000003\.h5, which is not there; copy it to"
    ):
        formats.read(path)
    assert formats.recognise(path) == "hdf5", "it is a scan all the same"
    with pytest.raises(InputError, match=r"s_data_000003\.h5, which is not there"):
        formats.read(path, dataset="/entry/data/data_000003")


def test_a_number_that_is_missing_is_said(tmp_path, counts):
    path = master(tmp_path, counts, 4)
    with h5py.File(path, "a") as file:
        del file["entry/data/data_000002"]
    with pytest.raises(InputError, match=r"frames 16 to 31 are lost: .*no part 2"):
        formats.read(path)


def test_a_master_alone_names_the_file_of_its_frames(tmp_path):
    with h5py.File(tmp_path / "scan_master.h5", "w") as file:
        file["entry/data/data_000001"] = h5py.ExternalLink("scan_data_000001.h5", "/entry/data/data")
        file["entry/instrument/detector/detectorSpecific/pixel_mask"] = np.zeros((64, 64), np.uint32)
    with h5py.File(tmp_path / "1234.nxs", "w") as file:
        file["entry1/pil100k/data"] = h5py.ExternalLink(
            "1234-files/1234.hdf", "/entry/instrument/detector/data"
        )
        file["entry1/sample/orientation_matrix"] = np.eye(3)[None]
    for name, frames in {"scan_master.h5": "scan_data_000001.h5", "1234.nxs": "1234-files/1234.hdf"}.items():
        with pytest.raises(InputError, match=f"{name} is in {frames}, which is not there; copy it to"):
            formats.read(tmp_path / name)


def test_a_lost_detector_is_not_replaced_by_another_array(tmp_path):
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        file["entry/detector/data"] = h5py.ExternalLink("frames.h5", "/data")
        file["entry/detector/flatfield"] = np.indices((20, 64, 64)).sum(0)
    with pytest.raises(InputError, match=r"frames\.h5, which is not there"):
        formats.read(tmp_path / "a.nxs")
    assert formats.read_scan(tmp_path / "a.nxs", dataset="/entry/detector/flatfield").shape == (20, 64, 64)


# -- where links may lead ------------------------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path, counts) -> Path:
    """A folder beside the one that is opened, with a volume that must not be read."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "inside").mkdir()
    with h5py.File(tmp_path / "outside/secret.h5", "w") as file:
        file["data"] = counts
    (tmp_path / "outside/secret.bin").write_bytes(bytes(range(256)) * 2**10)
    return tmp_path / "outside"


def by_link(file: h5py.File, target: str) -> None:
    file["data"] = h5py.ExternalLink(target, "/data")


def by_soft_link(file: h5py.File, target: str) -> None:
    file["elsewhere"] = h5py.ExternalLink(target, "/")
    file["data"] = h5py.SoftLink("/elsewhere/data")


def by_virtual_dataset(file: h5py.File, target: str) -> None:
    layout = h5py.VirtualLayout((64, 64, 64), "u4")
    layout[:] = h5py.VirtualSource(target, "data", (64, 64, 64))
    file.create_virtual_dataset("data", layout)


def by_raw_storage(file: h5py.File, target: str) -> None:
    file.create_dataset("data", (64, 64, 64), "u1", external=[(target.replace(".h5", ".bin"), 0, 64**3)])


@pytest.mark.parametrize("how", [by_link, by_soft_link, by_virtual_dataset, by_raw_storage])
@pytest.mark.parametrize("written", ["relative", "absolute", "through a link of the file system"])
def test_nothing_outside_the_opened_folder_is_read(tmp_path, outside, how, written):
    target = {
        "relative": "../outside/secret.h5",
        "absolute": str(outside / "secret.h5"),
        "through a link of the file system": "door/secret.h5",
    }[written]
    (tmp_path / "inside/door").symlink_to(outside)
    with h5py.File(tmp_path / "inside/a.h5", "w") as file:
        how(file, target)
    for ask in (
        lambda: formats.read(tmp_path / "inside/a.h5"),
        lambda: formats.read(tmp_path / "inside/a.h5", dataset="/data"),
    ):
        with pytest.raises(InputError, match="outside the folder of that file") as caught:
            ask()
        assert "secret" in str(caught.value)
    assert formats.recognise(tmp_path / "inside/a.h5") is None


def test_bytes_of_the_system_are_no_scan(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (16, 16, 16), "u1", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(InputError, match=r"/etc/passwd, outside the folder"):
        formats.read(tmp_path / "a.h5")


def test_masks_and_fields_of_the_experiment_are_not_taken_from_outside(tmp_path, outside, counts):
    (outside / "secret.h5").unlink()
    with h5py.File(outside / "secret.h5", "w") as file:
        file["mask"], file["distance"], file["name"] = np.ones(counts.shape, bool), 0.5, "stolen"
    with h5py.File(tmp_path / "inside/a.nxs", "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        for group, kind in {"detector_1": "NXdetector", "sample_1": "NXsample"}.items():
            entry.create_group(group).attrs["NX_class"] = kind
        entry["detector_1/data"] = counts
        entry["detector_1/distance"] = h5py.ExternalLink("../outside/secret.h5", "/distance")
        entry["sample_1/name"] = h5py.ExternalLink("../outside/secret.h5", "/name")
    scan = formats.read_scan(tmp_path / "inside/a.nxs")
    assert scan.mask is None
    assert scan.metadata == {}
    with h5py.File(tmp_path / "inside/a.nxs", "a") as file:
        file["entry/detector_1/mask"] = h5py.ExternalLink("../outside/secret.h5", "/mask")
    with pytest.raises(InputError, match=r"/entry/detector_1/mask .*secret\.h5, outside the folder"):
        formats.read(tmp_path / "inside/a.nxs")


def test_raw_storage_below_the_folder_is_read_and_must_be_whole(tmp_path, counts):
    (tmp_path / "raw").mkdir()
    counts.tofile(tmp_path / "raw/frames.bin")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(
            "data", counts.shape, counts.dtype, external=[("raw/frames.bin", 0, counts.nbytes)]
        )
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "a.h5").counts, counts)
    (tmp_path / "raw/frames.bin").write_bytes(counts.tobytes()[:-4])
    with pytest.raises(InputError, match=r"frames\.bin is shorter"):
        formats.read(tmp_path / "a.h5")


def test_a_file_opened_through_a_link_finds_what_stands_beside_it(tmp_path, counts):
    (tmp_path / "real").mkdir()
    (tmp_path / "shortcuts").mkdir()
    (tmp_path / "shortcuts/scan.h5").symlink_to(master(tmp_path / "real", counts, 4))
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "shortcuts/scan.h5").counts, counts)


def test_an_absolute_link_of_the_beamline_finds_the_copy_beside(tmp_path, counts):
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["data"] = counts
    for name in ("/data/visitor/hc1234/id01/frames.h5", r"C:\data\frames.h5"):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["data"] = h5py.ExternalLink(name, "/data")
        np.testing.assert_array_equal(formats.read_scan(tmp_path / "a.h5").counts, counts)


@pytest.fixture(scope="module")
def bliss(tmp_path_factory, counts) -> Path:
    """The tree of `../shared/BEAMLINES.md`, section 3, with one dataset of two scans."""
    top = tmp_path_factory.mktemp("bliss")
    dataset = top / "sample/sample_0001"
    with h5py.File(top / "hc1234_id01.h5", "w") as proposal:
        proposal["sample"] = h5py.ExternalLink("sample/hc1234_sample.h5", "/")
    for number in (1, 2):
        (dataset / f"scan{number:04d}").mkdir(parents=True)
        with h5py.File(dataset / f"scan{number:04d}/mpx1x4_0000.h5", "w") as lima:
            lima["entry_0000/instrument/mpx1x4/data"] = counts + number - 1
            lima["entry_0000/measurement/data"] = h5py.SoftLink("/entry_0000/instrument/mpx1x4/data")
        with h5py.File(dataset / "sample_0001.h5", "a") as file:
            scan = file.create_group(f"{number}.1")
            scan.attrs["NX_class"] = "NXentry"
            detector = scan.create_group("instrument/mpx1x4")
            detector.attrs["NX_class"] = "NXdetector"
            detector["data"] = h5py.ExternalLink(
                f"scan{number:04d}/mpx1x4_0000.h5", "/entry_0000/measurement/data"
            )
            detector["distance"] = 0.86
            scan["measurement/mpx1x4"] = h5py.SoftLink(f"/{number}.1/instrument/mpx1x4/data")
        with h5py.File(top / "sample/hc1234_sample.h5", "a") as collection:
            collection[f"sample_0001_{number}.1"] = h5py.ExternalLink(
                "sample_0001/sample_0001.h5", f"/{number}.1"
            )
    return top


@pytest.mark.parametrize(
    ("file", "dataset"),
    [
        ("hc1234_id01.h5", "sample/sample_0001_2.1/instrument/mpx1x4/data"),
        ("hc1234_id01.h5", "sample/sample_0001_2.1/measurement/mpx1x4"),
        ("sample/hc1234_sample.h5", "sample_0001_2.1/instrument/mpx1x4/data"),
        ("sample/sample_0001/sample_0001.h5", "2.1/instrument/mpx1x4/data"),
        ("sample/sample_0001/sample_0001.h5", "2.1/measurement/mpx1x4"),
        ("sample/sample_0001/scan0002/mpx1x4_0000.h5", None),
    ],
)
def test_a_bliss_tree_opens_at_every_level(bliss, counts, file, dataset):
    scan = formats.read_scan(bliss / file, dataset=dataset)
    np.testing.assert_array_equal(scan.counts, counts + 1)
    assert scan.metadata.get("distance_m") == (0.86 if dataset else None)
    if "/" in file:
        assert formats.recognise(bliss / file) == "hdf5"


def test_a_bliss_file_lists_its_scans_once(bliss):
    for file, prefix in (
        ("sample/sample_0001/sample_0001.h5", ""),
        ("sample/hc1234_sample.h5", "sample_0001_"),
    ):
        listed = [each.path for each in formats.datasets(bliss / file)]
        assert listed == [f"/{prefix}{number}.1/instrument/mpx1x4/data" for number in (1, 2)]


def test_a_scan_of_a_bliss_file_is_picked_by_its_number_without_a_look_at_the_others(
    bliss, counts, monkeypatch
):
    looked_at = []
    untouched = links.open_file
    monkeypatch.setattr(links, "open_file", lambda path: looked_at.append(str(path)) or untouched(path))
    for file, name in (
        ("sample/sample_0001/sample_0001.h5", "2.1"),
        ("sample/hc1234_sample.h5", "sample_0001_2.1"),
    ):
        scan = formats.read_scan(f"{bliss / file}::{name}")
        np.testing.assert_array_equal(scan.counts, counts + 1)
        assert scan.metadata["distance_m"] == 0.86
        assert any("scan0002" in path for path in looked_at)
        assert not any("scan0001" in path for path in looked_at)
        looked_at.clear()
    with pytest.raises(InputError, match=r"no dataset '3\.1'"):
        formats.read(bliss / "sample/sample_0001/sample_0001.h5", dataset="3.1")


def test_a_pipe_is_no_file(tmp_path):
    """Opening one waits for somebody who writes into it, for ever."""
    os.mkfifo(tmp_path / "pipe.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = h5py.ExternalLink("pipe.h5", "/data")
    with pytest.raises(InputError, match="which is no file"):
        formats.read(tmp_path / "a.h5")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        formats.read(tmp_path / "pipe.h5")
    assert formats.recognise(tmp_path / "pipe.h5") is None


def test_links_that_go_round_end(tmp_path, counts):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = counts
        file["again"] = h5py.ExternalLink("b.h5", "/again")
        file["soft"] = h5py.SoftLink("/soft")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["again"] = h5py.ExternalLink("a.h5", "/again")
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "a.h5").counts, counts)
    for name in ("again", "soft"):
        with pytest.raises(InputError, match="go round"):
            formats.read(tmp_path / "a.h5", dataset=name)


def test_a_microscope_s_series_of_files_is_not_filled_with_zeros(tmp_path, counts):
    """One of two files whose metadata say that the other holds the rest."""
    for name in ("one", "two"):
        tifffile.imwrite(
            tmp_path / f"{name}.ome.tif",
            counts[:32].astype(np.uint16),
            photometric="minisblack",
            metadata={"axes": "ZYX"},
        )
    text = tifffile.tiffcomment(tmp_path / "one.ome.tif")
    assert isinstance(text, str)
    tifffile.tiffcomment(tmp_path / "one.ome.tif", text.replace('SizeZ="32"', 'SizeZ="64"').encode())
    with pytest.raises(InputError, match="other files"):
        formats.read(tmp_path / "one.ome.tif")


# -- files that are being written ----------------------------------------------------------------------------------------


@pytest.fixture
def growing(tmp_path, counts) -> tuple[Path, bytes]:
    """A file of which a part is there, and all of its bytes."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["data"] = counts
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    return path, whole


def test_a_file_that_grows_while_it_is_read_is_looked_at_again(growing, counts, monkeypatch):
    path, whole = growing

    def open_file(path: Path) -> h5py.File:
        try:
            return untouched(path)
        finally:
            path.write_bytes(whole)  # a moment later it is complete

    untouched = links.open_file
    monkeypatch.setattr(links, "open_file", open_file)
    monkeypatch.setattr(patience, "WAITS_S", (0.0,))
    np.testing.assert_array_equal(formats.read_scan(path).counts, counts)


def test_a_damaged_file_that_nobody_writes_is_refused_at_once(growing, monkeypatch):
    path, _ = growing
    os.utime(path, (1e9, 1e9))
    monkeypatch.setattr(patience.time, "sleep", lambda _: pytest.fail("nobody writes it"))
    with pytest.raises(InputError, match="cut short"):
        formats.read(path)


@pytest.mark.parametrize("kept", [0, 1, 5000])
def test_a_file_that_is_locked_for_writing_and_not_whole_yet_is_said_to_be_written(
    growing, monkeypatch, kept
):
    """Empty, without what makes it HDF5, or without its end: as an acquisition leaves it before it first flushes."""
    fcntl = pytest.importorskip("fcntl")
    path, whole = growing
    path.write_bytes(whole[:kept])
    os.utime(path, (1e9, 1e9))
    monkeypatch.setattr(patience, "WAITS_S", (0.0,))
    with path.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="is being written by another program") as caught:
            formats.read(path)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("opened", [{}, {"libver": "latest"}, {"locking": True}, {"locking": False}])
def test_a_file_that_this_very_process_writes_is_read(tmp_path, counts, opened):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", **opened) as file:
        file["data"] = counts
        file.flush()
        np.testing.assert_array_equal(formats.read_scan(path).counts, counts)


def test_a_link_into_a_file_that_is_locked_and_not_whole_yet_is_said_so(growing, tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    path, _ = growing
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["data"] = h5py.ExternalLink("a.h5", "/data")
    monkeypatch.setattr(links, "WAITS_S", (0.0,))
    with path.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        with pytest.raises(InputError, match=r"a\.h5 is being written by another program"):
            formats.read(tmp_path / "scan.h5")


HOLDER = """
import sys, h5py
held = [h5py.File(name, "a") for name in sys.argv[1:]]
print("held", flush=True)
sys.stdin.read()
"""


def test_a_link_into_a_file_that_is_locked_by_its_writer(tmp_path, counts):
    """BLISS keeps its files locked while it measures; neither they nor what they link to may be refused for it."""
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["data"] = counts
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["data"] = h5py.ExternalLink("frames.h5", "/data")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, "frames.h5", "scan.h5"],
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            np.testing.assert_array_equal(formats.read_scan(tmp_path / "scan.h5").counts, counts)
        finally:
            holder.communicate()

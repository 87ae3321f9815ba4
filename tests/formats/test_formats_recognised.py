"""What is claimed: scans and results by what is in them, and nothing of what other people keep in files of those names."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from kinds_of_volumes import OTHERS, measured

from napari_autophase import formats
from napari_autophase.formats.rocking import LOOKED_AT, frames_to_look_at, is_rocking_curve
from napari_autophase.samples import SAMPLES, sample_path
from napari_autophase.scan import InputError

DATA = Path(__file__).resolve().parents[2] / "../shared/data"


def as_npy(folder: Path, volume: np.ndarray) -> Path:
    np.save(folder / "a.npy", volume)
    return folder / "a.npy"


def as_fortran_npy(folder: Path, volume: np.ndarray) -> Path:
    np.save(folder / "f.npy", np.asfortranarray(volume))
    return folder / "f.npy"


def as_npz(folder: Path, volume: np.ndarray) -> Path:
    np.savez_compressed(folder / "a.npz", data=volume, theta=np.arange(len(volume)))
    return folder / "a.npz"


def as_tiff(folder: Path, volume: np.ndarray, **how: object) -> Path:
    tifffile.imwrite(folder / "a.tif", volume, photometric="minisblack", **how)
    return folder / "a.tif"


def as_packed_tiff(folder: Path, volume: np.ndarray) -> Path:
    return as_tiff(folder, volume, compression="zlib")


def as_folder(folder: Path, volume: np.ndarray) -> Path:
    (folder / "frames").mkdir()
    for number, frame in enumerate(volume):
        tifffile.imwrite(folder / f"frames/scan_{number:05d}.tif", frame, photometric="minisblack")
    return folder / "frames"


def as_hdf5(folder: Path, volume: np.ndarray) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        file["some/where"] = volume
    return folder / "a.h5"


WRITERS = (as_npy, as_fortran_npy, as_npz, as_tiff, as_packed_tiff, as_folder, as_hdf5)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(("seed", "write"), [(0, as_npy), (1, as_tiff), (2, as_hdf5)])
def test_what_other_people_keep_is_left_alone(tmp_path, name, seed, write):
    volume = OTHERS[name](np.random.default_rng(seed))
    if write is as_tiff and volume.dtype.itemsize == 8:
        write = as_npz
    assert formats.recognise(write(tmp_path, volume)) is None


@pytest.mark.parametrize("write", WRITERS)
def test_a_counted_bragg_peak_is_claimed_in_every_format(tmp_path, write):
    path = write(tmp_path, measured(seed=3))
    assert formats.recognise(path) is not None
    assert formats.recognise(str(path)) is not None
    assert formats.read_scan(path).shape == (64, 64, 64)


@pytest.mark.parametrize(
    "about",
    [
        {"peak": 300.0},
        {"peak": 1e3},
        {"peak": 1e6},
        {"peak": 1e4, "background": 1.0},
        {"peak": 1e5, "background": 5.0},
        {"shape": (24, 48, 48)},
        {"shape": (200, 64, 96)},
        {"oversampling": 2.2},
        {"oversampling": 6.0},
        {"phase": 4.0},
        {"phase": 8.0, "peak": 1e4},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", range(3))
def test_bragg_peaks_of_all_sorts_are_claimed(about, seed):
    counts = measured(seed=seed, **about)
    assert is_rocking_curve(counts[frames_to_look_at(counts.shape, 4)])


def test_hot_pixels_flags_and_a_white_field_do_not_hide_a_peak():
    counts = measured(seed=1)
    rng = np.random.default_rng(0)
    hot = counts.copy()
    hot[:, 5, 60] = hot[:, 50, 3] = 10**6
    flagged = counts.astype(np.uint32)
    flagged[:, 20:22] = 2**32 - 1
    negative = counts.copy()
    negative[:, :, 40] = -1
    corrected = (counts / rng.normal(1, 0.05, counts.shape[1:])).astype(np.float32)
    unknown = counts.astype(np.float32)
    unknown[:, 30] = np.nan
    for changed in (hot, flagged, negative, corrected, unknown):
        assert is_rocking_curve(changed[frames_to_look_at(counts.shape, 4)])


def test_microscopes_files_are_left_alone_whatever_is_in_them(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path, measured().astype(np.uint16), photometric="minisblack", metadata={"axes": "ZYX"}, ome=True
    )
    assert formats.recognise(path) is None
    assert formats.read_scan(path).shape == (64, 64, 64), "the Load panel opens it all the same"


def test_results_in_other_layouts_than_ours_are_left_alone(tmp_path):
    """Complex volumes are in many files: raw magnetic resonance, wave functions."""
    volume = np.ones((20, 32, 32), np.complex64)
    assert formats.recognise(as_npy(tmp_path, volume)) is None
    assert formats.recognise(as_hdf5(tmp_path, volume)) is None


def detector(path: Path, *, definition: str | None = None, frames: np.ndarray | None = None) -> Path:
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        if definition is not None:
            entry["definition"] = definition
        made = entry.create_group("instrument/detector")
        made.attrs["NX_class"] = "NXdetector"
        if frames is None:
            made["data"] = h5py.ExternalLink("nowhere.h5", "/data")
        else:
            made["data"] = frames
    return path


def test_layouts_of_scans_are_claimed_without_a_look_at_the_frames(tmp_path):
    dark = np.zeros((20, 32, 32), np.uint16)
    assert formats.recognise(detector(tmp_path / "a.nxs", frames=dark)) == "hdf5"
    assert formats.recognise(detector(tmp_path / "b.nxs", definition="NXmx", frames=dark)) == "hdf5"
    assert formats.recognise(detector(tmp_path / "c.nxs")) == "hdf5", "the frames are linked to"
    # other techniques have detectors, too
    assert formats.recognise(detector(tmp_path / "d.nxs", definition="NXtomo", frames=dark)) is None
    assert formats.recognise(detector(tmp_path / "e.nxs", definition="NXtomo", frames=measured())) == "hdf5"
    for name, place in {
        "eiger": "entry/data/data_000001",
        "p10": "entry/data_01",
        "bliss": "sample_0001_3.1",
    }.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file[place] = h5py.ExternalLink("nowhere.h5", "/entry/data/data")
        assert formats.recognise(tmp_path / f"{name}.h5") == "hdf5"
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["weights"] = h5py.ExternalLink("nowhere.h5", "/weights")
    assert formats.recognise(tmp_path / "other.h5") is None


def test_no_other_file_is_touched_while_looking(tmp_path):
    """Neither an external link, nor a virtual dataset, nor raw storage: opening a pipe would never come back."""
    os.mkfifo(tmp_path / "pipe.h5")
    layout = h5py.VirtualLayout((32, 32, 32), "u2")
    layout[:] = h5py.VirtualSource("pipe.h5", "data", (32, 32, 32))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("virtual", layout)
        file["link"] = h5py.ExternalLink("pipe.h5", "/data")
        file["soft"] = h5py.SoftLink("/link")
        file.create_dataset("raw", (32, 32, 32), "u1", external=[("pipe.h5", 0, 32**3)])
    assert formats.recognise(tmp_path / "a.h5") is None


def test_a_bounded_part_is_looked_at():
    """Twenty gigabytes of frames are looked at by a few of them, evenly spaced, from the first to the last."""
    chosen = frames_to_look_at((5000, 1000, 1000), 4)
    assert (chosen[0], chosen[-1]) == (0, 4999)
    assert 5 <= len(chosen) <= LOOKED_AT // 4_000_000
    assert frames_to_look_at((100, 20_000, 20_000), 4) == []
    assert frames_to_look_at((5000, 1000, 1000), 4, together=500) == [], "chunks of 500 frames"


def test_a_large_sparse_file_is_looked_at_in_little_memory(tmp_path):
    """A hundred gigabytes that were never written are no scan, and this is said at once."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (25_000, 1000, 1000), "u4", chunks=(1, 1000, 1000))
    assert formats.recognise(tmp_path / "a.h5") is None


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_are_claimed(name, tmp_path):
    path = sample_path(name)
    assert formats.recognise(path) == "cxi"
    assert formats.recognise(as_npz(tmp_path, formats.read_scan(path).counts)) == "npz"


@pytest.mark.skipif(not DATA.exists(), reason="the measured scans are not here")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("34idc_Au_S0054/scan54_raw.npz", "npz"),
        ("34idc_Au_S0054/scan54_binned2_64cube.npy", "npy"),
        ("34idc_Au_S0054/scan54_crop_200x128x128.cxi", "cxi"),
        ("34idc_Au_S0054/reference_pynx/best_run.cxi", "cxi"),
        ("34idc_Au_S0054/reference_pynx/modes.h5", "hdf5"),
        ("id01_Pt_S11_recon/S11_modes_252_210_200_prebinning_1_2_2.h5", "hdf5"),
        ("i16_nxs/1040323.nxs", "hdf5"),
        ("34idc_Au_S0054/dark_white.npz", None),
        ("34idc_Au_S0054/reference_cohere/image_support.npz", None),
        ("detector_masks/id01_maxipix_mask.npz", None),
        ("detector_masks/nanomax_merlin_mask.npz", None),
    ],
)
def test_measured_scans_and_results_are_claimed(name, kind):
    assert formats.recognise(DATA / name) == kind


def test_every_suffix_is_known():
    assert formats.suffixes() == (
        ".cbf",
        ".cbf.bz2",
        ".cbf.gz",
        ".cxi",
        ".edf",
        ".edf.bz2",
        ".edf.gz",
        ".fio",
        ".h5",
        ".hdf5",
        ".mat",
        ".npy",
        ".npz",
        ".nxs",
        ".spec",
        ".tif",
        ".tiff",
        ".vti",
    )


def test_a_new_format_is_one_class(tmp_path, monkeypatch):
    """Registered by its decorator, it is read, offered and claimed like the others."""
    from napari_autophase.formats import registry
    from napari_autophase.formats.npy import Npy

    monkeypatch.setattr(registry, "_FORMATS", list(registry.formats()))
    registry.formats.cache_clear()

    @registry.register
    class Sealed(Npy):
        name, title, suffixes = "sealed", "sealed arrays", (".sealed",)

        def matches(self, path):
            return path.suffix == ".sealed" and super().matches(path)

    try:
        np.save(tmp_path / "a.npy", measured())
        path = (tmp_path / "a.npy").rename(tmp_path / "a.sealed")
        assert formats.recognise(path) == "sealed"
        assert formats.read_scan(path).shape == (64, 64, 64)
        assert ".sealed" in formats.suffixes()
        with pytest.raises(InputError, match="sealed arrays"):
            formats.read(Path(__file__))
    finally:
        monkeypatch.undo()
        registry.formats.cache_clear()

"""The background of a recipe: in which files it may stand, and how it comes to the voxels of a scan."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from napari_autophase import InputError, formats
from napari_autophase.formats import background

FRAMES, ROWS, COLUMNS = SHAPE = (24, 20, 22)
LEVELS = np.linspace(1, 3, FRAMES)


@pytest.fixture
def counts() -> np.ndarray:
    at = np.indices(SHAPE) - np.array([12, 10, 11])[:, None, None, None]
    return np.rint(1e4 * np.exp(-np.square(at).sum(0) / 9)).astype(np.int32)


@pytest.fixture
def scan(tmp_path, counts):
    np.save(tmp_path / "scan.npy", counts)
    return formats.read_scan(tmp_path / "scan.npy")


def _npy(path, values):
    np.save(path / "b.npy", values)
    return "b.npy"


def _npz(path, values):
    np.savez(path / "b.npz", theta=np.arange(FRAMES), background=values)
    return "b.npz"


def _hdf5(path, values):
    with h5py.File(path / "b.h5", "w") as file:
        file["entry/theta"] = np.arange(FRAMES)
        file["entry/background_counts"] = values
    return "b.h5"


def _hdf5_named(path, values):
    with h5py.File(path / "b.h5", "w") as file:
        file["entry/frames"], file["entry/air"] = np.ones(SHAPE), values
    return "b.h5::/entry/air"


def _text(path, values):
    np.savetxt(path / "b.txt", values, header="photons a voxel")
    return "b.txt"


def _one_line(path, values):
    (path / "b.csv").write_text(", ".join(f"{value:.8f}" for value in values))
    return "b.csv"


@pytest.mark.parametrize("written", [_npy, _npz, _hdf5, _hdf5_named, _text, _one_line])
def test_one_number_a_frame_stands_in_a_file(tmp_path, scan, written):
    name = written(tmp_path, LEVELS)
    np.testing.assert_allclose(background(str(tmp_path / name), scan), LEVELS, rtol=1e-6)


@pytest.mark.parametrize("told", ["file", "list"])
def test_numbers_of_all_frames_are_cut_as_the_scan_was(tmp_path, counts, told):
    np.save(tmp_path / "scan.npy", counts)
    part = formats.read_scan(tmp_path / "scan.npy", crop=((5, 21), (2, 18), (3, 19)))
    given = str(tmp_path / _npy(tmp_path, LEVELS)) if told == "file" else tuple(LEVELS.tolist())
    np.testing.assert_allclose(background(given, part), LEVELS[5:21], rtol=1e-6)
    image = np.arange(ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)
    np.save(tmp_path / "image.npy", image)
    np.testing.assert_array_equal(background(str(tmp_path / "image.npy"), part), image[2:18, 3:19])


@pytest.mark.parametrize("crop", [None, ((5, 21), (2, 18), (3, 19))])
@pytest.mark.parametrize("axes", [(2, 0, 1), (1, 2, 0), (0, 2, 1), (2, 1, 0)])
def test_a_volume_is_turned_as_the_scan_is(tmp_path, counts, axes, crop):
    """What lies under a voxel of the file's counts lies under it when both are turned."""
    volume = counts / 100 + np.indices(SHAPE).sum(0)
    back = np.argsort(axes)
    np.save(tmp_path / "scan.npy", counts.transpose(back))
    np.save(tmp_path / "volume.npy", volume.transpose(back))
    turned = formats.read_scan(tmp_path / "scan.npy", axes=axes, crop=crop)
    found = background(str(tmp_path / "volume.npy"), turned)
    inside = () if crop is None else tuple(slice(*ends) for ends in crop)
    np.testing.assert_array_equal(turned.counts, counts[inside])
    np.testing.assert_allclose(found, volume[inside], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("b.txt", "1 2\n3 4\n", "has 2 columns of numbers"),
        ("b.txt", "1\nlots\n", r"more than numbers.*'lots'"),
        ("b.txt", "# nothing\n", "has 0 columns"),
        ("gone.txt", None, "does not exist"),
        ("gone.npy", None, "does not exist"),
    ],
)
def test_a_file_that_holds_none_is_refused(tmp_path, scan, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=f"The background cannot be read: .*{said}"):
        background(str(tmp_path / name), scan)


def test_of_several_vectors_one_must_be_named(tmp_path, scan):
    np.savez(tmp_path / "b.npz", theta=LEVELS, air=LEVELS)
    with pytest.raises(InputError, match=r"several arrays.*b\.npz::"):
        background(str(tmp_path / "b.npz"), scan)
    np.testing.assert_allclose(background(f"{tmp_path / 'b.npz'}::air", scan), LEVELS, rtol=1e-6)

"""MATLAB files of both kinds, and archives that preparing programs write."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from kinds_of_volumes import measured
from scipy.io import savemat

from napari_autophase import formats
from napari_autophase.scan import InputError

SHAPE = (24, 20, 32)
"""Frames, rows, columns."""


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return measured(seed=4).astype(np.float64)


def version_5(path, **arrays):
    """As MATLAB's ``save``: frames last."""
    savemat(path, arrays)
    return path


def version_73(path, **arrays):
    """As MATLAB's ``save -v7.3``: an HDF5 file behind 512 bytes, every array with its axes the other way round."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file[name] = np.atleast_2d(values).T
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
        file["#refs#/a"] = np.zeros((40, 40, 40))
    with path.open("r+b") as file:
        file.write(
            b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Feb 2 2026 HDF5 schema 1.00 .".ljust(
                124
            )
            + b"\0\2IM"
        )
    return path


@pytest.mark.parametrize("version", [version_5, version_73])
def test_frames_are_along_matlabs_last_axis(tmp_path, counts, version):
    data = np.moveaxis(counts, 0, 2)  # data(row, column, frame)
    mask = np.zeros(data.shape)
    mask[3, 4, :] = 1
    path = version(tmp_path / "scan.mat", data=data, mask=mask, energy=9.0, theta=np.arange(4.0))
    scan = formats.read_scan(path)
    np.testing.assert_array_equal(scan.counts, counts)
    assert scan.mask is not None
    assert scan.mask[:, 3, 4].all()
    assert scan.mask.sum() == len(counts)
    assert scan.metadata["energy"] == 9.0
    assert scan.metadata["theta"] == [0, 1, 2, 3]
    assert any("last axis" in note for note in scan.notes)
    np.testing.assert_array_equal(formats.read_scan(path, dataset="data").counts, counts)


@pytest.mark.parametrize("version", [version_5, version_73])
def test_a_rocking_curve_is_recognised_and_other_numbers_are_not(tmp_path, counts, version):
    assert formats.recognise(version(tmp_path / "scan.mat", data=np.moveaxis(counts, 0, 2))) is not None
    other = np.random.default_rng(0).normal(size=(40, 40, 40))
    assert formats.recognise(version(tmp_path / "other.mat", data=other)) is None


@pytest.mark.parametrize("version", [version_5, version_73])
def test_a_file_cut_short_is_damaged(tmp_path, counts, version):
    path = version(tmp_path / "scan.mat", data=np.moveaxis(counts, 0, 2))
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(InputError, match=r"scan\.mat is damaged or cut short"):
        formats.read_scan(path)


def test_a_structure_is_named_and_what_to_do(tmp_path):
    savemat(tmp_path / "a.mat", {"scan": {"data": np.ones((16, 16, 16))}})
    with pytest.raises(
        InputError, match=r"holds no array of numbers by itself, but scan \(struct\); save the volume"
    ):
        formats.read_scan(tmp_path / "a.mat")


def test_matlabs_files_are_offered():
    assert ".mat" in formats.suffixes()


@pytest.mark.parametrize("whole", [True, False], ids=["volume", "frame"])
def test_a_mask_beside_the_data_of_an_archive_is_used(tmp_path, counts, whole):
    bad = np.zeros(counts.shape, np.int8)
    bad[:, 3, 4] = 1
    np.savez(tmp_path / "S11_norm.npz", data=counts, mask=bad if whole else bad[0])
    scan = formats.read_scan(tmp_path / "S11_norm.npz")
    np.testing.assert_array_equal(scan.mask, bad != 0)
    np.savez(tmp_path / "other.npz", data=counts, mask=np.zeros((3, 3)))
    assert formats.read_scan(tmp_path / "other.npz").mask is None

"""Volumes whose last or middle axis rocks: by what the file calls its axes, or by the motor that has so many places."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from beamline_trees import bliss, counts, scanned
from scipy.io import savemat

from napari_autophase import formats

SHAPE = (17, 32, 24)
DATA = counts(shape=SHAPE)
LAST = np.ascontiguousarray(DATA.transpose(1, 2, 0))
MIDDLE = np.ascontiguousarray(DATA.transpose(1, 0, 2))
ETA = scanned(17.5, 0.01)


def plotted(path, volume, axes=None, **vectors):
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        file["entry"].attrs["NX_class"], group.attrs["NX_class"], group.attrs["signal"] = (
            "NXentry",
            "NXdata",
            "data",
        )
        group["data"] = volume
        if axes is not None:
            group.attrs["axes"] = axes
        for name, values in vectors.items():
            group[name] = values
    return path


@pytest.mark.parametrize(
    ("volume", "axes", "vectors", "which"),
    [
        (LAST, ["y", "x", "eta"], {}, "last"),
        (LAST, [".", ".", "rocking_angle"], {}, "last"),
        (LAST, "y:x:eta", {}, "last"),
        (LAST, None, {"eta": ETA}, "last"),
        (MIDDLE, ["y", "eta", "x"], {"eta": ETA}, "middle"),
        (MIDDLE, None, {"gontheta": ETA}, "middle"),
        (DATA, ["eta", "y", "x"], {"eta": ETA, "x": np.arange(24.0)}, None),
        (DATA, None, {"eta": ETA, "phi": scanned(1.0, 0.1, 24)}, None),
        (DATA, None, {"monitor": np.arange(24.0), "eta": np.full(24, 17.5)}, None),  # nothing here turns
        (DATA, ["y", "x", "z"], {}, None),
    ],
)
def test_the_axis_that_rocks_comes_first(tmp_path, volume, axes, vectors, which):
    scan = formats.read_scan(plotted(tmp_path / "a.h5", volume, axes, **vectors))
    np.testing.assert_array_equal(scan.counts, DATA)
    said = [note for note in scan.notes if "axes rocks: 17 frames of 32 × 24 pixels" in note]
    assert [which in note for note in said] == ([] if which is None else [True])


def test_a_person_has_the_last_word(tmp_path):
    path = plotted(tmp_path / "a.h5", LAST, ["y", "x", "eta"])
    np.testing.assert_array_equal(formats.read_scan(path, axes=(0, 1, 2)).counts, LAST)
    part = formats.read_scan(path, crop=((0, 16), (4, 30), (0, 20)))
    np.testing.assert_array_equal(part.counts, DATA[:16, 4:30, :20])


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_a_motor_beside_the_volume_tells(tmp_path, suffix):
    path, given = tmp_path / f"a{suffix}", {"data": LAST if suffix == ".npz" else DATA, "eta": ETA}
    np.savez(path, **given) if suffix == ".npz" else savemat(
        path, given
    )  # MATLAB's last axis rocks otherwise
    scan = formats.read_scan(path)
    np.testing.assert_array_equal(scan.counts, DATA)
    assert any(f"By eta the {'first' if suffix == '.mat' else 'last'}" in note for note in scan.notes)


def test_the_geometry_and_the_mask_are_those_of_frames_that_lie_first(tmp_path):
    bliss(tmp_path)
    path = tmp_path / "S1/S1_0001/S1_0001.h5"
    right = formats.read_scan(path)
    with h5py.File(path.parent / "scan0001/mpx1x4_0000.h5", "r+") as file:
        place = "entry_0000/instrument/mpx1x4/data"
        volume = file[place][...]
        del file[place]
        file[place] = np.ascontiguousarray(volume.transpose(1, 2, 0))
    scan = formats.read_scan(path)
    np.testing.assert_array_equal(scan.counts, right.counts)
    np.testing.assert_array_equal(scan.mask, right.mask)
    assert scan.geometry == right.geometry
    assert any("eta the last of the file's axes rocks" in note for note in scan.notes)

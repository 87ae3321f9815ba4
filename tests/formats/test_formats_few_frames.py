"""Scans of fewer frames than usual: they open, with what would help, and are phased."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile

from napari_autophase import formats, run
from napari_autophase.cli import main
from napari_autophase.scan import InputError
from napari_autophase.simulation import simulate

STACK = simulate(seed=5, size=(24, 48, 48), peak=1e5, oversampling=(2.2, 3, 3), phase_range=1.0).scan.counts


@pytest.mark.parametrize("frames", [8, 11, 15])
@pytest.mark.parametrize("kind", ["npy", "tif", "h5", "folder"])
def test_few_frames_open_with_what_would_help(tmp_path, frames, kind):
    stack = STACK[12 - frames // 2 :][:frames]
    path = tmp_path / f"a.{kind}"
    if kind == "npy":
        np.save(path, stack)
    elif kind == "tif":
        tifffile.imwrite(path, stack)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["entry/data"] = stack
    else:
        path.mkdir()
        for index, frame in enumerate(stack):
            tifffile.imwrite(path / f"s_{index:03d}.tif", frame)
    scan = formats.read_scan(path)
    np.testing.assert_array_equal(scan.counts, stack)
    (note,) = scan.notes
    assert note.startswith(
        f"{frames} frames tell little of the crystal along the rocking curve: it has about {frames // 3} "
    )


def test_few_frames_are_phased():
    result = run(STACK[8:16], "iterative")
    assert result.object.shape[0] == 8
    assert result.figures["chi2"] < 0.02


def test_fewer_frames_are_read_of_a_longer_scan(tmp_path, capsys):
    np.save(tmp_path / "a.npy", STACK)
    assert formats.read_scan(tmp_path / "a.npy", crop=(8, 32, 32)).shape == (8, 32, 32)
    part = formats.read_scan(tmp_path / "a.npy", crop=((7, 16), (8, 40), (8, 40)))
    np.testing.assert_array_equal(part.counts, STACK[7:16, 8:40, 8:40])
    assert main(["info", str(tmp_path / "a.npy"), "--crop", "8,32,32"]) == 0
    assert "8 to 15, rows 8 to 39" in capsys.readouterr().out


def test_too_few_are_refused_with_what_would_help(tmp_path):
    np.save(tmp_path / "a.npy", STACK[9:15])
    with pytest.raises(InputError, match="at least 8 frames of 16 × 16 pixels; give a longer rocking curve"):
        formats.read_scan(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.moveaxis(STACK[8:18], 0, 2))
    with pytest.raises(InputError, match="say with --axes which axis rocks"):
        formats.read_scan(tmp_path / "b.npy")
    assert formats.read_scan(tmp_path / "b.npy", axes=(2, 0, 1)).shape == (10, 48, 48)

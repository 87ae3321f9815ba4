"""Frames of which a part is missing: the rest of a preallocated file, a copy that broke off, lost packets."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
import tifffile
from written_logs import counts, spec_header, spec_scan, tiffs

from napari_autophase import formats
from napari_autophase.formats.registry import format_of
from napari_autophase.scan import InputError
from napari_autophase.simulation import simulate

STACK = simulate(seed=3, size=(24, 48, 48), peak=1e5).scan.counts
TOP = int(STACK.sum((1, 2)).argmax())


def read(folder, stack):
    np.save(folder / "a.npy", stack)
    return formats.read_scan(folder / "a.npy")


def cut(file, kept):
    """Cut a file that nobody writes to."""
    file.write_bytes(file.read_bytes()[:kept])
    os.utime(file, (1e9, 1e9))


@pytest.mark.parametrize("frame", [TOP - 5, TOP - 2, TOP, TOP + 4])
@pytest.mark.parametrize("part", [slice(24 * 48, None), slice(26 * 48 + 17, None), slice(20 * 48, 30 * 48)])
def test_the_part_of_a_frame_that_was_never_written_is_named_and_masked(tmp_path, frame, part):
    stack = STACK.copy()
    stack[frame].reshape(-1)[part] = 0
    scan = read(tmp_path, stack)
    (note,) = scan.notes
    rows = re.match(
        rf"A part of frame {frame} \(rows (\d+) to (\d+)\) holds no count at all .*: masked\.", note
    )
    assert rows, note
    lost = scan.mask[frame].reshape(-1)
    assert lost[part].all()
    # pixels beside that were dark anyhow may go with them
    assert np.count_nonzero(lost) - np.count_nonzero(lost[part]) < 100
    assert not np.delete(scan.mask, frame, 0).any()


def test_several_frames_at_the_end_of_a_copy_are_named(tmp_path):
    stack = STACK.copy()
    stack[[TOP - 1, TOP + 2], 24:] = 0
    (note,) = read(tmp_path, stack).notes
    assert note.startswith(f"Parts of frame {TOP - 1} (rows 2")
    assert f"47), frame {TOP + 2} (rows 2" in note


@pytest.mark.parametrize("frames", [slice(TOP + 2, None), slice(0, None, 2), slice(TOP - 1, TOP + 2)])
def test_the_same_part_of_many_frames_is_told_by_those_that_have_it(tmp_path, frames):
    stack = STACK.copy()
    stack[frames, 24:] = 0
    scan = read(tmp_path, stack)
    (note,) = scan.notes
    assert note.startswith("Parts of frame ")
    # nothing is claimed of faint frames; no other one is masked
    lit = np.flatnonzero(STACK[:, 24:].sum((1, 2)) > 3000)
    meant = np.isin(np.arange(24), np.arange(24)[frames])
    masked = scan.mask[:, 25:].all((1, 2))
    assert masked[lit[meant[lit]]].all()
    assert not masked[~meant].any()


@pytest.mark.parametrize("value", [-1, 65535])
def test_a_part_of_a_frame_that_is_filled_with_a_flag_holds_nothing(tmp_path, value):
    stack = simulate(seed=3, size=(24, 48, 48), peak=1e4).scan.counts.copy()
    stack[TOP].reshape(-1)[1200:] = value
    scan = read(tmp_path, stack)
    assert scan.notes[0].startswith(f"A part of frame {TOP} (rows 2")
    assert len(scan.notes) == 1
    assert scan.mask[TOP].reshape(-1)[1200:].all()


@pytest.mark.parametrize(
    ("rows", "columns"), [((0, 24), (24, 48)), ((24, 48), (0, 24)), ((0, 48), (24, 48)), ((0, 24), (0, 27))]
)
def test_a_chip_or_a_module_that_was_lost_in_one_frame_is_named_and_masked(tmp_path, rows, columns):
    stack = STACK.copy()
    part = slice(*rows), slice(*columns)
    stack[(TOP + 1, *part)] = 0
    scan = read(tmp_path, stack)
    (note,) = scan.notes
    assert note.startswith(
        f"A part of frame {TOP + 1} (rows {rows[0]} to {rows[1] - 1}, columns {columns[0]} to "
    )
    assert scan.mask[(TOP + 1, *part)].mean() > 0.9
    assert np.count_nonzero(scan.mask) <= 48 * 24 + 100
    assert not np.delete(scan.mask, TOP + 1, 0).any()


@pytest.mark.parametrize("peak", [200, 1e4, 1e7])
def test_no_part_of_a_whole_frame_is_missed(tmp_path, peak):
    """However few photons there are, and wherever the fringes are dark."""
    for seed in range(6):
        stack = simulate(seed=seed, size=(24, 32, 40), peak=peak, phase_range=2.0 * seed).scan.counts
        assert not [note for note in read(tmp_path, stack).notes if "art of frame" in note]


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_a_gap_of_the_detector_with_hot_voxels_beside_it_is_no_part_of_a_frame(tmp_path, seed):
    """Nothing is counted in it in any frame: what is beside it alone is less than a part."""
    stack = simulate(seed=seed, size=32, peak=1e6, oversampling=(3.0, 3.0, 3.0)).scan.counts.copy()
    stack[:, 17 + seed % 3 : 20 + seed % 3] = 0
    stack[tuple(np.random.default_rng(seed).integers(5, 28, (3, 6)))] = 3 * stack.max()
    assert not [
        note for note in read(tmp_path, stack).notes if "art of frame" in note or "arts of frame" in note
    ]


def test_the_fringes_of_a_box_that_stands_upright_are_whole_frames(tmp_path):
    box = np.zeros((48, 30, 30))
    box[16:32, 10:20, 10:20] = 1
    light = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(box)))) ** 2
    stack = np.random.default_rng(0).poisson(light / light.max() * 1e7)
    assert not [note for note in read(tmp_path, stack).notes if "art of frame" in note]


@pytest.mark.parametrize("kept", [0, 4, 300])
def test_the_last_frames_that_are_cut_short_are_left_out_of_a_folder(tmp_path, kept):
    """The geometry is that of the frames that are there; one amid the scan is refused with its name."""
    theta = 1 + 0.01 * np.arange(20)
    motors = {
        "Theta": 1.0,
        "Chi": 90.0,
        "Phi": 5.0,
        "Delta": 30.0,
        "Gamma": 12.0,
        "camdist": 1000.0,
        "Energy": 9.0,
    }
    text = spec_header(motors) + spec_scan(7, "ascan th 1 1.19 19 1", motors, {"Theta": theta})
    (tmp_path / "gold.spec").write_text(text)
    folder = tiffs(tmp_path / "gold_S0007", counts((20, 256, 256)))
    for last in (18, 19):
        file = folder / f"frame_{last:05d}.tif"
        cut(file, kept)
    scan = formats.read_scan(folder)
    assert scan.shape == (18, 256, 256)
    (note,) = [each for each in scan.notes if "cut short" in each]
    assert note.startswith(
        "The last 2 frames, frame_00018.tif to frame_00019.tif, are damaged or cut short, as where a scan is still being"
    )
    assert scan.geometry.rocking_step_deg == pytest.approx(0.01)
    assert formats.read_scan(folder, crop=(8, 32, 32)).shape == (8, 32, 32)
    file = folder / "frame_00005.tif"
    cut(file, kept)
    with pytest.raises(InputError, match=r"frame_00005\.tif is (damaged|empty|being)"):
        formats.read_scan(folder)


def test_a_folder_in_which_no_frame_is_whole_names_one(tmp_path):
    folder = tiffs(tmp_path / "s", counts((10, 20, 20)))
    for file in folder.iterdir():
        cut(file, 50)
    with pytest.raises(InputError, match=r"frame_0000\d\.tif is"):
        formats.read_scan(folder)


def test_edf_and_cbf_frames_that_are_cut_short_are_left_out_too(tmp_path):
    edf = pytest.importorskip("fabio.edfimage")
    stack = counts((12, 20, 20))
    for index, frame in enumerate(stack):
        edf.EdfImage(data=frame).write(str(tmp_path / f"a_{index:04d}.edf"))
    file = tmp_path / "a_0011.edf"
    cut(file, -400)
    scan = formats.read_scan(tmp_path)
    np.testing.assert_array_equal(scan.counts, stack[:11])
    assert any("a_0011.edf, is damaged or cut short" in note for note in scan.notes)


def test_frames_that_arrive_while_a_folder_is_read_are_left_for_the_next_time(tmp_path):
    folder, stack = tmp_path / "s", counts((10, 20, 20))
    tiffs(folder, stack)
    frames = format_of(folder)
    (dataset,) = frames.lists(folder)
    tifffile.imwrite(folder / "frame_00010.tif", stack[0])
    np.testing.assert_array_equal(frames.reads(folder, dataset), stack)

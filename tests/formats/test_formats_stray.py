"""One frame amid a scan that is brighter, dark, or lies otherwise: named, and no frame of a whole scan."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_autophase import formats
from napari_autophase.simulation import simulate

STACK = np.roll(simulate(seed=3, size=32, peak=3e4).scan.counts, (4, -3), (1, 2))
PEAK = int(STACK.sum((1, 2)).argmax())


def notes_of(folder, stack):
    for index, frame in enumerate(stack):
        tifffile.imwrite(folder / f"s_{index:04d}.tif", frame)
    return [note for note in formats.read_scan(folder).notes if note.startswith("Frame ")]


@pytest.mark.parametrize("index", [PEAK - 5, PEAK - 1, PEAK, PEAK + 3])
def test_a_frame_that_is_ten_times_brighter_is_named(tmp_path, index):
    stack = STACK.copy()
    stack[index] *= 10
    (note,) = notes_of(tmp_path, stack)
    assert note.startswith(f"Frame {index} is ")
    assert "times brighter than those beside it, in all pixels" in note


def test_a_frame_without_light_amid_light_is_named(tmp_path):
    stack = STACK.copy()
    stack[PEAK + 1] = 0
    (note,) = notes_of(tmp_path, stack)
    assert note.startswith(f"Frame {PEAK + 1} has no light, and those beside it have")


def test_a_frame_that_is_missing_is_not_said_to_be_dark(tmp_path):
    for index, frame in enumerate(STACK):
        if index != PEAK + 1:
            tifffile.imwrite(tmp_path / f"s_{index:04d}.tif", frame)
    notes = formats.read_scan(tmp_path).notes
    assert [note for note in notes if note.startswith("Frame ")] == [
        f"Frame {PEAK + 1} is missing and masked."
    ]


@pytest.mark.parametrize(
    ("turned", "said"),
    [
        (lambda frame: frame.T, "with its rows and columns exchanged"),
        (lambda frame: frame[:, ::-1], "with its columns reversed"),
        (lambda frame: frame[::-1], "with its rows reversed"),
    ],
)
def test_a_frame_that_lies_otherwise_is_named(tmp_path, turned, said):
    stack = STACK.copy()
    stack[PEAK - 1] = turned(stack[PEAK - 1])
    (note,) = notes_of(tmp_path, stack)
    assert note.startswith(f"Frame {PEAK - 1} is unlike those beside it, and would be like them {said}")


@pytest.mark.parametrize("peak", [300, 1e4, 1e6])
def test_no_frame_of_a_whole_scan_is_named(tmp_path, peak):
    for seed in range(8):
        np.save(tmp_path / "a.npy", simulate(seed=seed, size=32, peak=peak).scan.counts)
        assert not [note for note in formats.read_scan(tmp_path / "a.npy").notes if note.startswith("Frame ")]

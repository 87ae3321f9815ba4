"""One frame amid a scan that is brighter, dark, or lies otherwise: named, and no frame of a whole scan."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tifffile
from kinds_of_volumes import measured

from napari_autophase import formats
from napari_autophase.formats.combs import combed
from napari_autophase.formats.copies import copies
from napari_autophase.formats.doubts import among_frames
from napari_autophase.formats.slips import slips
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
    assert note.startswith(f"Frame {PEAK + 1} holds no count at all, and those beside have light")
    assert formats.read_scan(tmp_path).mask[PEAK + 1].all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1, 2**31 - 1, 2**32 - 1])
@pytest.mark.parametrize("frames", [slice(PEAK + 1, PEAK + 2), slice(PEAK + 1, None)])
def test_frames_that_nothing_was_written_to_are_masked_and_said_to_be_so(tmp_path, value, frames):
    """Files are filled with such a value where a scan ended early; a monitor of zero leaves one in counts divided by it."""
    stack = STACK.astype(np.float32 if isinstance(value, float) else np.int64)
    stack[frames] = value
    np.save(tmp_path / "a.npy", stack)
    scan = formats.read_scan(tmp_path / "a.npy")
    assert scan.mask[frames].all()
    (note,) = [note for note in scan.notes if note.startswith("Frame")]
    which = (
        f"Frames {PEAK + 1} to {len(STACK) - 1} hold" if frames.stop is None else f"Frame {PEAK + 1} holds"
    )
    assert note.startswith(f"{which} nothing but {value}, as where no frame was written")


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


# -- frames that those beside them deny, seldom so much that no two frames are alike ------------------------------------

WIDE = simulate(seed=5, size=(40, 32, 32), peak=1e5, oversampling=(4, 3, 3)).scan.counts.astype(np.int64)
TOP = int(WIDE.sum((1, 2)).argmax())


def said_of(folder, stack):
    np.save(folder / "a.npy", stack)
    return [note for note in formats.read_scan(folder / "a.npy").notes if "rame" in note]


@pytest.mark.parametrize("factor", [3, 2, 0.5, 0.2])
@pytest.mark.parametrize("index", [TOP - 4, TOP, TOP + 3])
def test_a_frame_of_other_light_is_named(tmp_path, index, factor):
    stack = WIDE.copy()
    stack[index] = np.random.default_rng(0).poisson(WIDE[index] * factor)
    (note,) = said_of(tmp_path, stack)
    words = "times brighter than those beside it" if factor > 1 else "times the light that those beside it"
    said = re.match(rf"Frame {index} (?:is|has) ([0-9.]+) {words}.*--mask", note)
    assert said, note
    assert float(said[1]) == pytest.approx(factor, rel=0.25)


@pytest.mark.parametrize("factor", [0.1, 0.5])
def test_frames_behind_an_attenuator_are_named(tmp_path, factor):
    stack = WIDE.copy()
    part = slice(TOP - 4, TOP + 1)
    stack[part] = np.random.default_rng(0).binomial(WIDE[part], factor)
    (note,) = said_of(tmp_path, stack)
    said = re.match(rf"Frames {TOP - 4} to {TOP} have ([0-9.]+) times the light that those beside", note)
    assert said, note
    assert float(said[1]) == pytest.approx(factor, rel=0.25)


def test_a_step_of_the_light_is_named(tmp_path):
    stack = WIDE.copy()
    stack[TOP - 2 :] = np.random.default_rng(0).binomial(WIDE[TOP - 2 :], 0.2)
    (note,) = said_of(tmp_path, stack)
    assert note.startswith(f"From frame {TOP - 2} on, frames have 0.2")


@pytest.mark.parametrize(
    ("by", "said"),
    [((3, 0), "3 rows down"), ((0, -2), "2 columns left"), ((-2, 3), "2 rows up and 3 columns")],
)
def test_a_frame_that_jumped_is_named(tmp_path, by, said):
    stack = WIDE.copy()
    stack[TOP - 1] = np.roll(stack[TOP - 1], by, (0, 1))
    (note,) = said_of(tmp_path, stack)
    assert note.startswith(f"Frame {TOP - 1} lies {said}")


@pytest.mark.parametrize("apart", [1, 2, 3])
def test_two_frames_that_changed_places_are_named(tmp_path, apart):
    stack = WIDE.copy()
    pair = [TOP - 4, TOP - 4 + apart]
    stack[pair] = stack[pair[::-1]]
    (note,) = said_of(tmp_path, stack)
    assert note.startswith(f"Frames {pair[0]} and {pair[1]} would follow")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (slice(25, None), "Frames 25 to 39 hold no count at all, .*: masked; --crop 0:25,0:32,0:32 leaves"),
        (slice(None, 12), "Frames 0 to 11 hold no count at all, .*: masked; --crop 12:40,0:32,0:32 leaves"),
        (slice(14, 17), "Frames 14 to 16 hold no count at all, .*: masked.$"),
        (slice(1, None, 6), r"Frames 1, 7, 13, 19, 25, 31, 37 hold no count at all, .*: masked.$"),
    ],
)
def test_frames_that_were_never_taken_are_no_darkness(tmp_path, part, said):
    stack = WIDE.copy()
    stack[part] = 0
    (note,) = said_of(tmp_path, stack)
    assert re.match(said, note)
    scan = formats.read_scan(tmp_path / "a.npy")
    lost = np.zeros(len(stack), bool)
    lost[part] = True
    np.testing.assert_array_equal(scan.mask.all((1, 2)), lost)
    np.testing.assert_array_equal(scan.mask.any((1, 2)), lost)


def test_the_fringes_of_a_box_that_stands_upright_are_darkness(tmp_path):
    """Sampled three-fold, each third frame off the peak is 0 in all pixels; that is what was measured."""
    box = np.zeros((48, 30, 30))
    box[16:32, 10:20, 10:20] = 1
    light = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(box)))) ** 2
    light[light < 1e-9] = 0
    counts = np.random.default_rng(0).poisson(light / light.max() * 1e6)
    assert np.count_nonzero(~counts.any((1, 2))) > 10
    assert said_of(tmp_path, counts) == []
    assert formats.read_scan(tmp_path / "a.npy").mask is None


@pytest.mark.parametrize(("place", "source"), [(TOP + 8, TOP), (TOP + 2, TOP), (4, TOP), (TOP - 5, TOP + 6)])
def test_a_frame_that_is_another_s_copy_is_named_and_nothing_else_is(tmp_path, place, source):
    stack = WIDE.copy()
    stack[place] = WIDE[source]
    (note,) = said_of(tmp_path, stack)
    first, last = sorted((place, source))
    assert note.startswith(f"Frames {first} and {last} ")
    assert (
        "are the same, photon by photon, and do not follow each other: only one of them was measured so"
        in note
    )
    mask = formats.read_scan(tmp_path / "a.npy").mask
    if f"masked is {place}," in note:
        np.testing.assert_array_equal(np.flatnonzero(mask.any((1, 2))), [place])
    else:
        assert mask is None
        assert "--mask" in note


def test_a_run_of_frames_that_is_another_s_copy_is_masked(tmp_path):
    stack = WIDE.copy()
    stack[TOP + 4 : TOP + 8] = WIDE[TOP - 4 : TOP]
    (note,) = said_of(tmp_path, stack)
    assert f"(masked is {TOP + 4} to {TOP + 7}, unlike what is beside)" in note
    np.testing.assert_array_equal(
        np.flatnonzero(formats.read_scan(tmp_path / "a.npy").mask.any((1, 2))), range(TOP + 4, TOP + 8)
    )


def test_frames_of_one_photon_each_are_no_copies():
    """A pixel that is hot, and single photons: two of so many frames are alike by chance."""
    stack = np.zeros((30, 8, 8), int)
    stack[:, 5, 5] = 3
    stack[15, 2:6, 2:6] = 50
    assert copies(stack, None) == (None, [], [])


@pytest.mark.parametrize("peak", [1e3, 1e7])
@pytest.mark.parametrize("strain", [1, 12])
def test_no_frame_of_a_whole_scan_is_denied(tmp_path, peak, strain):
    for seed in range(3):
        counts = simulate(
            seed=seed, size=32, peak=peak, phase_range=strain, background=0.1 * seed, drift=0.3 * seed
        ).scan.counts
        assert not said_of(tmp_path, counts)


# -- a pattern that slipped, and each so many-th frame of other light ----------------------------------------------------


@pytest.mark.parametrize("first", [TOP - 4, TOP, TOP + 3])
@pytest.mark.parametrize(
    ("by", "said"),
    [
        ((3, 0), "3 rows down of"),
        ((0, -2), "2 columns left of"),
        ((-6, 5), "6 rows up and 5 columns right of"),
    ],
)
def test_a_pattern_that_slipped_is_named_with_the_frame_and_the_pixels(tmp_path, first, by, said):
    stack = WIDE.copy()
    stack[first:] = np.roll(stack[first:], by, (1, 2))
    (note,) = said_of(tmp_path, stack)
    assert note.startswith(f"From frame {first} on, all lies {said} where the frames before have it")
    assert f"--crop {first}:40," in note


@pytest.mark.parametrize(
    ("step", "first", "factor", "said"),
    [
        (2, 1, 0.5, r"Every second frame \(1, 3, 5, …, 39\)"),
        (3, 0, 0.1, r"Every third frame \(0, 3, 6, …, 39\)"),
        (4, 2, 0.3, r"Every fourth frame \(2, 6, 10, …, 38\)"),
    ],
)
def test_each_so_many_th_frame_behind_an_attenuator_is_named(tmp_path, step, first, factor, said):
    stack = WIDE.copy()
    stack[first::step] = np.random.default_rng(0).binomial(WIDE[first::step], factor)
    (note,) = said_of(tmp_path, stack)
    found = re.match(rf"{said} has ([0-9.]+) times the light that the others let expect", note)
    assert found, note
    assert float(found[1]) == pytest.approx(factor, rel=0.1)


def test_no_pattern_of_a_whole_scan_slipped_and_no_comb_is_in_it():
    """However strained, drifting and blurred; of 400 such scans none was named."""
    for seed in range(12):
        counts = simulate(
            seed=seed,
            size=(40, 24, 24),
            peak=10 ** (3 + seed % 4),
            phase_range=1 + seed,
            drift=0.15 * (seed % 4),
            coherence=0.3 * (seed % 3),
            background=0.1 * (seed % 2),
        ).scan.counts
        light = counts.sum((1, 2)).astype(float)
        assert slips(counts, light) == []
        assert combed(light, np.zeros(len(light), bool)) == []


def test_the_fringes_of_a_box_that_stands_upright_are_no_comb():
    box = np.zeros((48, 30, 30))
    box[16:32, 10:20, 10:20] = 1
    light = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(box)))) ** 2
    counts = np.random.default_rng(0).poisson(light / light.max() * 1e8 + 0.1)
    assert combed(counts.sum((1, 2)).astype(float), np.zeros(48, bool)) == []


@pytest.mark.parametrize(("seed", "first"), [(5, 14), (6, 14), (3, 10), (8, 14), (5, 16)])
def test_an_attenuator_that_was_put_in_on_the_flank_is_not_said_to_be_about_one_frame_alone(
    tmp_path, seed, first
):
    """Of a step there a few frames tell alone: that all after them have a tenth of the light is named as well."""
    counts = measured(shape=(41, 64, 64), peak=1e5, seed=seed)
    counts[first:] = np.random.default_rng(5).binomial(counts[first:], 0.1)
    np.save(tmp_path / "a.npy", counts)
    notes = [note for note in formats.read_scan(tmp_path / "a.npy").notes if "times the light" in note]
    (factor,) = (
        float(found[1])
        for note in notes[:1]
        for found in [
            re.search(
                rf"[Ff](?:rom frame|rames|rame) {first} on (?:have|, frames have) ([0-9.]+) times", note
            )
        ]
        if found
    )
    assert 0.05 < factor < 0.25


def test_a_steep_flank_is_no_attenuator():
    """Where a scan's frames tell little of each other, nothing is said of those that are no worse than the others."""
    for seed, shape, peak in ((8, (24, 40, 36), 1e5), (96, (24, 40, 36), 1e4)):
        counts = simulate(seed=seed, size=shape, peak=peak).scan.counts
        assert among_frames(counts, None) == []

"""Frames that were not taken one after the other: in order by where the motor stood, or said not to be."""

from __future__ import annotations

from dataclasses import asdict, replace

import h5py
import numpy as np
import pytest
import tifffile
from beamline_trees import FRAMES, bliss, cristal, nanomax, scanned, sixs
from kinds_of_volumes import crystal
from test_formats_beamlines import PARAMETERS, THETA, write_34, write_p10
from test_formats_transformations import placed
from written_logs import counts, fio

from napari_autophase import formats
from napari_autophase.formats.logs.log import order_of, run_on
from napari_autophase.simulation import simulate

SHUFFLED = np.random.default_rng(4).permutation(FRAMES)
SMALL = (20, 32, 32)


def shuffle(path, data: str, *motors: str):
    """Put the frames of a file, and what was recorded with each, in another order."""
    with h5py.File(path, "r+") as file:
        for name in (data, *motors):
            file[name][...] = file[name][...][SHUFFLED]


def _id01(folder):
    place = bliss(folder).parent / "S1/S1_0001"

    def mix():
        shuffle(place / "scan0001/mpx1x4_0000.h5", "entry_0000/instrument/mpx1x4/data")
        shuffle(place / "S1_0001.h5", "1.1/instrument/positioners/eta")

    return place / "S1_0001.h5", mix


def _sixs(folder):
    path = sixs(folder / "a_00012.nxs", 2022)
    return path, lambda: shuffle(path, "com/scan_data/data_01", "com/scan_data/actuator_1_1")


def _cristal(folder):
    path = cristal(folder / "c.nxs")
    return path, lambda: shuffle(path, "exp_0012/scan_data/data_06", "exp_0012/scan_data/actuator_1_1")


def _nanomax(folder):
    path = nanomax(folder / "000123.h5")
    return path, lambda: shuffle(path, "entry/measurement/merlin/frames", "entry/measurement/gontheta")


def _transformations(folder):
    path = placed(folder / "a.nxs")
    return path, lambda: shuffle(path, "entry/instrument/det/data", "entry/sample/circles/om")


@pytest.mark.parametrize("crop", [None, ((0, 17), (2, 20), (3, 30))])
@pytest.mark.parametrize("written", [_id01, _sixs, _cristal, _nanomax, _transformations])
def test_frames_are_put_in_the_order_of_the_motor(tmp_path, written, crop):
    path, mix = written(tmp_path)
    right = formats.read_scan(path, crop=crop)
    mix()
    scan = formats.read_scan(path, crop=crop)
    turned = written is _sixs  # which way it went is not known any more
    np.testing.assert_array_equal(scan.counts, right.counts[::-1] if turned else right.counts)
    assert scan.geometry == right.geometry
    found, expected = (each.metadata.get("rocking_angles_deg", []) for each in (scan, right))
    assert found == pytest.approx(expected[::-1] if turned else expected)
    assert found or scan.geometry.rocking_angles_deg == pytest.approx(right.geometry.rocking_angles_deg)
    assert sum("they are sorted by where it stood" in note for note in scan.notes) == 1
    assert not any("sorted" in note for note in right.notes)


def test_frames_of_34_id_c_and_their_masks_too(tmp_path):
    """A mask of the whole volume, and a monitor, belong to the frames as they are stored."""
    order = np.random.default_rng(5).permutation(20)
    stack, mask = counts(SMALL), np.zeros(SMALL, np.uint8)
    mask[3, 4, 5] = mask[17, 8, 9] = 1
    right = formats.read_scan(write_34(tmp_path / "a", stack, (0, 32, 0, 32)), mask=mask)
    table = {"Theta": THETA[order], "Monitor": (1000.0 + np.arange(20))[order]}
    folder = write_34(tmp_path / "b", stack[order], (0, 32, 0, 32), table=table)
    scan = formats.read_scan(folder, mask=mask[order])
    np.testing.assert_array_equal(scan.counts, right.counts)
    np.testing.assert_array_equal(scan.mask, right.mask)
    assert scan.geometry == right.geometry
    assert scan.metadata["monitor"] == right.metadata["monitor"]
    part = formats.read_scan(folder, crop=((2, 20), (0, 32), (0, 32)))
    assert part.metadata["monitor"] == right.metadata["monitor"][2:]


@pytest.mark.parametrize("around", [0.0, 180.0])
@pytest.mark.parametrize(
    ("written", "motors"),
    [
        (_id01, "1.1/instrument/positioners/eta"),
        (_sixs, "com/scan_data/actuator_1_1"),
        (_cristal, "exp_0012/scan_data/actuator_1_1"),
        (_nanomax, "entry/measurement/gontheta"),
        (_transformations, "entry/sample/circles/om"),
    ],
)
def test_a_motor_whose_reading_begins_again_runs_on(tmp_path, written, motors, around):
    """359.99 and 0.01 are 0.02 degrees apart, and so are 179.99 and -179.99; the frames stay as they lie."""
    path, _ = written(tmp_path)
    right = formats.read_scan(path)
    true = scanned(around, 0.01)
    with h5py.File(path, "r+") as file:
        file[motors][...] = true % 360 if around == 0 else (true + 180) % 360 - 180
        for name in (
            "exp_0012/CRISTAL/i06-c-c07-ex-mg_omega/position",
            "com/SIXS/i14-c-cx1-ex-med-v-dif-group.1-mu/position",
        ):
            if name in file:
                file[name][...] = (around - 0.05) % 360
    scan = formats.read_scan(path)
    np.testing.assert_array_equal(scan.counts, right.counts)
    known = scan.metadata if scan.geometry is None else asdict(scan.geometry)  # some files hold no distance
    assert known["rocking_step_deg"] == pytest.approx(0.01)
    assert np.diff(known["rocking_angles_deg"]) == pytest.approx(0.01)
    assert known["rocking_angles_deg"][FRAMES // 2] % 360 == pytest.approx(around, abs=1e-9)
    assert sum("begins again after a whole turn" in note for note in scan.notes) == 1
    assert not any("begins again" in note for note in right.notes)


def test_a_log_whose_motor_begins_again_and_was_shuffled(tmp_path):
    stack, true = counts((20, 40, 48)), np.linspace(359.9, 360.09, 20)
    right = write_p10(tmp_path / "a", stack, 2)
    order = np.random.default_rng(4).permutation(20)
    folder = write_p10(tmp_path / "b", stack[order], 2)
    fio(
        folder / "gold_00031.fio",
        "ascan om 359.9 360.09 19 1.0",
        PARAMETERS,
        {"om": true[order] % 360, "ipetra": np.ones(20)},
    )
    scan = formats.read_scan(folder)
    assert scan.geometry.rocking_angles_deg == pytest.approx(true - 360)
    np.testing.assert_array_equal(scan.counts, formats.read_scan(right).counts)


def test_a_monitor_that_drops_by_half_a_turn_is_no_motor():
    monitor = np.where(np.arange(20) < 10, 300.0, 40.0) + np.random.default_rng(0).normal(0, 3, 20)
    assert run_on({"monitor": monitor, "om": scanned(5.0, 0.01, 20)}) == {}


def test_two_frames_of_p10_that_changed_places(tmp_path):
    stack, om = counts((20, 40, 48)), np.linspace(15, 15.19, 20)
    right = formats.read_scan(write_p10(tmp_path / "a", stack, 2))
    order = np.arange(20)
    order[[9, 11]] = 11, 9
    folder = write_p10(tmp_path / "b", stack[order], 2)
    fio(
        folder / "gold_00031.fio",
        "ascan om 15 15.19 19 1.0",
        PARAMETERS,
        {"om": om[order], "ipetra": np.ones(20)},
    )
    scan = formats.read_scan(folder)
    np.testing.assert_array_equal(scan.counts, right.counts)
    assert scan.geometry == replace(right.geometry, rocking_angles_deg=scan.geometry.rocking_angles_deg)
    assert scan.geometry.rocking_angles_deg == pytest.approx(om)


def test_a_missing_frame_of_a_shuffled_scan_is_masked_where_it_belongs(tmp_path):
    order = np.random.default_rng(6).permutation(20)
    folder = write_34(tmp_path, counts(SMALL)[order], (0, 32, 0, 32), table={"Theta": THETA[order]})
    (folder / "Staff20-1a_S0054_00007.tif").unlink()
    scan = formats.read_scan(folder)
    assert scan.mask.all((1, 2)).nonzero()[0].tolist() == [order[7]]
    np.testing.assert_array_equal(np.delete(scan.counts, order[7], 0), np.delete(counts(SMALL), order[7], 0))


def test_what_runs_steadily_stays_as_it_is():
    """An encoder's jitter, even of more than a step, and what stood twice at one place are no other order."""
    at, noise = scanned(16.0, 0.01, 40), np.random.default_rng(7).normal(0, 0.008, 40)
    assert order_of(at) is None
    assert order_of(at[::-1]) is None
    assert order_of(at + noise) is None
    assert order_of(np.repeat(at[:20], 2)) is None
    assert order_of(np.concatenate([at[:20], at[19::-1]])) is None
    assert order_of(np.where(np.arange(40) == 3, np.nan, at)) is None
    assert order_of(np.full(40, 16.0)) is None
    np.testing.assert_array_equal(order_of(np.roll(at, 5)), np.roll(np.arange(40), -5))


def test_transformations_that_go_there_and_back_are_not_used(tmp_path):
    path = placed(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        file["entry/sample/circles/om"][...] = 15 + 0.01 * np.abs(np.arange(FRAMES) - 8)
    scan = formats.read_scan(path)
    assert scan.geometry is None
    assert any("om does not run steadily from 15.08 to 15.08" in note for note in scan.notes)


@pytest.mark.parametrize(("seed", "size"), [(1, 32), (2, 32), (3, 48)])
def test_frames_whose_order_is_lost_and_that_no_log_tells_are_said(tmp_path, seed, size):
    stack = simulate(seed=seed, size=size, peak=1e5).scan.counts
    np.save(tmp_path / "a.npy", stack)
    np.save(tmp_path / "b.npy", stack[np.random.default_rng(seed).permutation(size)])
    assert not any("order" in note for note in formats.read_scan(tmp_path / "a.npy").notes)
    assert any(
        "order along the rocking curve may be lost" in note
        for note in formats.read_scan(tmp_path / "b.npy").notes
    )


@pytest.mark.parametrize(("seed", "size"), [(1, 32), (2, 32), (3, 48)])
def test_frames_that_go_up_and_down_again_are_said(tmp_path, seed, size):
    truth = simulate(seed=seed, size=size, peak=1e5)
    rng = np.random.default_rng(seed)
    both = rng.poisson(np.concatenate([truth.scan.counts, truth.scan.counts[::-1]]) / 2)
    np.save(tmp_path / "a.npy", both)
    np.save(tmp_path / "b.npy", np.roll(truth.scan.counts, size // 5, 0))  # off the middle, one way
    words = f"{size} to {2 * size - 1} are frames 0 to {size - 1} backwards"
    assert sum(words in note for note in formats.read_scan(tmp_path / "a.npy").notes) == 1
    assert not any("backwards" in note for note in formats.read_scan(tmp_path / "b.npy").notes)


@pytest.mark.parametrize("frame", [10, 32])
def test_a_series_at_one_angle_is_said_to_be_no_rocking_curve(tmp_path, frame):
    """Frames of one angle differ by their photons' noise alone, and by a beam that decays."""
    one = 3e4 * crystal((64, 48, 48), seed=3)[frame] * (40 if frame == 10 else 1)
    beam = np.linspace(1, 0.9, 30)[:, None, None]
    np.save(tmp_path / "a.npy", np.random.default_rng(2).poisson(beam * one).astype("u4"))
    notes = formats.read_scan(tmp_path / "a.npy").notes
    assert any("All frames show the same light" in note for note in notes)
    assert not any("backwards" in note or "beside them" in note for note in notes)
    np.save(
        tmp_path / "b.npy", np.random.default_rng(2).poisson(3e4 * crystal((64, 48, 48), seed=3)).astype("u4")
    )
    assert not any("All frames" in note for note in formats.read_scan(tmp_path / "b.npy").notes)


@pytest.mark.parametrize(
    ("peak", "offset", "noise"),
    [(300, 100, 10.0), (60, 10, 3.2), (3000, 600, 3.0), (300, 600, 3.0), (60, 600, 3.0), (60, 600, 0.0)],
)
def test_a_faint_peak_on_a_bright_background_or_an_offset_is_a_rocking_curve(tmp_path, peak, offset, noise):
    """A camera adds an offset to each pixel, air scatters: most of the light, and the same in all frames."""
    below = np.random.default_rng(1).normal(offset, noise, (24, 64, 64)).round().clip(0)
    faint = simulate(seed=4, size=(24, 64, 64), peak=peak).scan.counts
    np.save(tmp_path / "a.npy", (faint + below).astype("u4"))
    np.save(tmp_path / "dark.npy", np.full((64, 64), offset))
    odd = ("All frames", "order", "backwards", "beside them")
    for dark in (None, tmp_path / "dark.npy"):
        notes = formats.read_scan(tmp_path / "a.npy", dark=dark).notes
        assert not [note for note in notes if any(word in note for word in odd)]


@pytest.mark.parametrize(("peak", "offset"), [(300, 600), (3000, 100)])
def test_a_series_at_one_angle_on_an_offset_is_one_all_the_same(tmp_path, peak, offset):
    one = simulate(seed=4, size=(24, 64, 64), peak=1e6).scan.counts[12] * (peak / 1e6)
    rng = np.random.default_rng(2)
    stack = rng.poisson(np.broadcast_to(one, (24, 64, 64))) + rng.normal(offset, 3, (24, 64, 64)).round()
    np.save(tmp_path / "a.npy", stack.astype("u4"))
    assert any("All frames show the same" in note for note in formats.read_scan(tmp_path / "a.npy").notes)


@pytest.mark.parametrize("first", [0, 1])
def test_frames_in_the_order_of_their_names_as_text(tmp_path, first):
    stack = counts((32, 40, 48))
    text = np.array(sorted(range(first, first + 32), key=str)) - first
    np.save(tmp_path / "a.npy", stack[text])
    np.save(tmp_path / "b.npy", stack)
    said = [note for note in formats.read_scan(tmp_path / "a.npy").notes if "as text" in note]
    assert len(said) == 1
    assert f"({first + 10} before {first + 2})" in said[0]
    assert not any("as text" in note for note in formats.read_scan(tmp_path / "b.npy").notes)


@pytest.mark.parametrize("name", ["img_20260201_10{:02d}30.tif", "th_17.{:02d}.tif"])
def test_dates_and_angles_in_the_names_of_frames_are_no_numbers_of_scans(tmp_path, name):
    for index, frame in enumerate(counts((16, 20, 24))):
        tifffile.imwrite(tmp_path / name.format(index + 10), frame)
    assert not any("scan 2026" in note or "scan 17" in note for note in formats.read_scan(tmp_path).notes)


def test_few_photons_in_a_wandering_beam_are_no_lost_order(tmp_path):
    """With some hundred photons a frame the best of sixty others is more alike than a neighbour by chance."""
    for seed in (20, 21, 22):
        faint = simulate(seed=seed, size=(60, 40, 40), peak=300, phase_range=12, background=0.5, drift=0.2)
        np.save(tmp_path / "a.npy", faint.scan.counts)
        assert not any("order" in note for note in formats.read_scan(tmp_path / "a.npy").notes)

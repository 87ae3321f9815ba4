"""Light that is not the crystal's, and values that no detector counts."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import ndimage

from napari_autophase.preparation import find_flagged, find_hot_pixels, prepare
from napari_autophase.recipe import Recipe
from napari_autophase.scan import Scan
from napari_autophase.simulation import simulate


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return simulate(seed=3, size=48, peak=1e5).scan.counts.astype(np.float32)


@pytest.fixture
def monitor() -> np.ndarray:
    """What came in each frame: it swings by a tenth."""
    return 1 + 0.1 * np.random.default_rng(5).uniform(size=48)


def masked(scan: np.ndarray) -> np.ndarray:
    """Pixels that are masked in all frames, in the scan's own place."""
    prepared = prepare(Scan.from_array(scan))
    return ~np.roll(prepared.good, [-shift for shift in prepared.shift], (0, 1, 2)).any(0)


def test_a_clean_scan_has_nothing(counts):
    assert not masked(counts).any()


@pytest.mark.parametrize("flag", [2.0**32 - 1, 2.0**31 - 1, 2.0**24 - 1])
def test_flags_that_were_divided_by_a_monitor(counts, monitor, flag):
    counts = counts.copy()
    counts[:, 33:35] = flag
    counts /= monitor[:, None, None].astype(np.float32)
    found = masked(counts)
    assert found[33:35].all()
    assert np.count_nonzero(found) == 2 * 48


def test_flags_that_were_divided_by_a_white_field(counts):
    counts = counts.copy()
    counts[:, :, 20] = 2.0**32 - 1
    counts /= np.random.default_rng(6).lognormal(0, 0.2, (48, 48)).astype(np.float32)
    assert find_flagged(counts)[:, :, 20].all()
    assert np.count_nonzero(find_flagged(counts)) == 48 * 48


def test_small_flags_that_were_divided(counts, monitor):
    """2¹⁶ - 1 is less than the peak: only their steadiness tells them."""
    counts = counts.copy()
    counts[:, 36:38] = 2.0**16 - 1
    found = masked(counts / monitor[:, None, None].astype(np.float32))
    assert found[36:38].all()
    assert np.count_nonzero(found) == 2 * 48


def test_a_bright_scan_without_flags_keeps_all(counts):
    assert not find_flagged(counts * 1e5).any()  # intensities of a simulation


def test_a_lit_block_is_masked_and_nothing_else(counts):
    counts = counts.copy()
    counts[:, 38:41, 6:9] += np.random.default_rng(7).poisson(2000, (48, 3, 3))
    found = find_hot_pixels(counts).all(0)
    assert found[38:41, 6:9].all()
    assert np.count_nonzero(found) == 9


def test_a_window_amid_nothing_is_no_lit_block(counts):
    """A scan that was put into a larger array of zeros keeps its background, and its peak."""
    with_air = counts + np.random.default_rng(8).poisson(5, counts.shape)
    assert not find_hot_pixels(np.pad(with_air, ((0, 0), (90, 60), (70, 80)))).any()


def test_a_streak_in_one_frame_is_masked_and_nothing_else(counts):
    """An arc of powder, 3 pixels wide, and a cosmic ray's track; the crystal's light lasts for some frames."""
    with_streak = counts.copy()
    rows, columns = np.indices((48, 48))
    arc = np.abs(np.hypot(rows - 60, columns - 10) - 45) < 1.5
    with_streak[17, arc] += np.random.default_rng(7).poisson(3000, np.count_nonzero(arc))
    track = np.zeros((48, 48), bool)
    track[np.arange(4, 12), np.arange(36, 44)] = True
    with_streak[40, track] += 700
    found = find_hot_pixels(with_streak)
    assert found[17, arc & (counts[16:19].max(0) < 300)].all()
    assert found[40, track].all()
    assert not found[17, ~(ndimage.binary_dilation(arc, np.ones((3, 3))))].any()
    assert np.count_nonzero(found[40]) == np.count_nonzero(track)
    assert not np.delete(found, (17, 40), 0).any()
    assert prepare(Scan.from_array(with_streak)).peak == prepare(Scan.from_array(counts)).peak


@pytest.mark.parametrize("seed", range(6))
def test_few_frames_are_no_streaks(seed):
    """One and a half frames for a fringe are few, but no reason to lose any."""
    scan = simulate(seed, 48, oversampling=(1.5, 2.5, 2.5), phase_range=2.0 * seed).scan
    assert not find_hot_pixels(scan.counts.astype(np.float32)).any()


@pytest.fixture(scope="module")
def two(counts):
    """A scan with a second crystal in it, and the second's own light."""
    other = np.roll(
        np.pad(simulate(seed=4, size=48, peak=4e4).scan.counts, 24), (30, -28, 26), (0, 1, 2)
    ).astype(np.float32)
    return np.pad(counts, 24) + other, other


def test_a_second_crystal_is_masked_and_said_with_its_place(counts, two):
    wide, other = two
    prepared = prepare(Scan.from_array(wide))
    (note,) = (each for each in prepared.notes if "second peak" in each)
    said = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", note)]
    assert tuple(said[:3]) == np.unravel_index(other.argmax(), wide.shape)
    assert said[3] == pytest.approx(
        0.4, abs=0.1
    )  # counts of single voxels say little; their surroundings tell
    bad = ~np.roll(prepared.good, [-shift for shift in prepared.shift], (0, 1, 2))
    own = np.pad(counts, 24)
    assert other[bad].sum() > 0.95 * other.sum()
    assert own[bad].sum() < 0.01 * own.sum()
    clean = prepare(Scan.from_array(own)).oversampling
    assert prepared.oversampling == pytest.approx(clean, rel=0.1)


@pytest.mark.parametrize(
    ("seed", "other", "moved", "phase"),
    [(3, 4, (18, -20, 14), 1.0), (5, 6, (0, -21, 18), 1.0), (7, 4, (18, -20, 14), 4.0)],
)
def test_streaks_of_a_second_crystal_are_masked_as_far_as_they_outshine(seed, other, moved, phase):
    """Facets scatter farther than the ball around the other peak: what no crystal has on its far side is not its own."""
    own = simulate(seed=seed, size=64, peak=1e5, phase_range=phase).scan.counts.astype(np.float32)
    its = np.roll(simulate(seed=other, size=64, peak=3e4).scan.counts, moved, (0, 1, 2)).astype(np.float32)
    prepared = prepare(Scan.from_array(own + its))
    bad = ~np.roll(prepared.good, [-shift for shift in prepared.shift], (0, 1, 2))
    assert its[~bad].sum() < 0.02 * its.sum()
    assert own[bad].sum() < 0.006 * own.sum()


def test_a_second_crystal_is_left_where_that_is_wished(two):
    choice = Recipe().with_settings({"prepare.other_peaks": False}).prepare
    prepared, masked = prepare(Scan.from_array(two[0]), choice), prepare(Scan.from_array(two[0]))
    assert any("crop or mask it" in each for each in prepared.notes)
    assert np.count_nonzero(masked.good) < 0.95 * np.count_nonzero(prepared.good)


def test_a_third_crystal_is_masked_too(two):
    wide, other = two
    prepared = prepare(Scan.from_array(wide + np.roll(other, (-60, 56, -52), (0, 1, 2))))
    assert len([each for each in prepared.notes if "second peak" in each]) == 2
    bad = ~np.roll(prepared.good, [-shift for shift in prepared.shift], (0, 1, 2))
    assert bad[np.unravel_index(other.argmax(), wide.shape)]
    assert bad[tuple(np.unravel_index(other.argmax(), wide.shape) + np.array([-60, 56, -52]))]


@pytest.mark.parametrize("away", [(7, -6, 0), (0, 9, 0)])
def test_a_peak_as_bright_is_named_however_near_it_lies(counts, away):
    """Two crystals of one orientation, nearly: neither is masked, as strain splits peaks too."""
    prepared = prepare(Scan.from_array(counts + np.roll(counts, away, (0, 1, 2))))
    (note,) = (each for each in prepared.notes if "second peak" in each)
    said = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", note)]
    both = {tuple(said[:3]), prepared.peak}
    assert both == {(24.0, 24.0, 24.0), tuple(24.0 + step for step in away)}
    assert said[3] == pytest.approx(1, abs=0.05)
    assert prepared.good.all()


@pytest.mark.parametrize(
    ("seed", "phase", "kind"), [(15, 16.0, "rod"), (36, 20.0, "wulff"), (2, 16.0, "cut")]
)
def test_strain_that_splits_a_peak_is_not_masked(seed, phase, kind):
    """A crystal's own lobes are as bright, but no valley lies around them, or they come in over the edge."""
    scan = simulate(seed, 64, phase_range=phase, kind=kind, dislocation=seed % 4 == 3).scan
    prepared = prepare(scan)
    assert any("crop or mask it" in each for each in prepared.notes)
    assert prepared.good.all()


@pytest.mark.parametrize("phase", [0.0, 3.0, 8.0])
def test_fringes_and_strain_are_no_second_crystal(phase):
    scan = simulate(seed=5, size=64, phase_range=phase).scan
    assert not any("second peak" in each for each in prepare(scan).notes)


@pytest.mark.parametrize("photons", [60, 100])
def test_single_photons_are_no_second_peak_and_tell_of_no_sampling(photons):
    """One photon far out in a scan of a few was called a peak a third as bright, and light that the array is too small for."""
    whole = simulate(3, 32, peak=1e4).scan
    for seed in range(4):
        share = photons / whole.counts.sum()
        seen = np.random.default_rng(seed).binomial(whole.counts, share).astype(np.int32)
        notes = prepare(Scan(seen, geometry=whole.geometry)).notes
        (said,) = (each for each in notes if "photons" in each)
        assert said.startswith(f"The scan holds {seen.sum()} photons: too few")
        assert not any("second peak" in each or "undersampled" in each for each in notes)
    assert not any("too few" in each for each in prepare(whole).notes)

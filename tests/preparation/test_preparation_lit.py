"""Light that is not the crystal's, and values that no detector counts."""

from __future__ import annotations

import re

import numpy as np
import pytest

from napari_autophase.preparation import find_flagged, find_hot_pixels, prepare
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


def test_a_second_crystal_is_said_with_its_place(counts):
    other = simulate(seed=4, size=48, peak=4e4).scan.counts
    wide = np.pad(counts, 24) + np.roll(np.pad(other, 24), (30, -28, 26), (0, 1, 2))
    (note,) = (each for each in prepare(Scan.from_array(wide)).notes if "second peak" in each)
    place = tuple(np.unravel_index(np.roll(np.pad(other, 24), (30, -28, 26), (0, 1, 2)).argmax(), wide.shape))
    said = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", note)]
    assert tuple(said[:3]) == place
    assert said[3] == pytest.approx(
        0.4, abs=0.1
    )  # counts of single voxels say little; their surroundings tell


@pytest.mark.parametrize("phase", [0.0, 3.0, 8.0])
def test_fringes_and_strain_are_no_second_crystal(phase):
    scan = simulate(seed=5, size=64, phase_range=phase).scan
    assert not any("second peak" in each for each in prepare(scan).notes)

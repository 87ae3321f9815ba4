"""Bad voxels are found, and light is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase.preparation import (
    find_dead_pixels,
    find_flagged,
    find_holes,
    find_hot_pixels,
    find_saturated,
    pixels,
    prepare,
)
from napari_autophase.simulation import simulate

SIZE = 32


def clean(seed: int, peak: float = 1e5, **more) -> np.ndarray:
    return simulate(seed, SIZE, peak=peak, **more).scan.counts.astype(np.float32)


@settings(max_examples=10)
@given(
    seed=st.integers(0, 10**6),
    peak=st.sampled_from([1e3, 1e5, 1e7]),
    sampling=st.sampled_from([1.5, 2.0, 4.0]),
    phase_range=st.sampled_from([0.0, 3.0, 10.0]),
)
def test_a_crystals_own_light_is_never_condemned(seed, peak, sampling, phase_range):
    counts = clean(seed, peak, oversampling=(sampling,) * 3, phase_range=phase_range)
    assert not find_hot_pixels(counts).any()
    # a peak in the middle of nothing but noise is left too
    assert not find_dead_pixels(counts).any()
    assert not find_holes(counts).any()


def test_the_dark_of_fringes_is_not_dead():
    peak, sampling = 3520.2974916584935, (3.3065507118832396, 3.1414478231814766, 3.7835633129154944)
    crystal = simulate(345287, SIZE, peak=peak, oversampling=sampling, kind="platelet", phase_range=0.0)
    intensity = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(crystal.object)))) ** 2
    without_noise = np.round(intensity * (peak / intensity.max()))
    for counts in (crystal.scan.counts, without_noise):
        assert (counts.sum(0) == 0).any()
        assert not find_dead_pixels(counts.astype(np.float32)).any()
        assert not find_holes(counts.astype(np.float32)).any()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_dead_pixels_side_by_side_do_not_hide_each_other(size):
    counts = clean(5, 1e6, oversampling=(3.0, 3.0, 3.0))
    expected = np.zeros(counts.shape, bool)
    expected[:, 20 : 20 + size, 13 : 13 + size] = True
    counts[expected] = 0
    assert np.array_equal(find_dead_pixels(counts), expected)


def test_a_voxel_is_hot_if_its_third_brightest_neighbour_says_so():
    rng = np.random.default_rng(3)
    counts = rng.poisson(3.0, (10, 11, 12)) * rng.choice([1.0, 1.0, 60.0], (10, 11, 12))
    good = rng.random(counts.shape) < 0.7
    expected = np.zeros(counts.shape, bool)
    for place in np.argwhere(good):
        around = tuple(slice(max(0, i - 1), i + 2) for i in place)
        others = good[around].copy()
        others[tuple(i - s.start for i, s in zip(place, around, strict=True))] = False
        known = np.sort(counts[around][others])
        least = 8 * (known[-3] + 1) if len(known) > 2 else np.inf
        expected[tuple(place)] = counts[tuple(place)] > max(least + 6 * np.sqrt(least), 8 + 6 * np.sqrt(8))
    assert 5 < expected.sum() < 50
    assert np.array_equal(pixels.find_isolated(counts, good), expected)


def test_a_peak_that_is_sampled_far_too_coarsely_survives():
    for seed in range(5):
        counts = clean(seed, 1e6, oversampling=(1.2, 1.2, 1.2), phase_range=0.0, off_centre=0.0)
        assert not find_hot_pixels(counts).any()


@pytest.mark.parametrize("off", [(0, 0, 0), (0, 1, -1), (2, 0, 0)])
def test_a_hot_voxel_on_the_peak_is_none_of_the_crystals_light(off):
    """A cosmic ray that leaves 500 times what the crystal's brightest voxel counts, and a pixel lit in all frames."""
    counts = clean(3, 2e4, oversampling=(2.5,) * 3)
    peak = np.unravel_index(int(counts.argmax()), counts.shape)
    at = tuple(place + by for place, by in zip(peak, off, strict=True))
    counts[at] = 1e7
    assert [tuple(each) for each in np.argwhere(find_hot_pixels(counts))] == [at]
    counts[:, at[1], at[2]] = 1e7
    expected = np.zeros(counts.shape, bool)
    expected[:, at[1], at[2]] = True
    assert np.array_equal(find_hot_pixels(counts), expected)


@pytest.mark.parametrize("limit", [3e4, 1e4])
def test_bright_voxels_that_were_set_to_zero_are_masked(limit):
    """Amid light no voxel counts nothing."""
    scan = simulate(3, SIZE, peak=1e5, oversampling=(2.5,) * 3).scan
    bright = scan.counts > limit
    counts = np.where(bright, 0, scan.counts)
    assert 3 < bright.sum() < 200
    np.testing.assert_array_equal(find_holes(counts.astype(np.float32)), bright)
    notes = prepare(replace(scan, counts=counts)).notes
    assert any(f"Masked {bright.sum()} voxels amid the light without a count" in note for note in notes)


@settings(max_examples=10)
@given(
    seed=st.integers(0, 10**6), height=st.sampled_from([100, 10_000, 10_000_000]), number=st.integers(1, 5)
)
def test_hot_voxels_are_found_even_when_brighter_than_the_peak(seed, height, number):
    counts = clean(seed)
    rng = np.random.default_rng(seed)
    where = rng.permutation(np.argwhere(np.abs(np.indices(counts.shape) - 16).max(0) >= 12))[:number]
    # far out, where fewer than 1 % of the hot voxel's counts would be there anyway
    where = [
        tuple(w) for w in where if counts[tuple(slice(max(0, i - 1), i + 2) for i in w)].max() < height / 100
    ]
    for voxel in where:
        counts[voxel] += height
    hot = find_hot_pixels(counts)
    assert {tuple(w) for w in np.argwhere(hot)} == set(where)


@pytest.mark.parametrize("rate", [5, 30, 10_000])
def test_a_pixel_lit_in_all_frames_is_found_in_all_of_them(rate):
    counts = clean(5)
    counts[:, 3, 28] += np.random.default_rng(0).poisson(rate, SIZE)
    hot = find_hot_pixels(counts)
    assert hot[:, 3, 28].all()
    assert np.count_nonzero(hot) == SIZE


def test_two_hot_neighbours_do_not_vouch_for_each_other():
    counts = clean(6)
    counts[4, 4, 27:29] += 5000
    assert np.argwhere(find_hot_pixels(counts)).tolist() == [[4, 4, 27], [4, 4, 28]]


def test_what_is_masked_is_neither_hot_nor_a_witness():
    counts, good = clean(7), np.ones((SIZE,) * 3, bool)
    counts[4, 4, 4] = counts[4, 4, 5] = counts[4, 5, 5] = counts[5, 5, 5] = 1e6
    good[4, 4, 5] = good[4, 5, 5] = good[5, 5, 5] = False
    assert np.argwhere(find_hot_pixels(counts, good)).tolist() == [[4, 4, 4]]


def test_a_background_does_not_look_hot():
    counts = np.random.default_rng(2).poisson(clean(8) + 20.0).astype(np.float32)
    assert not find_hot_pixels(counts).any()


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int32])
def test_the_largest_number_of_a_format_is_a_flag(dtype):
    counts = clean(9).astype(dtype)
    counts[:, 10, 11] = np.iinfo(dtype).max
    expected = np.zeros(counts.shape, bool)
    expected[:, 10, 11] = True
    assert np.array_equal(find_flagged(counts), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_flags_survive_a_change_of_type(dtype):
    """Eiger marks gaps by 2³²-1 and overflown pixels by 2³²-2: both are found after a conversion."""
    counts = clean(9).astype(dtype)
    counts[:, 10, 11], counts[0, 5, 5] = 2**32 - 1, 2**32 - 2
    found = find_flagged(counts)
    assert np.count_nonzero(found) == SIZE + 1
    assert found[:, 10, 11].all()
    assert found[0, 5, 5]


def divided_by_the_monitor(counts: np.ndarray) -> np.ndarray:
    """Return counts over a monitor that drifts: no value stays whole, and no flag the same in two frames."""
    number = len(counts)
    monitor = 1 + 0.05 * np.sin(np.arange(number) / 7) + np.random.default_rng(5).normal(0, 0.01, number)
    return (counts / (monitor / monitor.min())[:, None, None]).astype(np.float32)


@pytest.mark.parametrize("peak", [1e3, 1e4, 6e4])
def test_flags_of_sixteen_bits_are_found_after_a_division_by_the_monitor(peak):
    counts, gap = clean(7, peak), np.zeros((SIZE,) * 3, bool)
    gap[:, 20:22] = gap[:, 3, 4] = True
    counts[gap] = 65535
    assert np.array_equal(find_flagged(divided_by_the_monitor(counts)), gap)


def test_a_limit_is_found_after_a_division_by_the_monitor():
    counts = clean(7, 4e5)
    saturated = counts > 65535
    counts[saturated] = 65535
    divided = divided_by_the_monitor(counts)
    found = find_flagged(divided)
    assert saturated.sum() > 20
    assert not found[~saturated].any()
    assert found.sum() > 0.9 * saturated.sum()  # a few frames have hardly any
    assert np.array_equal(find_saturated(divided, found), found)


@pytest.mark.parametrize("limit", [127, 255, 600])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_counts_that_end_at_a_small_number_are_lower_bounds(limit, dtype):
    """As where they were cut to 8 bits and stored in more."""
    counts = clean(7, 6.0 * limit)
    found = find_flagged(np.minimum(counts, limit).astype(dtype))
    assert np.array_equal(found, counts >= limit)
    assert np.array_equal(find_saturated(np.minimum(counts, limit).astype(dtype), found), found)


@pytest.mark.parametrize("peak", [40, 100, 255, 800])
def test_faint_peaks_have_no_limit(peak):
    for seed in range(4):
        assert not find_flagged(clean(seed, peak).astype(np.uint16)).any()


@pytest.mark.parametrize("dtype", [np.uint32, np.float32])
def test_a_lit_block_is_no_limit(dtype):
    """In many frames its pixels hold the same number, with nothing brighter there."""
    counts, block = clean(7, 1e5), np.zeros((SIZE,) * 3, bool)
    block[:, 25:28, 4:7] = True
    counts[block] += 2000
    assert not find_flagged(counts.astype(dtype)).any()
    assert find_hot_pixels(counts)[block].mean() > 0.99


@pytest.mark.parametrize("scale", [1.0, 0.37])
def test_light_without_noise_is_no_plateau(scale):
    """Not that of a body with a centre between voxels either, whose maxima are the same four or eight times."""
    x, y, z = (np.arange(SIZE) - (SIZE - 1) / 2 for _ in range(3))
    radius = np.sqrt(x[:, None, None] ** 2 + y[None, :, None] ** 2 + z**2)
    counts = (1e5 * scale * np.sinc(radius / 4) ** 2).astype(np.float32)
    assert not find_flagged(counts).any()


def test_saturation_is_found_by_value_and_by_its_plateau():
    counts = clean(10, 1e6)
    limit = np.sort(counts.ravel())[-9]
    assert np.array_equal(find_flagged(counts, limit), counts >= limit)
    clipped = np.minimum(counts, limit)
    assert np.array_equal(find_flagged(clipped), clipped == limit)
    assert not find_flagged(counts).any()


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("start", [6, 20])
def test_a_gap_is_found_over_its_full_length(axis, start):
    counts = clean(11, 1e6)
    gap = np.zeros(counts.shape, bool)
    gap[(slice(None),) * axis + (slice(start, start + 3),)] = True
    counts[gap] = 0
    assert np.array_equal(find_dead_pixels(counts), gap)


def test_a_dead_pixel_in_the_light_and_a_lost_frame_are_found():
    counts = clean(12, 1e6)
    expected = np.zeros(counts.shape, bool)
    expected[:, 13, 18] = expected[12] = True
    counts[expected] = 0
    assert np.array_equal(find_dead_pixels(counts), expected)


def test_where_no_light_fell_zero_is_what_was_measured():
    """A crystal's far corners are dark, and so are all pixels around a peak that ends: none of them is dead."""
    counts = np.zeros((SIZE,) * 3, np.float32)
    distance = np.linalg.norm(np.indices(counts.shape) - 16, axis=0)
    counts[:] = np.random.default_rng(3).poisson(1e4 * np.exp(-(distance**2) / 8))
    assert not find_dead_pixels(counts).any()


def test_known_gaps_are_not_found_again():
    counts, good = clean(13, 1e6), np.ones((SIZE,) * 3, bool)
    counts[:, 20:23] = 0
    good[:, 20:23] = False
    assert not find_dead_pixels(counts, good).any()


@pytest.mark.parametrize("fringe", [2, 3, 4, 6, 8])
def test_fringes_of_a_perfect_box_are_no_gaps(fringe):
    box = np.zeros((48, 48, 48))
    box[(slice(0, 48 // fringe),) * 3] = 1
    counts = np.round(np.abs(np.fft.fftshift(np.fft.fftn(box))) ** 2 / box.sum() ** 2 * 1e6)
    assert (counts.sum(0) == 0).mean() > 0.15  # every so many lines are exactly dark
    assert not find_dead_pixels(counts.astype(np.float32)).any()

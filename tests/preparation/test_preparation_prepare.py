"""Preparation as a whole: what comes in comes out, in the middle and with honest notes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from napari_autophase.geometry import frame
from napari_autophase.preparation import WHY, estimate_oversampling, judge, prepare
from napari_autophase.preparation.prepare import bin_blocks, find_peak
from napari_autophase.preparation.region import pad_fast
from napari_autophase.recipe import Preparation
from napari_autophase.scan import InputError, Scan
from napari_autophase.simulation import KINDS, simulate

DATA = Path(__file__).resolve().parents[2] / "../shared/data/34idc_Au_S0054"
real = pytest.mark.skipif(not DATA.exists(), reason="the measured scans are not here")


def choose(**settings_) -> Preparation:
    return Preparation.model_validate(settings_)


def rolled(scan: Scan, shift: tuple[int, int, int]) -> Scan:
    return replace(scan, counts=np.roll(scan.counts, shift, (0, 1, 2)))


def test_frames_between_which_nothing_changes_are_doubted():
    """A time series at one angle, and a detector whose even rows stand before its odd ones."""
    counts = simulate(3, 32).scan.counts
    assert not [note for note in prepare(Scan(counts)).notes if "voxels wide" in note]
    still = np.random.default_rng(0).poisson(np.broadcast_to(counts[16], counts.shape))
    (note,) = [each for each in prepare(Scan(still)).notes if "voxels wide" in each]
    assert note.startswith("Along the rocking axis the crystal would be 1.")
    apart = np.concatenate([counts[:, ::2], counts[:, 1::2]], axis=1)
    assert any("Along the row axis" in note for note in prepare(Scan(apart)).notes)


@settings(max_examples=8)
@given(shift=st.tuples(*[st.integers(-15, 15)] * 3))
def test_centring_is_lossless_wherever_the_peak_was(shift):
    scan = simulate(1, (40, 36, 44)).scan
    middle = prepare(scan)
    found = prepare(rolled(scan, shift), choose(hot_pixels=False))
    assert np.array_equal(found.counts, middle.counts)
    assert np.array_equal(
        found.counts, np.roll(np.roll(scan.counts, shift, (0, 1, 2)), found.shift, (0, 1, 2))
    )
    assert found.counts.dtype == np.float32
    assert found.counts.flags.c_contiguous
    assert found.good.all()


def test_a_roll_is_a_linear_phase_of_the_object():
    """The claim on which centring rests: rolled moduli are the moduli of the same object with a ramp."""
    truth = simulate(2, 32).object
    shift = (3, -5, 7)
    index = np.stack(np.meshgrid(*[np.arange(32) - 16] * 3, indexing="ij"), -1)
    ramp = np.exp(2j * np.pi * (index @ shift) / 32)

    def field(x):
        return np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(x)))

    expected = np.roll(np.abs(field(truth)), shift, (0, 1, 2))
    assert np.abs(field(truth * ramp)) == pytest.approx(expected, abs=1e-4 * float(expected.max()))


def test_peak_tells_where_the_centre_voxel_was():
    scan = rolled(simulate(3, (40, 36, 44)).scan, (4, -6, 5))
    found = prepare(scan)
    index = tuple(int(p) for p in found.peak)
    assert scan.counts[index] == found.counts[20, 18, 22]
    assert found.shift == tuple(c - p for c, p in zip((20, 18, 22), index, strict=True))


def test_nanometres_do_not_depend_on_padding_or_centring():
    scan = rolled(simulate(4, (40, 37, 44)).scan, (0, 5, -4))
    plain, padded = prepare(scan), prepare(scan, choose(pad="fast"))
    steps, q = frame(plain.geometry, plain.peak, plain.counts.shape)
    padded_steps, padded_q = frame(padded.geometry, padded.peak, padded.counts.shape)
    assert padded.counts.shape == (40, 40, 48)
    assert padded_q == pytest.approx(q)
    assert padded_steps * [1, 40 / 37, 48 / 44] == pytest.approx(steps)
    assert any("Padded" in note for note in padded.notes)


def test_an_alien_does_not_take_the_peaks_place():
    clean = simulate(5, 40).scan
    counts = clean.counts.copy()
    counts[3, 36, 4] = 10 * counts.max()
    found = prepare(replace(clean, counts=counts))
    assert found.peak == prepare(clean).peak
    assert np.count_nonzero(~found.good) == 1
    assert found.counts[~found.good].tolist() == [0.0]
    assert any("hot" in note for note in found.notes)


def test_hot_pixels_may_stay():
    scan = simulate(5, 40, hot_pixels=5).scan
    assert not prepare(scan).good.all()
    assert prepare(scan, choose(hot_pixels=False)).good.all()


def test_mass_and_none_choose_other_centres():
    scan = rolled(simulate(6, 40, phase_range=10.0).scan, (5, 4, -3))
    assert prepare(scan, choose(centre="none")).shift == (0, 0, 0)
    assert prepare(scan, choose(centre="none")).peak == (20.0, 20.0, 20.0)
    strong = np.zeros((20, 20, 20), np.float32)
    strong[4:7, 10, 10] = 1000
    strong[14, 10, 10] = 2500
    good = np.ones(strong.shape, bool)
    assert find_peak(strong, good, "peak") == (14, 10, 10)
    row = find_peak(strong, good, "mass")[0]
    assert 5 < row < 14
    assert find_peak(strong, good, "mass")[1:] == (10, 10)


def test_the_peak_is_found_beside_a_gap():
    simulated = simulate(7, 40)
    good = np.ones((40,) * 3, bool)
    good[:, 22:25] = False
    counts = np.where(good, simulated.scan.counts, 0).astype(np.float32)
    assert find_peak(counts, good) == pytest.approx((20, 20, 20), abs=1)


def test_background_goes_and_nothing_becomes_negative():
    scan = simulate(8, 32, background=7.0).scan
    found = prepare(scan, choose(background=7.0, centre="none"))
    expected = np.maximum(scan.counts - 7.0, 0)
    assert np.array_equal(found.counts, expected.astype(np.float32))


@settings(max_examples=10)
@given(factors=st.tuples(*[st.integers(1, 3)] * 3), seed=st.integers(0, 1000))
def test_binning_keeps_every_photon_of_complete_blocks(factors, seed):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(5, (50, 49, 51)).astype(np.float32)
    total, good = bin_blocks(counts, np.ones(counts.shape, bool), factors)
    inside = tuple(slice(0, n // f * f) for n, f in zip(counts.shape, factors, strict=True))
    assert total.sum() == counts[inside].sum()
    assert good.all()
    first = tuple(slice(0, f) for f in factors)
    assert total[0, 0, 0] == counts[first].sum()


def test_a_block_is_scaled_to_its_missing_voxels_and_masked_when_most_are_missing():
    counts, good = np.full((32, 32, 32), 3, np.float32), np.ones((32, 32, 32), bool)
    good[0, 0, 0] = False
    good[0:2, 2:4, 0:2] = False
    good[0, 2, 0] = good[0, 2, 1] = good[0, 3, 0] = True
    counts[~good] = 0
    total, kept = bin_blocks(counts, good, (2, 2, 2))
    assert total[0, 0, 0] == pytest.approx(24)
    assert not kept[0, 1, 0]
    assert total[0, 1, 0] == 0
    assert np.count_nonzero(~kept) == 1


def test_a_block_with_a_saturated_voxel_has_the_lower_bound_of_its_sum():
    counts, good = np.full((32, 32, 32), 3, np.float32), np.ones((32, 32, 32), bool)
    counts[0, 0, 0], good[0, 0, 0] = 100, False
    counts[0, 0, 1], good[0, 0, 1] = 0, False  # nothing is known of this one
    total, kept = bin_blocks(counts, good, (2, 2, 2))
    assert total[0, 0, 0] == 100 + 6 * 3
    assert np.argwhere(~kept).tolist() == [[0, 0, 0]]


def test_binning_keeps_q_and_scales_the_grid():
    scan = rolled(simulate(9, (48, 64, 64), oversampling=(3.0, 4.0, 4.0)).scan, (0, 6, -8))
    plain, binned = prepare(scan), prepare(scan, choose(binning=(1, 2, 2)))
    _, q = frame(plain.geometry, plain.peak, plain.counts.shape)
    _, binned_q = frame(binned.geometry, binned.peak, binned.counts.shape)
    assert binned.counts.shape == (48, 32, 32)
    # both know the peak to within a (binned) pixel
    assert np.linalg.norm(binned_q) == pytest.approx(np.linalg.norm(q), rel=2e-3)
    assert binned.oversampling == pytest.approx(np.array(plain.oversampling) / [1, 2, 2], rel=0.1)


def test_cropping_keeps_the_middle_and_makes_voxels_larger():
    scan = rolled(simulate(4, (40, 37, 44)).scan, (0, 5, -4))
    plain, cropped = prepare(scan), prepare(scan, choose(crop=(20, 99, 33)))
    assert cropped.counts.shape == (20, 37, 33)
    np.testing.assert_array_equal(cropped.counts, plain.counts[10:30, :, 6:39])
    assert cropped.counts[10, 18, 16] == plain.counts[20, 18, 22]
    steps, q = frame(plain.geometry, plain.peak, plain.counts.shape)
    coarse, cropped_q = frame(cropped.geometry, cropped.peak, cropped.counts.shape)
    assert cropped_q == pytest.approx(q)
    assert coarse * [20 / 40, 1, 33 / 44] == pytest.approx(steps)
    assert cropped.oversampling == plain.oversampling
    assert any("Cropped" in note for note in cropped.notes)
    padded = prepare(scan, choose(crop=(20, 99, 33), pad="fast"))
    assert padded.counts.shape == (20, 40, 36)
    dark = np.where(np.arange(44) == 43, scan.counts, 0)
    with pytest.raises(InputError, match="crop less"):
        prepare(replace(scan, counts=dark), choose(crop=(16, 16, 16), centre="none", hot_pixels=False))


def test_what_no_light_reaches_is_cropped_and_nothing_else():
    around = np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in (64, 100, 48))]
    rng = np.random.default_rng(0)
    spot = 400 * np.exp(-sum((axis / 5.0) ** 2 for axis in around))
    light = spot + np.roll(0.1 * spot, 30, 1)  # a speckle far out, along rows only
    for background in (0.0, 2.0):
        counts = rng.poisson(light + background).astype(np.float32)
        found = prepare(
            Scan.from_array(counts), choose(crop="auto", other_peaks=False, background=background)
        )
        assert max(found.counts.shape[0], found.counts.shape[2]) <= 40
        assert 80 <= found.counts.shape[1] <= 100
        assert found.counts[tuple(n // 2 for n in found.counts.shape)] > 300
        # nearly the same is seen when the background was not subtracted
        dark = prepare(Scan.from_array(counts), choose(crop="auto", other_peaks=False))
        assert np.abs(np.array(dark.counts.shape) - found.counts.shape).max() <= 8
    gaped = counts.copy()
    gaped[:, :, 30:] = -1  # and a masked half is not taken for light, nor for its absence
    assert (
        prepare(Scan.from_array(gaped), choose(crop="auto", other_peaks=False, centre="none")).counts.shape[1]
        >= 80
    )


def test_a_pattern_that_reaches_the_edges_is_not_cropped():
    scan = simulate(9_600_001, 40, peak=1e6, background=0.5).scan
    assert prepare(scan, choose(crop="auto")).counts.shape == (40, 40, 40)


@settings(max_examples=15)
@given(shape=st.tuples(*[st.integers(16, 60)] * 3))
def test_padding_keeps_the_centre_and_masks_what_it_adds(shape):
    counts = np.zeros(shape, np.float32)
    counts[tuple(n // 2 for n in shape)] = 1
    padded, good = pad_fast(counts), pad_fast(np.ones(shape, bool))
    assert padded[tuple(n // 2 for n in padded.shape)] == 1
    assert np.count_nonzero(good) == np.prod(shape)
    for side, wide in zip(shape, padded.shape, strict=True):
        assert side <= wide
        assert wide % 4 == 0
        for prime in (2, 3, 5, 7):
            while wide % prime == 0:
                wide //= prime
        assert wide == 1


def test_padding_does_not_change_how_much_wider_than_the_crystal_the_field_of_view_is():
    scan = simulate(16, (33, 37, 41), oversampling=(2.5, 2.5, 2.5), phase_range=1.0).scan
    plain, padded = prepare(scan), prepare(scan, choose(pad="fast"))
    assert padded.counts.shape == (36, 40, 48)
    assert padded.oversampling == plain.oversampling
    assert estimate_oversampling(padded.counts) == pytest.approx(plain.oversampling, rel=0.1)


def test_saturated_voxels_are_lower_bounds_and_said():
    scan = simulate(10, 32, peak=1e6, saturation=2e5).scan
    found = prepare(scan)
    assert np.count_nonzero(~found.good) == np.count_nonzero(scan.counts == 200_000)
    assert (found.counts[~found.good] == 200_000).all()
    assert [note for note in found.notes if "aturated" in note] == [
        f"Saturated at 200,000 counts, and taken as at least that bright: {np.count_nonzero(~found.good)} voxels."
    ]
    lower = prepare(scan, choose(saturation=1e5))
    assert (lower.counts[lower.good] < 1e5).all()
    assert lower.counts[~lower.good].min() >= 1e5
    less = prepare(scan, choose(background=1000.0))
    assert (less.counts[~less.good] == 199_000).all()


def test_the_largest_number_is_a_limit_amid_light_and_a_flag_amid_darkness():
    counts = np.minimum(simulate(10, 32, peak=3e5).scan.counts, 65535).astype(np.uint16)
    saturated = counts == 65535
    counts[:, 3, 28] = 65535
    found = prepare(Scan(counts), choose(centre="none"))
    assert (found.counts[saturated] == 65535).all()
    assert not found.good[saturated].any()
    assert not found.counts[:, 3, 28].any()
    assert not found.good[:, 3, 28].any()
    assert sum("flagged" in note for note in found.notes) == 1


def test_the_middle_of_a_saturated_peak_is_the_middle_of_the_scan():
    whole = rolled(simulate(12, 48, peak=1e6, oversampling=(3.0, 3.0, 3.0)).scan, (3, -5, 7))
    clipped = Scan(np.minimum(whole.counts, 100_000))
    assert prepare(clipped).shift == prepare(whole).shift


def test_the_scan_is_left_as_it_was():
    scan = simulate(11, 32, gaps=True, hot_pixels=3).scan
    counts, mask = scan.counts.copy(), scan.mask.copy()
    prepare(scan, choose(background=2.0, binning=(1, 2, 2)))
    assert np.array_equal(scan.counts, counts)
    assert np.array_equal(scan.mask, mask)


def test_the_scans_own_mask_is_kept():
    scan = simulate(12, 40, gaps=True).scan
    found = prepare(scan)
    assert not found.good[np.roll(scan.mask, found.shift, (0, 1, 2))].any()


def test_without_geometry_everything_else_works():
    found = prepare(simulate(13, 32, geometry=None).scan)
    assert found.geometry is None
    assert found.counts.any()


@pytest.mark.parametrize(
    ("change", "settings_", "word"),
    [
        ({"mask": np.ones((32, 32, 32), bool)}, {}, "masked"),
        ({}, {"background": 1e9}, "Nothing is left"),
        ({}, {"binning": (5, 1, 1)}, "bin less"),
        ({}, {"binning": (0, 1, 1)}, "at least 1"),
        ({}, {"saturation": 0.5}, "Nothing is left"),
        ({"counts": (np.indices((32, 32, 32)).sum(0) == 93) * 2}, {}, "2 photons in all, too few"),
    ],
)
def test_when_nothing_is_left_it_says_what_to_do(change, settings_, word):
    with pytest.raises(InputError, match=word):
        prepare(
            replace(simulate(14, 32).scan, **change),
            Preparation.model_construct(**{**choose().model_dump(), **settings_}),
        )


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10**6),
    peak=st.sampled_from([1e3, 1e5, 1e7]),
    sampling=st.tuples(*[st.floats(2.3, 4.0)] * 3),
    kind=st.sampled_from(KINDS),
    phase_range=st.sampled_from([0.0, 2.0, 4.0]),
)
@example(seed=62826, peak=1e3, sampling=(3.0, 3.0, 3.0), kind="wulff", phase_range=4.0)
@example(seed=87951, peak=1e3, sampling=(3.0, 3.0, 3.0), kind="cut", phase_range=4.0)
def test_oversampling_is_estimated_within_twenty_percent(seed, peak, sampling, kind, phase_range):
    scan = simulate(seed, 48, peak=peak, oversampling=sampling, kind=kind, phase_range=phase_range).scan
    assert estimate_oversampling(scan.counts.astype(np.float32)) == pytest.approx(sampling, rel=0.2)


@pytest.mark.parametrize(("seed", "kind"), [(7_100_001, "rod"), (7_100_010, "wulff")])
def test_the_width_of_a_strained_crystal_is_seen(seed, kind):
    """Strain hides the far ends of the autocorrelation in single voxels: by them such crystals seem up to 1.6 times smaller."""
    sampling = (3.0, 2.5, 3.5)
    scan = simulate(seed, peak=1e5, oversampling=sampling, kind=kind, phase_range=14.0, dislocation=True).scan
    assert estimate_oversampling(scan.counts.astype(np.float32)) == pytest.approx(sampling, rel=0.2)


def test_noise_does_not_hide_the_width_of_a_strained_crystal():
    sampling = (3.6088410094617105, 2.5355742208314864, 2.4192360641235315)
    scan = simulate(942472, 48, peak=3e3, oversampling=sampling, kind="wulff", phase_range=6.0).scan
    assert estimate_oversampling(scan.counts.astype(np.float32)) == pytest.approx(sampling, rel=0.2)


def test_oversampling_bears_gaps_background_and_any_place_of_the_peak():
    sampling = (3.0, 2.5, 3.5)
    scan = simulate(21, 48, peak=1e5, oversampling=sampling, gaps=True, background=1.0).scan
    good = ~scan.mask
    assert estimate_oversampling(scan.counts.astype(np.float32), good) == pytest.approx(sampling, rel=0.15)
    moved = np.roll(scan.counts, (5, -9, 3), (0, 1, 2)).astype(np.float32)
    assert estimate_oversampling(moved, np.roll(good, (5, -9, 3), (0, 1, 2))) == pytest.approx(
        sampling, rel=0.15
    )


@pytest.mark.parametrize(("seed", "peak"), [(22, 1e6), (24, 2e4), (24, 1e4)])
def test_uneven_pixels_do_not_make_the_crystal_wider(seed, peak):
    """A detector whose pixels differ by 2 %, and a beam that wanders by 5 % from frame to frame."""
    sampling = (4.0, 3.5, 4.0)
    counts = simulate(seed, 64, peak=peak, oversampling=sampling).scan.counts
    rng = np.random.default_rng(seed)
    uneven = counts * rng.normal(1, 0.02, (1, 64, 64)) * rng.normal(1, 0.05, (64, 1, 1))
    assert estimate_oversampling(uneven.astype(np.float32)) == pytest.approx(sampling, rel=0.25)


def test_undersampling_is_said():
    scan = simulate(15, 40, oversampling=(1.3, 3.0, 3.0), phase_range=0.0, kind="wulff", peak=1e6).scan
    assert any("undersampled along the rocking axis" in note for note in prepare(scan).notes)


@real
def test_the_gold_crop_keeps_its_peak_and_its_speckles():
    with h5py.File(DATA / "scan54_crop_200x128x128.cxi") as file:
        counts = file["entry_1/instrument_1/detector_1/data"][()]
    found = prepare(Scan.from_array(counts))
    assert found.peak == pytest.approx((99, 64, 64), abs=1)
    assert (~found.good).mean() < 1e-3
    around = tuple(slice(n // 2 - 15, n // 2 + 16) for n in counts.shape)
    assert found.good[around].all()
    assert not any("undersampled" in note for note in found.notes)


@real
def test_the_raw_gold_scan_is_understood():
    with np.load(DATA / "scan54_raw.npz") as file:
        scan = Scan.from_array(file["data"])
    found = prepare(scan)
    assert found.peak == pytest.approx((99, 126, 127), abs=1)
    assert (~found.good).mean() < 1e-3
    # cohere's support of this crystal, 27 frames, 30 rows and 38 columns of a 200 × 128 × 128 window, is of the same size
    assert found.oversampling == pytest.approx((201 / 27, 128 / 30, 128 / 38), rel=0.2)


def test_what_was_found_of_a_scan_before_prepares_it_alike():
    made = simulate(3, 32, gaps=True, hot_pixels=12, saturation=3e5)
    choice = Preparation(saturation=3e5)
    found, again = prepare(made.scan, choice), prepare(made.scan, choice, judgement=judge(made.scan, choice))
    assert (judge(made.scan, choice).why == WHY.index("saturated")).any()
    assert found.notes == again.notes
    for name in ("counts", "good", "shown", "known"):
        np.testing.assert_array_equal(getattr(found, name), getattr(again, name))
    np.testing.assert_array_equal(again.oversampling, found.oversampling)

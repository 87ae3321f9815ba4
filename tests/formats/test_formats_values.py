"""Values that are no counts are brought back to counts, and those that only look so are left alone."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest
from kinds_of_volumes import measured

from napari_autophase import formats
from napari_autophase.preparation import find_flagged
from napari_autophase.scan import InputError
from napari_autophase.simulation import simulate


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return simulate(seed=2, size=32, peak=1e5).scan.counts.astype(np.float64)


def read(folder, array, **how):
    np.save(folder / "scan.npy", array)
    return formats.read_scan(folder / "scan.npy", **how)


ENCODED = {
    "amplitudes": np.sqrt,
    "amplitudes of maximum 1": lambda n: np.sqrt(n / n.max()),
    "maximum 1": lambda n: n / n.max(),
    "seconds": lambda n: n / 0.3,
    "tens": lambda n: (10 * n).astype(np.int32),
}


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("cut", [np.rint, np.floor])
def test_counts_that_were_stretched_and_rounded_come_back(tmp_path, bits, cut):
    """ImageJ stretches an image over the numbers of the new format: the largest becomes 65535; other programs have a gain."""
    true = measured(peak=2e4)
    factor = 65535 / true.max() if bits == 16 else 2.47
    np.save(tmp_path / "a.npy", cut(true * factor).astype(f"u{bits // 8}"))
    scan = formats.read_scan(tmp_path / "a.npy")
    assert np.abs(scan.counts - true).max() <= 1
    np.testing.assert_array_equal(scan.counts[true < 5000], true[true < 5000])
    assert any(f"multiples of about {factor:.4g}, each rounded" in note for note in scan.notes)
    left = formats.read_scan(tmp_path / "a.npy", values="counts")
    np.testing.assert_array_equal(left.counts, np.load(tmp_path / "a.npy"))


@pytest.mark.parametrize("seed", range(4))
def test_counts_as_they_were_measured_are_no_stretched_ones(tmp_path, seed):
    for peak, background in ((3e2, 0.0), (1e5, 0.0), (1e5, 40.0), (1e3, 900.0)):
        true = measured(peak=peak, background=background, seed=seed)
        np.save(tmp_path / "a.npy", true)
        scan = formats.read_scan(tmp_path / "a.npy")
        np.testing.assert_array_equal(scan.counts, true)
        assert not any("rounded" in note or "8 bits" in note for note in scan.notes)


def test_a_picture_of_8_bits_is_said_to_have_lost_the_faint_light(tmp_path):
    true = measured(peak=2e4)
    np.save(tmp_path / "a.npy", (255 * true / true.max()).astype("u1"))
    assert any("stretched to 8 bits" in note for note in formats.read_scan(tmp_path / "a.npy").notes)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_detector_of_8_bits_whose_brightest_voxel_is_full_is_no_picture(tmp_path, seed):
    counts = np.minimum(measured(peak=250, seed=seed), 254)
    counts[np.unravel_index(counts.argmax(), counts.shape)] = 255
    np.save(tmp_path / "a.npy", counts.astype("u1"))
    assert not any("8 bits" in note for note in formats.read_scan(tmp_path / "a.npy").notes)


@pytest.mark.parametrize("flag", [2**16 - 1, 2**32 - 1])
def test_flags_and_bright_pixels_at_the_edges_of_a_detector_are_no_order_of_an_fft(tmp_path, flag):
    counts = measured(shape=(33, 40, 51)).astype(f"u{2 if flag < 2**16 else 4}")
    for rows, columns in product((slice(0, 3), slice(-3, None)), repeat=2):
        counts[:, rows, columns] = flag
    np.save(tmp_path / "a.npy", counts)
    assert formats.read_scan(tmp_path / "a.npy").shape == (33, 40, 51)
    counts[:, [0, -1]] = counts[:, :, [0, -1]] = flag
    np.save(tmp_path / "a.npy", counts)
    assert formats.read_scan(tmp_path / "a.npy").shape == (33, 40, 51)


@pytest.mark.parametrize("turn", [np.fft.fftshift, np.fft.ifftshift])
@pytest.mark.parametrize("shape", [(64, 64, 64), (33, 40, 51)])
def test_a_stack_in_the_order_of_an_fft_is_refused_with_what_to_do(tmp_path, shape, turn):
    np.save(tmp_path / "a.npy", turn(measured(shape=shape, oversampling=2.0)))
    with pytest.raises(InputError, match=r"in the order of an FFT.*numpy\.fft\.fftshift"):
        formats.read_scan(tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("how", ENCODED)
def test_counts_come_back_with_a_note(tmp_path, counts, how, dtype):
    array = ENCODED[how](counts)
    scan = read(tmp_path, array if array.dtype.kind == "i" else array.astype(dtype))
    np.testing.assert_array_equal(scan.counts, counts)
    (note,) = scan.notes
    assert "amplitudes" in note if "amplitudes" in how else "multiples of" in note
    assert "scan.npy" in note
    assert "--values counts" in note


@pytest.mark.parametrize("peak", [12, 40])
def test_faint_scans_too(tmp_path, peak):
    counts = simulate(seed=2, size=32, peak=peak).scan.counts
    np.testing.assert_array_equal(read(tmp_path, np.sqrt(counts) / 7).counts, counts)
    np.testing.assert_array_equal(read(tmp_path, counts / 7).counts, counts)
    assert not read(tmp_path, counts.astype("f4")).notes


KEPT = {
    "counts": lambda n: n,
    "half a count of background": lambda n: np.maximum(n - 0.5, 0),
    "a third": lambda n: np.maximum(n - 1 / 3, 0),
    "two thirds": lambda n: np.maximum(n - 2 / 3, 0),
    "a background of each pixel": lambda n: np.maximum(
        n - np.random.default_rng(1).uniform(size=n.shape[1:]), 0
    ),
    "blocks of eight": lambda n: n.reshape(16, 2, 16, 2, 16, 2).sum((1, 3, 5)),
    "a white field": lambda n: n / np.random.default_rng(2).uniform(0.8, 1.2, n.shape[1:]),
    "a monitor": lambda n: n / np.random.default_rng(3).uniform(0.9, 1.1, (len(n), 1, 1)),
    "no noise": lambda n: np.fft.fftshift(np.abs(np.fft.fftn(np.ones((5, 6, 7)), n.shape, (0, 1, 2))) ** 2),
}


@pytest.mark.parametrize("how", KEPT)
def test_what_only_looks_so_is_left_alone(tmp_path, counts, how):
    array = KEPT[how](counts)
    scan = read(tmp_path, array)
    np.testing.assert_array_equal(scan.counts, array)
    assert all("no whole numbers" in note and "--values" in note for note in scan.notes)


def test_amplitudes_without_a_step_are_not_taken_for_counts_without_a_word(tmp_path, counts):
    """The roots of counts that a white field had divided: nothing tells them from counts."""
    uneven = np.random.default_rng(8).uniform(0.9, 1.1, counts.shape[1:])
    scan = read(tmp_path, np.sqrt(counts * uneven).astype("f4"))
    assert any("no whole numbers" in note and "--values" in note for note in scan.notes)


def test_a_mean_of_blocks_becomes_their_sum(tmp_path, counts):
    blocks = counts.reshape(16, 2, 16, 2, 16, 2)
    np.testing.assert_array_equal(read(tmp_path, blocks.mean((1, 3, 5))).counts, blocks.sum((1, 3, 5)))


def test_a_person_knows_better(tmp_path, counts):
    amplitudes = np.sqrt(counts).astype("f4")
    scan = read(tmp_path, amplitudes, values="counts")
    np.testing.assert_array_equal(scan.counts, amplitudes)
    assert not scan.notes
    np.testing.assert_allclose(read(tmp_path, counts, values="amplitudes").counts, counts**2, rtol=1e-6)
    with pytest.raises(InputError, match="choose counts, amplitudes or scaled"):
        read(tmp_path, counts, values="photons")


def test_without_a_step_and_without_light_nothing_is_guessed(tmp_path, counts):
    smooth = counts / np.random.default_rng(2).uniform(0.8, 1.2, counts.shape) / counts.max()
    with pytest.raises(
        InputError, match=r"scan\.npy is 1\.\d+, and no step .* --values counts, amplitudes or scaled"
    ):
        read(tmp_path, smooth)
    np.testing.assert_array_equal(read(tmp_path, smooth, values="counts").counts, smooth)
    scaled = read(tmp_path, smooth, values="scaled")
    np.testing.assert_allclose(scaled.counts, smooth * (1e5 / smooth.max()), rtol=1e-6)
    squared = read(tmp_path, smooth, values="amplitudes")
    np.testing.assert_allclose(squared.counts, smooth**2 * (1e5 / smooth.max() ** 2), rtol=1e-6)
    assert "100,000 counts" in scaled.notes[0]


def test_bad_pixels_stay_bad(tmp_path, counts):
    amplitudes = np.sqrt(counts)
    amplitudes[:, 3], amplitudes[:, 4, 5] = np.nan, -1
    scan = read(tmp_path, amplitudes)
    assert scan.mask[:, 3].all()
    assert scan.mask.sum() == 32 * 33
    np.testing.assert_array_equal(scan.counts[~scan.mask], counts[~scan.mask])


@pytest.mark.parametrize("flag", [2**32 - 1, 2**31 - 1])
@pytest.mark.parametrize("values", ["scaled", "amplitudes"])
def test_flags_are_no_light_whose_brightest_sets_the_scale(tmp_path, counts, flag, values):
    """A column of flags that a monitor divided together with the light."""
    monitor = 1e5 * (1 + 0.05 * np.sin(np.arange(len(counts))))[:, None, None]
    clean = counts / monitor * 1e5
    clean[:, :, 7] = 0
    raw = counts.copy()
    raw[:, :, 7] = flag
    encode = np.sqrt if values == "amplitudes" else np.asarray
    scan = read(tmp_path, encode(raw / monitor * 1e5).astype("f4"), values=values)
    column = np.zeros(scan.shape, bool)
    column[:, :, 7] = True
    np.testing.assert_array_equal(find_flagged(scan.counts), column)
    expected = clean if values == "amplitudes" else clean * (1e5 / clean.max())
    np.testing.assert_allclose(scan.counts[~column], expected[~column], rtol=1e-5)


def test_a_flag_among_tens_stays_a_flag(tmp_path, counts):
    """Counts times ten in a number format whose largest value marks bad pixels."""
    tens = (10 * counts).astype(np.int32)
    tens[3, 4, 5] = tens[20, 4, 5] = 2**31 - 1
    scan = read(tmp_path, tens)
    flagged = find_flagged(scan.counts)
    assert np.argwhere(flagged).tolist() == [[3, 4, 5], [20, 4, 5]]
    np.testing.assert_array_equal(scan.counts[~flagged], counts[~flagged])


@pytest.mark.parametrize("flag", [0, -1, -2])
def test_counts_that_ran_over_a_short_integer_are_read_as_they_were(tmp_path, flag):
    counts = simulate(seed=3, size=32, peak=6e4).scan.counts.astype(np.uint16)
    assert counts.max() > 2**15
    short = counts.view(np.int16).copy()
    short[:, 3, 4] = flag
    np.save(tmp_path / "a.npy", short)
    scan = formats.read_scan(tmp_path / "a.npy")
    np.testing.assert_array_equal(np.delete(scan.counts[:, 3], 4, 1), np.delete(counts[:, 3], 4, 1))
    np.testing.assert_array_equal(scan.counts[:, 8:], counts[:, 8:])
    assert any("ran over 16 bits" in note for note in scan.notes)
    left = formats.read_scan(tmp_path / "a.npy", values="counts")
    np.testing.assert_array_equal(left.mask, short < 0)


def test_negative_values_amid_faint_ones_ran_over_nothing(tmp_path):
    counts = simulate(seed=3, size=32, peak=3e4).scan.counts.astype(np.int16)
    np.save(tmp_path / "a.npy", counts - np.int16(5))
    scan = formats.read_scan(tmp_path / "a.npy")
    assert not any("ran over" in note for note in scan.notes)
    np.testing.assert_array_equal(scan.counts, counts)


@pytest.mark.parametrize("dtype", ["u2", "u4", "f4"])
@pytest.mark.parametrize("peak", [8e4, 1.3e5])
def test_counts_that_began_at_zero_again_are_not_believed(tmp_path, dtype, peak):
    """Nor those beside them, which may have too: of the brightest the rest is as it should be."""
    counts = simulate(seed=4, size=32, peak=peak).scan.counts.astype(np.int64)
    over = counts > 2**16 - 1
    assert over.any()
    np.save(tmp_path / "a.npy", (counts % 2**16).astype(dtype))
    scan = formats.read_scan(tmp_path / "a.npy")
    assert scan.mask[over].all()
    assert scan.mask.sum() < 27 * over.sum()
    np.testing.assert_array_equal(scan.counts[~scan.mask], counts[~scan.mask])
    said = f"they and their neighbours, {scan.mask.sum():,} voxels, are masked"
    assert any("ran over 16 bits and began at zero again" in note and said in note for note in scan.notes)
    left = formats.read_scan(tmp_path / "a.npy", values="counts")
    np.testing.assert_array_equal(left.counts, counts % 2**16)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize(("seed", "peak", "most"), [(4, 300, 1.0), (3, 2000, 0.8)])
def test_counts_that_ran_over_8_bits_are_not_believed(tmp_path, dtype, seed, peak, most):
    counts = simulate(seed=seed, size=32, peak=peak).scan.counts.astype(np.int64)
    over = counts > 255
    np.save(tmp_path / "a.npy", (counts % 256).astype(dtype))
    scan = formats.read_scan(tmp_path / "a.npy")
    assert scan.mask[over].mean() >= most
    assert scan.mask[np.unravel_index(counts.argmax(), counts.shape)]
    assert any(
        "ran over 8 bits and began at zero again" in note and "with 16 bits" in note for note in scan.notes
    )


@pytest.mark.parametrize(("seed", "peak", "strain"), [(1, 245, 12), (2, 250, 1), (3, 3000, 4), (9, 3000, 8)])
def test_counts_that_end_near_255_or_were_cut_there_ran_over_nothing(tmp_path, seed, peak, strain):
    counts = simulate(seed=seed, size=32, peak=peak, phase_range=strain).scan.counts
    np.save(tmp_path / "a.npy", np.minimum(counts, 255).astype(np.uint8))
    assert not [note for note in formats.read_scan(tmp_path / "a.npy").notes if "ran over" in note]


def test_a_peak_of_16_bits_with_a_gap_or_a_lost_block_ran_over_nothing(tmp_path):
    counts = simulate(seed=4, size=32, peak=6e4).scan.counts.astype(np.uint16)
    counts[:, 15], counts[16, 14:16, 15:18] = 0, 0
    np.save(tmp_path / "a.npy", counts)
    scan = formats.read_scan(tmp_path / "a.npy")
    np.testing.assert_array_equal(scan.counts, counts)
    assert not any("ran over" in note for note in scan.notes)


def camera(counts, noise, gain=23.0, pedestal=100.0):
    rng = np.random.default_rng(9)
    return np.maximum(np.rint(pedestal + gain * counts + rng.normal(0, noise, counts.shape)), 0).astype("u2")


@pytest.mark.parametrize(("noise", "wrong"), [(0.0, 0), (1.5, 0), (3.0, 2e-3)])
def test_what_a_camera_adds_for_a_photon_is_told_by_steps(tmp_path, noise, wrong):
    counts = simulate(seed=2, size=32, peak=2000).scan.counts
    scan = read(tmp_path, camera(counts, noise))
    far = np.abs(scan.counts - counts) > 0.005 * counts
    assert far.mean() <= wrong
    assert any(" in the dark, and vary by " in note and "taken for one photon" in note for note in scan.notes)
    left = read(tmp_path, camera(counts, noise), values="counts")
    np.testing.assert_array_equal(left.counts, camera(counts, noise))


def test_a_pedestal_without_steps_is_said(tmp_path):
    counts = simulate(seed=2, size=32, peak=2000).scan.counts
    (note,) = [n for n in read(tmp_path, camera(counts, 2.0, gain=1.0)).notes if "pedestal" in n]
    assert "--set prepare.background=100" in note
    assert "--dark FILE" in note


def test_a_bright_background_of_photons_is_no_pedestal(tmp_path):
    counts = simulate(seed=2, size=32, peak=2000).scan.counts
    bright = counts + np.random.default_rng(3).poisson(100, counts.shape)
    scan = read(tmp_path, bright)
    np.testing.assert_array_equal(scan.counts, bright)
    assert not scan.notes


@pytest.mark.parametrize("one", [0.3, 2.25, 2])
def test_one_number_that_was_subtracted_everywhere_is_added_again(tmp_path, counts, one):
    scan = read(tmp_path, (counts - one).astype("f4"))
    np.testing.assert_array_equal(scan.counts, counts)
    assert scan.mask is None
    assert any("everywhere, and added again" in note for note in scan.notes)


def test_below_zero_after_a_dark_of_each_pixel_is_darkness(tmp_path, counts):
    """But for a gap, which has the same whole number in every frame."""
    values = (counts - np.random.default_rng(6).uniform(0, 1.5, counts.shape[1:])).astype("f4")
    values[:, 5] = -1
    scan = read(tmp_path, values)
    gap = np.zeros(counts.shape, bool)
    gap[:, 5] = True
    np.testing.assert_array_equal(scan.mask, gap)
    np.testing.assert_array_equal(scan.counts[~gap], np.maximum(values, 0)[~gap])
    assert any("taken for 0" in note and "--dark" in note for note in scan.notes)


MONITOR = 1000 * (1 + 0.03 * np.sin(np.arange(32)))[:, None, None]
LATER = {
    "divided by a number": (lambda n: n / 1000.0, "multiples of 0.001"),
    "times seven": (lambda n: n.astype(np.int64) * 7, "multiples of 7"),
    "divided by a monitor": (lambda n: n / MONITOR, "divided by a monitor"),
    "divided by a monitor, single": (lambda n: (n / MONITOR).astype("f4"), "divided by a monitor"),
    "amplitudes": (np.sqrt, "are amplitudes"),
    "a background subtracted": (lambda n: n - 0.3, "added again"),
}


@pytest.mark.parametrize("how", LATER)
def test_counts_that_ran_over_before_something_was_done_to_them_are_not_believed(tmp_path, how):
    counts = simulate(seed=4, size=32, peak=1.3e5).scan.counts.astype(np.int64)
    over = counts > 2**16 - 1
    change, said = LATER[how]
    scan = read(tmp_path, change((counts % 2**16).astype(np.float64)))
    assert scan.mask[over].all()
    assert scan.mask.sum() < 27 * over.sum()
    assert any("ran over 16 bits and began at zero again" in note for note in scan.notes)
    assert any(said in note for note in scan.notes)
    assert not any("corrected pixel by pixel" in note for note in scan.notes)
    expected = np.where(over, 0, counts) * (MONITOR.mean() / MONITOR if "monitor" in how else 1)
    good = ~scan.mask
    np.testing.assert_allclose(scan.counts[good], expected[good], rtol=2e-3)


@pytest.mark.parametrize(
    "change", [lambda n: n / MONITOR, lambda n: 3 * n.astype("i4"), lambda n: n.astype("f4")]
)
def test_counts_that_lost_their_sign_before_something_was_done_to_them_are_as_they_were(tmp_path, change):
    counts = simulate(seed=3, size=32, peak=6e4).scan.counts.astype(np.uint16)
    scan = read(tmp_path, change(counts.view(np.int16)))
    np.testing.assert_array_equal(scan.counts, counts)
    assert any("ran over 16 bits with a sign" in note for note in scan.notes)


@pytest.mark.parametrize("signed", [False, True])
def test_counts_that_were_multiplied_until_they_ran_over_32_bits_are_not_believed(tmp_path, signed):
    counts = simulate(seed=4, size=32, peak=5e8).scan.counts.astype(np.int64) * 12
    over = counts > 2**32 - 1
    stored = (counts % 2**32).astype(np.uint32)
    scan = read(tmp_path, stored.view(np.int32) if signed else stored)
    assert over.any()
    assert scan.mask[over].all()
    assert any("ran over 32 bits and began at zero again" in note for note in scan.notes)


def test_counts_that_a_monitor_divided_are_photons_again(tmp_path, counts):
    """One photon was a thousandth, which let all of the noise be a thousandth too."""
    scan = read(tmp_path, counts / MONITOR)
    np.testing.assert_allclose(scan.counts, counts * np.median(MONITOR) / MONITOR, rtol=1e-3)
    (note,) = scan.notes
    assert re.search(r"differs from frame to frame \(0\.00097\d* to 0\.00103\d*\)", note)
    assert "--values" in note


def test_counts_that_ran_over_16_bits_before_a_map_of_gains_are_masked(tmp_path):
    """The peak has up to 200,000 photons: what began at zero again lies amid what nearly filled 16 bits."""
    counts = simulate(seed=3, size=(32, 48, 48), peak=2e5).scan.counts
    gains = np.random.default_rng(0).uniform(0.8, 1.2, (48, 48))
    np.save(tmp_path / "a.npy", ((counts % 2**16) / gains).astype(np.float32))
    scan = formats.read_scan(tmp_path / "a.npy")
    assert scan.mask[counts >= 2**16].all()
    assert np.count_nonzero(scan.mask) < 20 * np.count_nonzero(counts >= 2**16)
    assert any("ran over 16 bits and began at zero again" in note for note in scan.notes)
    np.save(tmp_path / "b.npy", (counts / gains).astype(np.float32))
    assert formats.read_scan(tmp_path / "b.npy").mask is None


@pytest.mark.parametrize("peak", [6.5e4, 8e4])
def test_a_peak_that_was_split_or_divided_by_a_map_of_gains_is_whole(tmp_path, peak):
    for seed in range(4):
        counts = simulate(
            seed, (24, 32, 32), peak=peak, phase_range=4.0 * seed, dislocation=seed % 2 == 1
        ).scan.counts
        gains = np.random.default_rng(seed).uniform(0.85, 1.15, counts.shape[1:])
        np.save(tmp_path / "a.npy", (counts / gains).astype(np.float32))
        assert formats.read_scan(tmp_path / "a.npy").mask is None

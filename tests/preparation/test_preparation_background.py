"""Light that is not the crystal's: told from its own by how much it varies, and carried along with the counts."""

from __future__ import annotations

import numpy as np
import pytest

from napari_autophase import InputError, Scan
from napari_autophase.preparation import find_background, halves, prepare
from napari_autophase.recipe import Preparation
from napari_autophase.simulation import simulate

SHAPE = (24, 20, 22)


@pytest.mark.parametrize("peak", [1e4, 1e6])
@pytest.mark.parametrize("background", [0.2, 1.0, 5.0])
def test_a_flat_background_is_found_below_the_crystals_light(peak, background):
    scan = simulate(3, 64, peak=peak, background=background, gaps=True).scan
    found = find_background(scan.counts, ~scan.mask)
    assert found.level == pytest.approx(background, rel=0.1)
    words = found.words()
    assert len(words) == 1
    assert f"{found.level:.2g} photons" in words[0]


@pytest.mark.parametrize("peak", [1e4, 1e6, 1e8])
def test_light_of_the_crystal_alone_is_no_background(peak):
    """In the emptiest part of the brightest scan, many photons a voxel are its own."""
    counts = simulate(3, 64, peak=peak).scan.counts
    found = find_background(counts, np.ones(counts.shape, bool))
    assert found.level == 0
    assert (found.light > 5) == (peak > 1e7)
    assert bool(found.words()) == (peak > 1e7)


def unlike_everywhere() -> dict[str, np.ndarray]:
    """Backgrounds of 64³ voxels: by frame, across the detector, of air beside the direct beam, and by a beam that flickers."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, 64)] * 3, indexing="ij")
    flicker = np.random.default_rng(8).gamma(6.0, 0.7, 64)
    return {
        "frames": 6 + 4 * z,
        "detector": 8 + 3 * y + 2 * x,
        "air": 1 + 6 * np.exp(-(np.square(y + 1.2) + np.square(x + 0.3)) / 1.5),
        "flicker": flicker[:, None, None] * np.ones_like(z),
    }


@pytest.mark.parametrize("what", ["frames", "detector", "air", "flicker"])
def test_a_background_that_changes_is_found_where_it_is(what):
    true = unlike_everywhere()[what]
    scan = simulate(5, 64, peak=1e5, background=true, gaps=True).scan
    found = find_background(scan.counts, ~scan.mask)
    assert isinstance(found.level, np.ndarray)
    # a flat one of the right mean is off by 0.25 to 0.6
    assert np.abs(found.level / true - 1).mean() < 0.12
    flat = np.abs(true.mean() / true - 1).mean()
    assert np.abs(found.level / true - 1).mean() < 0.4 * flat
    (words,) = found.words()
    assert f"{found.level.mean():.2g} in the mean" in words

    prepared = prepare(scan, Preparation(crop=(48, 48, 48)), "estimate")
    assert prepared.background.shape == prepared.counts.shape == (48, 48, 48)
    there = np.roll(true, prepared.shift, (0, 1, 2))[8:56, 8:56, 8:56]
    assert np.abs(prepared.background / there - 1).mean() < 0.12


@pytest.mark.parametrize(("peak", "oversampling"), [(1e4, 2.0), (1e6, 3.0), (1e6, 5.0)])
def test_light_of_the_crystal_does_not_make_a_flat_background_vary(peak, oversampling):
    scan = simulate(6, 48, peak=peak, background=2.0, oversampling=(oversampling,) * 3, gaps=True).scan
    assert np.ndim(find_background(scan.counts, ~scan.mask).level) == 0


@pytest.mark.parametrize(
    ("seed", "shape", "peak"), [(1, (60, 32, 32), 1e5), (2, (60, 32, 32), 3e4), (1, (64, 16, 40), 3e4)]
)
def test_nor_does_it_on_a_narrow_detector_that_it_fills(seed, shape, peak):
    """Each was found to vary by a factor of 5 to 170."""
    scan = simulate(seed, shape, peak=peak, background=4.0, oversampling=(4.0,) * 3).scan
    found = find_background(scan.counts, np.ones(shape, bool))
    assert np.ndim(found.level) == 0
    assert 0 <= found.level < 6


def test_counts_may_be_integers_however_many_they_are():
    """The square of 50,000 is beyond 32 bits: speckles that vary as much as they are large were taken for a background."""
    speckles = np.random.default_rng(2).exponential(np.linspace(5e4, 2e5, 24)[:, None, None], SHAPE)
    good = np.ones(SHAPE, bool)
    for counts in (speckles.astype(np.int32), speckles.astype(np.float32)):
        assert np.ndim(find_background(counts, good).level) == 0


def test_of_nothing_nothing_is_found():
    counts = np.zeros((16, 16, 16), np.float32)
    assert find_background(counts, counts == 0).level == 0
    assert find_background(counts + 9, counts > 0).level == 0


def peaked(background: np.ndarray | float) -> Scan:
    at = np.indices(SHAPE) - np.array([9, 12, 10])[:, None, None, None]
    return Scan(np.rint(1e4 * np.exp(-np.square(at).sum(0) / 6) + background).astype(np.float32))


def test_a_background_goes_with_the_counts_through_everything():
    volume = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE) / 1e3
    choice = Preparation(hot_pixels=False, other_peaks=False, crop=(16, 16, 16))
    scan = peaked(volume)
    found = prepare(scan, choice, volume)
    # counts less what they would be without: what is left are the roundings
    alone = prepare(peaked(0.0), choice)
    assert found.shift == alone.shift != (0, 0, 0)
    assert np.abs(found.counts - alone.counts - found.background).max() < 1
    assert found.background.max() > 5
    first, second = halves(found)
    assert np.allclose(first.background + second.background, found.background)

    binned = Preparation(hot_pixels=False, other_peaks=False, binning=(1, 1, 1), pad="fast")
    padded = prepare(scan, binned, np.linspace(1, 2, SHAPE[0]))
    assert padded.background.shape == padded.counts.shape == (24, 20, 24)
    assert padded.background[12 + padded.shift[0] - 12, 5, 5] > 0
    per_frame = prepare(scan, Preparation(centre="none"), np.linspace(1, 2, SHAPE[0])).background
    assert np.allclose(per_frame, np.linspace(1, 2, SHAPE[0])[:, None, None])


def test_a_block_of_voxels_has_the_background_of_all():
    scan = simulate(2, 32, peak=1e5, background=1.5).scan
    choice = Preparation(binning=(1, 2, 2))
    assert prepare(scan, choice, 1.5).background == 6.0
    volume = prepare(scan, choice, np.full(scan.shape, 1.5)).background
    assert volume.shape == (32, 16, 16)
    assert (volume == 6.0).all()
    assert prepare(scan, choice, "estimate").background == pytest.approx(6.0, rel=0.15)


def test_an_image_is_the_background_of_every_frame():
    image = np.arange(np.prod(SHAPE[1:]), dtype=np.float32).reshape(SHAPE[1:]) / 100
    scan = peaked(image)
    found = prepare(scan, Preparation(centre="none"), image).background
    np.testing.assert_array_equal(found, np.broadcast_to(image, SHAPE))


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (-1.0, "negative"),
        (np.nan, "infinite"),
        (np.ones(7), "has 7 numbers, but scan has 24 frames"),
        (np.ones((3, 3, 3)), r"has shape \(3, 3, 3\)"),
        (np.ones((22, 20)), "an image of a frame's shape"),
    ],
)
def test_a_background_that_does_not_fit_is_refused(wrong, word):
    with pytest.raises(InputError, match=word):
        prepare(peaked(0.0), Preparation(), wrong)

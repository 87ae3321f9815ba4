from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from phasing_crystals import crystal, intensity
from scipy import ndimage

from napari_autophase.phasing import support
from napari_autophase.recipe import ShrinkWrap


@pytest.mark.parametrize("shape", [(16, 18, 20), (17, 19, 23)])
def test_blur_is_a_periodic_gaussian(shape):
    volume = np.random.default_rng(0).random(shape).astype(np.float32)
    expected = ndimage.gaussian_filter(volume.astype(float), 1.5, mode="wrap", truncate=5)
    found = support.blur(torch.from_numpy(volume)[None], 1.5)[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.sum() == pytest.approx(volume.sum(), rel=1e-5)
    np.testing.assert_allclose(support.blur(torch.from_numpy(volume)[None], 0.0)[0], volume, atol=1e-6)


def test_the_schedule_falls_geometrically_and_spares_the_end():
    def widths(iterations: int, **wrap) -> dict[int, float]:
        return support.schedule(ShrinkWrap(**wrap), iterations)[0]

    falling = widths(61, every=10, start=20, sigma=4, sigma_end=1)
    assert list(falling) == [20, 30, 40, 50, 60]
    np.testing.assert_allclose(list(falling.values()), [4, 4 / 2**0.5, 2, 2**0.5, 1])
    assert 60 not in widths(60, every=10, start=20)
    assert widths(100, every=0) == {}
    assert list(widths(7, every=3, start=0)) == [3, 6]
    assert all(0 < w < 0.2 for w in widths(99, sigma=0, sigma_end=0).values())


def test_shrink_wrap_is_scale_free_and_finds_a_body():
    body = torch.from_numpy(crystal().astype(np.complex64))[None]
    found = support.shrink_wrap(body, 0.1, 0.5)[0].numpy()
    np.testing.assert_array_equal(found, np.abs(crystal()) > 0.5 * np.abs(crystal()).max())
    np.testing.assert_array_equal(found, support.shrink_wrap(body * 2.0**20, 0.1, 0.5)[0].numpy())


@given(seed=st.integers(0, 99), level=st.sampled_from([-1.0, 0.0, 0.4, 0.999, 2.0]))
@settings(max_examples=25)
def test_a_support_can_neither_collapse_nor_fill_the_volume(seed, level):
    amplitude = torch.rand((2, 16, 17, 18), generator=torch.Generator().manual_seed(seed))
    amplitude[1] = 0  # nothing to see at all
    area = support.within_limits(amplitude, torch.full((2,), level)).sum(dim=(1, 2, 3))
    assert (area >= 27).all()
    assert (area <= amplitude[0].numel() // 2).all()


def test_a_moved_threshold_keeps_the_brightest():
    amplitude = torch.rand((1, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    kept = support.within_limits(amplitude, torch.tensor([0.1]))
    assert amplitude[kept].min() >= amplitude[~kept].max()
    assert kept.sum() == 16**3 // 2


@pytest.mark.parametrize("shape", [(32, 32, 32), (31, 36, 29)])
def test_half_is_half_and_one_sided(shape):
    whole = torch.from_numpy(np.fft.ifftshift(np.abs(crystal(shape)) > 0.1))[None]
    kept = support.half(whole)
    assert not (kept & ~whole).any()
    assert 0.3 < kept.sum() / whole.sum() <= 0.5
    rows = np.flatnonzero(np.fft.fftshift(kept[0].numpy()).any(axis=(1, 2)))
    lost = np.flatnonzero(np.fft.fftshift((whole & ~kept)[0].numpy()).any(axis=(1, 2)))
    assert rows.max() < lost.min()


@pytest.mark.parametrize("shape", [(32, 32, 32), (33, 40, 29)])
def test_the_autocorrelation_of_a_box_gives_the_box(shape):
    half_sides = [int(0.12 * n) for n in shape]
    box = np.zeros(shape, np.complex128)
    box[tuple(slice(n // 2 - h, n // 2 + h + 1) for n, h in zip(shape, half_sides, strict=True))] = 1
    counts = torch.from_numpy(np.fft.ifftshift(intensity(box)).astype(np.float32))
    found = support.from_autocorrelation(counts, torch.ones(shape, dtype=torch.bool), 1e-4)
    np.testing.assert_array_equal(np.fft.fftshift(found.numpy()), box.real > 0)


def test_the_first_support_is_centred_and_of_the_crystals_size():
    truth = crystal((40, 32, 36), seed=3)
    counts = torch.from_numpy(np.fft.ifftshift(intensity(truth)).astype(np.float32))
    found = np.fft.fftshift(
        support.from_autocorrelation(counts, torch.ones(truth.shape, dtype=torch.bool), 0.01).numpy()
    )
    np.testing.assert_allclose(ndimage.center_of_mass(found), [20, 16, 18], atol=0.6)
    assert 0.5 < found.sum() / (np.abs(truth) > 0.1).sum() < 1.5

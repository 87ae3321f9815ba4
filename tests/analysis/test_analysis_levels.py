"""The level that a histogram of amplitudes proposes: where the edge of a crystal really is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_autophase.analysis import amplitude_histogram, proposed_level


def ball(radius, side=64):
    z, y, x = np.ogrid[(slice(-side // 2, side // 2),) * 3]
    return (z**2 + y**2 + x**2 <= radius**2).astype(float)


@pytest.mark.parametrize("blur", [0.8, 1.5])
@pytest.mark.parametrize("bulk", [0.6, 0.9])
def test_a_blurred_ball_has_its_volume_at_the_proposed_level(blur, bulk):
    sharp = ball(18)
    amplitude = bulk * ndimage.gaussian_filter(sharp, blur)
    amplitude *= 1 + 0.03 * np.random.default_rng(0).standard_normal(sharp.shape)
    amplitude[32, 32, 32] = 1.0  # the brightest voxel need not be like the others
    level = proposed_level(amplitude_histogram(amplitude))
    assert level == pytest.approx(bulk / 2, rel=0.06)
    assert (amplitude > level).sum() == pytest.approx(sharp.sum(), rel=0.03)


def test_a_crystal_of_one_amplitude_is_bounded_at_half_of_it():
    assert proposed_level(amplitude_histogram(ball(10, 32))) == pytest.approx(0.5, abs=0.01)


def test_what_is_outside_the_support_is_not_counted():
    amplitude = ball(10, 32)
    assert amplitude_histogram(amplitude).sum() == amplitude.sum()


def test_without_an_inside_nothing_is_proposed():
    assert proposed_level(amplitude_histogram(np.zeros((8, 8, 8)))) is None
    assert proposed_level(amplitude_histogram(np.full((8, 8, 8), 0.1))) is None

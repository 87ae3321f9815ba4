from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase.analysis import remove_ramp, unwrap
from napari_autophase.analysis.phase import ramp

r = np.indices((24, 22, 20)) - np.array([12, 11, 10])[:, None, None, None]
ball = (r**2).sum(axis=0) < 8**2

steps = st.floats(-3.0, 3.0)


@settings(max_examples=20)
@given(st.tuples(steps, steps, steps), st.floats(-3, 3))
def test_a_pure_ramp_is_found_and_removed_exactly(slopes, offset):
    object = ball * np.exp(1j * (np.tensordot(slopes, r, 1) + offset))
    np.testing.assert_allclose(ramp(object), slopes, atol=1e-9)
    np.testing.assert_allclose(remove_ramp(object)[ball], 1, atol=1e-5)


def test_the_ramp_is_the_circular_centre_of_mass_of_the_intensity():
    object = ball * np.exp(1j * (0.5 * r[0] - 1.2 * r[2] + 0.03 * r[1] ** 2 + np.sin(r[0] / 3.0)))
    intensity = np.abs(np.fft.fftn(object)) ** 2
    for axis, size in enumerate(object.shape):
        turn = np.exp(2j * np.pi * np.arange(size) / size).reshape([-1 if a == axis else 1 for a in range(3)])
        assert abs(np.angle((intensity * turn).sum()) - ramp(object)[axis]) < 1e-9


def test_removing_the_ramp_of_a_strained_crystal_leaves_none_and_a_real_mean():
    object = ball * np.exp(1j * (0.8 * r[0] + 2 * np.exp(-((r[1] - 2) ** 2 + r[2] ** 2) / 20)))
    flat = remove_ramp(object)
    np.testing.assert_allclose(ramp(flat), 0, atol=1e-6)
    assert abs(np.angle(flat.sum())) < 1e-5
    np.testing.assert_allclose(np.abs(flat), np.abs(object), atol=1e-6)
    np.testing.assert_allclose(remove_ramp(flat), flat, atol=1e-5)


def test_the_mask_says_which_voxels_define_the_ramp():
    object = np.where(r[0] < 0, np.exp(0.3j * r[1]), np.exp(-0.7j * r[1]))
    np.testing.assert_allclose(ramp(object, r[0] < 0), [0, 0.3, 0], atol=1e-9)
    np.testing.assert_allclose(ramp(object, r[0] >= 0), [0, -0.7, 0], atol=1e-9)


def test_unwrapping_follows_a_phase_of_several_turns():
    phase = 0.12 * (r**2).sum(axis=0) + 1.1 * r[0]
    found = unwrap(ball * np.exp(1j * phase), ball)
    assert found.dtype == np.float32
    assert np.ptp(phase[ball]) > 5 * np.pi
    np.testing.assert_allclose(found[ball], phase[ball] - phase[ball].mean(), atol=1e-4)
    assert np.isnan(found[~ball]).all()


@pytest.mark.parametrize("offset", [0.0, 2.9, -3.0])
def test_separate_pieces_are_unwrapped_each_and_kept_within_half_a_turn(offset):
    small = (np.abs(r - np.array([10, 9, 8])[:, None, None, None]) <= 1).all(axis=0)
    assert not (small & ball).any()
    phase = np.where(small, 0.4 + 6 * np.pi, 0.5 * r[0]) + offset
    found = unwrap(np.exp(1j * phase), ball | small)
    np.testing.assert_allclose(found[ball], (0.5 * r[0])[ball], atol=1e-4)
    np.testing.assert_allclose(found[small], 0.4, atol=1e-4)


def test_a_single_plane_and_an_empty_mask_unwrap_too():
    plane = ball & (r[1] == 0)
    found = unwrap(np.exp(0.9j * r[0]), plane)
    np.testing.assert_allclose(found[plane], (0.9 * r[0])[plane], atol=1e-4)
    assert np.isnan(unwrap(np.exp(0.9j * r[0]), np.zeros_like(ball))).all()

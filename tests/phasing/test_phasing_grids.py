"""Objects on other voxels, against the transforms that define them."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase.phasing import Starts, grids
from napari_autophase.phasing.diffraction import back_propagate, propagate

SHAPES = st.tuples(*[st.integers(2, 12)] * 3)
ODD = st.tuples(*[st.integers(1, 6).map(lambda half: 2 * half + 1)] * 3)


def by_transforms(found, samples, shape):
    """Transform, take as many of the middle frequencies, transform back, and crop or pad."""
    field = grids.fit(propagate(torch.from_numpy(found)), samples)
    there = back_propagate(field) * float(np.prod(samples) / np.prod(found.shape))
    return grids.fit(there, shape).numpy()


def by_waves(found, samples, reach):
    """The sum of the waves that an object or a pattern is made of, those with `reach` in a period counting half."""
    for have, want, most in zip(found.shape, samples, reach, strict=True):
        k = np.arange(-(most // 2), most // 2 + 1)
        weights = np.where((most % 2 == 0) & (np.abs(k) == most // 2), 0.5, 1.0)
        n, p = np.arange(have) - have // 2, np.arange(want) - want // 2
        amplitudes = np.tensordot(found, np.exp(-2j * np.pi * np.outer(n, k) / have) / have, ([0], [0]))
        found = amplitudes @ (weights[:, None] * np.exp(2j * np.pi * np.outer(k, p) / want))
    return found


@given(SHAPES, SHAPES, SHAPES, st.integers(0, 10**6), st.booleans())
@settings(max_examples=60)
def test_an_object_on_other_voxels_is_made_of_the_same_waves(have, samples, shape, seed, partly):
    rng = np.random.default_rng(seed)
    found = rng.normal(size=have) + 1j * rng.normal(size=have)
    inside = None
    if partly:
        found[: have[0] // 2], found[:, :, have[2] // 2 + 1 :] = 0, 0
        inside = rng.random(shape) < 0.2
    expected = by_waves(found, samples, np.minimum(have, samples)) if have != samples else found
    expected = grids.fit(torch.from_numpy(expected), shape).numpy() * (1 if inside is None else inside)
    np.testing.assert_allclose(grids.regrid(found, samples, shape, inside), expected, atol=1e-12)
    single = grids.regrid(found.astype(np.complex64), samples, shape, inside)
    assert single.dtype == np.complex64
    np.testing.assert_allclose(single, expected, atol=2e-5)


@given(ODD, ODD, SHAPES, st.integers(0, 10**6))
@settings(max_examples=30)
def test_an_object_on_other_voxels_is_what_transforms_make_of_it(have, samples, shape, seed):
    rng = np.random.default_rng(seed)
    found = rng.normal(size=have) + 1j * rng.normal(size=have)
    np.testing.assert_allclose(
        grids.regrid(found, samples, shape), by_transforms(found, samples, shape), atol=1e-12
    )


@given(SHAPES, SHAPES, SHAPES, st.integers(0, 10**6), st.booleans())
@settings(max_examples=40)
def test_an_intensity_at_other_points_is_made_of_the_same_waves(have, samples, shape, seed, folded):
    pattern = np.random.default_rng(seed).random(have)
    reach = np.minimum(have, np.array(samples) * (2 if folded else 1))
    expected = by_waves(pattern, samples, reach) if have != samples else pattern
    np.testing.assert_allclose(expected.imag, 0, atol=1e-12)
    found = grids.resampled(torch.from_numpy(pattern.astype(np.float32)), samples, shape, folded=folded)
    np.testing.assert_allclose(found, grids.fit(torch.from_numpy(expected.real), shape), atol=2e-5)


def test_nothing_stays_nothing_and_the_same_grid_the_same():
    nothing = np.zeros((6, 7, 8), np.complex64)
    assert not grids.regrid(nothing, (9, 9, 9)).any()
    assert not grids.regrid(nothing, (9, 9, 9), inside=np.zeros((9, 9, 9), bool)).any()
    one = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.complex64)
    np.testing.assert_array_equal(grids.regrid(one, (6, 7, 8)), one)


def test_starts_come_to_a_grid_cut_by_their_supports():
    supports = np.zeros((1, 16, 16, 16), bool)
    supports[0, 4:12, 5:11, 6:12] = True
    objects = supports * np.exp(0.1j * np.arange(16)).astype(np.complex64)
    found = grids.on_grid(Starts(objects, supports), (30, 24, 28), (32, 32, 32), covering=0.3)
    assert found.objects.shape == (1, 30, 24, 28)
    assert not found.objects[~found.supports].any()
    expected = by_waves(objects[0], (32, 32, 32), (16, 16, 16))
    expected = grids.fit(torch.from_numpy(expected), (30, 24, 28)).numpy()
    np.testing.assert_allclose(found.objects[0], expected * found.supports[0], atol=1e-5)
    volume = found.supports.sum() / 8
    assert 1 < volume / supports.sum() < 1.35

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from phasing_crystals import crystal, field, photons

from napari_autophase.phasing import Diffraction, back_propagate, propagate
from napari_autophase.phasing.diffraction import CORE_RADIUS, held_out
from napari_autophase.scan import InputError

SHAPES = st.tuples(*[st.integers(5, 24)] * 3)


@given(SHAPES, st.integers(0, 99))
@settings(max_examples=20)
def test_the_forward_model_is_parsevals_and_invertible(shape, seed):
    rng = np.random.default_rng(seed)
    rho = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    f = propagate(torch.from_numpy(rho)).numpy()
    np.testing.assert_allclose(f, field(rho), atol=1e-9)
    np.testing.assert_allclose((np.abs(f) ** 2).sum(), rho.size * (np.abs(rho) ** 2).sum())
    np.testing.assert_allclose(back_propagate(torch.from_numpy(f)).numpy(), rho, atol=1e-9)


def test_a_point_in_the_middle_is_flat_and_a_flat_object_a_point():
    point = torch.zeros(2, 9, 10, 11, dtype=torch.complex128)
    point[:, 4, 5, 5] = 1
    torch.testing.assert_close(propagate(point), torch.ones_like(point))
    torch.testing.assert_close(propagate(torch.ones_like(point)), point * (9 * 10 * 11))


def test_data_stand_in_fft_order_with_the_peak_first():
    counts = photons(crystal((32, 33, 34), phase=0.0))
    data = Diffraction(counts, None, 0.05)
    assert data.counts.argmax() == 0
    fitted = data.good & ~data.is_held_out
    torch.testing.assert_close(data.modulus[fitted], data.counts[fitted].sqrt())
    assert (data.modulus[~fitted] < 0).all()
    assert data.total == pytest.approx(float(data.counts[fitted].sum()))


@given(
    shape=st.tuples(*[st.integers(24, 48)] * 3),
    fraction=st.sampled_from([0.01, 0.02, 0.1]),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=15)
def test_held_out_pixels(shape, fraction, seed):
    good = np.ones(shape, bool)
    good[:, :, shape[2] // 3] = False
    free = held_out(good, fraction, seed)
    assert not (free & ~good).any()
    assert 0.5 * fraction < free.sum() / good.sum() < 1.3 * fraction
    places = np.stack(np.nonzero(free), axis=1) - [n // 2 for n in shape]
    assert (((places / (CORE_RADIUS * np.array(shape))) ** 2).sum(axis=1) > 1).all()
    np.testing.assert_array_equal(free, held_out(good, fraction, seed))
    assert (free != held_out(good, fraction, seed + 1)).any()


def test_held_out_pixels_come_as_islands():
    free = held_out(np.ones((48, 48, 48), bool), 0.02, 0)
    neighbours = free[1:] & free[:-1]
    assert neighbours.sum() > 0.5 * free.sum()  # single pixels at random would give 0.02


def test_nothing_is_held_out_when_nothing_is_asked_for():
    data = Diffraction(photons(crystal()), None, 0.0)
    assert data.held_out == 0
    assert not data.is_held_out.any()


def test_unusable_data():
    counts = photons(crystal())
    with pytest.raises(InputError, match="shape"):
        Diffraction(counts, np.ones((3, 3, 3), bool))
    with pytest.raises(InputError, match="No photons"):
        Diffraction(counts, np.zeros(counts.shape, bool))
    with pytest.raises(InputError, match="No photons"):
        Diffraction(counts * 0, None)

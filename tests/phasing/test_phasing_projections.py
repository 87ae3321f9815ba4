from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_autophase.phasing.iterations import relax, relaxation
from napari_autophase.phasing.projections import project_modulus, project_uniform
from napari_autophase.recipe.algorithm import PROJECTIONS

SHAPE = (17, 20, 23)


def volumes(seed=0, batch=3):
    rng = np.random.default_rng(seed)
    z = (rng.normal(size=(batch, *SHAPE)) + 1j * rng.normal(size=(batch, *SHAPE))).astype(np.complex64)
    modulus = rng.uniform(0, 3, SHAPE).astype(np.float32)
    modulus[rng.random(SHAPE) < 0.2] = -1
    return z, modulus


def test_the_modulus_projection_against_numpy_in_double():
    z, modulus = volumes()
    z[0, 3, 4, 5] = 0
    modulus[3, 4, 5] = 2.0
    fitted = modulus >= 0
    amplitude = np.abs(z.astype(np.complex128))
    expected = np.where(fitted, z * modulus / np.maximum(amplitude, 1e-15), z)
    squared_errors = (np.where(fitted, amplitude - modulus, 0) ** 2).sum(axis=(1, 2, 3))
    field = torch.from_numpy(z.copy())
    found = project_modulus(field, torch.from_numpy(modulus))
    np.testing.assert_allclose(field.numpy(), expected, rtol=2e-6, atol=1e-9)
    np.testing.assert_allclose(found, squared_errors, rtol=2e-6)
    # what is not fitted keeps its own modulus
    np.testing.assert_allclose(field.numpy()[:, ~fitted], z[:, ~fitted], rtol=3e-7)


@pytest.mark.parametrize("name", PROJECTIONS)
def test_a_relaxation_against_numpy_in_double(name):
    before, _ = volumes(1)
    projected, _ = volumes(2)
    inside = np.random.default_rng(3).random(before.shape) < 0.3
    rule = relaxation(name, 0.8)
    expected = np.where(inside, projected, rule.keep * before.astype(np.complex128) + rule.add * projected)
    new = relax(torch.from_numpy(before), torch.from_numpy(projected), torch.from_numpy(inside), rule)
    np.testing.assert_allclose(new.numpy(), expected, rtol=1e-6, atol=1e-6)
    if name == "ER":
        assert not new.numpy()[~inside].any()


def test_the_modulus_projection_works_on_the_memory_it_is_given():
    z, modulus = volumes()
    place = torch.from_numpy(z)
    address = place.data_ptr()
    project_modulus(place, torch.from_numpy(modulus))
    assert place.data_ptr() == address


def test_a_uniform_density_keeps_phases_and_power_inside_and_everything_outside():
    z, _ = volumes(4)
    inside = np.random.default_rng(5).random(z.shape) < 0.3
    found = project_uniform(torch.from_numpy(z.copy()), torch.from_numpy(inside)).numpy()
    for before, after, where in zip(z, found, inside, strict=True):
        level = np.sqrt((np.abs(before[where].astype(complex)) ** 2).mean())
        np.testing.assert_allclose(np.abs(after[where]), level, rtol=1e-5)
        np.testing.assert_allclose(np.angle(after[where] / before[where]), 0, atol=1e-5)
        np.testing.assert_array_equal(after[~where], before[~where])

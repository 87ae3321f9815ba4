from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from napari_autophase.phasing import box, passes, slabs
from napari_autophase.phasing.algorithm import PROJECTIONS, feedback

SHAPE = (17, 20, 23)


def volumes(seed=0, batch=3):
    rng = np.random.default_rng(seed)
    z = (rng.normal(size=(batch, *SHAPE)) + 1j * rng.normal(size=(batch, *SHAPE))).astype(np.complex64)
    modulus = rng.uniform(0, 3, SHAPE).astype(np.float32)
    modulus[rng.random(SHAPE) < 0.2] = -1
    return z, modulus


def test_the_modulus_pass_against_numpy_in_double():
    z, modulus = volumes()
    z[0, 3, 4, 5] = 0
    modulus[3, 4, 5] = 2.0
    fitted = modulus >= 0
    amplitude = np.abs(z.astype(np.complex128))
    expected = np.where(fitted, z * modulus / np.maximum(amplitude, 1e-15), z) / modulus.size
    misfit = (np.where(fitted, amplitude - modulus, 0) ** 2).sum(axis=(1, 2, 3))
    field = torch.from_numpy(z.copy())
    sums = passes.modulus_pass(field, torch.from_numpy(modulus))
    np.testing.assert_allclose(field.numpy(), expected, rtol=2e-6, atol=1e-9)
    np.testing.assert_allclose(sums, misfit, rtol=2e-6)
    # free voxels keep their own modulus to the last bit but for the division by the number of voxels
    np.testing.assert_allclose(field.numpy()[:, ~fitted], z[:, ~fitted] / np.float32(modulus.size), rtol=3e-7)


@pytest.mark.parametrize("name", PROJECTIONS)
def test_the_support_pass_against_numpy_in_double(name):
    before, _ = volumes(1)
    projected, _ = volumes(2)
    inside = np.random.default_rng(3).random(before.shape) < 0.3
    rule = feedback(name, 0.8)
    expected = np.where(inside, projected, rule.keep * before.astype(np.complex128) + rule.add * projected)
    new = passes.support_pass(
        torch.from_numpy(before), torch.from_numpy(projected), torch.from_numpy(inside), rule
    )
    np.testing.assert_allclose(new.numpy(), expected, rtol=1e-6, atol=1e-6)
    if name == "ER":
        assert not new.numpy()[~inside].any()


def test_the_modulus_pass_works_on_the_memory_it_is_given():
    z, modulus = volumes()
    place = torch.from_numpy(z)
    address = place.data_ptr()
    passes.modulus_pass(place, torch.from_numpy(modulus))
    assert place.data_ptr() == address


def test_a_cache_that_cannot_be_written_is_done_without():
    def refuse(signature, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: (signature, function)

    assert slabs.compiled(refuse, len, "void(i8)").__func__ == ("void(i8)", len)


def test_torch_takes_over_where_numba_cannot_be_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    slabs.can_compile.cache_clear()
    try:
        assert not slabs.can_compile()
        assert box.kernels() is None
    finally:
        slabs.can_compile.cache_clear()

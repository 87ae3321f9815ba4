"""What is summed over a pattern: the compiled function and torch's, against NumPy in double precision."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase.phasing import Diffraction
from napari_autophase.phasing.backend import choose
from napari_autophase.phasing.compiled import threads
from napari_autophase.phasing.pattern import HELD_OUT


def problem(shape, seed, backend="compiled"):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(0.5, 20.0, shape)).astype(np.float32)
    good = rng.random(shape) > 0.1
    counts[0, 0, 0], good[0, 0, 0] = 9.0, True
    free = good & (rng.random(shape) < 0.1) & (np.indices(shape).sum(0) > 0)
    data = Diffraction(counts, good, held_out_pixels=free, backend=backend)
    one = 0.5 * (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * (rng.random(shape) < 0.3)
    one[:, -1:], one[0, 0, 0] = 0, 0.1  # as if there were a support
    return data, one.astype(np.complex64)


def reference(one, data):
    field = np.fft.fftn(one.astype(complex))
    counts, modulus = data.counts.numpy().astype(float), data.modulus.numpy().astype(float)
    fitted, free, amplitude = modulus >= 0, modulus == HELD_OUT, np.abs(field)
    expected = np.maximum(amplitude**2, data.floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviance = expected - counts + np.where(counts > 0, counts * np.log(counts / expected), 0)
    pairs = [
        (fitted, amplitude * modulus),
        (fitted, amplitude**2),
        (fitted, (amplitude - modulus) ** 2),
        (fitted, deviance),
        (free, deviance),
    ]
    return [float(values[where].sum()) for where, values in pairs]


@given(
    st.tuples(*[st.integers(2, 19)] * 3),
    st.integers(0, 10**6),
    st.sampled_from(["compiled", "torch"] if find_spec("numba") else ["torch"]),
)
@settings(max_examples=60)
def test_intensities_of_objects_within_their_supports(shape, seed, backend):
    """Against NumPy in double precision; supports of any place and size, around the edges too, and an empty one."""
    rng = np.random.default_rng(seed)
    objects = (rng.normal(size=(2, *shape)) + 1j * rng.normal(size=(2, *shape))).astype(np.complex64)
    inside = np.zeros(shape, bool)
    inside[tuple(slice(int(rng.integers(1, n + 1))) for n in shape)] = True
    inside = np.roll(inside, [int(rng.integers(n)) for n in shape], (0, 1, 2))
    supports = np.stack([inside & (rng.random(shape) < 0.7), np.zeros(shape, bool)])
    given = torch.from_numpy(objects.copy())
    found = choose("cpu", backend).backend.intensities(given, torch.from_numpy(supports)).numpy()
    expected = np.abs(np.fft.fftn((objects * supports).astype(complex), axes=(1, 2, 3))) ** 2
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())
    assert np.array_equal(given.numpy(), objects), "objects stay as they are"


@given(
    st.tuples(*[st.integers(2, 9)] * 3),
    st.integers(0, 10**6),
    st.booleans(),
    st.sampled_from(["compiled", "torch"] if find_spec("numba") else ["torch"]),
)
@settings(max_examples=60)
def test_sums_against_double_precision(shape, seed, faint, backend):
    data, volume = problem(shape, seed, backend)
    assert data.backend.name == backend
    if faint:
        volume *= np.float32(1e-3)  # below the least expected count
    expected = reference(volume, data)
    one, sums = torch.from_numpy(volume[None]), data.backend.sums
    assert list(sums(one, data, True)[0]) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert list(sums(one, data)[0]) == pytest.approx([*expected[:3], 0, 0], rel=1e-4, abs=1e-4)
    light = torch.from_numpy(np.abs(np.fft.fftn(volume[None], axes=(1, 2, 3))).astype(np.float32) ** 2)
    found = data.backend.sums_of_intensities(light, data.modulus, data, True)[0]
    assert list(found) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_no_number_of_threads_changes_a_sum(monkeypatch):
    data, volume = problem((31, 20, 22), 3)
    one, before = torch.from_numpy(volume), torch.get_num_threads()
    monkeypatch.setattr(threads, "_SLAB", 64)
    found = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            light = torch.fft.fftn(one[None]).abs().square()
            found.append(
                [
                    *data.backend.sums(one[None], data, True)[0],
                    *data.backend.sums_of_intensities(light, data.modulus, data, True)[0],
                ]
            )
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]

"""The transforms of eight lines at a time against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")
from napari_autophase.phasing.compiled.fft import ROW, plan, transform
from napari_autophase.phasing.compiled.jit import inlined
from napari_autophase.phasing.compiled.simd import pointer


@inlined
def of_arrays(x, i, y, j, steps, table, spare):
    count = len(steps)
    return transform(pointer(x), i, pointer(y), j, count, pointer(steps), pointer(table), pointer(spare))


def buffer(lines, before):
    """Return complex lines (N, 8) as a buffer, `before` numbers in."""
    rows = np.stack([lines.real, lines.imag], 1).astype(np.float32).ravel()
    return np.concatenate([np.full(before, np.nan, np.float32), rows])


def transformed(lines, swapped=False):
    steps, table = plan(len(lines))
    if swapped:
        lines = lines.imag + 1j * lines.real
    x, y = buffer(lines, 48), buffer(0 * lines, 16)
    spare = np.empty(ROW * (len(lines) + 1), np.float32)
    rows = y[16:] if of_arrays(x, 48, y, 16, steps, table, spare) else x[48:]
    real, imaginary = rows.reshape(-1, 2, 8).transpose(1, 0, 2)
    return imaginary + 1j * real if swapped else real + 1j * imaginary


@given(side=st.integers(1, 260), seed=st.integers(0, 99))
@settings(max_examples=80)
def test_lines_of_every_length_are_transformed_as_numpy_does(side, seed):
    rng = np.random.default_rng(seed)
    lines = rng.normal(size=(side, 8)) + 1j * rng.normal(size=(side, 8))
    expected = np.fft.fft(lines, axis=0)
    np.testing.assert_allclose(transformed(lines), expected, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("side", [2, 3, 4, 5, 7, 11, 30, 64, 96, 100, 101, 128])
def test_parts_that_change_places_make_the_inverse_and_parseval_holds(side):
    rng = np.random.default_rng(side)
    lines = rng.normal(size=(side, 8)) + 1j * rng.normal(size=(side, 8))
    there = transformed(lines)
    np.testing.assert_allclose(transformed(there, swapped=True) / side, lines, atol=3e-6)
    power, expected = (np.abs(there) ** 2).sum(0), side * (np.abs(lines) ** 2).sum(0)
    np.testing.assert_allclose(power, expected, rtol=1e-5)


@given(side=st.integers(1, 2000))
def test_a_plan_multiplies_up_to_the_length(side):
    steps, _ = plan(side)
    assert np.prod(steps[:, 0]) == side
    done = 1
    for radix, m, s, _ in steps:
        assert s == done
        assert radix * m * s == side
        done *= radix

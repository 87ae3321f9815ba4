"""Moduli that are only known to be at least something: compiled functions and torch's, against NumPy in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phasing_crystals import field, finish

from napari_autophase.phasing import Diffraction, Starts, gradient, refine
from napari_autophase.recipe import Refinement, ShrinkWrap

ODD = (9, 12, 7)


def problem(shape, seed=0):
    """Return counts, good, and the data in which a third of the voxels is only known to be bright, and a sixth not known."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(5.0, shape).astype(np.float32)
    kind = rng.integers(0, 6, shape)
    kind[0, 0, 0] = 5
    good = kind >= 3
    counts[kind == 2] = 0
    data = Diffraction(counts, good, 0.05, seed=seed, bounded=True)
    return data, *(np.fft.ifftshift(volume) for volume in (counts.astype(float), good))


def some_object(shape, seed=1, filled=0.3):
    rng = np.random.default_rng(seed)
    one = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    support = rng.random(shape) < filled
    return (one * support * np.sqrt(5 / one.size / filled)).astype(np.complex64), support


def test_a_bound_is_kept_exactly_beside_what_is_masked_and_held_out():
    data, counts, good = problem(ODD)
    modulus, free = data.modulus.numpy(), data.is_held_out.numpy()
    np.testing.assert_array_equal(data.good.numpy(), good)
    np.testing.assert_array_equal(modulus[good & ~free], np.sqrt(counts[good & ~free].astype(np.float32)))
    bounds = -modulus[~good] * np.float32(2.0**-80)
    np.testing.assert_allclose(bounds, np.sqrt(counts[~good].astype(np.float32)), atol=1e-20)
    assert (counts[~good] > 0).any()
    assert (counts[~good] == 0).any()
    assert data.total == pytest.approx(counts[good & ~free].sum())


def test_without_leave_counts_that_are_not_good_say_nothing():
    data = Diffraction(np.full(ODD, 4.0), np.arange(np.prod(ODD)).reshape(ODD) > 0, 0)
    assert float(data.modulus.min()) == -1


def test_the_middle_of_reciprocal_space_keeps_its_bounds():
    data, *_ = problem((10, 10, 10))
    small = data.middle((6, 6, 6))
    inside = (slice(2, 8),) * 3
    np.testing.assert_array_equal(
        np.fft.fftshift(small.modulus.numpy()), np.fft.fftshift(data.modulus.numpy())[inside]
    )


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("algorithm", ["1*ER", "6*ER", "5*HIO"])
def test_iterations_against_double_precision(algorithm):
    data, counts, good = problem((12, 9, 10))
    one, support = some_object(data.shape)
    natural = np.fft.fftshift(one)[None], np.fft.fftshift(support)[None]
    plan = Refinement(algorithm=algorithm, shrink_wrap=ShrinkWrap(every=0), beta=0.9)
    _, found = finish(refine(data, Starts(*natural), plan))

    fitted, now = good & ~data.is_held_out.numpy(), one.astype(complex)
    modulus = np.sqrt(counts)
    calculated = np.abs(np.fft.fftn(now))
    now *= (calculated * modulus)[fitted].sum() / (calculated[fitted] ** 2).sum()
    errors = []
    for _ in range(int(algorithm[0])):
        field = np.fft.fftn(now)
        moduli = np.abs(field)
        wanted = np.where(fitted, modulus, np.where(good, moduli, np.maximum(moduli, modulus)))
        errors.append(((moduli - wanted) ** 2).sum() / counts[fitted].sum())
        projected = np.fft.ifftn(field / moduli * wanted)
        now = np.where(support, projected, 0 if "ER" in algorithm else now - 0.9 * projected)
    np.testing.assert_allclose(found.errors, errors, rtol=1e-4)
    expected = np.fft.fftshift(now * support)
    np.testing.assert_allclose(found.object, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0, 3.0])
def test_sums_against_double_precision(scale):
    data, counts, good = problem(ODD)
    one = some_object(ODD)[0] * np.float32(scale)
    q = np.abs(np.fft.fftn(one.astype(complex))) ** 2
    free = data.is_held_out.numpy()
    fitted, short = good & ~free, ~good & (q < counts)
    expected = np.maximum(q, data.floor)
    logs = np.where(counts > 0, counts * np.log(np.maximum(counts, 1) / expected), 0)
    deviance = expected - counts + logs
    found = data.backend.sums(torch.from_numpy(one[None]), data, True)[0]
    assert found.overlap == pytest.approx(np.sqrt(q * counts)[fitted].sum(), rel=1e-4, abs=1e-4)
    assert found.power == pytest.approx(q[fitted].sum(), rel=1e-4, abs=1e-4)
    squared = (np.sqrt(q) - np.sqrt(counts)) ** 2
    assert found.squared_error == pytest.approx(squared[fitted | short].sum(), rel=1e-4)
    assert found.deviance == pytest.approx(deviance[fitted | short].sum(), rel=1e-4)
    assert found.held_out == pytest.approx(deviance[free].sum(), rel=1e-4)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("far", [False, True])
def test_derivatives_against_differences(far):
    data, counts, good = problem(ODD)
    (one, reach), (way, _) = some_object(ODD), some_object(ODD, 2, 1.0)
    way = way * reach
    floor = gradient.FLOOR
    fitted = good & ~data.is_held_out.numpy()

    def cost(step):
        q = np.abs(np.fft.fftn(one.astype(complex) + step * way.astype(complex))) ** 2
        # from its bound on a voxel costs the same
        q = np.where(~good, np.minimum(q, counts), q)
        near = q - counts * np.log(q + floor)
        amplitudes = 2 * q - 4 * np.sqrt(counts * (q + floor))
        return np.where(fitted | ((counts > 0) & ~good), amplitudes if far else near, 0).sum()

    like = data.backend.likelihood(torch.from_numpy(one)[None], torch.from_numpy(reach)[None], data, floor)
    away = torch.tensor([far])
    found, squared_errors = like.derivative(away)
    volume = torch.zeros((1, *ODD), dtype=torch.complex64)
    like.spread(found, volume)
    h = 1e-5
    along = 2 * (volume[0].numpy().conj() * way).real.sum()
    assert along == pytest.approx((cost(h) - cost(-h)) / (2 * h), rel=1e-3)
    q = np.abs(np.fft.fftn(one.astype(complex))) ** 2
    costs = fitted | (~good & (q < counts))
    assert squared_errors.item() == pytest.approx(
        ((np.sqrt(q) - np.sqrt(counts))[costs] ** 2).sum(), rel=1e-4
    )
    like.look_along(like.inside(torch.from_numpy(way)[None]))
    at, h = 0.37, 1e-4  # no voxel reaches its bound within a step of it
    first, second, _ = like.slope(torch.tensor([at], dtype=torch.float64), away)[:, 0].tolist()
    assert first == pytest.approx((cost(at + h) - cost(at - h)) / (2 * h), rel=2e-3)
    assert second == pytest.approx((cost(at + h) - 2 * cost(at) + cost(at - h)) / h**2, rel=1e-2)


def test_a_voxel_above_its_bound_is_free_and_one_below_is_pulled_up():
    rng = np.random.default_rng(4)
    one, support = some_object((16, 16, 16), filled=0.1)
    true = np.abs(field(np.fft.fftshift(one))) ** 2
    good = rng.random(true.shape) < 0.8
    support = np.fft.fftshift(support)
    starts = Starts(np.fft.fftshift(one)[None].copy(), support[None])
    plan = Refinement(algorithm="10*ER", shrink_wrap=ShrinkWrap(every=0))
    # the truth fulfils half of itself, and stays; it does not fulfil twice of itself
    for factor, stays in ((0.5, True), (2.0, False)):
        counts = np.where(good, true, factor * true)
        data = Diffraction(counts, good, 0, bounded=True)
        _, found = finish(refine(data, starts, plan))
        moved = np.abs(found.object - starts.objects[0]).max() / np.abs(one).max()
        assert (moved < 1e-4) == stays
        assert (found.errors[0] < 1e-9) == stays

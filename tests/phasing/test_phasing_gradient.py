"""Gradient steps: derivatives against differences and autograd, and what they do to crystals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from phasing_crystals import crystal, field, finish, intensity, likeness, photons
from scipy import ndimage

from napari_autophase.phasing import (
    Diffraction,
    Starts,
    gradient,
    random_starts,
    refine,
    workers,
)
from napari_autophase.phasing.compiled import threads
from napari_autophase.phasing.iterations import Gradient
from napari_autophase.recipe import Refinement, ShrinkWrap
from napari_autophase.recipe.algorithm import GRADIENTS

FIXED = ShrinkWrap(every=0)
ODD = (9, 12, 7)


def random_problem(shape, seed, starts=2, peak=5.0):
    rng = np.random.default_rng(seed)
    data = Diffraction(rng.poisson(peak, shape), rng.random(shape) < 0.9, 0.02, seed=seed)
    objects = rng.normal(size=(2, starts, *shape)) * np.sqrt(peak / np.prod(shape))
    supports = rng.random((starts, *shape)) < 0.3
    return data, torch.tensor(objects[0] + 1j * objects[1], dtype=torch.complex64), torch.tensor(supports)


def wrong(truth, seed=0):
    """The truth with smooth errors of its phase, rms 0.8 rad."""
    error = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=truth.shape), 2)
    return (truth * np.exp(0.8j * error / error.std())).astype(np.complex64)


def refined(data, guess, support, algorithm, **choices):
    recipe = Refinement(algorithm=algorithm, **{"shrink_wrap": FIXED, **choices})
    return finish(refine(data, Starts((guess * support)[None], support[None]), recipe))[1]


def cost(objects, way, data, alpha, far):
    """The cost along a direction, written once more, in double and in NumPy."""
    there = objects.numpy().astype(complex) + alpha * way.numpy()
    expected = np.abs(np.fft.fftn(there, axes=(1, 2, 3))) ** 2
    photons = np.where(data.modulus.numpy() >= 0, data.counts.numpy(), 0)
    near = expected - photons * np.log(expected + gradient.FLOOR)
    amplitudes = 2 * expected - 4 * np.sqrt(photons * (expected + gradient.FLOOR))
    terms = np.where(far[:, None, None, None], amplitudes, near)
    return np.where(data.modulus.numpy() >= 0, terms, 0).sum(axis=(1, 2, 3))


def placed(like, rows, shape):
    """What rows say of the volumes, complex64 (P, N0, N1, N2)."""
    volumes = torch.zeros((len(rows), *shape), dtype=torch.complex64)
    like.spread(rows, volumes)
    return volumes


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("shape", [ODD, (8, 8, 8), (17, 3, 22)])
@pytest.mark.parametrize("far", [(False, True), (True, False)])
@pytest.mark.parametrize("filled", [0.3, 0.01])
def test_derivatives_against_differences(shape, far, filled):
    data, objects, _ = random_problem(shape, 1)
    way, away = random_problem(shape, 2)[1], torch.tensor(far)
    reach = torch.rand(objects.shape, generator=torch.Generator().manual_seed(3)) < filled
    reach[:, 0, -1, 0] = reach[:, -1, 0, -1] = True  # a box that goes on at the other end of the volume
    objects, way = objects * reach, way * reach
    like = data.backend.likelihood(objects, reach, data, gradient.FLOOR)
    torch.testing.assert_close(placed(like, like.rows, shape), objects, rtol=0, atol=0)
    found, squared_errors = like.derivative(away)
    derivative = placed(like, found, shape)
    h = 1e-4
    low, high, middle = (cost(objects, way, data, a, np.array(far)) for a in (-h, h, 0.0))
    along = 2 * (derivative.conj() * way).real.sum(dim=(1, 2, 3))
    np.testing.assert_allclose(along, (high - low) / (2 * h), rtol=1e-4, atol=1e-6 * np.abs(middle).max())
    assert not derivative[~reach].any()
    fitted, modulus = data.modulus.numpy() >= 0, data.modulus.numpy()
    moduli = np.abs(np.fft.fftn(objects.numpy(), axes=(1, 2, 3)))
    np.testing.assert_allclose(
        squared_errors, [((one - modulus)[fitted] ** 2).sum() for one in moduli], rtol=1e-5
    )

    # twice: objects that have moved are looked at where they are
    like.look_along(like.inside(way))
    at, so_far = torch.tensor([0.3, -0.7], dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for _ in range(2):
        first, second, fisher = like.slope(at, away)
        so_far += at
        shifted = objects + so_far.view(-1, 1, 1, 1).to(torch.complex64) * way
        h = 1e-4
        low, high, middle = (cost(shifted, way, data, a, np.array(far)) for a in (-h, h, 0.0))
        np.testing.assert_allclose(first, (high - low) / (2 * h), rtol=1e-3, atol=1e-3 * np.abs(middle).max())
        h = 1e-3
        low, high = (cost(shifted, way, data, a, np.array(far)) for a in (-h, h))
        np.testing.assert_allclose(second, (high - 2 * middle + low) / h**2, rtol=2e-3)
        assert (fisher > 0).all()
        like.go(at)
        torch.testing.assert_close(placed(like, like.rows, shape), shifted, rtol=1e-5, atol=1e-5)
    moved = data.backend.likelihood(shifted, reach, data, gradient.FLOOR)
    for ours, anew in zip(like.derivative(away), moved.derivative(away), strict=True):
        torch.testing.assert_close(ours, anew, rtol=1e-3, atol=1e-3 * float(anew.abs().max()))


@pytest.mark.usefixtures("backend")
def test_the_derivative_is_that_of_automatic_differentiation():
    data, objects, reach = random_problem(ODD, 3)
    objects *= reach
    variables = torch.view_as_real(objects).to(torch.float64).requires_grad_()
    expected = torch.fft.fftn(torch.view_as_complex(variables), dim=(1, 2, 3)).abs().square()
    photons = data.modulus.double().square()
    loss = torch.where(data.modulus >= 0, expected - photons * (expected + gradient.FLOOR).log(), 0).sum()
    loss.backward()
    like = data.backend.likelihood(objects, reach, data, gradient.FLOOR)
    found, _ = like.derivative(torch.zeros(2, dtype=torch.bool))
    ours = 2 * torch.view_as_real(placed(like, found, ODD))
    theirs = variables.grad * reach[..., None]
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.parametrize(("name", "looks"), [("CG", 2), ("ADAM", 0)])
def test_what_a_step_does_to_the_pattern(monkeypatch, room, name, looks):
    """No transform of the volume; to the box and back once, and as many looks along the line as were bargained for."""
    data, objects, supports = random_problem((10, 11, 12), 8, starts=1)
    descent = gradient.descent(Gradient(name), objects, supports, data)
    calls = []

    def counted(where, what):
        original = getattr(where, what)
        monkeypatch.setattr(where, what, lambda *args: calls.append(what) or original(*args))

    for what in ("derive", "slope", "out", "back"):
        counted(room.descent._MovingBox, what)
    for what in ("fftn", "ifftn"):
        monkeypatch.setattr(torch.fft, what, lambda *_, **__: pytest.fail("a transform of the volume"))
    for _ in range(3):
        descent.step()
    assert calls == 3 * ["derive", "back", "out", *looks * ["slope"]]


def test_no_number_of_threads_changes_a_derivative_or_a_slope(monkeypatch):
    data, objects, reach = random_problem((31, 20, 22), 6)
    monkeypatch.setattr(threads, "_SLAB", 64)
    near, at = torch.zeros(2, dtype=torch.bool), torch.tensor([0.2, 0.5], dtype=torch.float64)
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            like = data.backend.likelihood(objects * reach, reach, data, gradient.FLOOR)
            derivative, squared_errors = like.derivative(near)
            like.look_along(derivative)
            found.append((derivative, squared_errors, like.slope(at, near)))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(one, same) for one, same in zip(found[0], other, strict=True))


@given(
    seed=st.integers(0, 10**6), softness=st.sampled_from([0.0, 0.7, 1.5]), peak=st.sampled_from([0.5, 5, 500])
)
@settings(max_examples=15)
def test_conjugate_gradients_never_raise_what_they_minimise(seed, softness, peak):
    data, objects, supports = random_problem((8, 11, 10), seed, peak=peak)
    descent = gradient.descent(Gradient("CG", softness=softness), objects, supports, data)

    def objective():
        objects = descent.objects
        penalty = (descent.penalty[:, ::2] * descent.cost.rows.abs().square()).sum(1).numpy()
        return cost(objects, torch.zeros_like(objects), data, 0.0, descent.far.numpy()) + penalty

    before, far = objective(), descent.far
    for _ in range(12):
        descent.step()
        after, now = objective(), descent.far
        assert ((after <= before + 1e-6 * np.abs(before)) | (far != now).numpy()).all()
        before, far = after, now
    assert not objects[~descent.reach].any()
    if softness == 0:
        assert (descent.reach == supports).all()


def test_conjugate_gradients_end_where_the_derivative_vanishes():
    data, objects, supports = random_problem((10, 10, 10), 7, starts=1)
    descent = gradient.descent(Gradient("CG", softness=0.7), objects, supports, data)
    descent.step()
    first = float(descent.length)
    for _ in range(300):
        descent.step()
    assert float(descent.length) < 1e-4 * first


@pytest.mark.usefixtures("backend")
def test_adam_is_torchs_own_on_the_loss_of_normalised_moduli():
    data, objects, supports = random_problem(ODD, 4, starts=1)
    largest, brightest = objects.abs().max(), data.modulus.max()
    pairs = (torch.view_as_real(objects) / largest).clone().requires_grad_()
    optimizer = torch.optim.Adam([pairs], lr=0.02)
    descent = gradient.descent(Gradient("ADAM", rate=0.02), objects.clone(), supports, data)
    for step in range(6):
        optimizer.zero_grad()
        moduli = torch.fft.fftn(torch.view_as_complex(pairs) * supports * largest, dim=(1, 2, 3)).abs()
        loss = torch.where(data.modulus >= 0, (moduli - data.modulus) / brightest, 0).square().sum()
        loss.backward()
        optimizer.step()
        squared_errors = descent.step()
        assert float(squared_errors) == pytest.approx(
            float(loss.detach()) * float(brightest) ** 2, rel=1e-4
        ), step
    expected = torch.view_as_complex(pairs.detach()) * largest * supports
    torch.testing.assert_close(descent.objects, expected, rtol=1e-3, atol=1e-3 * float(largest))


@pytest.mark.parametrize("softness", [0.0, 0.7])
@pytest.mark.parametrize("free_fraction", [0.0, 0.03])
def test_the_truth_is_a_fixed_point_of_conjugate_gradients(softness, free_fraction):
    truth = crystal((24, 27, 22))
    data = Diffraction(intensity(truth), None, free_fraction)
    found = refined(data, truth.astype(np.complex64), truth != 0, "20*CG", softness=softness)
    assert likeness(found.object, truth) > 0.99999
    assert found.figures["chi2"] < 1e-6


def test_thirty_steps_of_conjugate_gradients_reach_further_than_a_hundred_projections():
    truth = crystal(phase=1.5)
    data = Diffraction(photons(truth, 1e6), None, 0.02)
    support = ndimage.binary_dilation(np.abs(truth) > 0.1)
    llk = {
        name: refined(data, wrong(truth), support, name, softness=0).figures["llk"]
        for name in ("30*CG", "30*ER", "100*ER", "100*ADAM")
    }
    assert llk["30*CG"] < min(llk["100*ER"], llk["100*ADAM"]) < llk["30*ER"]


def test_few_photons_are_explained_better_by_their_likelihood():
    for seed in range(3):
        truth = crystal(seed=seed)
        data = Diffraction(photons(truth, 1e3, seed), None, 0.1, seed=seed)
        support = ndimage.binary_dilation(np.abs(truth) > 0.1)
        er, cg = (refined(data, wrong(truth), support, name, softness=0) for name in ("60*ER", "45*ER+15*CG"))
        assert cg.figures["free_llk"] < er.figures["free_llk"]
        assert cg.figures["llk"] < 0.95 * er.figures["llk"]
        assert likeness(cg.object, truth) > likeness(er.object, truth) - 0.005


def test_a_soft_support_lets_out_a_crystal_that_a_hard_one_cuts():
    truth = crystal(phase=1.5)
    data = Diffraction(photons(truth, 1e5), None, 0.02)
    tight = ndimage.binary_erosion(np.abs(truth) > 0.3)
    found = {s: refined(data, wrong(truth), tight, "40*CG", softness=s) for s in (0.0, 0.7)}
    assert likeness(found[0.7].object, truth) > likeness(found[0.0].object, truth) + 0.05
    assert found[0.7].figures["free_llk"] < 0.5 * found[0.0].figures["free_llk"]
    np.testing.assert_array_equal(found[0.0].support, tight)
    assert (found[0.7].support & tight).sum() == tight.sum()
    assert not (found[0.7].support & ~ndimage.binary_dilation(tight, iterations=3)).any()
    for one in found.values():
        assert not one.object[~one.support].any()
    # projections afterwards go back to the support that was given
    np.testing.assert_array_equal(refined(data, wrong(truth), tight, "5*CG+ER").support, tight)


@pytest.mark.parametrize("name", GRADIENTS)
def test_masked_pixels_are_free_and_are_filled_in(name):
    truth = crystal(seed=2)
    good = np.ones(truth.shape, bool)
    good[:, 18:20, :] = False
    counts = np.where(good, photons(truth), 1e5)  # what stands in a masked pixel must not matter
    support = ndimage.binary_dilation(np.abs(truth) > 0.1)
    found = refined(Diffraction(counts, good, 0.02), wrong(truth), support, f"200*{name}", rate=0.02)
    modulus = np.sqrt(intensity(truth))[~good]
    filled = np.abs(field(found.object))[~good]
    assert likeness(found.object, truth) > 0.97
    assert np.corrcoef(filled, modulus)[0, 1] > 0.98


@pytest.mark.parametrize("algorithm", ["10*CG", "7*ADAM", "2*ER+4*CG+2*HIO+3*ADAM+3*CG"])
def test_neither_threads_nor_neighbours_change_a_bit(monkeypatch, algorithm):
    data = Diffraction(photons(crystal((40, 41, 42))), None, 0.02)
    two = random_starts(data, 2, 0.1, seed=4)
    recipe = Refinement(algorithm=algorithm, shrink_wrap=ShrinkWrap(every=4, start=4))

    def once(cores, starts):
        monkeypatch.setattr(workers, "cores", lambda: cores)
        return finish(refine(data, starts, recipe))[1]

    one, four = once(1, two), once(4, two)
    assert one.object.tobytes() == four.object.tobytes()
    assert one.errors.tobytes() == four.errors.tobytes()
    assert one.runs == four.runs
    assert one.runs == [once(1, Starts(two.objects[i : i + 1], two.supports[:1])).figures for i in range(2)]


def test_starts_of_one_piece_do_not_meet():
    """A GPU takes all starts as one piece; each must go its way as if alone."""
    data, objects, supports = random_problem((10, 9, 12), 5, starts=3)
    for rule in (Gradient("CG", softness=0.7), Gradient("ADAM")):
        together = gradient.descent(rule, objects.clone(), supports, data)
        alone = [
            gradient.descent(rule, objects[i : i + 1].clone(), supports[i : i + 1], data) for i in range(3)
        ]
        for _ in range(5):
            squared_errors = together.step()
            torch.testing.assert_close(
                squared_errors, torch.cat([one.step() for one in alone]), rtol=1e-4, atol=0
            )
        for i, one in enumerate(alone):
            torch.testing.assert_close(together.objects[i], one.objects[0], rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("name", GRADIENTS)
def test_errors_are_chi2_as_the_iteration_began_and_shrink_wrap_applies(name):
    truth = crystal(seed=3)
    data = Diffraction(photons(truth), None, 0.02)
    ball = np.linalg.norm(np.indices(truth.shape) - 16, axis=0) < 10
    wrap = ShrinkWrap(every=10, start=10, sigma=1, sigma_end=0.5, threshold=0.2)
    found = refined(data, wrong(truth), ball, f"60*{name}", shrink_wrap=wrap, softness=0)
    begin = refined(data, wrong(truth), ball, "")
    assert found.errors[0] == pytest.approx(begin.figures["chi2"], rel=1e-4)
    assert found.errors[-1] < 0.2 * found.errors[0]
    assert found.support.sum() < 0.4 * ball.sum()


@pytest.mark.parametrize("name", GRADIENTS)
def test_an_empty_start_does_no_harm(name):
    truth = crystal((16, 16, 16))
    found = refined(Diffraction(photons(truth)), np.zeros_like(truth, np.complex64), truth != 0, f"5*{name}")
    assert np.isfinite(found.object).all()
    assert np.isfinite(found.errors).all()

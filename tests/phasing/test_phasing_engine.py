from __future__ import annotations

import contextlib
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from phasing_crystals import crystal, field, finish, intensity, likeness, photons, reference
from scipy import ndimage

from napari_autophase.phasing import (
    Diffraction,
    Starts,
    batch,
    keep_best,
    random_phases,
    random_starts,
    refine,
    scoring,
    workers,
)
from napari_autophase.phasing.backend import VARIABLE
from napari_autophase.recipe import Refinement, ShrinkWrap
from napari_autophase.recipe.algorithm import parse
from napari_autophase.reconstruction import Progress
from napari_autophase.scan import InputError

FIXED = ShrinkWrap(every=0)
MIXTURE = "2*(20*ER+100*HIO)+40*ER"
ODD = (17, 20, 23)


def natural(volume: torch.Tensor) -> np.ndarray:
    return np.fft.fftshift(volume.numpy())


def noise_free(truth: np.ndarray, free_fraction: float = 0.0) -> tuple[Diffraction, Starts]:
    data = Diffraction(intensity(truth), None, free_fraction)
    return data, Starts(truth[None].astype(np.complex64), truth[None] != 0)


def random_problem(shape, seed, starts=2):
    rng = np.random.default_rng(seed)
    data = Diffraction(rng.poisson(5.0, shape), rng.random(shape) < 0.9, 0.02, seed=seed)
    objects = rng.normal(size=(starts, *shape)) + 1j * rng.normal(size=(starts, *shape))
    return data, Starts(objects.astype(np.complex64), rng.random((starts, *shape)) < 0.2)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("shape", [ODD, (16, 16, 16)])
def test_the_iterations_against_plain_numpy_in_double(shape):
    data, starts = random_problem(shape, 1)
    text = "3*ER+4*HIO+4*RAAR+HIO"
    recipe = Refinement(algorithm=text, beta=0.8, shrink_wrap=FIXED)
    _, found = finish(refine(data, starts, recipe))
    best = min(range(2), key=lambda i: found.runs[i]["free_llk"])
    modulus = natural(data.modulus).astype(float)
    fitted = modulus >= 0
    start, support = starts.objects[best].astype(complex), starts.supports[best]
    calculated = np.abs(field(start))[fitted]
    start *= (calculated * modulus[fitted]).sum() / (calculated**2).sum()
    expected = reference(start, support, modulus, fitted, parse(text), 0.8) * support
    np.testing.assert_allclose(found.object, expected, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_array_equal(found.support, support)
    for k in (0, 1, 5):  # the error of a step is that of the object it begins with
        before = np.abs(field(reference(start, support, modulus, fitted, parse(text)[:k], 0.8)))
        chi2 = ((before - modulus)[fitted] ** 2).sum() / (modulus[fitted] ** 2).sum()
        assert found.errors[k] == pytest.approx(chi2, rel=1e-4)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("better", ["last", "mean"])
def test_downhill_iterations_begin_from_the_last_object_and_from_the_mean_of_those_before(
    better, monkeypatch
):
    monkeypatch.setattr(batch.Batch, "scores", lambda _: [1.0, 2.0 if better == "last" else 0.5])
    data, starts = random_problem(ODD, 3, 1)
    steps = parse("3*ER+13*HIO+2*ER")
    modulus = natural(data.modulus).astype(float)
    fitted = modulus >= 0
    support = starts.supports[0]

    def scaled(object):
        calculated = np.abs(field(object))[fitted]
        return object * ((calculated * modulus[fitted]).sum() / (calculated**2).sum())

    def end(begin, some):
        return reference(begin, support, modulus, fitted, some, 0.9)

    start = scaled(starts.objects[0].astype(complex))
    plan = Refinement(algorithm="3*ER+13*HIO+2*ER", shrink_wrap=FIXED, averaged=9)
    found = finish(refine(data, starts, plan))[1]
    mean = np.mean([support * end(start, steps[:count]) for count in (16, 12, 8)], 0)
    expected = {"last": end(start, steps), "mean": end(scaled(mean), steps[16:])}
    largest = np.abs(expected["mean"]).max()
    np.testing.assert_allclose(found.object, expected[better], atol=0.01 * largest)
    assert np.abs(expected["last"] - expected["mean"]).max() > 0.05 * largest
    assert len(found.runs) == 1
    assert len(found.errors) == len(steps)
    # never over what another rule did, nor where nothing goes downhill after it
    short = {"algorithm": "13*ER+HIO+2*ER", "averaged": 1}
    np.testing.assert_allclose(
        finish(refine(data, starts, plan.model_copy(update=short)))[1].object,
        finish(refine(data, starts, plan.model_copy(update={**short, "averaged": 24})))[1].object,
    )
    roaming = {"algorithm": "3*ER+13*HIO"}
    np.testing.assert_array_equal(
        finish(refine(data, starts, plan.model_copy(update=roaming)))[1].object,
        finish(refine(data, starts, plan.model_copy(update={**roaming, "averaged": 0})))[1].object,
    )


def test_every_start_has_one_error_at_a_time_and_goes_on_from_its_own_better_end():
    data, starts = random_problem(ODD, 4, 3)
    plan = Refinement(algorithm="8*HIO+6*ER", shrink_wrap=FIXED, averaged=4)
    steps, found = finish(refine(data, starts, plan, keep=3))
    assert {len(step.errors) for step in steps} == {3}
    assert [step.step for step in steps] == list(range(1, 15))
    alone = [
        finish(refine(data, Starts(starts.objects[i : i + 1], starts.supports[i : i + 1]), plan))[1]
        for i in range(3)
    ]
    for one, run in zip(alone, found.runs, strict=True):
        assert run == pytest.approx(one.figures, rel=1e-5)


def test_the_better_of_last_object_and_mean_goes_on_alone_when_errors_are_cleared_up():
    data, starts = random_problem(ODD, 4, 2)
    whole = Refinement(algorithm="8*HIO+35*ER", shrink_wrap=FIXED, averaged=4)
    first = finish(refine(data, starts, whole.model_copy(update={"algorithm": "8*HIO+20*ER"}), keep=2))[1]
    rest = Refinement(algorithm="15*ER", shrink_wrap=FIXED)
    apart = finish(refine(data, first.kept, rest, keep=2))[1]
    found = finish(refine(data, starts, whole, keep=2))[1]
    np.testing.assert_allclose(found.object, apart.object, atol=2e-4 * np.abs(found.object).max())
    assert len(found.errors) == 43


def test_the_errors_of_every_start_are_told_in_one_order():
    data, starts = random_problem(ODD, 4, 5)
    plan = Refinement(algorithm="8*HIO+30*ER", shrink_wrap=FIXED, averaged=4)
    told = np.array([step.errors for step in finish(refine(data, starts, plan))[0]])
    for number in range(5):
        one = Starts(starts.objects[number : number + 1], starts.supports[number : number + 1])
        alone = [step.errors[0] for step in finish(refine(data, one, plan))[0]]
        np.testing.assert_allclose(told[:, number], alone, rtol=1e-4)


@pytest.mark.parametrize(
    ("coherence", "algorithm", "outlined"),
    [
        ("given", "40*HIO+60*ER", [30, 60]),
        ("as it is", "40*HIO+60*ER", [60]),  # whether the light is coherent is not known
        ("given", "40*HIO+20*ER", [30, 50]),
        ("given", "60*HIO", [50]),
        ("given", "60*ER", [50]),
        ("given", "59*HIO+ER", [50]),  # there is nothing to clear up
    ],
)
def test_the_crystal_is_outlined_where_its_amplitude_is_flat(monkeypatch, coherence, algorithm, outlined):
    data, starts = random_problem(ODD, 4, 1)
    outline, seen = batch.Batch.outline, []

    def seeing(self, sigma, threshold):
        seen.append(steps[-1].step + 1 if steps else 0)
        outline(self, sigma, threshold)

    monkeypatch.setattr(batch.Batch, "outline", seeing)
    steps = []
    job = refine(data, starts, Refinement(algorithm=algorithm, averaged=0), coherence=coherence)
    with contextlib.suppress(StopIteration):
        while True:
            steps.append(next(job))
    assert seen == outlined


@pytest.mark.parametrize(
    ("algorithm", "asked"),
    [
        ("20*ER+40*HIO+20*ER+40*HIO+20*ER", [80, 130, 140]),
        ("30*HIO+20*ER", [40, 50]),
        ("20*ER", [10, 20]),
    ],
)
def test_what_the_first_iterations_make_of_random_phases_tells_nothing_of_the_light(
    monkeypatch, algorithm, asked
):
    data, starts = random_problem(ODD, 4, 1)
    estimate, seen, steps = batch.Batch.blur, [], []

    def seeing(self, *args):
        seen.append(steps[-1].step + 1 if steps and steps[-1].step < total else total)
        return estimate(self, *args)

    total = len(parse(algorithm))
    monkeypatch.setattr(batch.Batch, "blur", seeing)
    plan = Refinement(algorithm=algorithm, shrink_wrap=FIXED, averaged=0)
    job = refine(data, starts, plan, coherence="gaussian")
    with contextlib.suppress(StopIteration):
        while True:
            steps.append(next(job))
    assert sorted(set(seen)) == asked


def test_a_mean_is_of_objects_each_within_the_support_that_it_had():
    data, starts = random_problem(ODD, 5, 1)
    chunk = batch.Batch(data, starts).chunks[0]
    objects, first = chunk.objects.clone(), chunk.supports
    second = torch.roll(first, 3, 1)
    chunk.sample()
    chunk.sample()
    chunk._confine(second)
    chunk.sample()
    other = chunk.average()
    wanted = objects * (2 * first + 1.0 * second) / 3
    scale = torch.linalg.vector_norm(other.objects) / torch.linalg.vector_norm(wanted)
    assert torch.allclose(other.objects, scale * wanted, atol=1e-5)
    assert torch.equal(chunk.objects, objects)
    assert torch.equal(other.supports, second)


def test_what_noise_leaves_open_is_told_alike_by_all_starts():
    truth = crystal(phase=1.0)
    data = Diffraction(photons(truth, 1e4), free_fraction=0.05)
    support = ndimage.binary_dilation(truth != 0)
    starts = random_phases(support[None], 4, seed=1)

    def agreement(averaged):
        plan = Refinement(algorithm="60*HIO+20*ER", shrink_wrap=FIXED, averaged=averaged)
        kept = finish(refine(data, starts, plan, keep=4))[1].kept.objects
        return np.median([likeness(one, other) for one in kept for other in kept if one is not other])

    assert 1 - agreement(24) < 0.7 * (1 - agreement(0))


def test_how_uniform_an_amplitude_is_against_its_closed_form():
    rng = np.random.default_rng(0)
    supports = torch.zeros((3, 8, 8, 8), dtype=torch.bool)
    supports[:, 2:6, 2:6, 2:6] = True
    amplitudes = torch.ones(supports.shape)
    amplitudes[1, :, :, 4:] = 0.5  # half of the support's voxels
    amplitudes[2] *= 7
    objects = torch.polar(amplitudes, torch.from_numpy(rng.uniform(-3, 3, supports.shape).astype(np.float32)))
    found = scoring.uniformities(objects, supports)
    assert found == pytest.approx([1, 1.25**2 / (2 * (1 + 0.5**4)), 1], rel=1e-5)
    assert scoring.uniformities(torch.zeros_like(objects[:1]), supports[:1]) == [0]


def test_uniformity_decides_where_likelihoods_hardly_differ_and_nowhere_else():
    even = crystal(phase=1.0)
    places = np.linspace(-1, 1, even.shape[2])
    truth = (even * (1 + 0.8 * places)).astype(np.complex64)  # its density is not uniform
    data = Diffraction(photons(truth, 1e4), free_fraction=0.05)
    wrong = (even * np.exp(0.2j * np.random.default_rng(0).normal(size=even.shape))).astype(np.complex64)
    starts = Starts(np.stack([wrong, truth]), np.stack([even != 0] * 2))
    plan = Refinement(algorithm="", shrink_wrap=FIXED)

    def best(uniform):
        found = finish(refine(data, starts, plan, uniform=uniform))[1]
        assert found.figures in found.runs
        return found.runs.index(found.figures)

    assert (best(0), best(2), best(50)) == (1, 1, 0)
    gone = Starts(np.stack([np.zeros_like(truth), truth]), starts.supports)
    assert finish(refine(data, gone, plan, keep=2, uniform=2))[1].kept.objects[1].any() == np.False_


def test_the_figures_against_their_formulas():
    data, starts = random_problem(ODD, 2, starts=1)
    _, found = finish(refine(data, starts, Refinement(algorithm="", shrink_wrap=FIXED)))
    assert (found.iterations, found.errors.size) == (0, 0)
    observed, modulus, free = (
        natural(data.counts).astype(float),
        natural(data.modulus),
        natural(data.is_held_out),
    )
    fitted = natural(data.good) & ~free
    np.testing.assert_array_equal(fitted, modulus >= 0)
    calculated = np.abs(field(found.object.astype(complex)))
    expected = np.maximum(calculated**2, data.floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(observed > 0, observed * np.log(observed / expected), 0)
    deviance = expected - observed + logs
    chi2 = ((calculated - np.sqrt(observed))[fitted] ** 2).sum() / observed[fitted].sum()
    assert found.figures["chi2"] == pytest.approx(chi2, rel=1e-5)
    assert found.figures["llk"] == pytest.approx(deviance[fitted].mean(), rel=1e-5)
    assert found.figures["free_llk"] == pytest.approx(deviance[free].mean(), rel=1e-5)
    assert found.figures["support_fraction"] == pytest.approx(starts.supports.mean())
    assert found.runs == [found.figures]


@given(seed=st.integers(0, 10**6), shape=st.tuples(*[st.integers(6, 14)] * 3))
@settings(max_examples=15)
def test_error_reduction_reduces_the_error(seed, shape):
    data, starts = random_problem(shape, seed, starts=1)
    starts.objects[~starts.supports] = 0
    _, found = finish(refine(data, starts, Refinement(algorithm="15*ER", shrink_wrap=FIXED)))
    assert (np.diff(found.errors) <= 1e-5 * found.errors[:-1]).all()


@pytest.mark.parametrize("algorithm", ["30*ER", "30*HIO", "30*RAAR", "10*ER+10*HIO+10*RAAR"])
@pytest.mark.parametrize("free_fraction", [0.0, 0.03])
def test_the_truth_is_a_fixed_point(algorithm, free_fraction):
    truth = crystal((24, 27, 22))
    data, starts = noise_free(truth, free_fraction)
    _, found = finish(refine(data, starts, Refinement(algorithm=algorithm, shrink_wrap=FIXED)))
    scale = np.vdot(truth, found.object) / np.vdot(truth, truth)
    np.testing.assert_allclose(found.object, scale * truth, atol=2e-5 * abs(scale))
    assert found.figures["chi2"] < 1e-9


def test_the_scale_of_a_guess_does_not_matter():
    truth = crystal((20, 20, 20))
    data, starts = noise_free(truth)
    rng = np.random.default_rng(0)
    guess = (starts.objects + 0.3 * rng.normal(size=starts.objects.shape)).astype(np.complex64)
    recipe = Refinement(algorithm="5*ER+5*HIO", shrink_wrap=FIXED)
    found = [
        finish(refine(data, Starts(guess * np.float32(s), starts.supports), recipe))[1].object
        for s in (1, 1e-6, 1e5)
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-4 * np.abs(found[0]).max())


@pytest.mark.parametrize(("shape", "seed", "phase"), [((32, 32, 32), 0, 1.0), ((30, 35, 33), 1, 2.0)])
def test_a_crystal_is_recovered_from_random_starts(shape, seed, phase):
    truth = crystal(shape, seed, phase)
    data = Diffraction(photons(truth), None, 0.02)
    starts = random_starts(data, 4, 0.1, seed=0)
    _, found = finish(refine(data, starts, Refinement(algorithm=MIXTURE)))
    assert likeness(found.object, truth) > 0.97
    assert found.figures["chi2"] < 2e-3
    assert found.errors[-1] < 0.1 * found.errors[0]
    assert found.figures["free_llk"] == min(run["free_llk"] for run in found.runs)
    assert not found.object[~found.support].any()


def test_masked_pixels_are_free_and_are_filled_in():
    truth = crystal(seed=2)
    counts, good = photons(truth), np.ones(truth.shape, bool)
    good[:, 18:20, :] = False
    gapped = np.where(good, counts, 0)
    recipe = Refinement(algorithm=MIXTURE)
    found = {}
    for name, mask in (("free", good), ("zero", None)):
        data = Diffraction(gapped, mask, 0.02)
        found[name] = finish(refine(data, random_starts(data, 3, 0.1, seed=0), recipe))[1]
    modulus = np.sqrt(intensity(truth))[~good]
    filled = {name: np.abs(field(one.object))[~good] for name, one in found.items()}
    assert likeness(found["free"].object, truth) > 0.97
    assert np.corrcoef(filled["free"], modulus)[0, 1] > 0.99
    assert np.linalg.norm(filled["free"] - modulus) < 0.2 * np.linalg.norm(modulus)
    assert likeness(found["zero"].object, truth) < likeness(found["free"].object, truth)


def test_shrink_wrap_finds_the_crystal_from_a_support_too_large():
    truth = crystal(seed=3)
    data, starts = noise_free(truth)
    ball = np.linalg.norm(np.indices(truth.shape) - 16, axis=0) < 10
    recipe = Refinement(
        algorithm="40*ER+80*HIO+40*ER",
        shrink_wrap=ShrinkWrap(every=10, start=10, sigma=2, sigma_end=0.5, threshold=0.2, outline=0),
    )
    _, found = finish(refine(data, Starts(starts.objects, ball[None]), recipe))
    body = np.abs(truth) > 0.2
    assert (found.support & body).sum() / (found.support | body).sum() > 0.8
    assert found.support.sum() < 0.4 * ball.sum()


def test_one_bright_voxel_does_not_eat_the_last_support():
    truth = crystal(seed=3)
    body = np.abs(truth) > 0.5
    bright = truth.copy()
    bright[16, 16, 16] *= 25
    data, starts = noise_free(bright)
    wide = Starts(starts.objects, ndimage.binary_dilation(body, iterations=3)[None])

    def found(**last) -> float:
        wrap = ShrinkWrap(every=10, start=20, sigma=0.6, sigma_end=0.6, **last)
        inside = finish(refine(data, wide, Refinement(algorithm="25*ER", shrink_wrap=wrap)))[1].support
        return (inside & body).sum() / (inside | body).sum()

    assert found(outline=0.5) > 0.7  # it is a voxel wider than the crystal, which has nine
    assert found(outline=0.0) < 0.2


def test_twin_breaking_empties_half_of_the_support_once():
    truth = crystal()
    data, starts = noise_free(truth)
    cut = finish(refine(data, starts, Refinement(algorithm="ER", twin_break=1, shrink_wrap=FIXED)))[1]
    share = (np.abs(cut.object) ** 2).sum() / (np.abs(truth) ** 2).sum() / np.abs(cut.object).max() ** 2
    assert 0.2 < share < 0.6
    np.testing.assert_array_equal(cut.support, starts.supports[0])
    healed = finish(refine(data, starts, Refinement(algorithm="60*ER", twin_break=1, shrink_wrap=FIXED)))[1]
    assert np.count_nonzero(healed.object) > 1.5 * np.count_nonzero(cut.object)
    assert healed.errors[1] > 100 * healed.errors[0]


def test_the_same_seed_gives_the_same_bits_and_another_another(monkeypatch):
    counts = photons(crystal((20, 21, 22)))
    recipe = Refinement(algorithm="10*ER+20*HIO+10*RAAR+10*ER", shrink_wrap=ShrinkWrap(every=7))

    def once(seed, cores):
        monkeypatch.setattr(workers, "cores", lambda: cores)
        data = Diffraction(counts, None, 0.02, seed=seed)
        return finish(refine(data, random_starts(data, 2, 0.1, seed), recipe))[1]

    first, again, threaded, other = once(5, 1), once(5, 1), once(5, 4), once(6, 1)
    assert first.object.tobytes() == again.object.tobytes() == threaded.object.tobytes()
    assert first.errors.tobytes() == again.errors.tobytes() == threaded.errors.tobytes()
    assert first.figures == threaded.figures
    assert first.object.tobytes() != other.object.tobytes()


def test_a_start_does_not_depend_on_its_neighbours():
    data = Diffraction(photons(crystal()), None, 0.02)
    three, one = random_starts(data, 3, 0.1, seed=4), random_starts(data, 1, 0.1, seed=4)
    np.testing.assert_array_equal(three.objects[0], one.objects[0])
    assert (three.objects[1] != three.objects[0]).any()
    recipe = Refinement(algorithm="10*ER+10*HIO")
    together = finish(refine(data, three, recipe))[1]
    alone = [
        finish(refine(data, Starts(three.objects[i : i + 1], three.supports[:1]), recipe))[1]
        for i in range(3)
    ]
    assert together.runs == [run.figures for run in alone]
    best = int(np.argmin([run.figures["free_llk"] for run in alone]))
    assert together.object.tobytes() == alone[best].object.tobytes()


def test_progress_is_told_at_every_iteration():
    data = Diffraction(photons(crystal((20, 22, 24))), None, 0.02)
    told, found = finish(refine(data, random_starts(data, 2, 0.1, 0), Refinement(algorithm="60*ER")))
    assert all(isinstance(one, Progress) and one.stage == "refine" for one in told)
    assert [one.step for one in told] == list(range(1, 61))
    assert {one.total for one in told} == {60}
    # kept in single precision
    assert all(0 < one.error <= error * (1 + 1e-6) for one, error in zip(told, found.errors, strict=True))
    assert all(len(one.errors) == 2 and min(one.errors) == one.error for one in told)


@pytest.mark.parametrize("plan", [{}, {"coarse": 30}, {"prune": True}], ids=str)
def test_the_best_start_is_shown_as_it_stands_and_looking_changes_nothing(plan):
    data = Diffraction(photons(crystal((20, 22, 24))), None, 0.02)
    starts = random_starts(data, 4, 0.1, 0)
    recipe = Refinement(algorithm="10*ER+10*HIO+20*ER+20*HIO+10*ER", **plan)
    unseen = finish(refine(data, starts, recipe))[1]
    job, seen, counts = refine(data, starts, recipe), [], []
    while True:
        try:
            now = next(job)
        except StopIteration as done:
            found = done.value
            break
        counts.append(len(now.errors))
        if now.best is not None:
            seen.append((now, now.best.object(), now.best.support(), now.best.held_out()))
    assert found.object.tobytes() == unseen.object.tobytes()
    assert found.errors.tobytes() == unseen.errors.tobytes()
    assert counts == sorted(counts, reverse=True)
    assert (len(set(counts)) > 1) == ("prune" in plan)

    for now, object, support, held_out in seen:
        sides = tuple(m / n for m, n in zip(data.shape, object.shape, strict=True))
        assert now.best.voxel_size == pytest.approx(sides)
        assert object.dtype == np.complex64
        assert support.shape == object.shape
        assert held_out > 0
    assert {one.best.voxel_size == (1, 1, 1) for one, *_ in seen} == (
        {False, True} if "coarse" in plan else {True}
    )


def test_at_the_end_the_best_start_is_the_result():
    data = Diffraction(photons(crystal((20, 22, 24))), None, 0.02)
    job = refine(data, random_starts(data, 1, 0.1, 0), Refinement(algorithm="40*ER"))
    while True:
        try:
            now = next(job)
        except StopIteration as done:
            found = done.value
            break
        if now.best is not None:
            object, held_out = now.best.object() * now.best.support(), now.best.held_out()
    likeness = abs(np.vdot(object, found.object)) / np.linalg.norm(object) / np.linalg.norm(found.object)
    assert likeness == pytest.approx(1, abs=1e-5)
    assert held_out == pytest.approx(found.figures["free_llk"], rel=1e-4)


def test_what_holds_the_progress_does_not_hold_the_starts():
    data = Diffraction(photons(crystal((20, 22, 24))), None, 0.02)
    told, _ = finish(refine(data, random_starts(data, 1, 0.1, 0), Refinement(algorithm="5*ER")))
    with pytest.raises(RuntimeError, match="gone on"):
        told[-1].best.object()


def test_nothing_held_out_nothing_to_judge_by():
    data = Diffraction(photons(crystal((20, 22, 24))), None, 0.0)
    job = refine(data, random_starts(data, 1, 0.1, 0), Refinement(algorithm="1*ER"))
    assert next(job).best.held_out() is None


@pytest.mark.parametrize("steps", [0, 1, 9, 15])
def test_closing_cancels_at_once_and_leaves_nothing_behind(steps):
    data = Diffraction(photons(crystal((16, 16, 16))), None, 0.02)
    threads, torch_threads = threading.active_count(), torch.get_num_threads()
    job = refine(data, random_starts(data, 3, 0.1, 0), Refinement(algorithm="1000*HIO"))
    for _ in range(steps):
        next(job)
        assert torch.get_num_threads() == torch_threads
    job.close()
    with pytest.raises(StopIteration):
        next(job)
    assert threading.active_count() == threads
    assert torch.get_num_threads() == torch_threads


def test_two_transforms_per_start_and_iteration_where_nothing_is_compiled(monkeypatch):
    monkeypatch.setenv(VARIABLE, "torch")
    counts = {"fftn": 0, "ifftn": 0}
    for name in counts:
        original = getattr(torch.fft, name)

        def counting(*args, _name=name, _original=original, **kwargs):
            counts[_name] += args[0].shape[0] if args[0].ndim == 4 else 1
            return _original(*args, **kwargs)

        monkeypatch.setattr(torch.fft, name, counting)
    data, starts = random_problem((8, 8, 8), 0, starts=3)
    finish(refine(data, starts, Refinement(algorithm="4*ER+5*HIO+6*RAAR", shrink_wrap=FIXED)))
    # besides: one transform to scale each start, one for its figures
    assert counts == {"fftn": 3 * (15 + 2), "ifftn": 3 * 15}


def test_the_best_guess_is_kept():
    truth = crystal((24, 24, 24))
    data = Diffraction(photons(truth), None, 0.02)
    rng = np.random.default_rng(0)
    noise = truth * np.exp(1j * rng.uniform(-3, 3, truth.shape))
    objects = np.stack([noise, truth * np.exp(0.5j * rng.normal(size=truth.shape)), truth]).astype(
        np.complex64
    )
    starts = Starts(objects, np.repeat(truth[None] != 0, 3, axis=0))
    kept = keep_best(data, starts, 2)
    assert len(kept) == 2
    assert likeness(kept.objects[0], truth) > likeness(kept.objects[1], truth) > likeness(noise, truth)
    assert likeness(kept.objects[0], truth) > 0.999
    alone = keep_best(data, Starts(objects[1:2], starts.supports[1:2]), 1)  # one is not chosen, but projected
    assert len(alone) == 1
    assert likeness(alone.objects[0], truth) > likeness(objects[1], truth)
    without_free = Diffraction(photons(truth), None, 0.0)
    assert likeness(keep_best(without_free, starts, 1).objects[0], truth) > 0.999
    _, found = finish(refine(without_free, starts, Refinement(algorithm="")))
    assert "free_llk" not in found.figures
    assert found.figures["chi2"] == min(run["chi2"] for run in found.runs)


def test_a_computer_without_memory_says_so(monkeypatch):
    data, starts = noise_free(crystal((16, 16, 16)))
    monkeypatch.setattr(batch.Batch, "iterate", lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(InputError, match="memory ran out"):
        finish(refine(data, starts, Refinement(algorithm="3*ER")))


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch):
    data, starts = noise_free(crystal((16, 16, 16)))
    monkeypatch.setattr(
        batch.Batch, "iterate", lambda *_: (_ for _ in ()).throw(RuntimeError("shapes differ"))
    )
    with pytest.raises(RuntimeError, match="shapes differ"):
        finish(refine(data, starts, Refinement(algorithm="3*ER")))


def test_unusable_arguments():
    data, _ = noise_free(crystal((16, 16, 16)))
    other = Starts(np.ones((1, 16, 16, 17), np.complex64), np.ones((1, 16, 16, 17), bool))
    with pytest.raises(InputError, match="shape"):
        next(refine(data, other, Refinement(algorithm="ER")))
    with pytest.raises(InputError, match="one shape"):
        Starts(np.ones((1, 16, 16, 16), np.complex64), np.ones((2, 16, 16, 16), bool))


def test_an_empty_start_does_no_harm():
    data, starts = noise_free(crystal((16, 16, 16)))
    _, found = finish(
        refine(data, Starts(starts.objects * 0, starts.supports), Refinement(algorithm="5*ER+5*HIO"))
    )
    assert np.isfinite(found.object).all()
    assert all(np.isfinite(value) for value in found.figures.values())

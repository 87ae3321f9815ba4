"""Partly coherent light, against what it is: the mean of the intensities that are seen from directions a little apart."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from phasing_crystals import crystal, field, finish, intensity, likeness

from napari_autophase import InputError, Recipe, run
from napari_autophase.phasing import Blur, Diffraction, Starts, refine
from napari_autophase.phasing.coherence import estimate, onwards, sharpened
from napari_autophase.recipe import Refinement, ShrinkWrap
from napari_autophase.simulation import simulate

SIGMA = (0.5, 0.3, 0.7)
SHAPE = (32, 32, 32)


def partly_coherent(centred: np.ndarray, sigma: tuple[float, float, float], nodes: int = 9) -> np.ndarray:
    """Return ∫ g(δ) |F(q + δ)|² dδ by Gauss and Hermite's rule, a transform of the object for each direction δ."""
    place, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = weight / weight.sum()
    at = np.meshgrid(*((np.arange(n) - n // 2) / n for n in centred.shape), indexing="ij", sparse=True)
    found = np.zeros(centred.shape)
    axes = [list(zip(place * s, weight, strict=True)) if s else [(0.0, 1.0)] for s in sigma]
    for way in product(*axes):
        ramp = sum(delta * x for (delta, _), x in zip(way, at, strict=True))
        share = float(np.prod([w for _, w in way]))
        found += share * np.abs(field(centred * np.exp(-2j * np.pi * ramp))) ** 2
    return found


def in_fft_order(volume: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.fft.ifftshift(volume), dtype=np.float32))


def photons(centred: np.ndarray, peak: float = 1e5, seed: int = 0) -> np.ndarray:
    seen = partly_coherent(centred, SIGMA)
    return np.random.default_rng(seed).poisson(seen * (peak / seen.max())).astype(np.float32)


def scaled(centred: np.ndarray, peak: float = 1e5) -> np.ndarray:
    return centred * np.sqrt(peak / partly_coherent(centred, SIGMA).max())


def test_a_blur_is_the_mean_over_directions():
    truth = crystal((16, 20, 24))
    coherent = np.abs(field(truth)) ** 2
    blurred = np.fft.fftshift(Blur(SIGMA)(in_fft_order(coherent)).numpy())
    expected = partly_coherent(truth, SIGMA)
    assert np.abs(expected - coherent).max() > 0.05 * coherent.max(), "there is something to see"
    assert np.abs(blurred - expected).max() < 1e-5 * expected.max()


def test_the_simulators_blur_is_the_same():
    alone, seen = (simulate(3, 24, peak=1e9, coherence=width) for width in (0.0, SIGMA))
    expected = partly_coherent(alone.object, SIGMA)
    expected *= 1e9 / expected.max()
    assert np.abs(seen.scan.counts - expected).max() < 3e-4 * 1e9


def test_widths_are_found_from_the_object_and_noisy_counts():
    truth = scaled(crystal(SHAPE, phase=2.0))
    counts = photons(crystal(SHAPE, phase=2.0))
    fitted = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)) > 0.1
    seen = in_fft_order(counts) * fitted  # what is not fitted must not matter
    found = estimate(in_fft_order(np.abs(field(truth)) ** 2), seen, fitted).sigma_px
    assert found == pytest.approx(SIGMA, rel=0.03)
    # another scale of the object changes nothing
    again = estimate(in_fft_order(np.abs(field(0.8 * truth)) ** 2), seen, fitted, Blur((1.0, 1.0, 1.0)))
    assert again.sigma_px == pytest.approx(found, rel=1e-3)


def test_no_blur_is_found_where_there_is_none():
    truth = crystal(SHAPE, phase=2.0)
    coherent = intensity(truth, 1e5)
    counts = np.random.default_rng(1).poisson(coherent).astype(np.float32)
    found = estimate(in_fft_order(coherent), in_fft_order(counts), torch.ones(SHAPE, dtype=torch.bool))
    assert max(found.sigma_px) < 0.1


@pytest.mark.parametrize("masked", [False, True])
def test_sharpened_counts_are_nearer_to_coherent_ones(masked):
    truth = scaled(crystal(SHAPE, phase=2.0))
    counts, coherent = photons(crystal(SHAPE, phase=2.0)), np.abs(field(truth)) ** 2
    fitted = np.ones(SHAPE, bool)
    if masked:
        fitted[:, 11:13] = fitted[5:8, :, 20:22] = False
        counts[~fitted] = 1e7  # of no meaning
    found = sharpened(in_fft_order(counts), torch.from_numpy(np.fft.ifftshift(fitted)), Blur(SIGMA), 12)
    found = np.fft.fftshift(found.numpy())

    seen = fitted & (partly_coherent(truth, SIGMA) > 30)

    def apart(one: np.ndarray) -> float:
        return float(np.abs(np.sqrt(one) - np.sqrt(coherent))[seen].mean())

    assert apart(found) < 0.6 * apart(counts)
    assert found[fitted].sum() == pytest.approx(counts[fitted].sum(), rel=0.02)


def test_an_object_that_explains_the_counts_is_left_alone():
    truth = scaled(crystal(SHAPE, phase=2.0))
    coherent = in_fft_order(np.abs(field(truth)) ** 2)
    expected = in_fft_order(partly_coherent(truth, SIGMA))
    found = sharpened(expected, torch.ones(SHAPE, dtype=torch.bool), Blur(SIGMA), 2, coherent)
    bright = expected > 10
    assert torch.allclose(found[bright], coherent[bright], rtol=2e-3, atol=0.5)


def test_estimates_are_taken_further_the_way_they_went():
    assert onwards(None, Blur((0.31, 0.31, 0.0))).sigma_px == pytest.approx((0.47, 0.47, 0.0), abs=0.02)
    further = onwards(Blur((0.4, 0.5, 0.6)), Blur((0.45, 0.5, 0.5))).sigma_px
    assert further[0] > 0.45
    assert further[1] == pytest.approx(0.5)
    assert further[2] < 0.5


@pytest.mark.parametrize("far", [False, True])
def test_the_likelihood_follows_differences(far):
    rng = np.random.default_rng(0)
    shape, inside = (16, 14, 15), np.zeros((16, 14, 15), bool)
    inside[5:12, 4:10, 5:11] = True  # else its autocorrelation would not fit into the array
    counts, good = rng.poisson(6.0, shape).astype(np.float32), rng.random(shape) > 0.1
    data = Diffraction(counts, good, 0.0, bounded=True).explained(Blur(SIGMA))
    start, way = (
        np.fft.ifftshift(inside * (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * 0.12)
        for _ in range(2)
    )

    def cost(step: float) -> float:
        q = partly_coherent(np.fft.fftshift(start + step * way), SIGMA, nodes=15)
        floor, n = 0.1, counts
        each = 2 * q - 4 * np.sqrt(n * (q + floor)) if far else q - n * np.log(q + floor)
        below = good | (q < n)  # a pixel that is not good is at least as bright as it says
        return float(each[below].sum())

    objects = torch.from_numpy(start.astype(np.complex64)[None])
    likelihood = data.backend.likelihood(objects, torch.ones(1, *shape, dtype=torch.bool), data, 0.1)
    direction = likelihood.inside(torch.from_numpy(way.astype(np.complex64)[None]))
    flags = torch.tensor([far])
    derivative, _ = likelihood.derivative(flags)
    slope = 2 * float((derivative.conj() * direction).real.sum())
    h = 1e-4
    assert slope == pytest.approx((cost(h) - cost(-h)) / (2 * h), rel=1e-3)
    likelihood.look_along(direction)
    step = torch.tensor([0.2], dtype=torch.float64)
    first, second, fisher = likelihood.slope(step, flags)[:, 0].tolist()
    assert first == pytest.approx((cost(0.2 + h) - cost(0.2 - h)) / (2 * h), rel=1e-3)
    assert second == pytest.approx((cost(0.21) - 2 * cost(0.2) + cost(0.19)) / 1e-4, rel=0.02)
    assert fisher > 0
    likelihood.go(step)
    assert float(likelihood.slope(torch.zeros(1, dtype=torch.float64), flags)[0]) == pytest.approx(
        first, rel=1e-3
    )


def test_scores_are_of_the_blurred_intensity():
    truth = scaled(crystal(SHAPE, phase=2.0))
    data = Diffraction(photons(crystal(SHAPE, phase=2.0)), free_fraction=0.02)
    expected = np.maximum(np.fft.ifftshift(partly_coherent(truth, SIGMA)), data.floor)
    counts, free = data.counts.numpy().astype(float), data.free.numpy()
    deviance = expected - counts + np.where(counts > 0, counts * np.log(np.maximum(counts, 1) / expected), 0)
    one = torch.from_numpy(np.fft.ifftshift(truth).astype(np.complex64))
    blurred = data.explained(Blur(SIGMA))
    found = blurred.backend.sums(one, blurred, deviances=True)
    assert found.held_out == pytest.approx(deviance[free].sum(), rel=1e-3)
    assert found.deviance == pytest.approx(deviance[~free].sum(), rel=1e-3)
    assert data.backend.sums(one, data, deviances=True).deviance > 1.5 * found.deviance


@pytest.mark.parametrize(("algorithm", "close"), [("40*ER", 0.1), ("40*CG", 0.1), ("60*ADAM", 0.25)])
@pytest.mark.parametrize("backend", ["torch", "compiled"])
def test_every_algorithm_goes_on_to_the_crystal(algorithm, close, backend):
    truth = scaled(crystal(SHAPE, phase=2.0))
    support = np.abs(truth) > 0.05 * np.abs(truth).max()
    rng = np.random.default_rng(2)
    start = (truth * (1 + 0.3 * rng.normal(size=SHAPE)) * np.exp(0.4j * rng.normal(size=SHAPE))).astype(
        np.complex64
    )
    starts = Starts((start * support)[None], support[None])
    plan = Refinement(algorithm=algorithm, shrink_wrap=ShrinkWrap(every=0), softness=0)
    data = Diffraction(photons(crystal(SHAPE, phase=2.0)), backend=backend)
    plain = finish(refine(data, starts, plan))[1]
    found = finish(refine(data.explained(Blur((0.4, 0.4, 0.4))), starts, plan, coherence="estimated"))[1]
    assert found.blur is not None
    assert found.blur.sigma_px == pytest.approx(SIGMA, rel=close)
    assert found.figures["free_llk"] < 0.7 * plain.figures["free_llk"]
    assert likeness(found.object, truth) > max(0.97, likeness(plain.object, truth) + 0.01)
    fixed = finish(refine(data.explained(Blur(SIGMA)), starts, plan, coherence="given"))[1]
    assert fixed.blur == Blur(SIGMA)


def test_fast_finds_crystals_and_the_widths_in_partly_coherent_light():
    for seed, kind in ((11, "wulff"), (12, "winterbottom")):
        truth = simulate(
            seed, 64, kind=kind, coherence=(0.5, 0.4, 0.6), peak=1e5, oversampling=(3.0, 3.2, 2.8)
        )
        found = run(truth.scan, Recipe.from_preset("fast"))
        plain = run(truth.scan, Recipe.from_preset("fast").with_settings({"model.coherence": "off"}))
        assert likeness(found.object, truth.object) > 0.97 > likeness(plain.object, truth.object)
        assert found.coherence.kind == "gaussian"
        assert found.coherence.sigma_px == pytest.approx((0.5, 0.4, 0.6), rel=0.1)
        assert found.figures["free_llk"] < 0.7 * plain.figures["free_llk"]
        assert plain.coherence.kind == "off"


def test_coherent_light_is_phased_as_it_always_was():
    truth = simulate(21, 64, kind="cut", peak=1e5, oversampling=(3.0, 3.0, 3.0))
    found, plain = (
        run(truth.scan, Recipe.from_preset("fast").with_settings({"model.coherence": how}))
        for how in ("estimate", "off")
    )
    assert found.coherence.kind == "none"
    assert np.array_equal(found.object, plain.object)
    assert found.figures == plain.figures


def test_the_report_says_how_coherent_the_light_was():
    truth = simulate(5, 32, coherence=(0.5, 0.5, 0.5), peak=1e5)
    found = run(
        truth.scan,
        Recipe.from_preset("iterative").with_settings(
            {"refine.algorithm": "20*ER", "model.coherence": [0.5, 0.0, 0.4]}
        ),
    )
    edges = found.voxel_size_nm
    told = found.report()["coherence"]
    assert (told["kind"], told["sigma_px"]) == ("gaussian", (0.5, 0.0, 0.4))
    # the degree of coherence exp(−x²/2ξ²) is the transform of a Gaussian of σ pixels of 2π/(N·edge) each
    assert told["length_nm"][0] == pytest.approx(1 / (0.5 * 2 * np.pi / (32 * edges[0])))
    assert told["length_nm"][1] is None
    unknown = run(simulate(5, 32, geometry=None).scan, Recipe.from_preset("network"))
    assert unknown.report()["coherence"]["length_nm"] is None


@pytest.mark.parametrize("wrong", ["guess", [0.5, 0.5], [0.5, -0.1, 0.5], [0.5, 0.5, 9.0], 0.5])
def test_a_coherence_that_means_nothing_is_refused(wrong):
    with pytest.raises(InputError, match="coherence"):
        Recipe().with_settings({"model.coherence": wrong})

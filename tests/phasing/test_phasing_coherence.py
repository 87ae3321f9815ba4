"""Partly coherent light, against what it is: the mean of the intensities that are seen from directions a little apart."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from itertools import product

import numpy as np
import pytest
import torch
from phasing_crystals import crystal, field, finish, intensity, likeness
from scipy import ndimage

from napari_autophase import InputError, Recipe, run
from napari_autophase.phasing import Blur, Diffraction, Starts, coherence, refine
from napari_autophase.phasing.backend import choose
from napari_autophase.phasing.blur import Kernel
from napari_autophase.phasing.coherence import Seeker, estimate, middle
from napari_autophase.phasing.forward import Forward, Sharpening
from napari_autophase.phasing.search import search
from napari_autophase.phasing.settle import NARROW, WIDE, settle
from napari_autophase.phasing.starts import random_phases
from napari_autophase.recipe import Guess, Refinement, ShrinkWrap
from napari_autophase.runs import attempts
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


def partly_coherent_of(intensity: torch.Tensor) -> torch.Tensor:
    """Return an intensity in FFT order as it is seen, by the autocorrelation's Gaussian."""
    exponent = sum(
        (2 * np.pi**2 * s**2 * np.fft.fftfreq(n) ** 2).reshape([-1 if k == axis else 1 for k in range(3)])
        for axis, (s, n) in enumerate(zip(SIGMA, intensity.shape, strict=True))
    )
    blurred = np.fft.ifftn(np.fft.fftn(intensity.double().numpy()) * np.exp(-exponent)).real
    return torch.from_numpy(np.maximum(blurred, 1e-3))


@cache
def known() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a crystal, the mean number of photons of partly coherent light that it scatters, and photons."""
    truth = crystal(SHAPE, phase=2.0)
    seen = partly_coherent(truth, SIGMA)
    scale = 1e5 / seen.max()
    photons = np.random.default_rng(0).poisson(seen * scale).astype(np.float32)
    return truth * np.sqrt(scale), seen * scale, photons


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
    truth, _, counts = known()
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
    truth, expected, counts = known()
    counts, coherent = counts.copy(), np.abs(field(truth)) ** 2
    fitted = np.ones(SHAPE, bool)
    if masked:
        fitted[:, 11:13] = fitted[5:8, :, 20:22] = False
        counts[~fitted] = 1e7  # of no meaning
    known_there = torch.from_numpy(np.fft.ifftshift(fitted))
    found = Sharpening(in_fft_order(counts), known_there, Forward(Blur(SIGMA))).sharpened([1] * 12)
    found = np.fft.fftshift(found.numpy())

    seen = fitted & (expected > 30)

    def apart(one: np.ndarray) -> float:
        return float(np.abs(np.sqrt(one) - np.sqrt(coherent))[seen].mean())

    assert apart(found) < 0.6 * apart(counts)
    assert found[fitted].sum() == pytest.approx(counts[fitted].sum(), rel=0.02)


def test_an_object_that_explains_the_counts_is_left_alone():
    truth, expected, _ = known()
    coherent, expected = in_fft_order(np.abs(field(truth)) ** 2), in_fft_order(expected)
    bright = expected > 10
    every = torch.ones(SHAPE, dtype=torch.bool)
    found = Sharpening(expected, every, Forward(Blur(SIGMA))).renewed(coherent)
    assert torch.allclose(found[bright], coherent[bright], rtol=2e-3, atol=0.5)


def test_what_projections_aim_at_explains_the_counts_better_than_their_quotient():
    truth, expected, counts = known()
    coherent, photons = in_fft_order(np.abs(field(truth)) ** 2), in_fft_order(counts)
    aim = Sharpening(photons, torch.ones(SHAPE, dtype=torch.bool), Forward(Blur(SIGMA))).renewed(coherent)
    quotient = coherent * photons / in_fft_order(expected)

    def deviance(found: torch.Tensor) -> float:
        blurred = partly_coherent_of(found)
        return float(2 * (blurred - photons * torch.log(blurred)).sum())

    assert deviance(aim) < deviance(quotient) < deviance(coherent)


def test_the_middle_of_a_pattern_is_where_its_light_is():
    photons = known()[2]
    wide = np.pad(photons, ((20, 20), (0, 0), (30, 30)))
    data = Diffraction(wide)
    sides = data.lit
    assert sides[0] <= 40
    assert sides[2] <= 40
    part = middle(data.counts, sides)
    assert part.sum() > 0.99 * data.counts.sum()
    assert np.array_equal(np.fft.fftshift(part.numpy()), center(wide, part.shape))
    # what projections aim at changes there, and nowhere else
    aims = np.fft.fftshift(data.explained(Blur(SIGMA), 4 * part).modulus.numpy())
    fitted = np.fft.fftshift(data.measured.numpy()) >= 0
    inside = np.zeros(wide.shape, bool)
    center(inside, part.shape)[...] = True
    assert np.allclose(aims[fitted & inside] ** 2, 4 * wide[fitted & inside], rtol=1e-5)
    assert np.array_equal(aims[~inside | ~fitted], np.fft.fftshift(data.measured.numpy())[~inside | ~fitted])


def test_the_intensity_in_the_middle_is_that_of_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    objects = np.zeros((2, 40, 36, 45), complex)
    objects[:, 15:26, 14:22, 18:29] = rng.normal(size=(2, 11, 8, 11)) + 1j * rng.normal(size=(2, 11, 8, 11))
    monkeypatch.setattr(coherence, "FEW", 0)
    given = torch.from_numpy(np.fft.ifftshift(objects, (1, 2, 3)).astype(np.complex64))
    supports = torch.ones(given.shape, dtype=torch.bool)
    found = coherence.intensity(
        given, supports, (16, 12, 15), lambda *_: pytest.fail("the whole was computed")
    )
    found = np.fft.fftshift(found.numpy(), (1, 2, 3))
    for one, expected in zip(found, objects, strict=True):
        assert np.allclose(
            one, center(np.abs(field(expected)) ** 2, (16, 12, 15)), rtol=1e-3, atol=1e-3 * one.max()
        )


def test_light_that_fades_stays_a_number_that_processors_are_quick_with():
    """Richardson and Lucy's steps multiply what nothing asks for by next to nothing, again and again."""
    light = torch.full((1, 16, 16, 16), 1e-29)
    counts = torch.zeros(16, 16, 16)
    counts[0, 0, 0] = 1e4
    for backend in ("torch", "compiled") if find_spec("numba") else ("torch",):
        blurring = choose("cpu", backend).backend.blurring(Blur((0.4, 0.4, 0.4)), (16, 16, 16))
        found = blurring.explain(light, counts, None, None, [1.0] * 20)
        assert float(found.min()) >= np.finfo(np.float32).tiny, backend


def center(volume: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return volume[
        tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(volume.shape, shape, strict=True))
    ]


def test_estimates_are_taken_further_the_way_they_went():
    assert Seeker(None).further(Blur((0.31, 0.31, 0.0))).sigma_px == pytest.approx(
        (0.47, 0.47, 0.0), abs=0.02
    )

    def told(blur: Blur) -> Blur:
        """Say what objects tell that take two thirds, a half or nothing of what is missing upon themselves."""
        pairs = zip(blur.sigma_px, SIGMA, (1 / 3, 1 / 2, 1), strict=True)
        first, second, third = (np.sqrt(s**2 + share * (true**2 - s**2)) for s, true, share in pairs)
        return Blur((first, second, third))

    seeker = Seeker(Blur((0.3, 0.1, 0.8)))
    for _ in range(2):
        seeker.further(told(seeker.blur))
    assert seeker.blur.sigma_px == pytest.approx(SIGMA, abs=1e-3)


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
        q = partly_coherent(np.fft.fftshift(start + step * way), SIGMA)
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
    truth, expected, photons = known()
    data = Diffraction(photons, free_fraction=0.02)
    expected = np.maximum(np.fft.ifftshift(expected), data.floor)
    counts, free = data.counts.numpy().astype(float), data.is_held_out.numpy()
    deviance = expected - counts + np.where(counts > 0, counts * np.log(np.maximum(counts, 1) / expected), 0)
    one = torch.from_numpy(np.fft.ifftshift(truth).astype(np.complex64))
    blurred = data.explained(Blur(SIGMA))
    found = blurred.backend.sums(one[None], blurred, deviances=True)[0]
    assert found.held_out == pytest.approx(deviance[free].sum(), rel=1e-3)
    assert found.deviance == pytest.approx(deviance[~free].sum(), rel=1e-3)
    assert data.backend.sums(one[None], data, deviances=True)[0].deviance > 1.5 * found.deviance


@pytest.mark.parametrize(("algorithm", "close"), [("40*ER", 0.1), ("40*CG", 0.1), ("60*ADAM", 0.25)])
@pytest.mark.parametrize("backend", ["torch", "compiled"])
def test_every_algorithm_goes_on_to_the_crystal(algorithm, close, backend):
    truth, _, photons = known()
    support = np.abs(truth) > 0.05 * np.abs(truth).max()
    rng = np.random.default_rng(2)
    start = (truth * (1 + 0.3 * rng.normal(size=SHAPE)) * np.exp(0.4j * rng.normal(size=SHAPE))).astype(
        np.complex64
    )
    starts = Starts((start * support)[None], support[None])
    plan = Refinement(algorithm=algorithm, shrink_wrap=ShrinkWrap(every=0), softness=0)
    data = Diffraction(photons, backend=backend)
    plain = finish(refine(data, starts, plan))[1]
    found = finish(refine(data.explained(Blur((0.4, 0.4, 0.4))), starts, plan, coherence="gaussian"))[1]
    assert found.blur is not None
    assert found.blur.sigma_px == pytest.approx(SIGMA, rel=close)
    assert found.figures["free_llk"] < 0.7 * plain.figures["free_llk"]
    assert likeness(found.object, truth) > max(0.97, likeness(plain.object, truth) + 0.01)
    fixed = finish(refine(data.explained(Blur(SIGMA)), starts, plan, coherence="given"))[1]
    assert fixed.blur == Blur(SIGMA)


@pytest.mark.parametrize(
    ("seed", "kind", "widths"), [(12, "winterbottom", (0.5, 0.4, 0.6)), (5, "scattered", (0.5, 0.5, 0.5))]
)
def test_fast_finds_crystals_and_the_widths_in_partly_coherent_light(seed, kind, widths, monkeypatch):
    truth = simulate(seed, 40, kind=kind, coherence=widths, peak=1e5, oversampling=(3.0, 3.2, 2.8))
    fast = Recipe.from_preset("fast")
    found = run(truth.scan, fast.with_settings({"model.coherence": "estimate"}))
    monkeypatch.setattr(attempts, "is_enough", lambda *_: True)  # what is found without is not phased again
    plain = run(truth.scan, fast.with_settings({"model.coherence": "off"}))
    assert likeness(found.object, truth.object) > max(0.97, likeness(plain.object, truth.object) + 0.01)
    assert found.coherence.kind == "gaussian"
    assert found.coherence.sigma_px == pytest.approx(widths, rel=0.1)
    assert found.figures["free_llk"] < 0.8 * plain.figures["free_llk"]
    assert plain.coherence.kind == "off"


def test_a_blur_along_one_axis_is_found_where_it_is_looked_for():
    """Begun at a mixture with the twin, which asks for a blur that is nearly as wide along another axis."""
    truth = crystal(SHAPE, phase=2.0, seed=5)
    seen = partly_coherent(truth, (0.8, 0.2, 0.2))
    data = Diffraction(np.random.default_rng(0).poisson(seen * (1e5 / seen.max())).astype(np.float32))
    shapes = random_phases(ndimage.binary_dilation(np.abs(truth) > 0.05)[None], 4, 0)
    choice = Guess(rounds=1, starts=4)
    mixed = finish(search(data, shapes, choice, 0))[1]
    (found, blur), (other, _) = (
        finish(settle(data, mixed, shapes, choice, (1.0, 1.0, 1.0), 0, doubted=True, others=tried))[1]
        for tried in ((*WIDE, *NARROW), WIDE)
    )
    # by computer 0.69, 0.95 or 0.98, and 0.79 or 0.88
    assert likeness(mixed.object, truth) < 0.8
    assert likeness(found.object, truth) > max(0.9, likeness(other.object, truth) + 0.05)
    assert np.argmax(blur.sigma_px) == 0


def test_no_blur_is_sought_of_an_even_crystal_that_tells_of_none(monkeypatch):
    """A doubt alone makes phasing look at it again: in blurred light it would not be even."""
    truth = crystal(SHAPE, phase=2.0, seed=5)
    photons = np.random.default_rng(0).poisson(intensity(truth) * (1e5 / intensity(truth).max()))
    data = Diffraction(photons.astype(np.float32))
    support = ndimage.binary_dilation(np.abs(truth) > 0.05)
    begun = Starts(truth[None].astype(np.complex64), support[None])
    found = finish(refine(data, begun, Refinement(algorithm="10*ER")))[1]
    choice, told = Guess(rounds=1, starts=0), {}
    for anyhow in (False, True):
        job = settle(data, found, found.kept, choice, (1.0, 1.0, 1.0), 0, doubted=True, anyhow=anyhow)
        told[anyhow], (same, blur) = finish(job)
        assert same is found
        assert blur is None
    assert len(told[True]) > 3 * len(told[False])
    # were it less even than that, one would be
    monkeypatch.setitem(settle.__globals__, "EVEN", 0.0)
    told["uneven"], _ = finish(settle(data, found, found.kept, choice, (1.0, 1.0, 1.0), 0, doubted=True))
    assert len(told["uneven"]) > 3 * len(told[False])


@pytest.mark.parametrize("seed", [6, 12])
def test_crystals_are_found_in_light_whose_blur_is_given(seed, monkeypatch):
    monkeypatch.setattr(attempts, "is_enough", lambda *_: True)
    widths = (0.8, 0.8, 0.8)
    truth = simulate(seed, 40, kind="wulff", coherence=widths, peak=1e5, oversampling=(3.0, 3.2, 2.8))
    found = run(truth.scan, Recipe.from_preset("fast").with_settings({"model.coherence": widths}))
    assert likeness(found.object, truth.object) > 0.98
    assert found.coherence.sigma_px == widths


def test_coherent_light_is_phased_as_it_always_was():
    truth = simulate(24, 40, kind="cut", peak=1e5, oversampling=(3.0, 3.0, 3.0))
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


@pytest.mark.parametrize("shape", [(12, 10, 18), (9, 16, 7), (64, 8, 30)])
@pytest.mark.parametrize(
    "blur",
    [
        Blur((0.4, 0.7, 0.0)),
        Blur((2.4, 0.7, 0.5)),
        Blur((0.8, 0.3, 0.6), 0.2, (0.5, -0.3, 0.1)),
        Blur((0.5, 0.5, 0.5), kernel=Kernel(torch.tensor([0.1, 0.8, 0.1]).view(1, 3, 1))),
    ],
    ids=["narrow", "wide", "oblique", "free"],
)
def test_compiled_functions_blur_as_double_precision_does(shape, blur):
    pytest.importorskip("numba")

    volumes = np.random.default_rng(4).random((2, *shape)).astype(np.float32)
    degree = blur.shortened().degree(shape, torch.device("cpu")).double().numpy()
    expected = np.fft.irfftn(
        np.fft.rfftn(volumes.astype(float), axes=(1, 2, 3)) * degree, s=shape, axes=(1, 2, 3)
    )
    convolve = choose("cpu", "compiled").backend.blurring(blur, shape)
    for _ in range(2):  # what is kept between two calls changes nothing
        assert np.abs(convolve(torch.from_numpy(volumes)).numpy() - expected).max() < 2e-6


@pytest.mark.parametrize("sigma", [0.15, 0.3, 0.5, 0.8, 1.3, 2.0])
@pytest.mark.parametrize("backend", ["torch", "compiled"])
def test_short_kernels_dim_waves_as_a_gaussian_does(backend, sigma):
    if backend == "compiled":
        pytest.importorskip("numba")

    side, turns = 40, np.arange(17)[:, None] / 40  # frequencies up to 0.4
    waves = np.cos(2 * np.pi * turns * np.arange(side))
    expected = np.exp(-2 * (np.pi * turns * sigma) ** 2) * waves
    first = choose("cpu", backend).backend.blurring(Blur((sigma, 0.0, 0.0)), (side, 3, 5))
    last = choose("cpu", backend).backend.blurring(Blur((0.0, 0.0, sigma)), (5, 3, side))
    volumes = torch.from_numpy(waves.astype(np.float32))
    found = (
        first(volumes[:, :, None, None].expand(-1, -1, 3, 5)),
        last(volumes[:, None, None, :].expand(-1, 5, 3, -1)),
    )
    assert np.abs(found[0].numpy() - expected[:, :, None, None]).max() < 2e-3
    assert np.abs(found[1].numpy() - expected[:, None, None, :]).max() < 2e-3


@pytest.mark.parametrize("shape", [(12, 10, 18), (9, 16, 7), (64, 8, 32)])
@pytest.mark.parametrize("background", ["none", "flat", "volume"])
@pytest.mark.parametrize("whole", [True, False])
def test_compiled_functions_step_as_richardson_and_lucy_do(shape, background, whole):
    pytest.importorskip("numba")

    generator = np.random.default_rng(7)
    counts = generator.poisson(generator.exponential(20, shape)).astype(np.float32)
    light = generator.exponential(20, (2, *shape)).astype(np.float32)
    blur = Blur((0.4, 0.7, 0.5))
    dark = {"none": None, "flat": 0.7, "volume": generator.random(shape)}[background]
    weight = None if whole else generator.uniform(0.2, 1, shape)
    gain = blur.shortened().degree(shape, torch.device("cpu")).double().numpy()

    def blurred(volume):
        return np.fft.irfftn(np.fft.rfftn(volume, axes=(1, 2, 3)) * gain, s=shape, axes=(1, 2, 3))

    expected = light.astype(float)
    for length in (1.4, 2.6, 1.0):
        ratio = counts / np.maximum(np.maximum(blurred(expected), 0) + (0 if dark is None else dark), 0.1)
        factor = blurred(np.minimum(ratio, 4)) / (1 if whole else weight)
        expected *= np.clip(1 + length * (factor - 1), 0, 4)
    given = [
        None if value is None else torch.as_tensor(value, dtype=torch.float32) for value in (dark, weight)
    ]
    before = torch.from_numpy(light.copy())
    for backend in ("torch", "compiled"):
        ready = choose("cpu", backend).backend.blurring(blur, shape)
        found = ready.explain(before, torch.from_numpy(counts), *given, (1.4, 2.6, 1.0)).numpy()
        assert np.abs(found - expected).max() < 1e-4 * expected.max()
    assert np.array_equal(before.numpy(), light)


def test_a_blur_that_came_of_what_is_rather_not_the_crystal_is_said_to():
    recipe = Recipe.from_preset("iterative").with_settings({"refine.algorithm": "20*ER", "device": "cpu"})
    faint = simulate(4, 32, peak=2e3, phase_range=9.0, coherence=0.7)  # and not found
    found = run(faint.scan, recipe.with_settings({"model.coherence": "estimate"}))
    assert max(found.coherence.sigma_px) > 0.3
    assert found.figures["confidence"] < 0.3
    said = f"estimated with a confidence of {100 * found.figures['confidence']:.0f} % that the object is the crystal"
    assert any(said in note for note in found.notes)
    for known in ([0.5, 0.5, 0.5], "off"):
        other = run(faint.scan, recipe.with_settings({"model.coherence": known}))
        assert not any("confidence" in note for note in other.notes)
        assert any(
            note.startswith("The light is taken as the recipe says (model.coherence)") for note in other.notes
        )
    bright = simulate(4, 32, peak=1e5, phase_range=1.0, coherence=(0.5, 0.5, 0.5))
    found = run(bright.scan, Recipe().with_settings({"model.coherence": "estimate", "device": "cpu"}))
    assert found.figures["confidence"] > 0.8
    assert not any("confidence" in note for note in found.notes)


def test_widths_and_a_background_that_keep_a_scan_from_being_explained_are_named():
    bright = simulate(4, 32, peak=1e5, phase_range=1.0)
    recipe = Recipe().with_settings({"device": "cpu", "guess.polish": "", "refine.algorithm": "40*ER"})
    wrong = {"model.coherence": [1.2, 1.2, 1.2], "model.background": 20.0}
    found = run(bright.scan, recipe.with_settings(wrong))
    assert any(
        "as the recipe says (model.coherence and model.background)" in note
        and "compare with model.coherence=estimate model.background=estimate" in note
        for note in found.notes
    )
    right = run(
        bright.scan, recipe.with_settings({"model.background": 0.0, "model.coherence": [0.0, 0.0, 0.0]})
    )
    assert not any("recipe says" in note for note in right.notes)

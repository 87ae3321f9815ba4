"""Blurs that no Gaussian along the array's axes describes: an oblique one, and a crystal that trembles between a few places.

The measured intensity is a sum of shifted copies of the coherent one, added up in reciprocal space itself.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from phasing_crystals import crystal, field, finish, likeness
from test_phasing_coherence import in_fft_order

from napari_autophase import Recipe, formats, report, run
from napari_autophase.light import Coherence
from napari_autophase.phasing import Blur, Diffraction, Phased, Starts, refine, reshape
from napari_autophase.phasing.coherence import estimate
from napari_autophase.recipe import Refinement, ShrinkWrap
from napari_autophase.simulation import simulate

SHAPE = (32, 32, 32)
COVARIANCE = np.array([[1.44, 0.6, 0.0], [0.6, 1.0, -0.2], [0.0, -0.2, 0.81]])
SIGMA = np.sqrt(np.diag(COVARIANCE))
CORRELATIONS = (0.6 / 1.2, 0.0, -0.2 / 0.9)
TREMBLING = {(0, 0, 0): 0.5, (1, 1, 0): 0.25, (-1, -1, 0): 0.25}
"""Shares of the light, by how many pixels it is displaced."""
EVERYWHERE = torch.ones(SHAPE, dtype=torch.bool)


def displaced(intensity: np.ndarray, shares: dict[tuple[int, int, int], float]) -> np.ndarray:
    return sum(share * np.roll(intensity, place, (0, 1, 2)) for place, share in shares.items())


def oblique() -> dict[tuple[int, int, int], float]:
    inverse = np.linalg.inv(COVARIANCE)
    places = list(product(range(-4, 5), repeat=3))
    heights = {p: float(np.exp(-0.5 * np.array(p) @ inverse @ np.array(p))) for p in places}
    total = sum(heights.values())
    return {p: height / total for p, height in heights.items() if height > 1e-6}


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """Return a crystal whose brightest pixel has 1e5 photons."""
    object = crystal(SHAPE, phase=2.0)
    return object * np.sqrt(1e5 / (np.abs(field(object)) ** 2).max())


@pytest.fixture(scope="module")
def coherent(truth) -> np.ndarray:
    return np.abs(field(truth)) ** 2


def photons(expected: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).poisson(expected).astype(np.float32)


def test_an_oblique_gaussian_is_the_sum_of_displaced_intensities(coherent):
    expected = displaced(coherent, oblique())
    blur = Blur(tuple(SIGMA), correlations=CORRELATIONS)
    found = np.fft.fftshift(blur(in_fft_order(coherent)).numpy())
    straight = np.fft.fftshift(Blur(tuple(SIGMA))(in_fft_order(coherent)).numpy())
    assert np.abs(found - expected).max() < 0.01 * expected.max()
    assert np.abs(straight - expected).max() > 0.03 * expected.max()


def test_widths_and_correlations_are_found_from_noisy_counts(coherent):
    counts = in_fft_order(photons(displaced(coherent, oblique())))
    found = estimate(in_fft_order(coherent), counts, EVERYWHERE, shape="oblique")
    assert found.sigma_px == pytest.approx(SIGMA, rel=0.03)
    assert found.correlations == pytest.approx(CORRELATIONS, abs=0.03)


def test_a_kernel_is_found_pixel_by_pixel(coherent):
    counts = in_fft_order(photons(displaced(coherent, TREMBLING)))
    hidden = torch.zeros(SHAPE, dtype=torch.bool)
    hidden[3:5, 2:4] = True
    counts[hidden] = 1e6  # what is not fitted does not matter
    weights = estimate(in_fft_order(coherent), counts, ~hidden, shape="free").kernel.weights
    middle = np.array(weights.shape) // 2
    assert float(weights.sum()) == pytest.approx(1, abs=1e-5)
    assert torch.equal(weights, weights.flip((0, 1, 2)))
    for place, share in TREMBLING.items():
        assert float(weights[tuple(middle + place)]) == pytest.approx(share, abs=0.03)
    assert float(weights[tuple(middle + np.array((1, -1, 0)))]) < 0.01


def phased(truth: np.ndarray, expected: np.ndarray, begin: Blur, shape: str) -> Phased:
    data = Diffraction(photons(expected)).explained(begin)
    support = np.abs(truth) > 0.05 * np.abs(truth).max()
    start = truth * np.exp(0.4j * np.random.default_rng(2).normal(size=SHAPE)) * support
    starts = Starts(start.astype(np.complex64)[None], support[None])
    plan = Refinement(algorithm="60*ER", shrink_wrap=ShrinkWrap(every=0))
    return finish(refine(data, starts, plan, coherence=shape))[1]


def test_phasing_finds_crystal_and_kernel(truth, coherent):
    expected, begin = displaced(coherent, TREMBLING), Blur((0.5, 0.5, 0.1))
    free, gaussian = (phased(truth, expected, begin, shape) for shape in ("free", "gaussian"))
    weights = free.blur.kernel.weights
    middle = np.array(weights.shape) // 2
    assert float(weights[tuple(middle + np.array((1, 1, 0)))]) > 0.15
    assert float(weights[tuple(middle + np.array((1, -1, 0)))]) < 0.03
    assert free.figures["free_llk"] < 0.7 * gaussian.figures["free_llk"]
    assert likeness(free.object, truth) > 0.985 > likeness(gaussian.object, truth)


def test_phasing_finds_crystal_and_correlations(truth, coherent):
    expected, begin = displaced(coherent, oblique()), Blur((0.8, 0.8, 0.8))
    slanted, gaussian = (phased(truth, expected, begin, shape) for shape in ("oblique", "gaussian"))
    assert slanted.blur.correlations == pytest.approx(CORRELATIONS, abs=0.1)
    assert slanted.blur.sigma_px == pytest.approx(SIGMA, rel=0.1)
    assert slanted.figures["free_llk"] < 0.8 * gaussian.figures["free_llk"]
    assert likeness(slanted.object, truth) > 0.98 > likeness(gaussian.object, truth)


def test_another_shape_is_taken_only_if_it_explains_unseen_pixels_better(truth, coherent):
    expected, begin = displaced(coherent, TREMBLING), Blur((0.5, 0.5, 0.1))
    gaussian = phased(truth, expected, begin, "gaussian")
    data = Diffraction(photons(expected))
    free = finish(reshape(data, gaussian, "free"))[1]
    assert free.blur.kernel is not None
    assert free.figures["free_llk"] < 0.8 * gaussian.figures["free_llk"]
    assert free.iterations == len(free.errors) > len(gaussian.errors)
    # as an oblique Gaussian it runs away
    slanted = finish(reshape(data, gaussian, "oblique"))[1]
    assert slanted.object is gaussian.object
    assert slanted.blur == gaussian.blur
    assert "oblique" in slanted.notes[-1]


@pytest.mark.parametrize("kernel", ["oblique", "free"])
def test_results_hold_the_blur_and_go_on_with_it(kernel, tmp_path):
    simulated = simulate(5, 32, coherence=0.8, peak=1e5)
    recipe = Recipe.from_preset("iterative").with_settings(
        {"refine.algorithm": "60*ER", "model.kernel": kernel, "refine.averaged": 0}
    )
    found = run(simulated.scan, recipe)
    assert found.coherence.kind == kernel
    found.save(tmp_path / "one.cxi")
    again = formats.read_reconstruction(tmp_path / "one.cxi")
    assert again.coherence == found.coherence
    assert (again.coherence.kernel is None) == (kernel == "oblique")
    if kernel == "free":
        np.testing.assert_array_equal(again.coherence.kernel, found.coherence.kernel)
    onwards = run(simulated.scan, recipe.with_settings({"refine.algorithm": "10*ER"}), begin=again)
    assert onwards.coherence.kind == kernel
    assert onwards.figures["free_llk"] < 1.05 * found.figures["free_llk"]


def test_the_report_s_model_is_blurred_by_the_same(coherent):
    for light, shares in (
        (Coherence("oblique", tuple(SIGMA), correlations=CORRELATIONS), oblique()),
        (Coherence("free", (0.7, 0.7, 0.0), kernel=_as_volume(TREMBLING)), TREMBLING),
    ):
        spectrum = np.fft.rfftn(coherent)
        along = np.meshgrid(
            np.fft.fftfreq(32), np.fft.fftfreq(32), np.fft.rfftfreq(32), indexing="ij", sparse=True
        )
        found = np.fft.irfftn(spectrum * report.seen._degree(light, SHAPE, along), SHAPE, (0, 1, 2))
        expected = displaced(coherent, shares)
        assert np.abs(found - expected).max() < 0.01 * expected.max()


def _as_volume(shares: dict[tuple[int, int, int], float]) -> np.ndarray:
    volume = np.zeros((5, 5, 3), np.float32)
    for place, share in shares.items():
        volume[tuple(np.array(volume.shape) // 2 + place)] = share
    return volume

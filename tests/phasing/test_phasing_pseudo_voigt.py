"""A blur with longer tails than a Gaussian's, against its closed form along one axis: a wrapped normal and a wrapped Cauchy
distribution, convolved in reciprocal space itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from phasing_crystals import crystal, field, finish, likeness
from test_phasing_coherence import in_fft_order

from napari_autophase import Recipe, formats, run
from napari_autophase.phasing import Blur, Diffraction, Starts, refine
from napari_autophase.phasing.coherence import estimate
from napari_autophase.recipe import Refinement, ShrinkWrap
from napari_autophase.simulation import simulate

SIGMA, SHARE, SHAPE = 1.0, 0.3, (32, 32, 32)


def kernel(n: int, sigma: float, share: float) -> np.ndarray:
    """Return a pseudo-Voigt function of n pixels, periodic, its maximum at 0: equally wide parts at half their heights."""
    x = np.arange(n)
    gaussian = sum(np.exp(-((x + m * n) ** 2) / (2 * sigma**2)) for m in range(-3, 4))
    gamma = 2 * math.pi * math.sqrt(2 * math.log(2)) * sigma / n
    cauchy = math.sinh(gamma) / (math.cosh(gamma) - np.cos(2 * math.pi * x / n)) / n
    return (1 - share) * gaussian / (math.sqrt(2 * math.pi) * sigma) + share * cauchy


def along_the_first_axis(intensity: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return sum(w * np.roll(intensity, k, 0) for k, w in enumerate(weights))


@pytest.fixture(scope="module")
def measured() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a crystal, the photons that are expected of it, and photons."""
    truth = crystal(SHAPE, phase=2.0)
    seen = along_the_first_axis(np.abs(field(truth)) ** 2, kernel(SHAPE[0], SIGMA, SHARE))
    scale = 1e5 / seen.max()
    photons = np.random.default_rng(0).poisson(seen * scale).astype(np.float32)
    return truth * np.sqrt(scale), seen * scale, photons


def test_a_blur_is_a_normal_and_a_cauchy_distribution(measured):
    truth, expected, _ = measured
    coherent = in_fft_order(np.abs(field(truth)) ** 2)
    found = np.fft.fftshift(Blur((SIGMA, 0.0, 0.0), SHARE)(coherent).numpy())
    gaussian = np.fft.fftshift(Blur((SIGMA, 0.0, 0.0))(coherent).numpy())
    assert np.abs(gaussian - expected).max() > 0.02 * expected.max(), "the tails are seen"
    assert np.abs(found - expected).max() < 1e-3 * expected.max()


def test_width_and_share_are_found_from_noisy_counts(measured):
    truth, _, photons = measured
    coherent, counts = in_fft_order(np.abs(field(truth)) ** 2), in_fft_order(photons)
    found = estimate(coherent, counts, torch.ones(SHAPE, dtype=torch.bool), shape="pseudo-voigt")
    assert found.sigma_px[0] == pytest.approx(SIGMA, rel=0.03)
    assert max(found.sigma_px[1:]) < 0.1
    assert found.lorentzian == pytest.approx(SHARE, abs=0.03)
    # a Gaussian alone has to be wider
    alone = estimate(coherent, counts, torch.ones(SHAPE, dtype=torch.bool))
    assert alone.lorentzian == 0
    assert alone.sigma_px[0] > 1.1 * SIGMA


def test_phasing_finds_crystal_and_tails(measured):
    truth, _, photons = measured
    support = np.abs(truth) > 0.05 * np.abs(truth).max()
    start = (truth * np.exp(0.4j * np.random.default_rng(2).normal(size=SHAPE)) * support).astype(
        np.complex64
    )
    data, starts = Diffraction(photons).explained(Blur((0.8, 0.0, 0.0))), Starts(start[None], support[None])
    plan = Refinement(algorithm="60*ER", shrink_wrap=ShrinkWrap(every=0))
    found, gaussian = (
        finish(refine(data, starts, plan, coherence=kernel))[1] for kernel in ("pseudo-voigt", "gaussian")
    )
    assert found.blur.lorentzian == pytest.approx(SHARE, abs=0.1)
    assert gaussian.blur.lorentzian == 0
    assert found.figures["free_llk"] < 0.9 * gaussian.figures["free_llk"]
    assert likeness(found.object, truth) > max(0.98, likeness(gaussian.object, truth))


def test_results_hold_the_tails_and_go_on_with_them(tmp_path):
    scan = simulate(5, 32, coherence=0.8, peak=1e5).scan
    recipe = Recipe.from_preset("iterative").with_settings(
        {"refine.algorithm": "60*ER", "model.kernel": "pseudo-voigt", "refine.averaged": 0}
    )
    found = run(scan, recipe)
    assert found.coherence.kind == "pseudo-voigt"
    assert 0 < found.coherence.lorentzian <= 0.5
    assert "Lorentzian" in found.coherence.words
    found.save(tmp_path / "one.cxi")
    again = formats.read_reconstruction(tmp_path / "one.cxi")
    assert again.coherence == found.coherence

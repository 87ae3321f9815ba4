"""How far results are trusted: noise, shells, averages, strain that reproduces and its error, and the words for it."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from napari_autophase.analysis import trust, twin
from napari_autophase.evidence import Curve, Trust
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import JUDGED, Reconstruction

SHEARED = np.array([[1.0, 0.4, 4.9], [0.6, 4.7, -0.8], [6.2, 1.1, 0.5]])
Q = np.array([6.0, 22.0, -13.0])
N = 32
INDEX = np.indices((N, N, N)) - N // 2


def ball(radius: float = 8.0) -> np.ndarray:
    return np.linalg.norm(INDEX, axis=0) < radius


def crystal(strain: float, seed: int = 1) -> np.ndarray:
    """A ball with a smooth phase of `strain` radians."""
    rng = np.random.default_rng(seed)
    r = INDEX / 8
    phase = sum(np.cos(np.tensordot(rng.normal(size=3), r, 1) * 2 + rng.uniform(0, 6)) for _ in range(3))
    # neither round nor its own inversion
    amplitude = ball() & (INDEX[0] + 0.5 * INDEX[1] < 4)
    return (amplitude * np.exp(1j * strain * phase)).astype(np.complex64)


def noisy(object: np.ndarray, size: float, seed: int) -> np.ndarray:
    """The object with complex noise of `size` in every voxel of its body."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=object.shape) + 1j * rng.normal(size=object.shape)
    return (object + size * noise * (np.abs(object) > 0)).astype(np.complex64)


@pytest.mark.parametrize("photons", [0.003, 0.05, 0.7, 1.0, 4.0, 28.0, 33.0, 1e4])
def test_the_likelihood_that_noise_leaves_is_that_of_drawn_counts(photons):
    counts = np.random.default_rng(3).poisson(photons, 400_000)
    logs = counts * np.log(np.where(counts > 0, counts / photons, 1))
    assert float(trust.expected_llk(np.array(photons))) == pytest.approx(
        (photons - counts + logs).mean(), rel=0.02
    )
    assert float(trust.llk_variance(np.array(photons))) == pytest.approx(
        (photons - counts + logs).var(), rel=0.04
    )


@pytest.mark.parametrize("moment", [trust.expected_llk, trust.llk_variance])
def test_no_photons_leave_no_likelihood_and_the_table_has_no_seams(moment):
    assert moment(np.array(0.0)) == 0
    for seam in (1e-4, 30.0):
        below, above = moment(np.array([0.999 * seam, 1.001 * seam]))
        assert below == pytest.approx(above, rel=0.02)


@pytest.mark.parametrize("peak", [3.0, 1000.0])
def test_the_noise_level_of_a_scan_is_what_its_true_pattern_leaves(peak):
    mean = peak * np.exp(-np.square(INDEX / 7).sum(0) / 2)
    counts = np.random.default_rng(5).poisson(mean).astype(np.float32)
    pixels = np.random.default_rng(6).random(mean.shape) < 0.3
    deviance = mean - counts + counts * np.log(np.where(counts > 0, counts, 1) / mean)
    good = np.ones(mean.shape, bool)
    good[:, 3] = False
    found = trust.noise_level(np.where(good, counts, 1e9), good, pixels & good)
    assert found == pytest.approx(deviance[pixels & good].mean(), rel=0.1)
    assert np.isnan(trust.noise_level(counts, good, np.zeros(mean.shape, bool)))


def test_runs_are_brought_onto_one_another_whatever_their_twin_shift_and_ramp():
    one = crystal(0.5)
    wave = np.exp(2j * np.pi * (INDEX[0] - INDEX[2]) / N * 0.4)
    moved = [one, np.roll(one, (2, -1, 3), (0, 1, 2)) * 3j, twin(one) * np.exp(1j), one * wave]
    found = trust.aligned(moved, one)
    assert min(found.agreements) > 0.99
    assert found.twins == (False, False, True, False)
    assert trust.agreement(found.objects) > 0.98
    assert np.isnan(trust.agreement(found.objects[:1]))


def test_the_first_mode_has_all_the_weight_of_equal_runs_and_an_equal_share_of_unlike_ones():
    one, *others = np.eye(4, 4**3).reshape(4, 4, 4, 4) + 0j
    assert trust.first_mode(np.stack([one, 2j * one, -one])) == pytest.approx(1)
    assert trust.first_mode(np.stack([one, *others])) == pytest.approx(1 / 4)
    # two that correlate to c: (1 + c)/2
    mixed = np.stack([one, 0.6 * one + 0.8 * others[0]])
    assert trust.first_mode(mixed) == pytest.approx(0.8)
    assert np.isnan(trust.first_mode(one[None]))


def test_modes_are_what_runs_have_in_common_and_how_they_differ():
    one, other = np.eye(2, 4**3).reshape(2, 4, 4, 4) * 3
    runs = np.stack([one + 0.5j * other, one - 0.5j * other, one]).astype(np.complex64)
    weights, modes = trust.modes(runs)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] == pytest.approx(trust.first_mode(runs))
    # the mean of the runs, and in phase with it; then what the first two differ by; nothing is left for a third
    alike = np.vdot(modes[0], runs.mean(0)) / np.linalg.norm(modes[0]) / np.linalg.norm(runs.mean(0))
    assert alike == pytest.approx(1, abs=1e-5)
    apart = np.abs(np.vdot(modes[1], other)) / np.linalg.norm(modes[1]) / np.linalg.norm(other)
    assert apart == pytest.approx(1, abs=1e-5)
    # rows of norm 1: (1, ±i/2)/√1.25 and 1, so that the second has 2 (0.25/1.25) of 3
    assert weights[1:] == pytest.approx([0.4 / 3, 0], abs=1e-6)


def test_frequencies_are_those_of_waves_in_the_laboratory():
    index = (3, 30, 1)  # FFT order: 3, −2 and 1 periods
    wave = np.fft.ifftn(np.eye(1, N**3, np.ravel_multi_index(index, (N,) * 3)).reshape((N,) * 3))
    step = SHEARED @ np.array([1, 1, 2])  # nm from a voxel to another
    f = np.linalg.solve(SHEARED.T, np.array([3, -2, 1]) / N)
    assert np.exp(2j * np.pi * (f @ step)) == pytest.approx(wave[1, 1, 2] / wave[0, 0, 0], abs=1e-9)
    assert trust.frequencies((N, N, N), SHEARED)[index] == pytest.approx(np.linalg.norm(f))
    assert trust.frequencies((N, N, N), None)[index] == pytest.approx(np.linalg.norm([3, 2, 1]) / N)


def test_a_point_is_smoothed_to_a_ball_of_half_height_at_half_the_width():
    point = np.zeros((N, N, N), np.complex64)
    point[N // 2, N // 2, N // 2] = 1
    wide = trust.smoothed(point, 22.0, SHEARED).real
    distance = np.linalg.norm(np.tensordot(SHEARED, INDEX, 1), axis=0)
    np.testing.assert_allclose(wide / wide.max(), 2.0 ** -((distance / 11) ** 2), atol=2e-3)
    assert wide.sum() == pytest.approx(1, rel=1e-4)
    assert trust.smoothed(point, 0.0, SHEARED) is point


def test_shells_correlate_as_far_as_two_objects_have_the_same_frequencies():
    rng = np.random.default_rng(8)
    shared, one, two = (rng.normal(size=(N,) * 3) + 1j * rng.normal(size=(N,) * 3) for _ in range(3))
    low = trust.frequencies((N,) * 3, None) < 0.25
    a, b = (np.fft.ifftn(np.where(low, np.fft.fftn(shared), np.fft.fftn(own))) for own in (one, two))
    frequency, correlation, threshold = trust.shell_correlation(a, b, None, 1.0)
    np.testing.assert_allclose(correlation[frequency < 0.23], 1, atol=1e-6)
    assert (correlation < threshold)[frequency > 0.3].all()
    curve = trust.fsc(a, b, None, 1.0)
    np.testing.assert_array_equal(curve.value, correlation)
    np.testing.assert_array_equal(curve.threshold, threshold)
    assert curve.resolution == pytest.approx(4, rel=0.1)


def test_the_resolution_is_where_a_curve_passes_its_threshold():
    frequency = np.arange(1, 6) / 10
    falling = Curve(frequency, np.array([1, 0.9, 0.7, 0.1, 0.6]), np.full(5, 0.5))
    assert falling.resolution == pytest.approx(1 / (0.3 + 0.1 * 0.2 / 0.6))
    assert falling.reached
    never = Curve(frequency, np.ones(5), np.full(5, 0.5))
    assert (never.resolution, never.reached) == (2, False)
    at_once = Curve(np.arange(5) / 10, np.zeros(5), np.full(5, 0.5))
    assert at_once.resolution == math.inf


def test_the_transfer_is_one_for_equal_runs_and_the_root_of_their_number_for_unlike_ones():
    rng = np.random.default_rng(9)
    runs = rng.normal(size=(16, 16, 16, 16)) + 1j * rng.normal(size=(16, 16, 16, 16))
    _, unlike = trust.transfer(runs, None)
    _, equal = trust.transfer(np.stack([runs[0]] * 4), SHEARED)
    np.testing.assert_allclose(equal, 1)
    # ⟨|Σ F|⟩ / ⟨Σ |F|⟩ of 16 Gaussian numbers
    np.testing.assert_allclose(unlike[3:], 1 / 4, atol=0.03)
    assert trust.prtf(np.stack([runs[0]] * 4), None).resolution == pytest.approx(2)


def assessed(object: np.ndarray, noise: float) -> Trust:
    """Trust in the mean of four, of which two are of each half and have `noise` more than the mean of all."""
    runs = [noisy(object, noise, seed) for seed in range(8)]
    mean = np.mean(runs[:4], 0)
    shares = np.array([0] * 4 + [1, 2, 1, 2])
    return trust.assess(
        mean, np.abs(object) > 0, trust.aligned(runs, mean).objects, shares, 0.3, np.diag([5.0, 5, 5]), Q
    )


def strain_of(object: np.ndarray, fwhm: float) -> np.ndarray:
    """∂u/∂Q̂ by central differences of the unsmeared phase, for comparison; NaN outside and at the surface."""
    smooth = trust.smoothed(object, fwhm, np.diag([5.0, 5, 5]))
    body = np.abs(object) > 0
    weights = -np.array([1, 1, 1]) * Q / (Q @ Q) / 5
    found = np.zeros(object.shape)
    for axis, weight in enumerate(weights):
        ahead, behind = np.roll(smooth, -1, axis), np.roll(smooth, 1, axis)
        found += weight * np.angle(ahead * np.conj(behind)) / 2
        body = body & np.roll(body, 1, axis) & np.roll(body, -1, axis)
    return np.where(body, found, np.nan)


def test_strain_is_given_where_halves_reproduce_it_and_is_the_true_one():
    truth = crystal(1.0)
    found = assessed(truth, 0.15)
    figures = found.figures
    assert figures["strain_correlation"] >= trust.REPRODUCES > figures["strain_correlation_per_voxel"]
    assert 5 < figures["strain_resolution"] < 40
    expected = strain_of(truth, figures["strain_resolution"])
    both = np.isfinite(expected) & np.isfinite(found.strain)
    assert np.corrcoef(found.strain[both], expected[both])[0, 1] > 0.95
    assert np.isnan(found.strain[np.abs(truth) == 0]).all()


@pytest.mark.parametrize("noise", [0.02, 0.25])
def test_strain_is_left_out_where_a_dislocation_runs(noise):
    """There it has no meaning: the slope grows as 1/r, and one voxel beside another it is of the other sign."""
    row, column = INDEX[1] - 0.5, INDEX[2] - 0.5
    found = assessed((crystal(0.3) * np.exp(1j * np.arctan2(row, column))).astype(np.complex64), noise)
    away = np.hypot(row, column)
    fwhm = found.figures["strain_resolution"] / 5
    assert (fwhm > 1) == (noise > 0.1)
    for values in (found.strain, found.strain_error):
        assert np.isnan(values[away < 0.9 * max(1.5, fwhm)]).all()
        inside = ball(6) & (INDEX[0] + 0.5 * INDEX[1] < 2)
        assert np.isfinite(values[inside & (away > 1.6 + max(1.5, fwhm))]).all()
    # 1/r beside the core, over |Q|, in voxels of 5 nm
    assert np.nanmax(np.abs(found.strain)) < 1 / np.linalg.norm(Q) / 5


def wave(size: float) -> np.ndarray:
    """A phase that strains the crystal back and forth."""
    return np.exp(1j * size * np.cos(INDEX[2] * 2 * np.pi / 7) * np.cos(INDEX[1] * 2 * np.pi / 9))


@pytest.mark.parametrize("bias", [0.0, 0.2])
def test_errors_are_those_that_are_made(bias):
    """Photon noise of a half goes into the whole by half; what phasing adds to both halves does not cancel between them."""
    truth = crystal(1.0)
    one, two = (noisy(truth, 0.15, seed) - truth for seed in (1, 2))
    whole = truth * wave(-bias / 2) + (one + two) / 2
    objects = [whole, whole, truth * wave(bias / 2) + one, truth * wave(bias / 2) + two]
    runs = trust.aligned([each.astype(np.complex64) for each in objects], whole)
    steps = np.diag([5.0, 5, 5])
    body = np.abs(truth) > 0
    found = trust.assess(whole, body, runs.objects, np.array([0, 0, 1, 2]), 0.3, steps, Q)
    expected = strain_of(truth, found.figures["strain_resolution"])
    off = found.strain - expected
    off -= np.nanmean(off)
    known = np.isfinite(off)
    covered = (np.abs(off) < 2 * found.strain_error)[known].mean()
    assert 0.9 < covered <= 0.995
    made = np.sqrt(np.mean(off[known] ** 2))
    assert np.sqrt(np.mean(found.strain_error[known] ** 2)) == pytest.approx(made, rel=0.4)
    for name in ("amplitude_error", "phase_error"):
        values = getattr(found, name)
        assert (values[np.isfinite(found.strain)] > 0).all()
        assert np.nanmax(values) < 0.2


@pytest.mark.parametrize(("bootstraps", "known"), [(0, False), (3, True)])
def test_what_phasing_does_to_every_run_is_an_error_once_it_is_bootstrapped(bootstraps, known):
    truth = crystal(1.0)
    one, two = (noisy(truth, 0.05, seed) - truth for seed in (1, 2))
    found = truth * wave(-0.3)
    objects = [found + (one + two) / 2, found + one, found + two]
    # phased again, what was found is off by as much again
    objects += [found * wave(-0.3) + (noisy(truth, 0.05, 3 + n) - truth) for n in range(bootstraps)]
    runs = np.stack(objects).astype(np.complex64)
    shares, steps = np.array([0, 1, 2] + [trust.BOOTSTRAPPED] * bootstraps), np.diag([5.0, 5, 5])
    told = trust.assess(runs[0], np.abs(truth) > 0, runs, shares, 0.3, steps, Q)
    off = told.strain - strain_of(truth, told.figures["strain_resolution"])
    off -= np.nanmean(off)
    covered = (np.abs(off) < 2 * told.strain_error)[np.isfinite(off)].mean()
    assert (covered > 0.9) == known
    assert known or covered < 0.7


@pytest.fixture(scope="module")
def kept():
    """A result with the runs that it is the mean of, one of which was left out."""
    truth = crystal(1.0)
    rows = [{"kept": 1.0, "share": float(share)} for share in (0, 0, 0, 0, 1, 2, 1, 2)]
    rows.insert(2, {"kept": 0.0, "share": 0.0})
    known = replace(assessed(truth, 0.15), runs=tuple(rows), unit="nm")
    mean = np.mean([noisy(truth, 0.15, seed) for seed in range(4)], 0)
    return replace(result(), object=mean, support=np.abs(truth) > 0, trust=known)


def test_runs_in_a_result_are_judged_as_they_were(kept):
    again = trust.reassessed(kept, np.diag([5.0, 5, 5]), Q)
    np.testing.assert_array_equal(again.strain, kept.trust.strain)
    assert again.figures == pytest.approx(kept.trust.figures)
    assert (again.runs, again.unit) == (kept.trust.runs, "nm")
    # an older version kept none
    old = replace(kept, trust=replace(kept.trust, objects=None))
    assert trust.reassessed(old, SHEARED, Q) is None


@pytest.mark.parametrize("steps", [SHEARED, None], ids=["sheared", "none"])
def test_runs_in_a_result_are_judged_in_another_geometry(kept, steps):
    after = trust.reassessed(kept, steps, None if steps is None else Q)
    assert after.unit == ("voxels" if steps is None else "nm")
    assert not np.allclose(after.strain, kept.trust.strain, equal_nan=True)
    # correlations of whole objects know no geometry
    assert after.figures["agreement"] == pytest.approx(kept.trust.figures["agreement"])
    finest = 1.0 if steps is None else abs(np.linalg.det(steps)) ** (1 / 3)
    assert finest <= after.figures["strain_resolution"] < 8 * finest


def test_a_crystal_that_is_nearly_its_own_twin_is_said_to_be():
    even = (ball() * np.exp(0.3j * np.cos(INDEX[0] / 3))).astype(np.complex64)
    odd = crystal(1.5)
    rows = tuple({"share": 0.0, "kept": 1.0} for _ in range(4))
    said, shares = {}, {}
    for name, object in (("even", even), ("odd", odd)):
        found = replace(assessed(object, 0.02), runs=rows)
        upright = (
            max(
                abs(np.vdot(np.roll(twin(object), shift, (0, 1, 2)), object))
                for shift in np.ndindex(3, 3, 3)
                for shift in [tuple(np.array(shift) - 1)]
            )
            / np.vdot(object, object).real
        )
        assert found.figures["twin_likeness"] >= upright - 0.05
        said[name] = trust.verdict({"free_llk": 0.6, "noise_llk": 0.5}, found)
        shares[name] = found.figures["strain_error"] / found.figures["strain_spread"]
    # an even phase has the other sign in the twin: as far as the moduli tell it is right by a half, or off by twice its size
    assert shares["even"] == pytest.approx(np.sqrt(2), rel=0.15)
    assert shares["odd"] < 0.4
    assert "nearly its own twin" in said["even"]
    assert "may be too small where photons are few" in said["even"]
    assert "nearly its own twin" not in said["odd"]


def test_of_an_unstrained_crystal_no_strain_is_said_to_stand_above_its_error():
    found = assessed(crystal(0.0), 0.15)
    assert found.figures["strain_correlation"] < 0.5
    rows = tuple({"share": 0.0, "kept": 1.0} for _ in range(4))
    words = trust.verdict({"free_llk": 0.6, "noise_llk": 0.5}, replace(found, runs=rows, unit="nm"))
    assert words.startswith("Converged")
    assert "No strain stands above its error" in words


@pytest.mark.parametrize(
    ("ratio", "word"), [(1.0, "Converged"), (2.9, "Converged"), (3.5, "Doubtful"), (20.0, "Not converged")]
)
def test_a_verdict_is_a_matter_of_photon_noise(ratio, word):
    assert trust.verdict({"free_llk": ratio * 0.3, "noise_llk": 0.3}).startswith(word + ":")


def test_a_bright_scan_converges_where_hardly_any_light_is_unexplained():
    """Right and wrong crystals of 1e7 and 1e8 photons: correlations with the truth 0.999, 0.89 and 0.65."""
    bright = {"noise_llk": 0.5}
    assert trust.verdict({**bright, "free_llk": 138, "free_photons": 130_810}).startswith("Converged: of the")
    assert trust.explains({**bright, "free_llk": 138, "free_photons": 130_810})
    for unseen in (208, 2895):
        figures = {**bright, "free_llk": unseen, "free_photons": 8730}
        assert trust.verdict(figures).startswith("Not converged")
        assert not trust.explains(figures)
    assert trust.explains({"chi2": 0.5})


@pytest.mark.parametrize("chi2", [0.6, 3995.0])
def test_a_fit_that_is_worse_than_no_fit_has_not_converged(chi2):
    """Held-out pixels with hardly a photon are explained by any darkness."""
    figures = {"chi2": chi2, "free_llk": 0.004, "noise_llk": 0.004, "free_photons": 0.0005}
    assert trust.verdict(figures).startswith("Not converged")
    assert not trust.explains(figures)
    assert trust.verdict({**figures, "chi2": 0.4}).startswith("Converged")


def test_without_held_out_pixels_there_is_no_verdict():
    assert trust.verdict({"chi2": 0.01}) == ""


def result(**changes) -> Reconstruction:
    recipe = Recipe().with_settings(changes.pop("settings", {}))
    known = {"counts": "a", JUDGED: "x", **changes}
    return Reconstruction(np.zeros((4, 4, 4)), np.zeros((4, 4, 4)), recipe, {}, used_sha256=known)


def test_figures_that_cannot_be_compared_say_why():
    one = result()
    assert trust.incomparable(one, result(settings={"seed": 3, "refine.starts": 2})) is None
    cropped = result(**{JUDGED: "y"}, settings={"prepare.crop": [32, 32, 32]})
    assert "crop None and (32, 32, 32)" in trust.incomparable(one, cropped)
    assert "masks differ" in trust.incomparable(one, result(mask="m", **{JUDGED: "y"}))
    assert "different scans" in trust.incomparable(one, result(counts="b", **{JUDGED: "y"}))
    assert "held out" in trust.incomparable(
        one, result(**{JUDGED: "y"}, settings={"refine.free_fraction": 0.1})
    )
    old = replace(one, used_sha256={"counts": "a"})
    assert "older version" in trust.incomparable(one, old)


def test_two_results_are_ranked_by_the_same_pixels_or_not_at_all():
    good, worse = (
        replace(result(), figures={"free_llk": value}, name=name)
        for value, name in ((0.36, "a"), (0.46, "b"))
    )
    assert trust.ranked_in_words(worse, good) == "0.46 and 0.36 in the same pixels: a explains them better"
    elsewhere = replace(result(counts="b", **{JUDGED: "y"}), figures={"free_llk": 0.1}, name="c")
    assert "0.36 and 0.1, which cannot be ranked: they are of different scans" in trust.ranked_in_words(
        good, elsewhere
    )
    assert trust.ranked_in_words(good, result()) == ""


def pattern(peak: float) -> np.ndarray:
    """A smooth expectation with a bright middle and a faint edge."""
    return peak / (1 + np.square(INDEX / 2.5).sum(0)) ** 2


def shell_of(index: np.ndarray) -> np.ndarray:
    """Frequency of places around the middle, in 1/nm, from the phase that a wave gains along each voxel step."""
    f = np.linalg.solve(SHEARED.T, (index / N).reshape(3, -1))
    return np.linalg.norm(f, axis=0).reshape(index.shape[1:])


def moments_of(photons: float) -> tuple[float, float]:
    """Mean and variance of the deviance of Poisson counts about what is expected, count by count."""
    share, mean, square = math.exp(-photons), 0.0, 0.0
    for count in range(int(photons + 30 * math.sqrt(photons) + 30)):
        if count:
            share *= photons / count
        deviance = 2 * (photons - count + (count * math.log(count / photons) if count else 0))
        mean, square = mean + share * deviance, square + share * deviance**2
    return mean, square - mean**2


NOBODY = np.zeros((N, N, N), bool)


def test_the_deviance_of_every_shell_is_measured_by_what_noise_leaves_of_it():
    length, last = shell_of(INDEX), 0.5 / np.linalg.norm(SHEARED, axis=0).max()
    levels = (300.0, 20.0, 2.0, 0.3, 0.01)
    edges = np.array([4, 7, 10, 13]) / 16 * last
    mean = np.array(levels)[np.digitize(length, edges)].astype(np.float32)
    counts = np.random.default_rng(4).poisson(mean).astype(np.float32)
    shells, _ = trust.explained(counts, mean, ~NOBODY, NOBODY, 1e-5, SHEARED)
    for number, level in enumerate(levels):
        inside = np.digitize(shells.frequency, edges) == number
        expected, variance = moments_of(level)
        np.testing.assert_allclose(shells.expected[inside], expected, rtol=5e-3)
        np.testing.assert_allclose(
            shells.expected_error[inside] ** 2 * shells.voxels[inside], variance, rtol=0.02
        )
        np.testing.assert_allclose(shells.photons[inside], level, rtol=0.5)
    assert moments_of(300.0)[0] == pytest.approx(1, abs=2e-3)  # of many counts
    off = (shells.deviance - shells.expected) / shells.expected_error
    assert (np.abs(off) < 3.5).all()
    assert 0.5 < off.std() < 1.6


@pytest.mark.parametrize("peak", [30.0, 1e3, 1e6])
def test_a_model_that_is_right_is_off_by_noise_in_every_shell(peak):
    mean = pattern(peak)
    counts = np.random.default_rng(2).poisson(mean).astype(np.float32)
    good = np.random.default_rng(3).random(mean.shape) > 0.1
    spoilt = np.where(good, counts, 0).astype(np.float32)  # what is masked must not matter
    shells, ratio = trust.explained(spoilt, mean.astype(np.float32), good, NOBODY, 1e-4, SHEARED)
    assert ratio == pytest.approx(1, abs=0.03)
    assert (np.abs(shells.deviance - shells.expected) < 4 * shells.expected_error).all()
    assert shells.voxels.sum() <= good.sum()
    assert "well at every resolution" in trust.shells_in_words(shells)
    assert np.isnan(shells.free_deviance).all()
    assert shells.document()["free_deviance"] == [None] * len(shells.frequency)
    assert shells.document()["unit"] == "1/nm"


def test_many_photons_show_what_hardly_matters():
    """A model that is off by 3 %, so that 1/4400 of the light is in the wrong place, which a million photons show."""
    mean = pattern(1e6)
    shells, _ = trust.explained(
        mean.astype(np.float32), (1.03 * mean).astype(np.float32), ~NOBODY, NOBODY, 1e-4, None
    )
    assert shells.ratio.max() > 10
    said = trust.shells_in_words(shells)
    assert "at every resolution" in said
    assert "well" in said, "which is below 1.5 elsewhere"
    assert said.endswith("leaves, above 1.5 only where few voxels or little light differ.")


def test_held_out_voxels_are_told_apart_from_those_that_were_fitted():
    mean = pattern(1e4)
    counts = np.random.default_rng(2).poisson(mean).astype(np.float32)
    free = np.random.default_rng(3).random(mean.shape) < 0.2
    model = np.where(free, 2 * mean, counts).astype(np.float32)  # a fit that follows all noise
    shells, _ = trust.explained(counts, model, ~NOBODY, free, 1e-4, None)
    assert (shells.ratio < 0.3).all()
    assert (shells.free_ratio > 2)[shells.photons > 20].all()
    assert shells.free_voxels.sum() + shells.voxels.sum() <= N**3
    assert shells.unit == "voxels"


def test_a_saturated_voxel_counts_where_the_model_stays_below_its_bound():
    mean = pattern(1e4)
    counts = np.random.default_rng(2).poisson(mean).astype(np.float32)
    bright = mean > 500
    clipped = np.where(bright, np.float32(500), counts)
    right, _ = trust.explained(clipped, mean.astype(np.float32), ~bright, NOBODY, 1e-4, None)
    assert right.voxels[0] == 0 or right.ratio[0] < 1.5
    dark = np.where(bright, 100, mean).astype(np.float32)
    wrong, ratio = trust.explained(clipped, dark, ~bright, NOBODY, 1e-4, None)
    assert wrong.deviance[0] == pytest.approx(2 * (100 - 500 + 500 * math.log(5)), rel=0.1)
    assert "poorly" in trust.shells_in_words(wrong)
    enormous = trust.shells_in_words(replace(wrong, deviance=7834 * wrong.expected))
    assert "e+" not in enormous
    assert "up to 7,800 times" in enormous
    assert ratio > 1


def test_what_is_not_explained_is_told_at_its_resolution():
    mean = pattern(1e4)
    counts = np.random.default_rng(2).poisson(mean).astype(np.float32)
    length = shell_of(INDEX)
    last = 0.5 / np.linalg.norm(SHEARED, axis=0).max()
    wrong = (length > 0.5 * last) & (length < 0.5625 * last)
    model = np.where(wrong, 3 * mean + 3, mean).astype(np.float32)
    shells, ratio = trust.explained(counts, model, ~NOBODY, NOBODY, 1e-4, SHEARED)
    assert ratio > 1.02
    assert shells.frequency[shells.ratio > 3] == pytest.approx([0.53125 * last])
    assert f"poorly at a resolution of {1 / (0.53125 * last):.3g} nm" in trust.shells_in_words(shells)
    figures = {"free_llk": 0.4, "noise_llk": 0.3, "confidence": 0.6}
    words = trust.verdict(figures, None, shells)
    # one statement, not that it has converged and then that it explains the data poorly
    assert words.startswith(f"Converged, but for a resolution of {1 / (0.53125 * last):.3g} nm: on the whole")
    assert words.count("explains the data poorly") == 1
    # the deviance of three times as many photons n is 2n(2 - ln 3), of which a quarter over n is not explained
    share = float(re.search(r"poorly: ([\d.]+) % of the light is not explained", words)[1])
    assert share == pytest.approx(50 * (2 - math.log(3)), abs=3)
    assert "Confidence that it is the crystal: 60 %." in words
    unlikely = trust.verdict({**figures, "confidence": 0.3}, None, shells)
    assert unlikely.startswith(
        "Converged, but rather not to the crystal (confidence 30 %), and not at a resolution of"
    )


def test_a_faint_scan_is_not_condemned_for_its_noise():
    """χ² of photons that come one by one is near 1 whatever the model, that of a right one as well."""
    mean = pattern(3.0)
    counts = np.random.default_rng(2).poisson(mean).astype(np.float32)

    def figures(model: np.ndarray) -> dict[str, float]:
        ratio = trust.explained(counts, model.astype(np.float32), ~NOBODY, NOBODY, 1e-4, None)[1]
        chi2 = float(np.square(np.sqrt(model) - np.sqrt(counts)).sum() / counts.sum())
        return {"chi2": chi2, "free_llk": 0.03, "noise_llk": 0.03, "deviance_ratio": ratio}

    assert figures(mean)["chi2"] > 0.5
    assert trust.verdict(figures(mean)).startswith("Converged")
    for wrong in (np.zeros_like(mean), 100 * mean):
        assert trust.verdict(figures(wrong)).startswith("Not converged")


def test_light_that_lies_elsewhere_is_noticed_whatever_the_brightness():
    """A twentieth of it counts among many photons and is lost in the noise of few; noise alone never counts."""
    for peak, noticed in ((10.0, False), (1e5, True), (1e8, True)):
        mean = pattern(peak)
        moved = np.roll(mean, 3, 0)
        for share, wrong in ((0.0, False), (1e-5, False), (0.05, noticed)):
            counts = np.random.default_rng(4).poisson((1 - share) * mean + share * moved).astype(np.float32)
            shells, ratio = trust.explained(counts, mean.astype(np.float32), ~NOBODY, NOBODY, 1e-4, None)
            assert trust.leaves_light(shells, ratio) == wrong, (peak, share, ratio)

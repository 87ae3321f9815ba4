"""Several runs as one result, and what all results of a scan are judged by."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_autophase import analysis, formats, phasing
from napari_autophase.cli import main
from napari_autophase.evidence import TRUST_MAPS
from napari_autophase.preparation import halves, prepare
from napari_autophase.progress import driven
from napari_autophase.recipe import Recipe, plans
from napari_autophase.recipe.plans import ALIGNING, COMPARING
from napari_autophase.reconstruct import run, with_geometry_of
from napari_autophase.reconstruction import JUDGED, Progress
from napari_autophase.runs import attempts, averaging, enough, outcome
from napari_autophase.runs.stopwatch import Stopwatch
from napari_autophase.scan import Scan
from napari_autophase.simulation import KINDS, simulate

SHORT = Recipe.from_preset("iterative").with_settings(
    {"refine.algorithm": "2*(10*ER+60*HIO)+20*ER", "refine.starts": 2, "device": "cpu"}
)


@pytest.fixture(scope="module")
def crystal():
    return simulate(5, (40, 36, 32), phase_range=1.5, oversampling=(2.6, 2.5, 2.4), peak=1e5)


@pytest.fixture(scope="module")
def averaged(crystal):
    seen: list[Progress] = []
    return run(crystal.scan, SHORT.with_settings({"runs": 3, "seed": 4}), seen.append), seen


def test_all_seeds_and_presets_of_a_scan_are_judged_by_the_same_pixels(crystal):
    quick = {"refine.algorithm": "3*ER", "refine.starts": 1}
    results = [run(crystal.scan, SHORT.with_settings({**quick, "seed": seed})) for seed in (1, 2)]
    assert results[0].used_sha256[JUDGED] == results[1].used_sha256[JUDGED]
    assert analysis.trust.incomparable(*results) is None
    assert results[0].figures["noise_llk"] == results[1].figures["noise_llk"]
    cropped = run(crystal.scan, SHORT.with_settings({**quick, "prepare.crop": [32, 32, 32]}))
    assert "prepared differently" in analysis.trust.incomparable(results[0], cropped)
    none = run(crystal.scan, SHORT.with_settings({**quick, "refine.free_fraction": 0}))
    assert JUDGED not in none.used_sha256
    # nothing is said of convergence then, but what the model explains is
    assert none.verdict.startswith("The model explains the data poorly")
    assert np.isnan(none.shells.free_deviance).all()
    assert not np.isnan(results[0].shells.free_deviance).all()


def test_a_run_that_went_nowhere_is_said_not_to_have_converged(crystal):
    found = run(crystal.scan, SHORT.with_settings({"refine.algorithm": "2*ER", "refine.starts": 1}))
    assert found.verdict.startswith("Not converged")
    longer = SHORT.with_settings({"refine.algorithm": "3*(10*ER+60*HIO)+20*ER", "refine.starts": 3})
    assert run(crystal.scan, longer).verdict.startswith("Converged")


def test_halves_share_all_photons_and_nothing_else(crystal):
    scan = crystal.scan
    mask = np.zeros(scan.shape, bool)
    mask[:, 3] = True
    whole = prepare(Scan(np.where(mask, 0, scan.counts), mask))
    one, two = halves(whole, 3)
    np.testing.assert_array_equal((one.counts + two.counts)[whole.good], whole.counts[whole.good])
    assert (one.counts[whole.good] == np.rint(one.counts[whole.good])).all()
    # of counts with the same expectation: independent Poisson numbers
    flat = replace(whole, counts=np.float32(np.random.default_rng(0).poisson(7, scan.shape)))
    flat = replace(flat, shown=flat.counts, good=np.ones(scan.shape, bool))
    first, second = (half.counts.ravel() for half in halves(flat))
    assert first.mean() == pytest.approx(3.5, rel=0.01)
    assert first.var() == pytest.approx(3.5, rel=0.03)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    assert not np.array_equal(first, halves(flat, 1)[0].counts.ravel())


def test_runs_are_averaged_and_say_how_far_they_agree(crystal, averaged):
    found, _ = averaged
    rows = found.trust.runs
    assert [row["share"] for row in rows] == [0, 0, 0, 1, 2, 1, 3, 3, 3]
    assert [row["seed"] for row in rows[:6]] == [4, 5, 6, 7, 8, 9]
    assert max(row["agreement"] for row in rows) == pytest.approx(1, abs=1e-3)
    assert 0.9 < found.trust.figures["agreement"] <= 1
    assert found.trust.unit == "nm"
    assert not found.object[~found.support].any()
    for name in TRUST_MAPS:
        volume = getattr(found.trust, name)
        assert (volume.dtype, volume.shape) == (np.float32, found.shape)
        assert np.isnan(volume[~found.support]).all()
    assert "of 3 runs were averaged" in found.verdict
    singles = [run(crystal.scan, SHORT.with_settings({"seed": seed})) for seed in (4, 5, 6)]
    assert [row["chi2"] for row in rows[:3]] == [one.figures["chi2"] for one in singles]
    alone = [abs(analysis.align(one.object, crystal.object, ramp=True)[1]) for one in singles]
    together = abs(analysis.align(found.object, crystal.object, ramp=True)[1])
    assert together > np.median(alone)


def test_what_is_found_is_bootstrapped_in_simulated_counts(crystal, averaged):
    """Of as many photons as there were, phased from what was found: near it, and each by other noise."""
    found, _ = averaged
    rows = [row for row in found.trust.runs if row["share"] == analysis.trust.BOOTSTRAPPED]
    assert all(0.98 < row["agreement"] < 1 for row in rows)
    assert len({row["chi2"] for row in rows}) == 3
    # Poisson noise alone is left, Σ(√n − √q)² is ¼ a voxel at most, and runs that disagree leave more
    photons = prepare(crystal.scan).counts.sum()
    assert all(
        0 < row["chi2"] < min(found.figures["chi2"], 0.25 * found.object.size / photons) for row in rows
    )
    table = analysis.trust.run_rows(found.trust)
    assert [row[2] for row in table[-3:]] == ["simulated"] * 3
    # what no iterations found, as a network's guess alone, is none that iterations would find again
    alone = run(crystal.scan, SHORT.with_settings({"refine.algorithm": "", "refine.starts": 1, "runs": 2}))
    assert {row["share"] for row in alone.trust.runs} == {0, 1, 2}


def test_the_figures_of_a_mean_are_those_of_the_object_that_is_returned(crystal, averaged):
    found, _ = averaged
    field = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(found.object))))
    moduli = np.sqrt(prepare(crystal.scan).counts)
    assert analysis.chi2(field, moduli) == pytest.approx(found.figures["chi2"], rel=0.1)


def test_progress_counts_up_over_all_runs(averaged):
    _, seen = averaged
    stages = [progress.stage for progress in seen]
    assert stages == sorted(stages, key=["prepare", "guess", "refine", "analyse"].index)
    refining = [progress for progress in seen if progress.stage == "refine"]
    steps = [progress.step for progress in refining]
    assert steps == sorted(steps)
    assert steps[-1] == refining[-1].total == 6 * 160
    assessing = [progress for progress in seen if progress.stage == "analyse"]
    assert (assessing[0].step, assessing[0].total) == (0, 1)
    steps = [progress.step for progress in assessing[1:]]
    assert steps == sorted(steps)
    # six runs are brought onto the best, upright and as twins, three bootstraps onto the mean, and all are compared
    assert {progress.total for progress in assessing[1:]} == {3 * 60 + ALIGNING * (2 * 6 + 3 + COMPARING)}
    assert steps[-1] == assessing[-1].total - ALIGNING * COMPARING, (
        "the bar is not full while they are compared"
    )
    assert np.diff([0, *steps]).max() == 2 * ALIGNING, "one can cancel between any two"


def test_the_same_runs_give_the_same_mean_and_come_back_from_a_file(crystal, averaged, tmp_path):
    found, _ = averaged
    again = run(crystal.scan, found.recipe)
    np.testing.assert_array_equal(found.object, again.object)
    np.testing.assert_array_equal(found.trust.strain, again.trust.strain)
    formats.write(found, tmp_path / "mean.cxi")
    read = formats.read_reconstruction(tmp_path / "mean.cxi")
    assert read.trust.runs == found.trust.runs
    assert read.verdict == found.verdict
    np.testing.assert_array_equal(read.trust.strain_error, found.trust.strain_error)
    np.testing.assert_array_equal(read.trust.objects, found.trust.objects)


def test_the_kept_runs_are_in_the_result_and_their_mean_is_the_object(averaged):
    found, _ = averaged
    shares = found.trust.shares
    assert len(found.trust.objects) == len(shares) == sum(bool(run["kept"]) for run in found.trust.runs)
    whole = found.trust.objects[shares == 0]
    mean = analysis.fitted(whole.mean(0), found.shape)
    assert abs(analysis.correlation(mean, found.object)) == pytest.approx(1, abs=1e-5)
    weights, modes = analysis.trust.modes(whole)
    assert weights[0] == pytest.approx(found.trust.figures["first_mode"], rel=1e-5)
    assert abs(analysis.correlation(modes[0], whole.mean(0))) > 0.99
    # they need as much room as the crystal, not as the scan
    assert whole[0].size < found.object.size


def test_the_curves_and_the_table_of_the_runs_come_back_from_a_file(averaged, tmp_path, monkeypatch, capsys):
    found, _ = averaged
    formats.write(found, tmp_path / "mean.cxi")
    read = formats.read_reconstruction(tmp_path / "mean.cxi")
    for name in ("fsc", "prtf"):
        one, other = getattr(found.trust, name), getattr(read.trust, name)
        np.testing.assert_array_equal(one.value, other.value)
        assert other.resolution == pytest.approx(found.trust.figures[f"{name}_resolution"])
    assert 0.5 < found.trust.figures["first_mode"] <= 1
    monkeypatch.chdir(tmp_path)
    assert main(["analyse", "mean.cxi", "--run-table", "runs.csv", "-o", "curves.csv", "--quiet"]) == 0
    with (tmp_path / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["run"]) for row in rows] == list(range(1, 10))
    for row, run_ in zip(rows, found.trust.runs, strict=True):
        assert float(row["chi2"]) == pytest.approx(run_["chi2"], rel=1e-8)
    curves = (tmp_path / "curves.csv").read_text()
    assert {line.partition(",")[0] for line in curves.splitlines()[1:]} == {
        "deviance", "deviance_held_out", "fsc", "prtf"
    }  # fmt: skip
    formats.write(replace(found, trust=None), tmp_path / "one.cxi")
    assert main(["analyse", "one.cxi", "--run-table", "none.csv"]) == 2
    assert "single run" in capsys.readouterr().err
    assert not (tmp_path / "none.csv").exists()


def test_another_geometry_gives_the_runs_other_lengths_and_no_other_strain(crystal, averaged):
    """All wave vectors grow with the energy: voxels shrink, and so do displacements."""
    found, _ = averaged
    other = replace(crystal.scan.geometry, energy_kev=crystal.scan.geometry.energy_kev * 1.1)
    moved = with_geometry_of(replace(crystal.scan, geometry=other), found)
    for name in ("strain_resolution", "fsc_resolution"):
        assert moved.trust.figures[name] * 1.1 == pytest.approx(found.trust.figures[name], rel=1e-4)
    np.testing.assert_allclose(moved.trust.strain, found.trust.strain, atol=1e-7)
    assert f"at {moved.trust.figures['strain_resolution']:.3g} nm" in moved.verdict
    unknown = with_geometry_of(replace(crystal.scan, geometry=None), found)
    assert unknown.trust.unit == "voxels"
    assert with_geometry_of(crystal.scan, found).trust is found.trust
    # an older version kept no runs: nothing is known of their strain
    old = replace(found, trust=replace(found.trust, objects=None))
    assert with_geometry_of(replace(crystal.scan, geometry=other), old).trust is None


@pytest.mark.parametrize("offset", [(0, 0, 0), (1, -2, 1.5)])
def test_the_mean_lattice_is_that_of_the_peaks_place_on_the_detector(crystal, offset):
    """What lies at the centre voxel of the phased grid need not be the mean of the peak: its ramp says where that is."""
    from napari_autophase.geometry import scattering_vector

    shape, geometry = crystal.scan.shape, crystal.scan.geometry
    body = np.zeros(shape, np.complex64)
    body[16:24, 14:22, 12:20] = 1
    index = np.indices(shape)
    turns = sum(o * axis / n for o, axis, n in zip(offset, index, shape, strict=True))
    centre = tuple(n // 2 for n in shape)
    steps, q = analysis.frame(geometry, centre, shape)
    result = replace(
        run(crystal.scan, SHORT.with_settings({"refine.algorithm": "1*ER", "refine.starts": 1})),
        object=body * np.exp(2j * np.pi * turns).astype(np.complex64),
        voxel_steps_nm=steps,
        q_bragg_per_nm=q,
    )
    pixel = (centre[1] + offset[1], centre[2] + offset[2])
    # the vector at that pixel, turned back by what the crystal was rocked since the centre frame
    at_pixel = scattering_vector(geometry, pixel, shape)
    lattice = analysis.mean_lattice(result, reference_nm=2 * np.pi / np.linalg.norm(q))
    assert lattice.spacing_nm == pytest.approx(2 * np.pi / np.linalg.norm(at_pixel), rel=2e-5)
    assert lattice.strain == pytest.approx(np.linalg.norm(q) / np.linalg.norm(at_pixel) - 1, abs=2e-5)
    assert analysis.mean_lattice(replace(result, voxel_steps_nm=None)) is None


def test_a_crystal_is_found_though_a_gap_takes_the_whole_of_its_central_fringe():
    made = simulate(32, 40, phase_range=0.3, peak=1e5, oversampling=(3, 3, 2.2), geometry=None, kind="wulff")
    counts = made.scan.counts
    column = int(np.unravel_index(counts.argmax(), counts.shape)[2])
    mask = np.zeros(counts.shape, bool)
    mask[:, :, column - 2 : column + 2] = True
    assert counts[mask].sum() > 0.7 * counts.sum()
    found = run(Scan(np.where(mask, 0, counts), mask), Recipe().with_settings({"seed": 1, "device": "cpu"}))
    assert abs(analysis.align(found.object, made.object, ramp=True)[1]) > 0.95
    assert any("was not measured" in note for note in found.notes)


def test_a_clipped_peak_that_a_first_attempt_does_not_explain_is_phased_again(crystal, monkeypatch):
    counts = np.minimum(crystal.scan.counts, crystal.scan.counts.max() // 5)
    quick = Recipe().with_settings(
        {"refine.algorithm": "2*ER", "guess.polish": "1*ER", "model.coherence": "off", "device": "cpu"}
    )
    found = run(Scan(counts), quick)
    assert any("begun anew" in note for note in found.notes)
    assert abs(analysis.align(found.object, crystal.object, ramp=True)[1]) > 0.95
    monkeypatch.setattr(analysis.trust, "explains", lambda *_: True)
    monkeypatch.setattr(analysis, "unevenness", lambda *_: 0.0)
    once = run(Scan(counts), quick)
    assert not any("begun anew" in note for note in once.notes)
    assert once.figures["free_llk"] > found.figures["free_llk"]


def test_a_whole_scan_that_a_first_attempt_does_not_explain_is_phased_again(crystal, monkeypatch):
    quick = Recipe().with_settings(
        {"refine.algorithm": "2*ER", "guess.polish": "1*ER", "model.coherence": "off", "device": "cpu"}
    )
    found = run(crystal.scan, quick)
    assert sum("begun anew" in note for note in found.notes) == 1
    assert abs(analysis.align(found.object, crystal.object, ramp=True)[1]) > 0.95
    assert found.recipe == quick
    # light that lies elsewhere is enough, however little held-out pixels tell
    monkeypatch.setattr(analysis.trust, "explains", lambda *_: True)
    assert sum("begun anew" in note for note in run(crystal.scan, quick).notes) == 1
    monkeypatch.setattr(analysis.trust, "leaves_light", lambda *_: False)
    monkeypatch.setattr(analysis, "unevenness", lambda *_: 0.0)
    once = run(crystal.scan, quick)
    assert not any("begun anew" in note for note in once.notes)
    assert once.figures["free_llk"] > found.figures["free_llk"]


def test_a_scan_that_a_first_attempt_explains_is_phased_once():
    easy = simulate(22, 64, kind="wulff", peak=1e5, oversampling=(3, 3, 3))
    found = run(easy.scan, Recipe().with_settings({"device": "cpu"}))
    assert not any("begun anew" in note for note in found.notes)
    assert found.iterations == 140


def test_random_starts_beside_a_guess_are_as_many_as_memory_has_room_for(crystal, monkeypatch):
    recipe = Recipe.from_preset("fast").with_settings({"device": "cpu", "prepare.binning": [2, 2, 2]})
    shape, device, many = prepare(crystal.scan).counts.shape, torch.device("cpu"), recipe.with_random_starts()
    assert phasing.with_room(shape, many, device) == many
    free = phasing.memory_bytes(shape, 4, many.refine.algorithm, blurred=True, averaged=True)
    for room, starts in ((free, 3), (0, 1)):
        monkeypatch.setattr(phasing.device, "available_bytes", lambda _, room=room: room)
        some = phasing.with_room(shape, many, device)
        assert some == many.with_settings({"refine.starts": starts})
        assert (some.number_of_starts, some.prepare) == (1 + starts, recipe.prepare)


def test_starts_that_explain_a_scan_as_well_are_compared():
    """A crystal moved, turned into its twin and tilted is the same to the counts; another one is not."""
    one, other = (simulate(seed, 32, phase_range=2.0, peak=1e5).object for seed in (1, 2))
    grid = np.indices(one.shape)[0]
    same = np.roll(np.conj(one[::-1, ::-1, ::-1]), (4, 1, -2), (0, 1, 2)) * np.exp(0.3j * grid)

    def alike(objects, scores, uniform=0.0):
        volumes = np.stack(objects).astype(np.complex64)
        kept = phasing.Starts(volumes, np.abs(volumes) > 0)
        figures = [{"chi2": 1.0, "free_llk": score} for score in scores]
        return outcome.starts_alike(
            phasing.Phased(one, one != 0, figures[0], np.zeros(0), 0, kept, kept_figures=figures), uniform
        )

    assert alike([one, same], [0.4, 0.5]) == {
        "starts_alike": pytest.approx(1, abs=2e-3),
        "starts_compared": 2,
    }
    found = alike([one, same, other], [0.4, 0.5, 0.59])
    assert found["starts_compared"] == 3
    assert found["starts_alike"] < 0.95
    assert alike([one, same, other], [0.4, 0.5, 0.61])["starts_alike"] > 0.99
    assert alike([one, other], [0.4, 0.8]) == alike([one], [0.4]) == {}
    # where uniform crystals are preferred, a heap of voxels that explains the counts as well is none of them
    heap = other * np.where(np.arange(one.size).reshape(one.shape) % 5, 0.2, 3)
    assert alike([one, heap], [0.4, 0.5])["starts_alike"] < 0.95
    assert alike([one, heap], [0.4, 0.5], 2.0) == {}


@pytest.fixture(scope="module")
def one_run(crystal):
    """What one run found of the crystal: the truth, which explains the counts but for noise."""
    truth, support = analysis.normalise(crystal.object, crystal.support)
    prepared = prepare(crystal.scan)
    data = phasing.Diffraction(prepared.counts, prepared.good)
    truth, figures = phasing.judged((truth * support).astype(np.complex64), support, data)
    figures |= {"free_llk": 0.6, "noise_llk": 0.5, "free_photons": 10.0}
    return outcome.Run(truth, support, figures, np.zeros(0), 0, (), "cpu", "torch", None, {}), prepared


def with_starts(crystal, one_run, *starts, told=lambda _: None, **figures):
    """What comes of it if those were its starts; `told` is told of its progress."""
    found, prepared = one_run
    found = replace(found, starts=np.stack(starts).astype(np.complex64), figures={**found.figures, **figures})
    recipe = Recipe.from_preset("best").with_settings({"refine.algorithm": "10*ER", "device": "cpu"})
    where = crystal.voxel_steps_nm, crystal.q_bragg_per_nm, torch.device("cpu"), Stopwatch()
    return driven(averaging.of_starts(found, prepared, recipe, *where), told)


def test_a_mixture_with_the_twin_is_parted():
    """Half of the crystal and half of its twin, as phasing sometimes ends in: it goes on to one of both."""
    crystal = simulate(8, (40, 36, 32), kind="wulff", phase_range=4.0, peak=1e5)
    truth, support = analysis.normalise(crystal.object, crystal.support)
    prepared = prepare(crystal.scan)
    data = phasing.Diffraction(prepared.counts, prepared.good)
    twin, _ = analysis.align(analysis.twin(truth), truth, twins=False)
    mixed, figures = phasing.judged(((truth + twin) * support).astype(np.complex64), support, data)
    figures |= {"free_llk": 0.6, "noise_llk": 0.5, "free_photons": 10.0}
    found = outcome.Run(mixed, support, figures, np.zeros(0), 0, (), "cpu", "torch", None, {})
    assert enough.may_be_mixed(found)
    assert not enough.may_be_mixed(replace(found, figures={**figures, "confidence": 0.99}))
    assert not enough.may_be_mixed(replace(found, object=truth.astype(np.complex64)))
    recipe = Recipe.from_preset("fast").with_settings({"model.coherence": "off", "device": "cpu"})
    found = replace(found, figures={**figures, "free_llk": 100.0})
    found = replace(found, iterations=20, errors=np.ones(20, np.float32))
    told: list[Progress] = []
    job = attempts._parted(found, prepared, recipe, torch.device("cpu"), Stopwatch())
    parted = driven(job, told.append)
    agreed = [
        analysis.compare_with_truth(one, crystal.object, crystal.support)["correlation"]
        for one in (mixed, parted.object)
    ]
    assert agreed[0] < 0.95
    assert agreed[1] > 0.99
    assert parted.iterations == len(parted.errors) == 160
    assert attempts.PARTED in parted.notes
    # it goes on counting
    refining = [(each.step, each.total) for each in told if each.stage == "refine"]
    assert refining[0][0] > 20
    assert refining[-1] == (160, 160)


@pytest.mark.parametrize(
    ("settings", "sigma_px", "expected"),
    [
        pytest.param({}, None, True, id="a guess"),
        pytest.param({"guess.start": "random"}, None, False, id="random starts in coherent light"),
        pytest.param({"guess.start": "random"}, (0.5, 0.4, 0.3), True, id="random starts in blurred light"),
        pytest.param(
            {"guess.start": "random", "refine.algorithm": ""}, (0.5, 0.4, 0.3), False, id="nothing is phased"
        ),
    ],
)
def test_which_runs_may_go_on_from_what_they_are_mixtures_of(one_run, settings, sigma_px, expected):
    recipe = Recipe().with_settings(settings)
    found = replace(one_run[0], blur=None if sigma_px is None else phasing.Blur(sigma_px))
    assert enough.may_be_parted(recipe, found) is expected
    # what explains nothing says nothing of the light
    wrong = replace(found, figures={**found.figures, "free_llk": 100.0})
    assert enough.may_be_parted(recipe, wrong) is enough.is_guessed(recipe)


@pytest.mark.parametrize("retry", [True, False])
def test_what_is_not_enough_is_left_as_it_is_if_the_recipe_says_so(crystal, retry):
    """Ten iterations from the guess explain nothing of these counts."""
    recipe = Recipe().with_settings(
        {"refine.algorithm": "10*ER", "refine.retry": retry, "model.coherence": "off", "device": "cpu"}
    )
    spoilt = Scan(crystal.scan.counts + np.roll(crystal.scan.counts, 9, 1))
    found = run(spoilt, recipe)
    assert not enough.trust.explains(found.figures)
    assert (found.iterations > 10) is retry
    assert any("begun anew" in note for note in found.notes) is retry


@pytest.mark.parametrize("better", [0, 1])
def test_notes_are_those_of_the_attempt_that_is_kept(one_run, monkeypatch, better):
    run_, prepared = one_run
    found = [
        replace(run_, figures={**run_.figures, "free_llk": 5.0 - (k == better)}, notes=(f"attempt {k}",))
        for k in range(2)
    ]
    left = iter(found)

    def attempt(*_, **__):
        return next(left)
        yield

    monkeypatch.setattr(attempts, "_attempt", attempt)
    monkeypatch.setattr(attempts, "may_be_parted", lambda *_: False)
    job = attempts.single(prepared, Recipe(), None, torch.device("cpu"), Stopwatch())
    kept = driven(job, lambda _: None)
    own, said = kept.notes
    assert own == f"attempt {better}"
    assert "begun anew" in said


def test_long_algorithms_are_not_repeated_after_a_parting():
    assert plans.going_on("20*ER+30*HIO") == "20*ER+30*HIO"
    assert plans.going_on(plans.AFTER_SEARCH) == plans.AFTER_SEARCH
    assert plans.going_on(plans.ITERATIVE) == plans.FINISH


@pytest.mark.parametrize("explained", [True, False])
def test_random_starts_that_end_in_a_mixture_in_blurred_light_are_parted(monkeypatch, explained):
    """If they explain the scan: else they are left as they ended, as a wrong object says nothing of the light."""
    crystal = simulate(9_883_005, 64, kind=KINDS[5], phase_range=4.0, peak=1e5, coherence=0.5)
    truth, support = analysis.normalise(crystal.object, crystal.support)
    twin, _ = analysis.align(analysis.twin(truth), truth, twins=False)
    blur = phasing.Blur((0.5, 0.5, 0.5))
    prepared = prepare(crystal.scan)
    data = phasing.Diffraction(prepared.counts, prepared.good).explained(blur)
    mixed, figures = phasing.judged(((truth + twin) * support).astype(np.complex64), support, data)
    figures |= {"free_llk": 0.7 if explained else 1.2, "noise_llk": 0.3, "free_photons": 4.0}
    ended = outcome.Run(mixed, support, figures, np.zeros(0), 0, (), "cpu", "torch", blur, {}, blurred=True)

    def attempt(*_, **__):
        return ended
        yield

    monkeypatch.setattr(attempts, "_attempt", attempt)
    recipe = Recipe.from_preset("iterative").with_settings({"device": "cpu"})
    found = driven(attempts.single(prepared, recipe, None, torch.device("cpu"), Stopwatch()), lambda _: None)
    assert found.notes.count(attempts.PARTED) == explained
    assert analysis.compare_with_truth(mixed, crystal.object, crystal.support)["correlation"] < 0.975
    told = analysis.compare_with_truth(found.object, crystal.object, crystal.support)
    assert (told["correlation"] > 0.98) is explained


def test_of_attempts_that_explain_nothing_the_one_is_kept_that_may_be_the_crystal(one_run):
    """As of a crystal whose peak wandered: what agreed with it to 0.62 and to 0.96."""
    found, _ = one_run
    ramp = np.linspace(0.7, 1.3, len(found.object))[:, None, None]
    wrong = replace(
        found, object=found.object * ramp, figures={"chi2": 1.0, "free_llk": 1.458, "confidence": 0.033}
    )
    right = replace(found, figures={"chi2": 1.0, "free_llk": 1.761, "confidence": 0.894})
    assert enough.merit(right) < enough.merit(wrong)
    alike = replace(wrong, figures={"chi2": 1.0, "free_llk": 1.458, "confidence": 0.85})
    assert enough.merit(alike) < enough.merit(right)
    # far better is better
    better = replace(wrong, figures={"chi2": 1.0, "free_llk": 0.9, "confidence": 0.033})
    assert enough.merit(better) < enough.merit(right)


def test_a_mixture_is_parted_as_long_as_that_makes_it_better(crystal, one_run, monkeypatch):
    found, prepared = one_run
    better = iter(replace(found, figures={"chi2": 1 / n}) for n in range(1, 9))
    asked, helps = [], []

    def parted(last, *_):
        asked.append(last)
        return next(better) if len(asked) < helps[-1] else last
        yield

    def attempt(*_, **__):
        return found
        yield

    monkeypatch.setattr(attempts, "_attempt", attempt)
    monkeypatch.setattr(attempts, "_parted", parted)
    monkeypatch.setattr(attempts, "may_be_mixed", lambda *_: True)
    monkeypatch.setattr(attempts, "is_enough", lambda *_: True)
    monkeypatch.setattr(attempts, "is_doubtful", lambda *_: False)
    for no_more_at, times in ((1, 1), (2, 2), (99, attempts.PARTINGS)):
        asked.clear()
        helps.append(no_more_at)
        job = attempts.single(prepared, Recipe(), None, torch.device("cpu"), Stopwatch())
        driven(job, lambda _: None)
        assert len(asked) == times


def test_starts_of_one_run_that_agree_tell_its_error(crystal, one_run):
    """A start that is the twin, moved, and strained a little otherwise: as much goes into the error."""
    found, _ = one_run
    grid = np.indices(found.object.shape)
    bent = found.object * np.exp(0.2j * np.cos(grid[2] * 2 * np.pi / 9))
    seen: list[Progress] = []
    one = with_starts(crystal, one_run, found.object, found.object, told=seen.append)
    steps = [(progress.step, progress.total) for progress in seen]
    assert steps[0] == (0, 1)
    assert steps[1:] == sorted(steps[1:])
    whole = 2 * 10 + 3 * 60 + ALIGNING * (2 * 2 + 5 + COMPARING)
    assert {total for _, total in steps[1:]} == {whole}
    assert steps[-1][0] == whole - ALIGNING * COMPARING
    assert max(np.diff([step for step, _ in steps])) == 2 * ALIGNING
    two = with_starts(crystal, one_run, found.object, np.roll(analysis.twin(bent), 2, 0) * 1j)
    assert [row["share"] for row in two.trust.runs] == [0, 0, 1, 2, 3, 3, 3]
    assert two.trust.runs[1]["twin"] == 1
    assert (two.trust.of_starts, two.trust.unit, two.trust.fsc) == (True, "nm", None)
    np.testing.assert_array_equal(two.object, found.object)
    # of two that differ by so much each is off by the half of its square
    both = np.isfinite(one.trust.phase_error) & np.isfinite(two.trust.phase_error)
    more = np.mean(two.trust.phase_error[both] ** 2 - one.trust.phase_error[both] ** 2)
    assert more == pytest.approx(np.var(0.2 * np.cos(np.arange(9) * 2 * np.pi / 9)) / 2, rel=0.35)
    verdict = analysis.trust.verdict(two.figures, two.trust)
    assert "2 starts of this run explain the scan about as well, and agree" in verdict
    assert "phased from it" in verdict
    # another geometry asks the same of the same objects
    quick = SHORT.with_settings({"refine.algorithm": "1*ER", "refine.starts": 1})
    kept = replace(run(crystal.scan, quick), object=two.object, support=two.support, trust=two.trust)
    again = analysis.trust.reassessed(kept, crystal.voxel_steps_nm, crystal.q_bragg_per_nm)
    assert again.of_starts
    assert again.fsc is None
    assert [row[2] for row in analysis.trust.run_rows(again)[1:4]] == ["start", "start", "first half"]
    assert not any("nan" in row for row in analysis.trust.run_rows(again))


def test_starts_that_do_not_agree_or_explain_tell_no_error(crystal, one_run):
    found, _ = one_run
    other = np.roll(np.abs(found.object), 3, 1) + np.abs(found.object)
    for starts, figures in (
        ([found.object], {}),
        ([found.object, other], {}),
        ([found.object, found.object], {"free_llk": 9.0, "free_photons": 1.0}),
    ):
        assert with_starts(crystal, one_run, *starts, **figures).trust is None


def test_the_verdict_says_whether_starts_agree(crystal):
    longer = SHORT.with_settings({"refine.algorithm": "3*(10*ER+60*HIO)+20*ER", "refine.starts": 3})
    found = run(crystal.scan, longer)
    assert found.figures["starts_alike"] > 0.95
    assert "starts explain the scan about as well, and agree" in found.verdict
    apart = {**found.figures, "starts_alike": 0.8}
    assert "do not agree (correlation down to 0.800)" in analysis.trust.verdict(apart)
    sure = {**apart, "confidence": 0.99}
    # of 68 simulated crystals with a masked peak the starts of 18 differed: 10.7 were to be found, and 10 were
    assert (
        "99 %, though other starts differ: of simulated crystals with such starts as many were right as stated"
        in (analysis.trust.verdict(sure))
    )
    assert "starts" not in analysis.trust.verdict({**apart, "free_llk": 100.0})


def test_noise_on_a_background_is_no_crystal():
    """Flat noise is explained by the background; a faint crystal on it is not, though both explain unseen pixels within noise."""
    quick = SHORT.with_settings({"refine.algorithm": "10*ER+10*HIO+5*ER", "refine.starts": 1})
    flat = run(Scan(np.random.default_rng(0).poisson(5, (32,) * 3).astype(np.int32)), quick)
    assert flat.background.words
    assert flat.verdict.startswith("No crystal: the background alone explains the counts")
    assert "Converged" not in flat.verdict
    faint = simulate(5, 40, phase_range=1.0, peak=300, background=1.0, oversampling=(2.5, 2.5, 2.5))
    assert "No crystal" not in run(faint.scan, quick).verdict


def test_what_is_enough_depends_on_the_light():
    """Figures of a simulated crystal on a background that was found to 0.960, and what they would say in blurred light."""
    nothing = np.zeros((2, 2, 2))

    def enough(ratio, photons, blur=None):
        figures = {
            "chi2": 0.02,
            "free_llk": ratio,
            "noise_llk": 1.0,
            "free_photons": photons,
            "deviance_ratio": 1.2,
        }
        run_ = outcome.Run(nothing, nothing > 0, figures, nothing, 0, (), "cpu", "torch", blur, {})
        return attempts.is_enough(run_, True)

    assert not enough(1.75, 6.0)
    assert enough(1.55, 6.0)
    assert enough(1.75, 100.0)  # a smaller share of more light
    assert not enough(3.1, 100.0)
    along_all = phasing.Blur((0.5, 0.5, 0.5))
    assert enough(1.45, 6.0, along_all)
    assert not enough(1.55, 6.0, along_all)


def test_an_uneven_crystal_is_phased_again_and_a_blur_that_nothing_told_of_is_sought(crystal, monkeypatch):
    """What was found as if the light were coherent may explain counts nearly as well, but its amplitude is not even."""
    support = np.zeros((16, 16, 16), bool)
    support[4:12, 4:12, 4:12] = True
    even = support.astype(np.complex64)
    uneven = even * np.where(np.arange(16) < 8, 1, 1.6)[:, None, None]
    asked: list[dict[str, object]] = []

    def found_are(*found):
        left = iter(found)

        def attempt(_, recipe, *__, **how):
            asked.append({"light": recipe.model.coherence, **how})
            return next(left)
            yield

        monkeypatch.setattr(attempts, "_attempt", attempt)
        monkeypatch.setattr(attempts, "may_be_mixed", lambda *_: False)
        monkeypatch.setattr(attempts, "may_be_parted", lambda *_: False)

    def one(object, ratio, sigma=None, confidence=0.9):
        figures = {
            "confidence": confidence,
            "chi2": 0.02,
            "free_llk": ratio,
            "noise_llk": 1.0,
            "free_photons": 6.0,
            "deviance_ratio": 1.0,
        }
        blur = None if sigma is None else phasing.Blur(sigma)
        rest = np.zeros(1), 1, (), "cpu", "torch", blur, {}
        return outcome.Run(object, support, figures, *rest, blurred=blur is not None)

    whole = prepare(crystal.scan)

    def found(recipe, *outcomes, prepared=whole):
        asked.clear()
        found_are(*outcomes)
        job = attempts.single(prepared, recipe, None, torch.device("cpu"), None)
        with pytest.raises(StopIteration) as end:
            next(job)
        return end.value.value

    first, better, worse = one(uneven, 1.4), one(even, 1.2, (0.6, 0.6, 0.6)), one(even, 1.6)
    assert analysis.unevenness(first.object, support) == pytest.approx(0.3 / 1.3)
    best = Recipe.from_preset("best")
    for recipe in (Recipe(), best):
        again = found(recipe, first, better)
        assert again.blur == better.blur
        assert "in search of partly coherent light" in again.notes[-1]
        assert [how.get("doubted", False) for how in asked] == [False, True]
        assert found(recipe, first, worse).object is uneven
        # even, or the crystal all the same
        sure = one(uneven, 1.4, confidence=0.985)
        assert found(recipe, one(even, 1.4)).notes == found(recipe, sure).notes == ()
    # a blur along all axes was told of: it may be wider
    found(Recipe(), one(uneven, 1.4, (0.5, 0.4, 0.6)), better)
    assert asked[1]["doubted"] is True
    # and the search begins with it, if it is one
    assert asked[1]["before"] == phasing.Blur((0.5, 0.4, 0.6))
    for doubtful in (one(uneven, 1.4, (0.5, 0.1, 0.6)), one(uneven, 60.0, (0.5, 0.4, 0.6)), one(uneven, 1.4)):
        found(Recipe(), doubtful, better)
        assert asked[1]["before"] is None
    # explained as well as noise lets it, but hardly the crystal
    unsure = one(uneven, 1.1)
    assert found(Recipe(), unsure, better).blur == better.blur
    # where the peak is clipped as well, and not with care at once; only the rest of what is not explained is
    clipped = replace(whole, shown=whole.counts.copy())
    for recipe in (Recipe(), best):
        assert found(recipe, unsure, better, prepared=clipped).blur == better.blur
        assert [(how["careful"], how.get("doubted", False)) for how in asked] == [
            (False, False),
            (False, True),
        ]
        found(recipe, one(even, 2.5), better, one(even, 1.6), prepared=clipped)
        assert [how["careful"] for how in asked] == [False, True, True]
    # next to nothing tells no more in a longer search
    faint = replace(whole, counts=whole.counts * np.float32(400 / whole.counts.sum()))
    assert found(Recipe(), unsure, prepared=faint).notes == ()
    iterative = Recipe.from_preset("iterative")
    found(iterative, unsure, one(even, 1.2), prepared=clipped)
    assert [how["careful"] for how in asked] == [False, True]
    # a blur that leaves an axis sharp is held against coherent light
    sharp = one(even, 1.2, (0.05, 0.5, 0.0))
    ways = (Recipe(), (first, sharp)), (best, (first, sharp)), (Recipe(), (sharp,)), (iterative, (sharp,))
    for recipe, outcomes in ways:
        assert found(recipe, *outcomes, one(even, 1.3)).blur == sharp.blur
        assert [how["light"] for how in asked] == ["estimate"] * len(outcomes) + ["off"]
        assert found(recipe, *outcomes, one(even, 1.2)).blur is None
    # but not if it was only told at last: it has changed nothing
    assert found(Recipe(), replace(sharp, blurred=False)).blur == sharp.blur
    # and where the middle of the peak was not measured any blur is, in every preset
    gap, blurred = replace(whole, shown=whole.counts.copy(), doubtful=True), one(even, 1.2, (0.4, 0.4, 0.4))
    for recipe in (Recipe(), Recipe.from_preset("iterative")):
        assert found(recipe, blurred, one(even, 1.3), prepared=gap).blur == blurred.blur
        assert [(how["light"], how["careful"]) for how in asked] == [("estimate", True), ("off", True)]
        assert found(recipe, blurred, one(even, 1.2), prepared=gap).blur is None
    # few photons: what hardly explains more is not taken if it is less even
    assert found(Recipe(), one(uneven, 1.2), one(even, 1.26)).object is even
    # a blur that is gone at last may have misled them
    misled = replace(first, blurred=True)
    assert "tried on the way" in found(iterative, misled, one(even, 1.2)).notes[-1]
    assert [how["light"] for how in asked] == ["estimate", "off"]
    assert found(iterative, misled, worse).notes == found(iterative, one(even, 1.2)).notes == ()
    assert found(iterative, first).notes == ()
    alone = best.with_settings({"model.coherence": "off"})
    assert found(alone, first).notes == found(alone, sharp).notes == ()

"""The verb, end to end on small simulated crystals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_autophase import analysis
from napari_autophase.geometry import scattering_vector
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruct import reconstruct, run, with_geometry_of
from napari_autophase.reconstruction import Progress, Reconstruction
from napari_autophase.runs import attempts
from napari_autophase.scan import InputError, fingerprint
from napari_autophase.simulation import Simulated, simulate

STAGES = ["prepare", "guess", "refine", "analyse"]
SHORT = Recipe.from_preset("iterative").with_settings(
    {"refine.algorithm": "4*ER+4*HIO+4*RAAR", "refine.starts": 2, "device": "cpu"}
)


@pytest.fixture(scope="module")
def crystal() -> Simulated:
    return simulate(5, (40, 36, 32), phase_range=1.5, oversampling=(2.6, 2.5, 2.4))


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> str:
    import torch

    from napari_autophase.network import build
    from napari_autophase.network.weights import save_weights

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_weights(path, build("compact"), "compact", {})
    return str(path)


def test_the_crystal_is_found_and_is_the_true_one(crystal):
    recipe = SHORT.with_settings({"refine.algorithm": "3*(10*ER+60*HIO)+20*ER", "refine.starts": 3})
    found = run(crystal.scan, recipe)
    _, correlation = analysis.align(found.object, crystal.object)
    assert abs(correlation) > 0.95
    assert found.figures["chi2"] < 0.02
    assert found.iterations == 230


def test_the_stages_come_in_order_and_count_up(crystal):
    seen: list[Progress] = []
    found = run(crystal.scan, SHORT, seen.append)
    stages = [progress.stage for progress in seen]
    assert list(dict.fromkeys(stages)) == STAGES
    assert stages == sorted(stages, key=STAGES.index)
    steps = [progress.step for progress in seen if progress.stage == "refine"]
    assert steps == sorted(steps)
    assert steps[-1] == 12
    assert all(0 <= progress.step <= progress.total for progress in seen)
    assert set(found.seconds) == {*STAGES, "total"}
    assert found.seconds["total"] == pytest.approx(sum(found.seconds[stage] for stage in STAGES))


def test_what_it_took_is_said_by_the_clock_that_is_given(crystal):
    now = [0.0]
    job, rests = (
        reconstruct(crystal.scan, SHORT, clock=lambda: now[0]),
        {("prepare", 1): 2.0, ("refine", 3): 5.0},
    )
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            found = end.value
            break
        now[0] += rests.pop((step.stage, step.step), 0.0)
    assert found.seconds == {"prepare": 2.0, "guess": 0.0, "refine": 5.0, "analyse": 0.0, "total": 7.0}


def test_what_is_found_keeps_the_measured_grid_and_the_conventions(crystal):
    found = run(crystal.scan, SHORT)
    assert found.object.dtype == np.complex64
    assert found.shape == crystal.scan.shape
    assert found.support.dtype == bool
    assert not found.object[~found.support].any()
    assert np.isfinite(found.object).all()
    assert abs(np.angle(found.object[found.support].sum())) < 0.01
    centre = [axis.mean() for axis in np.nonzero(found.support)]
    assert np.abs(np.array(centre) - np.array(found.shape) // 2).max() <= 0.51
    np.testing.assert_allclose(found.voxel_steps_nm, crystal.voxel_steps_nm, rtol=0.02, atol=0.05)
    np.testing.assert_allclose(found.q_bragg_per_nm, crystal.q_bragg_per_nm, rtol=0.01)
    assert len(found.errors) == found.iterations == 12
    assert {"chi2", "free_llk"} <= set(found.figures)
    assert found.weights_sha256 is None


def test_the_same_recipe_gives_the_same_result_bit_for_bit(crystal):
    first, second = run(crystal.scan, SHORT), run(crystal.scan, SHORT)
    np.testing.assert_array_equal(first.object, second.object)
    np.testing.assert_array_equal(first.support, second.support)
    np.testing.assert_array_equal(first.errors, second.errors)
    assert first.figures == second.figures
    other = run(crystal.scan, SHORT.with_settings({"seed": 1}))
    assert not np.array_equal(first.object, other.object)


@pytest.mark.parametrize("after", [1, 2, 3, 8])
def test_closing_the_generator_cancels(crystal, after):
    job = reconstruct(crystal.scan, SHORT)
    for _ in range(after):
        next(job)
    job.close()
    with pytest.raises(StopIteration):
        next(job)


def test_without_geometry_the_rest_still_runs_and_says_so(crystal):
    found = run(replace(crystal.scan, geometry=None), SHORT)
    assert found.voxel_steps_nm is None
    assert found.q_bragg_per_nm is None
    assert found.voxel_size_nm is None
    assert any("relative" in note for note in found.notes)


def test_binning_by_two_doubles_the_detector_pixel_and_keeps_the_voxel(crystal):
    found = run(crystal.scan, SHORT.with_settings({"prepare.binning": [1, 2, 2]}))
    whole = run(crystal.scan, SHORT)
    assert found.shape == (40, 18, 16)
    assert found.geometry == crystal.scan.geometry.binned((1, 2, 2))
    # the field of view in reciprocal space is the same, and with it the voxel in real space
    assert found.voxel_size_nm == pytest.approx(whole.voxel_size_nm, rel=0.01)


def test_cropping_by_two_doubles_the_voxel_and_finds_the_same_crystal(crystal):
    longer = SHORT.with_settings({"refine.algorithm": "2*(10*ER+60*HIO)+20*ER", "refine.starts": 3})
    found = run(crystal.scan, longer.with_settings({"prepare.crop": [20, 36, 16]}))
    whole = run(crystal.scan, longer)
    assert found.shape == (20, 36, 16)
    # the direct beam went along: the geometry that is written gives the Bragg vector that is written
    assert scattering_vector(found.geometry, (18, 8), found.shape) == pytest.approx(found.q_bragg_per_nm)
    assert np.array(found.voxel_size_nm) / [2, 1, 2] == pytest.approx(whole.voxel_size_nm, rel=1e-6)
    volume = [one.support.sum() * abs(np.linalg.det(one.voxel_steps_nm)) for one in (found, whole)]
    # another arithmetic ends elsewhere
    assert volume[0] == pytest.approx(volume[1], rel=0.3 if found.backend == "compiled" else 0.35)


def test_the_network_guess_runs_on_any_shape_and_is_repeatable(crystal, untrained, monkeypatch):
    monkeypatch.setattr(attempts, "is_enough", lambda *_: True)  # what is found is not phased again
    recipe = Recipe.from_preset("fast").with_settings(
        {
            "guess.weights": untrained,
            "refine.algorithm": "5*ER",
            "device": "cpu",
            "guess.candidates": 2,
            "model.coherence": "off",  # no crystal is found that would tell of it
        }
    )
    first, second = run(crystal.scan, recipe), run(crystal.scan, recipe)
    assert first.shape == crystal.scan.shape
    assert first.iterations == 5
    assert first.weights_sha256 is not None
    assert len(first.weights_sha256) == 64
    np.testing.assert_array_equal(first.object, second.object)


def test_the_network_preset_refines_nothing(crystal, untrained):
    recipe = Recipe.from_preset("network").with_settings({"guess.weights": untrained, "device": "cpu"})
    found = run(crystal.scan, recipe)
    assert found.iterations == 0
    assert len(found.errors) == 0
    assert np.isfinite(found.figures["chi2"])


def test_the_default_recipe_finds_a_weakly_strained_crystal():
    crystal = simulate(11, 64, phase_range=1.5, oversampling=(3.0, 3.0, 3.0), peak=1e6)
    found = run(crystal.scan)
    _, correlation = analysis.align(found.object, crystal.object)
    assert found.recipe.preset == "fast"
    assert abs(correlation) > 0.9


def test_the_report_is_plain(crystal):
    import json

    found = run(crystal.scan, SHORT)
    assert isinstance(found, Reconstruction)
    document = json.loads(json.dumps(found.report(), default=float))
    assert document["recipe"] == SHORT.model_dump(mode="json")
    assert document["shape"] == [40, 36, 32]
    assert document["versions"]["numpy"] == np.__version__


def test_a_result_says_what_computed_it(crystal):
    for backend, words in (("torch", "torch"), ("compiled", "compiled functions")):
        found = run(crystal.scan, SHORT.with_settings({"backend": backend, "device": "cpu"}))
        assert found.effort.endswith(f" on cpu by {words}")


@pytest.mark.parametrize("beam", [None, (11.5, 20.25)])
def test_a_geometry_that_comes_later_places_the_crystal_as_one_that_was_there(crystal, beam):
    recipe = SHORT.with_settings(
        {"refine.algorithm": "2*ER", "prepare.binning": [1, 2, 1], "prepare.crop": [32, 16, 24]}
    )
    known = replace(
        crystal.scan,
        counts=np.roll(crystal.scan.counts, (3, -2, 4), (0, 1, 2)),
        geometry=replace(crystal.scan.geometry, direct_beam_pixel=beam),
    )
    unknown = replace(known, geometry=None)
    wanted, found = run(known, recipe), run(unknown, recipe)
    assert found.peak == wanted.peak != (20.0, 9.0, 16.0), "not the middle"
    placed = with_geometry_of(known, found)
    np.testing.assert_array_equal(placed.voxel_steps_nm, wanted.voxel_steps_nm)
    np.testing.assert_array_equal(placed.q_bragg_per_nm, wanted.q_bragg_per_nm)
    assert placed.geometry == wanted.geometry
    assert sorted(placed.notes) == sorted(wanted.notes)
    assert placed.scan_geometry == known.geometry
    np.testing.assert_array_equal(placed.object, found.object)
    back = with_geometry_of(unknown, placed)
    assert (back.voxel_steps_nm, back.q_bragg_per_nm, back.geometry) == (None, None, None)
    assert sorted(back.notes) == sorted(found.notes)
    assert with_geometry_of(known, placed) is placed
    nobody_knows = replace(found, peak=None)
    assert with_geometry_of(known, nobody_knows) is nobody_knows


def test_a_geometry_that_contradicts_itself_is_told_before_phasing(crystal):
    scan = replace(crystal.scan, geometry=replace(crystal.scan.geometry, rocking_step_deg=0.0))
    seen: list[Progress] = []
    with pytest.raises(InputError, match="rocking step"):
        run(scan, SHORT, seen.append)
    assert {progress.stage for progress in seen} == {"prepare"}


@pytest.mark.parametrize(
    ("seed", "kind", "size", "phase_range", "part"),
    [
        (7_100_001, "winterbottom", 40, 1.0, 0.2),
        (7_100_008, "cut", 40, 3.0, 0.2),
        (7_100_009, "rod", 64, 6.0, 0.5),
        (7_100_008, "cut", 32, 3.0, None),
    ],
)
def test_a_crystal_is_found_although_its_bragg_peak_is_clipped_or_lies_in_a_gap(
    seed, kind, size, phase_range, part
):
    truth = simulate(seed, size, phase_range=phase_range, peak=1e6, kind=kind, geometry=None)
    counts, mask = truth.scan.counts, np.zeros(truth.scan.shape, bool)
    if part is None:
        mask[:, :, size // 2 - 2 : size // 2 + 2] = True  # a module gap
    else:
        counts = np.minimum(counts, round(part * counts.max()))
    recipe = Recipe().with_settings({"device": "cpu", "seed": 1})
    found = run(replace(truth.scan, counts=np.where(mask, 0, counts), mask=mask), recipe)
    assert abs(analysis.align(found.object, truth.object, ramp=True)[1]) > 0.95
    assert not [note for note in found.notes if "undersampled" in note]


# on from a result


def test_one_can_go_on_from_a_result():
    """As many iterations in two parts: the second begins where the first has ended, and is of one piece with it."""
    scan = simulate(2, 32, oversampling=(2.5, 2.5, 2.5)).scan
    recipe = Recipe.from_preset("iterative").with_settings(
        {"refine.algorithm": "30*HIO+20*ER", "device": "cpu", "model.coherence": "off"}
    )
    first = run(scan, recipe, report=lambda _: None)
    more = recipe.with_settings({"refine.algorithm": "40*ER", "refine.shrink_wrap.every": 0})
    stages = []
    found = run(scan, more, report=lambda step: stages.append(step.stage), begin=first)
    assert "guess" not in stages
    assert found.iterations == 90
    assert len(found.errors) == 90
    np.testing.assert_array_equal(found.errors[:50], first.errors)
    # the first error is that of what was begun with, as the result's figures have it
    assert found.errors[50] == pytest.approx(first.figures["chi2"], rel=0.02)
    assert found.figures["chi2"] <= first.figures["chi2"]
    assert found.used_sha256["begun_with"] == fingerprint(first.object)
    np.testing.assert_array_equal(found.support, first.support)
    assert any("Went on" in note for note in found.notes)


def test_of_another_shape_one_cannot_go_on():
    scan = simulate(2, 32, oversampling=(2.5, 2.5, 2.5)).scan
    quick = Recipe.from_preset("iterative").with_settings({"refine.algorithm": "2*ER", "device": "cpu"})
    first = run(scan, quick, report=lambda _: None)
    with pytest.raises(InputError, match="go on with the preparation"):
        run(scan, quick.with_settings({"prepare.crop": [16, 16, 16]}), report=lambda _: None, begin=first)

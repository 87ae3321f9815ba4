"""Less work for the same crystal: starts pruned early, a coarse beginning, an end when nothing is gained."""

from __future__ import annotations

import numpy as np
import pytest
from phasing_crystals import crystal, field, finish, likeness, photons
from scipy import ndimage

from napari_autophase.phasing import Diffraction, Starts, grids, random_starts, refine
from napari_autophase.phasing import batch as batch_module
from napari_autophase.phasing.batch import Batch
from napari_autophase.phasing.iterations import relaxation
from napari_autophase.phasing.scoring import ranking
from napari_autophase.recipe import Refinement, ShrinkWrap
from napari_autophase.recipe.algorithm import parse, resting, tail

FIXED = ShrinkWrap(every=0)
BLOCKS = "2*(10*ER+30*HIO)+20*ER"


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return crystal((32, 36, 32), 1, 2.0)


@pytest.fixture(scope="module")
def data(truth) -> Diffraction:
    return Diffraction(photons(truth, 1e5), None, 0.02)


def test_starts_are_compared_where_downhill_iterations_end_and_others_follow():
    assert resting(parse("3*(20*ER+180*HIO)+20*ER")) == {220, 420}
    assert resting(parse("30*HIO+5*CG+10*RAAR+5*ER")) == {35}
    assert resting(parse("50*ER")) == resting(()) == set()
    assert (tail(parse("3*HIO+2*ER+4*CG")), tail(parse("5*ER")), tail(parse("ER+HIO")), tail(())) == (
        3,
        0,
        2,
        0,
    )


def test_pruning_keeps_the_better_half_and_what_is_left_does_not_notice(data):
    starts = random_starts(data, 5, 0.1, seed=0)
    plain = Refinement(algorithm=BLOCKS, shrink_wrap=FIXED, averaged=0)
    half_way = plain.model_copy(update={"algorithm": "10*ER+30*HIO+10*ER"})
    whole, half = (finish(refine(data, starts, recipe))[1].runs for recipe in (plain, half_way))
    told, pruned = finish(refine(data, starts, plain.model_copy(update={"prune": True})))
    assert [one.step for one in told] == list(range(1, 101))
    better = sorted(ranking([one["free_llk"] for one in half])[:3])
    # they end as they would have ended among all
    assert pruned.runs == [whole[i] for i in better]
    assert pruned.figures == min(pruned.runs, key=lambda one: one["free_llk"])
    assert len(pruned.errors) == 100
    assert (pruned.errors > 0).all()


def test_pruning_does_nothing_to_one_start_nor_to_those_that_are_wanted(data):
    starts = random_starts(data, 2, 0.1, seed=0)
    one = Starts(starts.objects[:1], starts.supports[:1])
    for given, keep in ((one, 1), (starts, 2)):
        plain, pruned = (
            finish(refine(data, given, Refinement(algorithm=BLOCKS, prune=prune), keep=keep))[1]
            for prune in (False, True)
        )
        np.testing.assert_array_equal(plain.kept.objects, pruned.kept.objects)
        assert plain.runs == pruned.runs


@pytest.mark.parametrize("size", [1, 2])
def test_a_batch_goes_on_with_some_of_its_starts(data, monkeypatch, size):
    monkeypatch.setattr(batch_module, "_chunk_size", lambda *_: size)  # two: as on a GPU
    starts = random_starts(data, 5, 0.1, seed=3)
    batch = Batch(data, starts)
    expected = [batch.object(i) for i in (0, 3, 4)]
    judged = batch.scores()
    batch.keep([0, 3, 4])
    assert len(batch) == 3
    assert all(len(chunk) for chunk in batch.chunks)
    np.testing.assert_array_equal(batch.starts(range(3)).objects, expected)
    np.testing.assert_array_equal(batch.support(1), starts.supports[3])
    assert batch.scores() == [judged[i] for i in (0, 3, 4)]
    assert batch.iterate(relaxation("ER")).shape == (1, 3)


@pytest.mark.parametrize("free_fraction", [0.0, 0.03])
def test_starts_are_judged_by_the_figures_that_results_are(truth, free_fraction):
    data = Diffraction(photons(truth, 1e4), None, free_fraction)
    batch = Batch(data, random_starts(data, 2, 0.1, seed=0))
    judged = batch.scores()
    batch.finish()
    name = "free_llk" if free_fraction else "chi2"
    assert judged == pytest.approx([figures[name] for figures in batch.figures()], rel=1e-5)


def test_the_middle_of_reciprocal_space_is_the_same_crystal_on_coarser_voxels(truth):
    small = (16, 18, 16)
    whole = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(truth)))
    coarse = grids.regrid(truth, small)
    middle = whole[9:24, 10:27, 9:24] / 8  # the highest frequencies are halved between their signs
    np.testing.assert_allclose(field(coarse)[1:, 1:, 1:], middle, atol=1e-9 * np.abs(whole).max())
    smooth = truth * 0 + ndimage.gaussian_filter(np.abs(truth), 2.0)
    there = grids.regrid(smooth, small)
    np.testing.assert_allclose(there.real, smooth[::2, ::2, ::2].real, atol=0.01 * smooth.max())
    back = grids.regrid(there, truth.shape)
    np.testing.assert_allclose(back.real, smooth.real, atol=0.01 * smooth.real.max())


def test_nothing_that_is_held_out_is_fitted_on_the_coarse_grid(truth):
    counts, good = photons(truth, 1e5), np.ones(truth.shape, bool)
    good[:, 20] = False
    data = Diffraction(counts, good, 0.05, seed=4)
    small = data.middle((16, 20, 16))

    def natural(volume):
        return np.fft.fftshift(volume.numpy())

    inside = (slice(8, 24), slice(8, 28), slice(8, 24))
    free = natural(data.is_held_out)[inside]
    assert free.any()
    np.testing.assert_array_equal(natural(small.is_held_out), free)
    assert (natural(small.modulus)[free] < 0).all()
    np.testing.assert_array_equal(natural(small.counts), natural(data.counts)[inside])
    np.testing.assert_array_equal(natural(small.good), natural(data.good)[inside])
    assert small.held_out == free.sum()


def test_a_coarse_beginning_finds_the_crystal_and_is_shown_on_the_scans_grid(truth, data):
    starts = random_starts(data, 2, 0.1, seed=0)
    recipe = Refinement(algorithm="2*(20*ER+80*HIO)+40*ER", coarse=120)
    told, found = finish(refine(data, starts, recipe))
    assert likeness(found.object, truth) > 0.95
    assert found.object.shape == truth.shape
    assert not found.object[~found.support].any()
    assert [one.step for one in told] == list(range(1, 241))
    assert {one.total for one in told} == {240}
    assert len(found.errors) == found.iterations == 240
    assert {one.best.voxel_size for one in told if one.best is not None and one.step <= 120} == {(2, 1.8, 2)}
    assert {one.best.voxel_size for one in told if one.best is not None and one.step > 120} == {(1, 1, 1)}
    again = finish(refine(data, starts, recipe))[1]
    assert again.object.tobytes() == found.object.tobytes()


def test_the_coarse_iterations_are_done_on_an_eighth_of_the_voxels(data, monkeypatch, room):
    Box, shapes = room.box.Box, []
    iterate = Box.iterate

    def told(self, rule, count, again):
        shapes.extend(count * [self.part.shape])
        return iterate(self, rule, count, again)

    monkeypatch.setattr(Box, "iterate", told)
    starts = random_starts(data, 1, 0.1, 0)
    finish(refine(data, starts, Refinement(algorithm="12*HIO", coarse=9, shrink_wrap=FIXED)))
    assert shapes.count((16, 20, 16)) == 9
    assert shapes.count((32, 36, 32)) == 3


def test_a_run_ends_when_nothing_is_gained(truth):
    data = Diffraction(photons(truth, 1e5), None, 0.02)
    starts = Starts(truth[None].astype(np.complex64), ndimage.binary_dilation(np.abs(truth) > 0.3)[None])
    patient = Refinement(algorithm="3*HIO+400*ER", patience=30, shrink_wrap=FIXED)
    told, found = finish(refine(data, starts, patient))
    assert 33 <= found.iterations < 400
    assert told[-1].step == told[-1].total == found.iterations == len(found.errors)
    assert {one.total for one in told[:-1]} == {403}
    assert any("Stopped after" in note for note in found.notes)
    # as if no more had been asked for
    fewer = Refinement(algorithm=f"3*HIO+{found.iterations - 3}*ER", shrink_wrap=FIXED)
    same = finish(refine(data, starts, fewer))[1]
    assert same.object.tobytes() == found.object.tobytes()
    assert not same.notes


def test_a_run_that_gains_goes_on_to_its_end(data):
    impatient = Refinement(algorithm="40*ER", patience=10, shrink_wrap=FIXED)
    fitted = Diffraction(np.fft.fftshift(data.counts.numpy()), None, 0.0)  # what ER never fails to fit better
    assert finish(refine(fitted, random_starts(fitted, 1, 0.1, 0), impatient))[1].iterations == 40
    # HIO has ups and downs: it is never stopped
    uphill = Refinement(algorithm="60*HIO", patience=1, shrink_wrap=FIXED)
    assert finish(refine(data, random_starts(data, 1, 0.1, 0), uphill))[1].iterations == 60

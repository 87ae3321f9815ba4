"""Even crystals, outlines and rounds of starts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phasing_crystals import crystal, finish, likeness, photons
from scipy import ndimage

from napari_autophase.phasing import Diffraction, Starts, projections, random_phases, refine, search, support
from napari_autophase.recipe import Guess, Refinement, ShrinkWrap

FIXED = ShrinkWrap(every=0)


def test_an_even_crystal_has_one_amplitude_inside_its_support_and_what_it_had_outside():
    rng = np.random.default_rng(0)
    volumes = (rng.normal(size=(2, 9, 8, 7)) + 1j * rng.normal(size=(2, 9, 8, 7))).astype(np.complex64)
    inside = rng.random(volumes.shape) < 0.3
    found = torch.from_numpy(volumes.copy())
    projections.project_uniform(found, torch.from_numpy(inside))
    np.testing.assert_array_equal(found.numpy()[~inside], volumes[~inside])
    for now, before, where in zip(found.numpy(), volumes, inside, strict=True):
        np.testing.assert_allclose(
            np.abs(now[where]), np.sqrt((np.abs(before[where]) ** 2).mean()), rtol=1e-4
        )
        np.testing.assert_allclose(np.angle(now[where] / before[where]), 0, atol=1e-4)


def test_knowing_that_a_crystal_is_even_finds_what_its_support_alone_does_not():
    truth = crystal((32, 32, 32), 3, 4.0)  # more than 4π of phase
    inside = ndimage.binary_dilation(np.abs(truth) > 0.3)
    data = Diffraction(photons(truth, 1e5), free_fraction=0.02)
    starts = random_phases(inside[None], 5, seed=0)

    def found(name: str) -> list[float]:
        plan = Refinement(algorithm=f"20*ER+100*{name}+40*ER", shrink_wrap=FIXED)
        kept = finish(refine(data, starts, plan, keep=5))[1].kept
        return [likeness(one, truth) for one in kept.objects]

    plain, evened = found("HIO"), found("EHIO")
    assert np.median(evened) > 0.8  # which of random phases find it depends on the rounding of every sum
    assert max(plain) < 0.7


def test_a_body_is_outlined_whatever_its_brightest_voxel():
    truth = np.abs(crystal((32, 32, 32), 1)).astype(np.complex64)
    body = truth.real > 0.5 * np.median(truth.real[truth.real > 0.1])
    spoilt = truth.copy()
    spoilt[16, 16, 16] *= 12
    spoilt[17, 15, 16] = 0  # a hole, as a dislocation leaves one
    spoilt[3, 3, 3] = spoilt[3, 4, 3] = 1  # a speck
    wide = ndimage.binary_dilation(body, iterations=3)
    objects, supports = (torch.from_numpy(np.fft.ifftshift(x))[None] for x in (spoilt, wide))
    found = np.fft.fftshift(support.outline(objects, supports, 0.5, 0.45, margin=0)[0].numpy())
    assert found[17, 15, 16]
    assert not found[3, 3, 3]
    assert (found & body).sum() > 0.9 * (found | body).sum()
    classical = np.fft.fftshift(support.shrink_wrap(objects, 0.5, 0.2)[0].numpy())
    assert (classical & body).sum() < 0.5 * (classical | body).sum()
    wider = np.fft.fftshift(support.outline(objects, supports, 0.5, 0.45, margin=1)[0].numpy())
    np.testing.assert_array_equal(wider, ndimage.binary_dilation(found))


def test_rounds_keep_the_better_starts_and_count_their_steps():
    truth = crystal((24, 24, 24), 1, 2.0)
    inside = ndimage.binary_dilation(np.abs(truth) > 0.3)
    data = Diffraction(photons(truth, 1e5), free_fraction=0.02)
    starts = random_phases(np.stack([ndimage.binary_dilation(inside), inside]), 6, seed=1)
    choice = Guess(polish="10*ER+30*EHIO+10*ER", rounds=2, keep=2)
    progress, found = finish(search(data, starts, choice))
    best = found.kept
    assert [p.step for p in progress] == list(range(1, 101))
    assert {(p.stage, p.total) for p in progress} == {("guess", 100)}
    assert best.objects.shape == (2, 24, 24, 24)
    assert likeness(best.objects[0], truth) > 0.9
    assert found.figures == min(found.runs, key=lambda run: run["free_llk"])
    again = finish(search(data, starts, choice))[1].kept
    np.testing.assert_array_equal(best.objects, again.objects)


def test_random_phases_take_turns_with_the_supports_and_do_not_depend_on_their_number():
    supports = np.zeros((2, 8, 8, 8), bool)
    supports[0, 2:5], supports[1, 3:6] = True, True
    few, many = random_phases(supports, 3, seed=5), random_phases(supports, 5, seed=5)
    assert isinstance(few, Starts)
    np.testing.assert_array_equal(few.objects, many.objects[:3])
    np.testing.assert_array_equal(many.objects != 0, many.supports)
    np.testing.assert_array_equal(many.supports[4], supports[0])
    assert not np.array_equal(many.objects[0], many.objects[2])
    assert np.abs(many.objects[many.supports]).min() == pytest.approx(0.5, abs=0.02)

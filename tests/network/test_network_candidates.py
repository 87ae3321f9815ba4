"""Symmetry-related candidates: the 48 of the cube reach the twin, and held-out voxels decide which are kept."""

from functools import cache

import numpy as np
import pytest
import torch

from napari_autophase.network import inference
from napari_autophase.network.compact import Estimate
from napari_autophase.network.physics import propagate
from napari_autophase.network.weights import Model
from napari_autophase.phasing import Diffraction, Starts, keep_best

INVERSION = ((0, 1, 2), (0, 1, 2))


@cache
def crystal():
    """A wedge with a phase: no symmetry of the cube leaves it as it is."""
    x, y, z = torch.meshgrid(*[torch.arange(32) - 16.0] * 3, indexing="ij")
    inside = (x > -8) & (y > -6) & (z > -5) & (x + 1.3 * y + 1.7 * z < 7)
    return torch.where(inside, torch.exp(1j * (0.02 * x * y + 0.3 * z)), 0).to(torch.complex64)


def twin(found):
    return inference.reoriented(found, *INVERSION).conj()


def alike(a, b):
    return float(torch.vdot(a.flatten(), b.flatten()).abs() / (a.norm() * b.norm()))


def skew(found):
    power = found.abs().square()
    centre = (torch.arange(32) - 16.0) - ((torch.arange(32) - 16.0) * power.sum((1, 2))).sum() / power.sum()
    return float((centre**3 * power.sum((1, 2))).sum())


@cache
def pattern():
    """The modulus of the crystal's far field."""
    return propagate(crystal()[None])[0].abs()


class Partial(torch.nn.Module):
    """Solves any orientation of one crystal, but of the two solutions always tells the one that leans the same way."""

    def __init__(self):
        super().__init__()
        self.solutions = []
        for turn in inference.orientations(48):
            one = inference.reoriented(crystal(), *turn)
            self.solutions.append((propagate(one[None])[0].abs(), one if skew(one) > 0 else twin(one)))

    def forward(self, counts):
        found = [max(self.solutions, key=lambda s: float((s[0] * one.sqrt()).sum()))[1] for one in counts]
        objects = torch.stack(found)
        return [Estimate(objects, 20 * (objects.abs() - 0.5))]


def candidates(number):
    turns = inference.orientations(number)
    model = Model(Partial(), "0" * 64, torch.device("cpu"))
    job = inference.predict(model, [inference.reoriented(pattern().square(), *turn) for turn in turns])
    while True:
        try:
            next(job)
        except StopIteration as done:
            return [
                inference.original(one.object, *turn) for one, turn in zip(done.value, turns, strict=True)
            ]


def test_turning_the_object_turns_its_pattern_and_the_inversion_is_among_the_first_two():
    assert inference.orientations(2)[1] == INVERSION
    for turn in inference.orientations(48):
        turned = propagate(inference.reoriented(crystal(), *turn)[None])[0].abs()
        torch.testing.assert_close(turned, inference.reoriented(pattern(), *turn), rtol=1e-3, atol=0.1)


@pytest.mark.parametrize("number", [2, 48])
def test_the_candidates_hold_the_crystal_and_its_twin(number):
    truth, other = crystal(), twin(crystal())
    assert alike(truth, other) < 0.9
    found = candidates(number)
    same = [alike(one, truth) for one in found]
    mirrored = [alike(one, other) for one in found]
    np.testing.assert_allclose(np.maximum(same, mirrored), 1, atol=1e-5)
    # a network that leans to one side tells the twin of exactly half of the orientations
    assert sum(one > 0.999 for one in same) == sum(one > 0.999 for one in mirrored) == number // 2


def test_candidates_are_kept_by_the_voxels_held_out_and_not_by_the_fit():
    truth = np.fft.fftshift(np.fft.ifftshift(crystal().numpy()))
    modulus = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(truth))))
    rng = np.random.default_rng(0)
    counts = rng.poisson(modulus**2 * (1e4 / modulus.max() ** 2)).astype(np.float32)
    data = Diffraction(counts, None, 0.05)
    noise = rng.normal(size=(2, 2, *truth.shape))
    loose = np.ones(truth.shape, bool)  # fits anything, and knows nothing of what it has not seen
    objects = np.stack([noise[0, 0] + 1j * noise[0, 1], truth + 0.2 * noise[1, 0], noise[1, 1] + 0j])
    supports = np.stack([loose, truth != 0, truth != 0])
    starts = Starts((objects * supports).astype(np.complex64), supports)

    def fit(one):
        found = np.abs(np.fft.fftn(np.fft.ifftshift(one)))
        seen = data.modulus.numpy() >= 0
        return ((found - data.modulus.numpy())[seen] ** 2).sum()

    kept = keep_best(data, starts, 2)
    np.testing.assert_array_equal(kept.supports[0], truth != 0)
    every = keep_best(data, Starts(starts.objects[[0, 0]], supports[[0, 0]]), 1)
    assert fit(every.objects[0]) < fit(
        kept.objects[0]
    )  # by the fit alone the loose one would have been taken
    best = torch.as_tensor(kept.objects[0])
    assert alike(best, torch.as_tensor(truth)) > 0.98

"""Networks of other windows and other people, from a scan to its result."""

import hashlib

import numpy as np
import pytest
import torch
from test_network_keras import random_layers, write

from napari_autophase import Recipe, network, run, simulation
from napari_autophase.network import physics, weights, window
from napari_autophase.network.compact import Estimate
from napari_autophase.network.weights import Model
from napari_autophase.recipe import Guess


def ball(shape, widths):
    """A soft ellipsoid with a phase that scales with it."""
    axes = [(np.arange(n) - n // 2) / (w / 2) for n, w in zip(shape, widths, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    amplitude = 1 / (1 + np.exp((np.sqrt(x**2 + y**2 + z**2) - 1) * min(widths) / 3))
    return (amplitude * np.exp(1j * (0.8 * x * y + 0.5 * z**2 - 0.4 * x))).astype(np.complex64)


def intensity(found):
    return (np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(found)))) ** 2).astype(np.float32)


def correlation(a, b):
    return abs(np.vdot(a, b)) / np.linalg.norm(a) / np.linalg.norm(b)


def test_a_scan_is_shown_as_the_training_crystals_were():
    counts = intensity(ball((64,) * 3, (24.0,) * 3))
    trained_on, _ = physics.view(torch.as_tensor(counts)[None], torch.zeros(1, 32, 32, 32) + 0j, 32, 32 / 1.5)
    samples = window.window_samples(counts.shape, (64 / 24,) * 3, 32, 32 / 1.5)
    good = np.ones(counts.shape, bool)
    for coarse, agrees in ((True, True), (False, False)):  # cropped, the pattern would be smeared
        shown = window.to_window(counts, good, samples, torch.device("cpu"), (32,) * 3, coarse=coarse)
        error = (shown.sqrt() - trained_on[0].sqrt()).norm() / trained_on.sqrt().norm()
        assert (float(error) < 0.02) is agrees


class Oracle(torch.nn.Module):
    """Knows the answer in a window of 32³ at an oversampling of 1.5, if it is asked the right question."""

    window, extent = 32, 32 / 1.5

    def __init__(self):
        super().__init__()
        self.object = torch.as_tensor(ball((32,) * 3, (32 / 1.5,) * 3))

    def forward(self, counts):
        expected = physics.propagate(self.object, 32).abs()
        assert all(correlation(one.sqrt().numpy(), expected.numpy()) > 0.98 for one in counts)
        found = self.object.expand(len(counts), -1, -1, -1)
        return [Estimate(found, 20 * (found.abs() - 0.5))]


def test_what_is_seen_in_a_window_of_32_comes_to_the_scans_grid():
    shape, widths = (80, 66, 60), (30.0, 24.0, 22.0)
    truth = ball(shape, widths)
    job = network.guess(
        Model(Oracle(), "0" * 64, torch.device("cpu")),
        intensity(truth),
        np.ones(shape, bool),
        tuple(n / w for n, w in zip(shape, widths, strict=True)),
        Guess(candidates=1, keep=1, polish=""),
    )
    while True:
        try:
            next(job)
        except StopIteration as done:
            starts = done.value.starts
            break
    assert correlation(starts.objects[0], truth) > 0.97
    inside = np.abs(truth) > 0.5
    both = (starts.supports[0] & inside).sum() / (starts.supports[0] | inside).sum()
    assert both > 0.6
    assert (starts.supports[0] & inside).sum() > 0.98 * inside.sum(), "the support covers the crystal"


def files(folder):
    """One tiny weights file of each kind."""
    torch.manual_seed(0)
    torch.save(network.build("autophasenn", width=2).state_dict(), folder / "published.pth")
    write(folder / "published.hdf5", random_layers())
    weights.save_weights(folder / "own.safetensors", network.build("cdinn"), "cdinn", {})
    return folder


@pytest.mark.parametrize("name", ["published.pth", "published.hdf5", "own.safetensors"])
def test_other_weights_reconstruct_a_scan(tmp_path, name):
    file = files(tmp_path) / name
    scan = simulation.simulate(5, 32, phase_range=1.0).scan
    recipe = Recipe.from_preset("network").with_settings(
        {"guess.weights": str(file), "guess.candidates": 1, "refine.algorithm": "5*ER", "device": "cpu"}
    )
    found = run(scan, recipe)
    assert found.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert found.recipe.guess.weights == str(file)
    assert found.object.shape == found.support.shape
    assert np.isfinite(found.object).all()
    assert found.support.any()
    assert found.figures["chi2"] < 1

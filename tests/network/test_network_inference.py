"""One shot on a scan of any size."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase.network import guess, inference, load
from napari_autophase.network.compact import Estimate
from napari_autophase.network.physics import propagate
from napari_autophase.network.weights import Model
from napari_autophase.recipe import Guess


def ellipsoid(shape, widths, blur=1.5):
    """A soft ellipsoid with a quadratic phase that scales with it, on a grid of any shape."""
    axes = [(np.arange(n) - n // 2) / (w / 2) for n, w in zip(shape, widths, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    amplitude = 1 / (1 + np.exp((radius - 1) * min(widths) / 2 / blur))
    return (amplitude * np.exp(1j * (0.8 * x * y + 0.5 * z**2 - 0.4 * x))).astype(np.complex64)


def intensity(found):
    return np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(found)))) ** 2


def correlation(a, b):
    return abs(np.vdot(a, b)) / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.mark.parametrize(
    ("shape", "widths"),
    [((64, 64, 64), (24, 24, 24)), ((96, 70, 81), (33, 21, 30)), ((50, 128, 60), (18, 40, 25))],
)
def test_a_scan_of_any_size_comes_to_the_window_and_goes_back(shape, widths):
    truth = ellipsoid(shape, widths)
    samples = inference.window_samples(shape, tuple(n / w for n, w in zip(shape, widths, strict=True)))
    counts = intensity(truth).astype(np.float32)
    window = inference.to_window(counts, np.ones(shape, bool), samples, torch.device("cpu"))

    in_window = torch.as_tensor(ellipsoid((32, 32, 32), (24, 24, 24), blur=1.5 * 24 / min(widths)))
    expected = propagate(in_window).abs().square()
    assert correlation(window.sqrt().numpy(), expected.sqrt().numpy()) > 0.99

    back = inference.from_window(inference._fit(in_window, (64,) * 3), shape, samples).numpy()
    assert back.shape == shape
    assert correlation(back, truth) > 0.99


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 47))
def test_turning_the_data_turns_the_object(index):
    order, flips = inference.orientations(48)[index]
    generator = torch.Generator().manual_seed(index)
    seen = torch.zeros(32, 32, 32, dtype=torch.complex64)
    seen[6:20, 8:25, 9:23] = torch.randn(14, 17, 14, dtype=torch.complex64, generator=generator)
    turned_data = propagate(seen[None])[0].abs()
    back = inference._turn_back(seen, order, flips)
    torch.testing.assert_close(
        inference._turn(propagate(back[None])[0].abs(), order, flips), turned_data, rtol=1e-3, atol=1e-2
    )


def test_orientations_are_the_48_of_the_cube():
    every = inference.orientations(48)
    assert len(set(every)) == 48
    assert every[0] == ((0, 1, 2), ())


def finish(job, report):
    while True:
        try:
            report(next(job))
        except StopIteration as done:
            return done.value


class Oracle(torch.nn.Module):
    """Knows the answer in the window, so that everything around the network can be judged."""

    def forward(self, counts):
        one = torch.as_tensor(ellipsoid((32, 32, 32), (24, 24, 24)))
        every = one.expand(len(counts), -1, -1, -1)
        return [Estimate(every, 20 * (every.abs() - 0.5))]


def test_guess_returns_a_start_on_the_scans_grid_with_the_support_of_the_crystal():
    shape, widths = (80, 72, 64), (30.0, 27.0, 24.0)
    truth = ellipsoid(shape, widths)
    model = Model(Oracle(), "0" * 64, torch.device("cpu"))
    job = guess(
        model,
        intensity(truth).astype(np.float32),
        np.ones(shape, bool),
        tuple(n / w for n, w in zip(shape, widths, strict=True)),
        Guess(candidates=3, keep=2, threshold=0.1, polish="5*ER"),
    )
    stages = []
    starts = finish(job, stages.append)
    assert {p.stage for p in stages} == {"guess"}
    assert len(stages) == 3 + 2 * 5
    assert starts.objects.shape == (2, *shape)
    assert starts.objects.dtype == np.complex64
    assert correlation(starts.objects[0], truth) > 0.98
    wanted = np.abs(truth) > 0.1 * np.abs(truth).max()
    both = (starts.supports[0] & wanted).sum() / (starts.supports[0] | wanted).sum()
    assert both > 0.93
    assert not starts.objects[~starts.supports].any()


def test_predictions_in_bfloat16_agree_with_float32(monkeypatch):
    seen = intensity(ellipsoid((64, 64, 64), (26, 22, 24)))
    windows = [torch.poisson(torch.as_tensor(seen / seen.max() * peak)).float() for peak in (1e4, 1e6)]
    found = {}
    for quick in (False, True):
        monkeypatch.setattr(inference, "quick_bfloat16", lambda _, quick=quick: quick)
        found[quick] = finish(inference.predict(load(), windows), lambda _: None)
    for one, other in zip(found[False], found[True], strict=True):
        assert correlation(one.numpy(), other.numpy()) > 0.999

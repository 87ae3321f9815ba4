"""One shot on a scan of any size."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch.nn.functional import max_pool3d

from napari_autophase.network import compact, guess, inference, load, window
from napari_autophase.network.compact import Estimate
from napari_autophase.network.physics import propagate
from napari_autophase.network.weights import Model
from napari_autophase.phasing import Diffraction, grids
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
    samples = window.window_samples(shape, tuple(n / w for n, w in zip(shape, widths, strict=True)))
    counts = intensity(truth).astype(np.float32)
    seen = window.to_window(counts, np.ones(shape, bool), samples, torch.device("cpu"))

    in_window = torch.as_tensor(ellipsoid((32, 32, 32), (24, 24, 24), blur=1.5 * 24 / min(widths)))
    expected = propagate(in_window).abs().square()
    assert correlation(seen.sqrt().numpy(), expected.sqrt().numpy()) > 0.99

    back = grids.regrid(grids.fit(in_window, (64,) * 3).numpy(), samples, shape)
    assert back.shape == shape
    assert correlation(back, truth) > 0.99


@settings(max_examples=8)
@given(st.integers(0, 47))
def test_turning_the_data_turns_the_object(index):
    order, flips = inference.orientations(48)[index]
    generator = torch.Generator().manual_seed(index)
    seen = torch.zeros(32, 32, 32, dtype=torch.complex64)
    seen[6:20, 8:25, 9:23] = torch.randn(14, 17, 14, dtype=torch.complex64, generator=generator)
    turned_data = propagate(seen[None])[0].abs()
    back = inference.original(seen, order, flips)
    torch.testing.assert_close(
        inference.reoriented(propagate(back[None])[0].abs(), order, flips), turned_data, rtol=1e-3, atol=1e-2
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
        Guess(candidates=3, keep=2, threshold=0.1, side=64, polish="5*ER"),
    )
    stages = []
    starts = finish(job, stages.append).starts
    assert {p.stage for p in stages} == {"guess"}
    assert [p.step for p in stages] == [1, 2, 3, 1, 2, 3, 4, 5]
    assert starts.objects.shape == (2, *shape)
    assert starts.objects.dtype == np.complex64
    assert correlation(starts.objects[0], truth) > 0.97
    crystal = np.abs(truth) > 0.5
    assert starts.supports[0][crystal].mean() > 0.995
    assert 1 < starts.supports[0].sum() / crystal.sum() < 1.7
    assert not starts.objects[~starts.supports].any()


class Doubtful(Oracle):
    """Is right only in its last stage; notes which ones it is asked for."""

    stages = 2
    asked: ClassVar[list] = []

    def forward(self, counts, stages=None, backend=None):
        self.asked.append(stages)
        (right,) = super().forward(counts)
        speck = torch.full_like(right.inside_logit, -20.0)
        speck[..., 14:18, 14:18, 14:18] = 20.0
        wrong = Estimate(torch.ones_like(right.object), speck)
        return [wrong, right][:stages]


@pytest.mark.parametrize(
    ("enough", "polish", "asked", "found"),
    [
        (9.0, "5*ER", [1], False),
        (1e-6, "5*ER", [1, None], True),
        (0.0, "5*ER", [None], True),
        (9.0, "", [None], True),
    ],
)
def test_later_stages_are_asked_where_the_first_is_not_enough(enough, polish, asked, found):
    truth = ellipsoid((64, 64, 64), (24, 24, 24))
    Doubtful.asked.clear()
    choice = Guess(enough=enough, side=64, polish=polish, starts=2)
    job = guess(
        Model(Doubtful(), "0" * 64, torch.device("cpu")),
        intensity(truth).astype(np.float32),
        np.ones(truth.shape, bool),
        (64 / 24,) * 3,
        choice,
    )
    steps = []
    starts = finish(job, steps.append).starts
    assert Doubtful.asked == asked
    assert len(steps) == len(asked) * (1 + (5 if polish else 0))
    assert bool(correlation(starts.objects[0], truth) > 0.97) is found


@pytest.mark.parametrize(("side", "part"), [(64, (64, 64, 42)), (48, (48, 48, 42)), (45, (42, 42, 42))])
def test_guesses_are_polished_in_the_middle_of_the_window(monkeypatch, side, part):
    phased = []

    def seen(counts, good, *_, **settings):
        phased.append(counts)
        return Diffraction(counts, good, *_, **settings)

    monkeypatch.setattr(inference, "Diffraction", seen)
    shape, widths = (64, 64, 64), (24.0, 24.0, 16.0)
    truth = ellipsoid(shape, widths)
    job = guess(
        Model(Oracle(), "0" * 64, torch.device("cpu")),
        intensity(truth).astype(np.float32),
        np.ones(shape, bool),
        tuple(n / w for n, w in zip(shape, widths, strict=True)),
        Guess(side=side, polish="30*ER", starts=0),
    )
    starts = finish(job, lambda _: None).starts
    assert [counts.shape for counts in phased] == [part]
    assert starts.objects.shape == (1, *shape)
    assert correlation(starts.objects[0], truth) > 0.93


def test_only_the_measured_part_of_the_window_is_phased():
    shape, widths = (64, 60, 128), (16.0, 30.0, 30.0)
    truth = ellipsoid(shape, widths)
    samples = window.window_samples(shape, tuple(n / w for n, w in zip(shape, widths, strict=True)))
    part = window.measured_part(samples)
    assert part == (42, 64, 64)
    assert window.measured_part((62, 46, 9)) == (60, 42, 8)
    assert window.measured_part((62, 46, 9), 48) == (48, 42, 8)
    good = np.ones(shape, bool)
    assert window.measured(good, samples, part).all()
    assert not window.measured(good, samples, (64, 64, 64)).all()
    good[:, 40:42] = False
    assert not window.measured(good, samples, part)[:, 45].any()

    here = grids.regrid(grids.fit(torch.as_tensor(truth), samples).numpy(), part)
    pattern = window.to_window(
        intensity(truth).astype(np.float32), np.ones(shape, bool), samples, torch.device("cpu"), part
    )
    assert correlation(pattern.numpy(), intensity(here)) > 0.999
    back = grids.regrid(here, samples, shape)
    assert correlation(back, truth) > 0.99
    assert np.abs(back).max() == pytest.approx(np.abs(truth).max(), rel=0.1)
    body = window.carried((np.abs(here) > 0.5).astype(np.float32), samples, shape) > 0.5
    wanted = np.abs(truth) > 0.5
    assert (body & wanted).sum() > 0.9 * (body | wanted).sum()


@pytest.mark.parametrize("shape", [(2, 7, 8, 9), (1, 5, 1, 2)])
def test_widening_is_what_pooling_by_maxima_does(shape):
    volumes = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    before = volumes.clone()
    torch.testing.assert_close(compact.widened(volumes), max_pool3d(volumes, 3, 1, 1), rtol=0, atol=0)
    torch.testing.assert_close(volumes, before, rtol=0, atol=0)
    expected = max_pool3d((volumes > 0.5).float(), 3, 1, 1)
    torch.testing.assert_close(compact.cover(volumes), expected, rtol=0, atol=0)


@pytest.mark.parametrize("onto", [None, (60, 71, 40)])
def test_shapes_are_carried_over_by_linear_interpolation(onto):
    volume, samples, shape = np.random.default_rng(0).random((20, 32, 18)), (24, 64, 18), (30, 27, 40)
    found = window.carried(volume, samples, shape, onto)
    ends = samples if onto is None else np.array(samples) * shape / onto
    places = [
        (np.arange(n) - n // 2) * m / end + m // 2
        for n, m, end in zip(shape, volume.shape, ends, strict=True)
    ]
    expected = ndimage.map_coordinates(volume, np.meshgrid(*places, indexing="ij"), order=1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


class OfAnotherWindow(Oracle):
    """The same knowledge through a window of 32³ in which the crystal is 20 voxels wide."""

    window, extent = 32, 20.0

    def forward(self, counts):
        assert counts.shape[1:] == (32, 32, 32)
        one = torch.as_tensor(ellipsoid((32, 32, 32), (20, 20, 20), blur=1.25))
        every = one.expand(len(counts), -1, -1, -1)
        return [Estimate(every, 20 * (every.abs() - 0.5))]


def test_a_network_of_another_window_guesses_the_same_crystal():
    shape, widths = (64, 64, 64), (24.0, 24.0, 24.0)
    truth = ellipsoid(shape, widths)
    job = guess(
        Model(OfAnotherWindow(), "0" * 64, torch.device("cpu")),
        intensity(truth).astype(np.float32),
        np.ones(shape, bool),
        tuple(n / w for n, w in zip(shape, widths, strict=True)),
        Guess(candidates=1, polish=""),
    )
    assert correlation(finish(job, lambda _: None).starts.objects[0], truth) > 0.98


def test_predictions_in_bfloat16_agree_with_float32(quick_bfloat16, monkeypatch):
    seen = intensity(ellipsoid((64, 64, 64), (26, 22, 24)))
    windows = [torch.poisson(torch.as_tensor(seen / seen.max() * peak)).float() for peak in (1e4, 1e6)]
    found = [finish(inference.predict(load(), windows), lambda _: None)]
    monkeypatch.setattr(inference, "quick_bfloat16", lambda _: False)
    found.append(finish(inference.predict(load(), windows), lambda _: None))
    for one, other in zip(*found, strict=True):
        assert not torch.equal(one.object, other.object)
        assert correlation(one.object.numpy(), other.object.numpy()) > 0.999


class Counted(Oracle):
    """Notes how many threads share each prediction."""

    threads: ClassVar[list] = []

    def forward(self, counts):
        self.threads.append(torch.get_num_threads())
        return super().forward(counts)


@pytest.mark.parametrize(("windows", "shared_by"), [(1, inference.cores()), (5, 1)])
def test_how_many_threads_share_a_prediction_depends_on_the_computer_alone(windows, shared_by):
    """Its last digits depend on them: they must not hang on what else the computer does, or on what ran before."""
    before = torch.get_num_threads()
    try:
        for left_over in (1, 3):
            torch.set_num_threads(left_over)
            Counted.threads.clear()
            model = Model(Counted(), "0" * 64, torch.device("cpu"))
            finish(inference.predict(model, [torch.ones((64,) * 3)] * windows), lambda _: None)
            assert Counted.threads == [shared_by] * windows
            assert torch.get_num_threads() == left_over
    finally:
        torch.set_num_threads(before)

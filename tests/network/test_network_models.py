"""Architectures: their sizes, their ranges, what they do not depend on, and that they learn."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from napari_autophase import Recipe, analysis, network, preparation, run, simulation
from napari_autophase.network import compact, physics, window
from napari_autophase.network.weights import NETWORKS
from napari_autophase.training import Trainer, TrainingConfig, crystals, losses

TINY = {
    "compact": {},
    "autophasenn": {"width": 2},
    "autophasenn_keras": {"width": 2},
    "cdinn": {"width": 2},
}


def multiply_accumulates(name: str, device: str) -> float:
    def direct(x, weight, *_, out_shape, **__):
        return conv_flop_count(x, weight, out_shape)

    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mkldnn_convolution: direct})
    with torch.device(device):
        model = NETWORKS[name]().eval()
        with counter, torch.no_grad():
            model(torch.rand(1, *[model.window] * 3))
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_says_an_object_and_its_shape_in_the_middle_of_its_window(name):
    torch.manual_seed(0)
    model = network.build(name, **TINY[name]).eval()
    counts = torch.poisson(100 * torch.rand(2, *[model.window] * 3))
    with torch.no_grad():
        estimates = model(counts)
    assert isinstance(estimates, list)
    for found, shape in estimates:
        assert (found.dtype, shape.dtype) == (torch.complex64, torch.float32)
        assert found.shape == shape.shape == (2, 32, 32, 32)
        assert found.isfinite().all()
        assert shape.isfinite().all()
    assert model.extent < min(model.window, found.shape[-1]), "or a crystal would not fit"
    assert not torch.equal(*estimates[-1].object)


def test_autophasenn_has_the_published_size_and_names():
    model = network.build("autophasenn").eval()
    assert sum(p.numel() for p in model.parameters()) == 6_975_362
    names = model.state_dict().keys()
    encoder = {int(n.split(".")[1]) for n in names if n.startswith("encoder")}
    assert encoder == {0, 3, 6, 9, 12, 15, 18} | {2, 5, 8, 11, 14, 17, 20}
    for decoder in ("decoder1", "decoder2"):
        assert {int(n.split(".")[1]) for n in names if n.startswith(decoder)} == {
            0, 3, 7, 10, 14, 17, 21, 2, 5, 9, 12, 16, 19,
        }  # fmt: skip
    assert multiply_accumulates("autophasenn", "meta") == pytest.approx(10.2e9, rel=0.02)


def test_autophasenn_keeps_amplitude_and_phase_in_range_whatever_the_scale():
    model = network.build("autophasenn", width=4).eval()
    counts = torch.poisson(torch.rand(1, 64, 64, 64) * 50)
    with torch.no_grad():
        found, again = model(counts)[-1].object, model(counts * 7)[-1].object
    amplitude = found.abs()
    assert found.shape == (1, 32, 32, 32)
    assert float(amplitude.max()) <= 1 + 1e-6
    assert float(amplitude[amplitude > 0].min()) >= 0.1 - 1e-6
    torch.testing.assert_close(found, again, rtol=1e-3, atol=1e-4)


def test_default_network_costs_about_a_quarter_of_the_published_one():
    assert multiply_accumulates("compact", "cpu") == pytest.approx(2.62e9, rel=0.02)


def test_default_network_ignores_the_scale_of_the_counts():
    model = network.build("compact").eval()
    counts = torch.poisson(torch.rand(1, 64, 64, 64) * 50)
    with torch.no_grad():
        one, other = model(counts)[-1], model(counts * 100)[-1]
    torch.testing.assert_close(one.object, other.object, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(one.inside_logit, other.inside_logit, rtol=1e-3, atol=1e-2)


def test_the_support_of_a_prediction_holds_its_voxels_and_their_neighbours():
    inside = torch.rand(2, 32, 32, 32, generator=torch.Generator().manual_seed(0)) ** 8
    wide = torch.nn.functional.max_pool3d(inside, 3, 1, 1) > 0.5
    assert torch.equal(compact.cover(inside), wide.float())
    assert 0.1 < wide.float().mean() < 0.9


def correlation(one, other):
    return float((one.conj() * other).sum().abs() / (one.norm() * other.norm()))


def test_a_prediction_is_the_same_with_gradients_or_without():
    folded = network.load(Recipe().guess.weights, torch.device("cpu")).folded
    truth = torch.zeros(1, 32, 32, 32, dtype=torch.complex64)
    truth[:, 6:26, 5:27, 8:23] = 1
    counts = torch.poisson(physics.propagate(truth).abs() ** 2 / 1e4, torch.Generator().manual_seed(0))
    learning = folded(counts)[-1]
    with torch.inference_mode():
        guessed = folded(counts)[-1]
    assert correlation(guessed.object, learning.object.detach()) > 1 - 1e-6
    torch.testing.assert_close(guessed.inside_logit, learning.inside_logit.detach(), rtol=0, atol=0.05)


def test_3d_cdi_nn_has_the_published_size():
    model = network.build("cdinn")
    assert sum(p.numel() for p in model.parameters()) == 3_459_938
    assert not list(model.buffers()), "nothing is normalised"
    dropped = [m for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    assert len(dropped) == 1 + 18
    assert {m.p for m in dropped} == {0.1}


def test_3d_cdi_nn_ignores_the_scale_of_the_counts():
    torch.manual_seed(0)
    model = network.build("cdinn", width=4).eval()
    counts = torch.poisson(torch.rand(1, 32, 32, 32) * 50)
    with torch.no_grad():
        one, other = model(counts)[-1], model(counts * 100)[-1]
    torch.testing.assert_close(one.object, other.object)
    torch.testing.assert_close(one.inside_logit, other.inside_logit, rtol=1e-4, atol=1e-4)


def test_3d_cdi_nn_learns_the_crystals_that_the_trainer_repeats(tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "cdinn", partial(NETWORKS["cdinn"], width=8))
    few = crystals.Population(phase_range=math.pi, gaps=0.0)
    drawn = crystals.simulate(2, crystals.stream("train", 0, 0), few)
    monkeypatch.setattr("napari_autophase.training.trainer.simulate", lambda *_: drawn)
    config = TrainingConfig(
        network="cdinn",
        folder=str(tmp_path),
        steps=24,
        batch=2,
        learning_rate=4e-3,
        warm_up=0,
        validation_crystals=8,
        threads=1,
    )
    counts, truth = physics.view(drawn.counts, drawn.objects, 32, 32 / 1.5)

    def agreement(model):
        with torch.no_grad():
            found = model.eval()(counts)[-1].object
        either = (losses.correlation(found, truth), losses.correlation(found, physics.twin(truth)))
        return float(torch.maximum(*either).mean())

    trainer = Trainer(config)
    before = agreement(trainer.model)
    course = [row["loss"] for row in trainer.train()]
    assert sum(course[-5:]) < 0.5 * sum(course[:5])
    assert agreement(trainer.model) > before + 0.25
    trained = network.load(tmp_path / "weights.safetensors")
    assert 0 < agreement(trained.network) <= 1, "what was trained predicts"


NEAR_TWINS = [(9_870_007, "winterbottom", 0.956), (9_880_011, "scattered", 1.503)]
"""Crystals that are nearly their own twins: seeds, kinds, and ranges of the phase in rad."""


def near_twin(seed, kind, reach):
    return simulation.simulate(seed, 64, kind=kind, phase_range=reach, peak=1e6)


@pytest.fixture(scope="module")
def near_twins():
    """What the shipped network sees of them: float32 (2, 64, 64, 64)."""
    seen = []
    for each in NEAR_TWINS:
        prepared = preparation.prepare(near_twin(*each).scan)
        samples = window.window_samples(prepared.counts.shape, prepared.oversampling)
        seen.append(window.to_window(prepared.counts, prepared.good, samples, torch.device("cpu")))
    return torch.stack(seen)


@pytest.mark.parametrize("each", NEAR_TWINS)
def test_a_guess_that_is_mixed_with_the_twin_is_parted(each, monkeypatch):
    crystal = near_twin(*each)
    recipe = Recipe.from_preset("network").with_settings({"guess.candidates": 1, "device": "cpu"})
    agreed = []
    for sweeps in (1, network.load().folded.sweeps):  # 0.92 and 0.94, 0.99 and 0.99
        monkeypatch.setattr(network.load().folded, "sweeps", sweeps)
        found = run(crystal.scan, recipe).object
        agreed.append(analysis.compare_with_truth(found, crystal.object, crystal.support)["correlation"])
    assert agreed[0] < 0.95
    assert agreed[1] > 0.98


def test_sweeps_explain_a_measurement_at_least_as_well_as_a_single_one(near_twins):
    model = network.load().folded
    modulus = compact.normalised_modulus(near_twins)
    with torch.inference_mode():
        once = model(near_twins)[-1]
        swept = model.swept(near_twins)
        each = [model.swept(one[None]) for one in near_twins]
    error = physics.misfit(swept.object, modulus)
    assert (error < physics.misfit(once.object, modulus)).all()
    # each of a batch is judged by itself
    alone = torch.cat([physics.misfit(one.object, modulus[k : k + 1]) for k, one in enumerate(each)])
    torch.testing.assert_close(error, alone, rtol=0.05, atol=1e-4)


def test_a_parted_guess_is_as_bright_and_keeps_its_shape():
    rng = np.random.default_rng(0)
    objects = torch.from_numpy(rng.normal(size=(2, 32, 32, 32, 2)).astype(np.float32))
    logit = torch.full((2, 32, 32, 32), -9.0)
    logit[0, 9:20, 9:20, 9:20] = 9.0  # and nothing inside of the second
    before = compact.Estimate(torch.view_as_complex(objects), logit)
    after = compact._parted(before)
    energy = before.object.abs().square().sum((1, 2, 3))
    torch.testing.assert_close(after.object.abs().square().sum((1, 2, 3))[0], energy[0])
    assert after.inside_logit is logit
    assert not after.object[0][logit[0] < 0].any()
    assert not after.object[1].any()


def test_the_misfit_is_that_of_the_best_scale():
    rng = np.random.default_rng(1)
    crystal = rng.normal(size=(8, 8, 8)) + 1j * rng.normal(size=(8, 8, 8))
    whole = np.zeros((16, 16, 16), complex)
    whole[4:12, 4:12, 4:12] = crystal
    measured = rng.uniform(1, 2, (16, 16, 16))
    field = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(whole))))
    scales = np.linspace(0, 0.2, 20001)
    best = min(((s * field - measured) ** 2).sum() for s in scales) / (measured**2).sum()
    found = physics.misfit(torch.from_numpy(crystal[None]), torch.from_numpy(measured[None]))
    assert float(found) == pytest.approx(best, rel=1e-5)
    assert float(physics.misfit(torch.from_numpy(crystal[None]), torch.from_numpy(7 * field[None]))) < 1e-10

"""Fine-tuning on a measured scan: what it learns, what it is not shown, what it leaves alone."""

import copy
import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from napari_autophase import analysis, network, simulation
from napari_autophase.network.compact import CompactNet
from napari_autophase.network.weights import SHIPPED, Model, load
from napari_autophase.phasing.grids import fit, regrid
from napari_autophase.recipe import Recipe
from napari_autophase.runs import attempts
from napari_autophase.scan import InputError
from napari_autophase.training import finetune as module
from napari_autophase.training.finetune import finetune

QUICK = Recipe.from_preset("fast").with_settings(
    {
        "guess.candidates": 2,
        "guess.starts": 0,
        "guess.polish": "5*ER",
        "guess.rounds": 1,
        "guess.keep": 1,
        "refine.algorithm": "10*ER",
        "model.coherence": "off",
        "device": "cpu",
    }
)
STRAINED = {"size": 32, "phase_range": 2.0, "peak": 1e5, "oversampling": (2.5, 2.6, 2.4)}


def finish(job, seen=None):
    while True:
        try:
            progress = next(job)
        except StopIteration as end:
            return end.value
        if seen is not None:
            seen.append(progress)


@pytest.fixture
def small_network(monkeypatch):
    """An untrained network of few channels, in the place of the one that ships."""
    torch.manual_seed(0)
    small = CompactNet((4, 8, 8, 8), (4, 8, 8), stages=2, projections=1).eval().requires_grad_(False)
    monkeypatch.setattr(network, "load", lambda *_: Model(small, "0" * 64, torch.device("cpu")))
    # what it guesses is not phased again with more starts
    monkeypatch.setattr(attempts, "is_enough", lambda *_: True)
    return small


def correlation(one, lesson, truth):
    with torch.no_grad():
        guess = one(lesson.shown[None])[-1].object[0]
    found = regrid(fit(guess, lesson.shown.shape).numpy(), lesson.samples, lesson.data.shape)
    return abs(analysis.align(found, truth, ramp=True)[1])


@pytest.fixture
def worn_network(monkeypatch):
    """The network that ships, its kernels disturbed: it guesses, but could do better."""
    shipped = network.load()
    model = Model(copy.deepcopy(shipped.network), shipped.sha256, shipped.device)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.network.parameters():
        if parameter.ndim == 5:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.3 * parameter.std() * noise)
    monkeypatch.setattr(network, "load", lambda *given: load(*given) if given[0] else model)
    monkeypatch.setattr(attempts, "is_enough", lambda *_: True)
    return model


@pytest.mark.slow
def test_the_guess_comes_nearer_to_the_data_and_to_the_truth(tmp_path, monkeypatch, worn_network):
    """Of crystals that no training saw; misfit and agreement must improve together, for the misfit alone can be cheated."""
    lessons = []
    judge = module._judge
    monkeypatch.setattr(
        module, "_judge", lambda one, known, device: lessons.append(known) or judge(one, known, device)
    )
    shipped = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    made = simulation.simulate(5_000_113, **STRAINED)
    recipe = Recipe.from_preset("fast").with_settings(
        {"guess.candidates": 2, "guess.starts": 4, "model.coherence": "off", "device": "cpu"}
    )
    seen = []
    tuned = finish(finetune([made.scan], recipe, steps=3, learning_rate=4e-4), seen)

    before, after = tuned.before[0], tuned.after[0]
    assert after["chi2"] < before["chi2"]
    assert after["free_chi2"] < before["free_chi2"]
    lesson, truth = lessons[0][0], made.object * made.support
    parent = worn_network.network
    agreement = [correlation(one, lesson, truth) for one in (parent, tuned.network)]
    assert agreement[1] > agreement[0]

    steps = [progress for progress in seen if progress.stage == "finetune"]
    assert [progress.step for progress in steps] == list(range(4))
    assert steps[-1].error < steps[1].error
    for name, value in parent.state_dict().items():  # a batch of two says nothing of statistics
        if "running" in name:
            assert torch.equal(value, tuned.network.state_dict()[name])

    file = tuned.save(tmp_path / "tuned.safetensors")
    loaded = load(file)
    assert loaded.sha256 != shipped == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    with safe_open(file, framework="pt") as content:
        header = content.metadata()
    made_by = json.loads(header["made_by"])
    assert header["network"] == "compact"
    assert made_by["fine_tuned_from"] == shipped
    assert (made_by["steps"], made_by["seed"], made_by["scans"]) == (3, 0, [made.scan.name])
    assert made_by["after"] == [after]
    assert [path.name for path in tmp_path.iterdir()] == ["tuned.safetensors"]


def test_the_same_seed_tunes_alike_and_the_parent_stays(small_network):
    scan = simulation.simulate(5_000_102, **STRAINED).scan
    parent = {name: value.clone() for name, value in small_network.state_dict().items()}
    one, again = (finish(finetune([scan], QUICK, steps=2, views=1)) for _ in range(2))
    for name, value in one.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name
    assert one.before == again.before
    for name, value in small_network.state_dict().items():
        assert torch.equal(value, parent[name]), name


def test_held_out_voxels_are_shown_to_nobody(small_network):
    scan = simulation.simulate(5_000_103, **STRAINED).scan
    recipe = QUICK.with_settings({"prepare.hot_pixels": False, "prepare.centre": "none"})
    model = network.load()
    lesson = finish(module._learn(scan, recipe, model))
    free = np.fft.fftshift(lesson.data.is_held_out.numpy())
    assert 0 < free.sum() < 0.06 * free.size
    forged = np.where(free, 3 * scan.counts + 1, scan.counts)
    assert np.any(forged != scan.counts)
    other = finish(module._learn(replace(scan, counts=forged), recipe, model))
    assert torch.equal(lesson.shown, other.shown)
    assert torch.equal(lesson.found, other.found)
    assert torch.equal(lesson.seen, other.seen)
    figures = [module._judge(model.network, [one], model.device)[0] for one in (lesson, other)]
    assert figures[0]["chi2"] == pytest.approx(figures[1]["chi2"], rel=1e-5)  # of the fitted voxels alone
    for name in ("free_chi2", "free_llk"):
        assert figures[0][name] != pytest.approx(figures[1][name], rel=1e-3)


def test_masked_voxels_are_free(small_network):
    scan = simulation.simulate(5_000_104, gaps=True, **STRAINED).scan
    lesson = finish(module._learn(scan, QUICK, network.load()))
    assert not lesson.seen.all()
    chosen = [((0, 1, 2), ())]
    loss = module._loss(small_network, lesson, chosen, torch.device("cpu"))
    # the network is asked about the same picture; only what it should diffract there differs
    blind = replace(lesson, seen=torch.ones_like(lesson.seen))
    assert float(module._loss(small_network, blind, chosen, torch.device("cpu"))) != pytest.approx(
        float(loss)
    )


@pytest.mark.parametrize("told", ["estimate", 5.0])
def test_a_background_is_not_shown_as_light(small_network, monkeypatch, told):
    """Far from the peak nearly all photons are the background's; blocks of two voxels have twice as many of them."""
    scan = simulation.simulate(5_000_110, 32, peak=1e5, background=5.0, oversampling=(2.5, 2.6, 2.4)).scan
    recipe = QUICK.with_settings({"model.background": told, "prepare.binning": (1, 1, 2)})
    known = []
    reconstruct = module.reconstruct
    monkeypatch.setattr(
        module,
        "reconstruct",
        lambda scan, recipe, background: (
            known.append(background) or reconstruct(scan, recipe, background=background)
        ),
    )
    lesson = finish(module._learn(scan, recipe, network.load()))
    assert known == [pytest.approx(10, rel=0.15)]
    shown, measured_there = lesson.shown, lesson.seen > 0
    darkest = shown[measured_there].quantile(0.25)
    assert darkest < 2
    blind = finish(module._learn(scan, recipe.with_settings({"model.background": "off"}), network.load()))
    assert blind.shown[measured_there].quantile(0.25) > 5


def test_what_was_found_stands_where_the_network_would_put_it():
    generator = torch.Generator().manual_seed(0)
    guess = torch.zeros(32, 32, 32, dtype=torch.complex64)
    guess[8:20, 10:22, 9:25] = torch.randn(12, 12, 16, dtype=torch.complex64, generator=generator)
    moved = torch.roll(guess, (2, -3, 1), (0, 1, 2)) * torch.polar(torch.tensor(2.0), torch.tensor(0.4))
    torch.testing.assert_close(module._brought_onto(guess, moved), torch.roll(moved, (-2, 3, -1), (0, 1, 2)))


def test_several_scans_take_turns_and_all_are_judged(small_network):
    scans = [simulation.simulate(seed, **STRAINED).scan for seed in (5_000_105, 5_000_106)]
    tuned = finish(finetune(scans, QUICK, steps=2, views=1))
    assert len(tuned.before) == len(tuned.after) == 2
    assert tuned.made_by["scans"] == [scan.name for scan in scans]


def test_weights_that_predict_worse_are_not_kept(small_network, monkeypatch):
    scan = simulation.simulate(5_000_107, **STRAINED).scan
    scores = iter(range(1, 100))
    monkeypatch.setattr(module, "_judge", lambda *_: [{"free_chi2": float(next(scores))}])  # worse each time
    tuned = finish(finetune([scan], QUICK, steps=1, views=1))
    assert tuned.kept_step == 0
    for name, value in small_network.state_dict().items():
        assert torch.equal(value, tuned.network.state_dict()[name]), name


def test_closing_it_cancels(small_network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = finetune([simulation.simulate(5_000_108, **STRAINED).scan], QUICK, steps=50, views=1)
    for progress in job:
        if progress.stage == "finetune" and progress.step == 2:
            break
    job.close()
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_overwritten_unasked(small_network, tmp_path):
    tuned = module.FineTuned(small_network, "compact", (), (), 0)
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"precious")
    with pytest.raises(InputError, match="exists already"):
        tuned.save(file)
    assert file.read_bytes() == b"precious"
    tuned.save(file, overwrite=True)
    assert file.read_bytes() != b"precious"
    for path in (SHIPPED, SHIPPED.with_name("mine.safetensors")):
        with pytest.raises(InputError, match="shipped weights"):
            tuned.save(path, overwrite=True)
    with pytest.raises(InputError, match=r"must end in \.safetensors"):
        tuned.save(tmp_path / "w.pt")
    with pytest.raises(InputError, match="cannot be written"):
        tuned.save(tmp_path / "nowhere" / "w.safetensors")


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"views": 0}, {"learning_rate": 0.0}, {"learning_rate": 2.0}]
)
def test_numbers_out_of_range_are_refused(wrong):
    scan = simulation.simulate(5_000_109, 16).scan
    with pytest.raises(InputError, match="Fine-tuning needs"):
        next(finetune([scan], QUICK, **wrong))


def test_what_teaches_nothing_is_refused():
    scan = simulation.simulate(5_000_109, 16).scan
    with pytest.raises(InputError, match="needs a scan"):
        next(finetune([], QUICK))
    with pytest.raises(InputError, match="refines nothing"):
        next(finetune([scan], Recipe.from_preset("network")))

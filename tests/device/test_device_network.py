"""The network on a device: the guesses of the CPU, a way back when memory runs out, fine-tuning, training; and which is taken."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from phasing_crystals import crystal, finish, photons
from pretended import pretended

import napari_autophase
from napari_autophase import network
from napari_autophase.network import inference, weights
from napari_autophase.network.compact import CompactNet
from napari_autophase.phasing import check_memory, device, device_lines, pick_device
from napari_autophase.recipe import Guess, Recipe
from napari_autophase.runs import attempts
from napari_autophase.scan import InputError, Scan
from napari_autophase.training import Trainer, TrainingConfig, compiling
from napari_autophase.training.crystals import Population, simulate, stream
from napari_autophase.training.finetune import finetune
from napari_autophase.training.muon import Muon

sys.path.append(str(Path(__file__).parents[1] / "training"))

CHOICE = Guess(candidates=2, starts=0, keep=1, polish="2*ER", rounds=1, side=16, enough=0)


class Small(CompactNet):
    """The compact network with few channels."""

    def __init__(self) -> None:
        super().__init__(width=(2, 4, 4, 8), correction_width=(2, 4, 4), stages=2, projections=1)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A file with weights of a small network; what comes of its guesses is not phased again with more starts."""
    monkeypatch.setattr(attempts, "is_enough", lambda *_: True)
    monkeypatch.setitem(weights.NETWORKS, "small", Small)
    torch.manual_seed(0)
    file = tmp_path / "small.safetensors"
    weights.save_weights(file, weights.build("small"), "small", {})
    yield file
    weights._loaded.cache_clear()


def counts() -> np.ndarray:
    return photons(crystal((16, 18, 16)), peak=1e4)


def guessed(file: Path, where: str, choice: Guess = CHOICE):
    measured = counts()
    model = network.load(file, where)
    job = network.guess(model, measured, np.ones(measured.shape, bool), (3.0, 3.0, 3.0), choice)
    return finish(job)[1]


def test_a_guess_is_that_of_the_cpu(kind, small):
    expected = guessed(small, "cpu")
    with pretended(kind) as pretence:
        found = guessed(small, kind)
        assert sum(pretence.launches.values()) > 200
    assert found.notes == ()
    np.testing.assert_array_equal(found.starts.supports, expected.starts.supports)
    atol = 1e-3 * np.abs(expected.starts.objects).max()
    np.testing.assert_allclose(found.starts.objects, expected.starts.objects, rtol=0, atol=atol)


def test_memory_that_runs_out_at_any_place_costs_no_guess(small):
    """At the last line of each file that asks for memory; phasing has tests of its own."""
    once = CHOICE.model_copy(update={"candidates": 1})
    expected = guessed(small, "cpu", once)
    with pretended("cuda") as pretence:
        guessed(small, "cuda", once)
        files = {place.partition(":")[0]: place for place in sorted(pretence.allocations)}
        for name in (
            "network/compact",
            "network/inference",
            "network/weights",
            "network/window",
            "phasing/iterations",
        ):
            weights._loaded.cache_clear()
            pretence.fails = {files[f"{name}.py"]}
            found = guessed(small, "cuda", once)
            assert not pretence.fails, name
            assert "The memory of cuda ran out" in found.notes[0], name
            atol = 1e-3 * np.abs(expected.starts.objects).max()
            np.testing.assert_allclose(found.starts.objects, expected.starts.objects, rtol=0, atol=atol)


def test_a_network_that_fits_nowhere_guesses_on_the_cpu(kind, small):
    with pretended(kind, limit=100_000) as pretence:
        found = guessed(small, kind)
        assert found.notes[0] == f"The memory of {kind} ran out: guessed on the CPU."
        assert pretence.peak <= 100_000


def test_a_scan_is_reconstructed_from_preparation_to_analysis(kind, small):
    settings = {
        "guess.weights": str(small), "guess.candidates": 2, "guess.starts": 2, "guess.rounds": 1, "guess.polish": "2*EHIO+2*ER",
        "guess.side": 16, "refine.algorithm": "4*HIO+4*ER", "model.coherence": "estimate", "device": kind,
    }  # fmt: skip
    recipe = Recipe().with_settings(settings)
    there = recipe.with_settings({"device": "cpu", "backend": "torch"})
    expected = napari_autophase.run(Scan(counts()), there, lambda _: None)
    with pretended(kind):
        found = napari_autophase.run(Scan(counts()), recipe, lambda _: None)
    assert (found.device, found.backend) == (kind, "torch")
    assert not any("memory" in note for note in found.notes)
    assert found.figures["chi2"] == pytest.approx(expected.figures["chi2"], rel=1e-3)


def test_all_is_done_on_the_second_of_two_cards(small, tmp_path):
    settings = {
        "guess.weights": str(small), "guess.candidates": 1, "guess.starts": 1, "guess.rounds": 1, "guess.polish": "2*EHIO",
        "guess.side": 16, "refine.algorithm": "2*HIO+2*CG", "device": "cuda:1",
    }  # fmt: skip
    recipe = Recipe().with_settings(settings)
    run = {
        "network": "small",
        "folder": str(tmp_path),
        "steps": 1,
        "batch": 1,
        "validation_crystals": 8,
        "compile": False,
    }
    with pretended("cuda", index=1) as pretence:
        found = napari_autophase.run(Scan(counts()), recipe, lambda _: None)
        assert found.device == "cuda:1"
        assert not any("memory" in note for note in found.notes)
        _, tuned = finish(
            finetune([Scan(counts())], recipe.with_settings({"model.coherence": "off"}), steps=1, views=1)
        )
        trainer = Trainer(TrainingConfig(**run, device="cuda:1"))
        finish(trainer.train())
        for network_ in (tuned.network, trainer.model):
            assert {p.device for p in network_.parameters()} == {torch.device("cuda", 1)}
        assert sum(pretence.launches.values()) > 1000


def test_training_says_which_device_there_is_not(tmp_path, monkeypatch):
    run = {"network": "compact", "folder": str(tmp_path), "steps": 1}
    with pytest.raises(InputError, match="There is no device 'tpu'"):
        TrainingConfig.from_document({**run, "device": "tpu"}, "run.json")
    with pytest.raises(InputError, match="no cuda:3 device for the training"):
        Trainer(TrainingConfig(**run, device="cuda:3"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match='say "device": "cuda", not "cuda:1"'):
        Trainer(TrainingConfig(**run, device="cuda:1"))


def test_a_network_is_fine_tuned(kind, small):
    settings = {
        "guess.weights": str(small), "guess.candidates": 1, "guess.starts": 1, "guess.rounds": 1, "guess.polish": "ER",
        "guess.side": 16, "refine.algorithm": "3*ER", "model.coherence": "off", "device": kind,
    }  # fmt: skip
    with pretended(kind):
        _, tuned = finish(finetune([Scan(counts())], Recipe().with_settings(settings), steps=1, views=1))
        assert {p.device.type for p in tuned.network.parameters()} == {kind}
        assert np.isfinite(tuned.after[0]["free_chi2"])


def test_a_network_is_trained(kind, small, tmp_path):
    run = TrainingConfig(
        network="small", folder=str(tmp_path / "run"), steps=1, batch=2, device=kind, validation_crystals=8, seed=1,
        compile=kind == "cuda",
    )  # fmt: skip
    with pretended(kind):
        trainer = Trainer(run)
        _, figures = finish(trainer.train())
        assert {p.device.type for p in trainer.model.parameters()} == {kind}
    assert figures
    assert (tmp_path / "run" / "weights.safetensors").exists()
    assert trainer.notes == (
        ["The network is not compiled: triton is not installed."] if kind == "cuda" else []
    )


def test_training_that_has_no_room_says_what_has_and_goes_on_from_its_checkpoint(small, tmp_path):
    run = {
        "network": "small", "folder": str(tmp_path), "steps": 1000, "slice_minutes": 1e-9, "device": "cuda", "compile": False
    }  # fmt: skip

    def slice_of(batch, limit=None):
        """Train one batch; returns the trainer and the most memory that was taken."""
        with pretended("cuda", **({} if limit is None else {"limit": limit})) as pretence:
            trainer = Trainer(TrainingConfig(**run, batch=batch))
            finish(trainer.train())
            return trainer.step, pretence.peak

    _, little = slice_of(1)
    step, most = slice_of(2)
    assert step == 2
    before = {file.name: file.read_bytes() for file in tmp_path.glob("checkpoint*")}
    with pytest.raises(InputError) as caught:
        slice_of(2, limit=(little + most) // 2)
    assert str(caught.value) == (
        'The memory of cuda:0 ran out: a batch of 2 crystals did not fit; 1 would ("batch": 1); the run goes on from the '
        "checkpoint of batch 2."
    )
    assert {file.name: file.read_bytes() for file in tmp_path.glob("checkpoint*")} == before
    assert slice_of(1, limit=(little + most) // 2)[0] == 3
    with pytest.raises(InputError, match="a batch of 2 crystals did not fit; choose the device cpu"):
        slice_of(2, limit=little // 3)


def test_fine_tuning_that_has_no_room_says_what_has(small):
    settings = {
        "guess.weights": str(small), "guess.candidates": 1, "guess.starts": 1, "guess.rounds": 1, "guess.polish": "ER",
        "guess.side": 16, "refine.algorithm": "2*ER", "model.coherence": "off", "device": "cuda",
    }  # fmt: skip
    recipe = Recipe().with_settings(settings)

    def tuned(views, limit=None):
        with pretended("cuda", **({} if limit is None else {"limit": limit})) as pretence:
            finish(finetune([Scan(counts())], recipe, steps=1, views=views))
            return pretence.peak

    little, most = tuned(1), tuned(4)
    with pytest.raises(InputError) as caught:
        tuned(4, limit=(little + most) // 2)
    assert str(caught.value) == (
        "The memory of cuda ran out: 4 views of a scan in a step did not fit; 2 would (--views 2)."
    )
    with pytest.raises(InputError, match=r"choose (the )?device cpu"):
        tuned(1, limit=little // 6)


def test_memory_that_runs_out_elsewhere_is_no_matter_of_training():
    from napari_autophase.training.room import largest_that_fits, or_say

    cpu = torch.device("cpu")
    with pytest.raises(RuntimeError, match="shapes"), or_say(cpu, lambda: "never said"):
        raise RuntimeError("shapes do not fit")
    with pytest.raises(InputError, match="a scan is missing"), or_say(cpu, lambda: "never said"):
        raise InputError("a scan is missing")

    def needs(size):
        if size > 5:
            raise MemoryError

    assert largest_that_fits(needs, 64, cpu) == 4
    assert largest_that_fits(needs, 1, cpu) == 0


def test_crystals_are_drawn_without_waiting(monkeypatch):
    every = Population(
        twins=0.5, dislocations=1, partially_coherent=0.5, hot_pixels=1, gaps=0.5, rough=0.5, hollow=0.5, core_shell=0.5,
        blurred=0.5, drifting=0.5, neighbours=0.5, saturated=0.5, peak_gaps=0.5, background_known=0.5,
    )  # fmt: skip
    with pretended("cuda") as pretence:
        simulate(2, stream("train", 0, 0, "cuda"), every)  # constants are made once
        pretence.forget()
        drawn = simulate(2, stream("train", 0, 1, "cuda"), every)
        assert not pretence.syncs
        found = drawn.to(torch.device("cpu"))
    expected = simulate(2, stream("train", 0, 1), every)
    torch.testing.assert_close(found.objects, expected.objects, rtol=0, atol=1e-4)
    # a rate that is rounded otherwise draws other photons now and then
    apart = (found.counts - expected.counts).abs() > 1 + 1e-3 * expected.counts
    assert apart.float().mean() < 0.01
    torch.testing.assert_close(found.counts.sum(), expected.counts.sum(), rtol=1e-2, atol=0)


def test_an_optimizer_step_is_a_few_launches(kind):
    shapes = [(8, 8, 3, 3, 3)] * 6 + [(8, 2, 3, 3, 3)] * 3 + [(8,)] * 12
    with pretended(kind) as pretence:
        parameters = [torch.nn.Parameter(torch.ones(shape, device=kind)) for shape in shapes]
        optimizer = Muon(parameters, lr=0.1)
        for one in parameters:
            one.grad = torch.ones_like(one)
        optimizer.step()
        pretence.forget()
        optimizer.step()
        assert sum(pretence.launches.values()) < 150  # 21 parameters took 650
        assert not pretence.syncs


def test_old_cards_are_not_asked_for_bfloat16(monkeypatch):
    with pretended("cuda"):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)  # by emulation
        for capability, quick in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
            monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_, c=capability: c)
            assert inference.quick_bfloat16(torch.device("cuda")) is quick


def test_a_network_is_compiled_where_it_can_be(monkeypatch):
    cuda = torch.device("cuda")
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    assert compiling.cannot_compile(cuda) == "triton is not installed"
    monkeypatch.setattr(compiling, "find_spec", lambda name: name)
    for capability, able in (((6, 1), False), ((7, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_, c=capability: c)
        assert (compiling.cannot_compile(cuda) == "") is able
    assert compiling.cannot_compile(torch.device("cpu")) == ""


# which device


def test_a_device_that_computes_is_taken(kind):
    with pretended(kind):
        assert pick_device("auto") == (torch.device(kind), ())
        assert pick_device(kind) == (torch.device(kind), ())
        assert pick_device(f"{kind}:0") == (torch.device(kind, 0), ())
        assert any(line.startswith(kind) for line in device_lines())


def test_one_of_several_cards_is_taken():
    with pretended("cuda", index=1):
        assert pick_device("cuda:1") == (torch.device("cuda", 1), ())
        assert pick_device("cuda:2")[1] == ("This computer has no cuda:2 device: phased on the CPU.",)


def test_a_card_that_does_not_compute_is_left_alone(kind, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("CUDA error: no kernel image is available\nfor execution on the device")

    with pretended(kind):
        monkeypatch.setattr(torch.fft, "fftn", broken)
        found, notes = pick_device(kind)
        assert found == torch.device("cpu")
        assert (
            "cannot be used (CUDA error: no kernel image is available for execution on the device)"
            in notes[0]
        )
        found, notes = pick_device("auto")
        assert found == torch.device("cpu")
        assert "cannot be used" in notes[0]
    device._computes.cache_clear()
    with pretended(kind):
        monkeypatch.setattr(torch.fft, "fftn", lambda one, **_: 2 * one)
        assert "wrong numbers" in pick_device(kind)[1][0]


def test_the_computer_needs_less_memory_where_a_gpu_phases(monkeypatch):
    recipe = Recipe.from_preset("iterative")
    shape, starts = (128, 128, 128), recipe.number_of_starts
    host = 128**3 * (8 + 18 * starts)
    with pretended("cuda"):
        free = {"cpu": int(1.01 * host), "cuda": 10**12}
        monkeypatch.setattr(device, "available_bytes", lambda where: free[where.type])
        check_memory(shape, recipe, torch.device("cuda"))
        free["cuda"] = 10**6
        with pytest.raises(InputError, match="the GPU has"):
            check_memory(shape, recipe, torch.device("cuda"))
        free = {"cpu": int(0.9 * host), "cuda": 10**12}
        with pytest.raises(InputError, match="or ask for fewer starts"):
            check_memory(shape, recipe, torch.device("cuda"))

"""Two processes, as torchrun starts them, are one trainer with twice the batch."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import training_tiny
from safetensors.torch import load_file

from napari_autophase.network.weights import NETWORKS
from napari_autophase.training import Trainer, TrainingConfig, checkpoint, crystals, curves

STEPS = 3


def document(path, **changes):
    known = {
        "network": "plain",
        "objective": "unsupervised",  # the mean over a batch is the mean of its halves' means
        "folder": str(path),
        "steps": STEPS,
        "batch": 2,
        "validate_every": 100,
        "validation_crystals": 8,
        "threads": 1,
        "device": "cpu",
        "bfloat16": False,
    }
    return {**known, **changes}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes left: a run without and one with what depends on the batch, the second again in slices."""
    folder = tmp_path_factory.mktemp("ranks")
    tiny = {"network": "tiny", "objective": "supervised"}
    runs = {
        "plain": {},
        "whole": tiny,
        "slice1": {**tiny, "folder": str(folder / "sliced"), "slice_minutes": 1e-6},
        "slice2": {**tiny, "folder": str(folder / "sliced")},
    }
    files = []
    for name, changes in runs.items():
        files.append(folder / f"{name}.json")
        files[-1].write_text(json.dumps(document(folder / name, **changes)))
    program = [str(Path(training_tiny.__file__)), "ranks", *map(str, files)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*torchrun, *program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_gradients_are_those_of_one_process_with_both_batches(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "plain", training_tiny.Plain)
    drawn = []

    def both(size, generator, population):
        step = len(drawn)
        drawn.append(step)
        halves = [
            crystals.simulate(size, crystals.stream("train", 0, 2 * step + rank), population)
            for rank in (0, 1)
        ]
        return replace(
            halves[0],
            counts=torch.cat([half.counts for half in halves]),
            objects=torch.cat([half.objects for half in halves]),
        )

    one = Trainer(TrainingConfig(**document(tmp_path)))
    monkeypatch.setattr("napari_autophase.training.trainer.simulate", both)
    monkeypatch.setattr(one, "validate", dict)
    for _ in one.train():
        pass
    alone, together = checkpoint.load(tmp_path), checkpoint.load(folder / "plain")
    assert together.document["ranks"] == 2
    assert together.document["batches"] == 2 * STEPS
    for name, value in alone.tensors.items():
        scale = float(value.float().abs().max()) or 1.0
        assert float((value - together.tensors[name]).abs().max()) < 2e-3 * scale, name
    # and that is no accident of little training: one process with its own batch alone ends elsewhere
    monkeypatch.setattr("napari_autophase.training.trainer.simulate", crystals.simulate)
    less = Trainer(TrainingConfig(**document(tmp_path / "less")))
    monkeypatch.setattr(less, "validate", dict)
    for _ in less.train():
        pass
    moment = "exp_avg/first.weight"
    other = checkpoint.load(tmp_path / "less").tensors[moment]
    assert (other - together.tensors[moment]).norm() > 0.02 * other.norm()


@pytest.mark.parametrize("run", ["plain", "whole", "sliced"])
def test_all_ranks_end_with_the_same_network_and_one_writes(folder, run):
    first, second = (load_file(folder / run / f"rank{rank}.safetensors") for rank in (0, 1))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name  # running statistics of the norms too
    saved = checkpoint.load(folder / run).part("model")
    assert all(torch.equal(value, saved[name]) for name, value in first.items())
    assert [row["step"] for row in curves.read(folder / run)] == [STEPS]
    assert len(list((folder / run / "events").iterdir())) <= 2  # one per slice


def test_processes_in_slices_end_with_the_same_weights(folder):
    whole, sliced = checkpoint.load(folder / "whole"), checkpoint.load(folder / "sliced")
    assert whole.tensors.keys() == sliced.tensors.keys()
    for name, value in whole.tensors.items():
        assert torch.equal(value, sliced.tensors[name]), name
    rows = [curves.read(folder / run)[-1] for run in ("whole", "sliced")]
    assert rows[0]["correlation_low"] == rows[1]["correlation_low"]

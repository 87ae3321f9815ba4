"""`napari-autophase finetune`: the files it writes, what it prints, what it refuses."""

from __future__ import annotations

import json

import pytest
import torch

from napari_autophase import cli, formats, network
from napari_autophase.network.compact import CompactNet
from napari_autophase.network.weights import SHIPPED, Model
from napari_autophase.runs import attempts
from napari_autophase.simulation import simulate

QUICK = ["--steps", "2", "--views", "1", "--device", "cpu", "--set", "guess.candidates=1", "--set", "guess.polish=2*ER",
         "--set", "guess.starts=0", "--set", "model.coherence=off", "--set", "refine.algorithm=4*ER"]  # fmt: skip


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "crystal.h5"
    formats.write_scan(simulate(5_000_201, 32, oversampling=(2.5, 2.5, 2.5)).scan, path)
    return path


@pytest.fixture
def small_network(monkeypatch):
    torch.manual_seed(0)
    small = CompactNet((4, 8, 8, 8), (4, 8, 8), stages=2, projections=1).eval().requires_grad_(False)
    monkeypatch.setattr(network, "load", lambda *_: Model(small, "0" * 64, torch.device("cpu")))
    # what it guesses is not phased again with more starts
    monkeypatch.setattr(attempts, "is_enough", lambda *_: True)


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in ("finetune", *arguments)])


def test_it_writes_weights_and_a_report_and_says_what_changed(
    scan, tmp_path, monkeypatch, capsys, small_network
):
    monkeypatch.chdir(tmp_path)
    assert run(scan, "--report", "tuned.json", "--seed", 3, *QUICK) == 0
    printed = capsys.readouterr()
    assert printed.err == ""  # no progress bar in a pipe
    assert "chi2" in printed.out
    assert "free_llk" in printed.out
    assert "→" in printed.out
    assert "free_chi2: chi2 of the held-out pixels" in printed.out
    assert "wrote crystal_finetuned.safetensors" in printed.out
    report = json.loads((tmp_path / "tuned.json").read_text(encoding="utf-8"))
    assert (report["seed"], report["steps"], report["fine_tuned_from"]) == (3, 2, "0" * 64)
    assert report["after"][0]["free_chi2"] <= report["before"][0]["free_chi2"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "crystal.h5", "crystal_finetuned.safetensors", "tuned.json"
    }  # fmt: skip

    assert run(scan, *QUICK) == 2  # it is there already
    assert "exists already" in capsys.readouterr().err
    assert run(scan, "--force", "--quiet", *QUICK) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", str(SHIPPED), "--force"], "shipped weights"),
        (["-o", "tuned.pt"], "must end in .safetensors"),
        (["-o", "nowhere/tuned.safetensors"], "no such folder"),
        (["--weights", "none.safetensors"], "missing"),
        (["--preset", "network"], "refines nothing"),
        (["--steps", "0"], "--steps"),
    ],
)
def test_what_it_refuses(scan, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    before = SHIPPED.read_bytes()
    assert run(scan, *arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert SHIPPED.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["crystal.h5"]

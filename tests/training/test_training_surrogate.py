"""The surrogate-benchmark entry: its documents are complete, and its commands run end to end."""

import json
import math
import shlex
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
import training_tiny

from napari_autophase import cli
from napari_autophase.network.weights import NETWORKS
from napari_autophase.scan import InputError
from napari_autophase.training import TrainingConfig

ENTRY = Path(__file__).resolve().parents[2] / "benchmarks" / "surrogate"
TINY = {
    "network": "tiny",
    "steps": 2,
    "batch": 2,
    "validate_every": 1,
    "validation_crystals": 8,
    "threads": 1,
    "device": "cpu",
}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(NETWORKS, "tiny", training_tiny.Tiny)


def entry(name):
    return json.loads((ENTRY / name).read_text(encoding="utf-8"))


def test_the_model_document_is_complete():
    model = entry("model.json")
    assert all(isinstance(model[key], str) and model[key] for key in ("name", "abstract", "description"))
    assert model["homepage"].startswith("https://")
    assert all(one.startswith("https://doi.org/10.") for one in model["references"])
    assert isinstance(model["git"]["origin"], str)
    assert set(model["run"]) == {"train", "evaluate", "run"}
    for commands in model["run"].values():
        assert all(isinstance(command, str) for command in commands)
        assert any(command.startswith("napari-autophase ") for command in commands)


def test_the_data_set_document_is_complete_and_its_commands_write_what_it_lists(tmp_path, monkeypatch):
    data = entry("dataset.json")
    assert data["name"].isidentifier()
    assert [fragment["id"] for fragment in data["fragments"]] == ["train", "validation", "test"]
    monkeypatch.chdir(tmp_path)
    seen = []
    for fragment in data["fragments"]:
        assert fragment["type"] in {"file", "file_list", "archive"}
        command = shlex.split(fragment["command"])
        assert command[0] == "napari-autophase"
        command[command.index("--crystals") + 1] = "3"
        assert cli.main(command[1:]) == 0
        listed = Path(fragment["url"])
        names = listed.read_text().split()
        assert len(names) == 3
        for name in names:
            found = np.load(listed.parent / name)
            assert (found.shape, found.dtype) == ((32, 32, 32), np.complex64)
            crystal = np.fft.ifftn(np.fft.ifftshift(found))
            assert 0.005 < (np.abs(crystal) > 0.1).mean() < 0.9
            seen.append(crystal)
    assert len({crystal.tobytes() for crystal in seen}) == 9  # no fragment has a crystal of another


def test_training_and_scoring_use_the_files_of_a_benchmark(tmp_path, capsys):
    """Each crystal of the folder is seen once an epoch, as it is, and those kept for the test never."""
    import torch

    from napari_autophase.training import Trainer
    from napari_autophase.training.dataset import training_batch, write_set
    from napari_autophase.training.published import PERFECT, PublishedCrystals, read_crystal

    assert len(list(write_set(tmp_path / "train_dataset", 12, purpose="train"))) == 12
    crystals = PublishedCrystals(tmp_path / "train_dataset")
    files = crystals.files("train")
    assert 6 <= len(files) <= 12  # each file is a crystal of its own
    per_epoch = len(files) // 2
    for epoch in (0, 1):
        numbers = range(epoch * per_epoch, (epoch + 1) * per_epoch)
        batches = [training_batch(crystals, n, size=2, seed=1, population=PERFECT) for n in numbers]
        shown = {one.numpy().tobytes() for batch in batches for one in batch.objects.abs().gt(0.5)}
        assert len(shown) == 2 * per_epoch
        assert shown <= {read_crystal(file).abs().gt(0.5).numpy().tobytes() for file in files}
    again = training_batch(crystals, numbers[-1], size=2, seed=1, population=PERFECT)
    assert torch.equal(again.counts, batches[-1].counts)

    (tmp_path / "options.json").write_text(json.dumps(TINY))
    assert cli.main(["network", "train", "--input", str(tmp_path), "--output", str(tmp_path)]) == 0
    config = json.loads((tmp_path / "model" / "checkpoint.json").read_text())["config"]
    assert config["published"] == str(tmp_path / "train_dataset")
    assert len(list(write_set(tmp_path / "test_dataset", 3, purpose="test"))) == 3
    small = ["--device", "cpu", "--repeats", "1"]
    assert cli.main(["network", "evaluate", "--input", str(tmp_path), "--output", str(tmp_path), *small]) == 0
    data = json.loads((tmp_path / "metrics.json").read_text())["data"]
    assert (data["folder"], data["part"], data["crystals"]) == ("test_dataset", "all", 3)
    with pytest.raises(InputError, match=r"no \.npy files"):
        Trainer(TrainingConfig(**TINY, folder=str(tmp_path / "run"), published=str(tmp_path / "model")))


def test_a_folder_of_another_data_set_is_left_alone(tmp_path, capsys):
    np.save(tmp_path / "mine.npy", np.zeros(3))
    assert cli.main(["network", "simulate-set", str(tmp_path), "--crystals", "2"]) == 2
    assert "mine.npy" in capsys.readouterr().err
    assert len(list(tmp_path.iterdir())) == 1


def test_the_short_run_is_a_configuration_that_trains():
    short = TrainingConfig.from_file(ENTRY / "options.json")
    assert short.network == "autophasenn"
    assert short.objective == "unsupervised"
    assert short.steps * short.batch == 200


@pytest.fixture(scope="module")
def entered(tmp_path_factory):
    """A folder in which the commands of the model document were run, with a network and numbers that are small."""
    folder = tmp_path_factory.mktemp("entry")
    small = {"evaluate": ["--crystals", "6", "--repeats", "2", "--device", "cpu"], "run": ["--device", "cpu"]}
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setitem(NETWORKS, "tiny", training_tiny.Tiny)
        for commands in entry("model.json")["run"].values():
            for command in commands:
                words = shlex.split(command.format(source=ENTRY.parents[1]))
                if words[0] == "napari-autophase":
                    assert cli.main([*words[1:], *small.get(words[2], [])]) == 0
                else:
                    subprocess.run(words, check=True)
                if words[0] == "cp":
                    Path(words[-1]).write_text(json.dumps(TINY))
    return folder


def test_train_leaves_a_model(entered):
    assert {"weights.safetensors", "checkpoint.json", "curve.jsonl"} <= {
        file.name for file in (entered / "output" / "model").iterdir()
    }


def test_evaluate_says_all_that_tells_one_measurement_from_another(entered):
    metrics = json.loads((entered / "output" / "metrics.json").read_text())
    assert len(metrics["model"]["sha256"]) == 64
    assert metrics["model"]["parameters"] == sum(p.numel() for p in training_tiny.Tiny().parameters())
    assert metrics["data"]["streams"] == "test"
    assert metrics["data"]["crystals"] == 6
    assert len(metrics["data"]["counts_sha256"]) == 64
    assert metrics["data"]["population"]["phase_range"] == pytest.approx(5 * math.pi)
    accuracy = metrics["accuracy"]
    parts = [accuracy[name]["crystals"] for name in ("low", "middle", "high") if name in accuracy]
    assert sum(parts) == accuracy["all"]["crystals"] == 6
    for name in ("correlation", "chi2", "shape_iou", "amplitude_ssim", "phase_error_rad"):
        figure = accuracy["all"][name]
        assert figure["quartiles"][0] <= figure["median"] <= figure["quartiles"][1]
    assert accuracy["all"]["correlation"]["median"] < 0.9  # an untrained network is not praised
    rates = metrics["rates"]
    assert set(rates["inference_crystals_per_s"]) == {"batch_1", "batch_16"}
    assert rates["training_crystals_per_s"] > 0
    assert metrics["training"]["crystals"] == 4
    assert metrics["training"]["crystals_to_99_percent_of_the_best_validation"] in (2, 4)
    assert metrics["hardware"]["cores"] >= 1
    assert {"napari-autophase", "torch", "python", "numpy"} <= metrics["software"].keys()


def test_run_predicts_every_scan(entered):
    with h5py.File(entered / "output" / "results" / "crystal.cxi") as file:
        assert file["/entry_1/image_1/data"].shape == (64, 64, 64)
    (report,) = json.loads((entered / "output" / "results" / "run.json").read_text())["scans"]
    assert report["recipe"]["refine"]["algorithm"] == ""
    assert len(report["weights_sha256"]) == 64


def test_a_perfect_network_gets_perfect_marks(monkeypatch):
    """The figures are judged by a network that knows the answers, up to what cannot be measured."""
    import torch
    from torch import nn

    from napari_autophase.network.compact import Estimate
    from napari_autophase.network.physics import twin
    from napari_autophase.network.weights import Model
    from napari_autophase.training import crystals, evaluate

    batch = crystals.simulate(6, crystals.stream("test", 3, 0), evaluate.SCORED)

    class Oracle(nn.Module):
        def forward(self, counts):
            truth = twin(batch.objects) * torch.polar(torch.tensor(2.0), torch.tensor(0.7))
            return [Estimate(truth, 20 * (twin(batch.objects).abs() - 0.5))]

    rows = list(evaluate._compare(Model(Oracle(), "", torch.device("cpu")), batch))
    for row in rows:
        assert row["correlation"] == pytest.approx(1, abs=1e-4)
        assert row["shape_iou"] == pytest.approx(1, abs=1e-6)
        assert row["amplitude_ssim"] > 0.97
        assert row["phase_error_rad"] < 0.05


def test_bad_scans_do_not_stop_the_others(tmp_path, capsys):
    from napari_autophase import formats, network, simulation

    (tmp_path / "a.npy").write_bytes(b"nothing")
    formats.write_scan(simulation.simulate(3, 32, oversampling=(2.5, 2.5, 2.5)).scan, tmp_path / "b.h5")
    weights = tmp_path / "w.safetensors"
    network.weights.save_weights(weights, training_tiny.Tiny(), "tiny", {})
    out = tmp_path / "out"
    code = cli.main(
        ["network", "run", str(tmp_path), "-o", str(out), "--weights", str(weights), "--device", "cpu"]
    )
    assert code == 2
    assert "1 of 2 scans" in capsys.readouterr().err
    assert (out / "b.cxi").exists()
    reports = json.loads((out / "run.json").read_text())["scans"]
    assert "error" in reports[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train"], "either CONFIG or --input"),
        (["train", "--input", "{folder}"], "no options.yaml"),
        (["evaluate", "--input", "{folder}"], "train first"),
        (["evaluate", "--weights", "{folder}/none", "-o", "{folder}/m.json"], "missing"),
        (["evaluate", "--run", "{folder}", "-o", "{folder}/m.json"], "no training run"),
        (["run"], "either FOLDER or --input"),
        (["run", "{folder}"], "no scans"),
    ],
)
def test_wrong_use_is_told_in_one_line(tmp_path, capsys, arguments, says):
    assert cli.main(["network", *(word.format(folder=tmp_path) for word in arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_options_may_be_yaml(tmp_path):
    (tmp_path / "options.yaml").write_text("".join(f"{key}: {value}\n" for key, value in TINY.items()))
    assert cli.main(["network", "train", "--input", str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "model" / "weights.safetensors").exists()
    (tmp_path / "options.yaml").write_text("steps: [")
    assert cli.main(["network", "train", "--input", str(tmp_path)]) == 2

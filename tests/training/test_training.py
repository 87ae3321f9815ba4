"""Simulated crystals, losses and the loop that resumes exactly."""

import json
import math
from pathlib import Path

import pytest
import torch
import training_tiny

from napari_autophase import network
from napari_autophase.network import weights
from napari_autophase.network.compact import CompactNet, Estimate
from napari_autophase.network.physics import twin
from napari_autophase.scan import InputError
from napari_autophase.training import Trainer, TrainingConfig, crystals, losses


def batch(purpose="train", seed=0, step=0, size=4, **changes):
    return crystals.simulate(size, crystals.stream(purpose, seed, step), crystals.Population(**changes))


def test_supervised_loss_knows_the_free_choices():
    truth = batch().objects
    phase = torch.polar(torch.tensor(1.0), torch.tensor(0.7))

    def loss(one, shape):
        return float(losses.supervised([Estimate(one, 40 * (shape.abs() - 0.5))], truth))

    right = loss(truth, truth)
    assert right < 0.1
    for same in (truth * phase * 3, twin(truth) * phase):
        assert loss(same, same / same.abs().amax() * truth.abs().amax()) == pytest.approx(right, abs=1e-3)
    assert loss(truth.roll(1, 0), truth) > right + 0.02
    assert loss(truth, truth.roll(1, 0)) > right + 0.02


def test_unsupervised_loss_needs_no_truth():
    drawn = batch(log10_peak=(7.0, 7.0), gaps=0.0)
    right = float(losses.unsupervised(drawn.objects, drawn.counts))
    assert float(losses.unsupervised(twin(drawn.objects), drawn.counts)) == pytest.approx(right, rel=1e-3)
    assert right < 0.2 * float(losses.unsupervised(drawn.objects.roll(1, 0), drawn.counts))


def config(folder, **changes):
    known = {
        "folder": str(folder),
        "steps": 4,
        "batch": 2,
        "validate_every": 100,
        "validation_crystals": 16,
        "threads": 1,
    }
    return TrainingConfig(**{**known, **changes})


def finish(trainer):
    for _ in trainer.train():
        pass
    return trainer


class Narrow(CompactNet):
    """The compact network with few channels."""

    def __init__(self) -> None:
        super().__init__(width=(4, 8, 8, 8), correction_width=(4, 8, 8), stages=2, projections=1)


def test_training_lowers_the_loss_on_the_crystals_it_repeats(tmp_path, monkeypatch):
    monkeypatch.setitem(weights.NETWORKS, "narrow", Narrow)
    trainer = Trainer(
        config(tmp_path, network="narrow", steps=8, batch=2, learning_rate=1e-2, warm_up=0, ease_in=0)
    )
    same = batch(size=2, phase_range=2.0, gaps=0.0)
    monkeypatch.setattr("napari_autophase.training.trainer.simulate", lambda *_: same)
    trained = [row["loss"] for row in trainer.train()]
    assert sum(trained[-3:]) < 0.6 * sum(trained[:3])


def test_weights_that_are_lost_are_not_written(tmp_path, monkeypatch):
    monkeypatch.setitem(weights.NETWORKS, "narrow", Narrow)
    trainer = Trainer(config(tmp_path, network="narrow", steps=8, batch=2, learning_rate=1e9, warm_up=0))
    same = batch(size=2, phase_range=2.0, gaps=0.0)
    monkeypatch.setattr("napari_autophase.training.trainer.simulate", lambda *_: same)
    with pytest.raises(
        InputError, match=r"no number any more: no weights are written\. Take a smaller learning rate"
    ):
        list(trainer.train())
    assert not list(tmp_path.rglob("weights.safetensors"))


def test_published_network_trains_without_labels(tmp_path):
    trainer = Trainer(config(tmp_path, network="autophasenn", objective="unsupervised", steps=2, batch=1))
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    job = trainer.train()
    assert math.isfinite(next(job)["loss"])
    job.close()
    after = trainer.model.state_dict()
    assert any(not torch.equal(before[k], after[k]) for k in before if k.endswith("0.weight"))


def test_the_configurations_that_ship_are_usable():
    files = sorted((Path(network.__file__).parents[1] / "training" / "configs").glob("*.json"))
    assert {file.stem for file in files} >= {"compact", "compact_gpu", "autophasenn"}
    for file in files:
        assert TrainingConfig.from_file(file).network in weights.NETWORKS


def test_wrong_configurations_are_refused(tmp_path):
    file = tmp_path / "run.json"
    file.write_text('{"network": "compact", "stepz": 3}')
    with pytest.raises(InputError, match="stepz"):
        TrainingConfig.from_file(file)
    for text, says in (
        ('{"population": {"gapz": 1}, "steps": 3}', "there is no 'gapz'"),
        ('{"population": {"gaps": "many"}, "steps": 3}', "gaps"),
        ('{"population": {"phase_range": 3}, "steps": 3}', "run's own 'phase_range'"),
        ('{"network": "resnet", "steps": 3}', "there is no network 'resnet'; choose from autophasenn"),
        ('{"steps": 3', "no JSON document"),
        ("[3]", "the document"),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=says):
            TrainingConfig.from_file(file)
    file.write_text('{"network": "compact"}')
    with pytest.raises(InputError, match="either 'steps' or 'minutes'"):
        TrainingConfig.from_file(file)
    with pytest.raises(InputError, match="cannot be read"):
        TrainingConfig.from_file(tmp_path / "none.json")


def test_shipping_writes_weights_and_a_card_that_agree(tmp_path, monkeypatch):
    from napari_autophase.training.ship import ship

    monkeypatch.setitem(weights.NETWORKS, "tiny", training_tiny.Tiny)
    finish(Trainer(config(tmp_path / "run", network="tiny", steps=2)))
    file, card = tmp_path / "package" / "w.safetensors", tmp_path / "package" / "w.json"
    content = ship(tmp_path / "run", file, card)
    assert json.loads(card.read_text()) == json.loads(json.dumps(content))
    assert content["recipe"]["crystals_seen"] == 4
    assert 0 < content["scores"]["correlation_high"] < 1
    monkeypatch.setattr(weights, "SHIPPED", file)
    monkeypatch.setattr(weights, "CARD", card)
    assert network.load().sha256 == content["sha256"]

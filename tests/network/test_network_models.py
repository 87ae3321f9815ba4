"""Architectures and their weights on disk."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_autophase import network
from napari_autophase.network import compact, weights
from napari_autophase.scan import InputError


def multiply_accumulates(model: torch.nn.Module) -> float:
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.rand(1, 64, 64, 64))
    return counter.get_total_flops() / 2


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
    assert multiply_accumulates(model) == pytest.approx(10.2e9, rel=0.02)


def test_autophasenn_keeps_amplitude_and_phase_in_range_whatever_the_scale():
    model = network.build("autophasenn").eval()
    counts = torch.poisson(torch.rand(1, 64, 64, 64) * 50)
    with torch.no_grad():
        found, again = model(counts), model(counts * 7)
    amplitude = found.abs()
    assert found.shape == (1, 32, 32, 32)
    assert float(amplitude.max()) <= 1 + 1e-6
    assert float(amplitude[amplitude > 0].min()) >= 0.1 - 1e-6
    torch.testing.assert_close(found, again, rtol=1e-3, atol=1e-4)


def test_default_network_costs_at_most_two_gmac():
    assert multiply_accumulates(network.build("compact").eval()) <= 2e9


def test_default_network_ignores_the_scale_of_the_counts():
    model = network.build("compact").eval()
    counts = torch.poisson(torch.rand(1, 64, 64, 64) * 50)
    with torch.no_grad():
        one, other = model(counts)[-1], model(counts * 100)[-1]
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_imposing_the_modulus_leaves_the_truth_where_it_is():
    truth = torch.zeros(1, 32, 32, 32, dtype=torch.complex64)
    truth[:, 10:22, 8:24, 11:21] = torch.polar(torch.tensor(1.0), torch.rand(1, 12, 16, 10) * 2)
    from napari_autophase.network.physics import propagate

    torch.testing.assert_close(compact.impose(truth, propagate(truth).abs()), truth, rtol=0, atol=1e-3)


def test_weights_survive_the_disk(tmp_path):
    model = network.build("compact").eval()
    file = tmp_path / "w.safetensors"
    weights.save_weights(file, model, "compact", {"steps": 1})
    loaded = network.load(file)
    assert len(loaded.sha256) == 64
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.network.state_dict()[name])


def test_unusable_weights_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match="missing"):
        network.load(tmp_path / "none.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("not weights at all")
    with pytest.raises(InputError, match="not a safetensors file"):
        network.load(text)
    wrong = tmp_path / "wrong.safetensors"
    weights.save_file({"a": torch.zeros(2)}, wrong, metadata={"network": "compact"})
    with pytest.raises(InputError, match="does not fit"):
        network.load(wrong)
    weights.save_file({"a": torch.zeros(2)}, wrong)
    with pytest.raises(InputError, match="which network"):
        network.load(wrong)


def test_shipped_weights_with_another_hash_are_refused(tmp_path, monkeypatch):
    file = tmp_path / "compact.safetensors"
    weights.save_weights(file, network.build("compact"), "compact", {})
    monkeypatch.setattr(weights, "SHIPPED", file)
    monkeypatch.setattr(weights, "CARD", tmp_path / "compact.json")
    (tmp_path / "compact.json").write_text(json.dumps({"sha256": "0" * 64}))
    with pytest.raises(InputError, match="hash"):
        network.load()


def test_shipped_weights_match_their_card():
    card = json.loads(weights.CARD.read_text())
    assert network.load().sha256 == card["sha256"]
    assert {"data", "recipe", "scores", "licence"} <= card.keys()

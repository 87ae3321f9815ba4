"""Weights on disk, ours and others': recognised by their content, refused in one sentence."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_autophase import network
from napari_autophase.network import weights
from napari_autophase.scan import InputError


def tiny():
    """The published PyTorch network, but narrow, with the state of one that was trained."""
    torch.manual_seed(0)
    net = network.build("autophasenn", width=2)
    for key, value in net.state_dict().items():
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif key.endswith("num_batches_tracked"):
            value.fill_(7)
    return net.eval()


def some_counts():
    return torch.poisson(100 * torch.rand(1, 64, 64, 64, generator=torch.Generator().manual_seed(1)))


def assert_same(found, expected):
    assert found.state_dict().keys() == expected.state_dict().keys()
    for name, value in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name


def test_weights_survive_the_disk(tmp_path):
    for name in ("compact", "cdinn"):
        net = network.build(name).eval()
        file = tmp_path / f"{name}.safetensors"
        weights.save_weights(file, net, name, {"steps": 1})
        loaded = network.load(file)
        assert len(loaded.sha256) == 64
        assert type(loaded.network) is type(net)
        assert_same(loaded.network, net)


WRAPPINGS = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "model": lambda state: {"model": state, "loss": 0.1, "optimizer": {"lr": 1e-3}},
    "data parallel": lambda state: {f"module.{key}": value for key, value in state.items()},
    "both": lambda state: {"model_state_dict": {f"module.{key}": value for key, value in state.items()}},
    "double": lambda state: {k: v.double() if v.is_floating_point() else v for k, v in state.items()},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_pytorch_state_dict_is_read(tmp_path, wrapping):
    net = tiny()
    file = tmp_path / "weights.pth"
    torch.save(WRAPPINGS[wrapping](net.state_dict()), file)
    loaded = network.load(file)
    assert_same(loaded.network, net)
    with torch.no_grad():
        torch.testing.assert_close(loaded.network(some_counts())[-1], net(some_counts())[-1])
    parameters = sum(p.numel() for p in net.parameters())
    assert loaded.description == f"AutoPhaseNN · {parameters:,} parameters · sha256 {loaded.sha256[:12]}"


def test_old_files_and_converted_ones_are_read(tmp_path):
    net = tiny()
    state = {key: value.contiguous() for key, value in net.state_dict().items() if "num_batches" not in key}
    torch.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    save_file(state, tmp_path / "converted.safetensors")
    for file in tmp_path.iterdir():
        found = network.load(file).network.state_dict()
        assert all(torch.equal(found[key], value) for key, value in state.items())


class Trap:
    """What a pickle can do when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning:torch")  # torch, before it refuses
def test_a_pickle_is_refused_and_not_run(tmp_path):
    sprung = tmp_path / "sprung"
    torch.save({"encoder.0.weight": torch.zeros(2), "trap": Trap(str(sprung))}, tmp_path / "zip.pth")
    torch.save(tiny(), tmp_path / "whole.pth")  # the network itself instead of its state
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Trap(str(sprung))))
    for file in sorted(tmp_path.glob("*.p*")):
        with pytest.raises(InputError, match="holds more than tensors, or is damaged") as refusal:
            network.load(file)
        assert "\n" not in str(refusal.value)
    assert not sprung.exists()


def test_a_damaged_file_is_refused(tmp_path):
    torch.save(tiny().state_dict(), tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    for end in (10, len(whole) // 2):
        (tmp_path / "half.pth").write_bytes(whole[:end])
        with pytest.raises(InputError):
            network.load(tmp_path / "half.pth")


def changed(**changes):
    state = dict(tiny().state_dict())
    for key, value in changes.items():
        if value is None:
            del state[key]
        else:
            state[key] = value
    return state


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"encoder.12.weight": torch.zeros(8, 8, 3, 3)},
         r"'encoder.12.weight' has the shape \(8, 8, 3, 3\), expected \(8, 8, 3, 3, 3\)"),
        ({"decoder2.19.running_var": None}, r"'decoder2.19.running_var' is missing, expected \(2,\)"),
        ({"decoder3.0.weight": torch.zeros(1)}, "that has no 'decoder3.0.weight'"),
        ({"encoder.0.weight": None}, r"'encoder.0.weight' is missing, expected \(32, 1, 3, 3, 3\)"),
        ({"decoder1.21.bias": torch.full((1,), torch.nan)}, "'decoder1.21.bias' holds values that are not finite"),
    ],
)  # fmt: skip
def test_the_first_layer_that_does_not_fit_is_named(tmp_path, state, says):
    torch.save(changed(**state), tmp_path / "w.pth")
    with pytest.raises(InputError, match=says):
        network.load(tmp_path / "w.pth")


def test_unusable_weights_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match="missing"):
        network.load(tmp_path / "none.safetensors")
    file = tmp_path / "w.safetensors"
    file.write_text("not weights at all")
    with pytest.raises(InputError, match=r"holds no weights that are known; give a \.safetensors file"):
        network.load(file)
    save_file({"a": torch.zeros(2)}, file, metadata={"network": "compact"})
    with pytest.raises(InputError, match=r"does not fit the network 'compact': .* is missing"):
        network.load(file)
    save_file({"a": torch.zeros(2)}, file)
    with pytest.raises(InputError, match="which network it is for, and its first tensor 'a' is not"):
        network.load(file)
    torch.save([torch.zeros(2)], file)
    with pytest.raises(InputError, match="holds a list, no state_dict"):
        network.load(file)


def test_a_file_is_read_once_until_it_changes(tmp_path):
    file = tmp_path / "weights.safetensors"
    weights.save_weights(file, tiny(), "autophasenn", {})
    first = network.load(file)
    assert network.load(str(file)) is first
    weights.save_weights(file, tiny(), "autophasenn", {"note": "again"})
    again = network.load(file)
    assert again.sha256 != first.sha256
    assert_same(again.network, first.network)


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


def test_a_header_whose_length_begins_as_a_pickle_does_is_still_a_header(tmp_path):
    model = network.build("autophasenn", width=2)
    file = tmp_path / "weights.safetensors"
    for padding in range(0, 2048, 8):
        weights.save_weights(file, model, "autophasenn", {"note": "x" * padding})
        if file.read_bytes()[:1] == b"\x80":
            break
    assert file.read_bytes()[:1] == b"\x80"
    assert network.load(file).network.state_dict().keys() == model.state_dict().keys()

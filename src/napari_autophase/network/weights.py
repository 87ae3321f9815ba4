"""Weights on disk: safetensors with what made them in the header, never a pickle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ..scan import InputError
from .autophasenn import AutoPhaseNN
from .compact import CompactNet

NETWORKS: dict[str, type[nn.Module]] = {"compact": CompactNet, "autophasenn": AutoPhaseNN}
SHIPPED = Path(__file__).parent / "weights" / "compact.safetensors"
CARD = SHIPPED.with_suffix(".json")


class Model:
    """A network ready to predict.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    sha256
        Hash of the file that its weights came from.
    """

    def __init__(self, network: nn.Module, sha256: str, device: torch.device) -> None:
        self.network, self.sha256, self.device = network, sha256, device


def build(name: str) -> nn.Module:
    """Return an untrained network of a known architecture ('compact' or 'autophasenn').

    Its convolutions keep their kernels channels-last: on the CPU that is a third faster.
    """
    network = NETWORKS[name]()
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last_3d)
    return network


def save_weights(path: Path, network: nn.Module, name: str, made_by: dict[str, Any]) -> None:
    """Write parameters (float32) with the architecture's name and the training configuration in the header."""
    state = {key: value.detach().to("cpu").contiguous() for key, value in network.state_dict().items()}
    save_file(state, path, metadata={"network": name, "made_by": json.dumps(made_by)})


def load(path: str | Path | None = None, device: torch.device | str = "cpu") -> Model:
    """Load a network from a weights file; None: the one that ships, whose hash is checked against its card.

    Raises
    ------
    InputError
        If the file is missing, is no safetensors file, was altered, or holds another network than it says.
    """
    file = Path(path) if path else SHIPPED
    if not file.is_file():
        hint = (
            "install napari-autophase again"
            if path is None
            else "give another file, or none for the shipped weights"
        )
        raise InputError(f"The network's weights {file} are missing; {hint}, or start from random phases.")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    if path is None and sha256 != json.loads(CARD.read_text(encoding="utf-8"))["sha256"]:
        raise InputError(
            f"The weights {file.name} do not have the hash on their card; install napari-autophase again."
        )
    try:
        with safe_open(file, framework="pt") as content:
            name = (content.metadata() or {}).get("network", "")
            state = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118 (no mapping)
    except SafetensorError:
        raise InputError(f"{file} is not a safetensors file; give weights that `train` wrote.") from None
    if name not in NETWORKS:
        raise InputError(f"{file} does not say which network it is for; give weights that `train` wrote.")
    network = build(name)
    try:
        network.load_state_dict(state)
    except RuntimeError:
        raise InputError(
            f"{file} does not fit the network '{name}'; it was written by another version."
        ) from None
    device = torch.device(device)
    network.eval().requires_grad_(False).to(device)
    return Model(network, sha256, device)

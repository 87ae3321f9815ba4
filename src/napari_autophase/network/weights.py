"""Weights on disk: safetensors with what made them in the header; other people's are read too, and nothing is ever unpickled."""

from __future__ import annotations

import copy
import hashlib
import json
import zipfile
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import h5py
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor, nn

from .. import files
from ..memory import ran_out
from ..scan import InputError
from . import keras
from .autophasenn import AutoPhaseNN
from .autophasenn_keras import AutoPhaseNNKeras
from .cdinn import CDINN
from .compact import CompactNet
from .layers import folded

NETWORKS: dict[str, type[nn.Module]] = {
    "compact": CompactNet,
    "autophasenn": AutoPhaseNN,
    "autophasenn_keras": AutoPhaseNNKeras,
    "cdinn": CDINN,
}
SHIPPED = Path(__file__).parent / "weights" / "compact.safetensors"
"""The weights that come with the package."""
CARD = SHIPPED.with_suffix(".json")
_FIRST = "encoder.0.weight"
"""The first tensor of both forms of AutoPhaseNN; its length is the network's width."""
_WRAPPINGS = ("state_dict", "model_state_dict", "model")
_KNOWN = "give a .safetensors file that `train` wrote, a PyTorch state_dict (.pt, .pth) or Keras weights (.hdf5) of AutoPhaseNN"


class Model:
    """A network ready to predict.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    sha256
        Hash of the file that its weights came from.
    device
        Where it is.
    notes
        Whether another device had no room for it.
    """

    def __init__(
        self, network: nn.Module, sha256: str, device: torch.device, notes: tuple[str, ...] = ()
    ) -> None:
        self.network, self.sha256, self.device, self.notes = network, sha256, device, notes

    def on_cpu(self) -> Model:
        """Return the same network on the CPU."""
        device = torch.device("cpu")
        return Model(copy.deepcopy(self.network).to(device), self.sha256, device, self.notes)

    @cached_property
    def folded(self) -> nn.Module:
        """The form that predicts: the same answers in fewer steps, and nothing to be trained."""
        return folded(self.network)

    @property
    def description(self) -> str:
        """One line: which network, how large, from which file."""
        parameters = sum(p.numel() for p in self.network.parameters())
        return f"{type(self.network).__name__} · {parameters:,} parameters · sha256 {self.sha256[:12]}"


def build(name: str, **sizes: Any) -> nn.Module:
    """Return an untrained network.

    Its convolutions keep their kernels channels-last: on the CPU that is a third faster.

    Parameters
    ----------
    name
        'compact', 'autophasenn', 'autophasenn_keras' or 'cdinn'.
    sizes
        Arguments of its class, such as ``width``.
    """
    network = NETWORKS[name](**sizes)
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last_3d)
    return network


def save_weights(path: Path, network: nn.Module, name: str, made_by: dict[str, Any]) -> None:
    """Write parameters (float32) with the architecture's name and the training configuration in the header.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    files.write(path, packed_weights(network, name, made_by))


def packed_weights(network: nn.Module, name: str, made_by: dict[str, Any]) -> bytes:
    """Return what `save_weights` writes."""
    state = {key: value.detach().to("cpu").contiguous() for key, value in network.state_dict().items()}
    return as_bytes(state, metadata={"network": name, "made_by": json.dumps(made_by)})


def load(path: str | Path | None = None, device: torch.device | str = "cpu") -> Model:
    """Load a network from a weights file, recognised by its content; None: the one that ships, checked against its card.

    A file that was loaded before and is what it was is not read again: training takes a copy.

    Parameters
    ----------
    path
        A safetensors file of ours; a PyTorch file with the state_dict of AutoPhaseNN (bare, or under 'state_dict' or 'model',
        names with or without 'module.'); or the HDF5 file that Keras writes of AutoPhaseNN's TensorFlow form.
    device
        Where the network will be.

    Raises
    ------
    InputError
        If the file is missing, holds no weights that are known, was altered, or does not fit its network: the first layer
        that does not fit is named.
    """
    file = Path(path) if path else SHIPPED
    if not file.is_file():
        hint = (
            "install napari-autophase again"
            if path is None
            else "give another file, or none for the shipped weights"
        )
        raise InputError(f"The network's weights {file} are missing; {hint}, or start from random phases.")
    device, state = torch.device(device), file.stat()
    known = state.st_mtime_ns, state.st_size
    try:
        return _loaded(file, path is None, device, *known)
    except (RuntimeError, MemoryError) as error:
        if device.type == "cpu" or not ran_out(error):
            raise
    model = _loaded(file, path is None, torch.device("cpu"), *known)
    note = f"The memory of {device.type} ran out: guessed on the CPU."
    return Model(model.network, model.sha256, model.device, (note,))


@lru_cache(maxsize=2)
def _loaded(file: Path, shipped: bool, device: torch.device, *_: int) -> Model:
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    if shipped and sha256 != json.loads(CARD.read_text(encoding="utf-8"))["sha256"]:
        raise InputError(
            f"The weights {file.name} do not have the hash on their card; install napari-autophase again."
        )
    name, state = read_state(file)
    first = state.get(_FIRST)
    has_width = name.startswith("autophasenn") and first is not None and first.ndim == 5
    network = build(name, **({"width": len(first)} if has_width and first is not None else {}))
    _fill(network, name, state, file)
    network.eval().requires_grad_(False).to(device)
    return Model(network, sha256, device)


def read_state(file: Path) -> tuple[str, dict[str, Tensor]]:
    """Return which network a weights file is for, and its tensors by their names in that network.

    Raises
    ------
    InputError
        If the file holds no weights that are known.
    """
    if h5py.is_hdf5(file):
        return "autophasenn_keras", keras.read_state(file)
    with file.open("rb") as content:
        start = content.read(9)
    # a safetensors file begins with the length of its JSON header, whose first byte may be a pickle's first
    if start[8:] != b"{" and (start[:1] == b"\x80" or zipfile.is_zipfile(file)):
        name, state = "", _from_torch(file)
    else:
        name, state = _from_safetensors(file)
    if not name and any(key.startswith(("encoder.", "decoder1.")) for key in state):
        name = "autophasenn"
    if name not in NETWORKS:
        raise InputError(
            f"{file} does not say which network it is for, and its first tensor '{next(iter(state), 'none')}' is not "
            f"AutoPhaseNN's '{_FIRST}'; {_KNOWN}."
        )
    return name, state


def _from_safetensors(file: Path) -> tuple[str, dict[str, Tensor]]:
    try:
        with safe_open(file, framework="pt") as content:
            state = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118 (no mapping)
            return (content.metadata() or {}).get("network", ""), state
    except SafetensorError:
        raise InputError(f"{file} holds no weights that are known; {_KNOWN}.") from None


def _from_torch(file: Path) -> dict[str, Tensor]:
    try:
        with file.open("rb") as stream:
            content = torch.load(stream, map_location="cpu", weights_only=True)
    except (
        Exception
    ):  # a pickle of anything but tensors, a damaged or foreign archive: each fails in its own way
        raise InputError(
            f"{file} holds more than tensors, or is damaged, and is not opened for safety's sake; save the network's own "
            "state with torch.save(network.state_dict(), FILE) and give that."
        ) from None
    for key in _WRAPPINGS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise InputError(f"{file} holds a {type(content).__name__}, no state_dict; {_KNOWN}.")
    return {
        str(key).removeprefix("module."): value for key, value in content.items() if isinstance(value, Tensor)
    }


def _fill(network: nn.Module, name: str, state: dict[str, Tensor], file: Path) -> None:
    """Put a state into a network, or name the first tensor that does not fit."""
    expected = network.state_dict()
    for key, value in expected.items():
        found = state.get(key)
        if found is None and key.endswith("num_batches_tracked"):
            continue  # a counter that old files lack and prediction does not need
        if found is None or found.shape != value.shape:
            has = "is missing" if found is None else f"has the shape {tuple(found.shape)}"
            raise InputError(
                f"{file} does not fit the network '{name}': '{key}' {has}, expected {tuple(value.shape)}."
            )
        if not torch.isfinite(found).all():
            raise InputError(f"{file} is not usable: '{key}' holds values that are not finite.")
    surplus = [key for key in state if key not in expected]
    if surplus:
        raise InputError(f"{file} does not fit the network '{name}': that has no '{surplus[0]}'.")
    network.load_state_dict(state, strict=False)  # copies into float32

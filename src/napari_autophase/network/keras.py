"""Weights that Keras wrote (HDF5), read with h5py alone into the torch network of the same shape.

A Keras file has a group for each layer, named after its kind and the order in which it was made (``conv3d``, ``conv3d_1`` …,
``batch_normalization`` …), under ``model_weights`` if the whole model was saved; in it, mostly inside another group of the same
name, lie ``kernel:0`` (3, 3, 3, in, out) and ``bias:0``, or ``gamma:0``, ``beta:0``, ``moving_mean:0`` and ``moving_variance:0``.
"""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from ..scan import InputError
from .autophasenn_keras import AutoPhaseNNKeras

_KINDS: dict[str, tuple[type[nn.Module], dict[str, str]]] = {
    "conv3d": (nn.Conv3d, {"kernel": "weight", "bias": "bias"}),
    "batch_normalization": (
        nn.BatchNorm3d,
        {
            "gamma": "weight",
            "beta": "bias",
            "moving_mean": "running_mean",
            "moving_variance": "running_var",
        },
    ),
}
_LAYER = re.compile(r"(conv3d|batch_normalization)(?:_(\d+))?")


def read_state(file: Path) -> dict[str, Tensor]:
    """Return the parameters of AutoPhaseNN's TensorFlow form by the names that `AutoPhaseNNKeras` gives them.

    Parameters
    ----------
    file
        As Keras's ``save`` or ``save_weights`` wrote it (``.hdf5``, ``.h5``).

    Returns
    -------
    dict of Tensor
        float32; kernels (out, in, 3, 3, 3).

    Raises
    ------
    InputError
        If the file is damaged or its layers are not those of that network: names the first that does not fit.
    """
    try:
        with h5py.File(file, "r") as content:
            return _state(content, file)
    except OSError as error:
        raise InputError(f"{file} cannot be read as HDF5 ({error}); get the file again.") from None


def _state(content: h5py.File, file: Path) -> dict[str, Tensor]:
    root = content.get("model_weights", content)
    found = _layers(root if isinstance(root, h5py.Group) else content)
    first = next(iter(found["conv3d"].values()), {}).get("kernel")
    if first is None or first.ndim != 5:
        raise InputError(
            f"{file} holds no Keras layers 'conv3d'; give the weights of AutoPhaseNN's TensorFlow form."
        )
    with torch.device("meta"):  # shapes only
        network = AutoPhaseNNKeras(width=first.shape[-1])
    state = {}
    for kind, (module, fields) in _KINDS.items():
        wanted = [(name, m) for name, m in network.named_modules() if isinstance(m, module)]
        layers = list(found[kind].items())
        for (name, expected), (layer, datasets) in zip(wanted, layers, strict=False):
            for theirs, ours in fields.items():
                state[f"{name}.{ours}"] = _take(
                    datasets.get(theirs),
                    getattr(expected, ours).shape,
                    f"'{theirs}' of layer '{layer}'",
                    file,
                )
        if len(layers) != len(wanted):
            what = (
                f"'{layers[len(wanted)][0]}' is one too many"
                if len(layers) > len(wanted)
                else f"after '{layers[-1][0] if layers else kind}' one is missing"
            )
            raise InputError(
                f"{file} does not fit AutoPhaseNN's TensorFlow form: it has {len(layers)} layers '{kind}', "
                f"expected {len(wanted)}; {what}."
            )
    return state


def _layers(root: h5py.Group) -> dict[str, dict[str, dict[str, h5py.Dataset]]]:
    """Return the datasets by kind, layer (in the order of making) and name."""
    found: dict[tuple[str, int], tuple[str, dict[str, h5py.Dataset]]] = {}

    def note(path: str, item: h5py.Group | h5py.Dataset) -> None:
        *groups, name = path.split("/")
        known = _LAYER.fullmatch(groups[-1]) if groups else None
        if known and isinstance(item, h5py.Dataset):
            key = (known[1], int(known[2] or 0))
            found.setdefault(key, (groups[-1], {}))[1][name.partition(":")[0]] = item

    root.visititems(note)
    ordered = sorted(found.items())
    return {kind: {layer: data for key, (layer, data) in ordered if key[0] == kind} for kind in _KINDS}


def _take(dataset: h5py.Dataset | None, expected: torch.Size, what: str, file: Path) -> Tensor:
    wanted = tuple(expected)
    if len(wanted) == 5:
        wanted = (*wanted[2:], wanted[1], wanted[0])
    has = "is missing" if dataset is None else f"is {dataset.dtype} {dataset.shape}"
    if dataset is None or dataset.shape != wanted or not np.issubdtype(dataset.dtype, np.floating):
        raise InputError(
            f"{file} does not fit AutoPhaseNN's TensorFlow form: {what} {has}, expected float {wanted}."
        )
    values = dataset[()].astype(np.float32)
    return torch.from_numpy(
        np.ascontiguousarray(values.transpose(4, 3, 0, 1, 2) if values.ndim == 5 else values)
    )

"""Compiling a network for training, where torch can."""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import nn


def compile_parts(model: nn.Module) -> None:
    """Compile the layers of a network, in place; the physics between them is complex, which compilers leave as it is."""
    for part in model.children():
        if isinstance(part, nn.ModuleList):
            compile_parts(part)
        else:
            part.compile()


def cannot_compile(device: torch.device) -> str:
    """Return in words why torch cannot compile for a device, or an empty string."""
    if device.type != "cuda":
        return ""
    if find_spec("triton") is None:
        return "triton is not installed"
    if torch.version.hip is None and torch.cuda.get_device_capability(device) < (7, 0):
        return "this card is too old for triton"
    return ""

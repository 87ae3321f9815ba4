"""Every test of the device path twice: on a pretended CUDA card, and on a pretended Apple GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from napari_autophase.phasing import backend, device

sys.path.append(str(Path(__file__).parents[1] / "phasing"))  # the crystals


@pytest.fixture(params=["cuda", "mps"])
def kind(request):
    return request.param


@pytest.fixture(autouse=True)
def by_torch(monkeypatch):
    """What gives way to the CPU is computed there by the same arithmetic; and no test remembers another's device."""
    monkeypatch.setenv(backend.VARIABLE, "torch")
    device._computes.cache_clear()
    backend.on_cuda.cache_clear()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    device._computes.cache_clear()
    backend.on_cuda.cache_clear()

"""The backend for a CUDA device; see `phasing.backend` for what a backend does."""

from __future__ import annotations

from importlib.util import find_spec

import torch

from ..iterations import Iterations, Relaxation
from ..pattern import Pattern
from ..torch_backend import TorchBackend
from .iterations import Capture, InPlaceIterations, Passes, TorchPasses, captured


class CudaBackend(TorchBackend):
    """Plain torch, but for iterations of ER, HIO, RAAR and EHIO, which are in place.

    Parameters
    ----------
    device
        Where it computes.
    passes, capture
        What an iteration is made of, see `iterations.InPlaceIterations`.
    """

    def __init__(self, device: torch.device, passes: Passes, capture: Capture | None) -> None:
        super().__init__(device)
        self._passes, self._capture = passes, capture

    @property
    def variant(self) -> str:
        """In words, how iterations are done."""
        fused = "torch" if isinstance(self._passes, TorchPasses) else "fused passes"
        return f"in place, {fused}{', as a graph' if self._capture else ''}"

    def iterations(
        self, objects: torch.Tensor, supports: torch.Tensor, pattern: Pattern, rule: Relaxation
    ) -> Iterations:
        """Begin iterations of a rule."""
        return InPlaceIterations(objects, supports, pattern.modulus, rule, self._passes, self._capture)


def variants(device: torch.device) -> list[CudaBackend]:
    """Return what can be tried on a device."""
    passes: list[Passes] = [TorchPasses()]
    if find_spec("triton") is not None:
        from .fused import FusedPasses

        passes.append(FusedPasses())
    captures: tuple[Capture | None, ...] = (None, captured)
    return [CudaBackend(device, each, capture) for each in passes for capture in captures]

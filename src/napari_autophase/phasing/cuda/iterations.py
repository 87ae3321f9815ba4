"""Relaxed projections in place, which a CUDA graph can hold; see `phasing.iterations`.

An iteration is two transforms and two passes over the volumes.  What is kept between iterations stays where it is in memory, and
the squared errors go to the next row of a table on the device, so that the CPU waits for a whole block of them at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Protocol

import torch

from ...memory import ran_out
from ..iterations import Relaxation, Rule
from ..pattern import AXES, wide
from ..projections import project_modulus, project_uniform

BLOCK = 64
"""Iterations whose squared errors are in the table."""
WARM = 3
"""Iterations before a graph is captured: what libraries set up at first is no part of it."""

Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""Takes a step and returns what does it again, without doing it."""


class Passes(Protocol):
    """What is done to volumes between the transforms, in place."""

    def impose(self, fields: torch.Tensor, modulus: torch.Tensor, scale: float) -> torch.Tensor:
        """Give fields (P, N0, N1, N2) the measured modulus times `scale`; returns Σ(|F| − modulus)² before, (P,)."""

    def relax(
        self, objects: torch.Tensor, projected: torch.Tensor, supports: torch.Tensor, rule: Relaxation
    ) -> None:
        """Take objects to ρ' (see `phasing.iterations`); `projected` is given up."""


class TorchPasses:
    """The passes in plain torch."""

    def impose(self, fields: torch.Tensor, modulus: torch.Tensor, scale: float) -> torch.Tensor:
        """Impose the modulus."""
        squared_errors = project_modulus(fields, modulus)
        fields *= scale
        return squared_errors

    def relax(
        self, objects: torch.Tensor, projected: torch.Tensor, supports: torch.Tensor, rule: Relaxation
    ) -> None:
        """Relax outside the supports."""
        if rule.confines:
            torch.mul(projected, supports, out=objects)
            return
        objects.mul_(rule.keep).add_(projected, alpha=rule.add)
        torch.where(supports, projected, objects, out=objects)


def captured(step: Callable[[], None]) -> Callable[[], None]:
    """Capture a step as a CUDA graph; see `Capture`."""
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


class InPlaceIterations:
    """See `phasing.iterations.Iterations`; the objects are iterated where they are.

    Parameters
    ----------
    objects, supports, modulus, rule
        As for `phasing.iterations.ReferenceIterations`.
    passes
        What computes between the transforms.
    capture
        Makes a graph of an iteration; None: each is launched anew.
    """

    def __init__(
        self,
        objects: torch.Tensor,
        supports: torch.Tensor,
        modulus: torch.Tensor,
        rule: Relaxation,
        passes: Passes,
        capture: Capture | None,
    ) -> None:
        self.objects, self.reach = objects, supports.clone()
        self.rule: Rule = rule
        self._relaxation, self._modulus = rule, modulus
        self._passes, self._capture = passes, capture
        device = objects.device
        self._errors = torch.zeros((BLOCK, len(objects)), dtype=wide(device), device=device)
        self._row = torch.zeros(1, dtype=torch.long, device=device)
        self._again: Callable[[], None] | None = None
        self._done = 0

    def iterate(self, count: int = 1, again: bool = False) -> torch.Tensor:  # noqa: ARG002 - nothing is begun beforehand
        """Do `count` iterations; returns Σ(|F| − modulus)² before each, float64 (count, P) on the CPU."""
        blocks, device = [], self.objects.device
        # graphs and kernels of triton are launched on the current one of several cards
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            for first in range(0, count, BLOCK):
                number = min(BLOCK, count - first)
                self._row.zero_()
                for _ in range(number):
                    self._once()
                blocks.append(self._errors[:number].clone())
        return torch.cat(blocks).cpu().double()

    def confine(self, supports: torch.Tensor) -> None:
        """Go on with other supports, which are written where a graph expects them."""
        self.reach.copy_(supports)

    def _once(self) -> None:
        if self._again is None and self._capture is not None and self._done >= WARM:
            try:
                self._again = self._capture(self._step)
            except Exception as error:  # whatever the driver says: each is launched anew
                self._capture = None
                if isinstance(error, MemoryError) or ran_out(error):
                    raise
        self._done += 1
        (self._again or self._step)()

    def _step(self) -> None:
        fields = torch.fft.fftn(self.objects, dim=AXES)
        # the inverse transform is not scaled, which would be a pass of its own
        scale = 1 / self.objects[0].numel()
        self._errors.index_copy_(0, self._row, self._passes.impose(fields, self._modulus, scale)[None])
        self._row += 1
        projected = torch.fft.ifftn(fields, dim=AXES, norm="forward")
        del fields
        if self._relaxation.uniform:
            project_uniform(projected, self.reach)
        self._passes.relax(self.objects, projected, self.reach, self._relaxation)

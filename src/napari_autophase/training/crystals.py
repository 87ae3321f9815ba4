"""Crystals simulated on the fly, on the training device: never stored, never the same twice.

A batch is drawn from a `torch.Generator`; `stream` derives one from (purpose, seed, step), so that a run resumed at any step
continues with exactly the crystals it would have seen, and neither validation nor test ever meets a training crystal.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..scan import InputError
from . import interior, shapes
from .detector import blur, inpaint, measure
from .fields import correlated, phases
from .population import Population, uniform

__all__ = ["Batch", "Population", "blur", "inpaint", "simulate", "stream"]

PURPOSES = {"train": 1, "validation": 2, "test": 3}
"""Streams of crystals, with the number that keeps their random numbers apart."""


@dataclass(frozen=True)
class Batch:
    """Simulated measurements and their truth.

    Parameters
    ----------
    counts
        float32 (B, 64, 64, 64), Bragg peak at the centre, gaps filled as inference fills them.
    objects
        complex64 (B, 32, 32, 32), bounding box centred at index 16.
    phase_range
        float32 (B,), peak-to-peak phase in rad before the peak was centred, dislocations and shells left out.
    """

    counts: Tensor
    objects: Tensor
    phase_range: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the same on a device."""
        return Batch(self.counts.to(device), self.objects.to(device), self.phase_range.to(device))


def stream(purpose: str, seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the generator of one batch; no two purposes, and no two steps of one seed (below 2³⁰), share one.

    Its device is where the batch is made: the CPU for mps, which draws from no Poisson distribution.

    Raises
    ------
    InputError
        If there is no such purpose.
    """
    if purpose not in PURPOSES:
        raise InputError(f"There is no stream '{purpose}'; choose one of {', '.join(PURPOSES)}.")
    # the CPU's generator looks at 32 bits only: the purpose takes two, seed and step the rest; odd factors keep them apart
    within = (seed * 0x2545F491 + step) % 2**30
    device = "cpu" if torch.device(device).type == "mps" else device
    return torch.Generator(device).manual_seed((PURPOSES[purpose] * 2**30 + within) * 0x9E3779B1 % 2**32)


@torch.no_grad()
def simulate(batch: int, generator: torch.Generator, population: Population | None = None) -> Batch:
    """Draw `batch` crystals and measure them once each.

    Parameters
    ----------
    batch
        Number of crystals.
    generator
        From `stream`; the crystals are made on its device.
    population
        What to draw from; None: the default.
    """
    p, g = population or Population(), generator
    drawn = shapes.draw(batch, g, p)
    if p.rough:
        drawn = drawn._replace(depth=interior.roughened(drawn.depth, g, p))
    phase, phase_range, core = phases(g, p, drawn)
    amplitude = shapes.soften(drawn.depth, g) * core
    amplitude *= 1 + p.texture * uniform(g, batch, 1, 1, 1) * correlated(g, batch, 8)
    if p.core_shell:
        factor, step = interior.core_shell(drawn.depth, g, p)
        amplitude, phase = amplitude * factor, phase + step
    if p.hollow:
        amplitude *= interior.around_a_void(drawn.depth, g, p)
    counts, objects = measure(torch.polar(amplitude.clamp_min_(0), phase), g, p)
    return Batch(counts, objects, phase_range)

"""How a measured pattern is written down, for whatever computes with it.

The modulus is √counts where it is fitted, and negative elsewhere: `MASKED` where nothing is known, `HELD_OUT` where it is kept
from the fit to judge the result, and −b·`BOUND` where it is only known to be at least b (a saturated pixel).  Everything is in
FFT order: zero frequency at index 0.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch

AXES = (-3, -2, -1)
"""Of a volume, the last three of any array."""
MASKED, HELD_OUT = -1.0, -2.0
"""What stands for a modulus that is not fitted."""
BOUND = 2.0**80
"""−b times this stands for a modulus that is at least b.  Read the same way, `MASKED` and `HELD_OUT` are at least nothing.  A
power of two, so that no digit is lost."""
TINY = np.float32(1e-30)
"""Squared amplitudes below this count as this: a field of exactly zero stays zero."""


class Pattern(Protocol):
    """What a backend is told of a measured pattern; `Diffraction` is one.

    Attributes
    ----------
    shape, device
        N0, N1, N2; where its tensors are.
    modulus, counts
        float32 (N0, N1, N2), FFT order: as this module says; photons.
    floor
        Photons: the least expected count in likelihoods.
    """

    shape: tuple[int, int, int]
    device: torch.device
    modulus: torch.Tensor
    counts: torch.Tensor
    floor: float


def target(modulus: torch.Tensor, power: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what √power should be, the modulus or its bound, and where it is not so yet, bool.

    A modulus that is not fitted is as it should be from its bound on.
    """
    measured = modulus >= 0
    wanted = torch.where(measured, modulus, modulus * (-1 / BOUND))
    return wanted, measured | (wanted > power.sqrt().clamp_(min=math.sqrt(TINY)))


def total(volumes: torch.Tensor) -> torch.Tensor:
    """Return the sums of volumes (..., N0, N1, N2), in the widest type of their device."""
    # rows first, as they are: CUDA would make a copy of all numbers in double precision
    return volumes.sum(-1).sum((-2, -1), dtype=wide(volumes.device))


def wide(device: torch.device) -> torch.dtype:
    """Return the widest real type of a device: MPS has no double precision."""
    return torch.float32 if device.type == "mps" else torch.float64

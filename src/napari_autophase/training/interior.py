"""What a faceted crystal can be besides: rough, hollow, a core in a shell of another material."""

from __future__ import annotations

import torch
from torch import Tensor

from .fields import correlated
from .population import Population, choose, uniform

FEATURES = 12
"""Of a rough surface along a side of the box: hills of about three voxels."""
SOFT = 0.3
"""Width in voxels of the boundaries inside a crystal."""


def roughened(depth: Tensor, g: torch.Generator, p: Population) -> Tensor:
    """Return the heights above the surface (B, 32, 32, 32) with hills and hollows on some of the surfaces."""
    batch = len(depth)
    height = uniform(g, batch, low=p.roughness[0], high=p.roughness[1]) * choose(g, batch, p.rough)
    return depth + height[:, None, None, None] * correlated(g, batch, FEATURES)


def around_a_void(depth: Tensor, g: torch.Generator, p: Population) -> Tensor:
    """Return the factor of the amplitude (B, 32, 32, 32): 0 in the void of some crystals, deeper than their wall is thick."""
    batch = len(depth)
    wall = uniform(g, batch, 1, 1, 1, low=p.wall[0], high=p.wall[1])
    return 1 - _deeper(depth, wall) * choose(g, batch, p.hollow)[:, None, None, None]


def core_shell(depth: Tensor, g: torch.Generator, p: Population) -> tuple[Tensor, Tensor]:
    """Return what a shell does in some crystals: the factor of the amplitude, and the phase that is added (B, 32, 32, 32).

    The phase begins to rise where core and shell meet, by a slope that is the same throughout the shell: its lattice spacing
    differs from the core's, and the lattice planes go through.
    """
    batch = len(depth)
    has_one = choose(g, batch, p.core_shell)[:, None, None, None]
    thickness = uniform(g, batch, 1, 1, 1, low=p.shell[0], high=p.shell[1])
    amplitude = uniform(g, batch, 1, 1, 1, low=p.shell_amplitude[0], high=p.shell_amplitude[1])
    slope = uniform(g, batch, 1, 1, 1, low=-p.mismatch, high=p.mismatch)
    core = _deeper(depth, thickness)
    factor = torch.where(has_one, core + (1 - core) * amplitude, 1.0)
    from_the_core = (depth + thickness).clamp_min(0).minimum(thickness)
    return factor, slope * from_the_core * has_one


def _deeper(depth: Tensor, than: Tensor) -> Tensor:
    return torch.sigmoid(-(depth + than) / SOFT)

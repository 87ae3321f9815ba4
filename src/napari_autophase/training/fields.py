"""What varies inside a crystal: the phase that its displacement gives it, and the texture of its amplitude."""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations_with_replacement

import torch
from torch import Tensor
from torch.nn import functional as F

from ..network.physics import OBJECT
from .population import Population, axis, choose, normal, of_some, outer, uniform
from .shapes import TWIN, Shapes

POISSON_RATIO = 0.3
"""Of the crystal about an edge dislocation."""
_EVERY = (1, 2, 3)
"""Axes of a batch's volumes."""


def phases(g: torch.Generator, p: Population, shapes: Shapes) -> tuple[Tensor, Tensor, Tensor]:
    """Draw displacements along Q, as phases.

    Returns
    -------
    phase
        float32 (B, 32, 32, 32) in rad.
    phase_range
        float32 (B,), peak-to-peak phase in rad of its smooth part (dislocations left out) inside the crystal.
    core
        float32 (B, 32, 32, 32) or a scalar 1: factor of the amplitude, below 1 at dislocations' cores.
    """
    batch = len(shapes.depth)
    parts = (
        _polynomial(g, batch, 2),
        _polynomial(g, batch, 3),
        _bumps(g, batch),
        _cosines(g, batch),
        correlated(g, batch, 3),
        correlated(g, batch, 4),
        0.5 * correlated(g, batch, 6),
    )
    weights = uniform(g, len(parts), batch, 1, 1, 1) ** 2 * (uniform(g, len(parts), batch, 1, 1, 1) < 0.55)
    weights[0] += 0.05
    phase = weights[0] * parts[0]
    for weight, part in zip(weights[1:], parts[1:], strict=True):
        phase.addcmul_(weight, part)
    relaxed = choose(g, batch, p.relaxed) & (shapes.kind != TWIN)
    strength = uniform(g, batch, low=0.3, high=2.0) * relaxed
    phase.addcmul_(strength[:, None, None, None], relaxation(g, p, shapes))

    inside = shapes.depth < 0
    low = torch.where(inside, phase, torch.inf).amin(_EVERY, keepdim=True)
    high = torch.where(inside, phase, -torch.inf).amax(_EVERY, keepdim=True)
    wanted = p.phase_range * uniform(g, batch, 1, 1, 1) ** p.phase_skew
    # what lies outside, in the soft rim, keeps to the range too
    phase = ((phase - low) / (high - low).clamp_min(1e-6)).clamp_(0, 1) * wanted
    vortex, core = dislocations(g, p, batch)
    return phase + vortex, wanted.flatten(), core


def correlated(g: torch.Generator, batch: int, cells: int) -> Tensor:
    """Return smooth random fields (B, 32, 32, 32) of unit variance with about `cells` features per side."""
    spread = _spread(cells, g.device)
    field = normal(g, batch, cells, cells, cells) @ spread
    field = (field.transpose(2, 3) @ spread).transpose(1, 3)
    return field @ spread


def relaxation(g: torch.Generator, p: Population, shapes: Shapes) -> Tensor:
    """Return a displacement along a random direction of facets that have moved in or out, of order 1.

    The displacement under facet i is along its normal n and falls off with the depth d under it, as surface layers relax:
    u = Σᵢ cᵢ nᵢ exp(−dᵢ / λ), projected on the direction of Q.
    """
    batch, number = shapes.distance.shape
    q = F.normalize(normal(g, batch, 1, 3), dim=-1)
    length = uniform(g, batch, 1, low=p.relaxation_depth[0], high=p.relaxation_depth[1])
    strength = (shapes.normals * q).sum(-1) * uniform(g, batch, number, low=0.5, high=1.5)
    x, y, z = (torch.exp(shapes.normals[..., i, None] * axis(g.device) / length[..., None]) for i in range(3))
    z = z * (strength * torch.exp(-shapes.distance / length))[..., None]
    return outer(x, y, z)


def dislocations(g: torch.Generator, p: Population, batch: int) -> tuple[Tensor, Tensor]:
    """Return the phase of one straight dislocation or two in a share of crystals, and the factor of the amplitude at its core.

    With Q·b = ±2π, a screw has the phase θ around its line; an edge, whose Burgers vector points along θ = 0,
    θ + sin 2θ / (4 (1 − ν)) (Hirth & Lothe, Theory of Dislocations, 2nd ed., eq. 3-45, isotropic).
    """
    number = choose(g, batch, p.dislocations).int() * (1 + choose(g, batch, 0.4).int())
    line = F.normalize(normal(g, batch, 2, 3), dim=-1)
    across = normal(g, batch, 2, 3)
    across = F.normalize(across - (across * line).sum(-1, keepdim=True) * line, dim=-1)
    origin = uniform(g, batch, 2, 3, low=-6, high=6)
    sense = 1.0 - 2.0 * (uniform(g, batch, 2) < 0.5)
    edge = (uniform(g, batch, 2) < 0.5) / (4 * (1 - POISSON_RATIO))
    phase = torch.zeros(batch, *(OBJECT,) * 3, device=g.device)
    core = torch.ones_like(phase)
    frame = torch.stack([across, torch.linalg.cross(line, across)], 2)  # of the plane that the line pierces
    for which in range(2):
        here = (frame[:, which], origin[:, which], sense[:, which], edge[:, which])
        phase = of_some(number > which, _with_dislocation, phase, *here)
        core = of_some(number > which, _with_core, core, *here[:2])
    return phase, core


def _with_dislocation(phase: Tensor, frame: Tensor, origin: Tensor, sense: Tensor, edge: Tensor) -> Tensor:
    angle = torch.atan2(_linear(frame[:, 1], origin), _linear(frame[:, 0], origin))
    bent = angle + edge[:, None, None, None] * torch.sin(2 * angle)
    return phase + sense[:, None, None, None] * bent


def _with_core(core: Tensor, frame: Tensor, origin: Tensor) -> Tensor:
    u, v = (_linear(frame[:, i], origin) for i in range(2))
    return core * (1 - 0.4 * torch.exp(-(u * u + v * v) / 2))


def _linear(direction: Tensor, origin: Tensor) -> Tensor:
    """Return the coordinate (B, 32, 32, 32) along a direction (B, 3) from an origin, in voxels."""
    x, y, z = (direction[:, i, None] * (axis(direction.device) - origin[:, i, None]) for i in range(3))
    return x[:, :, None, None] + y[:, None, :, None] + z[:, None, None, :]


def _polynomial(g: torch.Generator, batch: int, degree: int) -> Tensor:
    basis = _monomials(degree, g.device)
    return (normal(g, batch, len(basis)) @ basis).reshape(batch, *(OBJECT,) * 3)


@cache
def _monomials(degree: int, device: torch.device) -> Tensor:
    """Return all products of `degree` coordinates, (K, 32³), the coordinates running from −1 to 1."""
    side = axis(device) / (OBJECT // 2)
    r = torch.meshgrid(side, side, side, indexing="ij")
    products = [
        torch.stack([r[i] for i in chosen]).prod(0).flatten()
        for chosen in combinations_with_replacement(range(3), degree)
    ]
    return torch.stack(products)


def _bumps(g: torch.Generator, batch: int) -> Tensor:
    """Return three Gaussians anywhere, a fifth to two thirds of the box's half wide."""
    centre = uniform(g, batch, 3, 3, 1, low=-0.8, high=0.8)
    width = uniform(g, batch, 3, 1, 1, low=0.2, high=0.7)
    x, y, z = torch.exp(-((axis(g.device) / (OBJECT // 2) - centre) ** 2) / (2 * width**2)).unbind(2)
    return outer(x, y, z * (2 * normal(g, batch, 3, 1)))


def _cosines(g: torch.Generator, batch: int) -> Tensor:
    """Return two plane waves of up to about two periods across the box."""
    angle = normal(g, batch, 2, 3, 1) * (axis(g.device) * (2.5 / (OBJECT // 2)))
    x, y, z = torch.polar(torch.ones_like(angle), angle).unbind(2)
    start = uniform(g, batch, 2, 1, high=2 * math.pi)
    return outer(x, y, z * torch.polar(torch.ones_like(start), start)).real


@cache
def _spread(cells: int, device: torch.device) -> Tensor:
    """Return the matrix (cells, 32) that spreads independent numbers into a smooth line of unit variance."""
    at = torch.linspace(0, cells - 1, OBJECT, device=device)
    weight = torch.exp(-((at - torch.arange(cells, device=device)[:, None]) ** 2) / (2 * 0.6**2))
    return F.normalize(weight, dim=0)

"""Shapes of crystals: polyhedra of facets, star-shaped about the origin of a body frame, scaled into the object's box.

A facet is a plane n·y = d with outward normal n.  Distances in the body frame are of order 1.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .population import Population, axis, normal, of_some, uniform

FAR = 4.0
"""Distance in the body frame at which a plane cuts nothing."""
THINNEST = 6.5
"""Least thickness in voxels to which rods and platelets are squeezed."""
SLANT = 0.6
"""Part of its width to which each of a pair of twins is squeezed."""
WINTERBOTTOM, CUT_TWIN, TWIN, ROD, PLATELET, PLAIN = range(6)


class Shapes(NamedTuple):
    """Crystals in the object's box; lengths in voxels, the origin at index 16.

    Parameters
    ----------
    depth
        float32 (B, 32, 32, 32), height above the surface: negative inside, where it is minus the distance to the nearest facet.
    normals, distance
        float32 (B, P, 3) and (B, P), the facets' outward unit normals and distances from the origin.
    kind
        int64 (B,), one of `WINTERBOTTOM` ... `PLAIN`; the facets of a `TWIN` are those of one of the two, its depth that of both.
    """

    depth: Tensor
    normals: Tensor
    distance: Tensor
    kind: Tensor


def draw(batch: int, g: torch.Generator, p: Population) -> Shapes:
    """Draw `batch` shapes, the bounding box of each centred at index 16."""
    shares = torch.tensor([p.winterbottom, p.cut_twins, p.twins, p.rods, p.platelets]).cumsum(0)
    kind = torch.bucketize(uniform(g, batch), shares.to(g.device), right=True)
    normals, distance = _facets(batch, g, kind)
    mirror = _cubic_normals(g.device)[torch.randint(18, 26, (batch, 1), generator=g, device=g.device)]
    # a twin is squeezed obliquely to its mirror plane, so that the edges where the two meet are hollow
    oblique = F.normalize(
        mirror + F.normalize(torch.linalg.cross(mirror, normal(g, batch, 1, 3)), dim=-1), dim=-1
    )
    twinned = kind == TWIN
    squeezed = normals + (1 / SLANT - 1) * (normals * oblique).sum(-1, keepdim=True) * oblique
    normals = torch.where(twinned[:, None, None], squeezed, normals)
    mirrored = normals - 2 * (normals * mirror).sum(-1, keepdim=True) * mirror

    directions = _directions(g.device)
    radius = _radius(normals, distance, directions)
    radius = torch.where(
        twinned[:, None], torch.maximum(radius, _radius(mirrored, distance, directions)), radius
    )
    surface = radius[..., None] * directions

    extent = uniform(g, batch, 3, low=p.extent[0], high=p.extent[1])
    slender = (kind == ROD) | (kind == PLATELET)
    stretch = torch.where(
        slender[:, None], _squeeze(g, kind, surface, extent[:, :1]), uniform(g, batch, 3, low=0.75, high=1.3)
    )
    # a general stretch acts along random directions, a rod's along its own axes; then the whole is turned
    first = torch.where(
        slender[:, None, None], torch.eye(3, device=g.device), torch.linalg.qr(normal(g, batch, 3, 3))[0]
    )
    last = torch.linalg.qr(normal(g, batch, 3, 3))[0]
    surface = surface @ first * stretch[:, None] @ last
    low, high = surface.amin(1), surface.amax(1)
    width = high - low
    scale = torch.where(slender[:, None], extent[:, :1] / width.amax(1, keepdim=True), extent / width)

    def place(planes: Tensor) -> tuple[Tensor, Tensor]:
        turned = planes @ first / stretch[:, None] @ last
        offset = distance - (turned * ((low + high) / 2)[:, None]).sum(-1)
        turned = turned / scale[:, None]
        length = turned.norm(dim=-1)
        return turned / length[..., None], offset / length

    unit, offset = place(normals)
    depth = _depth(unit, offset)
    depth = of_some(twinned, lambda d, n, o: torch.minimum(d, _depth(n, o)), depth, *place(mirrored))
    return Shapes(depth, unit, offset, kind)


def soften(depth: Tensor, g: torch.Generator) -> Tensor:
    """Return the crystals (B, 32, 32, 32) with values 0..1, their surfaces a fraction of a voxel soft, 0 on the first planes."""
    width = uniform(g, len(depth), 1, 1, 1, low=0.15, high=0.45)
    inside = torch.sigmoid(-depth / width)
    for side in (1, 2, 3):
        inside.narrow(side, 0, 1).zero_()
    return inside


def _facets(batch: int, g: torch.Generator, kind: Tensor) -> tuple[Tensor, Tensor]:
    """Return the normals (B, 30, 3) and distances (B, 30) of polyhedra in the body frame; all hold the origin and are bounded."""
    device = g.device
    cubic = _cubic_normals(device)
    family = uniform(g, batch, 3, low=0.75, high=1.15)
    family = torch.where(uniform(g, batch, 3) < 0.25, FAR, family)
    family[:, 0] = family[:, 0].clamp_max(1.1)
    wulff = torch.cat(
        [one.expand(-1, number) for one, number in zip(family.split(1, 1), (6, 12, 8), strict=True)], 1
    )
    wulff = wulff * uniform(g, batch, 26, low=0.8, high=1.1)

    scattered = F.normalize(normal(g, batch, 26, 3), dim=-1)
    scattered[:, :6] = cubic[:6]
    scattered_distance = uniform(g, batch, 26, low=0.6, high=1.1)
    scattered_distance[:, :6] += 0.4  # a box around them: few random planes alone need not close
    number = torch.randint(12, 27, (batch, 1), generator=g, device=device)
    scattered_distance = torch.where(torch.arange(26, device=device) < number, scattered_distance, FAR)

    prism_distance = uniform(g, batch, 26, low=0.75, high=1.05)
    prism_distance[:, 8:] = FAR

    family_of = torch.randint(0, 5, (batch, 1), generator=g, device=device)
    family_of = family_of.masked_fill((kind == WINTERBOTTOM)[:, None], 0)
    normals = torch.where(
        family_of[..., None] < 2, cubic, torch.where(family_of[..., None] < 4, scattered, _prism(device))
    )
    distance = torch.where(
        family_of < 2, wulff, torch.where(family_of < 4, scattered_distance, prism_distance)
    )

    cuts = F.normalize(normal(g, batch, 3, 3), dim=-1)
    cut_distance = torch.where(uniform(g, batch, 3) < 0.25, uniform(g, batch, 3, low=0.15, high=0.8), FAR)
    flat = cubic[torch.randint(0, 26, (batch, 1), generator=g, device=device)]
    flat_distance = uniform(g, batch, 1, low=0.05, high=0.45)
    flat_distance = torch.where(((kind == WINTERBOTTOM) | (kind == CUT_TWIN))[:, None], flat_distance, FAR)
    return torch.cat([normals, cuts, flat], 1), torch.cat([distance, cut_distance, flat_distance], 1)


@cache
def _cubic_normals(device: torch.device) -> Tensor:
    """Return unit vectors (26, 3): 6 of {100}, 12 of {110}, 8 of {111}."""
    step = torch.tensor([-1.0, 0.0, 1.0])
    every = torch.cartesian_prod(step, step, step)
    every = every[every.abs().sum(1) > 0]
    return F.normalize(every[every.abs().sum(1).argsort(stable=True)], dim=1).to(device)


@cache
def _prism(device: torch.device) -> Tensor:
    """Return the 6 sides and 2 ends of a hexagonal prism, repeated to 26 normals."""
    angle = torch.arange(26, device=device) * (math.pi / 3)
    prism = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], -1)
    prism[6:8] = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], device=device)
    return prism


@cache
def _directions(device: torch.device) -> Tensor:
    """Return unit vectors (2048, 3) spread evenly over the sphere (a Fibonacci spiral)."""
    k = torch.arange(2048, dtype=torch.float64) + 0.5
    z, azimuth = 1 - k / 1024, k * (math.pi * (3 - math.sqrt(5)))
    ring = (1 - z * z).sqrt()
    return torch.stack([ring * azimuth.cos(), ring * azimuth.sin(), z], -1).float().to(device)


def _radius(normals: Tensor, distance: Tensor, directions: Tensor) -> Tensor:
    """Return how far (B, M) the surface is from the origin along each direction."""
    return (distance[..., None] / (normals @ directions.T).clamp_min(1e-3)).amin(1)


def _squeeze(g: torch.Generator, kind: Tensor, surface: Tensor, extent: Tensor) -> Tensor:
    """Return stretches (B, 3): two thin axes of a rod, one of a platelet, none thinner than `THINNEST` once scaled."""
    thin = torch.stack([kind == ROD, kind == ROD, kind == PLATELET], 1)
    width = surface.amax(1) - surface.amin(1)
    # the turned crystal is at most as wide as the body's longest diagonal
    longest = 2 * surface.norm(dim=-1).amax(1, keepdim=True)
    drawn = uniform(g, len(kind), 3, low=0.3, high=0.55)
    return torch.where(thin, torch.maximum(drawn, THINNEST / extent * longest / width).clamp_max(1), 1.0)


def _depth(normals: Tensor, distance: Tensor) -> Tensor:
    """Return the height (B, 32, 32, 32) above the highest of the planes."""
    x, y, z = (normals[..., i, None] * axis(normals.device) for i in range(3))
    plane = x[..., :, None] + (y - distance[..., None])[..., None, :]
    depth = plane[:, 0, :, :, None] + z[:, 0, None, None, :]
    here = torch.empty_like(depth)
    for k in range(1, normals.shape[1]):
        torch.add(plane[:, k, :, :, None], z[:, k, None, None, :], out=here)
        torch.maximum(depth, here, out=depth)
    return depth

"""Crystals simulated on the fly, on the training device: never stored, never the same twice.

A batch is drawn from a `torch.Generator`; `stream` derives one from (purpose, seed, step), so that a run resumed at any step
continues with exactly the crystals it would have seen, and validation never meets a training crystal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..network.physics import OBJECT, WINDOW, propagate

PURPOSES = {"train": 1, "validation": 2}


@dataclass(frozen=True)
class Population:
    """What is drawn: each range is uniform unless said otherwise.

    Parameters
    ----------
    extent
        Full width of the crystal along each axis, in voxels of the 64³ window (64 / oversampling).
    phase_range
        Largest peak-to-peak phase in rad; drawn as ``phase_range * u ** phase_skew``.
    log10_peak
        Decimal logarithm of the counts in the brightest voxel.
    """

    extent: tuple[float, float] = (18.0, 30.0)
    phase_range: float = 5 * math.pi
    phase_skew: float = 1.5
    log10_peak: tuple[float, float] = (3.0, 7.0)
    gaps: float = 0.25
    texture: float = 0.15
    dislocations: float = 0.08
    off_centre: float = 0.3


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
        float32 (B,), peak-to-peak phase in rad before the peak was centred.
    """

    counts: Tensor
    objects: Tensor
    phase_range: Tensor


def stream(purpose: str, seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the generator of one batch; streams of different purposes are disjoint."""
    key = (PURPOSES[purpose] * 1_000_003 + seed) * 1_000_000_007 + step
    return torch.Generator(device).manual_seed((key * 0x9E3779B97F4A7C15) % 2**63)


def simulate(batch: int, generator: torch.Generator, population: Population | None = None) -> Batch:
    """Draw `batch` crystals and measure them once each."""
    p = population or Population()
    inside, edge = _shapes(batch, generator, p)
    phase, phase_range = _phases(batch, generator, p, inside > 0.5)
    amplitude = inside * (1 + p.texture * _uniform(generator, batch, 1, 1, 1) * _field(batch, generator, 8))
    objects = torch.polar(amplitude.clamp_min(0), phase)
    objects, field = _centre_peak(objects, generator, p)
    counts, good = _measure(field.abs().square(), generator, p)
    gapped = ~good.flatten(1).all(1)
    counts[gapped] = inpaint(counts[gapped], good[gapped])
    return Batch(counts, objects * edge, phase_range)


def _uniform(generator: torch.Generator, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device) * (high - low) + low


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)


def _grid(device: torch.device) -> Tensor:
    axis = torch.arange(OBJECT, device=device, dtype=torch.float32) - OBJECT // 2
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)


def _cubic_normals(device: torch.device) -> Tensor:
    axis = torch.tensor([-1.0, 0.0, 1.0], device=device)
    all_ = torch.cartesian_prod(axis, axis, axis)
    normals = all_[all_.abs().sum(1) > 0]
    order = normals.abs().sum(1).argsort(stable=True)
    return F.normalize(normals[order], dim=1)  # 6 of {100}, 12 of {110}, 8 of {111}


def _shapes(batch: int, g: torch.Generator, p: Population) -> tuple[Tensor, Tensor]:
    """Return polyhedra (B, 32, 32, 32) with values 0..1, and a window that is 0 on the array's first planes."""
    device, far = g.device, 4.0
    cubic = _cubic_normals(device).expand(batch, -1, -1)
    family = _uniform(g, batch, 3, low=0.75, high=1.15)
    family = torch.where(_uniform(g, batch, 3) < 0.25, torch.full_like(family, far), family)
    family[:, 0] = family[:, 0].clamp_max(1.1)
    distance = torch.repeat_interleave(family, torch.tensor([6, 12, 8], device=device), dim=1)
    distance = distance * _uniform(g, batch, 26, low=0.8, high=1.1)

    scattered = F.normalize(_normal(g, batch, 26, 3), dim=-1)
    scattered_distance = _uniform(g, batch, 26, low=0.6, high=1.1)
    number = torch.randint(7, 27, (batch, 1), generator=g, device=device)
    scattered_distance = torch.where(torch.arange(26, device=device) < number, scattered_distance, far)

    angle = torch.arange(26, device=device) * (math.pi / 3)
    prism = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], -1)
    prism[6], prism[7] = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, -1.0])
    prism_distance = _uniform(g, batch, 26, low=0.75, high=1.05)
    prism_distance[:, 8:] = far

    kind = torch.randint(0, 5, (batch, 1), generator=g, device=device)
    normals = torch.where(
        kind[..., None] < 2, cubic, torch.where(kind[..., None] < 4, scattered, prism.expand(batch, -1, -1))
    )
    distance = torch.where(kind < 2, distance, torch.where(kind < 4, scattered_distance, prism_distance))

    cuts = F.normalize(_normal(g, batch, 3, 3), dim=-1)
    cut_distance = torch.where(_uniform(g, batch, 3) < 0.25, _uniform(g, batch, 3, low=0.15, high=0.8), far)
    normals, distance = torch.cat([normals, cuts], 1), torch.cat([distance, cut_distance], 1)

    turn = torch.linalg.qr(_normal(g, batch, 3, 3))[0]
    stretch = torch.diag_embed(_uniform(g, batch, 3, low=0.75, high=1.3))
    normals = normals @ (turn @ stretch @ torch.linalg.qr(_normal(g, batch, 3, 3))[0])

    # measured once on a coarse grid, then scaled so that the bounding box has the drawn extents and stands in the middle
    grid = _grid(torch.device(device))
    coarse = grid / (OBJECT // 2) * 2.2
    within = (torch.einsum("bpi,ni->bpn", normals, coarse) <= distance[..., None]).all(1)
    low = torch.where(within[..., None], coarse, 9.0).amin(1)
    high = torch.where(within[..., None], coarse, -9.0).amax(1)
    step = coarse[1, 2] - coarse[0, 2]
    extent = _uniform(g, batch, 3, low=p.extent[0], high=p.extent[1])
    scale, middle = (high - low + step) / extent, (high + low) / 2
    distance = distance - torch.einsum("bpi,bi->bp", normals, middle)
    normals = normals * scale[:, None]
    length = normals.norm(dim=-1)
    depth = ((torch.einsum("bpi,ni->bpn", normals, grid) - distance[..., None]) / length[..., None]).amax(1)
    width = _uniform(g, batch, 1, low=0.15, high=0.45)
    edge = (grid > -OBJECT // 2).all(1).reshape(1, OBJECT, OBJECT, OBJECT)
    return torch.sigmoid(-depth / width).reshape(batch, OBJECT, OBJECT, OBJECT) * edge, edge


def _field(batch: int, g: torch.Generator, cells: int) -> Tensor:
    """Return smooth random fields (B, 32, 32, 32) of unit order, with about `cells` features per side."""
    coarse = _normal(g, batch, 1, cells, cells, cells)
    fine = F.interpolate(coarse, size=(OBJECT,) * 3, mode="trilinear", align_corners=True)
    return blur(blur(fine[:, 0]))


def _phases(batch: int, g: torch.Generator, p: Population, inside: Tensor) -> tuple[Tensor, Tensor]:
    device = g.device
    flat = _grid(torch.device(device)) / (OBJECT // 2)
    r = flat.reshape(1, OBJECT, OBJECT, OBJECT, 3)
    side = (batch, OBJECT, OBJECT, OBJECT)

    quadratic = ((flat @ _normal(g, batch, 3, 3)) * flat).sum(-1).reshape(side)
    cubic = (flat @ _normal(g, batch, 3, 1)).reshape(side) ** 3
    bumps = torch.zeros_like(cubic)
    for _ in range(3):
        centre = _uniform(g, batch, 1, 1, 1, 3, low=-0.8, high=0.8)
        width = _uniform(g, batch, 1, 1, 1, low=0.2, high=0.7)
        bumps = bumps + _normal(g, batch, 1, 1, 1) * torch.exp(
            -(r - centre).square().sum(-1) / (2 * width**2)
        )
    parts = torch.stack(
        [quadratic, cubic, 2 * bumps, _field(batch, g, 3), _field(batch, g, 4), 0.5 * _field(batch, g, 6)]
    )
    weight = _uniform(g, len(parts), batch, 1, 1, 1) ** 2 * (_uniform(g, len(parts), batch, 1, 1, 1) < 0.6)
    weight[0] += 0.05
    phase = (weight * parts).sum(0)

    low = torch.where(inside, phase, torch.inf).amin((1, 2, 3), keepdim=True)
    high = torch.where(inside, phase, -torch.inf).amax((1, 2, 3), keepdim=True)
    wanted = p.phase_range * _uniform(g, batch, 1, 1, 1) ** p.phase_skew
    phase = (phase - low) / (high - low).clamp_min(1e-6) * wanted

    line, first = F.normalize(_normal(g, batch, 3), dim=-1), _normal(g, batch, 3)
    first = F.normalize(first - (first * line).sum(-1, keepdim=True) * line, dim=-1)
    second = torch.linalg.cross(line, first)
    origin = _uniform(g, batch, 1, 1, 1, 3, low=-0.5, high=0.5)
    u = ((r - origin) * first[:, None, None, None]).sum(-1)
    v = ((r - origin) * second[:, None, None, None]).sum(-1)
    chosen = (_uniform(g, batch, 1, 1, 1) < p.dislocations).float()
    return phase + chosen * torch.atan2(v, u), wanted.flatten()


def _centre_peak(objects: Tensor, g: torch.Generator, p: Population) -> tuple[Tensor, Tensor]:
    """Bring the Bragg peak to the centre, as preparation does; sometimes miss by a voxel, as real preparation does."""
    field = propagate(objects)
    blurred = blur(field.real.square() + field.imag.square())
    peak = torch.stack(torch.unravel_index(blurred.flatten(1).argmax(1), field.shape[1:]), -1)
    miss = torch.randint(-1, 2, peak.shape, generator=g, device=g.device)
    miss = miss * (_uniform(g, len(peak), 1) < p.off_centre)
    shift = (WINDOW // 2 - peak + miss).float()
    ramp = torch.einsum("ni,bi->bn", _grid(torch.device(g.device)), shift * (2 * math.pi / WINDOW))
    objects = objects * torch.polar(torch.ones_like(ramp), ramp).reshape(objects.shape)
    return objects, propagate(objects)


def _measure(intensity: Tensor, g: torch.Generator, p: Population) -> tuple[Tensor, Tensor]:
    batch = len(intensity)
    peak = 10 ** _uniform(g, batch, 1, 1, 1, low=p.log10_peak[0], high=p.log10_peak[1])
    expected = intensity / intensity.amax((1, 2, 3), keepdim=True) * peak
    counts = torch.poisson(expected, generator=g)
    good = torch.ones_like(counts, dtype=torch.bool)
    for index in torch.nonzero(_uniform(g, batch) < p.gaps).flatten().tolist():
        axis = int(torch.randint(1, 3, (1,), generator=g, device=g.device))
        start = int(torch.randint(4, WINDOW - 8, (1,), generator=g, device=g.device))
        width = int(torch.randint(1, 4, (1,), generator=g, device=g.device))
        if not start - 3 <= WINDOW // 2 <= start + width + 2:  # nobody measures with the peak in a gap
            good[index].narrow(axis - 0, start, width).fill_(False)
    return counts * good, good


def inpaint(counts: Tensor, good: Tensor) -> Tensor:
    """Fill masked voxels (good False) of (..., D, H, W) with a Gaussian-weighted mean of the square roots around them.

    A network is shown whole volumes: preparation fills a scan's gaps in much the same way before inference.
    """
    if bool(good.all()):
        return counts
    weight = good.to(counts.dtype)
    modulus = counts.clamp_min(0).sqrt() * weight
    filled, known = modulus, weight
    # repeated small blurs reach into wide gaps, and stay local at their rims
    for _ in range(6):
        known_blurred, filled_blurred = blur(known), blur(known * filled)
        estimate = filled_blurred / known_blurred.clamp_min(1e-6)
        filled = torch.where(good, modulus, estimate)
        known = torch.where(good, weight, known_blurred.clamp_max(1.0))
    return torch.where(good, counts, filled.square())


def blur(volume: Tensor) -> Tensor:
    """Smooth with the binomial kernel [1 2 1]/4 along each of the last three axes, repeating the rim."""
    for axis in (-3, -2, -1):
        size = volume.shape[axis]
        before = torch.cat([volume.narrow(axis, 0, 1), volume.narrow(axis, 0, size - 1)], axis)
        after = torch.cat([volume.narrow(axis, 1, size - 1), volume.narrow(axis, size - 1, 1)], axis)
        volume = (before + after).mul_(0.25).add_(volume, alpha=0.5)
    return volume

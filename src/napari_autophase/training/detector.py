"""What a detector makes of the scattered intensity, and what preparation makes of that before a network sees it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..network.physics import WINDOW, propagate
from . import beamline
from .population import Population, axis, choose, of_some, uniform

_EVERY = (1, 2, 3)
"""Axes of a batch's volumes."""
_MIDDLE = WINDOW // 2
"""Index of the middle of a window."""


def measure(objects: Tensor, g: torch.Generator, p: Population) -> tuple[Tensor, Tensor]:
    """Measure each crystal once.

    Parameters
    ----------
    objects
        complex64 (B, 32, 32, 32).
    g, p
        Where the random numbers come from, and what they are drawn from.

    Returns
    -------
    counts
        float32 (B, 64, 64, 64), gaps and masked hot pixels filled in.
    objects
        The same crystals, with the linear phase that the place of the peak in the window gives them.
    """
    objects, intensity = centre_peak(objects, g, p)
    blurred = choose(g, len(objects), p.partially_coherent)
    length = uniform(g, len(objects), 3, low=p.coherence_length[0], high=p.coherence_length[1])
    intensity = of_some(blurred, lose_coherence, intensity, length)
    if p.neighbours or p.blurred or p.drifting:
        intensity = beamline.disturbed(intensity, g, p)
    counted = count(intensity, g, p)
    shown = of_some(~counted.good.flatten(1).all(1), inpaint, counted.counts, counted.good)
    return beamline.completed(shown, counted, g, p), objects


def centre_peak(objects: Tensor, g: torch.Generator, p: Population) -> tuple[Tensor, Tensor]:
    """Bring the Bragg peak to the middle voxel, as preparation does; sometimes miss it, as real preparation does.

    Returns the objects with the corresponding linear phase, and their intensities float32 (B, 64, 64, 64).
    """
    batch = len(objects)
    objects = tilt(objects, uniform(g, batch, 3, low=-p.sub_voxel, high=p.sub_voxel))
    field = propagate(objects)
    intensity = field.real.square() + field.imag.square()
    peak = blur(intensity).flatten(1).argmax(1)
    found = torch.stack([peak // WINDOW**2, peak // WINDOW % WINDOW, peak % WINDOW], 1)
    most = p.off_centre_voxels
    miss = torch.randint(-most, most + 1, (batch, 3), generator=g, device=g.device)
    shift = _MIDDLE - found + miss * choose(g, batch, p.off_centre)[:, None]
    # moving the pattern by whole voxels is the same linear phase, without a second transform
    return tilt(objects, shift.float()), rolled(intensity, shift)


def rolled(volumes: Tensor, shift: Tensor) -> Tensor:
    """Return volumes (B, N, N, N) moved around by whole voxels, int64 (B, 3)."""
    if volumes.device.type == "cpu":
        pairs = zip(volumes, shift.tolist(), strict=True)
        return torch.stack([torch.roll(one, by, (0, 1, 2)) for one, by in pairs])
    # a GPU, which would have to be waited for to know how far, looks the voxels up
    at = torch.arange(volumes.shape[-1], device=volumes.device)
    x, y, z = ((at - shift[:, k, None]) % len(at) for k in range(3))
    which = torch.arange(len(volumes), device=volumes.device)[:, None, None, None]
    return volumes[which, x[:, :, None, None], y[:, None, :, None], z[:, None, None, :]]


def tilt(objects: Tensor, shift: Tensor) -> Tensor:
    """Give objects the linear phase that moves their patterns by `shift` (B, 3) voxels of the window."""
    angle = shift[..., None] * (axis(shift.device) * (2 * math.pi / WINDOW))
    x, y, z = torch.polar(torch.ones_like(angle), angle).unbind(1)
    return objects * (x[:, :, None] * y[:, None])[..., None] * z[:, None, None]


def lose_coherence(intensity: Tensor, length: Tensor) -> Tensor:
    """Blur as partial coherence does: multiply the autocorrelation by a Gaussian mutual coherence function.

    The measured intensity is the coherent one convolved with the Fourier transform of that function (Clark, Huang, Harder &
    Robinson, Nat. Commun. 3, 993 (2012), eq. 2).

    Parameters
    ----------
    intensity
        float32 (B, 64, 64, 64).
    length
        float32 (B, 3), standard deviation of the function in voxels of the object.
    """
    lag = torch.fft.fftfreq(WINDOW, 1 / WINDOW, device=intensity.device)
    x, y, z = torch.exp(-((lag / length[..., None]) ** 2) / 2).unbind(1)
    pattern = torch.fft.rfftn(intensity, dim=_EVERY)
    pattern *= (x[:, :, None] * y[:, None])[..., None]
    pattern *= z[:, None, None, : WINDOW // 2 + 1]
    return torch.fft.irfftn(pattern, s=(WINDOW,) * 3, dim=_EVERY).clamp_min_(0)


def count(intensity: Tensor, g: torch.Generator, p: Population) -> beamline.Counted:
    """Return counts (B, 64, 64, 64), Poisson-distributed on the intensity and a background, and which voxels are good."""
    batch = len(intensity)
    peak = 10 ** uniform(g, batch, 1, 1, 1, low=p.log10_peak[0], high=p.log10_peak[1])
    level = 10 ** uniform(g, batch, 1, 1, 1, low=p.log10_background[0], high=p.log10_background[1])
    level = level * choose(g, batch, p.background)[:, None, None, None]
    expected = intensity * (peak / intensity.amax(_EVERY, keepdim=True))
    expected.add_(level)
    counts = torch.poisson(expected, generator=g)
    good = _between_gaps(batch, g, p.gaps)
    _heat_pixels(counts, good, peak.flatten(), g, p.hot_pixels)
    counted = beamline.Counted(counts.mul_(good), good, expected, level)
    return beamline.without_the_peak(counted, peak, g, p) if p.saturated or p.peak_gaps else counted


def _between_gaps(batch: int, g: torch.Generator, share: float) -> Tensor:
    """Return bool (B, 64, 64, 64), False in a gap of 1 to 3 rows or columns of the detector."""
    start = torch.randint(4, WINDOW - 8, (batch, 1), generator=g, device=g.device)
    stop = start + torch.randint(1, 4, (batch, 1), generator=g, device=g.device)
    has_one = choose(g, batch, share)[:, None] & (
        (start > _MIDDLE + 3) | (stop < _MIDDLE - 2)
    )  # not at the peak
    at = torch.arange(WINDOW, device=g.device)
    gap = (at >= start) & (at < stop) & has_one
    in_rows = choose(g, batch, 0.5)[:, None]
    bad = (gap & in_rows)[:, :, None] | (gap & ~in_rows)[:, None]
    return (~bad)[:, None].repeat(1, WINDOW, 1, 1)


def _heat_pixels(counts: Tensor, good: Tensor, peak: Tensor, g: torch.Generator, share: float) -> None:
    """Mask pixels that are hot in all frames and voxels that are hot in one; leave some of the latter hot, unmasked."""
    batch, number = len(counts), 6
    frame, row, column = torch.randint(0, WINDOW, (3, batch, number), generator=g, device=g.device)
    away = ((row - _MIDDLE).abs() > 4) | ((column - _MIDDLE).abs() > 4)
    hot = choose(g, batch, share)[:, None] & away
    fate = uniform(g, batch, number)
    value = peak[:, None] * 10 ** uniform(g, batch, number, low=-4.0, high=-1.5)
    # every pixel is written to in every crystal, as it is or anew: to pick those that are hot a GPU would be waited for
    b = torch.arange(batch, device=counts.device)
    for k in range(number):
        at, voxel = (b, slice(None), row[:, k], column[:, k]), (b, frame[:, k], row[:, k], column[:, k])
        good[at] &= ~(hot & (fate < 0.5))[:, k, None]
        good[voxel] &= ~(hot & (fate >= 0.5) & (fate < 0.8))[:, k]
        stays = ~(hot & (fate >= 0.8))[:, k]
        counts[voxel] = torch.where(stays, counts[voxel], value[:, k].clamp_min(10).round())


def inpaint(counts: Tensor, good: Tensor) -> Tensor:
    """Fill masked voxels (good False) of (..., D, H, W) with a Gaussian-weighted mean of the square roots around them.

    A network is shown whole volumes: preparation fills a scan's gaps in much the same way before inference.
    """
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
    for along in (-3, -2, -1):
        inner = volume.shape[along] - 1
        smooth = volume * 0.5
        smooth.narrow(along, 1, inner).add_(volume.narrow(along, 0, inner), alpha=0.25)
        smooth.narrow(along, 0, inner).add_(volume.narrow(along, 1, inner), alpha=0.25)
        for end in (0, inner):
            smooth.narrow(along, end, 1).add_(volume.narrow(along, end, 1), alpha=0.25)
        volume = smooth
    return volume

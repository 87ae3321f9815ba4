"""What measurements suffer at a beamline besides noise: blur, drift, other crystals' light, a peak too bright or in a gap.

All arrays are (B, 64, 64, 64): frames, rows and columns of the detector.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..network.physics import WINDOW
from .population import Population, choose, normal, of_some, uniform

_EVERY = (1, 2, 3)
"""Axes of a batch's volumes."""
_MIDDLE = WINDOW // 2
"""Index of the middle of a window."""


class Counted(NamedTuple):
    """A measurement.

    Parameters
    ----------
    counts, good
        float32 and bool; 0 where nothing is known, and at least so many where the detector was saturated.
    expected, level
        float32: the mean counts, and how much of them (B, 1, 1, 1) is the background.
    missing
        bool: what the peak lacks; None: nothing.
    """

    counts: Tensor
    good: Tensor
    expected: Tensor
    level: Tensor
    missing: Tensor | None = None


def disturbed(intensity: Tensor, g: torch.Generator, p: Population) -> Tensor:
    """Return intensities into which other crystals' light falls, which are blurred, or whose frames drift."""
    batch = len(intensity)
    if p.neighbours:
        way = normal(g, batch, 3)
        far = uniform(g, batch, 1, low=p.neighbour_distance[0], high=p.neighbour_distance[1])
        shift = (way / way.abs().amax(1, keepdim=True) * far).round().long()
        share = 10 ** uniform(g, batch, low=p.log10_neighbour[0], high=p.log10_neighbour[1])
        # the next crystal of the batch
        other = intensity.roll(1, 0) if batch > 1 else intensity.flip(_EVERY).roll((1, 1, 1), _EVERY)
        intensity = of_some(choose(g, batch, p.neighbours), beside, intensity, other, shift, share)
    if p.blurred:
        axes = torch.linalg.qr(normal(g, batch, 3, 3))[0]
        width = uniform(g, batch, 3, low=p.blur_px[0], high=p.blur_px[1])
        covariance = axes * width.square()[:, None] @ axes.transpose(1, 2)
        intensity = of_some(choose(g, batch, p.blurred), blurred, intensity, covariance)
    if p.drifting:
        way = normal(g, batch, WINDOW, 2).cumsum(1)
        way = way - way[:, _MIDDLE, None]
        largest = way.norm(dim=-1).amax(1)[:, None, None].clamp_min(1e-6)
        way = way / largest * uniform(g, batch, 1, 1, low=p.drift_px[0], high=p.drift_px[1])
        intensity = of_some(choose(g, batch, p.drifting), drifted, intensity, way)
    return intensity


def beside(intensity: Tensor, other: Tensor, shift: Tensor, share: Tensor) -> Tensor:
    """Add the light of another crystal, whose peak lies elsewhere: what of it falls into the window.

    Parameters
    ----------
    intensity, other
        float32, both with their peaks in the middle.
    shift, share
        int64 (B, 3) and float32 (B,): where the other's peak lies from the middle, and its brightness over that of the first.
    """
    at = torch.arange(WINDOW, device=intensity.device)
    which = torch.arange(len(intensity), device=intensity.device)[:, None, None, None]
    places = [at - shift[:, k, None] for k in range(3)]
    within = [((place >= 0) & (place < WINDOW)).to(intensity.dtype) for place in places]
    x, y, z = (place.clamp(0, WINDOW - 1) for place in places)
    light = other[which, x[:, :, None, None], y[:, None, :, None], z[:, None, None, :]]
    for k, inside in enumerate(within):
        light = light * inside.view(len(inside), *(WINDOW if k == axis else 1 for axis in range(3)))
    scale = share * intensity.amax(_EVERY) / other.amax(_EVERY)
    return intensity + scale[:, None, None, None] * light


def blurred(intensity: Tensor, covariance: Tensor) -> Tensor:
    """Blur as partly coherent light does: convolve with a Gaussian.

    Its transform exp(−2π² rᵀ Σ r / 64²) multiplies the autocorrelation at the lags r, as a mutual coherence function does (Clark,
    Huang, Harder & Robinson, Nat. Commun. 3, 993 (2012), eq. 2).

    Parameters
    ----------
    intensity
        float32.
    covariance
        Σ, float32 (B, 3, 3), in pixels squared.
    """
    lag = torch.fft.fftfreq(WINDOW, device=intensity.device)
    r = (lag[:, None, None], lag[:, None], lag[: _MIDDLE + 1].abs())
    spectrum = torch.fft.rfftn(intensity, dim=_EVERY)
    form = torch.zeros_like(spectrum.real)
    for i in range(3):
        for j in range(3):
            form += covariance[:, i, j, None, None, None] * (r[i] * r[j])
    spectrum *= torch.exp(-2 * math.pi**2 * form)
    return torch.fft.irfftn(spectrum, s=(WINDOW,) * 3, dim=_EVERY).clamp_min_(0)


def drifted(intensity: Tensor, way: Tensor) -> Tensor:
    """Move each frame by its own way, float32 (B, 64, 2), in rows and columns; part of a pixel by the shift theorem."""
    lag = torch.fft.fftfreq(WINDOW, device=intensity.device)
    angle = -2 * math.pi * way[..., None] * lag
    row, column = torch.polar(torch.ones_like(angle), angle).unbind(2)
    spectrum = torch.fft.rfft2(intensity)
    spectrum *= row[..., None] * column[:, :, None, : _MIDDLE + 1]
    return torch.fft.irfft2(spectrum, s=(WINDOW, WINDOW)).clamp_min_(0)


def without_the_peak(counted: Counted, peak: Tensor, g: torch.Generator, p: Population) -> Counted:
    """Return measurements of which some lack part of their peak, above a limit or in a gap of the detector.

    Parameters
    ----------
    counted
        Whole ones.
    peak
        float32 (B, 1, 1, 1), counts expected in the brightest voxel.
    g, p
        Where the random numbers come from, and what they are drawn from.
    """
    counts, good, missing, batch = counted.counts, counted.good, torch.zeros_like(counted.good), len(peak)
    if p.saturated:
        limit = (
            (peak * uniform(g, batch, 1, 1, 1, low=p.saturation[0], high=p.saturation[1]))
            .round()
            .clamp_min(1)
        )
        limit = torch.where(choose(g, batch, p.saturated)[:, None, None, None], limit, torch.inf)
        missing = missing | (good & (counts >= limit))
        counts = counts.minimum(limit)
    if p.peak_gaps:
        start = _MIDDLE - torch.randint(0, 4, (batch, 1), generator=g, device=g.device)
        stop = start + torch.randint(1, 5, (batch, 1), generator=g, device=g.device)
        at = torch.arange(WINDOW, device=g.device)
        gap = (at >= start) & (at < stop) & choose(g, batch, p.peak_gaps)[:, None]
        in_rows = choose(g, batch, 0.5)[:, None]
        hidden = ((gap & in_rows)[:, :, None] | (gap & ~in_rows)[:, None])[:, None].expand_as(good)
        missing = missing | (good & hidden)
        counts = torch.where(hidden, 0, counts)
    return counted._replace(counts=counts, good=good & ~missing, missing=missing)


def completed(shown: Tensor, counted: Counted, g: torch.Generator, p: Population) -> Tensor:
    """Return measurements as preparation shows them: what the peak lacks completed, a background that is known subtracted.

    Parameters
    ----------
    shown
        float32: the counts, and where they are not good what the surroundings say.
    counted
        The measurements.
    """
    if counted.missing is not None:
        share = uniform(g, len(shown), 1, 1, 1, low=p.completion[0], high=p.completion[1])
        told = ((1 - share) * shown.sqrt() + share * counted.expected.sqrt()).square()
        # a saturated voxel is as bright as it was measured at least
        shown = torch.where(counted.missing, told.maximum(counted.counts), shown)
    if p.background_known:
        known = choose(g, len(shown), p.background_known)[:, None, None, None]
        shown = (shown - counted.level * known).clamp_min_(0)
    return shown

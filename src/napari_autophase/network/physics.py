"""The scattering model that networks are trained through, and what they are shown of a measurement.

Networks look at a window of 64³ voxels of reciprocal space and speak of the 32³ voxels in its middle; one of other habits
sees the same crystals through `view`.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 64
"""Side of the diffraction volume that a network sees."""
OBJECT = 32
"""Side of the object that it predicts, in the middle of the window."""
EXTENT = 24.0
"""Voxels of the window across which a crystal of middling size stands."""

_AXES = (-3, -2, -1)
"""Of a volume, the last three of any array."""


def propagate(objects: Tensor, window: int = WINDOW) -> Tensor:
    """Return the field at the detector, ``fftshift(fftn(ifftshift(object)))``.

    Parameters
    ----------
    objects
        complex64 (..., n, n, n), n ≤ window, zero-padded to the window here.
    window
        Side of the field, a multiple of 4.

    Returns
    -------
    Tensor
        complex64 (..., window, window, window), unnormalised transform, q = 0 at index window / 2.
    """
    margin = (window - objects.shape[-1]) // 2
    sign = alternating(window, objects.device)
    inner = slice(margin, window - margin)
    return torch.fft.fftn(F.pad(objects * sign[inner, inner, inner], (margin,) * 6), dim=_AXES) * sign


def misfit(objects: Tensor, modulus: Tensor) -> Tensor:
    """Return Σ(|Fp|−|Fm|)²/Σ|Fm|² of each volume (B,), the predicted modulus scaled optimally.

    Parameters
    ----------
    objects
        complex64 (B, n, n, n).
    modulus
        float32 (B, W, W, W), measured, q = 0 in the middle.
    """
    predicted = propagate(objects, modulus.shape[-1]).abs()
    scale = (predicted * modulus).sum(_AXES, keepdim=True) / predicted.square().sum(
        _AXES, keepdim=True
    ).clamp_min(1e-20)
    return (scale * predicted - modulus).square().sum(_AXES) / modulus.square().sum(_AXES).clamp_min(1e-20)


def back_propagate(field: Tensor) -> Tensor:
    """Return the middle 32³ of the inverse transform of a field (..., 64, 64, 64), real or complex."""
    sign = alternating(WINDOW, field.device)
    return crop(torch.fft.ifftn(field * sign, dim=_AXES)) * crop(sign)


def autocorrelation(intensity: Tensor) -> Tensor:
    """Return the inverse transform of (..., 64, 64, 64), origin at index 32, whole."""
    sign = alternating(WINDOW, intensity.device)
    return torch.fft.ifftn(intensity * sign, dim=_AXES) * sign


@cache
def alternating(side: int, device: torch.device) -> Tensor:
    """Return (−1)^(i+j+k): on a side that is a multiple of 4 this factor before and after a transform centres both spaces,
    and costs a fraction of the shifts that it replaces.
    """
    with torch.inference_mode(False):  # kept for good, and gradients may be asked for later
        sign = 1.0 - 2.0 * (torch.arange(side, device=device) % 2)
        return sign[:, None, None] * sign[:, None] * sign


def crop(volume: Tensor) -> Tensor:
    """Return the middle 32³ of (..., 64, 64, 64)."""
    margin = (WINDOW - OBJECT) // 2
    inner = slice(margin, margin + OBJECT)
    return volume[..., inner, inner, inner]


def twin(objects: Tensor) -> Tensor:
    """Return conj(ρ(−r)), which scatters the same intensity; the origin is index 16."""
    return torch.roll(torch.flip(objects, _AXES), (1, 1, 1), _AXES).conj()


def view(counts: Tensor, objects: Tensor, window: int, extent: float) -> tuple[Tensor, Tensor]:
    """Return simulated measurements and their truth as a network of another window is shown them.

    The measurement is sampled at other points of q, such that a crystal of 24 of the 64 voxels has `extent` voxels of the new
    window, and the q range that does not fit in is left out; the truth is brought to the voxels that follow.

    Parameters
    ----------
    counts, objects
        float32 (B, 64, 64, 64) and complex64 (B, 32, 32, 32), amplitudes near 1.
    window, extent
        Side of the new window, a multiple of 4, and the width of a crystal in it, in voxels.

    Returns
    -------
    counts, objects
        float32 and complex64 (B, window, window, window); the very same ones if the window is that of `simulate`.
    """
    if (window, extent) == (WINDOW, EXTENT):
        return counts, objects
    step = (WINDOW / EXTENT) / (window / extent)
    seen = resample(counts, step, window).clamp_min(0)
    field = resample(propagate(objects), step, window)
    sign = alternating(window, field.device)
    # the transform of fewer points over another range of q: amplitudes stay what they were
    scale = (window * step / WINDOW) ** 3
    return seen, torch.fft.ifftn(field * sign, dim=_AXES) * (sign * scale)


def resample(spectrum: Tensor, step: float, side: int) -> Tensor:
    """Return a spectrum (B, 64, 64, 64), real or complex, at `side` points per axis that lie `step` apart about its centre.

    Trigonometric interpolation: exact for the field of an object in the window, and for its intensity as long as the
    autocorrelation fits in the window, however coarse the new points are.
    """
    # in double precision on the CPU, as not every device has it
    frequency = torch.arange(-WINDOW // 2, WINDOW // 2 + 1, dtype=torch.float64)
    weight = torch.ones_like(frequency)
    weight[0] = weight[-1] = 0.5  # the highest one counts once
    old = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    new = (torch.arange(side, dtype=torch.float64) - side // 2) * step
    angle = 2 * math.pi / WINDOW * (new[:, None] - old)[..., None] * frequency
    kernel = ((angle.cos() * weight).sum(-1) / WINDOW).to(spectrum.dtype).to(spectrum.device)
    for _ in range(3):  # takes the first axis, leaves it as the last
        spectrum = torch.tensordot(spectrum, kernel, ([1], [1]))
    return spectrum

"""The scattering model that networks are trained through, and what they are shown of a measurement.

All networks look at a window of 64³ voxels of reciprocal space and speak of the 32³ voxels in its middle.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 64
"""Side of the diffraction volume that a network sees."""
OBJECT = 32
"""Side of the object that it predicts, in the middle of the window."""

_AXES = (-3, -2, -1)


def propagate(objects: Tensor) -> Tensor:
    """Return the field at the detector, ``fftshift(fftn(ifftshift(object)))``.

    Parameters
    ----------
    objects
        complex64 (..., 32, 32, 32), zero-padded to the window here.

    Returns
    -------
    Tensor
        complex64 (..., 64, 64, 64), unnormalised transform, q = 0 at index 32.
    """
    margin = (WINDOW - OBJECT) // 2
    alternating = _alternating(WINDOW, objects.device)
    return torch.fft.fftn(F.pad(objects * crop(alternating), (margin,) * 6), dim=_AXES) * alternating


def back_propagate(field: Tensor) -> Tensor:
    """Return the middle 32³ of the inverse transform of a field (..., 64, 64, 64), real or complex."""
    alternating = _alternating(WINDOW, field.device)
    return crop(torch.fft.ifftn(field * alternating, dim=_AXES)) * crop(alternating)


def autocorrelation(intensity: Tensor) -> Tensor:
    """Return the inverse transform of (..., 64, 64, 64), origin at index 32, whole."""
    alternating = _alternating(WINDOW, intensity.device)
    return torch.fft.ifftn(intensity * alternating, dim=_AXES) * alternating


@cache
def _alternating(side: int, device: torch.device) -> Tensor:
    """Return (−1)^(i+j+k): on a side that is a multiple of 4 this factor before and after a transform centres both spaces,
    and costs a fraction of the shifts that it replaces.
    """
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


def inpaint(counts: Tensor, good: Tensor) -> Tensor:
    """Fill masked voxels (good False) of (..., D, H, W) with a Gaussian-weighted mean of the square roots around them.

    Only for showing a whole volume to a network; phasing leaves masked voxels free.
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

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

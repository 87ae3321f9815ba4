"""The two point-wise passes of an iteration between two Fourier transforms.

On the CPU iterations are compiled as a whole (see `box`): these passes are for other devices, and for where numba cannot be used.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from .algorithm import Feedback
from .diffraction import BOUND

TINY = np.float32(1e-30)
"""Squared amplitudes below this count as this: a field of exactly zero stays zero."""


def modulus_pass(field: torch.Tensor, modulus: torch.Tensor) -> torch.Tensor:
    """Project `field` in place onto the measured modulus, divide it by its number of voxels, and return the misfits.

    Parameters
    ----------
    field
        complex64 (P, N0, N1, N2): unnormalised transforms of P objects, in FFT order.
    modulus
        float32 (N0, N1, N2), FFT order; negative where the modulus is free, and there the field keeps its own, if that is not
        below the bound (see `diffraction.BOUND`).

    Returns
    -------
    (P,) float64 (float32 on MPS, which has no other)
        Σ(|F| − modulus)² over the fitted voxels and those below their bound, *before* the projection.
    """
    amplitude = field.abs()
    wanted = torch.where(modulus >= 0, modulus, amplitude.maximum(modulus * (-1 / BOUND)))
    misfit = (amplitude - wanted).square_()
    sums = misfit.sum(dim=(1, 2, 3), dtype=torch.float32 if field.device.type == "mps" else torch.float64)
    ratio = wanted.div_(amplitude.clamp_(min=math.sqrt(TINY)))
    field *= ratio.mul_(1.0 / modulus.numel())
    return sums


def support_pass(
    before: torch.Tensor, projected: torch.Tensor, support: torch.Tensor, rule: Feedback
) -> torch.Tensor:
    """Combine the object `before` with its modulus projection as `rule` says; returns the new object.

    Parameters
    ----------
    before, projected
        complex64 (P, N0, N1, N2), overwritten.
    support
        bool, same shape.
    """
    if rule.confines:
        return projected.mul_(support)
    return torch.where(support, projected, before.mul_(rule.keep).add_(projected, alpha=rule.add))

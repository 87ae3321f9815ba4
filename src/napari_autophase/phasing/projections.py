"""The projections of phase retrieval, in plain torch: onto the measured modulus, onto the support, onto a uniform density."""

from __future__ import annotations

import math

import torch

from .pattern import AXES, BOUND, TINY, total


def project_modulus(field: torch.Tensor, modulus: torch.Tensor) -> torch.Tensor:
    """P_M, in place: give `field` the measured modulus and its own phase.  Returns how far its modulus was from that.

    Parameters
    ----------
    field
        complex64 (P, N0, N1, N2): transforms of P objects, FFT order.
    modulus
        float32 (N0, N1, N2), see `pattern`: where it is not fitted the field keeps its own, but never less than the bound.

    Returns
    -------
    (P,) float64 (float32 on MPS, which has no other)
        Σ(|F| − modulus)² over the fitted voxels and those below their bound, *before* the projection.
    """
    amplitude = field.abs()
    wanted = amplitude.maximum(modulus * (-1 / BOUND))
    torch.where(modulus >= 0, modulus, wanted, out=wanted)
    squared_error = total((amplitude - wanted).square_())
    field *= wanted.div_(amplitude.clamp_(min=math.sqrt(TINY)))
    return squared_error


def project_support(objects: torch.Tensor, supports: torch.Tensor) -> torch.Tensor:
    """P_S, in place: nothing outside the support.  complex64 and bool (P, N0, N1, N2)."""
    return objects.mul_(supports)


def project_uniform(objects: torch.Tensor, supports: torch.Tensor) -> torch.Tensor:
    """Give the voxels inside the support one amplitude, their root mean square, in place; phases stay.

    A single crystal scatters with nearly one amplitude throughout, whatever its strain: all that strain does is in the phase.
    This leaves one unknown per voxel in place of two, and random phases then find crystals strained by several 2π, which the
    support alone does not (Fienup, Appl. Opt. 21, 2758 (1982), calls such knowledge object-domain constraints).  It is for
    finding: iterations without it end a run, so that what the amplitude really does is seen.

    Parameters
    ----------
    objects, supports
        complex64 and bool (P, N0, N1, N2).
    """
    amplitude = objects.abs()
    voxels = supports.sum(AXES).clamp_min(1)
    level = (torch.where(supports, amplitude.square(), 0).sum(AXES) / voxels).sqrt().view(-1, 1, 1, 1)
    return objects.mul_(torch.where(supports, level / amplitude.clamp_min(math.sqrt(TINY)), 1))

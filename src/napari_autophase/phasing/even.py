"""A crystal is evenly dense: the constraint that finds strained ones.

A single crystal scatters with nearly one amplitude throughout, whatever its strain; all that strain does is in the phase.
Setting the amplitude inside the support to its root mean square, iteration by iteration, leaves one unknown per voxel in place
of two, and random phases then find crystals of several 2π that the support alone does not (Fienup, Appl. Opt. 21, 2758 (1982),
calls such knowledge object-domain constraints).  It is for finding: projections without it end a run, so that what the
amplitude really does is seen.
"""

from __future__ import annotations

import math

import torch

from .passes import TINY


def even_pass(projected: torch.Tensor, support: torch.Tensor) -> None:
    """Set the amplitudes inside the support to their root mean square, in place, on any device.

    Parameters
    ----------
    projected
        complex64 (P, N0, N1, N2).
    support
        bool, same shape.
    """
    amplitude = projected.abs()
    axes = (1, 2, 3)
    mean = torch.where(support, amplitude.square(), 0).sum(axes) / support.sum(axes).clamp_min(1)
    level = mean.sqrt().view(-1, 1, 1, 1)
    projected *= torch.where(support, level / amplitude.clamp_min(math.sqrt(TINY)), 1)

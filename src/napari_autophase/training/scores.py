"""How good an estimate is, volume by volume, on the training device: what validation and the learning curves show."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..network.compact import Estimate, cover
from ..network.physics import EXTENT, WINDOW, twin, view
from . import losses
from .crystals import Batch, Population

SCORED = Population(phase_range=5 * math.pi, phase_skew=1.0)
"""What validation draws whatever was trained on, so that runs can be compared: phase ranges uniform in 0..5π."""
_AXES = (-3, -2, -1)
"""Of a volume, the last three of any array."""


def phase_class(reach: float) -> str:
    """Return the class of a peak-to-peak phase in rad: 'low' up to π, 'middle' up to 2π, 'high' beyond."""
    return "low" if reach <= math.pi else "middle" if reach <= 2 * math.pi else "high"


def seen_by(model: nn.Module, batch: Batch) -> Batch:
    """Return simulated measurements and crystals in the window of `model`, on its device."""
    weight = next(model.parameters(), None)
    batch = batch if weight is None else batch.to(weight.device)
    window, extent = int(getattr(model, "window", WINDOW)), float(getattr(model, "extent", EXTENT))
    counts, objects = view(batch.counts, batch.objects, window, extent)
    return replace(batch, counts=counts, objects=objects)


@torch.no_grad()
def scores(estimate: Estimate, batch: Batch) -> dict[str, Tensor]:
    """Compare estimates with the crystals that scattered, or with their twins, whichever is nearer.

    Returns
    -------
    dict of Tensor
        float32 (B,) each: ``correlation`` of the complex objects, ``chi2`` of the diffraction, ``iou`` of the predicted shape
        with the crystal, and ``covered``, the share of the crystal within the predicted shape and its neighbours.
    """
    truth, mirrored = batch.objects, twin(batch.objects)
    agreement, agreement_twin = (losses.correlation(estimate.object, one) for one in (truth, mirrored))
    nearer = (agreement_twin > agreement)[:, None, None, None]
    crystal = torch.where(nearer, mirrored, truth).abs() > 0.5
    covering = cover(estimate.inside_logit.sigmoid()) > 0.5
    return {
        "correlation": torch.maximum(agreement, agreement_twin),
        "chi2": losses.chi2(estimate.object, batch.counts),
        "iou": losses.overlap(estimate.inside_logit > 0, crystal),
        "covered": (covering & crystal).sum(_AXES) / crystal.sum(_AXES).clamp_min(1),
    }

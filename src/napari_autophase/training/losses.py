"""What a network is trained to make small.

The measurement cannot tell an object from its twin, from itself shifted, or times a phase.  The crystals are simulated
centred; the twin is settled by the smaller loss, and the global phase by taking the modulus of a complex correlation.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..network.compact import Estimate
from ..network.physics import misfit, propagate, twin

_AXES = (-3, -2, -1)
"""Of a volume, the last three of any array."""


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return |⟨a, b⟩| / (‖a‖ ‖b‖) of complex volumes (B, D, H, W): 1 when they agree but for scale and phase."""
    overlap = (a.conj() * b).sum(_AXES).abs()
    return overlap / (energy(a) * energy(b)).clamp_min(1e-20).sqrt()


def energy(volume: Tensor) -> Tensor:
    """Return Σ|ρ|² of each volume."""
    return (volume.real.square() + volume.imag.square()).sum(_AXES)


def supervised(estimates: list[Estimate], truth: Tensor) -> Tensor:
    """Return the mean of 1 − correlation with the truth or its twin, and of half the shape's error; later stages weigh more.

    The twin that the last stage is nearer to is the one that all stages are compared with, so that they pull together.
    """
    mirrored, last = twin(truth), estimates[-1].object
    with torch.no_grad():
        nearer = correlation(last, mirrored) > correlation(last, truth)
    target = torch.where(nearer[:, None, None, None], mirrored, truth)
    inside = (target.abs() > 0.5).float()
    weights = [0.5 ** (len(estimates) - 1 - k) for k in range(len(estimates))]
    errors = [
        w * ((1 - correlation(one.object, target)).mean() + 0.5 * shape_error(one.inside_logit, inside))
        for w, one in zip(weights, estimates, strict=True)
    ]
    return torch.stack(errors).sum() / sum(weights)


def shape_error(logits: Tensor, inside: Tensor) -> Tensor:
    """Return the mean cross entropy of a predicted shape in units of the crystal's share of the box, plus 1 − Dice."""
    entropy = F.binary_cross_entropy_with_logits(logits, inside) / inside.mean().clamp_min(0.01)
    inside_predicted = logits.sigmoid()
    both = (inside_predicted * inside).sum(_AXES)
    dice = 2 * both / (inside_predicted.sum(_AXES) + inside.sum(_AXES)).clamp_min(1)
    return entropy + (1 - dice).mean()


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over the union of each pair of masks (B, D, H, W)."""
    return (a & b).sum(_AXES) / (a | b).sum(_AXES).clamp_min(1)


def unsupervised(objects: Tensor, counts: Tensor) -> Tensor:
    """Return the mean absolute error of the diffraction modulus, each volume scaled to a maximum of 1.

    AutoPhaseNN's loss, Σ|√Ie − √Im| / N³ (Yao et al. 2022, Eq. 1); no truth is needed.
    """
    predicted, measured = propagate(objects, counts.shape[-1]).abs(), counts.clamp_min(0).sqrt()
    predicted = predicted / predicted.amax(_AXES, keepdim=True).clamp_min(1e-12)
    measured = measured / measured.amax(_AXES, keepdim=True).clamp_min(1e-12)
    return (predicted - measured).abs().mean()


def chi2(objects: Tensor, counts: Tensor) -> Tensor:
    """Return Σ(|Fp|−|Fm|)²/Σ|Fm|² of each volume (B,), the predicted modulus scaled optimally."""
    return misfit(objects, counts.clamp_min(0).sqrt())

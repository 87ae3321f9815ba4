"""3D-CDI-NN as published (Chan et al., Appl. Phys. Rev. 8, 021407 (2021), doi 10.1063/5.0031486)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .compact import Estimate
from .layers import Convolution


class CDINN(nn.Module):
    """One encoder, two decoders: shape and phase of a crystal from its diffraction modulus, both 32³.

    3,459,938 parameters at the published width: 3³ convolutions with biases, each followed by ReLU and dropout (the input is
    dropped out as well), no normalisation; max-pooling on the way down, nearest neighbours on the way up.

    Parameters
    ----------
    width
        Channels of the first layers.
    dropout
        Share of the activations that are dropped in training.

    Notes
    -----
    It is shown crystals at an oversampling of 1.5 (``window / extent``): its window holds little but the crystal.
    `physics.view` brings simulated crystals there, inference brings scans.
    """

    window = 32
    extent = 32 / 1.5

    def __init__(self, width: int = 32, dropout: float = 0.1) -> None:
        super().__init__()
        n = width
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        for inputs, outputs in ((1, n), (n, 2 * n), (2 * n, 4 * n)):
            layers += [*_pair(inputs, outputs, dropout), nn.MaxPool3d(2)]
        self.encoder = nn.Sequential(*layers)
        self.shape = _decoder(n, dropout)
        self.phase = _decoder(n, dropout)
        for layer in self.modules():
            if isinstance(
                layer, nn.Conv3d
            ):  # nothing normalises on the way: the scale must survive all layers
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        for head in (self.shape[-1], self.phase[-1]):
            nn.init.constant_(head.bias, 0.5)  # type: ignore[arg-type]  # the last ReLU must not begin shut

    def forward(self, counts: Tensor) -> list[Estimate]:
        """Return the one estimate.

        Parameters
        ----------
        counts
            float32 (B, 32, 32, 32), Bragg peak at the centre, any scale (the modulus is divided by its maximum).

        Returns
        -------
        list of Estimate
            Object complex64 (B, 32, 32, 32), shape·exp(iφ) with φ = (output − ½)·2π; the crystal is where the shape is above ½.
        """
        modulus = counts.clamp_min(0).sqrt()
        modulus = modulus / modulus.amax((-3, -2, -1), keepdim=True).clamp_min(1e-12)
        code = self.encoder(modulus.unsqueeze(1))
        shape = self.shape(code)[:, 0].float()
        phase = (torch.relu(self.phase(code)[:, 0].float()) - 0.5) * (2 * math.pi)
        return [Estimate(torch.polar(torch.relu(shape), phase), (shape - 0.5) / 0.1)]


def _pair(inputs: int, outputs: int, dropout: float) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [Convolution(channels, outputs, 3, padding=1), nn.ReLU(), nn.Dropout(dropout)]
    return layers


def _decoder(n: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in ((4 * n, 4 * n), (4 * n, 2 * n), (2 * n, n)):
        layers += [*_pair(inputs, outputs, dropout), nn.Upsample(scale_factor=2, mode="nearest")]
    return nn.Sequential(*layers, Convolution(n, 1, 3, padding=1))

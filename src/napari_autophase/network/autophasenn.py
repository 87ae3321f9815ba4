"""AutoPhaseNN as published (Yao et al., npj Comput. Mater. 8, 124 (2022), doi 10.1038/s41524-022-00803-w), PyTorch form."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .compact import Estimate
from .layers import Convolution
from .physics import EXTENT, WINDOW


def _convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [
        Convolution(inputs, outputs, 3, stride=stride, padding=1),
        nn.LeakyReLU(0.01),
        nn.BatchNorm3d(outputs),
    ]


class AutoPhaseNN(nn.Module):
    """One encoder, two decoders: amplitude and phase of a 32³ object from a 64³ diffraction modulus.

    6,975,362 parameters at the published width; `state_dict` names are those of the published PyTorch code, so that its
    weights load.

    Parameters
    ----------
    width
        Channels of the first layer.
    threshold
        Amplitudes below this are set to 0 (0.1 in the published runs).
    """

    window = WINDOW
    extent = EXTENT

    def __init__(self, width: int = 32, threshold: float = 0.1) -> None:
        super().__init__()
        n = width
        self.threshold = threshold
        self.encoder = nn.Sequential(
            *_convolution(1, n),
            *_convolution(n, 2 * n, 2),
            *_convolution(2 * n, 2 * n),
            *_convolution(2 * n, 4 * n, 2),
            *_convolution(4 * n, 4 * n),
            *_convolution(4 * n, 8 * n, 2),
            *_convolution(8 * n, 8 * n, 2),
        )
        self.decoder1 = self._decoder(n, nn.Sigmoid())
        self.decoder2 = self._decoder(n, nn.Tanh())

    @staticmethod
    def _decoder(n: int, last: nn.Module) -> nn.Sequential:
        layers: list[nn.Module] = []
        for inputs, outputs in ((8 * n, 4 * n), (4 * n, 2 * n), (2 * n, n)):
            layers += _convolution(inputs, outputs) + _convolution(outputs, outputs)
            layers.append(nn.Upsample(scale_factor=2, mode="trilinear", align_corners=False))
        return nn.Sequential(*layers, Convolution(n, 1, 3, padding=1), last)

    def forward(self, counts: Tensor) -> list[Estimate]:
        """Return the one estimate.

        Parameters
        ----------
        counts
            float32 (B, 64, 64, 64), Bragg peak at the centre, any scale (the modulus is divided by its maximum).

        Returns
        -------
        list of Estimate
            Object complex64 (B, 32, 32, 32): amp·exp(iφ) where amp ≥ threshold, else 0; amp in 0..1, φ in −π..π.
        """
        modulus = counts.clamp_min(0).sqrt()
        code = self.encoder(
            (modulus / modulus.amax((-3, -2, -1), keepdim=True).clamp_min(1e-12)).unsqueeze(1)
        )
        amplitude = self.decoder1(code)[:, 0].float().clamp(0, 1)
        phase = math.pi * self.decoder2(code)[:, 0].float()
        return [estimate(amplitude, phase, self.threshold)]


def estimate(amplitude: Tensor, phase: Tensor, threshold: float) -> Estimate:
    """Return what amplitude and phase say: the crystal is where the amplitude reaches the threshold."""
    inside = amplitude >= threshold
    return Estimate(torch.polar(amplitude * inside, phase), (amplitude - threshold) / 0.1)

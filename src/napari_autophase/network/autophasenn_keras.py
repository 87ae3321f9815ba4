"""AutoPhaseNN in its TensorFlow form, the one whose weights were published (Yao et al. 2022, see `autophasenn`)."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from .autophasenn import estimate
from .compact import Estimate
from .layers import Convolution
from .physics import EXTENT, WINDOW

MEAN_SQUARE = 0.023
"""Mean |ρ|² over the 64³ window that the input is scaled to."""
_RIM = 3
"""Voxels by which the last three convolutions reach out of the 32³ box."""


class AutoPhaseNNKeras(nn.Module):
    """One encoder, two decoders of unequal width, pooling and nearest neighbours between pairs of convolutions.

    24,703,202 trainable parameters at the published width.  Modules stand in the order in which Keras numbers its layers:
    encoder, amplitude, phase; `keras` reads a weights file into them.

    Parameters
    ----------
    width
        Channels of the first layers.
    threshold
        Amplitudes below this are set to 0 (0.1 in the published runs).

    Notes
    -----
    The published run did not normalise its input: the moduli of simulated objects with amplitudes up to 1 that filled 2.3 % of
    the window.  By Parseval that fixes their scale, and a measurement of any exposure is brought to it here:
    Σ modulus² = 0.023 · 64³ · 64³.

    The published graph pads the features from 32³ to 64³ before its last three convolutions.  Only the middle 32³ of its output
    is computed here, from features padded by the three voxels that those convolutions reach: exactly the same numbers for an
    eighth of the work.  What the published network may put outside that box is not part of the answer.
    """

    window = WINDOW
    extent = EXTENT

    def __init__(self, width: int = 32, threshold: float = 0.1) -> None:
        super().__init__()
        n = width
        self.threshold = threshold
        layers = _pair(1, n)
        for inputs in (n, 2 * n, 4 * n, 8 * n):
            layers += [nn.MaxPool3d(2), *_pair(inputs, 2 * inputs)]
        self.encoder = nn.Sequential(*layers)
        self.amplitude = _decoder((16 * n, 8 * n, 4 * n, 2 * n), n, nn.Sigmoid())
        self.phase = _decoder((16 * n, 4 * n, 4 * n, 2 * n), n, nn.Tanh())

    def forward(self, counts: Tensor) -> list[Estimate]:
        """Return the one estimate.

        Parameters
        ----------
        counts
            float32 (B, 64, 64, 64), Bragg peak at the centre, any scale.

        Returns
        -------
        list of Estimate
            Object complex64 (B, 32, 32, 32): amp·exp(iφ) where amp ≥ threshold, else 0; amp in 0..1, φ in −π..π.
        """
        counts = counts.clamp_min(0)
        energy = counts.sum((-3, -2, -1), keepdim=True).clamp_min(1e-20)
        modulus = (counts * (MEAN_SQUARE * WINDOW**6 / energy)).sqrt()
        code = self.encoder(modulus.unsqueeze(1))
        amplitude = self.amplitude(code)[:, 0].float()
        phase = math.pi * self.phase(code)[:, 0].float()
        return [estimate(amplitude, phase, self.threshold)]


def _convolution(inputs: int, outputs: int, activation: nn.Module, padding: int) -> list[nn.Module]:
    # Keras's defaults: epsilon 1e-3, and a momentum of 0.99 counted the other way round
    norm = nn.BatchNorm3d(outputs, eps=1e-3, momentum=0.01)
    return [Convolution(inputs, outputs, 3, padding=padding), activation, norm]


def _pair(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        *_convolution(inputs, outputs, nn.LeakyReLU(0.01), padding=1),
        *_convolution(outputs, outputs, nn.LeakyReLU(0.01), padding=1),
    ]


def _decoder(widths: tuple[int, ...], n: int, last: nn.Module) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Upsample(scale_factor=2, mode="nearest"), *_pair(inputs, outputs)]
    layers += [
        nn.ConstantPad3d(_RIM, 0.0),
        *_convolution(widths[-1], n, nn.ReLU(), padding=0),
        *_convolution(n, n, nn.ReLU(), padding=0),
        Convolution(n, 1, 3),
        last,
    ]
    return nn.Sequential(*layers)

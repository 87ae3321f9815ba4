"""The networks that `objectives.py` compares: what is predicted, from what, and in how many steps.

All take counts (B, 64, 64, 64) and return their objects (B, 32, 32, 32), one a stage.  All but the last, AutoPhaseNN itself, are
made of the blocks of `network.compact` and about as costly: one-stage networks are wider than the guess of those that correct it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from napari_autophase.network.autophasenn import AutoPhaseNN
from napari_autophase.network.compact import (
    _UNet,
    normalised_modulus,
    self_patterns,
)
from napari_autophase.network.physics import OBJECT, back_propagate
from napari_autophase.phasing.torch_backend import project_within

Stages = list[Tensor]
_AXES = (-3, -2, -1)
_WIDE = (32, 64, 64, 128)
_NARROW = (16, 32, 64, 128)


def fold(volume: Tensor) -> Tensor:
    """Put every 2×2×2 block of (B, C, 64, 64, 64) into channels: (B, 8 C, 32, 32, 32)."""
    batch, channels = volume.shape[:2]
    blocks = volume.reshape(batch, channels, OBJECT, 2, OBJECT, 2, OBJECT, 2).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return blocks.reshape(batch, channels * 8, OBJECT, OBJECT, OBJECT)


def unfold(volume: Tensor) -> Tensor:
    """Undo `fold`."""
    batch, channels = volume.shape[0], volume.shape[1] // 8
    blocks = volume.reshape(batch, channels, 2, 2, 2, OBJECT, OBJECT, OBJECT).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return blocks.reshape(batch, channels, *(2 * OBJECT,) * 3)


def modulus_planes(modulus: Tensor) -> Tensor:
    """Return the modulus and its square root, relative to the maximum, folded into 16 planes of 32³."""
    relative = modulus / modulus.amax(_AXES, keepdim=True).clamp_min(1e-20)
    return fold(torch.stack([relative, relative.sqrt()], 1))


def patterns(modulus: Tensor) -> Tensor:
    """Return what the compact network is shown, folded into 40 planes of 32³."""
    return fold(self_patterns(modulus))


class OneStage(nn.Module):
    """A U-Net between what it is shown and how its output is read as an object."""

    def __init__(
        self,
        show: Callable[[Tensor], Tensor],
        shown: int,
        read: Callable[[Tensor, Tensor], Tensor],
        planes: int,
        width: tuple[int, ...] = _WIDE,
    ) -> None:
        super().__init__()
        self.show, self.read = show, read
        self.stem = nn.Conv3d(shown, 32, 1)
        self.guess = unet(32, width, planes)

    def forward(self, counts: Tensor) -> Stages:
        modulus = normalised_modulus(counts)
        with torch.autocast(counts.device.type, enabled=False):
            features = self.show(modulus).contiguous(memory_format=torch.channels_last_3d)
        output = self.guess(self.stem(features))
        with torch.autocast(counts.device.type, enabled=False):
            return [self.read(output.float(), modulus)]


class Corrected(nn.Module):
    """The complex object from the autocorrelation, then corrections of what imposing the modulus makes of it."""

    def __init__(self, corrections: int, width: tuple[int, ...], correction_width: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = nn.Conv3d(40, 32, 1)
        self.guess = unet(32, width, 2)
        self.hint = nn.Conv3d(32, 8, 1)
        self.corrections = nn.ModuleList(unet(16, correction_width, 2) for _ in range(corrections))

    def forward(self, counts: Tensor) -> Stages:
        modulus = normalised_modulus(counts)
        with torch.autocast(counts.device.type, enabled=False):
            features = patterns(modulus).contiguous(memory_format=torch.channels_last_3d)
        features = self.stem(features)
        order = torch.fft.ifftshift(modulus, dim=_AXES)
        stages, hint = [complex_object(self.guess(features).float(), modulus)], self.hint(features)
        for correction in self.corrections:
            with torch.autocast(counts.device.type, enabled=False):
                last, imposed = stages[-1], project_within(stages[-1], order)
                seen = [p for o in (last, imposed) for p in (o.real, o.imag, o.abs())]
                change = imposed - last
                planes = torch.stack([*seen, change.real, change.imag], 1)
            planes = planes.contiguous(memory_format=torch.channels_last_3d).to(hint.dtype)
            stages.append(imposed + complex_object(correction(torch.cat([planes, hint], 1)).float(), modulus))
        return stages


class Published(nn.Module):
    """AutoPhaseNN's own network, for comparison: five times as costly as the others."""

    def __init__(self) -> None:
        super().__init__()
        self.network = AutoPhaseNN()

    def forward(self, counts: Tensor) -> Stages:
        return [estimate.object for estimate in self.network(counts)]


def unet(inputs: int, width: tuple[int, ...], planes: int) -> nn.Module:
    """Return the compact network's U-Net with another number of planes coming out."""
    network = _UNet(inputs, width)
    network.out = nn.Conv3d(width[0], planes, 3, padding=1)
    return network


def complex_object(planes: Tensor, _: Tensor) -> Tensor:
    """Read two planes as real and imaginary part."""
    return torch.complex(planes[:, 0], planes[:, 1])


def amplitude_and_phase(planes: Tensor, _: Tensor) -> Tensor:
    """Read two planes as AutoPhaseNN does: a sigmoid for the amplitude, π·tanh for the phase."""
    return torch.polar(planes[:, 0].sigmoid(), math.pi * planes[:, 1].tanh())


def reciprocal_phase(planes: Tensor, modulus: Tensor) -> Tensor:
    """Read 16 planes as cosine and sine of the diffraction's phase, and transform the measured modulus with it."""
    cosine, sine = unfold(planes).unbind(1)
    length = (cosine.square() + sine.square() + 1e-6).rsqrt()
    return back_propagate(torch.complex(modulus * cosine * length, modulus * sine * length))


VARIANTS: dict[str, tuple[str, str, Callable[[], nn.Module]]] = {
    "c": ("complex object", "autocorrelation, modulus", lambda: OneStage(patterns, 40, complex_object, 2)),
    "e": ("c, then 1 correction", "autocorrelation, modulus", lambda: Corrected(1, _NARROW, (32, 48, 64))),
    "f": ("c, then 2 corrections", "autocorrelation, modulus", lambda: Corrected(2, _NARROW, (16, 32, 64))),
    "a": ("amplitude and phase", "modulus", lambda: OneStage(modulus_planes, 16, amplitude_and_phase, 2)),
    "b": ("amplitude and phase", "autocorrelation, modulus", lambda: OneStage(patterns, 40, amplitude_and_phase, 2)),
    "g": ("complex object, unsupervised", "autocorrelation, modulus", lambda: OneStage(patterns, 40, complex_object, 2)),
    "d": ("phase of the diffraction", "modulus", lambda: OneStage(modulus_planes, 16, reciprocal_phase, 16, (32, 48, 64, 128))),
    "p": ("amplitude and phase, unsupervised (AutoPhaseNN itself)", "modulus", Published),
}  # fmt: skip
"""Name: (what is predicted, what the network is shown, how to build it), the most telling first."""

"""The default network: a guess from the autocorrelation, then corrections after the modulus has been imposed.

Why it looks as it does.  The autocorrelation (the inverse transform of the intensity) of a convex crystal ends at twice the
crystal's own boundary, so folding each 2×2×2 block of it into channels lays the edge of the autocorrelation over the edge of
the crystal: the shape becomes a nearly local question, which convolutions answer well.  The network predicts the complex object
itself, since an angle jumps at ±π and a complex number does not; so any phase range can be expressed.  Each later stage sees
its predecessor's object after the measured modulus has been imposed, and corrects it: a learnt projection.

What it says of a crystal that is nearly its own twin may be a mixture of both.  So it corrects again, twice, from what that
would be a mixture of (`phasing.parted`), and keeps what explains the measurement best.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..phasing import parted
from ..phasing.backend import Backend, choose
from .layers import BlockConvolution, Convolution
from .physics import EXTENT, OBJECT, WINDOW, autocorrelation, misfit

_AXES = (-3, -2, -1)
"""Of a volume, the last three of any array."""


class Estimate(NamedTuple):
    """What a network says of a crystal.

    Parameters
    ----------
    object
        complex64 (B, 32, 32, 32).
    inside_logit
        float32 (B, 32, 32, 32), logit of a voxel being inside the crystal.
    """

    object: Tensor
    inside_logit: Tensor


class _Measured(NamedTuple):
    """What each correction is told: the modulus, its origin at index 0, what the first stage saw of it, and what projects."""

    modulus: Tensor
    hint: Tensor
    backend: Backend


class CompactNet(nn.Module):
    """Complex object and shape from counts, in `stages` steps (2.6 GMAC), and `sweeps` through the corrections.

    Parameters
    ----------
    width
        Channels of the first stage at 32³, 16³, 8³ and 4³ voxels.
    correction_width
        The same for each correction.
    stages
        1 (guess only) or more (guess and ``stages - 1`` corrections).
    projections
        Iterations of error reduction, within the shape predicted so far, before each correction.
    sweeps
        How often all corrections are asked: first of the guess, then of what the sweep before may be a mixture of.
    repeats
        How often in a sweep the last correction is asked once more.
    """

    window = WINDOW
    extent = EXTENT

    def __init__(
        self,
        width: tuple[int, ...] = (16, 32, 64, 128),
        correction_width: tuple[int, ...] = (16, 32, 64),
        stages: int = 4,
        projections: int = 3,
        sweeps: int = 3,
        repeats: int = 6,
    ) -> None:
        super().__init__()
        self.projections, self.sweeps, self.repeats = projections, sweeps, repeats
        self.stem = BlockConvolution(5, width[0] * 2)
        self.guess = _UNet(width[0] * 2, width)
        self.hint = Convolution(width[0] * 2, 8, 1)
        self.corrections = nn.ModuleList(_UNet(16, correction_width) for _ in range(stages - 1))

    @property
    def stages(self) -> int:
        """How many there are."""
        return 1 + len(self.corrections)

    def forward(
        self, counts: Tensor, stages: int | None = None, backend: Backend | None = None
    ) -> list[Estimate]:
        """Return the estimate after each stage.

        Parameters
        ----------
        counts
            float32 (B, 64, 64, 64), Bragg peak at the centre, any scale.
        stages
            How many are wanted, at least one; None: all.
        backend
            What projects, without gradients; None: what is chosen for the device.  Gradients always flow through torch.

        Returns
        -------
        list of Estimate
            Mean |ρ|² over the box of order 0.13; the last is the best.
        """
        modulus = normalised_modulus(counts)
        guess, features = self._guessed(modulus)
        if stages == 1:
            return [guess]
        measured = self._measured(modulus, features, backend)
        return self._corrected([guess], self.corrections[: None if stages is None else stages - 1], measured)

    def swept(self, counts: Tensor, backend: Backend | None = None) -> Estimate:
        """Return for each measurement the best of several sweeps through the corrections.

        The first begins with the guess, each further one with what the one before may be a mixture of with its twin
        (`phasing.parted`); the last correction of each is asked again.  The best explains the modulus best.

        Parameters
        ----------
        counts, backend
            As for `forward`.
        """
        modulus = normalised_modulus(counts)
        guess, features = self._guessed(modulus)
        measured = self._measured(modulus, features, backend)
        corrections = [*self.corrections, *[self.corrections[-1]] * self.repeats]
        ends = [self._corrected([guess], corrections, measured)[-1]]
        while len(ends) < self.sweeps:
            ends.append(self._corrected([_parted(ends[-1])], corrections, measured)[-1])
        return _best(ends, modulus)

    def _guessed(self, modulus: Tensor) -> tuple[Estimate, Tensor]:
        """Return what the first stage says, and the features that it saw."""
        with torch.autocast(modulus.device.type, enabled=False):
            patterns = _channels_last(self_patterns(modulus))
        features = self.stem(patterns)
        return _estimate(self.guess(features)), features

    def _measured(self, modulus: Tensor, features: Tensor, backend: Backend | None) -> _Measured:
        if torch.is_grad_enabled():
            backend = choose(modulus.device, "torch").backend
        elif backend is None:
            backend = choose(modulus.device).backend
        return _Measured(torch.fft.ifftshift(modulus, dim=_AXES), self.hint(features), backend)

    def _corrected(
        self, estimates: list[Estimate], corrections: Iterable[nn.Module], measured: _Measured
    ) -> list[Estimate]:
        """Return estimates and those after each of some corrections of the last."""
        modulus, hint, backend = measured
        for correction in corrections:
            with torch.autocast(hint.device.type, enabled=False):
                last, logit = estimates[-1]
                inside = torch.sigmoid(logit)
                imposed = backend.project(last, cover(inside), modulus, self.projections)
                planes = torch.stack(
                    [last.real, last.imag, inside, imposed.real, imposed.imag, imposed.abs(),
                     (imposed - last).real, (imposed - last).imag], 1,
                )  # fmt: skip
            change = _estimate(correction(torch.cat([_channels_last(planes).to(hint.dtype), hint], 1)))
            estimates = [*estimates, Estimate(imposed + change.object, logit + change.inside_logit)]
        return estimates


def _best(estimates: list[Estimate], modulus: Tensor) -> Estimate:
    """Return for each measurement of a batch the estimate that explains its modulus best."""
    errors = torch.stack([misfit(one.object, modulus) for one in estimates])
    chosen = errors.argmin(0)[:, None, None, None]
    best = estimates[0]
    for number, one in enumerate(estimates[1:], 1):
        best = Estimate(
            *(torch.where(chosen == number, new, old) for new, old in zip(one, best, strict=True))
        )
    return best


def _parted(estimate: Estimate) -> Estimate:
    """Return what an estimate may be a mixture of with its twin, as bright."""
    inside = estimate.inside_logit > 0
    crystal = parted(estimate.object, inside)
    level = estimate.object.abs().square().sum(_AXES, keepdim=True) / inside.sum(
        _AXES, keepdim=True
    ).clamp_min(1)
    return Estimate(crystal * level.sqrt(), estimate.inside_logit)


def cover(inside: Tensor) -> Tensor:
    """Return a support (0 or 1) that holds a predicted crystal: its voxels (probability above one half) and their neighbours."""
    return widened(inside.detach() > 0.5).to(inside.dtype)


def widened(volumes: Tensor) -> Tensor:
    """Return the largest of each voxel and its 26 neighbours, bool or real (..., N0, N1, N2).

    Axis by axis: on a CPU pooling takes 6 (by means) to 19 times as long (by maxima).
    """
    for axis in _AXES:
        before, after = (volumes.narrow(axis, begin, volumes.shape[axis] - 1) for begin in (0, 1))
        volumes = volumes.clone()
        for first, other in ((1, before), (0, after)):
            part = volumes.narrow(axis, first, other.shape[axis])
            torch.maximum(part, other, out=part)
    return volumes


def normalised_modulus(counts: Tensor) -> Tensor:
    """Return √counts scaled so that the object has a mean |ρ|² of 0.13 over its 32³ box (Parseval)."""
    modulus = counts.clamp_min(0).sqrt()
    energy = counts.clamp_min(0).sum(_AXES, keepdim=True) / WINDOW**3
    return modulus * (0.13 * OBJECT**3 / energy.clamp_min(1e-20)).sqrt()


def self_patterns(modulus: Tensor) -> Tensor:
    """Return what the first stage is shown: 5 planes of 64³, whose 2×2×2 blocks it takes for channels.

    Autocorrelation and inverse transform of the modulus (both complex, their magnitudes under a square root, which lifts the
    faint edges), and the fourth root of the intensity.
    """
    planes = []
    for spectrum in (modulus.square(), modulus):
        pattern = autocorrelation(spectrum)
        magnitude = (pattern.real.square() + pattern.imag.square()).sqrt()
        scale = (magnitude.amax(_AXES, keepdim=True) * magnitude).clamp_min(1e-20).rsqrt()
        planes += [pattern.real * scale, pattern.imag * scale]
    planes.append((modulus / modulus.amax(_AXES, keepdim=True).clamp_min(1e-20)).sqrt())
    return torch.stack(planes, 1)


def _estimate(planes: Tensor) -> Estimate:
    real, imaginary, inside_logit = planes.float().unbind(1)
    return Estimate(torch.complex(real, imaginary), inside_logit)


def _channels_last(volume: Tensor) -> Tensor:
    return volume.contiguous(memory_format=torch.channels_last_3d)


class _Block(nn.Module):
    """Conv, norm, activation, and again, around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Convolution(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm3d(channels),
            nn.LeakyReLU(0.01, inplace=True),
            Convolution(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm3d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.body(x), 0.01)


def _stage(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        Convolution(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm3d(outputs),
        nn.LeakyReLU(0.01, inplace=True),
    )


class _UNet(nn.Module):
    """A U-Net whose shortcuts are added, with nothing costly at full resolution; three planes come out."""

    def __init__(self, inputs: int, width: tuple[int, ...]) -> None:
        super().__init__()
        self.entry = Convolution(inputs, width[0], 1) if inputs != width[0] else nn.Identity()
        channels = (inputs, *width[1:])
        self.down = nn.ModuleList(_stage(a, b, 2) for a, b in itertools.pairwise(channels))
        self.blocks = nn.ModuleList(_Block(c) for c in width[1:])
        self.up = nn.ModuleList(Convolution(b, a, 1) for a, b in itertools.pairwise(width))
        self.merge = nn.ModuleList(_stage(c, c, kernel=1 if c == width[0] else 3) for c in width[:-1])
        self.out = Convolution(width[0], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.entry(x)]
        for down, block in zip(self.down, self.blocks, strict=True):
            x = block(down(x))
            skips.append(x)
        x = skips.pop()
        for up, merge in zip(reversed(self.up), reversed(self.merge), strict=True):
            x = F.interpolate(up(x), scale_factor=2, mode="trilinear", align_corners=False)
            x = merge(x + skips.pop())
        return self.out(x)

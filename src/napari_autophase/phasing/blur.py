"""What partly coherent light does to an intensity: a convolution with a Gaussian, a pseudo-Voigt function or any small kernel.

A beam of limited coherence, pixels of finite size and a crystal that trembles all do the same: the autocorrelation of the object,
which is the transform of its intensity, is multiplied by the complex degree of coherence (Clark et al., Nat. Commun. 3, 993
(2012)).  Here that is ``(1−η)·exp(−u) + η·exp(−2 √(ln 2 · u))`` with ``u = 2π² fᵀΣf`` at the place f of the autocorrelation as a
fraction of the array: a pseudo-Voigt function, of which Σ holds the variances and covariances, in pixels, of the Gaussian that
blurs the intensity; the other part is as wide at half its height, and η is that part's share, with tails that fall off more
slowly: what air, windows and slits scatter, and what pixels pass on to their neighbours.  Or it is the transform of a kernel.

All arrays are in FFT order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch

from ..light import Coherence
from .pattern import AXES

Widths = tuple[float, float, float]
"""Standard deviations in pixels along the three axes."""
PAIRS = ((0, 1), (0, 2), (1, 2))
"""Axes that a correlation is of."""
REACH, WIDEST = 6, 2.0
"""Places to either side that short kernels have, and the widest Gaussian in pixels that is made of them."""
LEAST, PLACES = 0.003, 257
"""The least weight of, and the places between 0 and the largest frequency at which short kernels are made alike to Gaussians."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """A small volume that intensities are convolved with, as it is found voxel by voxel.

    Parameters
    ----------
    weights
        float32 (2a + 1, 2b + 1, 2c + 1) on the CPU, its middle in the middle, the same at opposite places, their sum 1.
    """

    weights: torch.Tensor

    def degree(self, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
        """Return its transform, float32, a half spectrum of a volume of that shape."""
        volume = torch.zeros(shape)
        places = [
            torch.arange(-(side // 2), side // 2 + 1) % n
            for side, n in zip(self.weights.shape, shape, strict=True)
        ]
        indices = torch.meshgrid(*places, indexing="ij")
        volume.index_put_(indices, self.weights, accumulate=True)
        # on the CPU in any case: it is done once, and small kernels are the same everywhere then
        return torch.fft.rfftn(volume, dim=AXES).real.contiguous().to(device)

    @property
    def sigma_px(self) -> Widths:
        """Standard deviations in pixels along the three axes."""
        found = []
        for axis, side in enumerate(self.weights.shape):
            profile = self.weights.double().sum(dim=[k for k in range(3) if k != axis])
            place = torch.arange(-(side // 2), side // 2 + 1, dtype=torch.float64)
            found.append(math.sqrt(float((profile * place.square()).sum())))
        return found[0], found[1], found[2]


@dataclass(frozen=True)
class Blur:
    """The convolution of intensities, periodic, which is its own adjoint.

    Parameters
    ----------
    sigma_px
        Widths in pixels.
    lorentzian
        Share of the Lorentzian part, 0 to 1.
    correlations
        Of the Gaussian along axes 0 and 1, 0 and 2, 1 and 2, −1 to 1: not zero where its own axes are not the array's.
    kernel
        What stands in the place of all that; the widths are its own.
    """

    sigma_px: Widths
    lorentzian: float = 0.0
    correlations: Widths = (0.0, 0.0, 0.0)
    kernel: Kernel | None = None

    @classmethod
    def of(cls, light: Coherence) -> Blur | None:
        """Return what was found, or given, of some light; None where it is taken for coherent."""
        if not light.is_partial:
            return None
        kernel = None if light.kernel is None else Kernel(torch.from_numpy(light.kernel))
        return cls(light.sigma_px, light.lorentzian, light.correlations, kernel)

    def said(self) -> Coherence:
        """Return the same as a result says it."""
        kernel = None if self.kernel is None else self.kernel.weights.numpy()
        kind: Literal["free", "oblique", "pseudo-voigt", "gaussian"] = (
            "pseudo-voigt" if self.lorentzian else "gaussian"
        )
        kind = "free" if self.kernel else "oblique" if any(self.correlations) else kind
        return Coherence(kind, self.sigma_px, self.lorentzian, self.correlations, kernel)

    def times(self, factors: Widths) -> Blur:
        """Return the same blur in other pixels: of a kernel, a Gaussian as wide."""
        first, second, third = (s * f for s, f in zip(self.sigma_px, factors, strict=True))
        return Blur((first, second, third), self.lorentzian, self.correlations)

    def moments(self) -> list[float]:
        """Return the variances along the axes, and the covariances of `PAIRS`, in pixels squared."""
        sigma = self.sigma_px
        crossed = [rho * sigma[a] * sigma[b] for rho, (a, b) in zip(self.correlations, PAIRS, strict=True)]
        return [s**2 for s in sigma] + crossed

    def degree(self, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
        """Return the degree of coherence, float32 (N0, N1, N2 // 2 + 1), a half spectrum."""
        if self.kernel is not None:
            return self.kernel.degree(shape, device)
        oblique = any(self.correlations)
        moments = self.moments() if oblique else self.moments()[:3]
        return degree(exponents(moments, terms(shape, device, oblique)), self.lorentzian)

    def ready(self, shape: tuple[int, ...], device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what blurs volumes (..., N0, N1, N2) of that shape, to be called often."""
        factor = self.degree(shape, device)
        return lambda volume: back(torch.fft.rfftn(volume, dim=AXES).mul_(factor), shape)

    def shortened(self) -> Blur:
        """Return what `short_kernels` do, where there are any, and else the same."""
        kernels = short_kernels(self)
        if kernels is None:
            return self
        first, second, third = torch.cat([kernels[:, 1:].flip(1), kernels], 1)
        weights = first[:, None, None] * second[:, None] * third
        return Blur(self.sigma_px, kernel=Kernel(weights.float()))

    def __call__(self, intensity: torch.Tensor) -> torch.Tensor:
        """Return intensities, float32 (..., N0, N1, N2), blurred; rounding leaves some a little below zero."""
        return self.ready(tuple(intensity.shape[-3:]), intensity.device)(intensity)


def short_kernels(blur: Blur) -> torch.Tensor | None:
    """Return short kernels along the axes, one after the other, that blur intensities as a narrow Gaussian does.

    Its degree of coherence falls to no end at the array's edge, so that a kernel that does just the same is long; but no light
    is there: the autocorrelation of an object ends before, and fades on the way.  So that matters little, 1 − 2f at the frequency
    f.  Where f is below 0.4 they differ by 2e-3 at most.

    Returns
    -------
    float64 (3, REACH + 1): the weights of a pixel itself, of its neighbours, and so on; None if it is no such Gaussian.
    """
    if blur.kernel is not None or blur.lorentzian or any(blur.correlations) or max(blur.sigma_px) > WIDEST:
        return None
    frequency = torch.linspace(0, 0.5, PLACES, dtype=torch.float64)
    weight = (1 - 2 * frequency + LEAST)[:, None]
    away = torch.arange(1, REACH + 1, dtype=torch.float64)
    waves = 2 * torch.cos(2 * math.pi * frequency[:, None] * away) - 2  # so that the weights' sum is 1
    variances = torch.tensor(blur.sigma_px, dtype=torch.float64).square()
    dimmed = torch.exp(-2 * math.pi**2 * frequency[:, None].square() * variances) - 1
    found = torch.linalg.lstsq(weight * waves, weight * dimmed).solution.T
    return torch.cat([1 - 2 * found.sum(1, keepdim=True), found], 1)


def terms(shape: tuple[int, ...], device: torch.device, oblique: bool = False) -> list[torch.Tensor]:
    """Return what variances are multiplied by in u, ready to be combined: 2π²f² along each axis of a half spectrum.

    If `oblique`, what covariances are multiplied by follows.
    """
    along = []
    for axis, n in enumerate(shape):
        frequency = torch.fft.rfftfreq(n) if axis == 2 else torch.fft.fftfreq(n)
        along.append(frequency.to(device).view([-1 if k == axis else 1 for k in range(3)]))
    found = [2 * math.pi**2 * f.square() for f in along]
    return found + [4 * math.pi**2 * along[a] * along[b] for a, b in PAIRS] if oblique else found


def exponents(moments: Sequence[float], basis: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the terms of u, ready to be combined."""
    return [moment * one for moment, one in zip(moments, basis, strict=True)]


def degree(terms: list[torch.Tensor], share: float) -> torch.Tensor:
    """Return the degree of coherence, with a `share` of the Lorentzian part, from the terms of u."""
    if share:
        gaussian, lorentzian = coherences(terms)
        return gaussian.lerp(lorentzian, share)
    return reduce(torch.mul, [torch.exp(-term) for term in terms])


def coherences(terms: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the degrees of coherence that make a Gaussian and a Lorentzian blur, equally wide at half their heights."""
    exponent = reduce(torch.add, terms).clamp(min=0)
    return torch.exp(-exponent), torch.exp(-2 * (math.log(2) * exponent).sqrt_())


def slopes(terms: list[torch.Tensor], share: float) -> torch.Tensor:
    """Return the derivative of the degree of coherence by u."""
    gaussian, lorentzian = coherences(terms)
    exponent = reduce(torch.add, terms).clamp(min=1e-12)
    return gaussian.lerp(lorentzian * (math.log(2) / exponent).sqrt_(), share).neg_()


def back(spectrum: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the volume of a half spectrum."""
    return torch.fft.irfftn(spectrum, s=shape, dim=AXES)

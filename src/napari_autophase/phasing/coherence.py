"""Partial coherence: the intensity that is measured is the coherent one blurred by a Gaussian.

A beam of limited coherence, pixels of finite size and a crystal that trembles all do the same: the autocorrelation of the object,
which is the transform of its intensity, is multiplied by the complex degree of coherence (Clark et al., Nat. Commun. 3, 993
(2012)).  Here that is ``exp(−2π² Σ σ²f²)`` with the place f of the autocorrelation as a fraction of the array, so that σ, along
the array's axes, is the width in pixels of the Gaussian that blurs the intensity.

Three things follow.  Likelihoods are of the blurred intensity, and so are their derivatives.  Projections need a modulus of
coherent light: the counts are sharpened for them by the steps of Richardson and Lucy (`sharpened`), which begin either at the
counts or at the intensity of an object that is known already; from there one step is the ratio of measured and blurred
intensities.  And the widths are those with which an object explains the counts best (`estimate`).

All arrays are in FFT order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from .pattern import AXES, wide

Widths = tuple[float, float, float]
"""Standard deviations in pixels along the three axes."""

FLOOR = 0.1
"""Photons: the least blurred intensity that counts are divided by."""
LARGEST, LEAST_SEEN = 4.0, 0.1
"""The most that one step multiplies an intensity by; the least share of a pixel's light that tells anything of it."""
WIDEST, LONGEST_STEP = 2.0, 0.3
"""Pixels: widths are not sought beyond; pixels squared: no step towards them is longer."""
STEPS, CLOSE = 6, 1e-4
"""Steps of Gauss and Newton at most, and the change of a width squared below which they end."""
NARROWEST = 0.15
"""Pixels: if no width is larger, the light counts as coherent."""
ONWARDS = 1.8
"""How much further than found the squares of widths are taken."""
SIDE, MARGIN = 64, 4
"""Pixels: widths are sought in the middle of the pattern, which holds nearly all photons, without its edge."""


@dataclass(frozen=True)
class Blur:
    """The convolution of intensities with a Gaussian, periodic, which is its own adjoint.

    Parameters
    ----------
    sigma_px
        Widths in pixels.
    """

    sigma_px: Widths

    def times(self, factors: Widths) -> Blur:
        """Return the same blur in other pixels."""
        first, second, third = (s * f for s, f in zip(self.sigma_px, factors, strict=True))
        return Blur((first, second, third))

    def __call__(self, intensity: torch.Tensor) -> torch.Tensor:
        """Return intensities, float32 (..., N0, N1, N2), blurred; rounding leaves some a little below zero."""
        shape = intensity.shape[-3:]
        spectrum = torch.fft.rfftn(intensity, dim=AXES)
        for sigma, squares in zip(self.sigma_px, _squares(shape, intensity.device), strict=True):
            spectrum *= torch.exp(-(sigma**2) * squares)
        return _back(spectrum, shape)


def sharpened(
    counts: torch.Tensor,
    fitted: torch.Tensor,
    blur: Blur,
    steps: int,
    start: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the coherent intensity that explains counts, by Richardson and Lucy's steps.

    Each is one of expectation and maximisation of the Poisson likelihood, I ← I·K(n/KI)/K1, with K the blur over the fitted
    pixels (Richardson, J. Opt. Soc. Am. 62, 55 (1972); Lucy, Astron. J. 79, 745 (1974)).  Few steps leave the noise alone.

    Parameters
    ----------
    counts, fitted
        float32 and bool (N0, N1, N2): photons, and where they are to be explained.
    blur
        What lies between.
    steps
        How many.
    start
        Where to begin, float32 (..., N0, N1, N2); None: the counts, where they are known, and elsewhere what is around.

    Returns
    -------
    float32, the shape of `start`
    """
    whole = bool(fitted.all())
    seen = torch.where(fitted, counts, 0)
    weight = blur(fitted.to(counts.dtype)).clamp_(min=LEAST_SEEN)
    if start is None:
        start = (seen if whole else torch.where(fitted, seen, _surroundings(seen, fitted))) + FLOOR / 4
    found = start
    for _ in range(steps):
        # bounded, as the Gaussian that is sampled has small negative parts where it is narrow
        ratio = seen.div(blur(found).clamp_(min=FLOOR)).clamp_(max=LARGEST)
        factor = blur(ratio).clamp_(min=0)
        found = found * (factor if whole else factor.div_(weight).clamp_(max=LARGEST))
    return found


def _surroundings(seen: torch.Tensor, fitted: torch.Tensor) -> torch.Tensor:
    """Return the mean of the known pixels around, which are weighed by a Gaussian of two pixels."""
    wide = Blur((2.0, 2.0, 2.0))
    return wide(seen).clamp_(min=0) / wide(fitted.to(seen.dtype)).clamp_(min=0.01)


def estimate(
    intensity: torch.Tensor, counts: torch.Tensor, fitted: torch.Tensor, begin: Blur | None = None
) -> Blur:
    """Return the blur with which a coherent intensity explains counts best, on a scale of its own.

    Gauss and Newton's steps on the squares of the widths and a scale, each pixel weighted by the variance of Poisson's
    statistics: that is Fisher's scoring of the Poisson likelihood.  Only the middle of the pattern takes part, so that the time
    does not depend on the size of the scan.

    Parameters
    ----------
    intensity
        float32 (N0, N1, N2): |F|² of an object.
    counts, fitted
        float32 and bool, same shape.
    begin
        Where to begin; None: at no blur.
    """
    intensity, counts, fitted = (_middle(volume) for volume in (intensity, counts, fitted))
    fitted = fitted & _away_from_edges(fitted.shape, intensity.device)
    squares = _squares(fitted.shape, intensity.device)
    spectrum = torch.fft.rfftn(intensity, dim=AXES)
    variances = torch.tensor(begin.sigma_px if begin else (0.0, 0.0, 0.0), dtype=torch.float64).square()
    scale = 1.0
    for _ in range(STEPS):
        now = spectrum
        for variance, square in zip(variances.tolist(), squares, strict=True):
            now = now * torch.exp(-variance * square)
        expected = _back(now, fitted.shape)
        slopes = [scale * _back(-now * f, fitted.shape) for f in squares] + [expected]
        model = scale * expected
        weight = torch.where(fitted, 1 / model.clamp(min=1), 0)
        normal = torch.tensor([[_total(a * b * weight) for b in slopes] for a in slopes]).double()
        pull = torch.tensor([_total(a * weight * (counts - model)) for a in slopes]).double()
        normal += 1e-6 * torch.diag(normal.diagonal()) + 1e-30 * torch.eye(4)
        step = torch.linalg.solve(normal, pull)
        before = variances
        variances = (variances + step[:3].clamp(-LONGEST_STEP, LONGEST_STEP)).clamp(0, WIDEST**2)
        scale = max(0.1 * scale, scale + float(step[3]))
        if float((variances - before).abs().max()) < CLOSE:
            break
    first, second, third = variances.sqrt().tolist()
    return Blur((first, second, third))


def known(blur: Blur) -> Blur | None:
    """Return a blur, or None if it is too narrow to be told from none."""
    return blur if max(blur.sigma_px) >= NARROWEST else None


def onwards(before: Blur | None, found: Blur) -> Blur:
    """Return the blur to phase with next, when the one found last came from an object that was phased with another.

    Such an object takes a part of the blur upon itself, so that the estimate is too close to `before`; it is taken further the
    way it went.  From an object that was phased without any blur (None) it has further to go the wider it is: measured on
    simulated crystals, 0.22, 0.31 and 0.42 pixels are found where 0.3, 0.5 and 0.8 are true.
    """
    squares = [s**2 for s in found.sigma_px]
    if before is None:
        squares = [v * (1.6 + 7 * v) for v in squares]
    else:
        squares = [b**2 + ONWARDS * (v - b**2) for b, v in zip(before.sigma_px, squares, strict=True)]
    first, second, third = (math.sqrt(min(max(v, 0.0), WIDEST**2)) for v in squares)
    return Blur((first, second, third))


def _squares(shape: tuple[int, ...], device: torch.device) -> list[torch.Tensor]:
    """Return 2π²f² along each axis of a half spectrum, ready to be combined."""
    found = []
    for axis, n in enumerate(shape):
        frequency = torch.fft.rfftfreq(n) if axis == 2 else torch.fft.fftfreq(n)
        square = 2 * math.pi**2 * frequency.square()
        found.append(square.to(device).view([-1 if k == axis else 1 for k in range(3)]))
    return found


def _back(spectrum: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.fft.irfftn(spectrum, s=shape, dim=AXES)


def _middle(volume: torch.Tensor) -> torch.Tensor:
    """Return the pixels around index 0, at most `SIDE` along each axis."""
    for axis, n in enumerate(volume.shape):
        if n > SIDE:
            ends = volume.narrow(axis, 0, SIDE // 2), volume.narrow(axis, n - SIDE // 2, SIDE // 2)
            volume = torch.cat(ends, axis)
    return volume


def _away_from_edges(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return where a blur does not reach around the far side of a pattern, bool."""
    inside = torch.ones(shape, dtype=torch.bool, device=device)
    for axis, n in enumerate(shape):
        place = torch.fft.fftfreq(n, 1 / n, device=device).abs()
        inside &= (place < n // 2 - MARGIN).view([-1 if k == axis else 1 for k in range(3)])
    return inside


def _total(values: torch.Tensor) -> float:
    """Return a sum that does not depend on how many threads share it."""
    return float(values.sum(dim=(-2, -1), dtype=wide(values.device)).sum())

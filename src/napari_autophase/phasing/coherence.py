"""Partial coherence: how much the measured intensity is blurred, as objects tell.

The widths are those with which an object explains the counts best (`estimate`); a kernel of any shape is found from there
(`freed`); what follows from them says `forward`.

All arrays are in FFT order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Literal

import torch

from ..preparation import fast_size
from .blur import PAIRS, Blur, Kernel, back, coherences, degree, exponents, slopes, terms
from .pattern import AXES, wide

Intensities = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""What returns |F|² of objects cut by supports: a backend's `intensities`."""
Shape = Literal["gaussian", "oblique", "pseudo-voigt", "free"]
"""What blurs: a Gaussian along the array's axes or along any, one with a Lorentzian part, a kernel without any given shape."""

WIDEST, LONGEST_STEP = 2.0, 0.3
"""Pixels: widths are not sought beyond; pixels squared: no step towards them is longer."""
STEPS, CLOSE = 6, 5e-4
"""Steps of Gauss and Newton at most, and the change of a width squared below which they end."""
NARROWEST = 0.15
"""Pixels: if no width is larger, the light counts as coherent."""
ONWARDS, LONGEST = 1.8, 4.0
"""How much further than told the squares of widths are taken if nothing better is known, and at most."""
LIT, DARK = 0.3, 2e-3
"""Photons that are expected where the blur is sought; the share of all photons beyond the middle that is taken for blurred."""
MOST_LORENTZIAN = 0.5
"""The largest share of a blur's Lorentzian part that is sought."""
MOST_CORRELATED = 0.95
"""The largest correlation of a Gaussian's widths along two axes that is sought."""
FREEING, AHEAD = 60, 0.98
"""Steps by which a kernel is found; the largest share of the last step that the next one begins ahead."""
REACH, LEAST_REACH, FAINT = 4.0, 0.3, 1e-7
"""How many of a Gaussian's widths a kernel reaches, and the least width in pixels that counts; the least share of the light that
a kernel's pixel begins with."""
NONE = Blur((0.0, 0.0, 0.0))
_ROW = 1024
"""Numbers that are added up before their sums are: the order is always the same."""
FEW = 2**19
"""Voxels that a transform is quick for."""
SIDE, MARGIN = 64, 4
"""Pixels: widths are sought in the middle of the pattern, which holds nearly all photons, without its edge."""
GLANCE, UNSEEN = 32, 0.12
"""Pixels: the middle in which a first step tells whether there is any blur; widths below which there is none."""


def intensity(
    objects: torch.Tensor, supports: torch.Tensor, sides: tuple[int, ...], whole: Intensities
) -> torch.Tensor:
    """Return |F|² of objects cut by supports, in the `middle` of the pattern.

    Where that is little of it the transform is a matrix product for each axis, from the box that the objects fill.

    Parameters
    ----------
    objects, supports
        complex64 and bool (P, N0, N1, N2), FFT order.
    sides
        M0, M1, M2.
    whole
        What returns all of it: a backend's `intensities`.

    Returns
    -------
    float32 (P, M0, M1, M2)
    """
    shape = objects.shape[1:]
    if math.prod(shape) < FEW or math.prod(sides) > math.prod(shape) / 4:
        return middle(whole(objects, supports), sides)
    field = objects * supports
    filled = (field != 0).any(0)
    for axis, (n, side) in enumerate(zip(shape, sides, strict=True)):
        first, last = (k for k in range(3) if k != axis)
        places = filled.any(last).any(first).cpu().nonzero().squeeze(1)
        wanted = torch.fft.fftfreq(side, 1 / side, dtype=torch.float64).round()
        angle = -2 * math.pi / n * torch.remainder(wanted[:, None] * places, n)
        # in double precision on the CPU, as not every device has it
        wave = torch.polar(torch.ones_like(angle), angle).to(objects.dtype).to(objects.device)
        # takes the first axis, leaves it as the last
        field = torch.tensordot(field.index_select(1, places.to(objects.device)), wave, ([1], [1]))
    return field.real.square() + field.imag.square()


def sought(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sides of the middle in which the blur is sought."""
    return tuple(min(n, SIDE) for n in shape)


def estimate(
    intensity: torch.Tensor,
    counts: torch.Tensor,
    fitted: torch.Tensor,
    begin: Blur | None = None,
    background: torch.Tensor | None = None,
    shape: Shape = "gaussian",
) -> Blur:
    """Return the blur with which a coherent intensity explains counts best, on a scale of its own.

    Gauss and Newton's steps on the squares of the widths and a scale, also on covariances or the share of the Lorentzian part as
    `shape` says, each pixel weighted by the variance of Poisson's statistics: that is Fisher's scoring of the Poisson likelihood.
    A ``free`` kernel is found from there, see `freed`.  Only the middle of the pattern takes part, so that the time does not
    depend on the size of the scan, and of that only where light is expected.  Where nothing is known, a step in a small middle
    says first whether there is anything to be sought.

    Parameters
    ----------
    intensity
        float32 (N0, N1, N2): |F|² of an object.
    counts, fitted
        float32 and bool, same shape.
    begin
        Where to begin; None: at no blur.
    background
        Photons per pixel that are not the object's: float32, same shape or one number; None: none.
    shape
        Of what is sought; where it says nothing of the Lorentzian part or of correlations, these are as in `begin`.
    """
    dark = torch.zeros((), device=intensity.device) if background is None else background
    if begin is None:
        glance = _scored(intensity, counts, fitted, NONE, dark, GLANCE, 1, "gaussian")
        if max(glance.sigma_px) < UNSEEN:
            return glance
    first = begin or NONE
    if first.kernel is None:
        first = _scored(
            intensity, counts, fitted, first, dark, SIDE, STEPS, "oblique" if shape == "free" else shape
        )
    return freed(intensity, counts, fitted, first, dark) if shape == "free" and known(first) else first


def _scored(
    intensity: torch.Tensor,
    counts: torch.Tensor,
    fitted: torch.Tensor,
    begin: Blur,
    dark: torch.Tensor,
    side: int,
    steps: int,
    sought: Shape,
) -> Blur:
    """Return a blur after so many steps at most, in a middle of such a side."""
    intensity, counts, fitted, dark = _middles(intensity, counts, fitted, dark, side)
    shape, oblique = tuple(fitted.shape), sought == "oblique" or any(begin.correlations)
    basis = terms(shape, intensity.device, oblique)
    widths = len(basis) if sought == "oblique" else 3
    spectrum = torch.fft.rfftn(intensity, dim=AXES)
    moments = torch.tensor(begin.moments()[: len(basis)], dtype=torch.float64)
    scale, share, seen = 1.0, begin.lorentzian, fitted
    for step_number in range(steps):
        exponent = exponents(moments.tolist(), basis)
        blurred = spectrum * degree(exponent, share)
        by_exponent = spectrum * slopes(exponent, share) if share else -blurred
        expected = back(blurred, shape)
        if step_number == 0:
            lit = expected > LIT
            seen = fitted & _away_from_edges(shape, intensity.device) & lit
            counts, dark = counts[seen], dark.expand(shape)[seen]
        model = scale * expected[seen] + dark
        rises = [scale * back(by_exponent * one, shape)[seen] for one in basis[:widths]]
        rises.append(expected[seen])
        if sought == "pseudo-voigt":
            gaussian, lorentzian = coherences(exponent)
            rises.append(scale * back(spectrum * (lorentzian - gaussian), shape)[seen])
        derivatives = torch.stack(rises)
        weighted = derivatives / model.clamp(min=1)
        normal = torch.stack([_total(weighted * one) for one in derivatives])
        pull = _total(weighted * (counts - model))
        normal += 1e-6 * torch.diag(normal.diagonal()) + 1e-30 * torch.eye(len(rises), dtype=normal.dtype)
        step = torch.linalg.solve(normal, pull)
        before = moments
        moments = _possible(before, step[:widths])
        scale = max(0.1 * scale, scale + float(step[widths]))
        if sought == "pseudo-voigt":
            share = min(max(share + float(step[widths + 1]), 0.0), MOST_LORENTZIAN)
        if float((moments - before).abs().max()) < CLOSE:
            break
    first, second, third = sigma = moments[:3].sqrt().tolist()
    crossed = moments[3:].tolist() or [0.0] * 3
    one, other, last = (
        value / (sigma[a] * sigma[b]) if sigma[a] * sigma[b] > 0 else 0.0
        for value, (a, b) in zip(crossed, PAIRS, strict=True)
    )
    return Blur((first, second, third), share, (one, other, last))


def _possible(moments: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """Return variances, and covariances if there are any, after a step that is not too long, within what is sought."""
    moments = moments.clone()
    moments[: len(step)] += step.clamp(-LONGEST_STEP, LONGEST_STEP)
    moments[:3] = moments[:3].clamp(0, WIDEST**2)
    for k, (a, b) in enumerate(PAIRS, 3):
        if k < len(moments):
            most = MOST_CORRELATED * (moments[a] * moments[b]).sqrt()
            moments[k] = moments[k].clamp(-most, most)
    return moments


def freed(
    intensity: torch.Tensor,
    counts: torch.Tensor,
    fitted: torch.Tensor,
    begin: Blur,
    background: torch.Tensor,
) -> Blur:
    """Return the kernel, the same at opposite places, with which a coherent intensity explains counts.

    With the intensity I known, expected counts n = s·(K ∗ I) + b are linear in the kernel K, so that Richardson and Lucy's steps,
    K ← K · (I ⋆ c/n) / (I ⋆ 1) over the fitted pixels, raise the likelihood of the counts c (J. Opt. Soc. Am. 62, 55 (1972);
    Astron. J. 79, 745 (1974); for coherence functions Clark et al., Nat. Commun. 3, 993 (2012)).  Each begins further ahead, the
    way that the last one went, as they are slow (Biggs and Andrews, Appl. Opt. 36, 1766 (1997)).  A kernel that is not the same
    at opposite places would mostly shift the pattern, which the object's phase does as well.

    Parameters
    ----------
    intensity, counts, fitted, background
        As for `estimate`.
    begin
        Where to begin; its widths say how far the kernel reaches.
    """
    intensity, counts, fitted, dark = _middles(intensity, counts, fitted, background, SIDE)
    shape = tuple(fitted.shape)
    reach = [math.ceil(REACH * max(sigma, LEAST_REACH)) for sigma in begin.sigma_px]
    window = tuple(2 * min(far, (n - 1) // 2) + 1 for far, n in zip(reach, shape, strict=True))
    window = window if begin.kernel is None else tuple(begin.kernel.weights.shape)
    weights = _windowed(begin, window).clamp(min=FAINT).to(intensity.device)
    spectrum = torch.fft.rfftn(intensity, dim=AXES)
    expected = back(spectrum * begin.degree(shape, intensity.device), shape)
    seen = fitted & _away_from_edges(shape, intensity.device) & (expected > LIT)
    power = _symmetric(
        back(torch.fft.rfftn(seen.to(counts.dtype), dim=AXES) * spectrum.conj(), shape), window
    )
    power = power.clamp(min=1e-3 * float(power.max()))
    last, change = weights, torch.zeros_like(weights)
    for _ in range(FREEING):
        expected = back(spectrum * Kernel(weights.cpu()).degree(shape, intensity.device), shape) + dark
        quotient = torch.where(seen, counts / expected.clamp(min=LIT), 0)
        pull = _symmetric(back(torch.fft.rfftn(quotient, dim=AXES) * spectrum.conj(), shape), window)
        stepped = weights * (pull / power).clamp(min=0)
        before, change = change, stepped - weights
        ahead = float((change * before).sum() / before.square().sum().clamp(min=1e-30))
        weights = (stepped + min(max(ahead, 0.0), AHEAD) * (stepped - last)).clamp(min=0)
        last = stepped
    found = Kernel((last / last.sum()).cpu())
    return Blur(found.sigma_px, kernel=found)


def _windowed(blur: Blur, window: tuple[int, ...]) -> torch.Tensor:
    """Return what a blur makes of one photon, in so many pixels around it."""
    point = torch.zeros([max(2 * side, 32) for side in window])
    point[0, 0, 0] = 1
    return _symmetric(blur(point), window)


def _symmetric(volume: torch.Tensor, window: tuple[int, ...]) -> torch.Tensor:
    """Return so many pixels around index 0, index 0 in their middle, each with the mean of itself and the one opposite."""
    found = torch.fft.fftshift(middle(volume, window))
    return (found + found.flip(AXES)) / 2


def _middles(
    intensity: torch.Tensor, counts: torch.Tensor, fitted: torch.Tensor, dark: torch.Tensor, side: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the middles of a pattern, of such a side at most, in which a blur is sought."""
    sides = tuple(min(n, side) for n in intensity.shape)
    intensity, counts, fitted = (middle(volume, sides) for volume in (intensity, counts, fitted))
    return intensity, counts, fitted, middle(dark, sides) if dark.ndim else dark


def known(blur: Blur) -> Blur | None:
    """Return a blur, or None if it is too narrow to be told from none."""
    return blur if max(blur.sigma_px) >= NARROWEST else None


class Seeker:
    """What blur to phase with next, when objects that were phased with another tell of one.

    Such an object takes a part of the blur upon itself, so that what it tells is too close to what it was phased with: it has to
    be taken further the way it went.  How much further is known from two estimates, as where the secant of their changes meets
    zero; before, it is guessed.  From an object that was phased without any blur it is more the wider it is: measured on
    simulated crystals, 0.22, 0.31 and 0.42 pixels are told where 0.3, 0.5 and 0.8 are true.

    Parameters
    ----------
    blur
        What objects were phased with; None: nothing.
    """

    def __init__(self, blur: Blur | None) -> None:
        self.blur = blur
        self._last: list[tuple[float, float]] = []

    def further(self, told: Blur) -> Blur:
        """Return the blur to phase with after an object that was phased with the last one told of another."""
        if told.kernel is not None:
            window = told.kernel.weights.shape
            begin = told.kernel.weights if self.blur is None else _windowed(self.blur, window)
            weights = (begin + ONWARDS * (told.kernel.weights - begin)).clamp(min=0)
            kernel = Kernel(weights / weights.sum())
            self.blur, self._last = Blur(kernel.sigma_px, kernel=kernel), []
            return self.blur
        squares = [s**2 for s in told.sigma_px]
        if self.blur is None:
            found = [v * (1.6 + 7 * v) for v in squares]
        else:
            now = [(s**2, v - s**2) for s, v in zip(self.blur.sigma_px, squares, strict=True)]
            last: list[tuple[float, float] | None] = [*self._last] or [None] * 3
            found = [
                v + _factor((v, change), one) * change for (v, change), one in zip(now, last, strict=True)
            ]
            self._last = now
        first, second, third = (math.sqrt(min(max(v, 0.0), WIDEST**2)) for v in found)
        self.blur = Blur((first, second, third), told.lorentzian, told.correlations)
        return self.blur


def _factor(now: tuple[float, float], last: tuple[float, float] | None) -> float:
    """Return how many times a change leads to where there is none, from it and the one before, each after its place."""
    if last is None or abs(now[0] - last[0]) < CLOSE or abs(now[1] - last[1]) < CLOSE:
        return ONWARDS
    factor = (last[0] - now[0]) / (now[1] - last[1])
    return min(factor, LONGEST) if factor > 0 else ONWARDS


def middle(volume: torch.Tensor, sides: tuple[int, ...]) -> torch.Tensor:
    """Return the pixels around index 0 of a volume (..., N0, N1, N2), so many along each axis, in FFT order."""
    for axis, side in zip(AXES, sides, strict=True):
        n = volume.shape[axis]
        if side < n:
            ends = volume.narrow(axis, 0, side - side // 2), volume.narrow(axis, n - side // 2, side // 2)
            volume = torch.cat(ends, axis)
    return volume


def put_middle(volume: torch.Tensor, part: torch.Tensor) -> None:
    """Write what `middle` returned, or the like, back into a volume (..., N0, N1, N2)."""
    ends = []
    for axis in AXES:
        n, side = volume.shape[axis], part.shape[axis]
        first, last = side - side // 2, side // 2
        ends.append([(slice(0, first), slice(0, first)), (slice(n - last, n), slice(side - last, side))])
    for (i, a), (j, b), (k, c) in product(*ends):
        volume[..., i, j, k] = part[..., a, b, c]


def lit(counts: torch.Tensor) -> tuple[int, ...]:
    """Return the sides of the middle of a pattern beyond which there are hardly any photons."""
    sides = []
    for axis, n in enumerate(counts.shape):
        profile = counts.clamp(min=0).sum(dim=[k for k in range(3) if k != axis], dtype=torch.float32).cpu()
        far = torch.fft.fftfreq(n, 1 / n).abs().round().long()
        within = torch.zeros(n // 2 + 1).index_add_(0, far, profile).cumsum(0)
        reach = int((within < (1 - DARK) * within[-1]).sum()) + MARGIN
        side = fast_size(max(2 * reach, 16))
        sides.append(min(n, side))
    return tuple(sides)


def _away_from_edges(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return where a blur does not reach around the far side of a pattern, bool."""
    inside = torch.ones(shape, dtype=torch.bool, device=device)
    for axis, n in enumerate(shape):
        place = torch.fft.fftfreq(n, 1 / n, device=device).abs()
        inside &= (place < n // 2 - MARGIN).view([-1 if k == axis else 1 for k in range(3)])
    return inside


def _total(values: torch.Tensor) -> torch.Tensor:
    """Return sums over the last axis, in steps that do not depend on how many threads share them."""
    rows = torch.nn.functional.pad(values, (0, -values.shape[-1] % _ROW)).unflatten(-1, (-1, _ROW))
    return rows.sum(-1, dtype=wide(values.device)).sum(-1).cpu().double()

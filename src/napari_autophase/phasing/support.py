"""Supports: the first one, its updates, and the breaking of the twin.  All arrays in FFT order."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import ndimage

from ..recipe import ShrinkWrap

LARGEST, SMALLEST = 0.5, 1e-4
"""Limits of the support's share of the volume: above a half the phases are not determined; below, it has collapsed."""
_LEAST_SIGMA = 0.1
"""Voxels: a narrower Gaussian blurs nothing."""
OUTLINE_SIGMA = 0.6
"""Width in voxels of the Gaussian before a crystal is outlined."""
CLEARED = 20
"""Downhill iterations that clear up what HIO leaves: a start then goes on from its last object or from the mean, whichever is the
better, and the support is outlined for the last time."""


def schedule(
    wrap: ShrinkWrap, iterations: int, down: int = 0, flat: bool = True
) -> tuple[dict[int, float], set[int]]:
    """Return when supports are updated.

    Parameters
    ----------
    wrap
        How.
    iterations, down
        How many there are, and how many come before the last downhill ones: these have one update, by the outline.
    flat
        Whether amplitudes are flat before these, so that the update before them is by the outline too: in light that is partly
        coherent, or may be, they are not.

    Returns
    -------
    dict, set
        The width of the Gaussian in voxels for every iteration (counted from 1) that ends with an update, and those of them that
        outline the crystal.
    """
    if wrap.every == 0:
        return {}, set()
    # the last iteration must not change the support that its object was found in
    when = [i for i in range(max(1, wrap.start), down or iterations) if (i - wrap.start) % wrap.every == 0]
    first, last = max(wrap.sigma, _LEAST_SIGMA), max(wrap.sigma_end, _LEAST_SIGMA)
    widths = {i: first * (last / first) ** (k / max(1, len(when) - 1)) for k, i in enumerate(when)}
    outlines = {max(when, default=0)} if flat or not down else set()
    if when and 0 < down < iterations - 1:
        outlines.add(down + min(CLEARED, (iterations - down) // 2))
        widths[max(outlines)] = last
    return widths, outlines if wrap.outline else set()


def shrink_wrap(objects: torch.Tensor, sigma: float, threshold: float) -> torch.Tensor:
    """Return where the blurred amplitude exceeds a fraction of its maximum (Marchesini et al., PRB 68, 140101 (2003)).

    Where that would be more than half of the volume, or less than a ten-thousandth (at least 27 voxels), the threshold is
    moved so that the support keeps within these limits.

    Parameters
    ----------
    objects
        complex64 (P, N0, N1, N2).
    sigma
        Standard deviation of the Gaussian in voxels.
    threshold
        Fraction of the maximum.

    Returns
    -------
    bool (P, N0, N1, N2)
    """
    blurred = blur(objects.abs(), sigma)
    return within_limits(blurred, threshold * blurred.amax(dim=(1, 2, 3)))


def outline(
    objects: torch.Tensor, supports: torch.Tensor, sigma: float, threshold: float, margin: int = 1
) -> torch.Tensor:
    """Return each crystal's body: one piece without holes, where the blurred amplitude exceeds a fraction of the usual one.

    The usual amplitude is the mean over the present support with the energy as the weight, Σ|ρ|³/Σ|ρ|²: neither a single
    bright voxel nor a support that is far too wide moves it much, as they move the maximum and the plain mean.

    Parameters
    ----------
    objects, supports
        complex64 and bool (P, N0, N1, N2), FFT order.
    sigma
        Standard deviation of the Gaussian in voxels.
    threshold
        Fraction of the usual amplitude: ½ is where a blurred facet stands.
    margin
        Voxels by which the body is widened; phasing is surer in a support that is a voxel too wide than in one too tight.

    Returns
    -------
    bool (P, N0, N1, N2)
    """
    blurred = blur(objects.abs(), sigma)
    inside = torch.where(supports, blurred, 0)
    axes = (1, 2, 3)
    usual = inside.pow(3).sum(axes) / inside.square().sum(axes).clamp_min(1e-30)
    del inside
    found = torch.fft.fftshift(within_limits(blurred, threshold * usual), axes).cpu().numpy()
    del blurred
    whole = np.stack([_body(one, margin) for one in found])
    return torch.fft.ifftshift(torch.from_numpy(whole), axes).to(objects.device)


def _body(found: np.ndarray, margin: int) -> np.ndarray:
    """Return the largest piece of a centred volume, its holes and cracks filled, wider by `margin` voxels."""
    pieces, number = ndimage.label(ndimage.binary_closing(found) | found)
    if number > 1:
        # plane by plane, since bincount makes 64-bit numbers of all that it is given
        voxels = sum(np.bincount(plane.ravel(), minlength=number + 1) for plane in pieces)
        pieces = pieces == 1 + int(np.argmax(np.asarray(voxels)[1:]))
    whole = ndimage.binary_fill_holes(pieces)
    return ndimage.binary_dilation(whole, iterations=margin) if margin else whole


def within_limits(amplitude: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Return ``amplitude > level`` for each volume of the batch, with `level` moved so that the area limits hold."""
    support = amplitude > level.view(-1, 1, 1, 1)
    voxels = amplitude[0].numel()
    most, least = int(LARGEST * voxels), max(27, int(SMALLEST * voxels))
    areas = support.sum((1, 2, 3)).tolist()
    for one, values, area in zip(support, amplitude, areas, strict=True):
        if not least <= area <= most:
            one.copy_(torch.from_numpy(_brightest(values.cpu().numpy(), min(max(area, least), most))))
    return support


def _brightest(values: np.ndarray, number: int) -> np.ndarray:
    """Return where the `number` largest values are, bool; of equal ones the first (torch's topk would take 16 bytes for each)."""
    level = np.partition(values, values.size - number, axis=None)[values.size - number]
    found = values > level
    equal = np.flatnonzero(values == level)[: number - int(found.sum())]
    found.flat[equal] = True
    return found


def blur(volumes: torch.Tensor, sigma: float) -> torch.Tensor:
    """Convolve real volumes (P, N0, N1, N2) with a periodic Gaussian of standard deviation `sigma` voxels."""
    axes, shape = (1, 2, 3), volumes.shape[1:]
    spectrum = torch.fft.rfftn(volumes, dim=axes)
    del volumes  # if nobody else needs them their memory is given back here
    for axis, n in zip(axes, shape, strict=True):
        frequency = torch.fft.rfftfreq(n) if axis == 3 else torch.fft.fftfreq(n)
        window = torch.exp(-2 * (math.pi * sigma * frequency) ** 2).to(spectrum.device)
        spectrum *= window.view([-1 if k == axis else 1 for k in range(4)])
    return torch.fft.irfftn(spectrum, s=shape, dim=axes)


def half(support: torch.Tensor) -> torch.Tensor:
    """Return one half of each support of a batch: below its centre of mass along axis 0 of the centred volume."""
    middle = torch.fft.fftshift(support, (1, 2, 3))
    profile = middle.sum(dim=(2, 3)).cumsum(dim=1)
    keep = profile * 2 <= profile[:, -1:]
    return torch.fft.ifftshift(middle & keep[:, :, None, None], (1, 2, 3))


def from_autocorrelation(counts: torch.Tensor, good: torch.Tensor, threshold: float) -> torch.Tensor:
    """Estimate the support of an object from its Patterson function, the transform of the intensity.

    The autocorrelation of a body reaches twice as far as the body, so a voxel x belongs to the estimate where the
    autocorrelation at 2x exceeds `threshold` of its maximum (exact for centrosymmetric convex bodies as threshold → 0).

    Returns
    -------
    bool (N0, N1, N2), FFT order
    """
    patterson = torch.fft.ifftn(torch.where(good, counts, 0)).abs()
    doubled = patterson
    for axis, n in enumerate(patterson.shape):
        place = torch.arange(n, device=patterson.device)
        signed = torch.where(place <= (n - 1) // 2, place, place - n) * 2
        inside = (signed >= -(n // 2)) & (signed <= (n - 1) // 2)
        doubled = doubled.index_select(axis, signed % n) * inside.view(
            [-1 if k == axis else 1 for k in range(3)]
        )
    return within_limits(doubled[None], threshold * patterson.max()[None])[0]

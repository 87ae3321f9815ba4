"""Finer or coarser voxels in the same field of view: a larger or smaller middle part of reciprocal space.

Everything here is centred: index ``n // 2`` is the middle of an object and the zero frequency.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .batch import Starts
from .pattern import AXES
from .workers import threads


def fit(volume: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Crop or zero-pad the last three axes about the centre (index n // 2 stays the centre)."""
    for axis, want in zip(AXES, shape, strict=True):
        have = volume.shape[axis]
        if want <= have:
            volume = volume.narrow(axis, have // 2 - want // 2, want)
        else:
            before = want // 2 - have // 2
            volume = torch.nn.functional.pad(volume, [0, 0] * (-1 - axis) + [before, want - have - before])
    return volume


def regrid(
    found: np.ndarray,
    samples: tuple[int, ...],
    shape: tuple[int, ...] | None = None,
    inside: np.ndarray | None = None,
) -> np.ndarray:
    """Return an object on finer or coarser voxels of the same field of view, its amplitudes as they were.

    What a transform, another number of its middle frequencies and a transform back would give (of an even number the highest
    is halved between its two signs), by a matrix for each axis; only planes that hold anything, and voxels that are asked for,
    take part.

    Parameters
    ----------
    found
        Complex (M0, M1, M2), centred.
    samples
        P0, P1, P2: voxels of the field of view that are wanted in place of M.
    shape
        Of the result: about the centre it is cropped, or padded with zeros; None: `samples`.
    inside
        bool of this shape: the voxels that are wanted, the others being 0; None: all.

    Returns
    -------
    np.ndarray
        Complex of `shape`.
    """
    shape = shape or samples
    if found.shape == tuple(samples):
        same = fit(torch.from_numpy(found), shape).numpy()
        return same if inside is None else same * inside
    there, here = _filled(found), (slice(None),) * 3 if inside is None else _filled(inside)
    # real and imaginary parts are the last axis, and become the first
    part = torch.view_as_real(torch.from_numpy(np.ascontiguousarray(found[there])))
    with threads(1):  # shared by threads, short work waits for whatever else the computer does
        for axis in range(3):  # takes the first axis, leaves it as the last
            have, want = found.shape[axis], samples[axis]
            weights = _frequencies(have, want, shape[axis], min(have, want))[there[axis], here[axis]]
            part = torch.tensordot(part, torch.from_numpy(weights).to(part.dtype), ([0], [0]))
    whole = torch.complex(part[0], part[1]).numpy()
    if inside is None:
        return whole
    result = np.zeros(shape, found.dtype)
    result[here] = whole * inside[here]
    return result


def resampled(
    intensity: Tensor, samples: tuple[int, ...], shape: tuple[int, ...], *, folded: bool = False
) -> Tensor:
    """Return an intensity at other points of the same range of reciprocal space, by a matrix for each axis.

    The spectrum of an intensity is the object's autocorrelation: what a transform, the middle P of its places and a transform
    back would give, exact as long as P covers the autocorrelation.

    Parameters
    ----------
    intensity
        float32 (N0, N1, N2), centred, on any device.
    samples
        P0, P1, P2: points of the range that are wanted in place of N.
    shape
        Of the result: the points about the centre; beyond the range it holds zeros.
    folded
        Whether the autocorrelation is wider than P: the pattern is then taken at P points, and not smoothed.  What lies further
        out than twice P is noise, and left out.

    Returns
    -------
    Tensor
        float32 of `shape`, on the device.
    """
    if intensity.shape == samples:
        return fit(intensity, shape)
    for have, want, places in zip(intensity.shape, samples, shape, strict=True):
        weights = _frequencies(have, want, places, min(have, 2 * want if folded else want))
        # takes the first axis, leaves it as the last
        kernel = torch.from_numpy(weights.astype(np.float32)).to(intensity.device)
        intensity = torch.tensordot(intensity, kernel, ([0], [0]))
    return intensity


def _filled(volume: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box around what is not zero; one voxel if everything is."""
    filled = volume != 0
    lines, plane = filled.any(2), filled.any(0)
    found = [np.flatnonzero(axis) for axis in (lines.any(1), plane.any(1), plane.any(0))]
    return tuple(slice(int(axis.min()), int(axis.max()) + 1) if axis.size else slice(0, 1) for axis in found)


def _frequencies(voxels: int, samples: int, places: int, number: int) -> np.ndarray:
    """Return what every voxel adds to every place, float64 (voxels, places), by n = `number` frequencies.

    Σ exp(iθk) over −n/2 ≤ k ≤ n/2, the ends counting half if n is even, is sin(nθ/2)·cos(θ/2)/sin(θ/2); without the cosine if
    n is odd.
    """
    place = np.arange(places) - places // 2
    theta = 2 * np.pi * (place / samples - (np.arange(voxels)[:, None] - voxels // 2) / voxels)
    slope = np.sin(theta / 2)
    close = np.abs(slope) < 1e-9
    kernel = np.sin(number * theta / 2) / np.where(close, 1, slope)
    if number % 2 == 0:
        kernel *= np.cos(theta / 2)
    within = (place >= -(samples // 2)) & (place < samples - samples // 2)
    # θ is a multiple of 2π where it is close
    return np.where(close, number, kernel) * within / voxels


def interpolated(volume: np.ndarray, step: np.ndarray | float, shape: tuple[int, ...]) -> np.ndarray:
    """Return a real volume on voxels `step` times as large, by linear interpolation about the centre.

    Shapes go this way, as Fourier resampling rings around an edge.
    """
    step = np.broadcast_to(step, 3)
    origin = np.array(volume.shape) // 2 - step * (np.array(shape) // 2)
    found = torch.from_numpy(volume.astype(np.float32, copy=False))
    for first, along, side in zip(
        origin, step, shape, strict=True
    ):  # takes the first axis, leaves it as the last
        weights = _linear(len(found), first + along * np.arange(side))
        found = torch.tensordot(found, torch.from_numpy(weights), ([0], [0]))
    return found.numpy()


def _linear(voxels: int, places: np.ndarray) -> np.ndarray:
    """Return the weights (voxels, places) of linear interpolation; beyond the outermost voxels there is nothing."""
    weights = np.maximum(0, 1 - np.abs(np.arange(voxels)[:, None] - places))
    return (weights * ((places >= 0) & (places <= voxels - 1))).astype(np.float32)


def on_grid(
    starts: Starts, shape: tuple[int, ...], samples: tuple[int, ...] | None = None, covering: float = 0.5
) -> Starts:
    """Return starts on a grid of `shape`, cut by their supports.

    Parameters
    ----------
    starts
        Of any shape.
    shape
        What is wanted.
    samples
        Voxels of their field of view that are wanted, of which the grid has those about the centre; None: `shape`.
    covering
        How much of a voxel a support must fill for the voxel to belong to it.
    """
    samples = samples or shape
    step = np.array(starts.supports.shape[1:]) / samples
    supports = np.stack([interpolated(one, step, shape) >= covering for one in starts.supports])
    pairs = zip(starts.objects, supports, strict=True)
    return Starts(np.stack([regrid(one, samples, shape, inside) for one, inside in pairs]), supports)

"""Ways between a scan's own grid, the window that a network sees, and the small grid on which its guesses are polished.

All are Fourier resampling.  The intensity of a crystal of finite size is band-limited, its spectrum being the autocorrelation;
cropping or padding the autocorrelation from N to P voxels gives the same pattern sampled at P points, without loss as long as P
covers twice the crystal.  P is chosen so that the crystal comes to the oversampling the network was trained on, and then the
middle points of reciprocal space are taken.  Objects go back the same way.
"""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from ..phasing.grids import interpolated, resampled
from ..phasing.workers import short, threads
from ..preparation import fill_gaps
from .physics import EXTENT, WINDOW

Shape = tuple[int, int, int]
_SIDES = (8, 10, 12, 14, 16, 18, 20, 24, 28, 30, 32, 36, 40, 42, 48, 50, 54, 56, 60, WINDOW)
"""Even, of the primes 2, 3, 5 and 7."""


def window_samples(
    shape: tuple[int, ...], oversampling: tuple[float, ...], window: int = WINDOW, extent: float = EXTENT
) -> Shape:
    """Return the numbers P of samples of the measured q range that bring the crystal to `extent` voxels of a window."""
    wanted = (round(n / s * window / extent) for n, s in zip(shape, oversampling, strict=True))
    return tuple(max(8, p) for p in wanted)  # type: ignore[return-value]


def measured_part(samples: Shape, most: int = WINDOW) -> Shape:
    """Return the shape of the window's measured part, even sides of at most `most` voxels that are quick to transform.

    A finely sampled scan does not fill the window: to phase what lies beyond its edge would be to invent a resolution that
    was not measured, and on strained crystals that freedom is fatal.
    """
    return tuple(max(side for side in _SIDES if side <= max(min(p, most), _SIDES[0])) for p in samples)  # type: ignore[return-value]


def to_window(
    counts: np.ndarray,
    good: np.ndarray,
    samples: Shape,
    device: torch.device,
    shape: Shape = (WINDOW,) * 3,
    *,
    coarse: bool = False,
) -> Tensor:
    """Return the counts as a window of `shape` shows them, masked voxels filled in.

    Parameters
    ----------
    counts, good
        float32 and bool (N0, N1, N2).
    samples
        From `window_samples`.
    device
        Where the network is.
    shape
        Sides of the window; beyond the measured q range it holds zeros.
    coarse
        The crystal comes to an oversampling below 2: its autocorrelation is wider than the samples, and folds.
    """
    with threads(1) if short(counts.size) else nullcontext():
        filled = torch.as_tensor(counts if good.all() else fill_gaps(counts, good), device=device)
        return resampled(filled, samples, shape, folded=coarse).clamp_min(0)


def carried(volume: np.ndarray, samples: Shape, shape: Shape, onto: Shape | None = None) -> np.ndarray:
    """Return a real volume of one window on the grid of another, or on the scan's own.

    Parameters
    ----------
    volume
        float (M0, M1, M2).
    samples
        Of the volume's window.
    shape
        Of the result.
    onto
        Samples of the result's window; None: the scan's own voxels.
    """
    step = np.array(volume.shape) / samples * (1 if onto is None else np.array(onto) / shape)
    return interpolated(volume, step, shape)


def measured(good: np.ndarray, samples: Shape, shape: Shape) -> np.ndarray:
    """Return which voxels of a window of `shape` were measured, by the nearest voxel of the scan."""
    for axis, (n, p, m) in enumerate(zip(good.shape, samples, shape, strict=True)):
        nearest = np.rint((np.arange(m) - m // 2) * n / p).astype(int) + n // 2
        inside = (nearest >= 0) & (nearest < n)
        good = np.take(good, np.clip(nearest, 0, n - 1), axis) & np.expand_dims(
            inside, tuple(a for a in range(3) if a != axis)
        )
    return good

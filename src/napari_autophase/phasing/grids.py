"""Finer or coarser voxels in the same field of view: a larger or smaller middle part of reciprocal space.

Everything here is centred: index ``n // 2`` is the middle of an object and the zero frequency.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .batch import Starts
from .crew import threads
from .diffraction import AXES, back_propagate, propagate


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


def regrid(found: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return an object on finer or coarser voxels of the same field of view, its amplitudes as they were."""
    if found.shape[-3:] == shape:
        return found
    field = fit(propagate(found), shape)
    return back_propagate(field) * float(np.prod(shape) / np.prod(found.shape[-3:]))


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


def on_grid(starts: Starts, shape: tuple[int, ...]) -> Starts:
    """Return starts on a grid of `shape` over the same field of view, cut by their supports."""
    step = np.array(starts.supports.shape[1:]) / shape
    supports = np.stack([interpolated(one, step, shape) >= 0.5 for one in starts.supports])
    with threads(1):  # shared by threads, short work waits for whatever else the computer does
        objects = np.stack([regrid(torch.from_numpy(one), shape).numpy() for one in starts.objects])
    return Starts(objects * supports, supports)

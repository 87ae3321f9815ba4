"""The convolution of real volumes with what has a real transform, as partly coherent light blurs intensities; see `blur`.

A volume goes through the stages of an iteration, but that `stages.multiply` stands in the place of `stages.project`.
"""

from __future__ import annotations

import numpy as np
import torch

from . import stages, threads
from .box import Box
from .layout import aligned, column_order


class Convolution:
    """What blurs volumes of one shape.

    Parameters
    ----------
    degree
        float32 (N0, N1, N2 // 2 + 1): what the half spectrum is multiplied by, the same at opposite frequencies.
    shape
        N0, N1, N2.
    """

    def __init__(self, degree: np.ndarray, shape: tuple[int, ...]) -> None:
        factors = column_order(_whole(degree, shape))
        self._volume = np.zeros(shape, np.complex64)
        self._box = _Weighed(self._volume, np.ones(shape, bool), factors, shape)

    def __call__(self, volume: torch.Tensor) -> torch.Tensor:
        """Return volumes, float32 (..., N0, N1, N2), blurred."""
        found = torch.empty(volume.shape)
        shape = self._volume.shape
        for one, blurred in zip(volume.reshape(-1, *shape), found.view(-1, *shape), strict=True):
            self._volume.real, self._volume.imag = one.numpy(), 0
            self._box.weigh()
            blurred.numpy()[...] = self._volume.real
        return found


class _Weighed(Box):
    """A volume whose transform is multiplied by real factors, which stand in the place of a modulus."""

    def weigh(self) -> None:
        if self._field is None:
            self._field = aligned(self._size)
        field, (b0, n0, rows, *plan) = self._field, self._outer
        how = np.float32(1 / self._voxels), b0, n0, rows, self._inner[4], *plan

        def do(first: int, last: int) -> None:
            stages.multiply(field, self._modulus, aligned(self._room), *how, first, last)

        self.out(self.part, field)
        threads.in_slabs(do, self._groups, self._voxels)
        self.back(field, self.part)


def _whole(half: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return all of a real spectrum that is the same at opposite frequencies, from the half of it."""
    whole = np.empty(shape, np.float32)
    there = half.shape[2]
    whole[..., :there] = half
    opposite = np.ix_(*(-np.arange(n) % n for n in shape[:2]), shape[2] - np.arange(there, shape[2]))
    whole[..., there:] = half[opposite]
    return whole

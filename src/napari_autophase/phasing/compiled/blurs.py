"""What blurs intensities as partly coherent light does, see `blur`: by short kernels, or by transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from ..blurring import FLOOR, LARGEST, Blurring
from . import short, stages, threads
from .box import Box
from .layout import LANES, aligned, column_order

_NOTHING = np.zeros(1, np.float32)
_WORK = 4
"""How much more is done with a voxel by short kernels than in other passes over a volume."""


class TransformedBlurring(Blurring):
    """A blur by any kernel that is the same at opposite places.

    A volume goes through the stages of an iteration, but that `stages.multiply` stands in the place of `stages.project`.

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


class ShortBlurring(Blurring):
    """A blur by short kernels.

    Parameters
    ----------
    kernels
        float32 (3, REACH + 1): of each axis the weights of a place itself and of those 1, 2, … away, to either side.
    shape
        N0, N1, N2.
    """

    def __init__(self, kernels: np.ndarray, shape: tuple[int, ...]) -> None:
        assert kernels.shape == (3, short.REACH + 1)
        n0, n1, n2 = self._shape = shape
        self._row = -(-n2 // LANES) * LANES
        self._kernels = np.ascontiguousarray(kernels, np.float32)
        self._begins = np.arange(-short.REACH, n0 + short.REACH) % n0 * (n1 * self._row)
        self._one, self._other = (aligned(n0 * n1 * self._row) for _ in range(2))

    def __call__(self, volume: torch.Tensor) -> torch.Tensor:
        """Return volumes, float32 (..., N0, N1, N2), blurred."""
        found = torch.empty(volume.shape)
        pairs = zip(volume.reshape(-1, *self._shape), found.view(-1, *self._shape), strict=True)
        for one, blurred in pairs:
            flat = self._flat(one)
            self._planes(short.along_planes, flat, self._one)
            self._planes(short.across_planes, self._one, self._other)
            blurred[...] = self._volume(self._other)
        return found

    def explain(
        self,
        light: torch.Tensor,
        counts: torch.Tensor,
        dark: torch.Tensor | None,
        weight: torch.Tensor | None,
        lengths: Sequence[float],
    ) -> torch.Tensor:
        """Return coherent intensities that explain counts better, see `Blurring.explain`."""
        seen = self._flat(counts)
        background = _NOTHING if dark is None else self._flat(dark) if dark.ndim else dark.view(1).numpy()
        share = _NOTHING if weight is None else self._flat(weight)
        explained = torch.empty(light.shape)
        pairs = zip(light.reshape(-1, *self._shape), explained.view(-1, *self._shape), strict=True)
        for one, better in pairs:
            found = self._flat(one).copy()
            self._planes(short.along_planes, found, self._one)
            for number, length in enumerate(lengths, 1):
                bounds = np.array([FLOOR, LARGEST, length], np.float32)
                self._planes(short.compare_planes, self._one, self._other, seen, background, bounds)
                last = number == len(lengths)
                self._planes(short.raise_planes, self._other, self._one, found, share, bounds, last)
            better[...] = self._volume(found)
        return explained

    def _planes(self, do: Callable[..., None], *given: object) -> None:
        """Have the planes of a volume done."""
        n0, n1, n2 = self._shape
        how = self._begins, self._kernels, n1, n2, self._row

        def work(first: int, last: int) -> None:
            do(*given, *how, aligned((n1 + 2 * short.REACH + 1) * self._row + 4 * LANES), first, last)

        threads.in_slabs(work, n0, _WORK * n0 * n1 * n2)

    def _flat(self, volume: torch.Tensor) -> np.ndarray:
        """Return the numbers of a volume, in rows of a multiple of eight."""
        more = self._row - self._shape[2]
        full = torch.nn.functional.pad(volume, (0, more)) if more else volume.contiguous()
        numbers: np.ndarray = full.view(-1).numpy()
        return numbers

    def _volume(self, numbers: np.ndarray) -> torch.Tensor:
        n0, n1, n2 = self._shape
        return torch.from_numpy(numbers).view(n0, n1, self._row)[..., :n2]


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

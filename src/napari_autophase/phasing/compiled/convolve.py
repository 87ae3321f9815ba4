"""The convolution of real volumes with what has a real transform, as partly coherent light blurs intensities; see `blur`.

A volume goes through the stages of an iteration: `stages.planes` out, then a few lines at a time along the first axis, there and
back, and `stages.planes` back.  Between there and back every frequency is multiplied by a number instead of projected.
"""

from __future__ import annotations

import numpy as np
import torch

from ..blur import Blur
from . import threads
from .box import Box
from .fft import ROW, transform
from .jit import compiled
from .layout import aligned, column_order
from .simd import LANES, load, pointer, store
from .stages import GROUP, fetch, project_memory, put_back


@compiled("void(f4[::1], f4[::1], f4[::1], f4, i8, i8, i8, i8, i8[:,::1], f4[::1], i8, i8)")
def multiply(
    field: np.ndarray,
    factors: np.ndarray,
    memory: np.ndarray,
    scale: np.float32,
    b0: int,
    side0: int,
    rows: int,
    stride: int,
    steps: np.ndarray,
    table: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Transform the first axis, multiply by factors, and go back, in place: groups `first` to `last` of the `rows` of a plane.

    The factors, from `layout.column_order`, are multiplied by `scale` themselves.  `memory` has as many numbers as
    `project_memory` says.
    """
    size = side0 * ROW
    other, spare, _ = project_memory(side0)
    f, m, a, t = pointer(field), pointer(factors), pointer(memory), pointer(table)
    number, w, scratch = len(steps), pointer(steps), pointer(memory[spare:])
    for group in range(first, last):
        begin = group * GROUP
        count = min(GROUP, rows - begin)
        fetch(f, begin * ROW, count, stride, b0, size, a, 0)
        for c in range(count):
            here, there, at = c * size, other, (begin + c) * side0 * LANES
            if transform(a, here, a, there, number, w, t, scratch):
                here, there = there, here
            for n in range(side0):
                i, factor = here + n * ROW, load(m, at + n * LANES) * scale
                re, im = load(a, i) * factor, load(a, i + LANES) * factor
                # having changed places they are transformed back
                store(a, i, im)
                store(a, i + LANES, re)
            transform(a, here, a, there, number, w, t, scratch)
        put_back(a, 0, size, f, begin * ROW, count, stride, b0)


class Convolution:
    """What blurs volumes of one shape.

    Parameters
    ----------
    blur
        What partly coherent light does.
    shape
        N0, N1, N2.
    """

    def __init__(self, blur: Blur, shape: tuple[int, ...]) -> None:
        degree = _whole(blur.degree(shape, torch.device("cpu")).numpy(), shape)
        self._volume = np.zeros(shape, np.complex64)
        self._box = _Weighed(self._volume, np.ones(shape, bool), column_order(degree), shape)

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
            multiply(field, self._modulus, aligned(self._room), *how, first, last)

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

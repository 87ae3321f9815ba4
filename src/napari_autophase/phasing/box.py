"""Iterations of ER, HIO and RAAR on a CPU, for less than two Fourier transforms of the whole volume.

A few lines at a time, the field of the object's planes is transformed along the first axis, gets the measured modulus, and is
transformed back.  Then plane after plane goes through the processor's cache: back along its last two axes, to the support, and
out again along these axes for the next iteration.  So the field is read and written twice in all, where transforms and
projections one after the other need ten times, and nothing of the volume's size is needed but the object and the field.

Between two iterations of ER the object is zero outside its support, and of what comes back only the support is kept: then the
object is no more than the box around it, most of its planes and lines need not be transformed at all, and the field has as many
planes as the box.  The box begins at place 0, wherever the support is: the field is that of the object moved, which the modulus
projection does not see.

Every plane and line is computed in the same way and order by any number of threads, which go through many iterations without
meeting anybody but each other.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from . import slabs
from .algorithm import Feedback
from .slabs import together

Span = tuple[int, int]
"""First place (FFT order, wrapping around) and number of places of a box along an axis."""

_LANES = 8
_MOST = 0.5
"""A box with more than this fraction of the volume is not worth the memory of a copy."""


class Box:
    """An object that iterates, with its field, in a volume that is empty elsewhere.

    Parameters
    ----------
    part, support
        complex64 and bool (B0, B1, B2), C-contiguous, of at most N0, N1, N2 places: iterated in place, and where it may be.
    modulus
        From `column_order`.
    shape
        N0, N1, N2.

    Raises
    ------
    ValueError
        If the part is not contiguous: a copy would iterate in its place.
    """

    def __init__(
        self, part: np.ndarray, support: np.ndarray, modulus: np.ndarray, shape: tuple[int, ...]
    ) -> None:
        if not part.flags.c_contiguous:
            raise ValueError("what iterates in a box must be contiguous")
        self.part, self._support = part, np.ascontiguousarray(support)
        self._modulus = modulus.reshape(-1)
        self._field: np.ndarray | None = None
        self._compiled = compiled = kernels()
        parts, lines = compiled.parts, compiled.lines
        (n0, n1, n2), (b0, b1, b2) = shape, part.shape
        self._voxels = math.prod(shape)
        rows, stride = plane_size(shape)
        self._groups, self._size = -(-rows // parts.GROUP), b0 * stride
        self._reached = support.any(2).view(np.uint8).reshape(-1), int(np.count_nonzero(support))
        self._power = np.empty(b0)
        self._inner = b1, b2, n1, n2, stride, *lines.plan(n1), *lines.plan(n2)
        self._outer = b0, n0, rows, *lines.plan(n0)
        self._room = max(parts.planes_memory.py_func(b2, n1, n2)[-1], parts.project_memory.py_func(n0)[-1])

    def iterate(self, rule: Feedback, count: int = 1, again: bool = True) -> np.ndarray:
        """Do `count` iterations.

        Parameters
        ----------
        rule
            What becomes of the object outside its support.
        count
            How many.
        again
            Whether more follow, for which the field is kept.

        Returns
        -------
        np.ndarray
            float64 (count,): Σ(|F| − modulus)² over the fitted pixels before each.
        """
        begin = self._field is None
        if self._field is None:
            self._field = aligned(self._size)
        field, misfits, state = self._field, np.empty((count, self._groups)), np.zeros(32, np.int64)
        volume, support = self.part.view(np.float32).reshape(-1), self._support.view(np.uint8).reshape(-1)
        parts = field, volume, support, *self._reached, self._modulus, misfits, self._power
        how = (
            begin,
            again,
            np.float32(rule.keep),
            np.float32(rule.add),
            rule.even,
            *self._inner,
            np.float32(1 / self._voxels),
            *self._outer,
        )

        def join(slabs: int) -> None:
            self._compiled.iterations.iterate(*parts, aligned(self._room), state, count, slabs, *how)

        together(join, self._voxels)
        if not again:
            self._field = None
        return misfits.sum(1)

    def sums(self, floor: float, deviances: bool) -> np.ndarray:
        """Return what `sums.Sums` has, float64 (5,), for a modulus whose held-out pixels are −2 − √counts.

        Parameters
        ----------
        floor
            The least expected count.
        deviances
            Whether they are wanted.
        """
        field, found, (b0, n0, rows, *plan) = aligned(self._size), np.empty((self._groups, 5)), self._outer
        self.out(self.part, field)

        def add_up(first: int, last: int) -> None:
            how = np.float32(floor), deviances, b0, n0, rows, self._inner[4], *plan
            self._compiled.sums.add_up(field, self._modulus, found, aligned(self._room), *how, first, last)

        slabs.in_slabs(add_up, self._groups, self._voxels)
        return found.sum(0)

    def out(self, part: np.ndarray, field: np.ndarray) -> None:
        """Let `field` become that of something in the box, its last two axes transformed."""
        self._planes(field, part, back=False)

    def back(self, field: np.ndarray, part: np.ndarray) -> None:
        """Transform the last two axes of a field back, and let `part` become what comes of it inside the support."""
        self._planes(field, part, back=True)

    def _planes(self, field: np.ndarray, part: np.ndarray, back: bool) -> None:
        volume, support = part.view(np.float32).reshape(-1), self._support.view(np.uint8).reshape(-1)
        ways, none = (back, not back), np.float32(0)

        def do(first: int, last: int) -> None:
            self._compiled.parts.planes(
                field, volume, support, aligned(self._room), none, none, *ways, *self._inner, first, last
            )

        slabs.in_slabs(do, self._outer[0], self._voxels)


class Confined(Box):
    """A volume that is zero outside its support, and remains so, as between iterations of ER: the box around the support.

    Parameters
    ----------
    volume, support
        complex64 and bool (N0, N1, N2), FFT order.
    modulus
        From `column_order`.
    """

    def __init__(self, volume: np.ndarray, support: np.ndarray, modulus: np.ndarray) -> None:
        self._whole, self._places = volume, np.ix_(*places(support))
        self._apart = math.prod(len(axis.flat) for axis in self._places) <= _MOST * volume.size
        part, inside = (of[self._places] if self._apart else of for of in (volume, support))
        super().__init__(np.ascontiguousarray(part) if self._apart else part, inside, modulus, volume.shape)

    def put(self) -> None:
        """Write the object into the volume that it came from."""
        if self._apart:
            self._whole[self._places] = self.part


def places(filled: np.ndarray) -> list[np.ndarray]:
    """Return the places of the smallest box around a support, bool (N0, N1, N2) in FFT order, along every axis.

    The last axis has a multiple of eight places, if there are as many.
    """
    lines, plane = np.asarray(filled.any(2)), np.asarray(filled.any(0))
    spans = [_span(np.asarray(axis)) for axis in (lines.any(1), plane.any(1), plane.any(0))]
    first, width = spans[2]
    spans[2] = first, min(-(-width // _LANES) * _LANES, filled.shape[2])
    return [
        (first + np.arange(width)) % side for (first, width), side in zip(spans, filled.shape, strict=True)
    ]


def _span(filled: np.ndarray) -> Span:
    side, places = filled.size, np.flatnonzero(filled)
    if places.size == 0:
        return 0, 1
    gaps = np.diff(places, append=places[0] + side)
    widest = int(gaps.argmax())
    return int(places[(widest + 1) % places.size]), side - int(gaps[widest]) + 1


def column_order(modulus: torch.Tensor) -> np.ndarray:
    """Return a modulus in FFT order as `Box` needs it: (K·N2, N0, 8), the second axis in K bands, free where there is none."""
    n0, n1, n2 = modulus.shape
    bands = -(-n1 // _LANES)
    padded = torch.nn.functional.pad(modulus, (0, 0, 0, bands * _LANES - n1), value=-1.0)
    return padded.view(n0, bands, _LANES, n2).permute(1, 3, 0, 2).contiguous().numpy()


def plane_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many rows a plane of the field has, and how many float32 numbers lie between planes.

    A little more than the rows: else all planes of many volumes would compete for the same places of the caches.
    """
    rows = -(-shape[1] // _LANES) * shape[2]
    return rows, (rows + 4) * 2 * _LANES


def aligned(size: int) -> np.ndarray:
    """Return float32 numbers, not set, that begin where a line of the caches does, so that no row lies in two of them."""
    numbers = np.empty(size + 2 * _LANES, np.float32)  # large ones get large pages from NumPy, unlike torch's
    begin = -numbers.ctypes.data % 64 // 4
    return numbers[begin : begin + size]


class Kernels(NamedTuple):
    """The modules of compiled functions."""

    iterations: Any
    parts: Any
    sums: Any
    lines: Any


def kernels() -> Any:
    """Return `Kernels` (seconds the first time on a computer), or None where numba cannot be used."""
    if not slabs.can_compile():
        return None
    from . import box_iterations, box_kernels, box_sums, lines

    return Kernels(box_iterations, box_kernels, box_sums, lines)

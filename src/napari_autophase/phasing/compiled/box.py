"""An object in a box that is iterated, for less than two Fourier transforms of the whole volume.

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

import numpy as np

from ..iterations import Relaxation
from . import fft, intensity, iterate, stages, sums, threads
from .layout import LANES, aligned, places, plane_size

_MOST = 0.5
"""A box with more than this fraction of the volume is not worth the memory of a copy."""


class Box:
    """An object that iterates, with its field, in a volume that is empty elsewhere.

    Parameters
    ----------
    part, support
        complex64 and bool (B0, B1, B2), C-contiguous, of at most N0, N1, N2 places: iterated in place, and where it may be.
    modulus
        From `layout.column_order`.
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
        (n0, n1, n2), (b0, b1, b2) = shape, part.shape
        self._voxels = math.prod(shape)
        rows, stride = plane_size(shape)
        self._groups, self._size = -(-rows // stages.GROUP), b0 * stride
        self._reached = support.any(2).view(np.uint8).reshape(-1), int(np.count_nonzero(support))
        self._power = np.empty(b0)
        self._inner = b1, b2, n1, n2, stride, *fft.plan(n1), *fft.plan(n2)
        self._outer = b0, n0, rows, *fft.plan(n0)
        self._room = max(stages.planes_memory.py_func(b2, n1, n2)[-1], stages.project_memory.py_func(n0)[-1])

    def iterate(self, rule: Relaxation, count: int = 1, again: bool = True) -> np.ndarray:
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
        field, squared_errors, state = self._field, np.empty((count, self._groups)), np.zeros(32, np.int64)
        volume, support = self.part.view(np.float32).reshape(-1), self._support.view(np.uint8).reshape(-1)
        arrays = field, volume, support, *self._reached, self._modulus, squared_errors, self._power
        how = (
            begin,
            again,
            np.float32(rule.keep),
            np.float32(rule.add),
            rule.uniform,
            *self._inner,
            np.float32(1 / self._voxels),
            *self._outer,
        )

        def join(slabs: int) -> None:
            iterate.iterate(*arrays, aligned(self._room), state, count, slabs, *how)

        threads.together(join, self._voxels)
        if not again:
            self._field = None
        return squared_errors.sum(1)

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
            sums.add_up(field, self._modulus, found, aligned(self._room), *how, first, last)

        threads.in_slabs(add_up, self._groups, self._voxels)
        return found.sum(0)

    def intensity(self, found: np.ndarray) -> None:
        """Let `found`, float32 (N0, N1, N2), C-contiguous, become |F|² of the object inside its support."""
        field, (b0, n0, _, *plan), (_, _, n1, n2, stride, *_) = aligned(self._size), self._outer, self._inner
        self.out(self.part * self._support, field)
        volume, room = found.reshape(-1), intensity.intensity_memory.py_func(n0)[-1]

        def square(first: int, last: int) -> None:
            intensity.intensity(field, volume, aligned(room), b0, n0, n1, n2, stride, *plan, first, last)

        threads.in_slabs(square, -(-n1 // LANES) * -(-n2 // LANES), self._voxels)

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
            stages.planes(
                field, volume, support, aligned(self._room), none, none, *ways, *self._inner, first, last
            )

        threads.in_slabs(do, self._outer[0], self._voxels)


class SupportBox(Box):
    """A volume that is zero outside its support, and remains so, as between iterations of ER: the box around the support.

    Parameters
    ----------
    volume, support
        complex64 and bool (N0, N1, N2), FFT order.
    modulus
        From `layout.column_order`.
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

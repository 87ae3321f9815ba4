"""Iterations of ER, HIO and RAAR on a CPU, for less than two Fourier transforms of the whole volume.

Plane after plane the object goes through the processor's cache and is transformed along its last two axes; then, a few lines at
a time, what that makes of it is transformed along the first axis, gets the measured modulus, and is transformed back; last come
the planes again, together with the support.  So the field is read and written three times in all, where transforms and
projections one after the other need ten, and nothing of the volume's size is needed but the object and the field.

Between two iterations of ER the object is zero outside its support, and of what comes back only the support is kept: then the
object is no more than the box around it, most of its planes and lines need not be transformed at all, and the field has as many
planes as the box.  The box begins at place 0, wherever the support is: the field is that of the object moved, which the modulus
projection does not see.

Every plane and line is computed in the same way and order by any number of threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from . import passes
from .algorithm import Feedback
from .passes import in_slabs

Span = tuple[int, int]
"""First place (FFT order, wrapping around) and number of places of a box along an axis."""

_LANES = 8
_MOST = 0.5
"""A box with more than this fraction of the volume is not worth the memory of a copy."""
_HEAVIER = 4
"""How much more a voxel costs here than in one of the passes."""


class Box:
    """An object that iterates, or the part of it that is not zero.

    Parameters
    ----------
    volume, support
        complex64 and bool or uint8 (B0, B1, B2), contiguous: the places 0 … B − 1 of every axis, zero elsewhere.
    modulus
        From `column_order`.
    shape
        That of the whole volume, (N0, N1, N2).

    Raises
    ------
    ValueError
        If the volume is not contiguous: a copy would iterate in its place.
    """

    def __init__(
        self, volume: np.ndarray, support: np.ndarray, modulus: np.ndarray, shape: tuple[int, ...]
    ) -> None:
        if not volume.flags.c_contiguous:
            raise ValueError("the volume of a box must be contiguous")
        self.volume, self._shape = volume, shape
        self._support, self._modulus = support.view(np.uint8).reshape(-1), modulus.reshape(-1)

    def step(self, rule: Feedback, field: np.ndarray, projected: np.ndarray | None = None) -> float:
        """Do one iteration.

        Parameters
        ----------
        rule
            What becomes of the object outside its support.
        field
            float32, at least `field_size` numbers, overwritten.
        projected
            complex64, like the volume: if given, the modulus projection goes here, and the volume stays as it is.

        Returns
        -------
        float
            Σ(|F| − modulus)² over the fitted pixels before it.
        """
        compiled, lines = kernels()
        (n0, n1, n2), (b0, b1, b2) = self._shape, self.volume.shape
        first, second, third = (lines.plan(side) for side in self._shape)
        rows, stride = plane_size(self._shape)
        groups = -(-rows // compiled.GROUP)
        misfits, scale = np.empty(groups), np.float32(1 / math.prod(self._shape))
        keep, add = (np.float32(rule.keep), np.float32(rule.add)) if projected is None else (0, 1)
        before = self.volume.view(np.float32).reshape(-1)
        after = before if projected is None else projected.view(np.float32).reshape(-1)
        planes = b1, b2, n1, n2, stride, *second, *third
        work = _HEAVIER * b0 * n1 * n2
        in_slabs(lambda i, j: compiled.outward(before, field, *planes, i, j), b0, work)
        in_slabs(
            lambda i, j: compiled.project(
                field, self._modulus, misfits, scale, b0, n0, rows, stride, *first, i, j
            ),
            groups,
            _HEAVIER * math.prod(self._shape),
        )
        in_slabs(
            lambda i, j: compiled.inward(field, before, self._support, after, keep, add, *planes, i, j),
            b0,
            work,
        )
        return float(misfits.sum())


class Part:
    """The part of an object inside the box around its support, between iterations of ER; all of it where that is most of it.

    Parameters
    ----------
    volume, support
        complex64 and bool (N0, N1, N2), FFT order; the object is zero outside its support.
    modulus
        From `column_order`.
    """

    def __init__(self, volume: torch.Tensor, support: torch.Tensor, modulus: np.ndarray) -> None:
        self._whole, self._places = volume.numpy(), np.ix_(*_places(support))
        self._apart = math.prod(len(axis.flat) for axis in self._places) <= _MOST * volume.numel()
        part, inside = self._whole, support.numpy()
        if self._apart:
            part, inside = (np.ascontiguousarray(of[self._places]) for of in (part, inside))
        self.box = Box(part, inside, modulus, volume.shape)

    def put(self) -> None:
        """Write the object into the volume that it came from."""
        if self._apart:
            self._whole[self._places] = self.box.volume


def _places(support: torch.Tensor) -> list[np.ndarray]:
    """Return the places of the smallest box around a support, bool (N0, N1, N2) in FFT order, along every axis.

    The last axis has a multiple of eight places, if there are as many.
    """
    lines, plane = support.any(2), support.any(0)
    spans = [_span(filled.numpy()) for filled in (lines.any(1), plane.any(1), plane.any(0))]
    first, width = spans[2]
    spans[2] = first, min(-(-width // _LANES) * _LANES, support.shape[2])
    return [
        (first + np.arange(width)) % side for (first, width), side in zip(spans, support.shape, strict=True)
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


def field_size(shape: tuple[int, ...]) -> int:
    """Return how many float32 numbers the field of a volume of `shape` has."""
    return shape[0] * plane_size(shape)[1]


def kernels() -> Any:
    """Return `box_kernels` and `lines`, compiled (seconds the first time on a computer), or None where numba cannot be used."""
    if not passes.can_compile():
        return None
    from . import box_kernels, lines

    return box_kernels, lines

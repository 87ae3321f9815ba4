"""Error reduction inside the box around a support, for less than two Fourier transforms of the whole volume.

Between two iterations of ER the object is zero outside its support, and of what the inverse transform gives only the support is
kept.  Taking one axis after the other, most lines are therefore zero or of no interest; what is left of a transform, from the
few places of the box to all frequencies, is done as a product with a small matrix (see `box_kernels`).  The last two axes and the
modulus projection between them go slab by slab through the processor's cache: a field of the whole volume never exists, and
sizes with large prime factors cost no more than others.

The numbers are those of the transforms to rounding: the field is that of the object moved by a part of a voxel, which the
modulus projection does not see.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from . import passes
from .passes import in_slabs

Span = tuple[int, int]
"""First place (FFT order, wrapping around) and even number of places of a box along an axis."""

_PER_VOXEL, _PER_PRODUCT, _PER_LEVEL = 5.0, 0.09, 0.75
"""What a voxel, a multiplication and a level of a transform cost, in ns, on the processor that this was measured on."""

_HEAVIER = 4
"""How much more a voxel costs here than in one of the passes."""


class Box:
    """One object between two iterations of ER.

    Parameters
    ----------
    volume, support
        complex64 and bool (N0, N1, N2), FFT order; the object is zero outside its support.
    spans
        From `spans`, such that `pays`.
    modulus
        From `slab_order`.
    """

    def __init__(
        self, volume: torch.Tensor, support: torch.Tensor, spans: tuple[Span, ...], modulus: np.ndarray
    ) -> None:
        shape = volume.shape
        self._places = np.ix_(*(mirrored(*span, side) for span, side in zip(spans, shape, strict=True)))
        self._modulus = modulus
        inside = volume.numpy()[self._places]
        self._box = np.ascontiguousarray(np.stack([inside.real, inside.imag], 2))
        self._support = np.ascontiguousarray(support.numpy()[self._places]).view(np.uint8)
        self._slabs = np.empty((shape[0], *self._box.shape[1:]), np.float32)
        self._out = [m for n, (_, b) in zip(shape, spans, strict=True) for m in matrices(n, b)]
        back = [np.ascontiguousarray(m.T) for m in self._out]
        scale = np.float32(1 / math.prod(shape))  # of the inverse transform
        self._back = [back[0] * scale, back[1] * scale, *back[2:]]

    def step(self) -> float:
        """Do one iteration of ER; returns Σ(|F| − modulus)² over the fitted pixels before it."""
        compiled, rows = kernels(), self._box.shape[1]
        misfits = np.empty(len(self._slabs))
        work = _HEAVIER * self._modulus.size
        in_slabs(lambda i, j: compiled.outward(self._box, self._slabs, *self._out[:2], i, j), rows, work)
        in_slabs(
            lambda i, j: compiled.project(
                self._slabs, *self._out[2:], *self._back[2:], self._modulus, misfits, i, j
            ),
            len(self._slabs),
            work,
        )
        in_slabs(
            lambda i, j: compiled.inward(self._slabs, self._box, *self._back[:2], self._support, i, j),
            rows,
            work,
        )
        return float(misfits.sum())

    def put(self, volume: torch.Tensor) -> None:
        """Write the object into the volume that it came from."""
        volume.numpy()[self._places] = self._box[:, :, 0] + 1j * self._box[:, :, 1]


def spans(support: torch.Tensor) -> tuple[Span, ...]:
    """Return the smallest box with even sides around a support, bool (N0, N1, N2) in FFT order."""
    lines, plane = support.any(2), support.any(0)
    return tuple(_span(filled.numpy()) for filled in (lines.any(1), plane.any(1), plane.any(0)))


def _span(filled: np.ndarray) -> Span:
    side, places = filled.size, np.flatnonzero(filled)
    if places.size == 0:
        return 0, 2
    gaps = np.diff(places, append=places[0] + side)
    widest = int(gaps.argmax())
    first = int(places[(widest + 1) % places.size])
    width = side - int(gaps[widest]) + 1
    return first, width + width % 2


def pays(shape: tuple[int, ...], spans: tuple[Span, ...]) -> bool:
    """Say whether ER in a box is worth while; a matter of sizes alone, so that a run repeated takes the same way."""
    if kernels() is None or any(b > n for n, (_, b) in zip(shape, spans, strict=True)):
        return False
    (n0, n1, n2), (b0, b1, b2) = shape, (width for _, width in spans)
    products = n0 * b0 * b1 * b2 + n0 * n1 * b1 * b2 + n0 * n1 * n2 * b2
    voxels = math.prod(shape)
    levels = sum(math.log2(n) * _roughness(n) for n in shape)
    return _PER_VOXEL * voxels + _PER_PRODUCT * products < _PER_LEVEL * levels * voxels


def _roughness(side: int) -> float:
    """Return how much more a transform costs for the largest prime factor of its length (measured with MKL)."""
    rest = side
    for prime in (2, 3, 5, 7):
        while rest % prime == 0:
            rest //= prime
    return 1.0 if rest == 1 else 1.8 if rest in (11, 13) else 3.5


def matrices(side: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cos and sin of 2πkx/N, float32 (N // 2 + 1, B / 2), for k = 0, 1, 2, … and the places x = ½, 3/2, …."""
    angle = 2 * np.pi / side * np.outer(np.arange(side // 2 + 1), np.arange(width // 2) + 0.5)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def mirrored(first: int, width: int, side: int) -> np.ndarray:
    """Return the places of a span from its middle outwards: first those ahead, then those behind."""
    ahead = np.arange(width // 2, width)
    return (first + np.concatenate([ahead, width - 1 - ahead])) % side


def paired(side: int) -> np.ndarray:
    """Return the frequencies 0, 1, … N // 2, −1, −2, … as indices in FFT order."""
    return np.concatenate([np.arange(side // 2 + 1), side - np.arange(1, (side + 1) // 2)])


def slab_order(modulus: torch.Tensor) -> np.ndarray:
    """Return a modulus in FFT order as `Box` needs it: (N0, N2, N1), each axis in `paired` order."""
    for axis, side in enumerate(modulus.shape):
        modulus = modulus.index_select(axis, torch.from_numpy(paired(side)))
    return modulus.transpose(1, 2).contiguous().numpy()


def kernels() -> Any:
    """Return the compiled functions (seconds the first time on a computer), or None where numba cannot be used."""
    if not passes.compile_here():
        return None
    from . import box_kernels

    return box_kernels

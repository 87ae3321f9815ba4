"""Partial Fourier transforms as products with small real matrices, compiled by numba; see `box`, which imports this when needed.

Layouts, all float32 and C-contiguous, real and imaginary part being neighbours on the last axis but one:

``box``   (B0, B1, 2, B2), places in `box.mirrored` order on every axis;
``slabs`` (N0, B1, 2, B2), the first axis transformed, frequencies in `box.paired` order;
``modulus`` (N0, N2, N1), paired order on every axis, negative where it is free.

With places ±x, x = ½, 3/2, …, the sums e = ρ(x) + ρ(−x) and differences o = ρ(x) − ρ(−x) give two frequencies at once,
``F(±k) = C e ∓ i S o`` with ``C = cos(2πkx/N)`` and ``S = sin(2πkx/N)``: a quarter of the multiplications of a complex matrix.
The way back is the transpose: ``e = Cᵀ (F(k) + F(−k))``, ``o = Sᵀ i(F(k) − F(−k))``, ``ρ(±x) = e ± o``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from .passes import TINY, compiled

_ZERO, _ONE = np.float32(0), np.float32(1)


def _fast(signature: str) -> Callable[[Callable[..., Any]], Any]:
    return lambda function: compiled(njit, function, signature).__func__


@_fast("void(f4[:,::1], f4[:,::1], f4[:,::1])")
def product(matrix: np.ndarray, rows: np.ndarray, found: np.ndarray) -> None:
    """Set `found` (K, n) to `matrix` (K, h) times `rows` (h, n): K and h are small, rows are long."""
    # two rows of the result and four of the given at a time, so that numbers are used again while they are in registers
    height = matrix.shape[1]
    rest = height % 4
    for k in range(0, matrix.shape[0], 2):
        last = min(k + 1, matrix.shape[0] - 1)
        y, z = found[k], found[last]
        for c in range(y.size):
            y[c] = _ZERO
        for c in range(z.size):
            z[c] = _ZERO
        for j in range(rest):
            m, x = matrix[k, j], rows[j]
            for c in range(y.size):
                y[c] += m * x[c]
        if last > k:
            for j in range(rest):
                m, x = matrix[last, j], rows[j]
                for c in range(z.size):
                    z[c] += m * x[c]
        for j in range(rest, height, 4):
            m0, m1, m2, m3 = matrix[k, j], matrix[k, j + 1], matrix[k, j + 2], matrix[k, j + 3]
            x0, x1, x2, x3 = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
            if last > k:
                l0, l1, l2, l3 = (
                    matrix[last, j],
                    matrix[last, j + 1],
                    matrix[last, j + 2],
                    matrix[last, j + 3],
                )
                for c in range(y.size):
                    a, b, d, e = x0[c], x1[c], x2[c], x3[c]
                    y[c] += m0 * a + m1 * b + m2 * d + m3 * e
                    z[c] += l0 * a + l1 * b + l2 * d + l3 * e
            else:
                for c in range(y.size):
                    y[c] += m0 * x0[c] + m1 * x1[c] + m2 * x2[c] + m3 * x3[c]


@_fast("void(f4[::1], f4[::1], f4[::1], f4[::1])")
def fold(ahead: np.ndarray, behind: np.ndarray, even: np.ndarray, odd: np.ndarray) -> None:
    """Set `even` and `odd` to the sum and the difference of two rows."""
    for c in range(even.size):
        a, b = ahead[c], behind[c]
        even[c] = a + b
        odd[c] = a - b


@_fast("void(f4[::1], f4[::1], f4[::1], f4[::1])")
def spread(of_even: np.ndarray, of_odd: np.ndarray, plus: np.ndarray, minus: np.ndarray) -> None:
    """Set the rows of k and −k to ``C e ∓ i S o``; for a frequency without a partner `minus` may be scratch."""
    n = plus.size // 2
    for c in range(n):
        a, b, d, e = of_even[c], of_even[c + n], of_odd[c], of_odd[c + n]
        plus[c], plus[c + n] = a + e, b - d
        minus[c], minus[c + n] = a - e, b + d


@_fast("void(f4[::1], f4[::1], f4[::1], f4[::1])")
def gather(plus: np.ndarray, minus: np.ndarray, of_even: np.ndarray, of_odd: np.ndarray) -> None:
    """Set `of_even` to F(k) + F(−k) and `of_odd` to i(F(k) − F(−k))."""
    n = plus.size // 2
    for c in range(n):
        a, b, d, e = plus[c], plus[c + n], minus[c], minus[c + n]
        of_even[c], of_even[c + n] = a + d, b + e
        of_odd[c], of_odd[c + n] = e - b, a - d


@_fast("f4(f4[:,::1], f4[:,::1], f4[:,::1])")
def impose(of_even: np.ndarray, of_odd: np.ndarray, modulus: np.ndarray) -> np.float32:
    """Do `spread`, the modulus projection and `gather` in one pass, in place; returns Σ(|F| − modulus)²."""
    rows, n = of_even.shape[0], modulus.shape[1]
    pairs = modulus.shape[0] - rows
    total = _ZERO
    for k in range(rows):
        a, b, d, e = of_even[k, :n], of_even[k, n:], of_odd[k, :n], of_odd[k, n:]
        wanted = modulus[k]
        if 1 <= k <= pairs:
            opposite = modulus[rows + k - 1]
            for c in range(n):
                re, im, re2, im2 = a[c] + e[c], b[c] - d[c], a[c] - e[c], b[c] + d[c]
                m, m2 = wanted[c], opposite[c]
                amplitude = math.sqrt(max(re * re + im * im, TINY))
                amplitude2 = math.sqrt(max(re2 * re2 + im2 * im2, TINY))
                fitted, fitted2 = m >= _ZERO, m2 >= _ZERO
                misfit = amplitude - m if fitted else _ZERO
                misfit2 = amplitude2 - m2 if fitted2 else _ZERO
                ratio = m / amplitude if fitted else _ONE
                ratio2 = m2 / amplitude2 if fitted2 else _ONE
                total += misfit * misfit + misfit2 * misfit2
                re, im, re2, im2 = re * ratio, im * ratio, re2 * ratio2, im2 * ratio2
                a[c], b[c] = re + re2, im + im2
                d[c], e[c] = im2 - im, re - re2
        else:
            for c in range(n):
                re, im, m = a[c] + e[c], b[c] - d[c], wanted[c]
                amplitude = math.sqrt(max(re * re + im * im, TINY))
                fitted = m >= _ZERO
                misfit = amplitude - m if fitted else _ZERO
                ratio = m / amplitude if fitted else _ONE
                total += misfit * misfit
                re, im = re * ratio, im * ratio
                a[c], b[c] = re, im
                d[c], e[c] = -im, re
    return total


@_fast("void(f4[:,:,:,::1], f4[:,:,:,::1], f4[:,::1], f4[:,::1], i8, i8)")
def outward(
    box: np.ndarray, slabs: np.ndarray, cos: np.ndarray, sin: np.ndarray, first: int, last: int
) -> None:
    """Transform the first axis of `box` into `slabs`, for places `first` to `last` of the second axis."""
    rows, half = cos.shape
    pairs, n = slabs.shape[0] - rows, 2 * box.shape[3]
    even, odd = np.empty((half, n), np.float32), np.empty((half, n), np.float32)
    of_even, of_odd = np.empty((rows, n), np.float32), np.empty((rows, n), np.float32)
    scratch = np.empty(n, np.float32)
    for y in range(first, last):
        for x in range(half):
            fold(box[x, y].reshape(n), box[x + half, y].reshape(n), even[x], odd[x])
        product(cos, even, of_even)
        product(sin, odd, of_odd)
        for k in range(rows):
            minus = slabs[rows + k - 1, y].reshape(n) if 1 <= k <= pairs else scratch
            spread(of_even[k], of_odd[k], slabs[k, y].reshape(n), minus)


@_fast("void(f4[:,:,:,::1], f4[:,:,:,::1], f4[:,::1], f4[:,::1], u1[:,:,::1], i8, i8)")
def inward(
    slabs: np.ndarray,
    box: np.ndarray,
    cos: np.ndarray,
    sin: np.ndarray,
    support: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Go the way back from `slabs`, and keep what lies inside `support`, uint8 (B0, B1, B2)."""
    half, rows = cos.shape
    pairs, width = slabs.shape[0] - rows, box.shape[3]
    n = 2 * width
    even, odd = np.empty((half, n), np.float32), np.empty((half, n), np.float32)
    of_even, of_odd = np.empty((rows, n), np.float32), np.empty((rows, n), np.float32)
    nothing = np.zeros(n, np.float32)
    for y in range(first, last):
        for k in range(rows):
            minus = slabs[rows + k - 1, y].reshape(n) if 1 <= k <= pairs else nothing
            gather(slabs[k, y].reshape(n), minus, of_even[k], of_odd[k])
        product(cos, of_even, even)
        product(sin, of_odd, odd)
        for x in range(half):
            fold(even[x], odd[x], box[x, y].reshape(n), box[x + half, y].reshape(n))
            for place in (x, x + half):
                row, inside = box[place, y].reshape(n), support[place, y]
                for c in range(width):
                    one = _ONE if inside[c] else _ZERO
                    row[c] *= one
                    row[c + width] *= one


@_fast(
    "void(f4[:,:,:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1],"
    " f4[:,:,::1], f8[::1], i8, i8)"
)
def project(
    slabs: np.ndarray,
    cos1: np.ndarray,
    sin1: np.ndarray,
    cos2: np.ndarray,
    sin2: np.ndarray,
    cos1_back: np.ndarray,
    sin1_back: np.ndarray,
    cos2_back: np.ndarray,
    sin2_back: np.ndarray,
    modulus: np.ndarray,
    misfits: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Take slabs `first` to `last` to the detector, impose the modulus, and bring them back, in place; misfits per slab."""
    rows1, half1 = cos1.shape
    rows2, half2 = cos2.shape
    side, width = modulus.shape[2], slabs.shape[3]
    pairs, n, m = side - rows1, 2 * width, 2 * side
    even1, odd1 = np.empty((half1, n), np.float32), np.empty((half1, n), np.float32)
    of_even1, of_odd1 = np.empty((rows1, n), np.float32), np.empty((rows1, n), np.float32)
    lines, scratch, nothing = (
        np.empty((side, n), np.float32),
        np.empty(n, np.float32),
        np.zeros(n, np.float32),
    )
    even2, odd2 = np.empty((half2, m), np.float32), np.empty((half2, m), np.float32)
    of_even2, of_odd2 = np.empty((rows2, m), np.float32), np.empty((rows2, m), np.float32)
    for p in range(first, last):
        slab = slabs[p].reshape(slabs.shape[1], n)
        for x in range(half1):
            fold(slab[x], slab[x + half1], even1[x], odd1[x])
        product(cos1, even1, of_even1)
        product(sin1, odd1, of_odd1)
        for k in range(rows1):
            spread(of_even1[k], of_odd1[k], lines[k], lines[rows1 + k - 1] if 1 <= k <= pairs else scratch)
        for k in range(side):  # turned by the way, so that the last axis is transformed by long rows as well
            line = lines[k]
            for x in range(half2):
                even2[x, k], odd2[x, k] = line[x] + line[x + half2], line[x] - line[x + half2]
                re, im = line[width + x], line[width + x + half2]
                even2[x, k + side], odd2[x, k + side] = re + im, re - im
        product(cos2, even2, of_even2)
        product(sin2, odd2, of_odd2)
        misfits[p] = impose(of_even2, of_odd2, modulus[p])
        product(cos2_back, of_even2, even2)
        product(sin2_back, of_odd2, odd2)
        for k in range(side):
            line = lines[k]
            for x in range(half2):
                e, o = even2[x, k], odd2[x, k]
                line[x], line[x + half2] = e + o, e - o
                e, o = even2[x, k + side], odd2[x, k + side]
                line[width + x], line[width + x + half2] = e + o, e - o
        for k in range(rows1):
            gather(lines[k], lines[rows1 + k - 1] if 1 <= k <= pairs else nothing, of_even1[k], of_odd1[k])
        product(cos1_back, of_even1, even1)
        product(sin1_back, of_odd1, odd1)
        for x in range(half1):
            fold(even1[x], odd1[x], slab[x], slab[x + half1])

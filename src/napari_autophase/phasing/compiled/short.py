"""Blurs by short kernels along the axes, see `blur.short_kernels`, and Richardson and Lucy's steps with them, see `blurring`.

A plane goes through the kernels of its two axes while it is in the processor's cache; along the first axis it is made of the
planes around it just when it is wanted.  So a step passes over the volume twice.
"""

from __future__ import annotations

import numpy as np

from ..pattern import TINY
from .jit import compiled, inlined
from .simd import LANES, at_least, at_most, eight, load, pointer, store

REACH = 6
"""Places to either side that a kernel has, as in `blur`; they are written out below."""
_ZERO, _ONE = np.float32(0), np.float32(1)


@inlined
def _enclose(m, n1, row):  # type: ignore[no-untyped-def]
    """Put before the rows of a plane, which begin after REACH rows, those that end it, and after them those that begin it."""
    for t in range(REACH):
        ahead, behind = t if t < n1 else t % n1, n1 - 1 - t if t < n1 else (n1 - 1 - t) % n1
        for k in range(0, row, LANES):
            store(m, (REACH + n1 + t) * row + k, load(m, (REACH + ahead) * row + k))
            store(m, (REACH - 1 - t) * row + k, load(m, (REACH + behind) * row + k))


@inlined
def _weighed(a, at, step, w):  # type: ignore[no-untyped-def]
    """Return eight numbers blurred along the axis on which neighbours are a step apart."""
    w0, w1, w2, w3, w4, w5, w6 = w
    return (
        load(a, at) * w0
        + (load(a, at - step) + load(a, at + step)) * w1
        + (load(a, at - 2 * step) + load(a, at + 2 * step)) * w2
        + (load(a, at - 3 * step) + load(a, at + 3 * step)) * w3
        + (load(a, at - 4 * step) + load(a, at + 4 * step)) * w4
        + (load(a, at - 5 * step) + load(a, at + 5 * step)) * w5
        + (load(a, at - 6 * step) + load(a, at + 6 * step)) * w6
    )


@inlined
def _eights(kernel):  # type: ignore[no-untyped-def]
    """Return each weight eight times: registers hold them."""
    return (
        eight(kernel[0]),
        eight(kernel[1]),
        eight(kernel[2]),
        eight(kernel[3]),
        eight(kernel[4]),
        eight(kernel[5]),
        eight(kernel[6]),
    )


@inlined
def _of_planes(a, begins, p, at, w):  # type: ignore[no-untyped-def]
    """Return eight numbers, at a place in plane p, blurred along the first axis."""
    w0, w1, w2, w3, w4, w5, w6 = w
    return (
        load(a, begins[p + 6] + at) * w0
        + (load(a, begins[p + 5] + at) + load(a, begins[p + 7] + at)) * w1
        + (load(a, begins[p + 4] + at) + load(a, begins[p + 8] + at)) * w2
        + (load(a, begins[p + 3] + at) + load(a, begins[p + 9] + at)) * w3
        + (load(a, begins[p + 2] + at) + load(a, begins[p + 10] + at)) * w4
        + (load(a, begins[p + 1] + at) + load(a, begins[p + 11] + at)) * w5
        + (load(a, begins[p] + at) + load(a, begins[p + 12] + at)) * w6
    )


@inlined
def _along(m, kernels, n1, n2, row, out, begin):  # type: ignore[no-untyped-def]
    """Blur a plane whose rows are in memory along its two axes; the row that is at work lies behind them."""
    _enclose(m, n1, row)
    first, second = _eights(kernels[1]), _eights(kernels[2])
    line = (n1 + 2 * REACH) * row + LANES
    for j in range(n1):
        for k in range(0, row, LANES):
            store(m, line + k, _weighed(m, (j + REACH) * row + k, row, first))
        for t in range(REACH):
            m[line - 1 - t] = m[line + (n2 - 1 - t if t < n2 else (n2 - 1 - t) % n2)]
            m[line + n2 + t] = m[line + (t if t < n2 else t % n2)]
        for k in range(0, row, LANES):
            store(out, begin + j * row + k, _weighed(m, line + k, 1, second))


_HOW = "i8[::1], f4[:,::1], i8, i8, i8, f4[::1], i8, i8"
"""What says how planes are done, and which.

begins
    Where the planes begin from which each is made: N0 + 2·REACH numbers.
kernels
    As of `blurs.ShortBlurring`.
n1, n2, row
    Rows of a plane, numbers of a row, and how many there is room for: a multiple of eight.
memory
    (N1 + 2·REACH + 1)·row + 4·LANES numbers.
first, last
    Planes to be done.
"""


@compiled(f"void(f4[::1], f4[::1], {_HOW})")
def along_planes(
    volume: np.ndarray,
    out: np.ndarray,
    begins: np.ndarray,
    kernels: np.ndarray,
    n1: int,
    n2: int,
    row: int,
    memory: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Blur planes of a volume along their two axes."""
    v, o, m = pointer(volume), pointer(out), pointer(memory)
    for p in range(first, last):
        begin = begins[p + REACH]
        for i in range(0, n1 * row, LANES):
            store(m, REACH * row + i, load(v, begin + i))
        _along(m, kernels, n1, n2, row, o, begin)


@compiled(f"void(f4[::1], f4[::1], {_HOW})")
def across_planes(
    planes: np.ndarray,
    out: np.ndarray,
    begins: np.ndarray,
    kernels: np.ndarray,
    n1: int,
    n2: int,  # noqa: ARG001 - all of a row is done
    row: int,
    memory: np.ndarray,  # noqa: ARG001
    first: int,
    last: int,
) -> None:
    """Blur planes along the first axis, which were blurred along the others."""
    a, o, w = pointer(planes), pointer(out), _eights(kernels[0])
    for p in range(first, last):
        for i in range(0, n1 * row, LANES):
            store(o, begins[p + REACH] + i, _of_planes(a, begins, p, i, w))


@compiled(f"void(f4[::1], f4[::1], f4[::1], f4[::1], f4[::1], {_HOW})")
def compare_planes(
    planes: np.ndarray,
    out: np.ndarray,
    counts: np.ndarray,
    dark: np.ndarray,
    bounds: np.ndarray,
    begins: np.ndarray,
    kernels: np.ndarray,
    n1: int,
    n2: int,
    row: int,
    memory: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Divide counts by what is expected, and blur that along the two axes of its planes.

    Parameters
    ----------
    planes
        The intensity, blurred along those.
    dark
        The background, everywhere or one number.
    bounds
        The least that is expected, and the largest that comes of the division.
    """
    a, o, c, d, m = pointer(planes), pointer(out), pointer(counts), pointer(dark), pointer(memory)
    w, same, least, most = _eights(kernels[0]), len(dark) == 1, bounds[0], bounds[1]
    for p in range(first, last):
        begin = begins[p + REACH]
        for i in range(0, n1 * row, LANES):
            expected = at_least(_of_planes(a, begins, p, i, w), _ZERO)
            expected = expected + d[0] if same else expected + load(d, begin + i)
            ratio = load(c, begin + i) / at_least(expected, least)
            store(m, REACH * row + i, at_most(ratio, most))
        _along(m, kernels, n1, n2, row, o, begin)


@compiled(f"void(f4[::1], f4[::1], f4[::1], f4[::1], f4[::1], b1, {_HOW})")
def raise_planes(
    planes: np.ndarray,
    out: np.ndarray,
    found: np.ndarray,
    share: np.ndarray,
    bounds: np.ndarray,
    ends: bool,
    begins: np.ndarray,
    kernels: np.ndarray,
    n1: int,
    n2: int,
    row: int,
    memory: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Multiply an intensity by what the comparison with the counts says, and blur it along the two axes of its planes.

    Parameters
    ----------
    planes
        The comparison, blurred along those.
    found
        The intensity.
    share
        How much of a pixel's light falls on known pixels; one number: all of it.
    bounds
        As for `compare_planes`, and how far the step goes.
    ends
        Whether nothing more is blurred.
    """
    a, o, f, s, m = pointer(planes), pointer(out), pointer(found), pointer(share), pointer(memory)
    w, whole, most, length = _eights(kernels[0]), len(share) == 1, bounds[1], bounds[2]
    for p in range(first, last):
        begin = begins[p + REACH]
        for i in range(0, n1 * row, LANES):
            factor = _of_planes(a, begins, p, i, w)
            if not whole:
                factor = factor / load(s, begin + i)
            factor = at_most(at_least((factor - _ONE) * length + _ONE, _ZERO), most)
            better = at_least(load(f, begin + i) * factor, TINY)
            store(f, begin + i, better)
            store(m, REACH * row + i, better)
        if not ends:
            _along(m, kernels, n1, n2, row, o, begin)

"""The three parts of an iteration in a box, compiled by numba; see `box`, which imports this when needed.

``box``     (B0, B1, 2·B2) float32: complex numbers as the object has them, places 0 … B − 1 of every axis;
``field``   (B0, K, N2, 16) and a little room after every plane: the last two axes transformed, frequencies of the second in K
            bands of eight, which lie side by side, real before imaginary parts;
``modulus`` (K·N2, N0, 8): from `box.column_order`, negative where it is free.

All lines of an axis are transformed eight at a time, side by side, in buffers that stay in the processor's caches (see `lines`).
On the way back real and imaginary parts have changed places, which makes transforms inverse.
"""

from __future__ import annotations

import numpy as np

from .lines import ROW, fast, inlined, transform
from .passes import TINY
from .vectors import (
    LANES,
    at_least,
    eight,
    evens,
    first_pairs,
    fours_high,
    fours_low,
    last_pairs,
    load,
    odds,
    ones_high,
    ones_low,
    root,
    store,
    twos_high,
    twos_low,
    where_inside,
    where_measured,
)

_ZERO, _ONE = np.float32(0), np.float32(1)
GROUP = 4
"""Rows of the field that are read and written together: long enough for memory, short enough for the caches."""


@inlined
def _clear(a, begin, end):  # type: ignore[no-untyped-def]
    for i in range(begin, end, LANES):
        store(a, i, eight(_ZERO))


@inlined
def _copy(a, i, b, j):  # type: ignore[no-untyped-def]
    """Copy a row of a buffer."""
    store(b, j, load(a, i))
    store(b, j + LANES, load(a, i + LANES))


@inlined
def _turn(x, i, d, y, j, e):  # type: ignore[no-untyped-def]
    """Turn a tile over: line l of x, number k, becomes line k of y, number l; lines are d and e apart."""
    a0, a1, a2, a3 = load(x, i), load(x, i + d), load(x, i + 2 * d), load(x, i + 3 * d)
    a4, a5, a6, a7 = load(x, i + 4 * d), load(x, i + 5 * d), load(x, i + 6 * d), load(x, i + 7 * d)
    b0, b1, b2, b3 = ones_low(a0, a1), ones_high(a0, a1), ones_low(a2, a3), ones_high(a2, a3)
    b4, b5, b6, b7 = ones_low(a4, a5), ones_high(a4, a5), ones_low(a6, a7), ones_high(a6, a7)
    a0, a1, a2, a3 = twos_low(b0, b2), twos_high(b0, b2), twos_low(b1, b3), twos_high(b1, b3)
    a4, a5, a6, a7 = twos_low(b4, b6), twos_high(b4, b6), twos_low(b5, b7), twos_high(b5, b7)
    store(y, j, fours_low(a0, a4))
    store(y, j + e, fours_low(a1, a5))
    store(y, j + 2 * e, fours_low(a2, a6))
    store(y, j + 3 * e, fours_low(a3, a7))
    store(y, j + 4 * e, fours_high(a0, a4))
    store(y, j + 5 * e, fours_high(a1, a5))
    store(y, j + 6 * e, fours_high(a2, a6))
    store(y, j + 7 * e, fours_high(a3, a7))


@fast("void(f4[::1], f4[::1], i8, i8, i8, i8, i8, i8[:,::1], f4[::1], i8[:,::1], f4[::1], i8, i8)")
def outward(
    box: np.ndarray,
    field: np.ndarray,
    b1: int,
    b2: int,
    side1: int,
    side2: int,
    stride: int,
    steps1: np.ndarray,
    table1: np.ndarray,
    steps2: np.ndarray,
    table2: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Transform the last two axes of `box` into `field`, whose planes are `stride` numbers apart: planes `first` to `last`."""
    chunks, bands = (b2 + LANES - 1) // LANES, (side1 + LANES - 1) // LANES
    wide, tall = bands * LANES * ROW, max(side2, chunks * LANES) * ROW
    x, y, plane = np.zeros(wide, np.float32), np.zeros(wide, np.float32), np.empty(bands * tall, np.float32)
    end, spare = np.zeros(ROW, np.float32), np.empty(ROW * (max(side1, side2) + 1), np.float32)
    for p in range(first, last):
        for c in range(chunks):
            left = b2 - c * LANES
            for place in range(b1):
                i = 2 * ((p * b1 + place) * b2 + c * LANES)
                if left >= LANES:
                    low, high = load(box, i), load(box, i + LANES)
                else:
                    for n in range(2 * left):
                        end[n] = box[i + n]
                    low, high = load(end, 0), load(end, LANES)
                store(x, place * ROW, evens(low, high))
                store(x, place * ROW + LANES, odds(low, high))
            _clear(x, b1 * ROW, side1 * ROW)
            lines = y if transform(x, 0, y, 0, steps1, table1, spare) else x
            for k in range(bands):
                i, j = k * LANES * ROW, k * tall + c * LANES * ROW
                _turn(lines, i, ROW, plane, j, ROW)
                _turn(lines, i + LANES, ROW, plane, j + LANES, ROW)
        for k in range(bands):
            i, j = k * tall, p * stride + k * side2 * ROW
            _clear(plane, i + b2 * ROW, i + side2 * ROW)
            if not transform(plane, i, field, j, steps2, table2, spare):
                for row in range(side2):
                    _copy(plane, i + row * ROW, field, j + row * ROW)


@inlined
def _impose(x, i, modulus, o, side, scale, sums):  # type: ignore[no-untyped-def]
    """Impose the modulus on a buffer, scale it, let its parts change places, and add up the misfits in `sums`."""
    total = load(sums, 0)
    for _ in range(side):
        re, im, wanted = load(x, i), load(x, i + LANES), load(modulus, o)
        amplitude = root(at_least(re * re + im * im, TINY))
        misfit = where_measured(wanted, amplitude - wanted, eight(_ZERO))
        ratio = where_measured(wanted, wanted / amplitude, eight(_ONE)) * scale
        total = total + misfit * misfit
        store(x, i, im * ratio)
        store(x, i + LANES, re * ratio)
        i, o = i + ROW, o + LANES
    store(sums, 0, total)


@fast("void(f4[::1], f4[::1], f8[::1], f4, i8, i8, i8, i8, i8[:,::1], f4[::1], i8, i8)")
def project(
    field: np.ndarray,
    modulus: np.ndarray,
    misfits: np.ndarray,
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
    """Transform the first axis, impose the modulus, and go back, in place: groups `first` to `last` of the `rows` of a plane.

    The field is multiplied by `scale` on the way; `misfits`, one per group, are Σ(|F| − modulus)² before that.
    """
    size = side0 * ROW
    x, y = np.empty(GROUP * size, np.float32), np.empty(size, np.float32)
    sums, spare = np.zeros(LANES, np.float32), np.empty(ROW * (side0 + 1), np.float32)
    for group in range(first, last):
        begin = group * GROUP
        count = min(GROUP, rows - begin)
        for p in range(b0):
            for c in range(count):
                _copy(field, p * stride + (begin + c) * ROW, x, c * size + p * ROW)
        _clear(sums, 0, LANES)
        for c in range(count):
            i, at = c * size, (begin + c) * side0 * LANES
            _clear(x, i + b0 * ROW, i + size)
            if transform(x, i, y, 0, steps, table, spare):
                _impose(y, 0, modulus, at, side0, scale, sums)
                transform(y, 0, x, i, steps, table, spare)
            else:
                _impose(x, i, modulus, at, side0, scale, sums)
                transform(x, i, y, 0, steps, table, spare)
        for p in range(b0):
            for c in range(count):
                _copy(x, c * size + p * ROW, field, p * stride + (begin + c) * ROW)
        total = 0.0
        for n in range(LANES):
            total += sums[n]
        misfits[group] = total


@inlined
def _feed(re, im, before, i, support, s, keep, add, after, o):  # type: ignore[no-untyped-def]
    """Combine eight places of what comes back with the object before."""
    low, high = load(before, i), load(before, i + LANES)
    re = where_inside(support, s, re, evens(low, high) * keep + re * add)
    im = where_inside(support, s, im, odds(low, high) * keep + im * add)
    store(after, o, first_pairs(re, im))
    store(after, o + LANES, last_pairs(re, im))


@fast(
    "void(f4[::1], f4[::1], u1[::1], f4[::1], f4, f4, i8, i8, i8, i8, i8, i8[:,::1], f4[::1], i8[:,::1], f4[::1], i8, i8)"
)
def inward(
    field: np.ndarray,
    before: np.ndarray,
    support: np.ndarray,
    after: np.ndarray,
    keep: np.float32,
    add: np.float32,
    b1: int,
    b2: int,
    side1: int,
    side2: int,
    stride: int,
    steps1: np.ndarray,
    table1: np.ndarray,
    steps2: np.ndarray,
    table2: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Go the way back from planes of `field`: `after` is what comes inside `support`, keep·before + add·what comes elsewhere."""
    chunks, bands = (b2 + LANES - 1) // LANES, (side1 + LANES - 1) // LANES
    wide, tall = bands * LANES * ROW, max(side2, chunks * LANES) * ROW
    x, y, plane = np.empty(wide, np.float32), np.empty(wide, np.float32), np.zeros(bands * tall, np.float32)
    end, inside = np.zeros(ROW, np.float32), np.zeros(LANES, np.uint8)
    spare = np.empty(ROW * (max(side1, side2) + 1), np.float32)
    for p in range(first, last):
        for k in range(bands):
            i, j = k * tall, p * stride + k * side2 * ROW
            if not transform(field, j, plane, i, steps2, table2, spare):
                for row in range(b2):
                    _copy(field, j + row * ROW, plane, i + row * ROW)
        for c in range(chunks):
            for k in range(bands):
                i, j = k * tall + c * LANES * ROW, k * LANES * ROW
                _turn(plane, i, ROW, x, j, ROW)
                _turn(plane, i + LANES, ROW, x, j + LANES, ROW)
            lines = y if transform(x, 0, y, 0, steps1, table1, spare) else x
            left = b2 - c * LANES
            for place in range(b1):
                at = (p * b1 + place) * b2 + c * LANES
                im, re = load(lines, place * ROW), load(lines, place * ROW + LANES)
                if left >= LANES:
                    _feed(re, im, before, 2 * at, support, at, keep, add, after, 2 * at)
                else:
                    for n in range(2 * left):
                        end[n] = before[2 * at + n]
                    for n in range(left):
                        inside[n] = support[at + n]
                    _feed(re, im, end, 0, inside, 0, keep, add, end, 0)
                    for n in range(2 * left):
                        after[2 * at + n] = end[n]

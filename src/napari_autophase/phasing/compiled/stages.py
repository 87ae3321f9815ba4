"""The stages of an iteration in a box, see `iterate`, which has them done, and of a convolution, see `blurs`.

``box``     (B0, B1, 2·B2) float32: complex numbers as the object has them, places 0 … B − 1 of every axis;
``field``   (B0, K, N2, 16) and a little room after every plane: the last two axes transformed, frequencies of the second in K
            bands of eight, which lie side by side, real before imaginary parts;
``modulus`` (K·N2, N0, 8): from `layout.column_order`, negative where it is not fitted (see `pattern`).

All lines of an axis are transformed eight at a time, side by side, in buffers that stay in the processor's caches (see `fft`).
On the way back real and imaginary parts have changed places, which makes transforms inverse.
"""

from __future__ import annotations

import numpy as np

from ..pattern import BOUND, TINY
from .fft import ROW, stored, transform
from .jit import compiled, inlined
from .simd import (
    LANES,
    ahead,
    at_least,
    eight,
    evens,
    first_pairs,
    fours_high,
    fours_low,
    larger,
    last_pairs,
    load,
    odds,
    ones_high,
    ones_low,
    pointer,
    root,
    store,
    twos_high,
    twos_low,
    where_inside,
    where_measured,
)

_ZERO, _ONE = np.float32(0), np.float32(1)
TO_BOUND = np.float32(-1 / BOUND)
"""What a modulus that is not fitted is multiplied by to become its bound, next to nothing where nothing is known."""
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
def transpose(x, i, d, y, j, e):  # type: ignore[no-untyped-def]
    """Transpose a tile: line l of x, number k, becomes line k of y, number l; lines are d and e apart."""
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


@inlined
def _feed(lines, row, box, i, support, s, keep, add, count):  # type: ignore[no-untyped-def]
    """Feed `count` ≤ 8 places of the object with a row of a buffer that came back; the row becomes what the object is then."""
    if count >= LANES:
        im, re, low, high = load(lines, row), load(lines, row + LANES), load(box, i), load(box, i + LANES)
        re = where_inside(support, s, re, evens(low, high) * keep + re * add)
        im = where_inside(support, s, im, odds(low, high) * keep + im * add)
        store(box, i, first_pairs(re, im))
        store(box, i + LANES, last_pairs(re, im))
        stored(lines, row, re, im)
    else:
        for n in range(count):
            im, re, o = lines[row + n], lines[row + LANES + n], i + 2 * n
            outside = support[s + n] == 0
            box[o] = box[o] * keep + re * add if outside else re
            box[o + 1] = box[o + 1] * keep + im * add if outside else im
        _fetch(lines, row, box, i, count)


@inlined
def _fetch(lines, row, box, i, count):  # type: ignore[no-untyped-def]
    """Let a row of a buffer become `count` ≤ 8 places of the object."""
    if count >= LANES:
        low, high = load(box, i), load(box, i + LANES)
        stored(lines, row, evens(low, high), odds(low, high))
    else:
        stored(lines, row, eight(_ZERO), eight(_ZERO))
        for n in range(count):
            lines[row + n], lines[row + LANES + n] = box[i + 2 * n], box[i + 2 * n + 1]


@inlined
def planes_memory(b2: int, side1: int, side2: int) -> tuple[int, int, int, int, int]:
    """Return where `planes` keeps what: two buffers, a plane whose bands are so far apart, room for `transform`, and the end.

    A row lies between them all: else they would compete for the same places of the cache.
    """
    wide = (side1 + 2 * LANES) // LANES * LANES * ROW
    apart = (max(side2, (b2 + LANES - 1) // LANES * LANES) + 1) * ROW
    room = 2 * wide + (side1 + LANES - 1) // LANES * apart
    return wide, 2 * wide, apart, room, room + (max(side1, side2) + 1) * ROW


@compiled(
    "void(f4[::1], f4[::1], u1[::1], f4[::1], f4, f4, b1, b1, i8, i8, i8, i8, i8, "
    "i8[:,::1], f4[::1], i8[:,::1], f4[::1], i8, i8)"
)
def planes(
    field: np.ndarray,
    box: np.ndarray,
    support: np.ndarray,
    memory: np.ndarray,
    keep: np.float32,
    add: np.float32,
    back: bool,
    out: bool,
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
    """Planes `first` to `last`: if `back`, from the field to the object, which is fed; if `out`, from the object to the field.

    Fed: the object becomes what comes back inside `support`, and keep·object + add·what comes back elsewhere.  `memory` has as
    many numbers as `planes_memory` says.
    """
    bands, chunks = (side1 + LANES - 1) // LANES, (b2 + LANES - 1) // LANES
    share = (side2 + chunks - 1) // chunks
    other, plane, apart, spare, _ = planes_memory(b2, side1, side2)
    f, o, s, a, scratch = (
        pointer(field),
        pointer(box),
        pointer(support),
        pointer(memory),
        pointer(memory[spare:]),
    )
    n1, w1, t1 = len(steps1), pointer(steps1), pointer(table1)
    n2, w2, t2 = len(steps2), pointer(steps2), pointer(table2)
    # here, since NumPy would let go of the interpreter's lock for it: beside a window that draws it is had back 5 ms later
    _clear(a, 0, spare)
    for p in range(first, last):
        if back:
            for k in range(bands):
                i, j = plane + k * apart, p * stride + k * side2 * ROW
                if not transform(f, j, a, i, n2, w2, t2, scratch):
                    for row in range(b2):
                        _copy(f, j + row * ROW, a, i + row * ROW)
        for c in range(0, b2, LANES):
            here, there = 0, other
            at = p * b1 * b2 + c
            if back:
                for k in range(bands):
                    i, j = plane + k * apart + c * ROW, k * LANES * ROW
                    transpose(a, i, ROW, a, j, ROW)
                    transpose(a, i + LANES, ROW, a, j + LANES, ROW)
                    for n in range(share):
                        ahead(f, (p + 1) * stride + (k * side2 + c // LANES * share + n) * ROW)
                if transform(a, here, a, there, n1, w1, t1, scratch):
                    here, there = there, here
                for row in range(b1):
                    v = at + row * b2
                    ahead(o, 2 * ((p + 1) * b1 * b2 + c * b1 + row * LANES))
                    _feed(a, here + row * ROW, o, 2 * v, s, v, keep, add, b2 - c)
            else:
                for row in range(b1):
                    ahead(o, 2 * ((p + 1) * b1 * b2 + c * b1 + row * LANES))
                    _fetch(a, here + row * ROW, o, 2 * (at + row * b2), b2 - c)
            if out:
                _clear(a, here + b1 * ROW, here + side1 * ROW)
                if transform(a, here, a, there, n1, w1, t1, scratch):
                    here = there
                for k in range(bands):
                    i, j = here + k * LANES * ROW, plane + k * apart + c * ROW
                    transpose(a, i, ROW, a, j, ROW)
                    transpose(a, i + LANES, ROW, a, j + LANES, ROW)
        if out:
            for k in range(bands):
                i, j = plane + k * apart, p * stride + k * side2 * ROW
                _clear(a, i + b2 * ROW, i + side2 * ROW)
                if not transform(a, i, f, j, n2, w2, t2, scratch):
                    for row in range(side2):
                        _copy(a, i + row * ROW, f, j + row * ROW)


@inlined
def _impose(x, i, modulus, o, side, scale, sums, field, after, stride, b0):  # type: ignore[no-untyped-def]
    """Impose the modulus on a buffer, scale it, let its parts change places, and return `sums` with the squared_errors.

    Meanwhile the places of a line that comes later, `stride` apart in the field from `after` on, are brought into the caches.
    """
    for n in range(side):
        if n < b0:
            ahead(field, after + n * stride)
        re, im, wanted = load(x, i), load(x, i + LANES), load(modulus, o)
        amplitude = root(at_least(re * re + im * im, TINY))
        aim = where_measured(wanted, wanted, wanted * TO_BOUND)
        apart = where_measured(wanted, amplitude - aim, larger(aim - amplitude, eight(_ZERO)))
        ratio = aim / amplitude
        ratio = where_measured(wanted, ratio, larger(ratio, eight(_ONE))) * scale
        sums = sums + apart * apart
        store(x, i, im * ratio)
        store(x, i + LANES, re * ratio)
        i, o = i + ROW, o + LANES
    return sums


@inlined
def target(modulus, q):  # type: ignore[no-untyped-def]
    """Return what √q should be, the modulus or its bound; and numbers that are not negative where it is not so yet.

    A modulus that is not fitted is as it should be from its bound on.
    """
    wanted = where_measured(modulus, modulus, modulus * TO_BOUND)
    return wanted, where_measured(modulus, eight(_ONE), wanted * wanted - at_least(q, TINY))


@inlined
def fetch(field, begin, count, stride, b0, size, x, i):  # type: ignore[no-untyped-def]
    """Copy `count` lines to buffers, `size` apart, that are empty elsewhere; their places are `stride` apart in the field."""
    for p in range(b0):
        for c in range(count):
            _copy(field, p * stride + begin + c * ROW, x, i + c * size + p * ROW)
    for c in range(count):
        _clear(x, i + c * size + b0 * ROW, i + (c + 1) * size)


@inlined
def put_back(x, i, size, field, begin, count, stride, b0):  # type: ignore[no-untyped-def]
    """Copy what `fetch` has fetched back."""
    for p in range(b0):
        for c in range(count):
            _copy(x, i + c * size + p * ROW, field, p * stride + begin + c * ROW)


@inlined
def total(eights, spare, at):  # type: ignore[no-untyped-def]
    """Return the sum of eight numbers, in double precision."""
    store(spare, at, eights)
    found = 0.0
    for n in range(LANES):
        found += spare[at + n]
    return found


@inlined
def project_memory(side0: int) -> tuple[int, int, int]:
    """Return where `project` keeps what: a buffer, room for `transform`, and the end."""
    other = (GROUP * side0 + 1) * ROW
    spare = other + (side0 + 1) * ROW
    return other, spare, spare + (side0 + 1) * ROW


@compiled("void(f4[::1], f4[::1], f8[::1], f4[::1], f4, i8, i8, i8, i8, i8[:,::1], f4[::1], i8, i8)")
def project(
    field: np.ndarray,
    modulus: np.ndarray,
    squared_errors: np.ndarray,
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
    """Transform the first axis, impose the modulus, and go back, in place: groups `first` to `last` of the `rows` of a plane.

    The field is multiplied by `scale` on the way; `squared_errors`, one per group, are Σ(|F| − modulus)² before that.  `memory`
    has as many numbers as `project_memory` says.
    """
    size = side0 * ROW
    other, spare, _ = project_memory(side0)
    f, m, a, t = pointer(field), pointer(modulus), pointer(memory), pointer(table)
    number, w, scratch = len(steps), pointer(steps), pointer(memory[spare:])
    for group in range(first, last):
        begin, sums = group * GROUP, eight(_ZERO)
        count = min(GROUP, rows - begin)
        fetch(f, begin * ROW, count, stride, b0, size, a, 0)
        for c in range(count):
            here, there, at = c * size, other, (begin + c) * side0 * LANES
            if transform(a, here, a, there, number, w, t, scratch):
                here, there = there, here
            sums = _impose(a, here, m, at, side0, scale, sums, f, (begin + GROUP + c) * ROW, stride, b0)
            # as many steps again lead to where the line began
            transform(a, here, a, there, number, w, t, scratch)
        put_back(a, 0, size, f, begin * ROW, count, stride, b0)
        squared_errors[group] = total(sums, a, spare)


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

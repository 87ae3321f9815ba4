"""The derivative of a likelihood for an object in a box, and its slope along a direction; see `phasing.likelihood`.

As in an iteration, a few lines at a time are transformed along the first axis while they are in the processor's cache.  What is
written is no more than the planes of the box, so that neither fields nor derivatives of the volume's size are ever in memory.
"""

from __future__ import annotations

import numpy as np

from ..pattern import TINY
from .fft import ROW, transform
from .jit import compiled, inlined
from .simd import LANES, ahead, at_least, eight, load, pointer, root, store, where_measured
from .stages import GROUP, fetch, project_memory, put_back, target, total

_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)


@compiled(
    "void(f4[::1], f4[::1], f4, f4[::1], f8[::1], f4[::1], f4, b1, i8, i8, i8, i8, i8[:,::1], f4[::1], i8, i8)"
)
def derive(
    field: np.ndarray,
    way: np.ndarray,
    step: np.float32,
    modulus: np.ndarray,
    squared_errors: np.ndarray,
    memory: np.ndarray,
    floor: np.float32,
    far: bool,
    b0: int,
    side0: int,
    rows: int,
    stride: int,
    steps: np.ndarray,
    table: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Go `step` along the way, which then becomes the derivative there, on its way back to the object.

    Groups `first` to `last` of the `rows` of a plane.

    Parameters
    ----------
    field, way
        As `stages` has fields, their last two axes transformed.
    modulus
        From `layout.column_order`.
    squared_errors
        One per group, to be written: Σ(|F| − modulus)².
    memory
        As many numbers as `project_memory` says.
    """
    other, spare, _ = project_memory(side0)
    f, d, m = pointer(field), pointer(way), pointer(modulus)
    a, t, number, w, room = (
        pointer(memory),
        pointer(table),
        len(steps),
        pointer(steps),
        pointer(memory[spare:]),
    )
    size = side0 * ROW
    for group in range(first, last):
        begin, sums = group * GROUP * ROW, eight(_ZERO)
        count = min(GROUP, rows - group * GROUP)
        if step != _ZERO:
            for p in range(b0):
                for j in range(p * stride + begin, p * stride + begin + count * ROW, LANES):
                    store(f, j, load(f, j) + load(d, j) * step)
        fetch(f, begin, count, stride, b0, size, a, 0)
        for c in range(count):
            here, there = c * size, other
            at, later = (group * GROUP + c) * side0 * LANES, begin + (GROUP + c) * ROW
            if transform(a, here, a, there, number, w, t, room):
                here, there = there, here
            for n in range(side0):
                if n < b0:
                    ahead(f, n * stride + later)
                    ahead(d, n * stride + later)
                i, o = here + n * ROW, at + n * LANES
                re, im, wanted = load(a, i), load(a, i + LANES), load(m, o)
                q = at_least(re * re + im * im, TINY)
                wanted, fits = target(wanted, q)
                apart = where_measured(fits, root(q) - wanted, eight(_ZERO))
                sums = sums + apart * apart
                expected = at_least(q + floor, TINY)
                factor = _TWO - _TWO * wanted / root(expected) if far else _ONE - wanted * wanted / expected
                factor = where_measured(fits, factor, eight(_ZERO))
                # parts that change places turn the next transform into the inverse
                store(a, i, im * factor)
                store(a, i + LANES, re * factor)
            # as many steps again lead to where the line began
            transform(a, here, a, there, number, w, t, room)
        put_back(a, 0, size, d, begin, count, stride, b0)
        squared_errors[group] = total(sums, a, spare)


@inlined
def slope_memory(side0: int) -> tuple[int, int, int, int]:
    """Return where `slope` keeps what, after a buffer: another, one for `transform` to go to, room for it, and the end."""
    two = (GROUP * side0 + 1) * ROW
    other, one = 2 * two, (side0 + 1) * ROW
    return two, other, other + 2 * one, other + 3 * one


@compiled(
    "void(f4[::1], f4[::1], f4, f4[::1], f8[:,::1], f4[::1], f4, b1, i8, i8, i8, i8, i8[:,::1], f4[::1], i8, i8)"
)
def slope(
    field: np.ndarray,
    way: np.ndarray,
    step: np.float32,
    modulus: np.ndarray,
    found: np.ndarray,
    memory: np.ndarray,
    floor: np.float32,
    far: bool,
    b0: int,
    side0: int,
    rows: int,
    stride: int,
    steps: np.ndarray,
    table: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Find the slope of the cost `step` along the way, groups `first` to `last` of the `rows` of a plane.

    Parameters
    ----------
    field, way, modulus
        As for `derive`; nothing of them changes.
    found
        (groups, 3), to be written: first derivative, second derivative, and Fisher's expectation of the second.
    memory
        As many numbers as `slope_memory` says.
    """
    two_of, other, spare, _ = slope_memory(side0)
    f, d, m = pointer(field), pointer(way), pointer(modulus)
    a, t, number, w, room = (
        pointer(memory),
        pointer(table),
        len(steps),
        pointer(steps),
        pointer(memory[spare:]),
    )
    size, apart = side0 * ROW, (side0 + 1) * ROW
    for group in range(first, last):
        begin, one, two, three = group * GROUP * ROW, eight(_ZERO), eight(_ZERO), eight(_ZERO)
        count = min(GROUP, rows - group * GROUP)
        fetch(f, begin, count, stride, b0, size, a, 0)
        fetch(d, begin, count, stride, b0, size, a, two_of)
        for c in range(count):
            at, later = (group * GROUP + c) * side0 * LANES, begin + (GROUP + c) * ROW
            here, along = c * size, two_of + c * size
            transform(a, along, a, other + apart, number, w, t, room)
            if transform(a, here, a, other, number, w, t, room):
                here, along = other, other + apart
            for n in range(side0):
                if n < b0:
                    ahead(f, n * stride + later)
                    ahead(d, n * stride + later)
                i, j, wanted = here + n * ROW, along + n * ROW, load(m, at + n * LANES)
                dr, di = load(a, j), load(a, j + LANES)
                re, im = load(a, i) + dr * step, load(a, i + LANES) + di * step
                q = re * re + im * im
                wanted, fits = target(wanted, q)
                inverse = eight(_ONE) / at_least(q + floor, TINY)
                square = wanted * wanted * inverse
                rise = _TWO * (re * dr + im * di)
                fisher = rise * rise * inverse
                ratio = root(square) if far else square
                rest = _TWO - _TWO * ratio if far else _ONE - ratio
                bend = _TWO * (dr * dr + di * di) * rest + fisher * ratio
                one = one + where_measured(fits, rise * rest, eight(_ZERO))
                two = two + where_measured(fits, bend, eight(_ZERO))
                three = three + where_measured(fits, fisher, eight(_ZERO))
        found[group, 0] = total(one, a, spare)
        found[group, 1] = total(two, a, spare)
        found[group, 2] = total(three, a, spare)

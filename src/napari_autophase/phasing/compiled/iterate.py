"""Iterations in a box by as many threads as come; see `box`.

An iteration has two stages, `project` and `planes` of `stages`; if it makes the density uniform it has three, as the level is
known only when all planes are back.
"""

from __future__ import annotations

import math

import numpy as np

from ..pattern import TINY
from .jit import compiled, inlined
from .simd import (
    LANES,
    at_least,
    eight,
    evens,
    first_pairs,
    give_way,
    last_pairs,
    load,
    now,
    odds,
    pause,
    pointer,
    root,
    store,
    take,
    where_inside,
)
from .stages import planes, project

_ZERO = np.float32(0)
_TAKEN, _DONE = 0, 16
"""Places in the state that threads share: how many slabs were taken, and how many are done (on another line of the cache)."""
_SPINS = 2000
"""How often a thread looks whether the others are done before it lets the system give its core to one of them."""


@inlined
def _power(box, support, rows, b2, begin, end, spare):  # type: ignore[no-untyped-def]
    """Return Σ|ρ|² inside the support over the rows from `begin` to `end`, of those that it reaches."""
    sums, rest = eight(_ZERO), 0.0
    for row in range(begin, end):
        if rows[row]:
            for c in range(0, b2, LANES):
                v = row * b2 + c
                if b2 - c >= LANES:
                    low, high = load(box, 2 * v), load(box, 2 * v + LANES)
                    re, im = evens(low, high), odds(low, high)
                    sums = sums + where_inside(support, v, re * re + im * im, eight(_ZERO))
                else:
                    for n in range(v, (row + 1) * b2):
                        re, im = box[2 * n], box[2 * n + 1]
                        rest += re * re + im * im if support[n] else _ZERO
    store(spare, 0, sums)
    for n in range(LANES):
        rest += spare[n]
    return rest


@inlined
def _make_uniform(box, support, rows, b2, begin, end, level):  # type: ignore[no-untyped-def]
    """Set the amplitudes inside the support to `level`, in the rows from `begin` to `end`, of those that it reaches."""
    for row in range(begin, end):
        if rows[row]:
            for c in range(0, b2, LANES):
                v = row * b2 + c
                if b2 - c >= LANES:
                    low, high = load(box, 2 * v), load(box, 2 * v + LANES)
                    re, im = evens(low, high), odds(low, high)
                    ratio = level / root(at_least(re * re + im * im, TINY))
                    re, im = (
                        where_inside(support, v, re * ratio, re),
                        where_inside(support, v, im * ratio, im),
                    )
                    store(box, 2 * v, first_pairs(re, im))
                    store(box, 2 * v + LANES, last_pairs(re, im))
                else:
                    for n in range(v, (row + 1) * b2):
                        re, im = box[2 * n], box[2 * n + 1]
                        if support[n]:
                            ratio = level / math.sqrt(max(re * re + im * im, TINY))
                            box[2 * n], box[2 * n + 1] = re * ratio, im * ratio


@inlined
def _wait(state, number):  # type: ignore[no-untyped-def]
    """Wait until so many slabs are done, by threads that are at it."""
    spins = 0
    while now(state, _DONE) < number:
        spins += 1
        if spins < _SPINS:
            pause()
        else:
            give_way()


@compiled(
    "void(f4[::1], f4[::1], u1[::1], u1[::1], i8, f4[::1], f8[:,::1], f8[::1], f4[::1], i8[::1], i8, i8, b1, b1, "
    "f4, f4, b1, i8, i8, i8, i8, i8, i8[:,::1], f4[::1], i8[:,::1], f4[::1], "
    "f4, i8, i8, i8, i8[:,::1], f4[::1])"
)
def iterate(
    field: np.ndarray,
    box: np.ndarray,
    support: np.ndarray,
    reached: np.ndarray,
    area: int,
    modulus: np.ndarray,
    squared_errors: np.ndarray,
    power: np.ndarray,
    memory: np.ndarray,
    state: np.ndarray,
    count: int,
    slabs: int,
    begin: bool,
    again: bool,
    keep: np.float32,
    add: np.float32,
    uniform: bool,
    b1: int,
    b2: int,
    side1: int,
    side2: int,
    stride: int,
    steps1: np.ndarray,
    table1: np.ndarray,
    steps2: np.ndarray,
    table2: np.ndarray,
    scale: np.float32,
    b0: int,
    side0: int,
    rows: int,
    steps0: np.ndarray,
    table0: np.ndarray,
) -> None:
    """Take part in `count` iterations, every stage of which is cut into `slabs`.

    Every thread that comes takes the next slab that nobody has, and does it when the stage before is done: so a thread that
    comes late, or never, or is held up, is made up for by the others.

    Parameters
    ----------
    reached, area
        Which rows the support reaches, and its voxels.
    squared_errors, power
        (count, groups of `project`) and (B0,), to be written: Σ(|F| − modulus)² before every iteration, and what is missing to
        bounds; Σ|ρ|² inside the support.
    memory
        As much as `planes_memory` and `project_memory` say.
    state
        int64 (32,), all 0: slabs taken and done, far enough apart to lie in two lines of the caches.
    begin, again
        Whether there is no field yet; whether it is wanted at the end.
    """
    first, stages = 1 if begin else 0, 3 if uniform else 2
    groups, o, s, r, a = (
        squared_errors.shape[1],
        pointer(box),
        pointer(support),
        pointer(reached),
        pointer(memory),
    )
    total = (first + stages * count) * slabs
    while True:
        ticket = take(state, _TAKEN)
        if ticket >= total:
            break
        done, slab = ticket // slabs, ticket % slabs
        _wait(state, done * slabs)
        # the stage that makes a field counts as one of an iteration before the first
        n, stage = (done - first) // stages, (done - first) % stages
        if n >= 0 and stage == 0:
            project(
                field, modulus, squared_errors[n], memory, scale, b0, side0, rows, stride, steps0, table0,
                groups * slab // slabs, groups * (slab + 1) // slabs,
            )  # fmt: skip
        else:
            p, q = b0 * slab // slabs, b0 * (slab + 1) // slabs
            back, out = n >= 0 and stage == 1, stage == stages - 1 and (again or n + 1 < count)
            if n >= 0 and stage == 2:
                level = np.float32(math.sqrt(power.sum() / max(area, 1)))
                for one in range(p, q):
                    _make_uniform(o, s, r, b2, one * b1, (one + 1) * b1, level)
            if back or out:
                planes(
                    field, box, support, memory, keep, add, back, out, b1, b2, side1, side2, stride,
                    steps1, table1, steps2, table2, p, q,
                )  # fmt: skip
            if back and uniform:
                for one in range(p, q):
                    power[one] = _power(o, s, r, b2, one * b1, (one + 1) * b1, a)
        take(state, _DONE)
    _wait(state, total)

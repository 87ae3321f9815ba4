"""Sums over the pattern of an object in a box, or of intensities that are known; see `phasing.sums`, which says what is summed.

As in an iteration, a few lines of an object are transformed along the first axis at a time while they are in the processor's
cache; but nothing is written, and nothing comes back.
"""

from __future__ import annotations

import math

import numpy as np

from .fft import ROW, transform
from .jit import compiled, inlined
from .simd import LANES, at_least, eight, exponent, load, mantissa, pointer, root, where_measured
from .stages import GROUP, fetch, project_memory, target, total

_ZERO, _HALF, _ONE, _TWO = (np.float32(n) for n in (0, 0.5, 1, 2))
_HELD_OUT = np.float32(2.0**40)
"""What stands for a modulus that is not fitted is no bound if it is above minus this (see `pattern`)."""
_LOG2 = np.float32(math.log(2))
_THIRD, _FIFTH, _SEVENTH, _NINTH = (np.float32(1 / n) for n in (3, 5, 7, 9))


@inlined
def _logarithm(x):  # type: ignore[no-untyped-def]
    """Return natural logarithms: of m·2^e it is e·log 2 + 2·artanh t with t = (m − 1)/(m + 1), whose tenth power is below 3e-8.

    What comes of 0 is finite.
    """
    m = mantissa(x)
    t = (m - _ONE) / (m + _ONE)
    s = t * t
    series = (((s * _NINTH + _SEVENTH) * s + _FIFTH) * s + _THIRD) * s + _ONE
    return exponent(x) * _LOG2 + t * series * _TWO


@inlined
def _deviance(q, counts, floor):  # type: ignore[no-untyped-def]
    """Return the Poisson deviances of q expected photons, never fewer than the floor."""
    expected = at_least(q, floor)
    return expected - counts + counts * _logarithm(counts / expected)


@compiled("void(f4[::1], f4[::1], f8[:,::1], f4[::1], f4, b1, i8, i8, i8, i8, i8[:,::1], f4[::1], i8, i8)")
def add_up(
    field: np.ndarray,
    modulus: np.ndarray,
    found: np.ndarray,
    memory: np.ndarray,
    floor: np.float32,
    deviances: bool,
    b0: int,
    side0: int,
    rows: int,
    stride: int,
    steps: np.ndarray,
    table: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Transform the first axis and sum, groups `first` to `last` of the `rows` of a plane; the field stays as it is.

    Parameters
    ----------
    modulus
        From `layout.column_order`, held-out pixels as −2 − √counts.
    found
        (groups, 5), to be written.
    memory
        As many numbers as `project_memory` says.
    """
    size = side0 * ROW
    other, spare, _ = project_memory(side0)
    f, m, a, t = pointer(field), pointer(modulus), pointer(memory), pointer(table)
    number, w, room = len(steps), pointer(steps), pointer(memory[spare:])
    none = eight(_ZERO)
    for group in range(first, last):
        begin = group * GROUP
        count = min(GROUP, rows - begin)
        fetch(f, begin * ROW, count, stride, b0, size, a, 0)
        overlap, power, squared_error, deviance, unseen = none, none, none, none, none
        for c in range(count):
            here, there, at = c * size, other, (begin + c) * side0 * LANES
            if transform(a, here, a, there, number, w, t, room):
                here = there
            for n in range(side0):
                i, o = here + n * ROW, at + n * LANES
                re, im, wanted = load(a, i), load(a, i + LANES), load(m, o)
                q = re * re + im * im
                amplitude = root(q)
                aim, fits = target(wanted, q)
                apart = amplitude - aim
                overlap = overlap + where_measured(wanted, amplitude * wanted, none)
                power = power + where_measured(wanted, q, none)
                squared_error = squared_error + where_measured(fits, apart * apart, none)
                if deviances:
                    # √counts of the held-out, and negative elsewhere
                    hidden = where_measured(wanted + _HELD_OUT, eight(-_TWO) - wanted, eight(-_ONE))
                    modulus_here = where_measured(hidden, hidden, aim)
                    cost = _deviance(q, modulus_here * modulus_here, floor)
                    deviance = deviance + where_measured(fits, cost, none)
                    unseen = unseen + where_measured(hidden, cost, none)
        for k, eights in enumerate((overlap, power, squared_error, deviance, unseen)):
            found[group, k] = total(eights, a, spare)


@compiled("void(f4[::1], f4[::1], f4[::1], f8[:,::1], f4[::1], f4, b1, i8, i8, i8)")
def add_up_known(
    intensity: np.ndarray,
    modulus: np.ndarray,
    counts: np.ndarray,
    found: np.ndarray,
    memory: np.ndarray,
    floor: np.float32,
    deviances: bool,
    plane: int,
    first: int,
    last: int,
) -> None:
    """Sum over planes `first` to `last` of so many voxels each.

    Parameters
    ----------
    intensity, modulus, counts
        Of all voxels, in one order; the modulus as `pattern` says.
    found
        (planes, 5), to be written.
    memory
        32 numbers.
    """
    r, m, n, a = pointer(intensity), pointer(modulus), pointer(counts), pointer(memory)
    none, low, high = eight(_ZERO), _ONE + _HALF, _TWO + _HALF
    for p in range(first, last):
        overlap, power, squared_error, deviance, unseen = none, none, none, none, none
        begin, end = p * plane, (p + 1) * plane
        for i in range(begin, end, LANES):
            if i + LANES <= end:
                q, wanted, light = load(r, i), load(m, i), load(n, i)
            else:  # the last ones, and as many as are missing, masked
                for k in range(LANES):
                    is_there = i + k < end
                    memory[k] = intensity[i + k] if is_there else _ZERO
                    memory[LANES + k] = modulus[i + k] if is_there else -_ONE
                    memory[2 * LANES + k] = counts[i + k] if is_there else _ZERO
                q, wanted, light = load(a, 0), load(a, LANES), load(a, 2 * LANES)
            amplitude = root(q)
            aim, fits = target(wanted, q)
            apart = amplitude - aim
            overlap = overlap + where_measured(wanted, amplitude * wanted, none)
            power = power + where_measured(wanted, q, none)
            squared_error = squared_error + where_measured(fits, apart * apart, none)
            if deviances:
                cost = _deviance(q, light, floor)
                deviance = deviance + where_measured(fits, cost, none)
                # held-out pixels alone lie between these
                hidden = where_measured(wanted + high, eight(-low) - wanted, eight(-_ONE))
                unseen = unseen + where_measured(hidden, cost, none)
        for k, eights in enumerate((overlap, power, squared_error, deviance, unseen)):
            found[p, k] = total(eights, a, 3 * LANES)

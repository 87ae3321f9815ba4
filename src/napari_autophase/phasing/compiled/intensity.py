"""The intensity of an object in a box, in the order that arrays have.

As in an iteration, a few lines of an object are transformed along the first axis at a time while they are in the processor's
cache; what comes of eight neighbouring ones leaves in rows.
"""

from __future__ import annotations

import numpy as np

from .fft import ROW, transform
from .jit import compiled, inlined
from .simd import LANES, load, pointer, store
from .stages import fetch, transpose


@inlined
def intensity_memory(side0: int) -> tuple[int, int, int, int]:
    """Return where `intensity` keeps what: a buffer, room for `transform`, tiles of intensities, and the end."""
    other = (LANES * side0 + 1) * ROW
    spare = other + (side0 + 1) * ROW
    tiles = spare + (side0 + 1) * ROW
    return other, spare, tiles, tiles + (side0 + 1) * LANES * LANES


@compiled("void(f4[::1], f4[::1], f4[::1], i8, i8, i8, i8, i8, i8[:,::1], f4[::1], i8, i8)")
def intensity(
    field: np.ndarray,
    found: np.ndarray,
    memory: np.ndarray,
    b0: int,
    side0: int,
    side1: int,
    side2: int,
    stride: int,
    steps: np.ndarray,
    table: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Transform the first axis and square, of eight by eight lines at a time, `first` to `last`; the field stays as it is.

    Parameters
    ----------
    found
        (N0, N1, N2), to be written.
    memory
        As many numbers as `intensity_memory` says.
    """
    size, chunks = side0 * ROW, (side2 + LANES - 1) // LANES
    other, spare, tiles, end = intensity_memory(side0)
    f, o, a, t = pointer(field), pointer(found), pointer(memory), pointer(table)
    number, w, room = len(steps), pointer(steps), pointer(memory[spare:])
    last_tile = end - LANES * LANES
    for group in range(first, last):
        band, c = group // chunks * LANES, group % chunks * LANES
        wide, high = min(LANES, side2 - c), min(LANES, side1 - band)
        fetch(f, (band // LANES * side2 + c) * ROW, wide, stride, b0, size, a, 0)
        for line in range(wide):
            here, there = line * size, other
            if transform(a, here, a, there, number, w, t, room):
                here = there
            for n in range(side0):
                re, im = load(a, here + n * ROW), load(a, here + n * ROW + LANES)
                store(a, tiles + (n * LANES + line) * LANES, re * re + im * im)
        for n in range(side0):
            tile, at = tiles + n * LANES * LANES, (n * side1 + band) * side2 + c
            if wide == LANES and high == LANES:
                transpose(a, tile, LANES, o, at, side2)
            else:  # eight would reach into the next row, or beyond the end
                transpose(a, tile, LANES, a, last_tile, LANES)
                for row in range(high):
                    for k in range(wide):
                        found[at + row * side2 + k] = memory[last_tile + row * LANES + k]

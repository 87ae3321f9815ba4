"""Fourier transforms of eight lines at a time, see `stages`, which does volumes with them.

A buffer holds eight lines: one row of 16 numbers for every place along the lines, eight real parts, then eight imaginary ones.
The transform is Stockham's, which leaves frequencies in order and needs a second buffer: of the N places of a line, radix r after
radix r takes ``y[q + s(rp + u)] = w^(pu) Σ_t x[q + s(p + mt)] exp(−2πi tu/r)`` with ``n = rm``, ``w = exp(−2πi/n)``, ``p < m``,
``q < s``; n begins as N and is divided by r, s begins as 1 and is multiplied by it (Cochran et al., IEEE Trans. Audio
Electroacoust. 15, 45 (1967); Van Loan, *Computational Frameworks for the Fast Fourier Transform*, SIAM 1992, section 1.7).

Real and imaginary parts taken for one another before and after turn it into the inverse, which is how the way back is done.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numba import types

from .jit import compiled, inlined
from .simd import LANES, eight, load, store

ROW = 2 * LANES
"""Numbers of a row of a buffer."""

_SIN60 = np.float32(math.sin(math.pi / 3))
_COS72, _COS144 = np.float32(math.cos(0.4 * math.pi)), np.float32(math.cos(0.8 * math.pi))
_SIN72, _SIN144 = np.float32(math.sin(0.4 * math.pi)), np.float32(math.sin(0.8 * math.pi))
_SIN45 = np.float32(math.sqrt(0.5))
_HALF, _ZERO = np.float32(0.5), np.float32(0)


@lru_cache(maxsize=64)
def plan(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how lines of `side` places are transformed, as `transform` needs it.

    Returns
    -------
    steps
        int64 (steps, 4): radix r, m, s, and where the step's numbers begin in the table.
    table
        float32: for every step cos and sin of −2πpu/n for p < m and 0 < u < r; then, for odd radices above 5, of 2πt/r for t < r.
    """
    n, s, begin = side, 1, 0
    steps, numbers = [], [np.empty(0)]
    for radix in _radices(side):
        m = n // radix
        angle = -2 * np.pi / n * np.outer(np.arange(m), np.arange(1, radix))
        steps.append((radix, m, s, begin))
        numbers.append(np.stack([np.cos(angle), np.sin(angle)], -1).ravel())
        if radix > 5 and radix % 2:
            angle = 2 * np.pi / radix * np.arange(radix)
            numbers.append(np.stack([np.cos(angle), np.sin(angle)], -1).ravel())
        begin = sum(part.size for part in numbers)
        n, s = m, s * radix
    table = np.concatenate(numbers).astype(np.float32)
    return np.array(steps, np.int64).reshape(-1, 4), table


def _radices(side: int) -> list[int]:
    twos, rest = 0, side
    while rest % 2 == 0:
        twos, rest = twos + 1, rest // 2
    powers = [2] if twos == 1 else [*[4] * (-twos % 3), *[8] * ((twos - 2 * (-twos % 3)) // 3)]
    primes, prime = [], 3
    while rest > 1:
        while rest % prime == 0:
            primes.append(prime)
            rest //= prime
        prime += 1
    return [*reversed(primes), *powers]


@inlined
def _rotated(y, o, re, im, table, w):  # type: ignore[no-untyped-def]
    """Store a row times a twiddle factor of the table."""
    c, s = table[w], table[w + 1]
    store(y, o, re * c - im * s)
    store(y, o + LANES, re * s + im * c)


@inlined
def stored(y, o, re, im):  # type: ignore[no-untyped-def]
    """Store real and imaginary parts as a row of a buffer."""
    store(y, o, re)
    store(y, o + LANES, im)


@inlined
def _two(x, i, d):  # type: ignore[no-untyped-def]
    ar, ai, br, bi = load(x, i), load(x, i + LANES), load(x, i + d), load(x, i + d + LANES)
    return ar + br, ai + bi, ar - br, ai - bi


@inlined
def _three(x, i, d):  # type: ignore[no-untyped-def]
    ar, ai = load(x, i), load(x, i + LANES)
    br, bi = load(x, i + d), load(x, i + d + LANES)
    cr, ci = load(x, i + 2 * d), load(x, i + 2 * d + LANES)
    er, ei, our, oui = br + cr, bi + ci, (br - cr) * _SIN60, (bi - ci) * _SIN60
    mr, mi = ar - er * _HALF, ai - ei * _HALF
    return ar + er, ai + ei, mr + oui, mi - our, mr - oui, mi + our


@inlined
def _four(x, i, d):  # type: ignore[no-untyped-def]
    ar, ai = load(x, i), load(x, i + LANES)
    cr, ci = load(x, i + 2 * d), load(x, i + 2 * d + LANES)
    er, ei, fr, fi = ar + cr, ai + ci, ar - cr, ai - ci
    br, bi = load(x, i + d), load(x, i + d + LANES)
    dr, di = load(x, i + 3 * d), load(x, i + 3 * d + LANES)
    gr, gi, hr, hi = br + dr, bi + di, br - dr, bi - di
    return er + gr, ei + gi, fr + hi, fi - hr, er - gr, ei - gi, fr - hi, fi + hr


@inlined
def _five(x, i, d):  # type: ignore[no-untyped-def]
    ar, ai = load(x, i), load(x, i + LANES)
    br, bi, er, ei = load(x, i + d), load(x, i + d + LANES), load(x, i + 4 * d), load(x, i + 4 * d + LANES)
    pr, pi, qr, qi = br + er, bi + ei, br - er, bi - ei
    cr, ci = load(x, i + 2 * d), load(x, i + 2 * d + LANES)
    dr, di = load(x, i + 3 * d), load(x, i + 3 * d + LANES)
    rr, ri, sr, si = cr + dr, ci + di, cr - dr, ci - di
    er, ei = ar + pr * _COS72 + rr * _COS144, ai + pi * _COS72 + ri * _COS144
    fr, fi = ar + pr * _COS144 + rr * _COS72, ai + pi * _COS144 + ri * _COS72
    gr, gi = qr * _SIN72 + sr * _SIN144, qi * _SIN72 + si * _SIN144
    hr, hi = qr * _SIN144 - sr * _SIN72, qi * _SIN144 - si * _SIN72
    return (
        ar + pr + rr,
        ai + pi + ri,
        er + gi,
        ei - gr,
        fr + hi,
        fi - hr,
        fr - hi,
        fi + hr,
        er - gi,
        ei + gr,
    )


@inlined
def _step2(x, i, y, j, m, s, table, w):  # type: ignore[no-untyped-def]
    d, e = m * s * ROW, s * ROW
    for p in range(m):
        for q in range(s):
            o = j + (q + s * 2 * p) * ROW
            ar, ai, br, bi = _two(x, i + (q + s * p) * ROW, d)
            stored(y, o, ar, ai)
            if p == 0:
                stored(y, o + e, br, bi)
            else:
                _rotated(y, o + e, br, bi, table, w + 2 * p)


@inlined
def _step3(x, i, y, j, m, s, table, w):  # type: ignore[no-untyped-def]
    d, e = m * s * ROW, s * ROW
    for p in range(m):
        for q in range(s):
            o, v = j + (q + s * 3 * p) * ROW, w + 4 * p
            ar, ai, br, bi, cr, ci = _three(x, i + (q + s * p) * ROW, d)
            stored(y, o, ar, ai)
            _rotated(y, o + e, br, bi, table, v)
            _rotated(y, o + 2 * e, cr, ci, table, v + 2)


@inlined
def _step4(x, i, y, j, m, s, table, w):  # type: ignore[no-untyped-def]
    d, e = m * s * ROW, s * ROW
    for q in range(s):  # p = 0, where nothing turns: all of the last step
        o = j + q * ROW
        ar, ai, br, bi, cr, ci, dr, di = _four(x, i + q * ROW, d)
        stored(y, o, ar, ai)
        stored(y, o + e, br, bi)
        stored(y, o + 2 * e, cr, ci)
        stored(y, o + 3 * e, dr, di)
    for p in range(1, m):
        for q in range(s):
            o, v = j + (q + s * 4 * p) * ROW, w + 6 * p
            ar, ai, br, bi, cr, ci, dr, di = _four(x, i + (q + s * p) * ROW, d)
            stored(y, o, ar, ai)
            _rotated(y, o + e, br, bi, table, v)
            _rotated(y, o + 2 * e, cr, ci, table, v + 2)
            _rotated(y, o + 3 * e, dr, di, table, v + 4)


@inlined
def _eight(x, i, d):  # type: ignore[no-untyped-def]
    """Radix 4 twice, of every second place: the frequencies of the others turn by eighths of a circle."""
    p0r, p0i, q0r, q0i, p2r, p2i, q2r, q2i = _four(x, i, 2 * d)
    p1r, p1i, q1r, q1i, p3r, p3i, q3r, q3i = _four(x, i + d, 2 * d)
    q1r, q1i = (q1r + q1i) * _SIN45, (q1i - q1r) * _SIN45
    q3r, q3i = (q3i - q3r) * _SIN45, (q3r + q3i) * -_SIN45
    return (
        p0r + p1r,
        p0i + p1i,
        q0r + q1r,
        q0i + q1i,
        p2r + p3i,
        p2i - p3r,
        q2r + q3r,
        q2i + q3i,
        p0r - p1r,
        p0i - p1i,
        q0r - q1r,
        q0i - q1i,
        p2r - p3i,
        p2i + p3r,
        q2r - q3r,
        q2i - q3i,
    )


@inlined
def _step8(x, i, y, j, m, s, table, w):  # type: ignore[no-untyped-def]
    d, e = m * s * ROW, s * ROW
    for q in range(s):  # p = 0, where nothing turns: all of the last step
        o = j + q * ROW
        ar, ai, br, bi, cr, ci, dr, di, er, ei, fr, fi, gr, gi, hr, hi = _eight(x, i + q * ROW, d)
        stored(y, o, ar, ai)
        stored(y, o + e, br, bi)
        stored(y, o + 2 * e, cr, ci)
        stored(y, o + 3 * e, dr, di)
        stored(y, o + 4 * e, er, ei)
        stored(y, o + 5 * e, fr, fi)
        stored(y, o + 6 * e, gr, gi)
        stored(y, o + 7 * e, hr, hi)
    for p in range(1, m):
        for q in range(s):
            o, v = j + (q + s * 8 * p) * ROW, w + 14 * p
            ar, ai, br, bi, cr, ci, dr, di, er, ei, fr, fi, gr, gi, hr, hi = _eight(
                x, i + (q + s * p) * ROW, d
            )
            stored(y, o, ar, ai)
            _rotated(y, o + e, br, bi, table, v)
            _rotated(y, o + 2 * e, cr, ci, table, v + 2)
            _rotated(y, o + 3 * e, dr, di, table, v + 4)
            _rotated(y, o + 4 * e, er, ei, table, v + 6)
            _rotated(y, o + 5 * e, fr, fi, table, v + 8)
            _rotated(y, o + 6 * e, gr, gi, table, v + 10)
            _rotated(y, o + 7 * e, hr, hi, table, v + 12)


@inlined
def _step5(x, i, y, j, m, s, table, w):  # type: ignore[no-untyped-def]
    d, f = m * s * ROW, s * ROW
    for p in range(m):
        for q in range(s):
            o, v = j + (q + s * 5 * p) * ROW, w + 8 * p
            ar, ai, br, bi, cr, ci, dr, di, er, ei = _five(x, i + (q + s * p) * ROW, d)
            stored(y, o, ar, ai)
            _rotated(y, o + f, br, bi, table, v)
            _rotated(y, o + 2 * f, cr, ci, table, v + 2)
            _rotated(y, o + 3 * f, dr, di, table, v + 4)
            _rotated(y, o + 4 * f, er, ei, table, v + 6)


@inlined
def _step_odd(x, i, y, j, r, m, s, table, w, spare):  # type: ignore[no-untyped-def]
    """An odd radix: sums and differences of the places t and r − t give the frequencies u and r − u together."""
    d, f, h = m * s * ROW, s * ROW, r // 2
    circle = w + 2 * m * (r - 1)
    for p in range(m):
        for q in range(s):
            here, o, v = i + (q + s * p) * ROW, j + (q + s * r * p) * ROW, w + 2 * (r - 1) * p - 2
            ar, ai = load(x, here), load(x, here + LANES)
            total_r, total_i = ar, ai
            for t in range(1, h + 1):
                ahead, behind, k = here + t * d, here + (r - t) * d, 2 * ROW * (t - 1)
                br, bi = load(x, ahead), load(x, ahead + LANES)
                cr, ci = load(x, behind), load(x, behind + LANES)
                stored(spare, k, br + cr, bi + ci)
                stored(spare, k + ROW, br - cr, bi - ci)
                total_r, total_i = total_r + (br + cr), total_i + (bi + ci)
            stored(y, o, total_r, total_i)
            for u in range(1, h + 1):
                er, ei, gr, gi = ar, ai, eight(_ZERO), eight(_ZERO)
                at = 0
                for t in range(h):
                    at += u
                    if at >= r:
                        at -= r
                    c, b, k = table[circle + 2 * at], table[circle + 2 * at + 1], 2 * ROW * t
                    er, ei = er + load(spare, k) * c, ei + load(spare, k + LANES) * c
                    gr, gi = gr + load(spare, k + ROW) * b, gi + load(spare, k + ROW + LANES) * b
                _rotated(y, o + u * f, er + gi, ei - gr, table, v + 2 * u)
                _rotated(y, o + (r - u) * f, er - gi, ei + gr, table, v + 2 * (r - u))


_NUMBERS, _WHOLES = types.CPointer(types.float32), types.CPointer(types.int64)


@compiled(types.bool_(_NUMBERS, types.intp, _NUMBERS, types.intp, types.intp, _WHOLES, _NUMBERS, _NUMBERS))
def transform(x, i, y, j, count, steps, table, spare):  # type: ignore[no-untyped-def]
    """Transform the buffer that begins at x[i]; the result is there, or, if True is returned, begins at y[j].

    Everything is handed over as a `simd.pointer`.

    Parameters
    ----------
    x, y
        float32; both are overwritten.
    count, steps, table
        From `plan`: how many steps, and its arrays.
    spare
        float32, `ROW` numbers for every place of the largest radix, and one more.
    """
    there = False
    for step in range(count):
        at = 4 * step
        r, m, s, w = steps[at], steps[at + 1], steps[at + 2], steps[at + 3]
        a, b, k, n = (y, x, j, i) if there else (x, y, i, j)
        if r == 8:
            _step8(a, k, b, n, m, s, table, w)
        elif r == 4:
            _step4(a, k, b, n, m, s, table, w)
        elif r == 2:
            _step2(a, k, b, n, m, s, table, w)
        elif r == 3:
            _step3(a, k, b, n, m, s, table, w)
        elif r == 5:
            _step5(a, k, b, n, m, s, table, w)
        else:
            _step_odd(a, k, b, n, r, m, s, table, w, spare)
        there = not there
    return there

"""How volumes lie in memory for the compiled functions, and the boxes that objects are cut to."""

from __future__ import annotations

from threading import Lock
from weakref import WeakKeyDictionary, ref

import numpy as np
import torch

from ..pattern import HELD_OUT, Pattern

Span = tuple[int, int]
"""First place (FFT order, wrapping around) and number of places of a box along an axis."""

LANES = 8
"""Lines that are transformed side by side, and numbers of one vector."""


def column_order(modulus: np.ndarray) -> np.ndarray:
    """Return a modulus, float32 (N0, N1, N2) in FFT order, as (K·N2, N0, 8): the second axis in K bands of eight.

    What is beyond the last place of the second axis is masked.
    """
    n0, n1, n2 = modulus.shape
    bands = -(-n1 // LANES)
    padded = modulus
    if n1 < bands * LANES:
        padded = np.full((n0, bands * LANES, n2), -1, np.float32)
        padded[:, :n1] = modulus
    order = padded.reshape(n0, bands, LANES, n2).transpose(1, 3, 0, 2)
    return np.ascontiguousarray(order).reshape(bands * n2, n0, LANES)


_known: WeakKeyDictionary[Pattern, tuple[ref[torch.Tensor], int, np.ndarray]] = WeakKeyDictionary()
_lock = Lock()


def columns(pattern: Pattern) -> np.ndarray:
    """Return the modulus of a pattern in `column_order`; held-out pixels are −2 − √counts there.

    It is kept as long as the pattern lives and its modulus is the same, unless the modulus was made in `torch.inference_mode`:
    of such a tensor nobody can tell whether it changed.
    """
    now = pattern.modulus
    if now.is_inference():
        return _columns(now, pattern)
    with _lock:
        if (before := _known.get(pattern)) is not None:
            known, version, found = before
            if known() is now and version == now._version:
                return found
        found = _columns(now, pattern)
        _known[pattern] = ref(now), now._version, found
        return found


def _columns(now: torch.Tensor, pattern: Pattern) -> np.ndarray:
    modulus = now.cpu().numpy().copy()
    hidden = np.flatnonzero(modulus == HELD_OUT)
    modulus.reshape(-1)[hidden] -= np.sqrt(np.maximum(pattern.counts.cpu().numpy().reshape(-1)[hidden], 0))
    return column_order(modulus)


def places(filled: np.ndarray) -> list[np.ndarray]:
    """Return the places of the smallest box around a support, bool (N0, N1, N2) in FFT order, along every axis.

    The last axis has a multiple of eight places, if there are as many.
    """
    lines, plane = np.asarray(filled.any(2)), np.asarray(filled.any(0))
    spans = [_span(np.asarray(axis)) for axis in (lines.any(1), plane.any(1), plane.any(0))]
    first, width = spans[2]
    spans[2] = first, min(-(-width // LANES) * LANES, filled.shape[2])
    return [
        (first + np.arange(width)) % side for (first, width), side in zip(spans, filled.shape, strict=True)
    ]


def _span(filled: np.ndarray) -> Span:
    side, found = filled.size, np.flatnonzero(filled)
    if found.size == 0:
        return 0, 1
    gaps = np.diff(found, append=found[0] + side)
    widest = int(gaps.argmax())
    return int(found[(widest + 1) % found.size]), side - int(gaps[widest]) + 1


def plane_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many rows a plane of the field has, and how many float32 numbers lie between planes.

    A little more than the rows: else all planes of many volumes would compete for the same places of the caches.
    """
    rows = -(-shape[1] // LANES) * shape[2]
    return rows, (rows + 4) * 2 * LANES


def aligned(size: int) -> np.ndarray:
    """Return float32 numbers, not set, that begin where a line of the caches does, so that no row lies in two of them."""
    numbers = np.empty(size + 2 * LANES, np.float32)  # large ones get large pages from NumPy, unlike torch's
    begin = -numbers.ctypes.data % 64 // 4
    return numbers[begin : begin + size]

"""How large a scan must be to be phased."""

from __future__ import annotations

from collections.abc import Sequence

LEAST = (8, 16, 16)
"""Frames, rows, columns."""


def fits(shape: Sequence[int], least: Sequence[int] = LEAST) -> bool:
    """Tell whether something has at least as many frames, rows and columns."""
    return all(side >= fewest for side, fewest in zip(shape, least, strict=True))


def too_small(name: str, shape: Sequence[int]) -> str:
    """Say that what is called so is too small."""
    advice = "give a longer rocking curve, or a wider region of the detector"
    if fits(sorted(shape), sorted(LEAST)):
        advice = "say with --axes which axis rocks (2,0,1: the last)"
    frames, rows, columns = LEAST
    return f"{name} has shape {tuple(shape)}; it takes at least {frames} frames of {rows} × {columns} pixels; {advice}."

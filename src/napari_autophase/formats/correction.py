"""Dark and white field, and masks: arrays in files of their own that say what a detector's pixels are worth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..scan import InputError, Scan


def as_mask(mask: np.ndarray, shape: tuple[int, ...], what: object) -> np.ndarray:
    """Return a mask (non-zero is bad) in the scan's shape; one 2-D frame holds for all frames.

    Raises
    ------
    InputError
        If it fits neither the volume nor its frames.
    """
    if mask.shape not in (shape, shape[1:]):
        raise InputError(
            f"The mask {what} has shape {mask.shape} but the scan has {shape}; give one of that shape, or of one frame."
        )
    return np.broadcast_to(mask != 0, shape).copy()


def flat_field(
    scan: Scan,
    dark: np.ndarray | None = None,
    white: np.ndarray | None = None,
    roi: tuple[int, int, int, int] | None = None,
) -> Scan:
    """Return the scan with the detector's own pattern taken out: counts = (raw − dark) · mean(white) / white, in float32.

    Masked are pixels that are hot in the dark (over five standard deviations of its Poisson noise above its median), and
    those that stay black in the white field.  What falls below zero is zero.

    Parameters
    ----------
    scan
        Raw counts.
    dark, white
        2-D detector images, of the frames' shape or larger.
    roi
        ``(first row, end row, first column, end column)`` of the frames on a larger detector; None: its top left corner.

    Raises
    ------
    InputError
        If a field does not cover the frames.
    """
    counts = scan.counts.astype(np.float32)
    bad = np.zeros(scan.shape[1:], dtype=bool)
    if dark is not None:
        dark = _part(dark, "dark", scan.shape, roi)
        usual = float(np.median(dark))
        bad |= ~(dark <= usual + 5 * np.sqrt(max(usual, 0.0) + 1))
        counts -= np.where(bad, 0, dark).astype(np.float32)
        np.maximum(counts, 0, out=counts)
    if white is not None:
        white = _part(white, "white", scan.shape, roi)
        lit = white > 0
        if not lit.any():
            raise InputError(
                "The white field is black everywhere under the frames; check the region of interest."
            )
        bad |= ~lit
        counts *= np.where(lit, white[lit].mean() / np.where(lit, white, 1), 0).astype(np.float32)
    counts[:, bad] = 0
    mask = np.broadcast_to(bad, scan.shape) if scan.mask is None else scan.mask | bad
    return replace(scan, counts=counts, mask=mask.copy())


def _part(
    field: np.ndarray, what: str, shape: tuple[int, int, int], roi: tuple[int, int, int, int] | None
) -> np.ndarray:
    first_row, end_row, first_column, end_column = roi or (0, shape[1], 0, shape[2])
    part = field[first_row:end_row, first_column:end_column]
    if min(first_row, first_column) < 0 or part.shape != shape[1:]:
        raise InputError(
            f"The {what} field of shape {field.shape} does not give frames of {shape[1:]}; "
            "give one of the frames' size, or the region of interest (row0, row1, column0, column1) of the frames."
        )
    return part


def split_path(path: str | Path) -> tuple[Path, str | None]:
    """Split ``file.h5::/entry/data`` into the file and the dataset inside it."""
    whole = Path(path)
    file, mark, inside = str(path).partition("::")
    return (whole, None) if not mark or whole.exists() else (Path(file), inside or None)

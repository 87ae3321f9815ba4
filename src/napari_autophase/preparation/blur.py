"""Gaussian blur of volumes, several times quicker than SciPy's, which knows nothing of matrix products."""

from __future__ import annotations

import numpy as np

_ROWS, _COLUMNS = 32, 64
"""Of a product: OpenBLAS shares larger ones among threads, which it lets spin for hundredths of a second afterwards, and they
hold up all that comes next."""


def blurred(volume: np.ndarray, sigma: float, truncate: float = 4.0) -> np.ndarray:
    """Return a volume after a Gaussian blur, with nothing beyond its edges.

    Along each axis a block of planes is a matrix product of those around it with the Gaussian.

    Parameters
    ----------
    volume
        Real (N0, N1, N2).
    sigma
        Width of the Gaussian in voxels.
    truncate
        Where it is cut off, in widths.

    Returns
    -------
    ndarray
        float32 (N0, N1, N2), what ``scipy.ndimage.gaussian_filter(volume, sigma, mode="constant", truncate=truncate)`` returns.
    """
    radius = int(truncate * sigma + 0.5)
    total = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2).sum()
    found = np.asarray(volume, dtype=np.float32)
    for axis in range(3):
        lines = found if axis == 1 else np.moveaxis(found, axis, 1)
        result = np.empty_like(lines)
        side, columns = lines.shape[1:]
        for begin in range(0, side, _ROWS):
            end = min(begin + _ROWS, side)
            first, last = max(0, begin - radius), min(side, end + radius)
            distance = np.abs(np.arange(begin, end)[:, None] - np.arange(first, last))
            weights = np.exp(-0.5 * (distance / sigma) ** 2) * (distance <= radius) / total
            matrix = weights.astype(np.float32)
            for column in range(0, columns, _COLUMNS):
                part = slice(column, column + _COLUMNS)
                np.matmul(matrix, lines[:, first:last, part], out=result[:, begin:end, part])
        found = np.moveaxis(result, 1, axis)
    return np.ascontiguousarray(found)

"""Gaussian blur of volumes, several times quicker than SciPy's, which knows nothing of matrix products."""

from __future__ import annotations

import numpy as np

_BLOCK = 64


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
        side = found.shape[axis]
        lines = np.moveaxis(found, axis, 1) if axis else found.reshape(1, side, -1)
        result = np.empty_like(lines)
        for begin in range(0, side, _BLOCK):
            end = min(begin + _BLOCK, side)
            first, last = max(0, begin - radius), min(side, end + radius)
            distance = np.abs(np.arange(begin, end)[:, None] - np.arange(first, last))
            matrix = np.exp(-0.5 * (distance / sigma) ** 2) * (distance <= radius) / total
            np.matmul(matrix.astype(np.float32), lines[:, first:last], out=result[:, begin:end])
        found = np.moveaxis(result, 1, axis) if axis else result.reshape(found.shape)
    return np.ascontiguousarray(found)

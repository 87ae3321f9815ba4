"""Gaussian blur of volumes, several times quicker than SciPy's, which knows nothing of matrix products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Place = tuple[slice, ...]
_ROWS, _COLUMNS = 32, 64
"""Of a product: OpenBLAS shares larger ones among threads, which it lets spin for hundredths of a second afterwards, and they
hold up all that comes next."""


_PART, _MARGIN = 128, 64
"""Sides of the parts of a large volume, and of what a blur looks at around them; whole blocks of products, so that each part
comes out bit for bit as the whole does."""


def parts(shape: tuple[int, ...]) -> Iterator[tuple[Place, Place, Place]]:
    """Yield the parts in which a large volume is blurred, for the sake of memory.

    Parameters
    ----------
    shape
        The volume's; it is divided along its longest axis.

    Yields
    ------
    around, inside, own
        Where a part stands with its surroundings, where it stands in these, and where it stands by itself.
    """
    axis = int(np.argmax(shape))
    for begin in range(0, shape[axis], _PART):
        end = min(begin + _PART, shape[axis])
        first = max(begin - _MARGIN, 0)
        before = (slice(None),) * axis
        yield (
            (*before, slice(first, min(end + _MARGIN, shape[axis]))),
            (*before, slice(begin - first, end - first)),
            (*before, slice(begin, end)),
        )


def surroundings(wanted: np.ndarray, sigma: float, truncate: float) -> Place:
    """Return the place that a blur of the wanted voxels looks at, in whole blocks of products: they come out as in the whole.

    Parameters
    ----------
    wanted
        bool (N0, N1, N2), at least one of them true.
    sigma, truncate
        As for `blurred`.
    """
    radius = int(truncate * sigma + 0.5)
    found = []
    for axis in range(3):
        others = tuple(each for each in range(3) if each != axis)
        at = np.flatnonzero(wanted.any(others))
        first, last = max(int(at[0]) - radius, 0), int(at[-1]) + radius + 1
        found.append(slice(first - first % _COLUMNS, min(last + -last % _COLUMNS, wanted.shape[axis])))
    return tuple(found)


def brightest(volume: np.ndarray, sigma: float) -> tuple[int, ...]:
    """Return the index of the maximum of a volume after a Gaussian blur."""
    best, where = -np.inf, 0
    for around, inside, own in parts(volume.shape):
        light = blurred(volume[around], sigma)[inside]
        index = np.unravel_index(int(light.argmax()), light.shape)
        first = [part.start or 0 for part in own] + [0] * (volume.ndim - len(own))
        place = int(np.ravel_multi_index(tuple(np.add(index, first)), volume.shape))
        if light[index] > best or (light[index] == best and place < where):
            best, where = float(light[index]), place
    return tuple(int(at) for at in np.unravel_index(where, volume.shape))


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

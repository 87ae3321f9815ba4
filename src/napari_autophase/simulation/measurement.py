"""What lies between a crystal and its counts in `simulation`: where the peak falls, blur, drift, gaps and hot pixels."""

from __future__ import annotations

import numpy as np
from scipy import fft

from .crystal import along_grid


def centred(found: np.ndarray, miss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring the intensity's maximum to the centre voxel plus `miss`, by a phase ramp; return object and intensity."""
    shape = found.shape
    intensity = np.abs(fft.fftshift(fft.fftn(fft.ifftshift(found)))) ** 2
    brightest = np.unravel_index(int(intensity.argmax()), shape)
    move = (np.array(shape) // 2 - brightest + miss) * 2 * np.pi / np.array(shape)
    found = found * np.exp(1j * along_grid(move, shape))
    return found, np.abs(fft.fftshift(fft.fftn(fft.ifftshift(found)))) ** 2


def blurred(intensity: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Blur an intensity, which is periodic in the array, with a Gaussian of so many pixels along each axis."""
    for axis, (n, width) in enumerate(zip(intensity.shape, widths, strict=True)):
        if width:
            weights = np.exp(-2 * (np.pi * width * fft.rfftfreq(n)) ** 2)
            spectrum = np.moveaxis(fft.rfft(intensity, axis=axis), axis, -1) * weights
            intensity = np.moveaxis(fft.irfft(spectrum, n), -1, axis)
    return np.maximum(intensity, 0)


def wandered(intensity: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Move every frame by its own part of a voxel, (frames, 2), such that the middle frame stays where it is."""
    way = way - way[len(way) // 2]
    rows, columns = (
        np.exp(-2j * np.pi * np.outer(way[:, k], fft.fftfreq(intensity.shape[k + 1]))) for k in (0, 1)
    )
    spectrum = fft.fft2(intensity) * rows[:, :, None] * columns[:, None, :]
    return np.maximum(fft.ifft2(spectrum).real, 0)


def spoil(
    rng: np.random.Generator, counts: np.ndarray, gaps: bool, hot_pixels: int, peak: float
) -> np.ndarray:
    """Write gaps and hot pixels into `counts`; return the mask of the gaps."""
    mask = np.zeros(counts.shape, bool)
    if gaps:
        for axis in (1, 2):
            side = counts.shape[axis]
            width = int(rng.integers(1, max(2, side // 24) + 1))
            away = int(rng.integers(side // 8, side // 2 - width))
            start = side // 2 + (away if rng.random() < 0.5 else -away - width)
            mask[(slice(None),) * axis + (slice(start, start + width),)] = True
        counts[mask] = 0
    for index in range(hot_pixels):
        frame_, row, column = (int(rng.integers(side)) for side in counts.shape)
        height = peak * 10 ** rng.uniform(-2, 0)
        counts[slice(None) if index % 3 == 2 else frame_, row, column] += rng.poisson(height)
    return mask

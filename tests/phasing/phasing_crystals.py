"""Small crystals with known phases, their diffraction, and a plain NumPy reference of the algorithms."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from scipy import ndimage


def crystal(shape: tuple[int, int, int] = (32, 32, 32), seed: int = 0, phase: float = 1.0) -> np.ndarray:
    """Return a polyhedron (complex128, centred, about 0.3 of each side) with slightly soft facets and a smooth phase."""
    rng = np.random.default_rng(seed)
    places = np.meshgrid(*((np.arange(n) - n // 2) / (0.15 * n) for n in shape), indexing="ij")
    inside = np.ones(shape, bool)
    for _ in range(12):
        normal = rng.normal(size=3)
        normal /= np.linalg.norm(normal)
        inside &= sum(n * p for n, p in zip(normal, places, strict=True)) < rng.uniform(0.8, 1.2)
    amplitude = ndimage.gaussian_filter(inside.astype(float), 0.5)
    amplitude[amplitude < 0.02] = 0
    return amplitude * np.exp(
        1j * phase * (places[0] * places[1] + np.sin(1.5 * places[2]) + 0.5 * places[0] ** 2)
    )


def field(centred: np.ndarray) -> np.ndarray:
    return np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(centred)))


def intensity(centred: np.ndarray, peak: float = 1e6) -> np.ndarray:
    pattern = np.abs(field(centred)) ** 2
    return pattern * (peak / pattern.max())


def photons(centred: np.ndarray, peak: float = 1e6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(intensity(centred, peak)).astype(np.float32)


def likeness(found: np.ndarray, truth: np.ndarray) -> float:
    """Return |correlation| after the best shift (to a tenth of a voxel), of the better twin."""
    twin = np.conj(np.roll(found[::-1, ::-1, ::-1], 1, (0, 1, 2)))
    return max(_correlation(found, truth), _correlation(twin, truth))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    cross = np.fft.fftn(a) * np.conj(np.fft.fftn(b))
    norm = np.linalg.norm(a) * np.linalg.norm(b) * a.size
    coarse = np.unravel_index(np.abs(np.fft.ifftn(cross)).argmax(), a.shape)
    fine = np.linspace(-1, 1, 21)
    spread = cross
    for axis, (n, place) in enumerate(zip(a.shape, coarse, strict=True)):
        waves = np.exp(2j * np.pi * np.outer(place + fine, np.fft.fftfreq(n)))
        spread = np.moveaxis(np.tensordot(waves, spread, (1, axis)), 0, axis)
    return float(np.abs(spread).max() / norm)


def finish(job: Generator[Any, None, Any]) -> tuple[list[Any], Any]:
    """Drive a generator to its end; returns what it yielded and what it returned."""
    yielded = []
    while True:
        try:
            yielded.append(next(job))
        except StopIteration as done:
            return yielded, done.value


def reference(
    start: np.ndarray,
    support: np.ndarray,
    modulus: np.ndarray,
    fitted: np.ndarray,
    steps: tuple[str, ...],
    beta: float,
) -> np.ndarray:
    """Return the iterate after `steps`, complex128 and centred throughout, each algorithm written by its reflectors."""

    def project(rho: np.ndarray) -> np.ndarray:
        f = field(rho)
        f = np.where(fitted, modulus * np.exp(1j * np.angle(f)), f)
        return np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(f)))

    rho = start.astype(np.complex128)
    for step in steps:
        p = project(rho)
        if step == "ER":
            rho = support * p
        elif step == "HIO":
            rho = np.where(support, p, rho - beta * p)
        else:
            reflected = 2 * p - rho
            rho = beta / 2 * ((2 * support * reflected - reflected) + rho) + (1 - beta) * p
    return rho

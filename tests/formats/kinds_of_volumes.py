"""Volumes of both kinds: rocking curves, and what other people keep in files of the same names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

Make = Callable[[np.random.Generator], np.ndarray]


def _grid(shape: tuple[int, ...]) -> list[np.ndarray]:
    return [axis.astype(float) for axis in np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in shape)]]


def _radius2(shape: tuple[int, ...], sigma: tuple[float, float, float]) -> np.ndarray:
    return sum((axis / width) ** 2 for axis, width in zip(_grid(shape), sigma, strict=True))


def _camera(
    light: np.ndarray, rng: np.random.Generator, offset: float = 100, read: float = 2.0
) -> np.ndarray:
    """A scientific camera: photon noise, an offset, read noise, 16 bits."""
    return np.clip(rng.poisson(light) + rng.normal(offset, read, light.shape), 0, 65535).astype(np.uint16)


def _airy(shape: tuple[int, ...]) -> np.ndarray:
    """The image of a point through focus: a circular pupil with defocus, brightest voxel 1."""
    frames, rows, columns = shape
    y, x = _grid((rows, columns))
    pupil = (y**2 + x**2) < (rows / 6) ** 2
    defocus = (y**2 + x**2) / (rows / 6) ** 2
    stack = [
        abs(np.fft.fftshift(np.fft.fft2(pupil * np.exp(1j * z / 2 * defocus)))) ** 2
        for z in range(-(frames // 2), frames - frames // 2)
    ]
    return np.stack(stack) / max(plane.max() for plane in stack)


# -- other people's ------------------------------------------------------------------------------------------------------


def cells(rng: np.random.Generator) -> np.ndarray:
    light = ndimage.gaussian_filter((rng.random((32, 128, 128)) > 0.9985).astype(float), (2, 5, 5))
    return _camera(2000 * light / light.max(), rng)


def beads(rng: np.random.Generator) -> np.ndarray:
    light = ndimage.gaussian_filter((rng.random((32, 128, 128)) > 0.99995).astype(float), (2, 1.5, 1.5))
    return _camera(30000 * light / light.max(), rng)


def one_bead(rng: np.random.Generator) -> np.ndarray:
    return _camera(40000 * np.exp(-_radius2((40, 96, 96), (4, 2, 2)) / 2), rng)


def one_bead_offset_subtracted(rng: np.random.Generator) -> np.ndarray:
    stack = one_bead(rng).astype(np.int32) - 100
    return np.maximum(stack, 0).astype(np.uint16)


def one_bead_counted(rng: np.random.Generator) -> np.ndarray:
    """A single spot on a photon counter with no background: the hardest of them."""
    return rng.poisson(20000 * np.exp(-_radius2((40, 96, 96), (4, 2.5, 2.5)) / 2)).astype(np.uint16)


def one_bead_noiseless(rng: np.random.Generator) -> np.ndarray:
    return (65535 * np.exp(-_radius2((40, 96, 96), (4, 3, 3)) / 2)).astype(np.uint16)


def point_spread(rng: np.random.Generator) -> np.ndarray:
    return (65535 * _airy((40, 96, 96))).astype(np.uint16)


def point_spread_measured(rng: np.random.Generator) -> np.ndarray:
    return _camera(40000 * _airy((40, 96, 96)), rng)


def labels(rng: np.random.Generator) -> np.ndarray:
    seeds = ndimage.gaussian_filter(rng.random((32, 64, 64)), 3)
    return ndimage.label(seeds > np.quantile(seeds, 0.7))[0].astype(np.uint16)


def many_labels(rng: np.random.Generator) -> np.ndarray:
    seeds = ndimage.gaussian_filter(rng.random((48, 128, 128)), 2)
    return ndimage.label(seeds > np.quantile(seeds, 0.85))[0].astype(np.int32)


def one_label_of_large_number(rng: np.random.Generator) -> np.ndarray:
    stack = np.zeros((32, 64, 64), np.uint16)
    stack[12:20, 28:34, 28:34] = 5000
    return stack


def binary_mask(rng: np.random.Generator) -> np.ndarray:
    return ((_radius2((32, 64, 64), (9, 12, 12)) < 1) * 255).astype(np.uint8)


def ones(rng: np.random.Generator) -> np.ndarray:
    return np.ones((20, 40, 40), np.uint16)


def zeros(rng: np.random.Generator) -> np.ndarray:
    return np.zeros((20, 40, 40), np.uint16)


def normal_numbers(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(32, 32, 32))


def uniform_integers(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 65535, (24, 64, 64)).astype(np.uint16)


def poisson_numbers(rng: np.random.Generator) -> np.ndarray:
    return rng.poisson(40, (24, 64, 64)).astype(np.int32)


def embeddings(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(64, 77, 768)).astype(np.float32)


def tokens(rng: np.random.Generator) -> np.ndarray:
    return rng.zipf(1.5, (32, 64, 64)).clip(0, 50000).astype(np.int64)


def probabilities(rng: np.random.Generator) -> np.ndarray:
    return rng.dirichlet(np.full(32, 0.1), (40, 64)).astype(np.float32)


def tomogram(rng: np.random.Generator) -> np.ndarray:
    volume = ndimage.gaussian_filter(rng.normal(size=(48, 96, 96)), 2) + (
        _radius2((48, 96, 96), (20, 40, 40)) < 1
    )
    return volume.astype(np.float32)


def computed_tomography(rng: np.random.Generator) -> np.ndarray:
    inside = _radius2((40, 96, 96), (19, 40, 40)) < 1
    return (np.where(inside, 40, -1000) + rng.normal(0, 20, inside.shape)).astype(np.int16)


def magnetic_resonance(rng: np.random.Generator) -> np.ndarray:
    light = 600 * ndimage.gaussian_filter((_radius2((40, 96, 96), (16, 36, 36)) < 1).astype(float), 2)
    return np.hypot(light + rng.normal(0, 15, light.shape), rng.normal(0, 15, light.shape)).astype(np.uint16)


def probability_blob(rng: np.random.Generator) -> np.ndarray:
    return np.exp(-_radius2((40, 64, 64), (5, 5, 5)) / 2).astype(np.float32)


def electron_density(rng: np.random.Generator) -> np.ndarray:
    return ndimage.gaussian_filter(rng.random((48, 48, 48)) ** 8, 1.5).astype(np.float32)


def video(rng: np.random.Generator) -> np.ndarray:
    still = ndimage.gaussian_filter(rng.random((96, 128)), 4)
    film = np.stack([np.roll(still, step, 1) for step in range(60)])
    return (255 * (film - film.min()) / np.ptp(film)).astype(np.uint8)


def spikes_of_calcium(rng: np.random.Generator) -> np.ndarray:
    place = ndimage.gaussian_filter((rng.random((96, 96)) > 0.998).astype(float), 2.5)
    time = rng.gamma(0.3, 1, (100, 1, 1))
    return _camera(50 + 800 * time * place / place.max(), rng)


def stars(rng: np.random.Generator) -> np.ndarray:
    sky = np.zeros((128, 128))
    sky[tuple(rng.integers(0, 128, (2, 60)))] = 10 ** rng.uniform(2, 5, 60)
    return _camera(np.stack([ndimage.gaussian_filter(sky, 1.5) + 30] * 20), rng)


def mass_spectra(rng: np.random.Generator) -> np.ndarray:
    picture = rng.poisson(2, (40, 40, 1)) * rng.poisson(0.2, (1, 1, 200))
    return picture.astype(np.uint32)


def single_molecules(rng: np.random.Generator) -> np.ndarray:
    film = np.zeros((60, 96, 96))
    for frame in film:
        frame[tuple(rng.integers(8, 88, (2, 6)))] = 1
    return _camera(20 + 15000 * ndimage.gaussian_filter(film, (0, 1.3, 1.3)), rng)


def scatter_histogram(rng: np.random.Generator) -> np.ndarray:
    """Points of a normal distribution, counted in bins: one compact peak of counts with dark borders, but no fringes."""
    return np.histogramdd(rng.normal(size=(400_000, 3)), 48, [(-6, 6)] * 3)[0]


def powder_rings(rng: np.random.Generator) -> np.ndarray:
    y, x = _grid((128, 128))
    radius = np.hypot(y - 90, x)
    return rng.poisson(np.stack([300 * np.exp(-(((radius - 110) / 3) ** 2)) + 2] * 40)).astype(np.uint32)


OTHERS: dict[str, Make] = {make.__name__: make for make in (
    cells, beads, one_bead, one_bead_offset_subtracted, one_bead_counted, one_bead_noiseless, point_spread,
    point_spread_measured, labels, many_labels, one_label_of_large_number, binary_mask, ones, zeros, normal_numbers,
    uniform_integers, poisson_numbers, embeddings, tokens, probabilities, tomogram, computed_tomography,
    magnetic_resonance, probability_blob, electron_density, video, spikes_of_calcium, stars, mass_spectra,
    single_molecules, scatter_histogram, powder_rings,
)}  # fmt: skip


# -- rocking curves ------------------------------------------------------------------------------------------------------


def crystal(
    shape: tuple[int, int, int] = (64, 64, 64), seed: int = 0, oversampling: float = 3.0, phase: float = 1.0
) -> np.ndarray:
    """Expected counts of an irregular polyhedron with a smooth phase, brightest voxel 1, in the middle."""
    rng = np.random.default_rng(seed)
    axes = [axis / (n / oversampling / 2) for axis, n in zip(_grid(shape), shape, strict=True)]
    amplitude = np.ones(shape)
    for _ in range(12):
        normal = rng.normal(size=3)
        normal /= np.linalg.norm(normal)
        height = sum(axis * part for axis, part in zip(axes, normal, strict=True))
        amplitude = np.minimum(amplitude, np.clip((rng.uniform(0.55, 0.85) - height) * 8 + 0.5, 0, 1))
    bend = np.cos(sum(axis * part for axis, part in zip(axes, 2 * rng.normal(size=3), strict=True)))
    pattern = np.abs(np.fft.fftn(amplitude * np.exp(0.5j * phase * bend))) ** 2
    at = np.unravel_index(pattern.argmax(), shape)
    pattern = np.roll(pattern, [n // 2 - index for n, index in zip(shape, at, strict=True)], (0, 1, 2))
    return pattern / pattern.max()


def measured(peak: float = 1e5, background: float = 0.0, seed: int = 0, **about: object) -> np.ndarray:
    """Counted photons of a crystal."""
    return (
        np.random.default_rng(seed).poisson(peak * crystal(seed=seed, **about) + background).astype(np.int32)
    )  # type: ignore[arg-type]

"""A background that is not the same everywhere: it changes from frame to frame, and smoothly across the detector.

Air, windows and other crystals scatter more into one side of the detector than into the other, and the beam, or what it passes,
is not the same in every frame.  Both are read off where the crystal scatters least: in each frame in the emptiest areas of the
detector, and in each area of the detector in its emptiest frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

AREAS, LARGEST, SMALLEST = 8, 8, 2
"""So many areas lie along the shorter side of a frame; sides of an area in pixels."""
_FEWEST_FRAMES, _FEWEST_AREAS = 8, 4
"""Of fewer frames, or areas along a side, no change is told."""
_AREAS_LOOKED_AT, _FRAMES_LOOKED_AT = 0.2, 1 / 3
"""Shares of the areas of a frame, and of the frames of an area, that are emptiest."""
_NEIGHBOURS = 3
"""Frames before and after one that say together which areas are emptiest in it."""
_ROUNDS, _FITS = 4, 12
"""Times that frames and detector are looked at in turn, and that a surface is fitted to what is left."""
_OUTLIER = 2.5
"""Standard deviations above a surface from which an area is taken for lit by the crystal."""
_LEAST = 0.05
"""No place has less than this part of the mean."""


@dataclass(frozen=True, eq=False)
class Profile:
    """How the light where a scan is emptiest depends on frame and pixel.

    Parameters
    ----------
    frames
        float64 (N0,): photons per voxel of each frame, the mean over its pixels.
    pixels
        float64 (N1, N2): how many times as many fall on each pixel.
    spread
        Standard deviation over mean, less what photon noise alone would make.
    mean
        Photons per voxel where it was looked at.
    variance
        Of the photons there about what the profile says, over that.
    voxels
        How many voxels that is of.
    """

    frames: np.ndarray
    pixels: np.ndarray
    spread: float
    mean: float
    variance: float
    voxels: int

    def volume(self, scale: float) -> np.ndarray:
        """Return the photons per voxel times `scale`, float32 (N0, N1, N2)."""
        return (scale * self.frames[:, None, None] * self.pixels).astype(np.float32)


def profile(counts: np.ndarray, good: np.ndarray) -> Profile | None:
    """Return how the emptiest parts of photon counts depend on frame and pixel, None if there are too few of them.

    What is emptiest is chosen by every other column of pixels and looked at in the columns between, so that the choice does not
    prefer places on which few photons fell by chance.

    Parameters
    ----------
    counts, good
        float and bool (N0, N1, N2).
    """
    side = int(np.clip(min(counts.shape[1:]) // AREAS, SMALLEST, LARGEST))
    grid = counts.shape[1] // side, counts.shape[2] // side
    if len(counts) < _FEWEST_FRAMES or min(grid) < _FEWEST_AREAS:
        return None
    chosen, chosen_of = _sums(counts, good, side, 0)
    seen, seen_of = _sums(counts, good, side, 1)
    if not (seen_of.any(1).sum() >= _FEWEST_FRAMES and seen.any()):
        return None
    frames, pixels, surface = np.ones(len(counts)), np.ones(chosen.shape[1]), np.zeros(6)
    places = _terms(*((np.arange(n) + 0.5) / n for n in grid))
    for _ in range(_ROUNDS):
        at = _emptiest_areas(chosen, chosen_of * pixels)
        photons, expected = _taken(seen, at), _taken(seen_of * pixels, at)
        frames = _known_or_between(photons.sum(1), expected.sum(1))
        at = _emptiest_frames(chosen, chosen_of * frames[:, None])
        light = np.take_along_axis(seen, at, 0).sum(0)
        of = np.take_along_axis(seen_of * frames[:, None], at, 0).sum(0)
        surface = _lowest_surface(places, light, of)
        pixels = np.maximum(places @ surface, _LEAST)
        scale = pixels.mean()
        frames, pixels, surface = frames * scale, pixels / scale, surface / scale
    at = _emptiest_areas(chosen, chosen_of * pixels)
    photons, number = _taken(seen, at), _taken(seen_of, at)
    expected = np.maximum(frames[:, None] * pixels[at], 1e-12)
    squares = _taken(_sums(np.square(counts, dtype=np.float32), good, side, 1)[0], at)
    apart = ((squares - 2 * expected * photons + number * expected**2) / expected).sum()
    total = max(int(number.sum()), 1)
    rows, columns = ((np.arange(n) + 0.5) / (m * side) for n, m in zip(counts.shape[1:], grid, strict=True))
    whole = np.maximum(_terms(rows, columns) @ surface, _LEAST).reshape(counts.shape[1:])
    noise = float(np.mean(1 / np.maximum(photons.sum(1), 1)))
    by_frame = max(float(np.var(frames)) / float(np.mean(frames)) ** 2 - noise, 0.0)
    by_pixel = float(np.var(whole)) / float(np.mean(whole)) ** 2
    return Profile(
        frames=frames,
        pixels=whole,
        spread=float(np.sqrt(by_frame + by_pixel)),
        mean=float((number * expected).sum() / total),
        variance=float(apart / total),
        voxels=total,
    )


def _sums(counts: np.ndarray, good: np.ndarray, side: int, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the photons in each area of each frame and the number of good voxels, of every other column from `first`:
    float64 (N0, areas) each.
    """
    frames, rows, columns = counts.shape[0], counts.shape[1] // side, counts.shape[2] // side
    parts = []
    for volume in (np.where(good, counts, 0), good):
        inside = volume[:, : rows * side, : columns * side]
        parted = inside.reshape(frames, rows, side, columns, side)[..., first::2]
        parts.append(parted.sum((2, 4), dtype=np.float64).reshape(frames, -1))
    return parts[0], parts[1]


def _emptiest_areas(photons: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return which areas are emptiest in each frame and its neighbours, (N0, number)."""
    reach = np.minimum(np.arange(len(photons)) + _NEIGHBOURS + 1, len(photons))
    begin = np.maximum(np.arange(len(photons)) - _NEIGHBOURS, 0)
    around = [np.concatenate([np.zeros((1, one.shape[1])), one.cumsum(0)]) for one in (photons, expected)]
    light, of = (one[reach] - one[begin] for one in around)
    brightness = np.where(of > 0, light / np.maximum(of, 1e-12), np.inf)
    number = max(3, round(_AREAS_LOOKED_AT * brightness.shape[1]))
    return np.argsort(brightness, 1, kind="stable")[:, :number]


def _emptiest_frames(photons: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return in which frames each area is emptiest, (number, areas)."""
    brightness = np.where(expected > 0, photons / np.maximum(expected, 1e-12), np.inf)
    number = max(3, round(_FRAMES_LOOKED_AT * len(photons)))
    return np.argsort(brightness, 0, kind="stable")[:number]


def _taken(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, at, 1)


def _known_or_between(photons: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return photons over expected ones of each frame, of frames of which nothing is known what their neighbours say."""
    known = np.flatnonzero(expected > 0)
    every = np.arange(len(photons))
    return np.maximum(np.interp(every, known, photons[known] / expected[known]), 1e-6)


def _terms(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the terms of a quadratic surface at all places, 0 to 1 along a side, (places, 6)."""
    y, x = (one.ravel() for one in np.meshgrid(rows, columns, indexing="ij"))
    return np.stack([np.ones_like(x), y, x, y * y, x * y, x * x], 1)


def _lowest_surface(terms: np.ndarray, photons: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the coefficients of the quadratic surface on which the emptiest areas lie, those above it being left out."""
    values = photons / np.maximum(expected, 1e-12)
    weights = np.where(expected > 0, expected / np.sqrt(np.maximum(photons, 1)), 0.0)
    kept = weights > 0
    found = np.zeros(terms.shape[1])
    for _ in range(_FITS):
        found = np.linalg.lstsq(terms[kept] * weights[kept, None], values[kept] * weights[kept], rcond=None)[
            0
        ]
        above = (values - terms @ found) * weights
        below = (above < max(_OUTLIER, 2 * float(np.median(np.abs(above[kept]))))) & (weights > 0)
        if (below == kept).all() or below.sum() < 2 * terms.shape[1]:
            break
        kept = below
    return found

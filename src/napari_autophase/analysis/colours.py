"""Colours that are readable on white and on black: a cyclic map of the phase, and one of what is negative or positive.

The cyclic map is computed, not copied: a closed curve around the grey axis of OKLCh (B. Ottosson's OKLab, 2020) that stays at
lightnesses above one half, takes nearly all the chroma that sRGB has there, and is walked at constant speed, so that
equal steps of phase look equally large and +π meets −π without a seam.  Phase zero is green; negative phases turn through
blue, positive ones through yellow and red, and both meet in magenta.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_OKLAB_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def oklab_to_linear_rgb(lab: np.ndarray) -> np.ndarray:
    """Turn OKLab colours (..., 3) into linear sRGB, which lies outside 0…1 where the screen cannot show the colour."""
    return (lab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T


def _lab(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    return np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1)


def _path(hue: np.ndarray) -> np.ndarray:
    """OKLab colours along hue (rad): light where the screen's yellow and green are, darker towards blue and red."""
    lightness = 0.72 + 0.11 * np.cos(hue - np.deg2rad(130))
    low, high = np.zeros_like(hue), np.full_like(hue, 0.4)
    for _ in range(30):
        chroma = (low + high) / 2
        rgb = oklab_to_linear_rgb(_lab(lightness, chroma, hue))
        inside = ((rgb >= 0) & (rgb <= 1)).all(axis=-1)
        low, high = np.where(inside, chroma, low), np.where(inside, high, chroma)
    # the gamut has corners, which would show as bands: keep its few slowest harmonics, shrunk until they fit inside
    spectrum = np.fft.rfft(low)
    spectrum[4:] = 0
    smooth = np.fft.irfft(spectrum, len(low))
    return _lab(lightness, smooth * (low / smooth).min(), hue)


@lru_cache
def phase_lab(steps: int = 256) -> np.ndarray:
    """Return the phase map's colours in OKLab, shape (steps, 3), from −π to +π, both ends being the same colour."""
    hue = np.linspace(0, 2 * np.pi, 2048, endpoint=False)
    path = _path(hue)
    closed = np.concatenate([path, path[:1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    # zero phase is green (hue 145°), and the phase grows against the hue: green, yellow, red, magenta
    green = np.interp(np.deg2rad(145), np.append(hue, 2 * np.pi), length)
    walk = (green - np.linspace(-0.5, 0.5, steps) * length[-1]) % length[-1]
    return np.stack([np.interp(walk, length, closed[:, i]) for i in range(3)], axis=-1)


@lru_cache
def phase_rgb(steps: int = 256) -> np.ndarray:
    """Return the phase map's colours in sRGB within 0…1, shape (steps, 3), from −π to +π, both ends the same."""
    return _srgb(phase_lab(steps))


@lru_cache
def signed_rgb(steps: int = 255) -> np.ndarray:
    """Return blue, grey and red in sRGB within 0…1, shape (steps, 3): the grey of zero is seen on white and on black.

    Lightness and chroma change evenly from zero to either end, so that equal steps look equally large; those who see no red or no
    green tell blue from red too.
    """
    t = np.linspace(-1, 1, steps)
    hue = np.deg2rad(np.where(t < 0, 258.0, 27.0))
    return _srgb(_lab(0.80 - 0.30 * np.abs(t), 0.17 * np.abs(t), hue))


def _srgb(lab: np.ndarray) -> np.ndarray:
    linear = np.clip(oklab_to_linear_rgb(lab), 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)

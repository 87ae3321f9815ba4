"""Values of a camera that adds a pedestal and so many units for every photon: recognised, and brought back to photons.

Photons vary by as much as there are of them: what stands far above zero and hardly varies is no light.  Above it, one photon,
two, three are as far apart as the gain says, if the camera's own noise is smaller than that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_PIXELS, _VALUES = 500, 50_000
"""So many pixels, and values, are looked at, evenly spread."""
_DARK = 0.1
"""So many of the pixels see no light."""
_LEAST, _QUIET = 10.0, 0.3
"""A pedestal is more than this, and varies by less than this part of what photons would."""
_NOISE = 4.0
"""Standard deviations of the noise above the pedestal from which on there is light."""
_STEPS, _FEW = 12.0, 50
"""The steps of so many photons tell the gain, if so many values show them."""
_SHARP, _AS_SHARP = 0.6, 0.9
"""How sharply values must come in steps (1: exactly), and what part of the sharpest a longer step needs."""


@dataclass(frozen=True)
class Camera:
    """What a pixel reads in the dark, by how much that varies, and what a photon adds; None: no step tells it."""

    pedestal: float
    noise: float
    gain: float | None


def photons(array: np.ndarray, what: str) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """Return the photons that a camera's values mean, or the values themselves where no step tells, and what to say of it.

    None where they are those of no camera: see `camera`, which takes the same `array`; `what` it is called in messages.
    """
    found = camera(array)
    if found is None:
        return None
    read = (
        f"The pixels of {what} read {found.pedestal:g} in the dark, and vary by {found.noise:.2g} there, less than photons "
        "would: a camera's pedestal"
    )
    if found.gain is None:
        note = (
            f"{read}, and no step tells what it adds for a photon. Give its dark with --dark FILE, or say "
            f"--set prepare.background={found.pedestal:g}; what is said of noise does not hold."
        )
        return array, (note,)
    note = f"{read}. It is subtracted, and {found.gain:.4g} are taken for one photon; --values counts leaves them as they are."
    counts = np.empty(array.shape, np.float32)
    for after, before in zip(counts, array, strict=True):
        lit = np.maximum(np.rint((before.astype(np.float64) - found.pedestal) / found.gain), 0)
        after[:] = np.where(before >= 0, lit, before)
    return counts, (note,)


def camera(array: np.ndarray) -> Camera | None:
    """Return how a camera wrote values, None where they are photons or what was made of them.

    Parameters
    ----------
    array
        Values as stored, shape ``(frames, rows, columns)``.
    """
    if array.ndim != 3 or array.dtype.kind not in "uif":
        return None
    pixels = array.reshape(len(array), -1)
    some = pixels[:, :: max(pixels.shape[1] // _PIXELS | 1, 1)].astype(np.float64)
    some[~np.isfinite(some)] = 0
    usual = np.median(some, axis=0)
    below = usual - np.quantile(some, 0.16, axis=0)  # light makes the upper half brighter
    darkest = float(np.quantile(usual, _DARK))
    dark = usual <= darkest + np.median(below[usual <= darkest])
    level = float(np.median(usual[dark]))
    if not level > _LEAST or not np.median(below[dark] ** 2 / np.maximum(usual[dark], 1)) < _QUIET:
        return None
    if not (some == np.rint(some)).all():
        return None
    noise = max(float(np.median(below[dark])), 0.3)  # of rounding
    values = array.ravel(order="K")[:: max(array.size // _VALUES | 1, 1)].astype(np.float64)
    values = values[np.isfinite(values)]
    gain = _gain(values - level, noise)
    if gain is not None:  # the straight line through all of them tells both better
        numbers = np.rint((values - level) / gain)
        few = (numbers >= 0) & (numbers <= _STEPS)
        gain, offset = (float(each) for each in np.polyfit(numbers[few], values[few] - level, 1))
        level += offset
    return Camera(round(level, 2), noise, gain)


def _gain(light: np.ndarray, noise: float) -> float | None:
    """Return the step in which light rises above the pedestal; None if it does not rise in steps."""
    light = light[light > _NOISE * noise]
    if len(light) < _FEW:
        return None
    shortest = max(_NOISE * noise, 2.0)
    longest = 1.5 * float(np.quantile(light, 0.9))
    if not longest > shortest:
        return None
    # two steps are told apart if over so many they come out half a one apart
    steps = shortest * np.exp(np.arange(0, np.log(longest / shortest), 0.25 / _STEPS))
    sharp = np.array([_sharpness(light, step) for step in steps])
    if sharp.max() < _SHARP:
        return None
    best = steps[np.flatnonzero(sharp >= _AS_SHARP * sharp.max())[-1]]
    for apart in (0.1, 0.02, 0.004):
        near = best * (1 + apart / _STEPS * np.linspace(-2.5, 2.5, 11))
        best = near[int(np.argmax([_sharpness(light, step) for step in near]))]
    return float(best)


def _sharpness(light: np.ndarray, step: float) -> float:
    """Return how well values, those up to so many steps, are multiples of a step, 1 if exactly; half a step is none."""
    some = light[light < _STEPS * step] / step
    return float(np.where(some < 0.5, -1, np.cos(2 * np.pi * some)).mean()) if len(some) >= _FEW else 0.0

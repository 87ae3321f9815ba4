"""What frames look like that are not what they should be: sentences for a person, who knows."""

from __future__ import annotations

import numpy as np

_PIXELS = 500
"""So many pixels, those that change most, tell how alike frames are."""
_LIT, _PHOTONS, _FEWEST = 0.05, 200, 6
"""Frames are compared that have this part of the brightest one's light and so many photons, if there are so many of them."""
_BETTER, _PART = 0.05, 0.4
"""So much more alike than its neighbours another frame must be, for this part of the frames."""


def which_rocks(shape: tuple[int, ...]) -> list[str]:
    """Say so if frames look as if they lay along the last axis."""
    if len(shape) != 3 or not shape[0] == shape[1] != shape[2]:
        return []
    return [
        f"The frames have {shape[1]} × {shape[2]} pixels, and there are {shape[0]} of them: if it is the last axis that "
        "rocks, say so with --axes 2,0,1."
    ]


def repeated(counts: np.ndarray) -> list[str]:
    """Say which frames are the same as the one before: photons never come twice in the same way."""
    same = [
        index
        for index in range(1, len(counts))
        if counts[index].any() and np.array_equal(counts[index], counts[index - 1])
    ]
    if not same:
        return []
    pairs = ", ".join(f"{index - 1} and {index}" for index in same[:4])
    more = f", and {len(same) - 4} more pairs" if len(same) > 4 else ""
    return [
        f"Frames {pairs}{more} are the same, photon by photon: one of them was written twice, and another may be lost."
    ]


def out_of_order(counts: np.ndarray) -> list[str]:
    """Say so if frames are unlike those beside them and like others far away, as they are where their order was lost.

    Frames on both sides of the peak may be alike, for a crystal may be symmetric.
    """
    frames = counts.reshape(len(counts), -1)
    change = frames.max(0).astype(np.float64) - frames.min(0)
    few = np.sort(np.argpartition(change, -min(_PIXELS, change.size))[-_PIXELS:])
    amplitude = np.sqrt(np.maximum(frames[:, few].astype(np.float64), 0))
    light = np.sum(amplitude**2, 1)
    lit = np.flatnonzero((light >= _LIT * light.max()) & (light >= _PHOTONS))
    if len(lit) < _FEWEST:
        return []
    amplitude /= np.sqrt(np.maximum(light, 1))[:, None]
    alike = amplitude[lit] @ amplitude.T
    apart = np.abs(lit[:, None] - np.arange(len(frames)))
    mirrored = np.abs(lit[:, None] + np.arange(len(frames)) - 2 * int(light.argmax())) <= 2
    beside = np.max(alike, axis=1, where=apart == 1, initial=0)
    far = np.max(alike, axis=1, where=(apart > 2) & ~mirrored, initial=0)
    if np.mean(far > beside + _BETTER) <= _PART:
        return []
    return [
        "Many frames are unlike those beside them, and like others far away: their order along the rocking curve may be lost; "
        "sort them by where the motor stood."
    ]

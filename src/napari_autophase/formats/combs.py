"""Each so many-th frame with more or less light than the others, which leaves no run of frames as it should be."""

from __future__ import annotations

import numpy as np

from .changes import Change

_STEPS = range(2, 7)
_FACTOR = 1.25
"""Frames whose light differs by less are not named."""
_LEFT = 0.3
"""To this part of its square the bend of the light (its logarithm) must fall, which of other scans two thirds are left of."""
_LIT, _PHOTONS, _FRAMES = 0.02, 30, 3
"""Frames are looked at beside which one has this part of the brightest one's light, with so many photons; so many of each."""
_BRIGHT, _HALF = 0.1, 0.5
"""Beside frames of so much light, where no fringe is dark, each frame must show so much of the effect (its logarithm)."""


def combed(light: np.ndarray, lost: np.ndarray) -> list[Change]:
    """Return which so many-th frames have other light than the rest, if any have.

    Parameters
    ----------
    light
        Of the frames.
    lost
        Which of them are masked.
    """
    around = np.maximum(light, np.maximum(np.append(light[1:], 0), np.append(0, light[:-1])))
    lit = (around > _LIT * light.max()) & (light >= _PHOTONS) & ~lost
    amid = np.flatnonzero(lit[1:-1] & lit[:-2] & lit[2:]) + 1
    if len(amid) < 2 * _FRAMES:
        return []
    logs = np.log(np.maximum(light, 1))
    bends = logs[amid] - (logs[amid - 1] + logs[amid + 1]) / 2
    best: tuple[float, Change] | None = None
    for step in _STEPS:
        for first in range(step):
            member = (np.arange(len(light)) % step == first).astype(float)
            if min(np.count_nonzero(member[amid]), np.count_nonzero(1 - member[amid])) < _FRAMES:
                continue
            effect = member[amid] - (member[amid - 1] + member[amid + 1]) / 2
            size = float(bends @ effect / (effect @ effect))
            if size > 0 and step == 2:
                continue  # then the others have less
            left = float(np.sum(np.square(bends - size * effect)) / np.sum(np.square(bends)))
            bright = (around[amid] > _BRIGHT * light.max()) & (member[amid] > 0)
            is_even = (
                bright.any() and (bends[bright] * effect[bright] / size > _HALF).all() if size else False
            )
            if is_even and left < _LEFT and (best is None or left < best[0]):
                last = range(first, len(light), step)[-1]
                best = left, Change((first, last), float(np.exp(size)), step=step)
    return [] if best is None or abs(np.log(best[1].factor)) < np.log(_FACTOR) else [best[1]]

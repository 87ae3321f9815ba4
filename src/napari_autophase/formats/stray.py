"""Frames amid a scan that are unlike those beside them: much brighter or darker in all their pixels, or lying otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .lost import are_fringes

_COUNTS, _PIXELS = 5, 20
"""A frame is compared in pixels that have so many counts in those beside it, if there are so many of them."""
_TIMES = 4.0
"""So many times brighter in the median of those pixels no frame is, but for the brightest one of a scan with too few."""
_NOTHING = 0.02
"""Less than this part of the light beside it is none."""
_UNLIKE, _BETTER = 0.7, 0.2
"""What a frame has in common with those beside it, at most, to be looked at, and so much more once it is turned."""
_MOST = 8
"""So many frames are turned, those that are least like those beside them."""
_TURNED = {
    "with its rows and columns exchanged": lambda frame: frame.T,
    "with its columns reversed": lambda frame: frame[:, ::-1],
    "with its rows reversed": lambda frame: frame[::-1],
    "turned by half a turn": lambda frame: frame[::-1, ::-1],
    "turned by a quarter": lambda frame: np.rot90(frame),
    "turned by three quarters": lambda frame: np.rot90(frame, 3),
    "mirrored at its other diagonal": lambda frame: np.rot90(frame.T, 2),
}


def brighter(few: np.ndarray, lost: np.ndarray) -> list[str]:
    """Say which frames are much brighter than those beside them, in all their pixels, or have no light at all amid light.

    Fringes may come and go from one frame to the next, so a frame is compared with two on either side.

    Parameters
    ----------
    few
        Counts of some pixels, (frames, pixels).
    lost
        Which frames are masked as a whole.
    """
    light = few.sum(1)
    peak = int(light.argmax())
    found: list[str] = []
    dark: list[int] = []
    for index in range(2, len(few) - 2):
        if lost[index]:
            continue
        before, after = few[index - 2 : index], few[index + 1 : index + 3]
        usual = np.sqrt(before.max(0) * after.max(0))
        least = np.minimum(before.min(0), after.min(0))
        lit, always = usual >= _COUNTS, least >= _COUNTS
        times = float(np.median(few[index][lit] / usual[lit])) if np.count_nonzero(lit) >= _PIXELS else 0.0
        if times > _TIMES * (2 if index == peak else 1):
            found.append(f"frame {index} is {times:.2g} times brighter than those beside it")
        elif (
            np.count_nonzero(always) >= _PIXELS and few[index][always].sum() < _NOTHING * least[always].sum()
        ):
            dark.append(index)
    if not are_fringes(dark, light):
        found += [f"frame {index} has no light, and those beside it have" for index in dark]
    if not found:
        return []
    named = ", ".join(found[:4])
    more = f", and {len(found) - 4} more are so" if len(found) > 4 else ""
    return [
        f"{named[0].upper()}{named[1:]}{more}, in all pixels: another attenuator or exposure does so, or a lost beam; give such "
        "frames a --mask, or bring their counts to those of the others."
    ]


def lying_otherwise(counts: np.ndarray, alike: np.ndarray) -> dict[int, str]:
    """Say which frames would be like those beside them if they were turned or mirrored, by frame.

    Parameters
    ----------
    counts
        (frames, rows, columns).
    alike
        How alike each frame is to those beside it, from 0 to 1.
    """
    suspects = np.flatnonzero(alike < _UNLIKE)
    suspects = suspects[np.argsort(alike[suspects], kind="stable")][:_MOST]
    return {int(index): note for index in sorted(suspects) for note in _turned(counts, int(index))}


def _turned(counts: np.ndarray, index: int) -> Iterator[str]:
    beside = [np.sqrt(np.maximum(counts[at], 0)) for at in (index - 1, index + 1) if 0 <= at < len(counts)]
    frame = np.sqrt(np.maximum(counts[index], 0))

    def common(one: np.ndarray) -> float:
        return min(_common(one, other) if one.shape == other.shape else 0.0 for other in beside)

    own = common(frame)
    best = max(_TURNED, key=lambda name: common(_TURNED[name](frame)))
    if common(_TURNED[best](frame)) > own + _BETTER:
        yield (
            f"Frame {index} is unlike those beside it, and would be like them {best}: put it right, or give it a --mask."
        )


def _common(one: np.ndarray, other: np.ndarray) -> float:
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.vdot(one, other)) / length if length else 0.0

"""Frames from which on all lies some pixels away: the detector or the sample slipped, and did not come back.

From one frame to the next a pattern hardly moves on the detector, or by as much each time: where two frames are most alike tells
by how much.
"""

from __future__ import annotations

import numpy as np

from .changes import Change

_AROUND = 32
"""So far around the brightest pixel frames are held against each other."""
_LIT, _PHOTONS = 0.02, 500
"""Frames are held against each other that have this part of the brightest one's light, and so many photons."""
_FEWEST, _SURE = 8, 0.7
"""So many pairs of frames that are so much alike (a correlation) tell how much a pattern moves usually."""
_USUALLY, _TIMES, _LEAST = 0.9, 3.0, 0.04
"""Without its step, a slip makes frames less alike by so many times as much as this part of the others are, and as this."""
_STEP, _SIGMAS = 1.5, 4.5
"""Pixels, and standard deviations of all steps, that a slip is longer than."""


def slips(counts: np.ndarray, light: np.ndarray) -> list[Change]:
    """Return where a pattern slipped.

    Parameters
    ----------
    counts
        (frames, rows, columns), finite.
    light
        Of the frames, 0 where one is not to be believed.
    """
    if counts.ndim != 3:
        return []
    lit = (light >= _LIT * light.max()) & (light >= _PHOTONS)
    pairs = np.flatnonzero(lit[1:] & lit[:-1]) + 1
    if len(pairs) < _FEWEST:
        return []
    spectra = _spectra(counts, sorted({*pairs.tolist(), *(pairs - 1).tolist()}))
    maps = [_likeness(spectra, at - 1, at) for at in pairs.tolist()]
    steps, alike = np.array([_peak(each) for each in maps]), np.array([each.max() for each in maps])
    row, column = usual = np.rint(np.median(steps, axis=0)).astype(int)
    sure = alike >= _SURE
    if np.count_nonzero(sure) < _FEWEST:
        return []
    lost = alike - np.array([each[row, column] for each in maps])
    pairs, away, lost = pairs[sure], (steps - usual)[sure], lost[sure]
    bound = _TIMES * max(float(np.quantile(lost, _USUALLY)), _LEAST)
    spread = np.sqrt(np.mean(np.square(away[lost <= bound])) + 1 / 12)  # whole pixels
    odd = (lost > bound) & (np.abs(away).max(1) > max(_STEP, _SIGMAS * spread))
    found = []
    for at, by in zip(pairs[odd].tolist(), away[odd], strict=True):
        # over one frame more on either side the step is the same
        longer = [pair for pair in ((at - 2, at), (at - 1, at + 1)) if all(each in spectra for each in pair)]
        others = [_peak(_likeness(spectra, *pair)) - 2 * usual - by for pair in longer]
        if len(others) == 2 and np.abs(others).max() <= max(1, 0.4 * np.abs(by).max()):
            found.append(Change((at, len(counts) - 1), moved=(int(by[0]), int(by[1])), lasts=True))
    return found if len(found) * _FEWEST <= len(pairs) else []


def _spectra(counts: np.ndarray, frames: list[int]) -> dict[int, np.ndarray]:
    """Return the transforms of frames' amplitudes around the brightest pixel, of length 1, in a box with room to move."""
    brightest = np.unravel_index(int(counts.argmax()), counts.shape)
    box = tuple(slice(max(int(at) - _AROUND, 0), int(at) + _AROUND) for at in brightest[1:])
    found = {}
    for at in frames:
        amplitude = np.sqrt(np.maximum(counts[at][box], 0, dtype=np.float64))
        amplitude -= np.median(amplitude)
        amplitude /= max(float(np.linalg.norm(amplitude)), 1e-9)
        found[at] = np.fft.rfft2(amplitude, (4 * _AROUND, 4 * _AROUND))
    return found


def _likeness(spectra: dict[int, np.ndarray], before: int, after: int) -> np.ndarray:
    """Return how alike two frames are, by how many rows and columns the later one is moved back."""
    return np.fft.irfft2(np.conj(spectra[before]) * spectra[after])


def _peak(likeness: np.ndarray) -> np.ndarray:
    """Return the rows and columns by which frames are most alike."""
    place = np.array(np.unravel_index(int(likeness.argmax()), likeness.shape))
    return place - np.array(likeness.shape) * (2 * place >= likeness.shape)

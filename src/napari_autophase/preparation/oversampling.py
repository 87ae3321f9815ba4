"""Oversampling: how many times wider than the crystal the field of view is, read off the autocorrelation."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import fft

from .blur import blurred, parts, surroundings

_NOISE = 5.0
"""Standard deviations of the autocorrelation's noise that are more than noise."""
_FURTHER = 1.25
"""Where noise ends the lines, the planes are followed if they reach further, but not if that is by more than this: such a
reach is a smear."""
_BOTTOM, _TOP, _STEP = 4e-3, 0.1, 0.75
"""Least and largest threshold of the autocorrelation, as parts of its middle, and the factor from one to the next lower."""
_POWER = 2.2
"""Near its ends the autocorrelation of a convex body falls like (1 - d/width)^p: p = 1 for facing facets, 3 for corners."""
_GROWTH, _LIKENESS = 0.4, 0.72
"""Where the width grows faster than this with a falling threshold (-d ln width / d ln threshold) there is a knee in the
profile.  Strain makes knees too, but there the planes far out look unlike the plane through the origin, whereas a detector
or a beam that multiplies the intensity unevenly smears that plane outwards: the planes' likeness is near 1, or the profile
never falls further."""
_CLEAN, _FAINT, _LINE_POWER, _SMEARED = 1e-2, 1e-4, 3.7, 0.95
"""The power of lines is followed from the first of these down to the second, or to four times what is left at the far end; near
the ends of simulated crystals it falls like (1 - d/width)^3.7.  A knee on the way is a smear where the planes' likeness is more
than the last."""
_REACH = 3.0
"""Where the Gaussians that fill gaps are cut off, in their widths."""


def estimate_oversampling(counts: np.ndarray, good: np.ndarray | None = None) -> tuple[float, float, float]:
    """Estimate the oversampling along each axis: the array's side over the crystal's full width.

    The inverse Fourier transform of the intensity is the crystal's autocorrelation, twice as wide as the crystal.  Strain
    hides its wide parts in single voxels, but not in the sum of all lines along an axis: the power of their Fourier
    transforms, each in units of its own Poisson noise, is followed to a ten-thousandth or to the noise.  Measured scans with
    uneven pixels or an unsteady beam do not fall so far, on one axis at least.  There the largest magnitude over planes across
    each axis is followed from 0.1 towards the noise, and not beyond the knee that these leave; so it is, as a second look,
    where noise ends the lines early.  From where either falls through its last threshold the width is extrapolated to zero,
    as a convex body's autocorrelation falls.

    Of simulated crystals of all shapes with up to 4 rad of phase and 1,000 counts or more in the brightest voxel, 99 in 100
    are within 15 % on every axis and all were within 20 %; more strain, fewer counts, gaps and uneven pixels cost more.

    Parameters
    ----------
    counts
        float (N0, N1, N2), wherever the peak lies.
    good
        False where nothing was measured (filled from the surroundings); None: all is good.

    Returns
    -------
    tuple of float
        N_i / width_i; about 1 where the crystal fills the field of view, and no more than N_i.
    """
    filled = counts if good is None or good.all() else fill_gaps(counts, good)
    correlation = _Correlation(filled)
    widths = [
        _width_of_lines(np.moveaxis(filled, axis, -1).reshape(-1, side), correlation, axis)
        for axis, side in enumerate(counts.shape)
    ]
    if None in widths:  # what smears one axis leaves something on the others
        planes = [_width(correlation.planes(axis), correlation.lowest) for axis in range(3)]
        widths = [min(width or reach, reach) for width, reach in zip(widths, planes, strict=True)]
    result = [side / max(width or 1.0, 1.0) for side, width in zip(counts.shape, widths, strict=True)]
    return result[0], result[1], result[2]


class _Correlation:
    """The magnitude of the autocorrelation, 1 at the origin; computed when it is first asked for, which few scans need."""

    def __init__(self, counts: np.ndarray) -> None:
        self._counts = counts

    def planes(self, axis: int) -> np.ndarray:
        """Return the planes across an axis, the origin at index 0."""
        return np.moveaxis(self._found[0], axis, 0)

    @property
    def lowest(self) -> float:
        """What is below this is noise, or not to be followed."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[np.ndarray, float]:
        correlation = np.abs(fft.fftn(self._counts.astype(np.float32, copy=False)))
        # the sum of all counts also holds whatever background there is, but only at the origin: the neighbours tell the scale
        correlation[0, 0, 0] = 0
        scale = max(float(correlation.max()), 1e-30)  # of equal counts nothing is left
        correlation /= scale
        correlation[0, 0, 0] = 1
        total = float(self._counts.sum(dtype=np.float64))
        return correlation, max(_NOISE * np.sqrt(total) / scale, _BOTTOM)


def _width_of_lines(lines: np.ndarray, correlation: _Correlation, axis: int) -> float | None:
    """Return the width in voxels by the power of all lines (L, N) of counts; None where more than the crystal is in it."""
    photons = lines.sum(1)
    bright = photons >= 1
    if lines.shape[1] < 8 or not bright.any():
        return None
    spectra = fft.rfft(lines[bright], axis=1)
    # no matrix product: its threads would go on spinning (see `blur`)
    power = np.einsum("lf,l->f", spectra.real**2 + spectra.imag**2, 1 / photons[bright]) - bright.sum()
    if power[1] <= 0:
        return None
    noise = _NOISE * np.sqrt(bright.sum()) / power[1]
    smear = 4 * np.median(power[-max(3, len(power) // 8) :]) / power[1]
    lowest = max(_FAINT, smear, noise)
    if smear > max(4 * _FAINT, 2 * noise) or lowest > _TOP:
        return None
    profile = np.minimum.accumulate(power / power[1])
    threshold = max(_CLEAN, lowest)
    distance = _crossing(profile, threshold)
    while threshold / 2 >= lowest:
        further = _crossing(profile, threshold / 2)
        knee = further > distance * 2 ** (_GROWTH / 2)
        if knee:
            planes = correlation.planes(axis)
            if _likeness(planes[0], planes[int(np.ceil(further))]) > _SMEARED:
                return None
        threshold, distance = threshold / 2, further
    width = distance / (1 - threshold ** (1 / _LINE_POWER))
    if noise > 4 * _FAINT:  # noise ends both early, where strain hides more of the one or of the other
        further = _width(correlation.planes(axis), correlation.lowest)
        if width < further < _FURTHER * width:
            return further
    return width


def _crossing(profile: np.ndarray, threshold: float) -> float:
    """Return where a falling profile, which ends below the threshold, falls through it, between indices by its logarithm."""
    index = int(np.flatnonzero(profile < threshold)[0])
    high, low = np.log(profile[index - 1]), np.log(max(profile[index], threshold / 30))
    return index - float((np.log(threshold) - low) / (high - low))


def _width(correlation: np.ndarray, lowest: float) -> float:
    """Return the width in voxels, along axis 0, of the body with this autocorrelation (1 at the origin, index 0)."""
    planes = correlation[: len(correlation) // 2 + 1]
    profile = np.minimum.accumulate(planes.max((1, 2)))
    threshold = min(max(_TOP, lowest), 0.5)
    width = _width_at(profile, threshold)
    while threshold * _STEP >= lowest:
        threshold *= _STEP
        wider, reach = _width_at(profile, threshold), _reach(profile, threshold)
        endless = profile[reach] >= threshold
        if wider > width * _STEP**-_GROWTH and (endless or _likeness(planes[0], planes[reach]) > _LIKENESS):
            break
        width = wider
    return width


def _reach(profile: np.ndarray, threshold: float) -> int:
    """Return the first index where the profile is below the threshold; the last one if it never is."""
    below = np.flatnonzero(profile < threshold)
    return int(below[0]) if len(below) else len(profile) - 1


def _width_at(profile: np.ndarray, threshold: float) -> float:
    """Return the width, extrapolated from where the profile falls through one threshold."""
    index = _reach(profile, threshold)
    low = float(profile[index])
    if low < threshold:
        distance = index - (threshold - low) / (float(profile[index - 1]) - low)
        return distance / (1 - threshold ** (1 / _POWER))
    # undersampled: at half of the array the two ends of the periodic autocorrelation meet and add
    return index / (1 - (low / 2) ** (1 / _POWER))


def _likeness(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def fill_gaps(counts: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return the counts with masked voxels filled by a Gaussian mean of the good ones around, as near as there are any.

    Parameters
    ----------
    counts, good
        float and bool, same shape.

    Returns
    -------
    ndarray
        float32; 0 where no good voxel is within reach.
    """
    filled = np.empty(counts.shape, np.float32)
    for around, inside, own in parts(counts.shape):
        filled[own] = _filled(counts[around], good[around])[inside]
    return filled


def _filled(counts: np.ndarray, good: np.ndarray) -> np.ndarray:
    filled = np.where(good, counts, 0).astype(np.float32)
    if good.all():
        return filled
    known, missing = filled.copy(), ~good
    for sigma in (1.0, 2.0, 4.0):
        place = surroundings(missing, sigma, _REACH)
        weight, mean = blurred(good[place], sigma, _REACH), blurred(known[place], sigma, _REACH)
        now = missing[place] & (weight > 0.05)
        filled[place][now] = mean[now] / weight[now]
        missing[place] &= ~now
        if not missing.any():
            break
    return filled

"""Bringing one reconstruction onto another, so that they can be compared voxel by voxel."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .phase import ramp as phase_ramp
from .symmetries import twin


def correlation(a: np.ndarray, b: np.ndarray) -> complex:
    """Return Σ a b* / √(Σ|a|² Σ|b|²): magnitude 1 for equal objects whatever their scale and phase, 0 if either is nothing.

    Parameters
    ----------
    a, b
        Real or complex arrays of one shape.  Give moduli for the correlation of amplitudes.
    """
    norm = float(np.linalg.norm(a.ravel()) * np.linalg.norm(b.ravel()))
    return complex(np.vdot(b, a)) / norm if norm > 0 else 0j


def fitted(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return `array` cropped and zero-padded to `shape`, the voxel ``shape // 2`` staying the centre."""
    for axis, (have, want) in enumerate(zip(array.shape, shape, strict=True)):
        before = want // 2 - have // 2
        array = array[(slice(None),) * axis + (slice(max(-before, 0), min(have, want - before)),)]
        padding = [(0, 0)] * array.ndim
        padding[axis] = (max(before, 0), want - array.shape[axis] - max(before, 0))
        array = np.pad(array, padding)
    return array


def align(
    object: np.ndarray, reference: np.ndarray, *, ramp: bool = False, twins: bool = True
) -> tuple[np.ndarray, complex]:
    """Bring `object` onto `reference`: twin, sub-voxel shift, global phase, scale and, if asked, linear phase ramp.

    The shift is that of the amplitudes' cross-correlation, refined to a fiftieth of a voxel by an upsampled DFT
    (Guizar-Sicairos et al., Opt. Lett. 33, 156 (2008)): amplitudes, because a ramp between the two would move the peak
    of the complex one.  Both twins are tried and the better one is kept, unless `twins` is False.

    Parameters
    ----------
    object, reference
        Complex, 3-D, centred; `object` is cropped or padded about its centre to the reference's shape.
    ramp
        Also remove the linear phase ramp between the two (they may come from different choices of the Bragg peak's pixel).
    twins
        Try the twin of `object` too.

    Returns
    -------
    aligned, correlation
        complex64 of the reference's shape, and the complex `correlation` with it (real and positive by construction).
    """
    from skimage.registration import phase_cross_correlation

    reference = np.asarray(reference)
    best, score = np.zeros(reference.shape, np.complex64), 0j
    original = fitted(np.asarray(object), reference.shape)
    for candidate in (original, twin(original)) if twins else (original,):
        if not (candidate.any() and reference.any()):
            continue  # nothing agrees with nothing
        shift, _, _ = phase_cross_correlation(
            np.abs(reference), np.abs(candidate), upsample_factor=50, normalization=None
        )
        moved = np.fft.ifftn(ndimage.fourier_shift(np.fft.fftn(candidate), shift))
        if ramp:
            between = moved * np.conj(reference)
            for axis, step in enumerate(phase_ramp(between)):
                positions = np.arange(moved.shape[axis]) - moved.shape[axis] // 2
                moved = moved * np.exp(-1j * step * positions).reshape(
                    [-1 if a == axis else 1 for a in range(3)]
                )
        overlap = np.vdot(moved, reference)
        moved = moved * (overlap / np.vdot(moved, moved).real)
        found = correlation(moved, reference)
        if abs(found) > abs(score):
            best, score = moved.astype(np.complex64), found
    return best, score

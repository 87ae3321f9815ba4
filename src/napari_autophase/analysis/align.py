"""Bringing one reconstruction onto another, so that they can be compared voxel by voxel."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, eq=False)
class Alignment:
    """One object brought onto another.

    Parameters
    ----------
    object
        complex64 of the reference's shape.
    correlation
        The complex `correlation` with the reference, real and positive by construction; 0 if either is nothing.
    twin
        Whether it is the twin that agrees.
    shift
        By how many voxels it (or its twin) was moved along each axis.
    ramp
        Which phase ramp, in radians per voxel along each axis, was taken out.
    """

    object: np.ndarray
    correlation: complex
    twin: bool = False
    shift: tuple[float, ...] = (0.0, 0.0, 0.0)
    ramp: tuple[float, ...] = (0.0, 0.0, 0.0)


def align(
    object: np.ndarray, reference: np.ndarray, *, ramp: bool = False, twins: bool = True
) -> tuple[np.ndarray, complex]:
    """Bring `object` onto `reference`; see `alignment`, of whose result it returns object and correlation."""
    found = alignment(object, reference, ramp=ramp, twins=twins)
    return found.object, found.correlation


def alignment(
    object: np.ndarray, reference: np.ndarray, *, ramp: bool = False, twins: bool = True
) -> Alignment:
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
    """
    from skimage.registration import phase_cross_correlation

    reference = np.asarray(reference)
    best = Alignment(np.zeros(reference.shape, np.complex64), 0j)
    original = fitted(np.asarray(object), reference.shape)
    for twinned, candidate in enumerate((original, twin(original)) if twins else (original,)):
        if not (candidate.any() and reference.any()):
            continue  # nothing agrees with nothing
        shift, _, _ = phase_cross_correlation(
            np.abs(reference), np.abs(candidate), upsample_factor=50, normalization=None
        )
        moved = np.fft.ifftn(ndimage.fourier_shift(np.fft.fftn(candidate), shift))
        slopes = phase_ramp(moved * np.conj(reference)) if ramp else np.zeros(moved.ndim)
        for axis, step in enumerate(slopes):
            positions = np.arange(moved.shape[axis]) - moved.shape[axis] // 2
            moved = moved * np.exp(-1j * step * positions).reshape([-1 if a == axis else 1 for a in range(3)])
        overlap = np.vdot(moved, reference)
        moved = moved * (overlap / np.vdot(moved, moved).real)
        found = correlation(moved, reference)
        if abs(found) > abs(best.correlation):
            best = Alignment(
                moved.astype(np.complex64),
                found,
                bool(twinned),
                tuple(map(float, shift)),
                tuple(map(float, slopes)),
            )
    return best

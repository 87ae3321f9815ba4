"""Phase: the linear ramp, unwrapping, the mean."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def ramp(object: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Return the mean phase step per voxel along each axis, in radians.

    The step is the angle of Σ ρ(r + e) ρ*(r), the circular mean of the phase differences of neighbours weighted by their
    amplitudes.  By the Wiener-Khinchin theorem this is also the circular centre of mass of the intensity: no unwrapping, no
    fit, exact for a pure ramp of up to π per voxel, and zero to rounding once it has been removed.

    Parameters
    ----------
    object
        Complex, any number of axes.
    mask
        bool, same shape: only these voxels count; None: all.

    Returns
    -------
    np.ndarray
        float64, one number per axis, within (-π, π].
    """
    inside = object if mask is None else np.where(mask, object, 0)
    steps = []
    for axis in range(object.ndim):
        along = np.moveaxis(inside, axis, 0)
        steps.append(np.angle(np.sum(along[1:] * np.conj(along[:-1]), dtype=np.complex128)))
    return np.array(steps)


def remove_ramp(object: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Return `object` without its linear phase ramp and with mean phase 0 (real, positive sum inside `mask`).

    The ramp says by how much the crystal's mean lattice differs from the one that `q_bragg_per_nm` stands for; what is left
    is the displacement relative to the mean lattice.

    Parameters
    ----------
    object
        Complex, any number of axes.
    mask
        bool, same shape: the voxels that define ramp and mean; None: all.

    Returns
    -------
    np.ndarray
        complex64, same shape.
    """
    flat = np.asarray(object)
    for axis, (size, step) in enumerate(zip(flat.shape, ramp(flat, mask), strict=True)):
        shape = [1] * flat.ndim
        shape[axis] = size
        flat = flat * np.exp(-1j * step * (np.arange(size) - size // 2)).astype(np.complex64).reshape(shape)
    mean = np.sum(flat if mask is None else flat[mask], dtype=np.complex128)
    return (flat * np.exp(-1j * np.angle(mean))).astype(np.complex64)


def unwrap(object: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the unwrapped phase inside `mask`, by sorting by reliability (Herráez et al., Appl. Opt. 41, 7437 (2002)).

    Each connected component is unwrapped by itself; the others are brought, by multiples of 2π, as close in the mean to the
    largest one as they can be.

    Parameters
    ----------
    object
        Complex, 2-D or 3-D.
    mask
        bool, same shape.

    Returns
    -------
    np.ndarray
        float32 phase in radians, mean 0 over the largest component, NaN outside `mask`.
    """
    from skimage.restoration import unwrap_phase

    phase = np.full(object.shape, np.nan, np.float32)
    labels, count = ndimage.label(mask)
    if count == 0:
        return phase
    boxes = ndimage.find_objects(labels)
    order = 1 + np.argsort(-np.bincount(labels.ravel())[1:], kind="stable")
    reference = 0.0
    for rank, label in enumerate(order):
        # a margin of one voxel: the unwrapper treats single planes as lower-dimensional images
        box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in boxes[label - 1])
        inside = labels[box] == label
        wrapped = np.angle(object[box]).astype(np.float64)
        flat = unwrap_phase(np.ma.array(wrapped, mask=~inside), rng=0).filled(np.nan)[inside]
        if rank == 0:
            reference = float(flat.mean())
        cycles = np.round((flat.mean() - reference) / (2 * np.pi))
        phase[box][inside] = flat - reference - 2 * np.pi * cycles
    return phase

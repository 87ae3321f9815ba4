"""Resolution in the units of the object: shells of physical frequency on a sheared grid, Fourier shell correlation, PRTF."""

from __future__ import annotations

import numpy as np
from scipy import fft

from ...evidence import Curve
from ..align import fitted
from ..isosurface import bounding_box

_ONE_OVER_E = float(np.exp(-1))
_LEAST = 8
"""Independent voxels in a shell without which it says nothing."""


def frequencies(shape: tuple[int, ...], voxel_steps_nm: np.ndarray | None) -> np.ndarray:
    """Return the length of every frequency of a grid, FFT order, in 1/nm (no 2π); in 1/voxel without steps.

    Parameters
    ----------
    shape
        Of the grid.
    voxel_steps_nm
        3 × 3, columns are the steps along the array's axes.
    """
    axes = np.meshgrid(*(np.fft.fftfreq(n) for n in shape), indexing="ij", sparse=True)
    steps = np.eye(3) if voxel_steps_nm is None else np.asarray(voxel_steps_nm, float)
    rows = np.linalg.inv(steps).T
    return np.sqrt(sum(sum(row[a] * axes[a] for a in range(3)) ** 2 for row in rows))


def shell_correlation(
    a: np.ndarray, b: np.ndarray, voxel_steps_nm: np.ndarray | None, oversampling: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the correlation of two aligned objects in shells of physical frequency, and the half-bit threshold.

    Parameters
    ----------
    a, b
        Complex (N0, N1, N2).
    voxel_steps_nm
        As for `frequencies`.
    oversampling
        Voxels of the array over those of the crystal: so many voxels of a shell say the same.

    Returns
    -------
    frequency, correlation, threshold
        float64.  |Σ F_a F_b*| / √(Σ|F_a|² Σ|F_b|²), and (0.2071 + 1.9102/√n) / (1.2071 + 0.9102/√n) with n independent voxels
        (van Heel and Schatz, J. Struct. Biol. 151, 250 (2005)).
    """
    index, centres = _shells(a.shape, voxel_steps_nm)
    one, two = fft.fftn(a).ravel(), fft.fftn(b).ravel()

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(index, values, minlength=len(centres) + 1)[: len(centres)]

    cross = one * np.conj(two)
    norm = np.sqrt(total(np.abs(one) ** 2) * total(np.abs(two) ** 2))
    found = np.hypot(total(cross.real), total(cross.imag)) / np.where(norm > 0, norm, 1)
    independent = np.maximum(total(np.ones(len(index))) / oversampling, 1)
    root = np.sqrt(independent)
    threshold = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    known = independent >= _LEAST
    return centres[known], found[known], threshold[known]


def transfer(objects: np.ndarray, voxel_steps_nm: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the phase retrieval transfer function of aligned objects (R, N0, N1, N2) in shells: |⟨F⟩| / ⟨|F|⟩.

    1 where the runs' phases agree, 1/√R where they have nothing in common.

    Returns
    -------
    frequency, transfer
        float64.
    """
    index, centres = _shells(objects.shape[1:], voxel_steps_nm)
    mean, modulus = np.zeros(objects[0].size, complex), np.zeros(objects[0].size)
    for each in objects:
        field = fft.fftn(each).ravel()
        mean += field
        modulus += np.abs(field)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(index, values, minlength=len(centres) + 1)[: len(centres)]

    below = total(modulus)
    return centres, total(np.abs(mean)) / np.where(below > 0, below, 1)


def fsc(a: np.ndarray, b: np.ndarray, voxel_steps_nm: np.ndarray | None, oversampling: float) -> Curve:
    """Return `shell_correlation` as a curve, the half-bit its threshold."""
    return Curve(*shell_correlation(a, b, voxel_steps_nm, oversampling))


def prtf(objects: np.ndarray, voxel_steps_nm: np.ndarray | None) -> Curve:
    """Return `transfer` of aligned objects as a curve, its threshold 1/e."""
    frequency, values = transfer(objects, voxel_steps_nm)
    return Curve(frequency, values, np.full(len(frequency), _ONE_OVER_E))


def smoothed(object: np.ndarray, fwhm: float, voxel_steps_nm: np.ndarray | None) -> np.ndarray:
    """Return a complex object convolved with a Gaussian that is round in the laboratory.

    Parameters
    ----------
    object
        Complex (N0, N1, N2), zero around the crystal.
    fwhm
        Full width at half maximum in nm, or in voxels without steps.
    voxel_steps_nm
        As for `frequencies`.
    """
    if not fwhm:
        return object
    sigma = fwhm / np.sqrt(8 * np.log(2))
    window = np.exp(-2 * (np.pi * sigma * frequencies(object.shape, voxel_steps_nm)) ** 2)
    found = fft.ifftn(fft.fftn(object) * window)
    return (found if np.iscomplexobj(object) else found.real).astype(object.dtype)


def cut(volumes: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Return volumes (R, N0, N1, N2) cropped about the centre to the support and half as much around it."""
    wide = (fft.next_fast_len(3 * half) for half in _halves(support))
    shape = tuple(min(n, side) for n, side in zip(support.shape, wide, strict=True))
    return np.stack([fitted(each, shape) for each in volumes])


def cropped(volumes: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Return volumes (R, N0, N1, N2) cropped about the centre to the support; `fitted` brings each back."""
    shape = tuple(min(n, 2 * half) for n, half in zip(support.shape, _halves(support), strict=True))
    return np.stack([fitted(each, shape) for each in volumes])


def _halves(support: np.ndarray) -> list[int]:
    """Return how far a support reaches from the centre along each axis, in voxels."""
    return [
        max(n // 2 - s.start, s.stop - n // 2, 1)
        for s, n in zip(bounding_box(support), support.shape, strict=True)
    ]


def reach(voxel_steps_nm: np.ndarray) -> float:
    """Return the frequency up to which the grid of voxels with these steps, 3 × 3, is whole in all directions."""
    # the nearest face of the grid's parallelepiped lies half a period of the longest voxel step away
    return float(0.5 / np.linalg.norm(voxel_steps_nm, axis=0).max())


def _shells(shape: tuple[int, ...], voxel_steps_nm: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the shell of every frequency, FFT order, and the middles of the shells up to where the grid is whole."""
    length = frequencies(shape, voxel_steps_nm)
    last = reach(np.eye(3) if voxel_steps_nm is None else np.asarray(voxel_steps_nm, float))
    number = min(shape) // 2
    index = np.rint(length * (number / last)).astype(int).ravel()
    return np.minimum(index, number + 1), np.arange(number + 1) * last / number

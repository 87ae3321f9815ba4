"""How a sheared object is brought onto an orthogonal grid along the laboratory's axes."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from ..scan import InputError
from .isosurface import bounding_box

FRAMES: dict[str, str] = {
    "laboratory": "x outboard, y up, z along the beam, the sample as it stood at the Bragg peak",
    "sample": "the laboratory's axes as they lie in the sample with all its circles at zero",
    "crystal": "the laboratory's axes turned the shortest way to where Q lies along y",
}
"""Right-handed frames: laboratory, and what bcdi calls lab_flat_sample and crystal (with Q along y)."""


AXES: dict[str, str] = {
    "laboratory": "x (outboard), y (up), z (downstream)",
    "sample": "x, y, z of the sample with its circles at zero",
    "crystal": "x, y (along Q), z",
}
"""What the axes of the frames are called in a few words."""


def axes_words(frame: str) -> str:
    """Return what the axes of a frame are called."""
    return AXES.get(frame, f"x, y, z of the {frame} frame")


def centre_of(object: np.ndarray) -> tuple[float, ...]:
    """Return the index, to parts of a voxel, that an object is to be shown about: its amplitude's centre of mass.

    Objects are centred to whole voxels when they are made (see `symmetries.normalise`), so that half a voxel is left to chance.
    One that stands farther than a voxel from ``shape // 2`` was put there by its maker: it is shown about ``shape // 2``.
    """
    centre = np.array(object.shape) // 2
    filled = bounding_box(object != 0)
    mass = np.abs(object[filled]).astype(np.float64)
    if not mass.any():
        return tuple(map(float, centre))
    found = np.array([s.start for s in filled]) + ndimage.center_of_mass(mass)
    return tuple(map(float, found if (np.abs(found - centre) <= 1).all() else centre))


def orthogonalise(
    object: np.ndarray,
    voxel_steps_nm: np.ndarray,
    voxel_size_nm: float | None = None,
    order: int = 1,
    centre: tuple[float, ...] | None = None,
) -> tuple[np.ndarray, float]:
    """Resample an object onto an isotropic grid along the laboratory axes.

    Real and imaginary parts are interpolated, never the phase, so that wraps draw no seams; a steep phase ramp must have
    been removed before (its fringes would be averaged away), as `normalise` does.

    Parameters
    ----------
    object
        Real or complex, 3-D.
    voxel_steps_nm
        3 × 3 as `frame` returns.
    voxel_size_nm
        Edge of the new voxels in nm; None: that of a cube as large as the old voxel.
    order
        Order of the spline: 1 (linear, never overshoots) or 3.
    centre
        Index, to parts of a voxel, of what comes to the middle; None: ``shape // 2``.

    Returns
    -------
    object
        Same dtype, axes 0, 1, 2 = laboratory z, y, x; it covers every voxel above 1 % of the maximum amplitude with a
        margin of 2, and `centre` lies at its ``shape // 2``.
    voxel_size_nm
        Edge of its voxels in nm.

    Raises
    ------
    InputError
        If the object is empty, or the voxel size is not positive.
    """
    if voxel_size_nm is None:
        voxel_size_nm = float(abs(np.linalg.det(voxel_steps_nm)) ** (1 / 3))
    if not 0 < voxel_size_nm < math.inf:
        raise InputError(f"A voxel size of {voxel_size_nm} nm was asked for; give a positive one.")
    amplitude = np.abs(object)
    filled = np.argwhere(amplitude > 0.01 * amplitude.max())
    if len(filled) == 0:
        raise InputError("The object is empty: there is nothing to orthogonalise.")
    middle = np.array(object.shape) // 2 if centre is None else np.asarray(centre)
    half = reach(filled.min(0), filled.max(0), middle, voxel_steps_nm, voxel_size_nm)
    return resampled(object, voxel_steps_nm, voxel_size_nm, half + 2, middle, order), voxel_size_nm


def reach(
    first: np.ndarray, last: np.ndarray, centre: np.ndarray, steps: np.ndarray, voxel: float
) -> np.ndarray:
    """Return how many new voxels there are from the centre to the farthest corner of a box, along z, y, x.

    Parameters
    ----------
    first, last, centre
        Indices in the sheared grid.
    steps, voxel
        As for `resampled`.
    """
    corners = np.stack(np.meshgrid(*zip(first, last, strict=True)), -1).reshape(-1, 3)
    return np.ceil(np.abs((corners - centre) @ np.asarray(steps)[::-1].T).max(0) / voxel).astype(int)


def resampled(
    array: np.ndarray,
    steps: np.ndarray,
    voxel: float,
    half: np.ndarray,
    centre: np.ndarray | None = None,
    order: int = 1,
) -> np.ndarray:
    """Return an array of a sheared grid on an orthogonal one.

    Parameters
    ----------
    array
        Real or complex, 3-D.
    steps
        3 × 3, columns are the (x, y, z) steps of its voxels.
    voxel
        Edge of the new voxels, in the unit of the steps.
    half
        Voxels of the new grid on either side of its middle, along z, y, x.
    centre
        Index of what comes to the middle; None: ``shape // 2``.
    order
        Order of the spline.

    Returns
    -------
    ndarray
        Same dtype, shape ``2 half + 1``; 0 beyond the old grid.
    """
    orthogonal = np.diag([voxel] * 3)[::-1]
    return regridded(array, steps, orthogonal, tuple(2 * half + 1), centre, order)


def regridded(
    array: np.ndarray,
    steps: np.ndarray,
    new_steps: np.ndarray,
    shape: tuple[int, ...],
    centre: np.ndarray | None = None,
    order: int = 1,
) -> np.ndarray:
    """Return an array of one grid on another one, sheared or not, whose voxel ``shape // 2`` lies where `centre` does.

    Parameters
    ----------
    array
        Real or complex, 3-D.
    steps, new_steps
        3 × 3, columns are the steps of the voxels of the old and of the new grid, in one frame and one unit.
    shape
        Of the new grid.
    centre
        Index in the old grid; None: ``shape // 2`` of that.
    order
        Order of the spline.

    Returns
    -------
    ndarray
        Same dtype, of `shape`; 0 beyond the old grid.
    """
    centre = np.array(array.shape) // 2 if centre is None else centre
    to_old = np.linalg.solve(np.asarray(steps, float), np.asarray(new_steps, float))
    offset = centre - to_old @ (np.array(shape) // 2)

    def resample(part: np.ndarray) -> np.ndarray:
        return ndimage.affine_transform(
            part, to_old, offset=offset, output_shape=shape, order=order, mode="constant"
        )

    parts = (array.real, array.imag) if np.iscomplexobj(array) else (array,)
    found = sum(unit * resample(part) for unit, part in zip((1, 1j), parts, strict=False))
    return np.asarray(found, dtype=array.dtype)

"""Frames: where q lies, how long a voxel is, and how a sheared object is brought onto an orthogonal grid.

Everything is expressed in the laboratory frame (x outboard, y up, z along the beam) with the sample as it stood at the
Bragg peak.  With ``q = k_f - k_i`` and rotations about fixed axes, turning the sample by δ about the rocking axis ω brings
a crystal's q to ``R(ω, -δ) q`` of the peak's frame, so that reciprocal space is sampled along ``∂q/∂row``, ``∂q/∂column``
and ``-step ω × q``.  Collected as the columns of B, these give the steps of the object's voxels, the columns of
``D = 2π (Bᵀ)⁻¹ diag(1/N)``: the discrete Fourier transform then is ``exp(-i q·r)`` exactly
(as in Pfeifer, PhD thesis, Urbana 2005; Li et al., J. Appl. Cryst. 53, 404 (2020)).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..scan import Geometry, InputError

_AXES = {"x": np.array([1.0, 0, 0]), "y": np.array([0, 1.0, 0]), "z": np.array([0, 0, 1.0])}


def direction(name: str) -> np.ndarray:
    """Return the unit vector that an axis string such as ``"y-"`` names.

    Raises
    ------
    InputError
        Unless it is x, y or z followed by + or -.
    """
    if len(name) != 2 or name[0] not in _AXES or name[1] not in "+-":
        raise InputError(f"'{name}' names no axis; write x, y or z followed by + or -, such as 'y+'.")
    return _AXES[name[0]] * (1.0 if name[1] == "+" else -1.0)


def rotation(circles: tuple[str, ...], angles_deg: tuple[float, ...]) -> np.ndarray:
    """Return the 3 × 3 rotation made by `circles`, outermost first, standing at `angles_deg`.

    Raises
    ------
    InputError
        If the numbers of circles and angles differ, or an axis string is wrong.
    """
    if len(circles) != len(angles_deg):
        raise InputError(
            f"{len(circles)} circles {circles} were given with {len(angles_deg)} angles; give one angle per circle."
        )
    total = np.eye(3)
    for circle, angle in zip(circles, np.radians(angles_deg), strict=True):
        x, y, z = direction(circle)
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        total = total @ (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
    return total


def scattering_vector(geometry: Geometry, pixel: tuple[float, float], shape: tuple[int, ...]) -> np.ndarray:
    """Return ``k_f - k_i`` (x, y, z) in 1/nm at a detector pixel.

    Parameters
    ----------
    geometry
        Geometry of the array in which `pixel` counts.
    pixel
        Row and column, possibly fractional.
    shape
        Shape of the array ``(rocking, row, column)``: its centre ``shape // 2`` meets the direct beam where the geometry
        does not say which pixel does.
    """
    beam = geometry.direct_beam_pixel or (shape[1] // 2, shape[2] // 2)
    position = np.array([0.0, 0.0, geometry.distance_m])
    for index, zero, size_um, name in zip(
        pixel, beam, geometry.pixel_size_um, geometry.pixel_directions, strict=True
    ):
        position = position + (index - zero) * size_um * 1e-6 * direction(name)
    position = rotation(geometry.detector_circles, geometry.detector_angles_deg) @ position
    k = 2 * np.pi / geometry.wavelength_nm
    return k * (position / np.linalg.norm(position) - np.array([0.0, 0.0, 1.0]))


def reciprocal_steps(geometry: Geometry, peak: tuple[float, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Return B (3 × 3, 1/nm), whose columns are the steps of q from voxel to voxel along array axes 0, 1, 2 at `peak`.

    Raises
    ------
    InputError
        If the rocking circle is none of the sample circles, or circles and angles contradict each other.
    """
    rotation(geometry.sample_circles, geometry.sample_angles_deg)  # raises where they contradict each other
    if not 0 <= geometry.rocking_circle < len(geometry.sample_circles):
        raise InputError(
            f"Rocking circle {geometry.rocking_circle} is none of the sample circles {geometry.sample_circles}; "
            "count from 0."
        )
    outer = geometry.rocking_circle
    axis = rotation(geometry.sample_circles[:outer], geometry.sample_angles_deg[:outer]) @ direction(
        geometry.sample_circles[outer]
    )
    _, row, column = peak

    def q(pixel: tuple[float, float]) -> np.ndarray:
        return scattering_vector(geometry, pixel, shape)

    return np.stack(
        [
            -np.radians(geometry.rocking_step_deg) * np.cross(axis, q((row, column))),
            q((row + 0.5, column)) - q((row - 0.5, column)),
            q((row, column + 0.5)) - q((row, column - 0.5)),
        ],
        axis=1,
    )


def voxel_steps(geometry: Geometry, peak: tuple[float, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Return D (3 × 3, nm), whose columns are the steps of the object's voxels; see `frame`, which this is half of."""
    steps = reciprocal_steps(geometry, peak, shape)
    lengths = np.linalg.norm(steps, axis=0)
    if not lengths.all() or abs(np.linalg.det(steps / lengths)) < 1e-6:
        raise InputError(
            "The geometry's rocking step and pixel steps span no volume of reciprocal space; "
            "check the rocking circle, its step, the pixel sizes and the detector angles."
        )
    return 2 * np.pi * np.linalg.inv(steps.T) / np.asarray(shape, dtype=float)


def frame(
    geometry: Geometry | None, peak: tuple[float, ...], shape: tuple[int, ...]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the steps of the object's voxels, and the Bragg vector.

    Parameters
    ----------
    geometry
        Geometry of the phased grid (after binning), or None.
    peak
        Index, in the array that `geometry` describes, of the point of reciprocal space that phasing puts in its centre
        voxel (`Prepared.peak`).
    shape
        Shape of the phased array.

    Returns
    -------
    voxel_steps_nm
        3 × 3 float64 whose *columns* are the laboratory (x, y, z) steps in nm of one voxel along array axes 0, 1, 2.
    q_bragg_per_nm
        (3,) float64, q at `peak` in the same frame, in 1/nm; ``|q| = 2π/d``.

    Both are None without geometry.

    Raises
    ------
    InputError
        If the geometry contradicts itself: wrong axis strings, numbers of angles, or steps that span no volume.
    """
    if geometry is None:
        return None, None
    return voxel_steps(geometry, peak, shape), scattering_vector(geometry, (peak[1], peak[2]), shape)


def orthogonalise(
    object: np.ndarray, voxel_steps_nm: np.ndarray, voxel_size_nm: float | None = None, order: int = 1
) -> tuple[np.ndarray, float]:
    """Resample an object onto an isotropic grid along the laboratory axes.

    Real and imaginary parts are interpolated, never the phase, so that wraps draw no seams; a steep phase ramp must have
    been removed before (its fringes would be averaged away), as `normalise` does.

    Parameters
    ----------
    object
        Real or complex, 3-D, its centre at ``shape // 2``.
    voxel_steps_nm
        3 × 3 as `frame` returns.
    voxel_size_nm
        Edge of the new voxels in nm; None: that of a cube as large as the old voxel.
    order
        Order of the spline: 1 (linear, never overshoots) or 3.

    Returns
    -------
    object
        Same dtype, axes 0, 1, 2 = laboratory z, y, x; it covers every voxel above 1 % of the maximum amplitude with a
        margin of 2, and the old centre lies at its ``shape // 2``.
    voxel_size_nm
        Edge of its voxels in nm.

    Raises
    ------
    InputError
        If the object is empty, or the voxel size is not positive.
    """
    if voxel_size_nm is None:
        voxel_size_nm = float(abs(np.linalg.det(voxel_steps_nm)) ** (1 / 3))
    if not voxel_size_nm > 0:
        raise InputError(f"A voxel size of {voxel_size_nm} nm was asked for; give a positive one.")
    amplitude = np.abs(object)
    filled = np.argwhere(amplitude > 0.01 * amplitude.max())
    if len(filled) == 0:
        raise InputError("The object is empty: there is nothing to orthogonalise.")
    steps_zyx = np.asarray(voxel_steps_nm)[::-1]
    centre = np.array(object.shape) // 2
    corners = np.stack(np.meshgrid(*zip(filled.min(0), filled.max(0), strict=True)), -1).reshape(-1, 3)
    reach = np.abs((corners - centre) @ steps_zyx.T).max(0) / voxel_size_nm
    half = np.ceil(reach).astype(int) + 2
    to_old = np.linalg.inv(steps_zyx) * voxel_size_nm
    offset = centre - to_old @ half

    def resample(part: np.ndarray) -> np.ndarray:
        return ndimage.affine_transform(
            part, to_old, offset=offset, output_shape=tuple(2 * half + 1), order=order, mode="constant"
        )

    parts = (object.real, object.imag) if np.iscomplexobj(object) else (object,)
    found = sum(unit * resample(part) for unit, part in zip((1, 1j), parts, strict=False))
    return np.asarray(found, dtype=object.dtype), voxel_size_nm

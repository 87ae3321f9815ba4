"""Frames: where q lies, and how long a voxel is.

Everything is expressed in the laboratory frame (x outboard, y up, z along the beam) with the sample as it stood at the
Bragg peak.  With ``q = k_f - k_i`` and rotations about fixed axes, turning the sample by δ about the rocking axis ω brings
a crystal's q to ``R(ω, -δ) q`` of the peak's frame, so that reciprocal space is sampled along ``∂q/∂row``, ``∂q/∂column``
and ``-step ω × q``; where the energy is scanned, along ``step q/E``, and where the arm follows, along ``step ∂q/∂arm`` too.
Collected as the columns of B, these give the steps of the object's voxels, the columns of ``D = 2π (Bᵀ)⁻¹ diag(1/N)``: the
discrete Fourier transform then is ``exp(-i q·r)`` exactly (as in Pfeifer, PhD thesis, Urbana 2005; Li et al., J. Appl.
Cryst. 53, 404 (2020)).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..scan import Geometry, InputError
from .circles import direction, rotation

_BEAM = np.array([0.0, 0.0, 1.0])


def in_arm(geometry: Geometry, pixel: tuple[float, float], shape: tuple[int, ...]) -> np.ndarray:
    """Return where a pixel is (x, y, z), in metres from the sample, with the arm at zero; arguments as `scattering_vector`."""
    beam = geometry.with_beam(shape).direct_beam_pixel or (0.0, 0.0)
    place = geometry.distance_m * _BEAM
    for index, zero, size_um, axis in zip(
        pixel, beam, geometry.pixel_size_um, geometry.pixel_directions, strict=True
    ):
        place = place + (index - zero) * size_um * 1e-6 * direction(axis)
    return place


def arm(geometry: Geometry) -> np.ndarray:
    """Return the 3 × 3 rotation of the detector's arm."""
    return rotation(geometry.detector_circles, geometry.detector_angles_deg, geometry.detector_offsets_deg)


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

    Raises
    ------
    InputError
        If circles and angles contradict each other.
    """
    place = arm(geometry) @ in_arm(geometry, pixel, shape)
    return 2 * np.pi / geometry.wavelength_nm * (place / np.linalg.norm(place) - _BEAM)


def arm_vector(geometry: Geometry) -> np.ndarray:
    """Return ``k_f - k_i`` (x, y, z) in 1/nm where the arm points, at the direct beam's pixel."""
    return 2 * np.pi / geometry.wavelength_nm * (arm(geometry) @ _BEAM - _BEAM)


def rocking_axis(geometry: Geometry) -> np.ndarray:
    """Return the laboratory direction (3,) about which the sample was rocked.

    Raises
    ------
    InputError
        If the rocking circle is none of the sample circles, or circles and angles contradict each other.
    """
    circles, angles, offsets = (
        geometry.sample_circles,
        geometry.sample_angles_deg,
        geometry.sample_offsets_deg,
    )
    rotation(circles, angles, offsets)  # raises where they contradict each other
    outer = geometry.rocking_circle
    if not 0 <= outer < len(circles):
        raise InputError(
            f"Rocking circle {outer} is none of the sample circles {circles}; count from 0, the outermost."
        )
    carrying = rotation(circles[:outer], angles[:outer], None if offsets is None else offsets[:outer])
    return carrying @ direction(circles[outer])


def reciprocal_steps(geometry: Geometry, peak: tuple[float, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Return B (3 × 3, 1/nm), whose columns are the steps of q from voxel to voxel along array axes 0, 1, 2 at `peak`.

    Raises
    ------
    InputError
        If the rocking circle is none of the sample circles, or circles and angles contradict each other.
    """
    _, row, column = peak

    def q(pixel: tuple[float, float], seen: Geometry = geometry) -> np.ndarray:
        return scattering_vector(seen, pixel, shape)

    centre = q((row, column))
    frame = -np.radians(geometry.rocking_step_deg) * np.cross(rocking_axis(geometry), centre)
    frame = frame + centre * geometry.energy_step_kev / geometry.energy_kev
    if geometry.detector_steps_deg is not None:
        ends = [
            q((row, column), replace(geometry, detector_angles_deg=_moved(geometry, half)))
            for half in (-0.5, 0.5)
        ]
        frame = frame + ends[1] - ends[0]
    return np.stack(
        [
            frame,
            q((row + 0.5, column)) - q((row - 0.5, column)),
            q((row, column + 0.5)) - q((row, column - 0.5)),
        ],
        axis=1,
    )


def _moved(geometry: Geometry, frames: float) -> tuple[float, ...]:
    """Return the arm's angles some frames later."""
    steps = geometry.detector_steps_deg or ()
    if len(steps) != len(geometry.detector_angles_deg):
        raise InputError(
            f"{len(geometry.detector_angles_deg)} detector angles were given with {len(steps)} steps; give one per circle."
        )
    return tuple(
        angle + frames * step for angle, step in zip(geometry.detector_angles_deg, steps, strict=True)
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
        If the geometry contradicts itself: wrong axes, numbers of angles, or steps that span no volume.
    """
    if geometry is None:
        return None, None
    return voxel_steps(geometry, peak, shape), scattering_vector(geometry, (peak[1], peak[2]), shape)


def on_plane(geometry: Geometry, origin_m: np.ndarray) -> Geometry:
    """Return the geometry of a detector whose pixel (0, 0) lies at `origin_m` (x, y, z) with the arm at zero.

    Distance and direct-beam pixel are those of the point in which the beam meets the detector's plane.

    Raises
    ------
    InputError
        If the plane lies along the beam, or behind the sample.
    """
    row, column = (
        size * 1e-6 * direction(axis)
        for size, axis in zip(geometry.pixel_size_um, geometry.pixel_directions, strict=True)
    )
    along = np.stack([-row, -column, _BEAM], axis=1)
    if abs(np.linalg.det(along / np.linalg.norm(along, axis=0))) < 1e-6:
        raise InputError(
            f"A detector with rows and columns along {geometry.pixel_directions} never meets the direct beam; check them."
        )
    at_row, at_column, distance = np.linalg.solve(along, np.asarray(origin_m, float))
    if not distance > 0:
        raise InputError(
            "The detector's plane meets the direct beam before the sample; check the detector's place."
        )
    return replace(geometry, direct_beam_pixel=(float(at_row), float(at_column)), distance_m=float(distance))


def moved(geometry: Geometry, metres: tuple[float, float, float], shape: tuple[int, ...]) -> Geometry:
    """Return the geometry after the detector moved by laboratory (x, y, z) metres, as it does with the arm at zero.

    Parameters
    ----------
    geometry, shape
        As for `scattering_vector`.
    metres
        The way from where `geometry` describes it.

    Raises
    ------
    InputError
        If the detector then meets the direct beam no more.
    """
    return on_plane(geometry, in_arm(geometry, (0.0, 0.0), shape) + np.asarray(metres, float))

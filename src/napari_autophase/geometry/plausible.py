"""What no scan can have: refused, with the unit that was most likely meant."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..scan import Geometry, InputError
from .frames import arm_vector
from .units import DEGREES


class Range(NamedTuple):
    """What a quantity can be, in its own unit, and other units by how much of the own one they hold."""

    what: str
    unit: str
    least: float
    most: float
    units: dict[str, float]


# a unit may come from a file, a form or a person: those that other programs use are tried first
ENERGY = Range("energy", "keV", 2, 120, {"eV": 1e-3, "J": 6.241509074e15, "MeV": 1e3})
_WAVELENGTHS = {"Å": 12.398419843, "nm": 1.2398419843, "m": 1.2398419843e-9}
"""Units of a wavelength for which an energy may be taken, each with the product of the two in it and in keV."""
_USUAL, _USUALLY = 11.0, 4.0
"""Energy of coherent diffraction in keV, within such a factor."""
DISTANCE = Range("distance", "m", 0.02, 20, {"mm": 1e-3, "cm": 1e-2, "µm": 1e-6})
PIXEL = Range("pixel size", "µm", 5, 1000, {"m": 1e6, "mm": 1e3, "nm": 1e-3})
_STEP = Range(
    "rocking step",
    "degrees",
    1e-5,
    1,
    {"millidegrees": 1e-3, "radians": 57.29577951, "arc seconds": 1 / 3600},
)
_ENERGY_STEP = Range("energy step", "keV", 1e-7, 1, {"eV": 1e-3})
_SPACING = Range("lattice spacing", "nm", 0.05, 1.5, {"Å": 0.1, "pm": 1e-3, "m": 1e9})
ANGLE = Range("angle of a circle", "degrees", 0, 360, {"millidegrees": 1e-3, "millionths of a degree": 1e-6})
_SIGNED = (_STEP, _ENERGY_STEP, ANGLE)
"""Of these the sign says which way."""

FARTHEST = 1e6
"""Pixels: the direct beam falls no farther from the frames, even where the arm has carried them away."""
_STEADY = 0.98
"""Angles that run from frame to frame go with the frames' numbers at least so well (a correlation)."""


def check(geometry: Geometry, frames: int | None = None) -> None:
    """Refuse a geometry that no instrument has, or that is not that of so many frames.

    Raises
    ------
    InputError
        Naming the quantity, and the unit in which its number would make sense.
    """
    _refuse(ENERGY, geometry.energy_kev)
    _refuse(DISTANCE, geometry.distance_m)
    for size in geometry.pixel_size_um:
        _refuse(PIXEL, size)
    if geometry.energy_step_kev:
        _refuse(_ENERGY_STEP, abs(geometry.energy_step_kev))
    if geometry.rocking_step_deg or not (geometry.energy_step_kev or geometry.detector_steps_deg):
        _refuse(_STEP, abs(geometry.rocking_step_deg), geometry.rocking_step_deg)
    for name in (
        "sample_angles_deg",
        "detector_angles_deg",
        "sample_offsets_deg",
        "detector_offsets_deg",
        "direct_beam_pixel",
    ):
        values = getattr(geometry, name)
        if values is not None and not np.isfinite(values).all():
            raise InputError(
                f"geometry.{name} holds {values}, which are not all numbers; give the others too."
            )
        if name == "direct_beam_pixel" and values is not None and np.abs(values).max() > FARTHEST:
            raise InputError(
                f"geometry.{name} holds {values}, which is far from any detector; give row and column in pixels."
            )
        if name.endswith("_deg"):
            for value in values or ():
                _refuse(ANGLE, abs(value), value, f"geometry.{name}: ")

    _check_angles(geometry.rocking_angles_deg, frames)


def _check_angles(angles_deg: tuple[float, ...] | None, frames: int | None) -> None:
    """Refuse angles, one a frame, that are not those of frames in order."""
    if angles_deg is None:
        return
    if frames is not None and len(angles_deg) != frames:
        raise InputError(
            f"geometry.rocking_angles_deg holds {len(angles_deg)} angles, but there are {frames} frames; give one a frame."
        )
    angles = np.asarray(angles_deg, float)
    if not np.isfinite(angles).all():
        raise InputError(
            "geometry.rocking_angles_deg holds angles that are no numbers; give all of them, or the step alone."
        )
    if (
        len(angles) > 1
        and np.ptp(angles)
        and abs(np.corrcoef(np.arange(len(angles)), angles)[0, 1]) <= _STEADY
    ):
        raise InputError(
            f"geometry.rocking_angles_deg does not run steadily from {angles[0]:g} to {angles[-1]:g}; put the frames, and their "
            "angles, in order."
        )


def fault(quantity: Range, value: float, number: float, unit: str) -> str:
    """Return why a number in a file cannot be a quantity, and which unit was likely meant; "" if it can be.

    Parameters
    ----------
    quantity
        What it should be.
    value
        What it is in the quantity's own unit.
    number, unit
        What stands in the file, and the unit in which that is taken to be.
    """
    if _is_possible(quantity, value):
        return ""
    text = (
        f"{number:g} {unit} is no {quantity.what} ({quantity.least:g} to {quantity.most:g} {quantity.unit})"
    )
    units = {quantity.unit: 1.0, **quantity.units}
    known = unit in units or (quantity is ANGLE and unit in DEGREES)
    meant = _meant(quantity, number, units if known else {})
    return f"{text}{meant or '; check it.'}"


def _is_possible(quantity: Range, value: float) -> bool:
    low = -quantity.most if quantity is ANGLE else quantity.least
    return bool(low <= value <= quantity.most)


def _meant(quantity: Range, number: float, units: dict[str, float]) -> str:
    """Return what a number would be in the first of some units that makes it possible; "" if none does."""
    if quantity is ENERGY and units and number > 0:
        likely, unit = min(
            (abs(np.log(factor / number / _USUAL)), unit) for unit, factor in _WAVELENGTHS.items()
        )
        if likely < np.log(_USUALLY):
            return f": {_WAVELENGTHS[unit] / number:.5g} keV, if the number is a wavelength in {unit}?"
    return next(
        (
            f": {number * factor:.5g} {quantity.unit}, if the number is in {unit}?"
            for unit, factor in units.items()
            if quantity.least <= (abs(number) if quantity in _SIGNED else number) * factor <= quantity.most
        ),
        "",
    )


def check_spacing(geometry: Geometry, q_per_nm: np.ndarray) -> None:
    """Refuse a Bragg vector (3,) that belongs to no lattice planes.

    Raises
    ------
    InputError
        Naming the spacing, and what may be wrong.
    """
    length = float(np.linalg.norm(q_per_nm))
    spacing = 2 * np.pi / length if length else np.inf
    if _SPACING.least <= spacing <= _SPACING.most:
        return
    angles = geometry.detector_angles_deg
    meant = ""
    if angles and max(map(abs, angles)) <= np.pi:
        turned = replace(geometry, detector_angles_deg=tuple(float(np.degrees(angle)) for angle in angles))
        at_arm = 2 * np.pi / max(float(np.linalg.norm(arm_vector(turned))), 1e-9)
        if _SPACING.least <= at_arm <= _SPACING.most:
            meant = f" (if these are in radians, it is {at_arm:.4g} nm where the arm points: give degrees)"
    raise InputError(
        f"This geometry belongs to lattice planes {spacing:.3g} nm apart, which no crystal has "
        f"({_SPACING.least:g} to {_SPACING.most:g} nm); check the detector angles{meant}, the energy and the direct beam's pixel."
    )


def check_reference(spacing_nm: float) -> None:
    """Refuse a spacing to compare with that no lattice planes have.

    Raises
    ------
    InputError
        Naming the unit in which the number would make sense.
    """
    _refuse(_SPACING, spacing_nm)


def _refuse(quantity: Range, value: float, given: float | None = None, where: str = "") -> None:
    if _is_possible(quantity, value):
        return
    number = value if given is None else given
    text = f"{where}{number:g} is no {quantity.what} in {quantity.unit} ({quantity.least:g} to {quantity.most:g})"
    raise InputError(f"{text}{_meant(quantity, number, quantity.units) or '; check it.'}")

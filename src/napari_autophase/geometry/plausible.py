"""What no scan can have: refused, with the unit that was most likely meant."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..scan import Geometry, InputError
from .frames import arm_vector


class Range(NamedTuple):
    """What a quantity can be, in its own unit, and other units by how much of the own one they hold."""

    what: str
    unit: str
    least: float
    most: float
    units: dict[str, float]


# a unit may come from a file, a form or a person: those that other programs use are tried first
_ENERGY = Range("energy", "keV", 2, 120, {"eV": 1e-3, "J": 6.241509074e15, "MeV": 1e3})
_DISTANCE = Range("distance", "m", 0.02, 20, {"mm": 1e-3, "cm": 1e-2, "µm": 1e-6})
_PIXEL = Range("pixel size", "µm", 5, 1000, {"m": 1e6, "mm": 1e3, "nm": 1e-3})
_STEP = Range(
    "rocking step",
    "degrees",
    1e-5,
    1,
    {"millidegrees": 1e-3, "radians": 57.29577951, "arc seconds": 1 / 3600},
)
_ENERGY_STEP = Range("energy step", "keV", 1e-7, 1, {"eV": 1e-3})
_SPACING = Range("lattice spacing", "nm", 0.05, 1.5, {})
_ANGLE = Range("angle of a circle", "degrees", 0, 360, {"millidegrees": 1e-3, "millionths of a degree": 1e-6})


def check(geometry: Geometry) -> None:
    """Refuse a geometry that no instrument has.

    Raises
    ------
    InputError
        Naming the quantity, and the unit in which its number would make sense.
    """
    _refuse(_ENERGY, geometry.energy_kev)
    _refuse(_DISTANCE, geometry.distance_m)
    for size in geometry.pixel_size_um:
        _refuse(_PIXEL, size)
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
        if name.endswith("_deg"):
            for value in values or ():
                _refuse(_ANGLE, abs(value), value, f"geometry.{name}: ")


def could_be_energy(kev: float) -> bool:
    """Tell whether an energy in keV is one of photons."""
    return _ENERGY.least <= kev <= _ENERGY.most


def could_be_distance(metres: float) -> bool:
    """Tell whether a length in m can be that from sample to detector."""
    return _DISTANCE.least <= metres <= _DISTANCE.most


def could_be_angle(degrees: float) -> bool:
    """Tell whether a number in degrees can be where a circle stands."""
    return abs(degrees) <= _ANGLE.most


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


def _refuse(range_: Range, value: float, given: float | None = None, where: str = "") -> None:
    if np.isfinite(value) and range_.least <= value <= range_.most:
        return
    shown = value if given is None else given
    text = f"{where}{shown:g} is no {range_.what} in {range_.unit} ({range_.least:g} to {range_.most:g})"
    sign = -1 if given is not None and given < 0 else 1
    meant = [
        f"{sign * value * factor:.5g} {range_.unit}, if the number is in {unit}"
        for unit, factor in range_.units.items()
        if range_.least <= value * factor <= range_.most
    ]
    if meant:
        raise InputError(f"{text}: {meant[0]}?")
    raise InputError(f"{text}; check it.")

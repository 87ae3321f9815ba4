"""Why a spacing may be wrong: slips that people and files make, each undone, and held against the known spacing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product

import numpy as np

from ..scan import Geometry
from .frames import scattering_vector
from .materials import find_material, spacing_nm
from .plausible import DISTANCE, ENERGY, PIXEL, Range

_FITS = 0.8
"""Percent of the spacing to which an explanation must bring it: strain and calibrations reach that far."""
_CLEARLY = 3.0
"""So many times nearer than it was."""
_KEV_ANGSTROM = 12.398419843
"""Of a photon, energy times wavelength."""
_HIGHEST = 4
"""Miller indices that are tried."""


def explanations(
    geometry: Geometry,
    pixel: tuple[float, float],
    shape: tuple[int, ...],
    spacing: float,
    material: str | None = None,
    others: Sequence[tuple[str, float]] = (),
) -> list[tuple[str, float]]:
    """Return in words what would make a spacing come out as it is known to be, and the percent that are left then.

    Parameters
    ----------
    geometry, shape
        As for `scattering_vector`.
    pixel
        Row and column of the Bragg peak.
    spacing
        What the spacing of the planes is, in nm.
    material
        Formula of the crystal, of which other reflections are tried; None: unknown.
    others
        Further explanations, and what is left then.
    """

    def misfit(other: Geometry) -> float:
        length = float(np.linalg.norm(scattering_vector(other, pixel, shape)))
        return 100 * (2 * np.pi / length / spacing - 1) if length else np.inf

    now = misfit(geometry)
    found = [(words, misfit(other)) for words, other in _slips(geometry)]
    if material is not None and geometry.reflection is not None:
        found += _reflections(material, geometry.reflection, spacing * (1 + now / 100))
    bound = min(_FITS, abs(now) / _CLEARLY)
    fitting = [(words, left) for words, left in (*found, *others) if abs(left) < bound]
    # whatever brings the peak nearer to where the arm points may do by chance
    nearer = () if fitting else [(words, misfit(other)) for words, other in _offsets(geometry)]
    return fitting or [(words, left) for words, left in nearer if abs(left) < bound]


def _slips(geometry: Geometry) -> Iterator[tuple[str, Geometry]]:
    """Yield what may have been meant, in words and as a geometry."""
    arm = geometry.detector_angles_deg
    moved = [index for index, angle in enumerate(arm or ()) if angle]
    if arm is not None and len(arm) > 1 and 0 < len(moved) <= 2:
        one, other = moved if len(moved) == 2 else (moved[0], (moved[0] + 1) % len(arm))
        turned = list(arm)
        turned[one], turned[other] = arm[other], arm[one]
        yield "with the arm's angles exchanged", replace(geometry, detector_angles_deg=tuple(turned))
        twice = tuple(2 * angle for angle in arm)
        if max(map(abs, twice)) < 180:
            yield (
                "with twice the angles of the arm (θ was given for 2θ)",
                replace(geometry, detector_angles_deg=twice),
            )
    for value, why in _misread(geometry.energy_kev, ENERGY):
        yield f"with an energy of {value:.6g} keV, {why}", replace(geometry, energy_kev=value)
    wavelength = _KEV_ANGSTROM / geometry.energy_kev
    if ENERGY.least <= wavelength <= ENERGY.most:
        yield (
            f"with an energy of {wavelength:.6g} keV, if {geometry.energy_kev:g} is the wavelength in Å",
            replace(geometry, energy_kev=wavelength),
        )


def _offsets(geometry: Geometry) -> Iterator[tuple[str, Geometry]]:
    """Yield what changes nothing but how far the peak lies from where the arm points."""
    for value, why in _misread(geometry.distance_m, DISTANCE):
        yield f"with a distance of {value:.6g} m, {why}", replace(geometry, distance_m=value)
    for factor in (2.0, 0.5):
        sizes = (geometry.pixel_size_um[0] * factor, geometry.pixel_size_um[1] * factor)
        if all(PIXEL.least <= size <= PIXEL.most for size in sizes):
            yield (
                f"with pixels of {sizes[0]:g} × {sizes[1]:g} µm, as where frames were binned",
                replace(geometry, pixel_size_um=sizes),
            )
    beam = geometry.direct_beam_pixel
    if beam is not None and beam[0] != beam[1]:
        yield (
            f"with the direct beam on row {beam[1]:g} and column {beam[0]:g}, the other way round",
            replace(geometry, direct_beam_pixel=(beam[1], beam[0])),
        )


def _misread(value: float, quantity: Range) -> Iterator[tuple[float, str]]:
    """Yield what a number may have been before it was mistyped."""
    for factor in (10.0, 0.1):
        if quantity.least <= value * factor <= quantity.most:
            yield value * factor, "its point moved"
    text = f"{value:.6g}"
    known = {value, value * 10, value / 10}
    for at, (one, other) in enumerate(pairwise(text) if "e" not in text else ()):
        apart = 1 if other != "." else 2
        if at + apart >= len(text) or one == ".":
            continue
        digits = list(text)
        digits[at], digits[at + apart] = digits[at + apart], digits[at]
        number = float("".join(digits))
        if quantity.least <= number <= quantity.most and not any(np.isclose(number, each) for each in known):
            known.add(number)
            yield number, "two digits exchanged"


def _reflections(material: str, given: tuple[int, int, int], measured: float) -> list[tuple[str, float]]:
    """Return which other reflections of a material have a spacing, the simplest of each kind, and what is left."""
    _, known = find_material(material)
    own = spacing_nm(known, given)
    is_mixed = len({index % 2 for index in given}) > 1
    best: dict[float, tuple[int, int, int]] = {}
    for first, second, third in product(range(_HIGHEST, -1, -1), repeat=3):
        hkl = (first, second, third)
        if any(hkl) and (is_mixed or len({index % 2 for index in hkl}) == 1):
            spacing = round(spacing_nm(known, hkl), 7)
            best.setdefault(spacing, hkl)
    return [
        (f"as reflection {' '.join(map(str, hkl))}", 100 * (measured / spacing - 1))
        for spacing, hkl in best.items()
        if abs(spacing / own - 1) > 1e-4
    ]

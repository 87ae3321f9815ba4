"""Two tests of how a detector is mounted: by a known lattice spacing, and by moving the arm.

Which way the columns and rows of a frame run is in no file, and differs between detectors of one beamline.  A wrong one
mirrors the crystal and leaves everything else in order, so it must be tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from ..scan import Axis, Geometry, InputError, opposite
from .circles import direction, rotation
from .frames import in_arm, scattering_vector
from .plausible import check_reference

_PRECISION = 0.1
"""Percent of the spacing within which two orientations cannot be told apart: strain and calibrations reach that far."""
_MOST = 2.0
"""Percent of mismatch above which no orientation explains a spacing."""
_CLEAR = 3.0
"""A decision is clear when the second best is so many times worse."""


@dataclass(frozen=True)
class Mounting:
    """One way in which a detector may be mounted, and how well it fits.

    Parameters
    ----------
    pixel_directions
        Of rows and columns.
    misfit
        Percent of the spacing (lattice test), or pixels (arm test).
    spacing_nm
        What the lattice spacing would be; None in the arm test.
    distance_m
        The sample-detector distance that fits best; None in the lattice test.
    """

    pixel_directions: tuple[Axis, Axis]
    misfit: float
    spacing_nm: float | None = None
    distance_m: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What a test found.

    Parameters
    ----------
    mountings
        All four, the stated one first, then with columns, rows, both turned round.
    rows, columns
        The direction that is certain, or None: cannot tell.
    distance_m
        From the arm test, where the best mounting is certain enough to say.
    sentence
        The verdict in words.
    """

    mountings: tuple[Mounting, ...]
    rows: Axis | None
    columns: Axis | None
    distance_m: float | None
    sentence: str

    @property
    def decisive(self) -> bool:
        """Whether both directions are certain."""
        return self.rows is not None and self.columns is not None


def lattice_test(
    geometry: Geometry, pixel: tuple[float, float], shape: tuple[int, ...], spacing_nm: float
) -> Verdict:
    """Try the four orientations of the detector against a known lattice spacing.

    Parameters
    ----------
    geometry, shape
        As for `scattering_vector`.
    pixel
        Row and column of the Bragg peak.
    spacing_nm
        What the spacing of the planes is.

    Raises
    ------
    InputError
        If no lattice has the spacing, or the geometry contradicts itself.
    """
    check_reference(spacing_nm)
    mountings = []
    for directions in _four(geometry):
        q = scattering_vector(replace(geometry, pixel_directions=directions), pixel, shape)
        found = 2 * np.pi / float(np.linalg.norm(q))
        mountings.append(Mounting(directions, 100 * (found / spacing_nm - 1), spacing_nm=found))
    kept = _kept(mountings, least=_PRECISION, unit=1.0)
    best = min(mountings, key=lambda mounting: abs(mounting.misfit))
    if abs(best.misfit) > _MOST:
        return Verdict(
            tuple(mountings), None, None, None,
            f"Cannot tell: no orientation comes within {_MOST:g} % of {spacing_nm:.5g} nm (the best is "
            f"{best.misfit:+.2f} % off); check energy, angles, the direct beam's pixel and the reflection.",
        )  # fmt: skip
    return _judged(mountings, kept, "the peak lies too near the direct beam's pixel for that", None)


def arm_test(
    geometry: Geometry,
    first: tuple[tuple[float, float], Sequence[float]],
    second: tuple[tuple[float, float], Sequence[float]],
    shape: tuple[int, ...],
) -> Verdict:
    """Find how rows and columns run, and the distance, from one spot that was seen at two positions of the arm.

    The sample stands still: in the laboratory the spot lies in one direction, whatever the arm does.

    Parameters
    ----------
    geometry, shape
        Circles, pixel sizes and the direct beam's pixel count; the distance and the angles do not.
    first, second
        The spot's (row, column), and the angles of the detector's circles in degrees.

    Raises
    ------
    InputError
        If the arm or the spot did not move.
    """
    spots = np.array([first[0], second[0]], float)
    if np.abs(spots[0] - spots[1]).max() < 1:
        raise InputError("The spot did not move by a pixel between the two frames; move the arm further.")
    rotations = [
        rotation(geometry.detector_circles, angles, geometry.detector_offsets_deg)
        for _, angles in (first, second)
    ]
    turn = rotations[1].T @ rotations[0]  # from the first position's arm to the second's
    if np.abs(turn - np.eye(3)).max() < 1e-7:
        raise InputError(
            "The arm did not move between the two frames; give the angles of two different positions."
        )
    mountings = [
        _fitted(replace(geometry, pixel_directions=directions), spots, turn, shape)
        for directions in _four(geometry)
    ]
    kept = _kept(mountings, least=1.0, unit=1.0)
    best = min(mountings, key=lambda mounting: mounting.misfit)
    distances = [mounting.distance_m or 0.0 for mounting in kept]
    moved = np.abs(spots[0] - spots[1]).max()
    if best.misfit > max(3.0, 0.05 * moved):
        return Verdict(
            tuple(mountings), None, None, None,
            f"Cannot tell: no orientation brings the spot within {best.misfit:.1f} pixels of where it was seen; check the "
            "circles, their angles, and that it is the same spot.",
        )  # fmt: skip
    distance = best.distance_m if np.ptp(distances) < 0.02 * max(distances) else None
    return _judged(mountings, kept, "the spot did not move enough along them", distance)


def _four(geometry: Geometry) -> list[tuple[Axis, Axis]]:
    rows, columns = geometry.pixel_directions
    return [(row, column) for row, column in product((rows, opposite(rows)), (columns, opposite(columns)))]


def _kept(mountings: list[Mounting], least: float, unit: float) -> list[Mounting]:
    """Return the mountings that fit about as well as the best."""
    best = min(abs(mounting.misfit) for mounting in mountings)
    bound = max(_CLEAR * best, best + least * unit)
    return [mounting for mounting in mountings if abs(mounting.misfit) < bound]


def _judged(mountings: list[Mounting], kept: list[Mounting], why: str, distance_m: float | None) -> Verdict:
    found: list[Axis | None] = []
    words = []
    for axis, name in enumerate(("rows", "columns")):
        seen = {mounting.pixel_directions[axis] for mounting in kept}
        found.append(seen.pop() if len(seen) == 1 else None)
        words.append(f"{name} {said(found[-1])}" if found[-1] is not None else f"{name}: cannot tell")
    rows, columns = found
    sentence = ", ".join(words)
    if rows is None or columns is None:
        sentence += f" ({why})"
    else:
        stated = mountings[0].pixel_directions
        sentence += (
            ", as stated"
            if (rows, columns) == stated
            else ", other than stated: " + ", ".join(map(said, stated))
        )
    if distance_m is not None:
        sentence += f"; distance {distance_m:.4g} m"
    return Verdict(tuple(mountings), rows, columns, distance_m, sentence[0].upper() + sentence[1:] + ".")


def said(axis: Axis | None) -> str:
    """Return an axis as a person reads it."""
    if axis is None:
        return "unknown"
    return axis if isinstance(axis, str) else "(" + ", ".join(f"{part:.4g}" for part in axis) + ")"


def _fitted(geometry: Geometry, spots: np.ndarray, turn: np.ndarray, shape: tuple[int, ...]) -> Mounting:
    """Return how well a mounting carries the first spot onto the second, at the distance that does it best."""
    rows, columns = map(direction, geometry.pixel_directions)
    normal = np.cross(rows, columns)
    sizes = np.array(geometry.pixel_size_um) * 1e-6

    def misfit(distance: float) -> float:
        at = replace(geometry, distance_m=distance)
        place = [in_arm(at, (spot[0], spot[1]), shape) for spot in spots]
        seen = turn @ place[0]
        if not seen[2] > 0:
            return np.inf
        # where the first spot's ray meets the detector in its second position
        away = seen * (normal @ place[1]) / (normal @ seen) - place[1]
        return float(np.linalg.norm(np.array([away @ rows, away @ columns]) / sizes))

    tried = np.geomspace(0.02, 20, 400)
    values = np.array([misfit(distance) for distance in tried])
    at = int(values.argmin())
    low, high = tried[max(at - 1, 0)], tried[min(at + 1, len(tried) - 1)]
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if misfit(left) < misfit(right) else (left, high)
    distance = float((low + high) / 2)
    return Mounting(geometry.pixel_directions, misfit(distance), distance_m=distance)

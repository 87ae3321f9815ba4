"""What a geometry says of a scan, in the numbers by which a person sees whether it is right, and in sentences where it is not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..scan import Axis, Geometry
from .beamline import beamlines
from .causes import explanations
from .frames import arm_vector, frame, rocking_axis
from .materials import find_material, spacing_nm
from .orientation import Verdict, lattice_test, said
from .plausible import check_reference

_MISMATCH = 1.0
"""Percent between measured and known spacing beyond which something is off: strain rarely reaches that."""
_BACK = 0.9
"""Parts of the usual step: an encoder's jitter is less."""
_UNEVEN = 1.0
"""Percent of the mean step by which steps may differ."""
_ARM = 15.0
"""Percent by which the spacing at the peak may differ from that where the arm points: a detector reaches no farther."""
_REACH = 1.1
"""The direct beam may pass a detector by this share of its side."""
_LONG = 20.0
"""A crystal is not so many times longer along the rocking axis than across it, or shorter."""
_AS_ROUND = 1e-7
"""Degrees by which an angle differs from a round one at most."""
_CAUSES = 2
"""So many causes are named at most."""
_ALONG = 15.0
"""Degrees between rocking axis and Q below which rocking hardly moves the peak."""


@dataclass(frozen=True)
class GeometrySummary:
    """What follows from a geometry at the Bragg peak.

    Parameters
    ----------
    q_per_nm
        |Q| at the peak, 2π/d.
    spacing_nm, arm_spacing_nm
        d at the peak, and where the arm points.
    voxel_size_nm
        Edges of the object's voxels along frames, rows and columns.
    oversampling
        Of the three axes; None: not looked at.
    expected, expected_nm, mismatch_percent
        Material and reflection in words, their spacing, and how far the peak's is from it; None: nothing to compare with.
    mounting
        What the lattice test says of how the detector is mounted; None: nothing to compare with.
    off
        Sentences about what seems wrong.
    notes
        Sentences about what a person should know.
    """

    q_per_nm: float
    spacing_nm: float
    arm_spacing_nm: float | None
    voxel_size_nm: tuple[float, float, float]
    oversampling: tuple[float, float, float] | None = None
    expected: str | None = None
    expected_nm: float | None = None
    mismatch_percent: float | None = None
    mounting: Verdict | None = None
    off: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    def lines(self) -> list[tuple[str, str]]:
        """Return what to print: a label and its words, a line each; what is off comes last."""
        arm = "" if self.arm_spacing_nm is None else f", {self.arm_spacing_nm:.5f} nm at the arm"
        found = [
            ("|Q|", f"{self.q_per_nm:.4f} 1/nm"),
            ("spacing d", f"{self.spacing_nm:.5f} nm at the peak{arm}"),
        ]
        if self.expected is not None:
            found.append(
                ("expected", f"{self.expected_nm:.5f} nm, {self.expected}: {self.mismatch_percent:+.2f} %")
            )
        if self.mounting is not None:
            found.append(("lattice test", self.mounting.sentence))
        found.append(("voxel", " × ".join(f"{edge:.2f}" for edge in self.voxel_size_nm) + " nm"))
        found += [("off", sentence) for sentence in self.off]
        return found + [("geometry", sentence) for sentence in self.notes]


def summarise(
    geometry: Geometry,
    peak: tuple[float, ...],
    shape: tuple[int, ...],
    oversampling: tuple[float, float, float] | None = None,
    material: str | None = None,
    spacing: float | None = None,
) -> GeometrySummary:
    """Look at a geometry as one must before phasing.

    Parameters
    ----------
    geometry, peak, shape
        As for `frame`.
    oversampling
        Of the three axes, where it was estimated.
    material
        Formula of the crystal: with the geometry's ``reflection`` it gives the spacing to compare with.
    spacing
        That spacing in nm itself.

    Raises
    ------
    InputError
        If the geometry contradicts itself, or the material is unknown.
    """
    steps, q = frame(geometry, peak, shape)
    assert steps is not None
    assert q is not None
    size = float(np.linalg.norm(q))
    arm = float(np.linalg.norm(arm_vector(geometry)))
    off, notes = doubts(geometry, peak, shape, oversampling), _disputed(geometry)
    expected = None
    if spacing is not None:
        check_reference(spacing)
        expected = "as given"
    elif material is not None:
        formula, known = find_material(material)
        if geometry.reflection is None:
            notes.append(
                f"No reflection is given: {formula} cannot be compared with; give geometry.reflection."
            )
        else:
            spacing = spacing_nm(known, geometry.reflection)
            expected = f"{formula} ({' '.join(map(str, geometry.reflection))}) [{known.source}]"
    mismatch = mounting = None
    if expected is not None and spacing is not None:
        mismatch = 100 * (2 * np.pi / size / spacing - 1)
        mounting = lattice_test(geometry, (peak[1], peak[2]), shape, spacing)
        if abs(mismatch) > _MISMATCH:
            others = [(_mounted(each.pixel_directions), each.misfit) for each in mounting.mountings]
            best = min(others, key=lambda each: abs(each[1]))
            of = material if expected != "as given" else None
            causes = explanations(geometry, (peak[1], peak[2]), shape, spacing, of, [best])
            off.append(_mismatch(mismatch, causes))
    for axis, ratio in zip(("rocking", "row", "column"), oversampling or (), strict=False):
        if ratio < 2:
            off.append(f"Along the {axis} axis the sampling is {ratio:.1f}-fold; 2 is the least for phasing.")
    edges = np.linalg.norm(steps, axis=0)
    return GeometrySummary(
        q_per_nm=size,
        spacing_nm=2 * np.pi / size,
        arm_spacing_nm=2 * np.pi / arm if arm > 1e-3 else None,
        voxel_size_nm=(float(edges[0]), float(edges[1]), float(edges[2])),
        oversampling=oversampling,
        expected=expected,
        expected_nm=spacing if expected is not None else None,
        mismatch_percent=mismatch,
        mounting=mounting,
        off=tuple(off),
        notes=tuple(notes),
    )


def doubts(
    geometry: Geometry,
    peak: tuple[float, ...],
    shape: tuple[int, ...],
    oversampling: tuple[float, float, float] | None = None,
) -> list[str]:
    """Return sentences about what seems wrong in a geometry by itself, whatever the crystal is made of.

    Parameters
    ----------
    geometry, peak, shape, oversampling
        As for `summarise`.
    """
    steps, q = frame(geometry, peak, shape)
    assert steps is not None
    assert q is not None
    found = [*_radians(geometry), *_rocking(geometry, q)]
    if oversampling is not None:
        found += _length(geometry, np.linalg.norm(steps, axis=0) * shape / oversampling)
    found += _beam(geometry, (peak[1], peak[2]))
    size, arm = float(np.linalg.norm(q)), float(np.linalg.norm(arm_vector(geometry)))
    if arm > 1e-3 and (apart := 100 * abs(arm / size - 1)) > _ARM:
        found.append(
            f"The spacing at the peak is {apart:.3g} % away from that where the arm points: check the direct beam's pixel, the "
            "distance and the pixel size."
        )
    return found


def _length(geometry: Geometry, extent_nm: np.ndarray) -> list[str]:
    """Compare the crystal's extent along the rocking axis with that on the detector."""
    across = float(np.sqrt(extent_nm[1] * extent_nm[2]))
    ratio = float(extent_nm[0]) / across
    if 1 / _LONG < ratio < _LONG or not geometry.rocking_step_deg:
        return []
    step = geometry.rocking_step_deg
    other = "radians" if 1 / 6 < ratio * np.pi / 180 < 6 else "another unit"
    return [
        f"Along the rocking axis the crystal comes out {extent_nm[0]:.3g} nm long, and {across:.3g} nm across it: is the rocking "
        f"step of {step:.3g} degrees in {other}?"
    ]


def _radians(geometry: Geometry) -> list[str]:
    """Say so of angles that are no round numbers of degrees, but would be of radians: motors are sent to round ones."""
    found = []
    for name in ("sample_angles_deg", "detector_angles_deg"):
        for angle in getattr(geometry, name) or ():
            degrees = float(np.degrees(angle))
            if 0 < abs(angle) <= 2 * np.pi and _is_round(degrees, 3) and not _is_round(angle, 6):
                found.append(
                    f"geometry.{name} has an angle of {angle:.7g} degrees, which is {degrees:.6g} if it is in radians: if so, "
                    "give it in degrees."
                )
    return found


def _is_round(angle: float, digits: int) -> bool:
    return abs(angle - round(angle, digits)) < _AS_ROUND


def _beam(geometry: Geometry, peak: tuple[float, float]) -> list[str]:
    """Say if peak and direct beam lie farther apart than one detector reaches."""
    beamline = beamlines().get(geometry.beamline or "")
    beam, circles = geometry.direct_beam_pixel, geometry.detector_circles
    if beamline is None or beam is None or not circles:
        return []
    detector = next((each for each in beamline.detectors if each.name == geometry.detector), None)
    if detector is None or detector.shape is None or detector.pixel_size_um is None:
        return []
    found = []
    parts = zip(
        ("rows", "columns"),
        peak,
        beam,
        detector.shape,
        detector.pixel_size_um,
        geometry.pixel_size_um,
        strict=True,
    )
    for what, at, direct, side, own, size in parts:
        reach = side * own / size
        if abs(at - direct) > _REACH * reach:
            found.append(
                f"The direct beam's pixel lies {abs(at - direct):.0f} {what} from the peak, but {detector.name} has no more than "
                f"{reach:.0f}: check geometry.direct_beam_pixel."
            )
    return found


def _rocking(geometry: Geometry, q: np.ndarray) -> list[str]:
    found = []
    angles = geometry.rocking_angles_deg
    if angles is not None and len(angles) > 2:
        steps = np.diff(angles)
        mean = float(steps.mean())
        back = np.flatnonzero(steps * np.sign(mean) < -_BACK * np.median(np.abs(steps)))
        if len(back):
            found.append(
                f"The rocking angle runs back at frame {back[0] + 1}: frames were measured twice, or they are out of order; "
                "leave those out that do not belong to one run."
            )
        if mean and (uneven := 100 * float(np.abs(steps / mean - 1).max())) > _UNEVEN:
            found.append(
                f"The rocking steps differ by up to {uneven:.3g} % from their mean of {mean:.6g} degrees, which is used for all "
                "of them: along the rocking axis the crystal is smeared."
            )
        if abs(mean - geometry.rocking_step_deg) > 0.01 * abs(mean):
            found.append(
                f"The rocking step is {geometry.rocking_step_deg:.6g} degrees, but the angles of the frames say {mean:.6g}."
            )
    if geometry.rocking_step_deg:
        cosine = abs(rocking_axis(geometry) @ q) / np.linalg.norm(q)
        angle = float(np.degrees(np.arccos(min(cosine, 1.0))))
        if angle < _ALONG:
            found.append(
                f"The rocking axis lies {angle:.0f} degrees from Q, so that rocking hardly moves the peak; check the rocking "
                "circle and the sample's angles."
            )
    return found


def _disputed(geometry: Geometry) -> list[str]:
    beamline = beamlines().get(geometry.beamline or "")
    if beamline is None:
        return []
    for detector in beamline.detectors:
        if detector.name == geometry.detector and detector.disputed:
            rows, columns = map(said, geometry.pixel_directions)
            return [
                f"Sources disagree on how {detector.name} is mounted at {beamline.name} ({detector.disputed}); here rows {rows}, "
                f"columns {columns}. `napari-autophase geometry lattice` and `arm` test it."
            ]
    return []


def _mounted(directions: tuple[Axis, Axis]) -> str:
    rows, columns = map(said, directions)
    return f"with rows {rows} and columns {columns}"


def _mismatch(percent: float, causes: list[tuple[str, float]]) -> str:
    way = "far apart" if percent > 0 else "close"
    text = (
        f"The lattice planes come out {abs(percent):.2g} % too {way}: check the energy, the direct beam's pixel, the detector's "
        "angles and the reflection"
    )
    if 0 < len(causes) <= _CAUSES:  # of many nobody knows which it is
        text += f" ({', or '.join(f'{words} they would fit to {left:+.2g} %' for words, left in causes)})"
    return text + "."

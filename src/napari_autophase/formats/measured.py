"""From a log and a beamline's data to what is known of a scan: geometry, mask, region, and what a person should know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry import INCOMPLETE, Beamline, Circle, Detector, Source, complete, mean_step
from ..geometry.plausible import ANGLE, DISTANCE, ENERGY
from ..scan import Geometry, InputError
from .commands import is_mesh
from .common import Description
from .complete import completeness, first_number
from .contradicted import contradictions
from .incoming import uneven
from .logs import ScanLog
from .logs.counted import frame_counter
from .logs.log import unwritten
from .masks import Region, gaps_of
from .moved import Moving, as_recorded, moves, order_in, sorted_by, still
from .readings import quantity, unlike
from .readouts import on_detector, region_of
from .whose import circles_lacking, nearly_from, of_another, pixel_of, told_from


@dataclass(frozen=True)
class Frames:
    """The frames that a log is asked about.

    Parameters
    ----------
    path
        Their folder or file, and what they are called in it.
    shape
        Frames, rows, columns.
    numbers
        The number of each frame in its file's name; empty where they have none.
    region
        Their place on the whole detector, if a person says so.
    known
        What their files say by themselves: fields of `Geometry`, which hold where the log has none.
    readout
        Their place on the whole detector, as their file says.
    """

    path: Path
    shape: tuple[int, int, int]
    numbers: Sequence[int] = ()
    region: Region | None = None
    known: Mapping[str, Any] = field(default_factory=dict)
    readout: Region | None = None


def described(log: ScanLog, frames: Frames, beamline: Beamline | None = None) -> Description:
    """Return what a log says of its frames.

    Parameters
    ----------
    log, frames
        What belongs together.
    beamline
        Where it was measured, if a person says so; None: told from the motors.

    Raises
    ------
    InputError
        If a number in the log cannot be what the beamline's data say it is.
    """
    missing = frames.known.get("missing_frames", ())
    notes = [*log.notes, completeness(log, frames.shape[0], frames.numbers, missing)]
    metadata: dict[str, Any] = {"log": log.path.name, "scan_number": log.number, "command": log.command}
    if beamline is None:
        found = told_from(log) or [each for each in nearly_from(log) if not circles_lacking(log, each)]
        if len(found) != 1:
            notes.append(_unknown(log, found))
            return Description(metadata=_known(metadata), notes=tuple(notes))
        beamline = found[0]
    else:
        another, is_useless = of_another(log, beamline)
        if is_useless:
            return Description(metadata=_known(metadata), notes=(another, *notes))
        notes += [another] if another else []
    log, told = as_recorded(log, beamline)
    notes += told
    detector, why = find_detector(beamline, log, frames)
    notes += why
    region, contradicted = frames.region, False
    if region is None:
        region, contradicted = region_of(beamline, detector, log, frames.shape, notes)
    counted = region  # in which the direct beam is
    if region is None and not contradicted:
        region = on_detector(frames.readout, detector)
    mask = gaps_of(detector, region, frames.shape, notes)
    monitor = next(
        (log.as_read(each) for each in beamline.files.monitor if log.column(each) is not None), None
    )
    points = _points(log, frames)
    order, moved = (None, "") if points is None else order_in(log, points, beamline)
    if points is not None and order is not None:
        points = points[order]
        notes.append(sorted_by(moved, log.path.name))
    if monitor is not None and points is not None:
        metadata["monitor"] = monitor[points].tolist()
    if points is not None:
        notes += uneven(log, monitor, points)
    metadata["saturation_counts"] = detector.saturation
    document = _document(beamline, detector, log, counted, frames.shape, points, notes)
    notes += _unusable(beamline, log)
    notes += unlike(document, frames.known, log.path.name)
    for key in ("energy_kev", "distance_m", "pixel_size_um", "direct_beam_pixel"):
        if document.get(key) is None:
            document[key] = frames.known.get(key)
    if contradicted and document["direct_beam_pixel"] is None:
        geometry, lacking = None, f"{INCOMPLETE}: it lacks direct_beam_pixel; give it with --set."
    else:
        scan = "" if log.number is None else f", scan {log.number},"
        geometry, lacking = _completed(document, f"{log.path.name}{scan}")
    if geometry is None:
        notes.append(lacking)
        metadata |= {key: value for key, value in document.items() if value is not None}
    else:
        notes.insert(
            0,
            f"Geometry of {beamline.name}, {detector.name}, from {log.path.name}"
            f"{'' if log.number is None else f', scan {log.number}'}{log.command and f': {log.command}'}.",
        )
    seam = detector.seam if region is not None and _is_crossed(detector, region) else None
    whole = None if why else detector.shape
    return Description(
        mask,
        geometry,
        _known(metadata),
        notes=tuple(notes),
        region=region,
        seam=seam,
        detector=whole,
        order=order,
    )


def find_detector(beamline: Beamline, log: ScanLog | None, frames: Frames) -> tuple[Detector, list[str]]:
    """Return the detector: as the log calls it, as the folders are called, or by its shape; the usual one with a note."""
    named = [log.word(each) for each in beamline.files.detector] if log is not None else []
    places = [part.lower() for part in frames.path.parts[-4:]]
    for each in beamline.detectors:
        if any(word is not None and each.is_called(word) for word in named):
            return each, []
    for each in beamline.detectors:
        if any(each.is_called(place) for place in places):
            return each, []
    fitting = [each for each in beamline.detectors if each.shape == frames.shape[1:]] or beamline.detectors
    if len({(each.directions, each.pixel_size_um, each.shape, each.gaps) for each in fitting}) == 1:
        return fitting[0], []  # it does not matter which
    usual = fitting[0]
    return usual, [
        f"Which detector it was is not known: {usual.name} is taken; if it was another, correct geometry.pixel_size_um and "
        "geometry.pixel_directions with --set."
    ]


def _unusable(beamline: Beamline, log: ScanLog) -> list[str]:
    """Say which motors are there and have no number, and why not."""
    files = beamline.files
    circles = [files.of_motor(each.motor) for each in (*beamline.sample, *beamline.arm)]
    reasons = [why for sources in (*circles, files.energy, files.distance) for why in log.why_not(sources)]
    return [f"In {log.path.name} {why}: it is not used." for why in dict.fromkeys(reasons)]


def _unknown(log: ScanLog, found: list[Beamline]) -> str:
    if found:
        names = " or ".join(each.name for each in found)
        return f"{log.path.name} may be from {names}: say which with --beamline, and its motors are read."
    near = nearly_from(log)
    if near:
        lacking = ", ".join(circles_lacking(log, near[0]))
        return (
            f"{log.path.name} seems to be from {near[0].name}, but does not say where {lacking} stood, so the geometry is open: "
            f"say --beamline {near[0].name}, and give its angles with --set."
        )
    if not log.motors:
        return f"{log.path.name} names no motors, so the geometry is not known; was it cut short?"
    motors = ", ".join(list(log.motors)[:6])
    return (
        f"{log.path.name} is from no beamline known here (its motors: {motors}, …), so the geometry is not known; "
        "say which with --beamline, a name or a JSON file of your own."
    )


def _is_crossed(detector: Detector, region: Region) -> bool:
    seam = detector.seam
    return seam is not None and (region[0] < seam.row < region[1] or region[2] < seam.column < region[3])


def _points(log: ScanLog, frames: Frames) -> np.ndarray | None:
    """Return which point of the log each frame belongs to; None: nobody knows."""
    count = frames.shape[0]
    if count == log.points:
        return np.arange(count)
    counted = frame_counter(log)
    if counted is not None and len(frames.numbers) == count and np.isin(frames.numbers, counted).all():
        return np.array([int(np.flatnonzero(counted == number)[0]) for number in frames.numbers])
    if len(frames.numbers) == count:
        first = first_number(frames.numbers, log.points)
        return None if first is None else np.asarray(frames.numbers) - first
    return np.arange(count) if count < log.points else None


def _document(
    beamline: Beamline,
    detector: Detector,
    log: ScanLog,
    region: Region | None,
    shape: tuple[int, int, int],
    points: np.ndarray | None,
    notes: list[str],
) -> dict[str, Any]:
    """Return the fields of a geometry, as far as they are known."""
    files = beamline.files
    found: dict[str, Any] = {"beamline": beamline.name, **beamline.conventions(detector.name)}
    found["energy_kev"] = quantity(log, files.energy, Source.kev, ENERGY, notes)
    found["distance_m"] = quantity(log, files.distance, Source.metres, DISTANCE, notes)
    found["pixel_size_um"] = detector.pixel_size_um
    moving = Moving(log, shape[0], points, notes)
    rocked = moves(log, beamline.sample, beamline)
    angles, stood = list[float](), dict[str, float]()
    if len(rocked) == 1:
        motor, source = beamline.sample[rocked[0][0]].motor, rocked[0][1]
        angles = [source.degrees(value) for value in moving.along(source, files.of_motor(motor)) or ()]
        stood = {motor: angles[shape[0] // 2]} if len(angles) > 1 else {}
    found["sample_angles_deg"] = _angles(beamline, beamline.sample, log, notes, stood)
    found["detector_angles_deg"] = _angles(beamline, beamline.arm, log, notes)
    found["direct_beam_pixel"] = _direct_beam(beamline, detector, log, region, notes)
    energies = [each for each in files.energy if moving.along(each) is not None]
    if len(rocked) > 1:
        names = " and ".join(beamline.sample[index].motor for index, _ in rocked)
        notes.append(f"{names} moved together: say in geometry.sample_circles about which axis they turned.")
        found["sample_circles"] = None
    elif rocked:
        notes += _gone_on(log, rocked[0][1])
        if len(angles) > 1:
            found["rocking_circle"] = rocked[0][0]
            found["rocking_step_deg"] = mean_step(angles)
            found["rocking_angles_deg"] = angles
    elif energies:
        values = [energies[0].kev(value) for value in moving.along(energies[0], files.energy) or ()]
        found["energy_kev"], found["energy_step_kev"] = values[shape[0] // 2], mean_step(values)
        found["rocking_step_deg"] = 0.0
    else:
        circles = ", ".join(circle.motor for circle in beamline.sample)
        what = f"'{log.command}'" if log.command else f"What {log.path.name} records for each frame"
        none = f"{what} turns none of the sample's circles ({circles}); is it a rocking curve?"
        if is_mesh(log.command):
            none = (
                f"{what} goes over a grid of two motors, which no rocking curve does: take one of its lines, with "
                "--crop FIRST:END,0:ROWS,0:COLUMNS."
            )
        notes.append(still(log, beamline.sample, beamline) or none)
    along = _follow(found, beamline, log, moving, shape[0])
    if "rocking_angles_deg" in found:
        notes += contradictions(log, beamline, found["rocking_circle"], found["rocking_angles_deg"], along)
    return found


def _gone_on(log: ScanLog, source: Source) -> list[str]:
    """Say so if positions of what rocked were not written."""
    name = next((each for each in log.unwritten if source.fits(each)), None)
    if name is None:
        return []
    return [unwritten(f"{name} of {log.path.name}", log.unwritten[name])]


def _follow(
    found: dict[str, Any], beamline: Beamline, log: ScanLog, moving: Moving, frames: int
) -> list[int]:
    """Add the arm's steps, where it moves along, and return which of its circles do."""
    steps = [0.0] * len(beamline.arm)
    along = moves(log, beamline.arm, beamline)
    for index, source in along:
        others = beamline.files.of_motor(beamline.arm[index].motor)
        angles = [source.degrees(value) for value in moving.along(source, others) or ()]
        if len(angles) > 1 and found["detector_angles_deg"] is not None:
            steps[index] = mean_step(angles)
            found["detector_angles_deg"][index] = angles[frames // 2]
    if any(steps):
        found["detector_steps_deg"] = steps
    return [index for index, _ in along]


def _angles(
    beamline: Beamline,
    circles: Sequence[Circle],
    log: ScanLog,
    notes: list[str],
    stood: Mapping[str, float] | None = None,
) -> list[float] | None:
    """Return what the motors of some circles read, but for those that `stood` tells; None if one is unknown, and say which."""
    found = []
    lacking = []
    for circle in circles:
        angle = (stood or {}).get(circle.motor)
        if angle is None:
            angle = quantity(log, beamline.files.of_motor(circle.motor), Source.degrees, ANGLE, notes)
        if angle is None:
            angle = beamline.files.fixed_deg.get(circle.motor)
            if angle is not None:
                notes.append(
                    f"{log.path.name} does not say where {circle.motor} stood: {angle:g} degrees are taken."
                )
        if angle is None:
            lacking.append(circle.motor)
        else:
            found.append(angle)
    if lacking:
        notes.append(f"{log.path.name} does not say where {', '.join(lacking)} stood.")
    return None if lacking else found


def _direct_beam(
    beamline: Beamline, detector: Detector, log: ScanLog, region: Region | None, notes: list[str]
) -> tuple[float, float] | None:
    """Return the pixel of the frames that the direct beam meets; None: unknown."""
    sides = zip(
        (beamline.files.beam_row, beamline.files.beam_column),
        detector.pixel_size_um or (None, None),
        strict=True,
    )
    given = [pixel_of(log, sources, size) for sources, size in sides]
    if not any(given):  # zeros were never set
        given = [None, None]
    if region is None:
        if given[0] is None or given[1] is None:
            return None
        if log.kind != "hdf5":
            notes.append(
                f"The direct beam's pixel {given[0]:g}, {given[1]:g} of {log.path.name} is counted on the whole "
                f"{detector.name}, and where on it these frames lie is not known: it is not used; --roi says where, or "
                "--set geometry.direct_beam_pixel=ROW,COLUMN which pixel of the frames it is."
            )
            return None
        notes.append(
            f"The direct beam's pixel {given[0]:g}, {given[1]:g} of {log.path.name} is counted in these frames, which are no "
            f"whole {detector.name}; if it is that of the whole detector, say --set geometry.direct_beam_pixel=ROW,COLUMN."
        )
        return given[0], given[1]
    if given[0] is not None and given[1] is not None:
        return given[0] - region[0], given[1] - region[2]
    if not beamline.files.beam_at_centre or detector.shape is None:
        return None
    row, column = detector.shape[0] // 2, detector.shape[1] // 2
    notes.append(
        f"The direct beam is taken to be on the middle of {detector.name} (row {row}, column {column} of the whole detector), "
        f"as is usual at {beamline.name}; --set geometry.direct_beam_pixel=ROW,COLUMN says another."
    )
    return float(row - region[0]), float(column - region[2])


def _completed(document: dict[str, Any], origin: str) -> tuple[Geometry | None, str]:
    """Return the geometry, or None and what it lacks."""
    try:
        return complete({key: value for key, value in document.items() if value is not None}, origin), ""
    except InputError as error:
        return None, f"{INCOMPLETE}: {error}"


def _known(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if value is not None}

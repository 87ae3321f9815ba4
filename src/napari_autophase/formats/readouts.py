"""Which part of a detector was read out: what a log says of it, or the frames' own file."""

from __future__ import annotations

from ..geometry import Beamline, Detector, Source
from .logs import ScanLog
from .masks import Region


def region_of(
    beamline: Beamline, detector: Detector, log: ScanLog, shape: tuple[int, int, int], notes: list[str]
) -> tuple[Region | None, bool]:
    """Return first row, end row, first column, end column of the frames on the whole detector, and whether the log denies it.

    None: unknown.
    """
    numbers = [log.number_of(Source(name)) for name in beamline.files.region]
    if numbers and all(number is not None for number in numbers):
        row, rows, column, columns = (int(number) for number in numbers if number is not None)
        whole = detector.shape
        if whole is not None and (
            min(row, column) < 0 or row + rows > whole[0] or column + columns > whole[1]
        ):
            notes.append(
                f"{log.path.name} says that rows {row} to {row + rows - 1} and columns {column} to {column + columns - 1} were "
                f"read out, but {detector.name} has {whole[0]} × {whole[1]} pixels: where the frames lie on it is not known."
            )
            return None, True
        if (rows, columns) == shape[1:]:
            return (row, row + rows, column, column + columns), False
        if detector.shape != shape[1:]:
            notes.append(
                f"{log.path.name} says that {rows} × {columns} pixels were read out, but the frames have "
                f"{shape[1]} × {shape[2]}: where they lie on the detector is not known."
            )
            return None, True
    return ((0, shape[1], 0, shape[2]) if detector.shape == shape[1:] else None), False


def on_detector(place: Region | None, detector: Detector) -> Region | None:
    """Return the place that the frames' file gives, where it is one on the detector; None: it is none."""
    whole = detector.shape
    is_one = whole is not None and place is not None and place[1] <= whole[0] and place[3] <= whole[1]
    return place if is_one else None

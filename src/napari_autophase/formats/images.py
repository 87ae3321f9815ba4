"""One frame a file: TIFF, and what detectors write instead, EDF and CBF; packed with gzip or bzip2, or not."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..scan import HC_KEV_NM, InputError
from .paths import DamagedFile, check_file, damage
from .tiff import read_stack, stack_of

_PACKED = ("", ".gz", ".bz2")
TIFF = tuple(f"{kind}{packed}" for kind in (".tif", ".tiff") for packed in _PACKED)
DETECTOR = tuple(f"{kind}{packed}" for kind in (".edf", ".cbf") for packed in _PACKED)
SUFFIXES = (*TIFF, *DETECTOR)
"""How the names of frames end."""
_HEADER = {
    "pixel_size_um": (r"Pixel_size\s+(\S+)\s*m\s*x\s*(\S+)\s*m", 1e6),
    "distance_m": (r"Detector_distance\s+(\S+)\s*m\b", 1.0),
    "direct_beam_pixel": (r"Beam_xy\s+\(?([\d.eE+-]+)[,\s]+([\d.eE+-]+)\)?\s*pixels", 1.0),
    "rocking_step_deg": (r"Angle_increment\s+(\S+)\s*deg", 1.0),
    "wavelength_angstrom": (r"Wavelength\s+(\S+)\s*A\b", 1.0),
}
"""What a line of Dectris' header in a CBF file says, x before y, and the factor to the unit in the name."""


def is_frame(path: Path) -> bool:
    """Tell by its name whether a file is a frame."""
    return path.name.lower().endswith(SUFFIXES)


def header_of(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype of a frame.

    Raises
    ------
    InputError
        If it is damaged, or the package that reads it is missing.
    """
    check_file(path)
    if path.name.lower().endswith(TIFF):
        return stack_of(path)
    frame = _only(path)
    return frame.shape, frame.dtype.newbyteorder("=")


def read_frame(path: Path) -> np.ndarray:
    """Return a frame; raises as `header_of`."""
    check_file(path)
    if path.name.lower().endswith(TIFF):
        stack_of(path)  # all of it is there
        return read_stack(path)
    return _only(path)


def said_by(path: Path) -> dict[str, Any]:
    """Return what the header of a CBF frame says of the measurement, by the names of `Geometry`'s fields, as text has it."""
    if ".cbf" not in path.name.lower():
        return {}
    with detector_file(path) as image:
        text = str(image.header.get("_array_data.header_contents", ""))
    found: dict[str, Any] = {}
    for key, (pattern, factor) in _HEADER.items():
        match = re.search(pattern, text)
        try:
            values = () if match is None else tuple(round(float(each) * factor, 9) for each in match.groups())
        except ValueError:
            continue
        if any(values):  # zeros were never set
            found[key] = values[0] if len(values) == 1 else values[::-1]
    wavelength = found.pop("wavelength_angstrom", None)
    return found if wavelength is None else found | {"energy_kev": 10 * HC_KEV_NM / wavelength}


def _only(path: Path) -> np.ndarray:
    with detector_file(path) as image:
        if image.nframes != 1:
            raise InputError(f"{path} holds {image.nframes} frames; each file of a series is one frame.")
        return np.asarray(image.data)


@contextmanager
def detector_file(path: Path) -> Iterator[Any]:
    """Open an EDF or CBF file; what its reader complains of, by a note or an exception, means that it is damaged.

    Raises
    ------
    InputError
        If it is damaged, or the package that reads it is missing.
    """
    try:
        import fabio
    except ImportError:
        raise InputError(
            f"{path} is an EDF or CBF frame, which the package fabio reads; install it: pip install 'napari-autophase[beamline]'."
        ) from None
    with damage(path), _complaints() as said:
        with fabio.open(str(path)) as image:
            if image.data is None or getattr(image, "incomplete_file", False):
                said.append("it ends within a frame")
            else:
                yield image
        if said:
            raise DamagedFile(path, said[0])


class _Listener(logging.Handler):
    """Keeps what is said, instead of printing it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Give a list of what fabio logs as an error: it fills up what is missing with zeros, and goes on."""
    listener, logger = _Listener(), logging.getLogger("fabio")
    printed = logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield listener.said
    finally:
        logger.removeHandler(listener)
        logger.propagate = printed

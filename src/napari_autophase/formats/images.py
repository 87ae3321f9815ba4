"""One frame a file: TIFF, and what detectors write instead, EDF and CBF, packed with gzip or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..scan import InputError
from .common import check_file, damage
from .tiff import read_stack, stack_of

TIFF = (".tif", ".tiff")
SUFFIXES = (*TIFF, ".edf", ".edf.gz", ".cbf", ".cbf.gz")
"""How the names of frames end."""


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
    image = _opened(path)
    return tuple(image.shape), np.dtype(image.data.dtype).newbyteorder("=")


def read_frame(path: Path) -> np.ndarray:
    """Return a frame; raises as `header_of`."""
    check_file(path)
    if path.name.lower().endswith(TIFF):
        stack_of(path)  # all of it is there
        return read_stack(path)
    return np.asarray(_opened(path).data)


def _opened(path: Path) -> Any:
    try:
        import fabio
    except ImportError:
        raise InputError(
            f"{path} is an EDF or CBF frame, which the package fabio reads; install it: pip install 'napari-autophase[beamline]'."
        ) from None
    with damage(path):
        image = fabio.open(str(path))
        if image.data is None or image.nframes != 1:
            raise InputError(f"{path} holds {image.nframes} frames; each file of a series is one frame.")
        return image

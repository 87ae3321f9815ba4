"""EDF and CBF files that are opened themselves: a stack of frames, or one image such as a mask or a dark field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..scan import InputError
from .common import Box, Dataset, Description, Hints, Volume, as_volume, check_memory
from .images import DETECTOR, detector_file, said_by
from .registry import Format, register
from .rocking import frames_to_look_at


@register
class DetectorFile(Format):
    """One image, or as many as a file has of one size."""

    name, title, suffixes = "edf", "EDF, CBF", DETECTOR

    def matches(self, path: Path) -> bool:
        """Go by the name: packed ones have no magic of their own."""
        return path.is_file() and path.name.lower().endswith(DETECTOR)

    def lists(self, path: Path) -> list[Dataset]:
        """Return the one stack, or image, from the headers and the first frame."""
        with detector_file(path) as image:
            first = np.asarray(image.data)
            number = () if image.nframes == 1 else (image.nframes,)
            return [Dataset("", (*number, *first.shape), first.dtype.newbyteorder("="))]

    def find(self, path: Path, name: str) -> Dataset | None:  # noqa: ARG002
        """Return None: a stack has no name."""
        return None

    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return the stack, or the image."""
        check_memory(dataset.shape, dataset.dtype, path)
        with detector_file(path) as image:
            frames = [_frame(path, image, index, dataset) for index in range(image.nframes)]
        return np.stack(frames) if len(dataset.shape) == 3 else frames[0]

    @contextmanager
    def opens(self, path: Path, dataset: Dataset) -> Iterator[Volume]:
        """Read frame after frame."""
        with detector_file(path) as image:

            def part(box: Box) -> np.ndarray:
                chosen = range(*box[0].indices(image.nframes))
                return as_volume(np.stack([_frame(path, image, index, dataset)[box[1:]] for index in chosen]))

            yield Volume(part)

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Read a few frames."""
        chosen = frames_to_look_at(dataset.frames, dataset.dtype.itemsize)
        if not chosen:
            return None
        with detector_file(path) as image:
            return np.stack([_frame(path, image, index, dataset) for index in chosen])

    def describes(self, path: Path, dataset: Dataset, hints: Hints) -> Description:  # noqa: ARG002
        """Return what the header says."""
        return Description(metadata=said_by(path))


def _frame(path: Path, image: Any, index: int, dataset: Dataset) -> np.ndarray:
    frame = np.asarray(image.get_frame(index).data)
    if frame.shape != dataset.shape[-2:]:
        raise InputError(
            f"{path} holds frames of different sizes ({frame.shape} and {dataset.shape[-2:]}); save one scan as one stack."
        )
    return frame

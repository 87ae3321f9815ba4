"""TIFF: one stack of frames."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..scan import InputError
from .common import Box, Dataset, Volume, as_volume, check_memory
from .paths import DamagedFile, damage
from .registry import Format, register
from .rocking import frames_to_look_at

# what tifffile finds wrong is said once, as an InputError, or does not matter
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_FRAMES = 16
"""So many channels are no colours."""
_BREAKS_OFF = "its list of frames breaks off"


@register
class Tiff(Format):
    """One stack; RGB pictures are none."""

    name, title, suffixes = "tiff", "TIFF", (".tif", ".tiff")
    masks_beside = True

    def matches(self, path: Path) -> bool:
        """Look for the magic of TIFF (classic or Big, either byte order)."""
        if path.is_dir():
            return False
        with path.open("rb") as file:
            return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

    def lists(self, path: Path) -> list[Dataset]:
        """Return the one stack, from the headers alone."""
        return [Dataset("", *stack_of(path))]

    def find(self, path: Path, name: str) -> Dataset | None:  # noqa: ARG002
        """Return None: a stack has no name."""
        return None

    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return the stack."""
        check_memory(dataset.shape, dataset.dtype, path)
        return read_stack(path)

    @contextmanager
    def opens(self, path: Path, dataset: Dataset) -> Iterator[Volume]:
        """Map the frames where they stand together as they are, else unpack page after page."""
        frames = dataset.frames[0]
        with ExitStack() as stack:
            with damage(path):
                file = stack.enter_context(_opened(path))
                series = file.series[0]
                together = series.dataoffset is not None
                mapped = _mapped(path, series) if together else np.empty(0)
            if together:
                volume = mapped.reshape(dataset.frames)
                yield Volume(lambda box: as_volume(np.array(volume[box])))
                return
            if len(series.pages) == frames:

                def part(box: Box) -> np.ndarray:
                    with damage(path):
                        pages = [series.pages[index] for index in range(*box[0].indices(frames))]
                        return as_volume(
                            np.stack([page.asarray()[box[1:]] for page in pages if page is not None])
                        )

                yield Volume(part)
                return
        with super().opens(path, dataset) as whole:
            yield whole

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Read a few pages; None for a microscope's file, and for volumes that are one page."""
        chosen = frames_to_look_at(dataset.frames, dataset.dtype.itemsize)
        if not chosen:
            return None
        with damage(path), _opened(path) as file:
            if file.is_ome or file.is_lsm or file.is_stk or file.is_micromanager or file.is_scn:
                return None
            series = file.series[0]
            if series.dataoffset is not None:
                return np.array(_mapped(path, series).reshape(dataset.frames)[chosen])
            if len(series.pages) != dataset.frames[0]:
                return None
            pages = (series.pages[index] for index in chosen)
            return np.stack([page.asarray() for page in pages if page is not None])


def stack_of(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype of the file's one series of pages, and make sure that all of it is there."""
    import tifffile

    with damage(path), _binary(path) as bytes_:
        size = _check_whole(path, bytes_)
        with _opened(bytes_, path.name) as file:
            if not file.series:
                raise InputError(f"{path} holds no frames; copy or export it again.")
            if len(file.series) != 1:
                raise InputError(
                    f"{path} holds pages of different sizes; save the frames of one scan as one stack."
                )
            series = file.series[0]
            # ImageJ's files call frames channels where nobody says otherwise
            are_frames = series.axes == "CYX" and series.shape[0] >= _FRAMES
            colours = set("SC") & set(series.axes) and not are_frames
            if colours or series.keyframe.photometric == tifffile.PHOTOMETRIC.PALETTE:
                raise InputError(
                    f"{path} has colours or channels; a scan is photon counts, one number a pixel."
                )
            for page in series.pages:
                if page is None:
                    raise InputError(
                        f"{path} holds a part of its frames, the others are in other files; save them as one stack."
                    )
                ends = (
                    start + length
                    for start, length in zip(page.dataoffsets, page.databytecounts, strict=True)
                )
                if max(ends, default=0) > size:
                    raise DamagedFile(path, "a frame is missing")
            return series.shape, np.dtype(series.dtype).newbyteorder("=")


def read_stack(path: Path) -> np.ndarray:
    """Return the stack."""
    with damage(path), _binary(path) as bytes_, _opened(bytes_, path.name) as file:
        return np.asarray(file.asarray(series=0))


@contextmanager
def _opened(file: Path | IO[bytes], name: str | None = None) -> Iterator[Any]:
    """Open a TIFF file; pages that were written one by one, each as a stack of its own, are one stack where they are alike."""
    import tifffile

    with ExitStack() as stack:
        found = stack.enter_context(tifffile.TiffFile(file, name=name, _multifile=False))
        if found.is_shaped and len(found.series) > 1:
            if not isinstance(file, Path):
                file.seek(0)
            found = stack.enter_context(tifffile.TiffFile(file, name=name, _multifile=False, is_shaped=False))
        yield found


def _mapped(path: Path, series: Any) -> np.ndarray:
    dtype = np.dtype(series.dtype).newbyteorder(series.parent.byteorder)
    return np.memmap(path, dtype, "r", series.dataoffset, tuple(series.shape))


@contextmanager
def _binary(path: Path) -> Iterator[IO[bytes]]:
    """Open a file; one that is packed is unpacked in memory."""
    packing = {".gz": "gzip", ".bz2": "bz2"}.get(path.suffix.lower())
    if packing is None:
        with path.open("rb") as file:
            yield file
    else:
        with import_module(packing).open(path, "rb") as packed:
            yield BytesIO(packed.read())


def _check_whole(path: Path, file: IO[bytes]) -> int:
    """Make sure that the list of frames is whole; returns the file's size in bytes."""
    try:
        return _follow(path, file)
    except struct.error as error:  # within a page's header
        raise DamagedFile(path, _BREAKS_OFF) from error


def _follow(path: Path, file: IO[bytes]) -> int:
    """Follow the chain of page headers to its end: tifffile takes a chain that leaves the file for a shorter stack."""
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(16)
    order = "<" if start[:2] == b"II" else ">"
    big = start[2:4] in (b"+\0", b"\0+")
    count, tag, offset = ("Q", 20, "Q") if big else ("H", 12, "I")
    width = struct.calcsize(offset)
    (page,) = struct.unpack_from(order + offset, start, 8 if big else 4)
    seen: set[int] = set()
    while page:
        if page in seen or page >= size:
            raise DamagedFile(path, _BREAKS_OFF)
        seen.add(page)
        file.seek(page)
        (tags,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
        file.seek(tags * tag, 1)
        (page,) = struct.unpack(order + offset, file.read(width))
    file.seek(0)
    return size

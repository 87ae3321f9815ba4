"""NumPy's archive of several arrays (.npz).  Pickled objects are never opened."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from .common import Box, Dataset, Description, Hints, Volume, as_volume, check_memory, damage
from .npy import header, refuse_pickle
from .registry import Format, register
from .rocking import LOOKED_AT, frames_to_look_at

_SMALL = 4096
"""Arrays of at most one dimension and this many numbers are kept as metadata (angles, energies)."""


@register
class Npz(Format):
    """Arrays by name."""

    name, title, suffixes = "npz", "npz", (".npz",)

    def matches(self, path: Path) -> bool:
        """Look for a zip archive that holds arrays."""
        if path.is_dir() or not zipfile.is_zipfile(path):
            return False
        with damage(path), zipfile.ZipFile(path) as archive:
            return any(member.endswith(".npy") for member in archive.namelist())

    def lists(self, path: Path) -> list[Dataset]:
        """Return the numeric arrays of two or more dimensions, from the headers alone."""
        return [each for each in _headers(path) if len(each.shape) >= 2 and each.dtype.kind in "buifc"]

    def find(self, path: Path, name: str) -> Dataset | None:
        """Return the array called `name`, whatever it is, or None."""
        return next((each for each in _headers(path) if each.path == name.strip("/")), None)

    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return one array."""
        refuse_pickle(path, dataset.dtype)
        check_memory(dataset.shape, dataset.dtype, path)
        with damage(path), np.load(path, allow_pickle=False) as archive:
            return archive[dataset.path]

    @contextmanager
    def opens(self, path: Path, dataset: Dataset) -> Iterator[Volume]:
        """Unpack the frames one after the other; what lies before a part is unpacked and thrown away."""
        refuse_pickle(path, dataset.dtype)
        frames, rows, columns = dataset.frames
        with ExitStack() as stack:
            with damage(path):
                archive = stack.enter_context(zipfile.ZipFile(path))
                file = stack.enter_context(archive.open(f"{dataset.path}.npy"))
                _, columns_first, dtype = header(file)
            begin, frame = file.tell(), rows * columns * dtype.itemsize

            def part(box: Box) -> np.ndarray:
                first, end, _ = box[0].indices(frames)
                with damage(path):
                    file.seek(begin + first * frame)
                    packed = np.frombuffer(file.read((end - first) * frame), dtype)
                    images = packed.reshape(end - first, rows, columns)
                return as_volume(images[(slice(None), *box[1:])].copy())

            if not columns_first:
                yield Volume(part)
                return
        with super().opens(path, dataset) as whole:
            yield whole

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Unpack the array, if it is small enough, and keep a few frames; an archive has no way into its middle."""
        if prod(dataset.shape) * dataset.dtype.itemsize > 2 * LOOKED_AT:
            return None
        frames = self.reads(path, dataset).reshape(dataset.frames)
        return frames[frames_to_look_at(frames.shape, frames.itemsize)]

    def describes(self, path: Path, dataset: Dataset, hints: Hints) -> Description:  # noqa: ARG002
        """Return the array called mask (not 0 is bad), and the small ones (angles and the like) as metadata."""
        small = [each for each in _headers(path) if len(each.shape) < 2 and each.dtype.kind in "buifU"]
        metadata: dict[str, Any] = {}
        with damage(path), np.load(path, allow_pickle=False) as archive:
            metadata = {each.path: archive[each.path].tolist() for each in small if sum(each.shape) <= _SMALL}
        return Description(self._mask(path, dataset), metadata=metadata)

    def _mask(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Return the mask that preparing programs put beside the data, of a volume's shape or of one frame."""
        beside = self.find(path, "mask")
        if (
            beside is None
            or beside.path == dataset.path
            or beside.frames not in (dataset.frames, dataset.frames[-2:])
        ):
            return None
        bad = as_volume(self.reads(path, beside)) != 0
        return np.broadcast_to(bad, dataset.frames).copy()


def _headers(path: Path) -> list[Dataset]:
    found = []
    with damage(path), zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".npy"):
                with archive.open(member) as file:
                    shape, _, dtype = header(file)
                    found.append(Dataset(member.removesuffix(".npy"), shape, dtype))
    return found

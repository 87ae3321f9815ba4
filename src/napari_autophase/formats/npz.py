"""NumPy's archive of several arrays (.npz).  Pickled objects are never opened."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..reconstruction import Reconstruction
from . import bcdi, own_maps
from .axes import Rocking, vectors_in
from .common import Box, Dataset, Description, Hints, Volume, as_volume, check_memory
from .foreign import UNKNOWN, Beside, crystal, of_parts
from .masks import MASKS, StoredMask
from .npy import header, refuse_pickle
from .paths import damage
from .registry import Format, register
from .rocking import LOOKED_AT, frames_to_look_at

_SMALL = 4096
"""Arrays of at most one dimension and this many numbers are kept as metadata (angles, energies)."""
_AMPLITUDE, _PHASE = ("amp", "amplitude"), ("phase", "phases", "ph")
"""What the two parts of a crystal are called."""


@register
class Npz(Format):
    """Arrays by name."""

    name, title, suffixes = "npz", "npz", (".npz",)
    masks_beside = True

    def matches(self, path: Path) -> bool:
        """Look for a zip archive that holds arrays."""
        if path.is_dir() or not zipfile.is_zipfile(path):
            return False
        with damage(path), zipfile.ZipFile(path) as archive:
            return any(member.endswith(".npy") for member in archive.namelist())

    def lists(self, path: Path) -> list[Dataset]:
        """Return the numeric arrays of two or more dimensions, from the headers alone."""
        return [each for each in _headers(path) if len(each.shape) >= 2 and each.dtype.kind in "buifc"]

    def vectors(self, path: Path) -> list[Dataset]:
        """Return the numeric arrays of one dimension, from the headers alone."""
        return [each for each in _headers(path) if len(each.shape) == 1 and each.dtype.kind in "buif"]

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
        """Return the mask beside the data, and the small arrays there (angles and the like) as metadata."""
        headers = {each.path: each for each in _headers(path)}
        mask = next((headers[name] for name in MASKS if name in headers and name != dataset.path), None)
        stored = (
            None
            if mask is None
            else StoredMask(self.reads(path, mask), f"{path.name}::{mask.path}", needed=False)
        )
        small = [each for each in headers.values() if len(each.shape) < 2 and each.dtype.kind in "buifU"]
        metadata: dict[str, Any] = {}
        with damage(path), np.load(path, allow_pickle=False) as archive:
            metadata = {each.path: archive[each.path].tolist() for each in small if sum(each.shape) <= _SMALL}
        return Description(metadata=metadata, stored_mask=stored)

    def rocking(self, path: Path, dataset: Dataset) -> Rocking:
        """Take the short arrays beside the data."""
        return Rocking(vectors_in(self.describes(path, dataset, Hints()).metadata))

    def preferred(self, path: Path, arrays: list[Dataset]) -> Dataset | None:
        """Return the object, where this program wrote its maps, or the amplitude, where its phase is beside it."""
        if own_maps.are_ours(each.path for each in _headers(path)):
            return next((each for each in arrays if each.path in ("object", "data")), None)
        return next((each for each in arrays if _phase_of(each, arrays) is not None), None)

    def is_object(self, path: Path, dataset: Dataset) -> bool:  # noqa: ARG002
        """Take complex arrays, and amplitude or phase."""
        return dataset.dtype.kind == "c" or dataset.path.lower() in (*_AMPLITUDE, *_PHASE)

    def reads_result(self, path: Path, dataset: Dataset) -> Reconstruction:
        """Return the crystal that amplitude and phase make."""
        headers = {each.path: each for each in _headers(path)}
        if dataset.dtype.kind == "c" and own_maps.are_ours(headers):
            whole = as_volume(self.reads(path, dataset))
            said = self._said(path, headers, own_maps.SAID)
            beside = own_maps.beside(said, self.support(path, dataset))
            return crystal(path, dataset.path, whole, own_maps.OURS, beside)
        if dataset.dtype.kind == "c" or not self.is_object(path, dataset):
            return super().reads_result(path, dataset)
        phase = _phase_of(dataset, self.lists(path))
        amplitude = as_volume(self.reads(path, dataset))
        found = None if phase is None else as_volume(self.reads(path, phase))
        if not set(headers) >= bcdi.KEYS:
            return of_parts(
                path, dataset.path, amplitude, found, UNKNOWN, Beside(support=self.support(path, dataset))
            )
        parameters = bcdi.beside(path, self._said(path, headers, bcdi.SAID))
        return of_parts(path, dataset.path, amplitude, found, *parameters)

    def _said(self, path: Path, headers: dict[str, Dataset], names: Iterable[str]) -> dict[str, np.ndarray]:
        with damage(path), np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in names if key in headers and not headers[key].dtype.hasobject}


def _phase_of(amplitude: Dataset, arrays: list[Dataset]) -> Dataset | None:
    if amplitude.path.lower() not in _AMPLITUDE:
        return None
    return next(
        (each for each in arrays if each.path.lower() in _PHASE and each.shape == amplitude.shape), None
    )


def _headers(path: Path) -> list[Dataset]:
    found = []
    with damage(path), zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".npy"):
                with archive.open(member) as file:
                    shape, _, dtype = header(file)
                    found.append(Dataset(member.removesuffix(".npy"), shape, dtype))
    return found

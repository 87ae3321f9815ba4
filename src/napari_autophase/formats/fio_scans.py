"""fio files opened themselves, or the folder of one: the frames are in the detector's HDF5 master beside it.

Where a detector took several frames at every point (a series), they are summed, so that there is one frame a point.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..scan import InputError
from .common import Box, Dataset, Description, Hints, Volume, check_memory
from .hdf5 import Hdf5, opened, stretch
from .logs import ScanLog, is_log, read_log
from .registry import Format, register

_SUMMED = np.dtype(np.float32)


def _summed(frames: np.ndarray) -> np.ndarray:
    """Return the sum of the frames of one point, NaN where one of them is flagged."""
    flagged = frames == np.iinfo(frames.dtype).max if frames.dtype.kind == "u" else frames < 0
    total = np.where(flagged, 0, frames).sum(axis=0, dtype=np.float64)
    total[flagged.any(axis=0)] = np.nan
    return total


@register
class FioScans(Format):
    """One fio file, or the folder that holds it alone: each detector's frames are a volume."""

    name, title, suffixes = "fio", "fio files", (".fio",)

    def matches(self, path: Path) -> bool:
        """Look at the first lines, or for the one such file of a folder."""
        return _fio(path) is not None and (path.is_file() or bool(_masters(path)))

    def lists(self, path: Path) -> list[Dataset]:
        """Return the frames of every master: one a point."""
        masters = _masters(path)
        if not masters:
            fio = _found(path)
            raise InputError(
                f"The frames of {fio} are not found: there is no {fio.stem}…_master.h5 beside it, nor in a folder beside it; "
                "copy the detector's folder there."
            )
        found = [self._volume(path, each) for each in masters]
        return [each for each in found if each is not None]

    def lists_own(self, path: Path) -> list[Dataset]:  # noqa: ARG002
        """Return nothing: the frames stand elsewhere."""
        return []

    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return the frames, those of one point summed."""
        master, inside = self._inside(path, dataset)
        points = dataset.shape[0]
        each = inside.shape[0] // points
        if each == 1:
            return Hdf5().reads(master, inside)
        check_memory(dataset.shape, dataset.dtype, path)
        total = np.empty(dataset.shape, dataset.dtype)
        with opened(master) as tree:
            for point in range(points):
                frames = stretch(tree, inside.path, point * each, (point + 1) * each)
                total[point] = _summed(frames)
        return total

    @contextmanager
    def opens(self, path: Path, dataset: Dataset) -> Iterator[Volume]:
        """Read the frames of point after point."""
        master, inside = self._inside(path, dataset)
        each = inside.shape[0] // dataset.shape[0]
        with Hdf5().opens(master, inside) as frames:
            if each == 1:
                yield frames
                return

            def part(box: Box) -> np.ndarray:
                points = range(*box[0].indices(dataset.shape[0]))
                series = (slice(point * each, (point + 1) * each) for point in points)
                return np.stack([_summed(frames.part((one, *box[1:]))) for one in series]).astype(
                    dataset.dtype
                )

            yield Volume(part)

    def stands(self, path: Path, dataset: Dataset) -> frozenset[tuple[int, int, object]]:
        """Return where the frames stand in the files of the detector."""
        return Hdf5().stands(*self._inside(path, dataset))

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:  # noqa: ARG002
        """Return None: a log with frames beside it needs no look at them."""
        return None

    def declares(self, path: Path) -> bool:
        """Tell whether there are frames."""
        return bool(_masters(path))

    def describes(self, path: Path, dataset: Dataset, hints: Hints) -> Description:
        """Return what the master says, and how many frames were summed."""
        master, inside = self._inside(path, dataset)
        about = Hdf5().describes(master, inside, hints)
        each = inside.shape[0] // dataset.shape[0]
        stored = about.stored_mask
        if stored is not None and stored.values.ndim == 3 and stored.values.shape != dataset.shape:
            stored = replace(stored, values=stored.values.max(axis=0))
        notes = about.notes
        if each > 1:
            notes = (*notes, f"{each} frames were taken at every point: they are summed.")
        return replace(about, stored_mask=stored, notes=notes)

    def log(self, path: Path, dataset: Dataset, given: Path | None) -> tuple[ScanLog | None, tuple[str, ...]]:  # noqa: ARG002
        """Return the file itself."""
        return read_log(given or _found(path), None), ()

    def _inside(self, path: Path, dataset: Dataset) -> tuple[Path, Dataset]:
        """Return the master of a volume, and the dataset there."""
        for master in _masters(path):
            if _name(path, master) == dataset.path:
                return master, _largest(master)
        raise InputError(f"{path} has no frames of {dataset.path}.")

    def _volume(self, path: Path, master: Path) -> Dataset | None:
        inside = _largest(master)
        if inside.lost:
            return Dataset(_name(path, master), (), inside.dtype, inside.lost)
        points = read_log(_found(path), None).points
        frames, *frame = inside.shape
        if points > 1 and frames > points and frames % points == 0:
            return Dataset(_name(path, master), (points, *frame), _SUMMED)
        return Dataset(_name(path, master), inside.shape, inside.dtype)


def _fio(path: Path) -> Path | None:
    """Return the fio file that is meant by itself, or by its folder."""
    if path.is_file():
        return path if is_log(path) == "fio" else None
    found = [each for each in path.glob("*.fio") if is_log(each) == "fio"] if path.is_dir() else []
    own = [each for each in found if each.stem == path.name]  # the folder of a scan is called as it is
    return (own or found)[0] if len(own or found) == 1 else None


def _found(path: Path) -> Path:
    found = _fio(path)
    assert found is not None  # `matches` has seen it
    return found


def _masters(path: Path) -> list[Path]:
    fio = _found(path)
    found = [*fio.parent.glob("*_master.h5"), *fio.parent.glob("*/*_master.h5")]
    return sorted(each for each in found if re.match(rf"{re.escape(fio.stem)}(?!\d)", each.name))


def _name(path: Path, master: Path) -> str:
    """Return what the frames of a master are called: after the detector's folder."""
    beside = master.parent == _found(path).parent
    return master.name.removesuffix("_master.h5") if beside else master.parent.name


def _largest(master: Path) -> Dataset:
    found = [each for each in Hdf5().lists(master) if each.lost or each.is_volume]
    if not found:
        raise InputError(f"{master} holds no frames.")
    return max(found, key=lambda each: (not each.lost, np.prod(each.shape)))

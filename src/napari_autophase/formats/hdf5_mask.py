"""The mask that an HDF5 file has for its frames: beside them, or with the detector that saw them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname

import h5py
import numpy as np

from . import nexus, sources
from .common import Dataset, as_volume
from .links import Lost, Tree, local
from .masks import MASKS, StoredMask, lost_mask


def centred(item: h5py.Dataset, array: np.ndarray) -> np.ndarray:
    """Bring the zero frequency to the middle: CXI allows images that have it in the corner, and marks them."""
    shifted = nexus.scalar(local(item.parent, "is_fft_shifted"))
    return np.fft.fftshift(array, axes=(-3, -2, -1)) if shifted else array


def mask_of(
    tree: Tree, path: Path, dataset: Dataset, item: h5py.Dataset
) -> tuple[StoredMask | None, tuple[str, ...]]:
    """Return the mask that stands beside the data, else that of the detector that saw them, and which ones are lost."""
    if item.dtype.kind == "c":
        return None, ()
    notes: dict[str, None] = {}

    def masks(groups: list[h5py.Group], names: tuple[str, ...]) -> Iterator[h5py.Dataset]:
        for group in groups:
            for name in names:
                each = tree.sought(group, name)
                if isinstance(each, Lost):
                    notes[lost_mask(path.name, each.path, each.why)] = None
                elif isinstance(each, h5py.Dataset) and each.shape is not None:
                    yield each

    found = next(masks([item.parent, tree[dirname(dataset.path)]], MASKS), None)
    if found is None:
        detectors = nexus.detectors(nexus.entry_of(tree, dataset.path), dataset.path)
        images = [
            each
            for each in masks(detectors, ("pixel_mask", "detectorSpecific/pixel_mask", "mask"))
            if len(each.shape) >= 2
        ]
        frame = dataset.frames[-2:]
        found = next(iter(sorted(images, key=lambda each: each.shape[-2:] != frame)), None)
    if found is None:
        return None, tuple(notes)
    values = as_volume(sources.read(tree, found))
    if values.ndim == 3:  # a mask of the volume is shifted as the volume is
        values = centred(item, values)
    return StoredMask(values, f"{path.name}::{found.name}", needed=False), tuple(notes)


def never_written(
    tree: Tree, parts: list[str], shape: tuple[int, ...]
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the mask of frames that were announced and never written, and say so; None: there are none.

    Parameters
    ----------
    tree, parts
        The datasets that the frames are, one after the other.
    shape
        Frames, rows and columns of all.
    """
    found = []
    for part in parts:
        with tree.visit(part) as item:
            if isinstance(item, h5py.Dataset):
                found.append(sources.unwritten(item))
    lost = np.concatenate(found) if found else np.zeros(0, bool)
    if not lost.any() or lost.shape != shape[:1]:
        return None, ()
    numbers = np.flatnonzero(lost)
    run = f"{numbers[0]} to {numbers[-1]}"
    which = run if len(numbers) == numbers[-1] - numbers[0] + 1 else ", ".join(map(str, numbers[:8]))
    more = ", …" if which != run and len(numbers) > 8 else ""
    note = (
        f"Frames {which}{more} were announced and never written (aborted, or still running): {len(numbers)} of {len(lost)} "
        "are masked."
    )
    return np.broadcast_to(lost[:, None, None], shape), (note,)

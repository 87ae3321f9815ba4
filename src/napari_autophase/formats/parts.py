"""Crystals that other programs saved in direct space as real volumes, amplitude and phase apart, in HDF5."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from ..reconstruction import Reconstruction
from . import nexus, results, sources
from .common import Dataset, as_volume
from .links import Tree, local

_DIRECT = ("direct", "real")
"""How what CXI calls the data space begins where it is that of the crystal."""


def is_direct(image: h5py.Group) -> bool:
    """Tell whether an image says that it is in direct space."""
    return str(nexus.scalar(local(image, "data_space"))).lower().startswith(_DIRECT)


def read(path: Path, tree: Tree, dataset: Dataset) -> Reconstruction:
    """Return the crystal that an image and its neighbours make.

    Raises
    ------
    InputError
        If the file does not hold both amplitude and phase.
    """
    image = tree[dataset.path].parent
    name = dataset.path.rpartition("/")[2]
    found: dict[str, np.ndarray] = {}
    for key in image.parent:
        each = local(image.parent, key)
        if isinstance(each, h5py.Group) and is_direct(each):
            title = str(nexus.scalar(local(each, "title")) or "").lower()
            item = local(each, name)
            part = next((part for part in ("amplitude", "phase") if title.startswith(part[:3])), None)
            if part is not None and isinstance(item, h5py.Dataset):
                found.setdefault(part, as_volume(sources.read(tree, item)))
    amplitude = found.get("amplitude")
    if amplitude is None:
        amplitude, found = np.zeros(dataset.shape, np.float32), {}
    return results.of_parts(path, dataset.path, amplitude, found.get("phase"))

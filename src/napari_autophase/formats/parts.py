"""Crystals that other programs saved in direct space as real volumes, amplitude and phase apart, in HDF5.

CXI has one image for each, with a title (cdiutils); bcdi has ``output/amp`` and ``output/phase``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..reconstruction import Reconstruction
from . import bcdi, nexus, own_maps, sources
from .common import Dataset, as_volume
from .foreign import UNKNOWN, Beside, Program, cdiutils, laboratory_steps, of_parts
from .links import Tree, local

_DIRECT = ("direct", "real")
"""How what CXI calls the data space begins where it is that of the crystal."""
_AXES = {"cxi": "zyx", "xu": "zxy"}
"""Which axes of the laboratory those of cdiutils' arrays are, by its conventions."""


def is_direct(image: h5py.Group) -> bool:
    """Tell whether an image says that it is in direct space, or a group is what bcdi writes."""
    return str(nexus.scalar(local(image, "data_space"))).lower().startswith(_DIRECT) or is_bcdi(image)


def is_bcdi(group: h5py.Group) -> bool:
    """Tell whether a group holds what bcdi writes."""
    return set(group) >= bcdi.KEYS


def is_amplitude(tree: Tree, path: str) -> bool:
    """Tell whether a dataset is the amplitude of a crystal whose phase is there too."""
    group = tree[path].parent
    if is_bcdi(group):
        return path.rpartition("/")[2] == "amp"
    return is_direct(group) and _part(group) == "amplitude"


def read(path: Path, tree: Tree, dataset: Dataset) -> Reconstruction:
    """Return the crystal that an image and its neighbours make.

    Raises
    ------
    InputError
        If the file does not hold both amplitude and phase.
    """
    image = tree[dataset.path].parent
    if is_bcdi(image):
        arrays = {name: as_volume(sources.read(tree, image[name])) for name in ("amp", "phase")}
        said = {name: image[name][()] for name in bcdi.SAID if isinstance(local(image, name), h5py.Dataset)}
        parameters = nexus.scalar(local(tree.root["/"], "params/parameters"))
        said |= {} if parameters is None else {"parameters": parameters}
        return of_parts(path, dataset.path, arrays["amp"], arrays["phase"], *bcdi.beside(path, said))
    entry, name = image.parent, dataset.path.rpartition("/")[2]
    found: dict[str, np.ndarray] = {}
    for key in entry:
        each = local(entry, key)
        if isinstance(each, h5py.Group) and is_direct(each):
            item, part = local(each, name), _part(each)
            if part is not None and isinstance(item, h5py.Dataset):
                found.setdefault(part, as_volume(sources.read(tree, item)))
    amplitude = found.get("amplitude")
    if amplitude is None:
        amplitude, found = np.zeros(dataset.shape, np.float32), {}
    return of_parts(path, dataset.path, amplitude, found.get("phase"), *_beside(tree, entry, amplitude.shape))


def _part(image: h5py.Group) -> str | None:
    title = str(nexus.scalar(local(image, "title")) or "").lower()
    return next((part for part in ("amplitude", "phase") if title.startswith(part[:3])), None)


def _beside(tree: Tree, entry: h5py.Group, shape: tuple[int, ...]) -> tuple[Program, Beside]:
    """Return who wrote an entry, and its support, voxels and Q as cdiutils has them."""
    creator = str(nexus.scalar(local(tree.root["/"], "creator")) or "")
    program = UNKNOWN
    if creator.lower().startswith("cdiutils"):
        program = cdiutils(str(nexus.scalar(local(tree.root["/"], "version")) or ""))
    support = _titled(tree, entry, "support")
    if support is not None:
        support = np.nan_to_num(support) != 0
        support = support if support.shape == shape else None
    about = local(entry, "about")
    if isinstance(about, h5py.Group) and (said := own_maps.said_in(about)) is not None:
        return own_maps.OURS, own_maps.beside(said, support)
    stated = (local(entry, f"{key}/voxel_size") for key in entry if key.startswith("result_"))
    sizes = next((each[()] for each in stated if isinstance(each, h5py.Dataset)), None)
    q = _titled(tree, entry, "g_vector")
    metadata = _known(entry)
    if sizes is None or q is None or q.size != 3 or np.size(sizes) not in (1, 3):
        return program, Beside(support=support, metadata=metadata)
    axes = _AXES[str(nexus.scalar(local(entry, "parameters_1/convention")) or "cxi").lower()]
    along = dict(zip(axes, q.ravel().tolist(), strict=True))
    return program, Beside(
        support=support,
        voxel_steps_nm=laboratory_steps(sizes, axes),
        q_bragg_per_nm=10 * np.array([along[axis] for axis in "xyz"]),
        metadata={**metadata, "ramp_removed": True},
        notes=(
            f"The axes are {', '.join(axes)} of the laboratory.",
            "The linear phase ramp was taken out: the mean lattice is not in the object.",
        ),
    )


def _known(entry: h5py.Group) -> dict[str, Any]:
    hkl = local(entry, "parameters_1/hkl")
    if isinstance(hkl, h5py.Dataset) and hkl.shape == (3,):
        return {"reflection": tuple(int(index) for index in hkl[()])}
    return {}


def _titled(tree: Tree, entry: h5py.Group, title: str) -> np.ndarray | None:
    """Return the data of the image with a title."""
    for key in entry:
        each = local(entry, key)
        if isinstance(each, h5py.Group) and nexus.scalar(local(each, "title")) == title:
            item = local(each, "data")
            return sources.read(tree, item) if isinstance(item, h5py.Dataset) else None
    return None

"""Datasets of an HDF5 file that cannot be counts as they are stored, and numbers beside counts that say how they were scaled."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import h5py
import numpy as np

from .links import local
from .nexus import scalar

_FACTORS = ("scale_factor", "scaling_factor")
_OFFSETS = ("add_offset", "offset")
"""What attributes are called that say how stored numbers are to be changed, and in NXdata the datasets beside, after DATA_."""


def why_none(root: h5py.Group) -> str:
    """Say what the largest dataset of a file that is no array of numbers holds instead; "" if there is none such."""
    found: dict[str, tuple[int, str]] = {}

    def look(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.shape and (what := _what(item.dtype)):
            sides = " × ".join(map(str, item.shape))
            found[name] = (
                prod(item.shape),
                f"/{name} ({sides}) holds {what}, which are no counts; save frames, rows and columns as whole numbers",
            )

    root.visititems(look)
    if found:
        return max(found.values())[1]
    links: list[str] = []

    def follow(name: str, link: object) -> None:
        if isinstance(link, h5py.SoftLink):
            links.append(
                f"/{name} is a link to {link.path}, which leads to nothing; open the file that has the frames"
            )

    root.visititems_links(follow)
    return links[0] if links else ""


def _what(dtype: object) -> str:
    if h5py.check_string_dtype(dtype) is not None:
        return ""
    if h5py.check_vlen_dtype(dtype) is not None:
        return "rows of their own lengths"
    names = getattr(dtype, "names", None)
    if names:
        return f"records of several fields ({', '.join(names[:4])})"
    return "bytes without a type" if getattr(dtype, "kind", "") == "V" else ""


def scaling(item: h5py.Dataset) -> Iterator[str]:
    """Say so if a file gives a factor or an offset for stored counts: they are taken as they are."""
    name = item.name.rpartition("/")[2]
    said = []
    for names, usual in ((_FACTORS, 1.0), (_OFFSETS, 0.0)):
        for each in names:
            beside = local(item.parent, f"{name}_{each}")
            value = item.attrs.get(each) if beside is None else scalar(beside)
            if (
                np.size(value) == 1
                and np.isreal(value)
                and np.asarray(value).dtype.kind in "uif"
                and value != usual
            ):
                said.append(f"{each} {float(np.ravel(value)[0]):g}")
    if said:
        yield (
            f"{item.name} is stored with {' and '.join(said)}, which nothing applies: its numbers are taken as they are stored. "
            "If photons are meant by what that makes of them, store them so."
        )

"""The mask that a program writes into a file of its own, beside the file of the data that it belongs to.

bcdi writes ``S11_pynx_norm_128_128_128.npz`` and ``S11_maskpynx_norm_128_128_128.npz``, cdiutils ``S11_pynx_input_data.npz`` and
``S11_pynx_input_mask.npz``; others put ``_mask`` behind the name.
"""

from __future__ import annotations

import re
from pathlib import Path

_SUFFIXES = (".npz", ".npy", ".tif", ".tiff")


def mask_beside(path: Path) -> Path | None:
    """Return the file that by its name holds the mask of a file of data; None: there is none."""
    name = path.stem
    names = (
        re.sub(r"(^|_)pynx(?=_|$)", r"\1maskpynx", name, count=1),
        re.sub(r"(^|_)data$", r"\1mask", name),
        f"{name}_mask",
    )
    places = (
        path.with_name(each + suffix)
        for each in names
        if each != name
        for suffix in dict.fromkeys((path.suffix, *_SUFFIXES))
    )
    return next((place for place in places if place.is_file()), None)

"""How much light each frame was given, as far as a NeXus file says it of attenuator, exposure time or monitor."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from . import nexus
from .links import local

_PLACES = (("NXattenuator", "attenuator_transmission"), ("NXdetector", "count_time"), ("NXmonitor", "data"),
           ("NXmonitor", "integral"))  # fmt: skip
_UNEVEN = 1.5
"""By this factor of their median some frames had more or less."""


def uneven(entry: h5py.Group, path: str, frames: int) -> tuple[str, ...]:
    """Say so if some of the frames at a path were given much more or less light than the others, or exposed longer."""
    inside = [each for each in nexus.groups(entry) if each[0] != "NXdetector"]
    inside += [("NXdetector", group) for group in nexus.detectors(entry, path)]
    found = []
    for kind, name in _PLACES:
        for has, group in inside:
            item = local(group, name) if has == kind else None
            if not isinstance(item, h5py.Dataset) or item.size != frames or item.dtype.kind not in "uif":
                continue
            values = np.ravel(item[()]).astype(float)
            lit = values[np.isfinite(values) & (values > 0)]  # it may be 0 in most frames
            usual = float(np.median(lit)) if lit.size else 0.0
            odd = np.count_nonzero((values * _UNEVEN < usual) | (values > usual * _UNEVEN))
            if usual > 0 and odd:
                where = f"{item.name} of {Path(item.file.filename).name}"
                found.append(
                    f"{where} runs from {np.nanmin(values):.3g} to {np.nanmax(values):.3g} over the frames, which are taken as "
                    "they are: if their light changed with it, divide them by it, or give those that differ a --mask."
                )
    return tuple(found)

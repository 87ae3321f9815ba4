"""A scan of a viewer and the layer that shows it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from napari.layers import Labels, Layer

from ....reconstruction import one_line
from ....scan import Scan

SCAN = "autophase_scan"
"""Under this name a diffraction layer has its scan in its metadata."""
OVER_SCAN = "autophase_over_scan"
"""Layers with this in their metadata lie over a diffraction, and are seen with it."""


@dataclass(eq=False)
class ScanEntry:
    """A scan and the layer that shows it."""

    scan: Scan
    layer: Layer
    names: set[str] = field(default_factory=set)
    """What it was ever called: results bear the name that it had when it was phased."""
    aliases: set[str] = field(default_factory=set)
    """Where results say that it lay when it was phased, if that is not where it lies."""
    placed: bool = False
    """Whether it was given another geometry."""
    mask: weakref.ref[Labels] | None = None
    """The layer in which a mask is painted over it."""
    painted_whole: np.ndarray | None = None
    """Labels over all that is stored, as they were when another part of it was read; None: none were painted then."""

    def __post_init__(self) -> None:
        self.names.add(self.scan.name)

    @property
    def beside(self) -> dict[str, Any]:
        """What it has beside scan and layer: to be had again if it comes back after it was deleted."""
        return {name: getattr(self, name) for name in ("names", "aliases", "placed", "mask", "painted_whole")}

    def rename(self) -> None:
        """Call the scan as its layer is called."""
        self.scan = replace(self.scan, name=one_line(self.layer.name))
        self.names.add(self.scan.name)
        self.layer.metadata[SCAN] = self.scan


def is_same(one: Scan, other: Scan) -> bool:
    """Return whether two scans were read from the same, in the same way."""
    return one.origin is not None and one.origin == other.origin and one.geometry == other.geometry


def reads_other_motors(old: Scan, found: Scan) -> bool:
    """Return whether `found` is the same scan with other axes, or with the motors of another file."""
    return any(found.corrections.get(word) != old.corrections.get(word) for word in ("axes", "spec"))


def with_geometry_of(old: Scan, found: Scan) -> Scan:
    """Return `found`, the same scan read otherwise, with the geometry that the person has left or given; it follows a crop.

    Where other motors or other axes were asked for, the file's own word counts.
    """
    if reads_other_motors(old, found):
        return found
    geometry = old.geometry
    before, after = (None if each.origin is None else each.origin.box for each in (old, found))
    if geometry is not None and before != after:
        if old.origin is not None:
            geometry = old.origin.uncropped(geometry)
        if found.origin is not None:
            geometry = found.origin.cropped(geometry)
    return replace(found, geometry=geometry)

"""A scan of a viewer and the layer that shows it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field, replace

from napari.layers import Labels, Layer

from ...scan import Scan

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
    placed: bool = False
    """Whether it was given another geometry."""
    mask: weakref.ref[Labels] | None = None
    """The layer in which a mask is painted over it."""

    def __post_init__(self) -> None:
        self.names.add(self.scan.name)

    def rename(self) -> None:
        """Call the scan as its layer is called."""
        self.scan = replace(self.scan, name=self.layer.name)
        self.names.add(self.scan.name)
        self.layer.metadata[SCAN] = self.scan

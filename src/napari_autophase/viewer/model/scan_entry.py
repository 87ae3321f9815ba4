"""A scan of a viewer and the layer that shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari.layers import Layer

from ...scan import Scan


@dataclass(eq=False)
class ScanEntry:
    """A scan and the layer that shows it."""

    scan: Scan
    layer: Layer
    names: set[str] = field(default_factory=set)
    """What it was ever called: results bear the name that it had when it was phased."""
    placed: bool = False
    """Whether it was given another geometry."""

    def __post_init__(self) -> None:
        self.names.add(self.scan.name)

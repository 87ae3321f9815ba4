"""File > Open Sample > AutoPhase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..samples import sample_path
from . import reader

if TYPE_CHECKING:
    from .model.stage.layers import LayerData


def faceted() -> list[LayerData]:
    """Return a faceted crystal with moderate strain (64³)."""
    return reader.layers_of(str(sample_path("faceted_64.h5")))


def strained() -> list[LayerData]:
    """Return a strained crystal behind a detector with gaps and hot pixels (96 × 80 × 88)."""
    return reader.layers_of(str(sample_path("strained_96x80x88.cxi")))

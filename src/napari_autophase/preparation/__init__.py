"""Preparation: from photon counts to what phasing needs."""

from .oversampling import estimate_oversampling, fill_gaps
from .pixels import find_dead_pixels, find_flagged, find_hot_pixels
from .prepare import Prepared, assumed, on_grids, prepare
from .region import fast_size, middle

__all__ = [
    "Prepared",
    "assumed",
    "estimate_oversampling",
    "fast_size",
    "fill_gaps",
    "find_dead_pixels",
    "find_flagged",
    "find_hot_pixels",
    "middle",
    "on_grids",
    "prepare",
]

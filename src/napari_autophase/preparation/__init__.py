"""Preparation: from photon counts to what phasing needs."""

from .oversampling import estimate_oversampling, fill_gaps
from .pixels import find_dead_pixels, find_flagged, find_hot_pixels
from .prepare import ASSUMED_BEAM, Prepared, assumed_beam, placed, prepare
from .region import fast_size, middle

__all__ = [
    "ASSUMED_BEAM",
    "Prepared",
    "assumed_beam",
    "estimate_oversampling",
    "fast_size",
    "fill_gaps",
    "find_dead_pixels",
    "find_flagged",
    "find_hot_pixels",
    "middle",
    "placed",
    "prepare",
]

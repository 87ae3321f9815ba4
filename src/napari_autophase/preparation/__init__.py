"""Preparation: from photon counts to what phasing needs."""

from .background import Background, find_background, said_background
from .filling import Completed, complete_peak
from .halves import halves
from .judge import WHY, Judgement, judge, why_masked
from .oversampling import estimate_oversampling, fill_gaps
from .pixels import (
    FLAGS,
    find_dead_pixels,
    find_flagged,
    find_holes,
    find_hot_pixels,
    find_isolated,
    find_saturated,
)
from .prepare import FEW_PHOTONS, Prepared, assumed, find_peak, on_grids, prepare
from .region import fast_size, middle
from .repeats import sum_of, sum_scans

__all__ = [
    "FEW_PHOTONS",
    "FLAGS",
    "WHY",
    "Background",
    "Completed",
    "Judgement",
    "Prepared",
    "assumed",
    "complete_peak",
    "estimate_oversampling",
    "fast_size",
    "fill_gaps",
    "find_background",
    "find_dead_pixels",
    "find_flagged",
    "find_holes",
    "find_hot_pixels",
    "find_isolated",
    "find_peak",
    "find_saturated",
    "halves",
    "judge",
    "middle",
    "on_grids",
    "prepare",
    "said_background",
    "sum_of",
    "sum_scans",
    "why_masked",
]

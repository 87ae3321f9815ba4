"""Phasing: forward model, projections, algorithms, support update, many starts in one batch."""

from .backend import load_when_ready
from .batch import Starts
from .blur import Blur
from .coherence import Shape
from .device import check_memory, device_lines, memory_bytes, memory_line, pick_device, with_room
from .diffraction import Diffraction, back_propagate, propagate
from .engine import Phased, refine
from .reshape import reshape
from .scoring import expected, judged
from .search import search
from .settle import settle
from .starts import join, keep_best, parted, random_phases, random_starts

__all__ = [
    "Blur",
    "Diffraction",
    "Phased",
    "Shape",
    "Starts",
    "back_propagate",
    "check_memory",
    "device_lines",
    "expected",
    "join",
    "judged",
    "keep_best",
    "load_when_ready",
    "memory_bytes",
    "memory_line",
    "parted",
    "pick_device",
    "propagate",
    "random_phases",
    "random_starts",
    "refine",
    "reshape",
    "search",
    "settle",
    "with_room",
]

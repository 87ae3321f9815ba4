"""How far to trust a result: photon noise, agreement of runs and of halves of the counts, resolution, a verdict in words."""

from .assess import REPRODUCES, assess
from .average import Aligned, agreement, aligned
from .comparable import incomparable
from .noise import expected_deviance, noise_level
from .resolution import frequencies, prtf_resolution, resolution, shell_correlation, smoothed, transfer
from .shells import explained
from .verdict import CONVERGED, bands, explains, shells_in_words, verdict

__all__ = [
    "CONVERGED",
    "REPRODUCES",
    "Aligned",
    "agreement",
    "aligned",
    "assess",
    "bands",
    "expected_deviance",
    "explained",
    "explains",
    "frequencies",
    "incomparable",
    "noise_level",
    "prtf_resolution",
    "resolution",
    "shell_correlation",
    "shells_in_words",
    "smoothed",
    "transfer",
    "verdict",
]

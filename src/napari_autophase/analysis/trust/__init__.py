"""How far to trust a result: photon noise, agreement of runs and of halves of the counts, resolution, a verdict in words."""

from .assess import REPRODUCES, assess
from .average import Aligned, agreement, aligned
from .comparable import incomparable
from .noise import expected_deviance, noise_level
from .resolution import frequencies, prtf_resolution, resolution, shell_correlation, smoothed, transfer
from .verdict import CONVERGED, explains, verdict

__all__ = [
    "CONVERGED",
    "REPRODUCES",
    "Aligned",
    "agreement",
    "aligned",
    "assess",
    "expected_deviance",
    "explains",
    "frequencies",
    "incomparable",
    "noise_level",
    "prtf_resolution",
    "resolution",
    "shell_correlation",
    "smoothed",
    "transfer",
    "verdict",
]

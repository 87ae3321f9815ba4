"""How far to trust a result: photon noise, agreement of runs and of halves of the counts, resolution, a verdict in words."""

from .assess import BOOTSTRAPPED, REPRODUCES, assess, reassessed
from .average import Aligned, agreement, aligned, first_mode, modes
from .comparable import incomparable, ranked_in_words
from .confidence import FOUND, confidence, evidence
from .curves import run_rows, run_table, table
from .noise import expected_llk, llk_variance, noise_level
from .resolution import frequencies, fsc, prtf, shell_correlation, smoothed, transfer
from .shells import GOOD, POOR, explained, leaves_light
from .verdict import (
    AGREE,
    CONVERGED,
    FAITHFUL,
    LOW,
    bands,
    explains,
    is_nearly_its_twin,
    is_noise,
    is_wrong,
    resolved_in_words,
    shells_in_words,
    strain_in_words,
    verdict,
)

__all__ = [
    "AGREE",
    "BOOTSTRAPPED",
    "CONVERGED",
    "FAITHFUL",
    "FOUND",
    "GOOD",
    "LOW",
    "POOR",
    "REPRODUCES",
    "Aligned",
    "agreement",
    "aligned",
    "assess",
    "bands",
    "confidence",
    "evidence",
    "expected_llk",
    "explained",
    "explains",
    "first_mode",
    "frequencies",
    "fsc",
    "incomparable",
    "is_nearly_its_twin",
    "is_noise",
    "is_wrong",
    "leaves_light",
    "llk_variance",
    "modes",
    "noise_level",
    "prtf",
    "ranked_in_words",
    "reassessed",
    "resolved_in_words",
    "run_rows",
    "run_table",
    "shell_correlation",
    "shells_in_words",
    "smoothed",
    "strain_in_words",
    "table",
    "transfer",
    "verdict",
]

"""From the object to what is shown: symmetries, alignment, phase, displacement, strain, surface, figures of quality."""

from ..geometry import frame
from . import trust
from .align import align, correlation
from .cards import result_card, scan_card
from .isosurface import Surface, isosurface
from .lattice import MeanLattice, mean_lattice
from .metrics import (
    amplitude_ssim,
    chi2,
    compare,
    compare_with_truth,
    fourier_shell_correlation,
    level,
    phase_error,
    support_iou,
)
from .orthogonal import orthogonalise, reach, resampled
from .phase import remove_ramp, unwrap
from .picture import draw_picture
from .quantities import Quantities, quantities
from .strain import displacement, strain
from .symmetries import normalise, twin

__all__ = [
    "MeanLattice",
    "Quantities",
    "Surface",
    "align",
    "amplitude_ssim",
    "chi2",
    "compare",
    "compare_with_truth",
    "correlation",
    "displacement",
    "draw_picture",
    "fourier_shell_correlation",
    "frame",
    "isosurface",
    "level",
    "mean_lattice",
    "normalise",
    "orthogonalise",
    "phase_error",
    "quantities",
    "reach",
    "remove_ramp",
    "resampled",
    "result_card",
    "scan_card",
    "strain",
    "support_iou",
    "trust",
    "twin",
    "unwrap",
]

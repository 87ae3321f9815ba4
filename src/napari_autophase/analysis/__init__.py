"""From the object to what is shown: symmetries, alignment, phase, displacement, strain, surface, figures of quality."""

from ..geometry import frame
from . import trust
from .align import Alignment, align, alignment, correlation, fitted
from .cards import result_card, scan_card
from .comparison import Comparison, compare_results
from .comparison_picture import draw_comparison
from .corrections import check_refraction, corrected, with_corrections
from .dislocations import Dislocation, find_dislocations
from .edges import Edge, edge_widths, edges_along
from .facets import Facet, face_labels, find_facets
from .indexing import crystal_axes
from .isosurface import Surface, isosurface
from .lattice import Lattice, Reference, mean_lattice
from .levels import amplitude_histogram, proposed_level
from .mapped import bare_mesh, facets_of, mapped, trusted
from .method import method
from .metrics import (
    amplitude_ssim,
    chi2,
    compare,
    compare_with_truth,
    fourier_shell_correlation,
    level,
    phase_error,
    strain_error,
    support_iou,
    unevenness,
)
from .orthogonal import FRAMES, axes_words, centre_of, orthogonalise, reach, regridded, resampled
from .phase import remove_ramp, unwrap
from .picture import draw_picture
from .quantities import Quantities, bare_quantities, quantities
from .resolved import Resolution, resolution
from .statistics import Statistics, statistics, surface_and_bulk
from .strain import displacement, strain
from .symmetries import normalise, twin

__all__ = [
    "FRAMES",
    "Alignment",
    "Comparison",
    "Dislocation",
    "Edge",
    "Facet",
    "Lattice",
    "Quantities",
    "Reference",
    "Resolution",
    "Statistics",
    "Surface",
    "align",
    "alignment",
    "amplitude_histogram",
    "amplitude_ssim",
    "axes_words",
    "bare_mesh",
    "bare_quantities",
    "centre_of",
    "check_refraction",
    "chi2",
    "compare",
    "compare_results",
    "compare_with_truth",
    "corrected",
    "correlation",
    "crystal_axes",
    "displacement",
    "draw_comparison",
    "draw_picture",
    "edge_widths",
    "edges_along",
    "face_labels",
    "facets_of",
    "find_dislocations",
    "find_facets",
    "fitted",
    "fourier_shell_correlation",
    "frame",
    "isosurface",
    "level",
    "mapped",
    "mean_lattice",
    "method",
    "normalise",
    "orthogonalise",
    "phase_error",
    "proposed_level",
    "quantities",
    "reach",
    "regridded",
    "remove_ramp",
    "resampled",
    "resolution",
    "result_card",
    "scan_card",
    "statistics",
    "strain",
    "strain_error",
    "support_iou",
    "surface_and_bulk",
    "trust",
    "trusted",
    "twin",
    "unevenness",
    "unwrap",
    "with_corrections",
]

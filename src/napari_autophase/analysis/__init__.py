"""From the object to what is shown: symmetries, alignment, phase, displacement, strain, surface, figures of quality."""

from .isosurface import Surface, isosurface
from .phase import remove_ramp, unwrap
from .quantities import Quantities, quantities
from .strain import displacement, strain
from .symmetries import normalise, twin

__all__ = [
    "Quantities",
    "Surface",
    "displacement",
    "isosurface",
    "normalise",
    "quantities",
    "remove_ramp",
    "strain",
    "twin",
    "unwrap",
]

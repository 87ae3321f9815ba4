"""Networks that guess the object in one shot: architectures, weights on disk, inference on scans of any size."""

from .inference import guess
from .weights import Model, build, load

__all__ = ["Model", "build", "guess", "load"]

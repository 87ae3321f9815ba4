"""The backend in plain torch, for any device: the reference that every other backend is compared with."""

from __future__ import annotations

import torch

from .iterations import Iterations, ReferenceIterations, Relaxation
from .likelihood import Likelihood, LikelihoodByTransforms
from .pattern import AXES, Pattern
from .sums import Sums, sums_by_transform
from .workers import short

_SOFT = 1e-3
"""Added to |F|², so that the derivative of a modulus projection has no poles."""


class TorchBackend:
    """Phasing by whole transforms, all objects of a batch at once; see `backend.Backend`."""

    name = "torch"

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def iterations(
        self, objects: torch.Tensor, supports: torch.Tensor, pattern: Pattern, rule: Relaxation
    ) -> Iterations:
        """Begin iterations of a rule."""
        return ReferenceIterations(objects, supports, pattern.modulus, rule)

    def likelihood(
        self, objects: torch.Tensor, reach: torch.Tensor, pattern: Pattern, floor: float
    ) -> Likelihood:
        """Return the likelihood of some objects."""
        return LikelihoodByTransforms(objects, reach, pattern.modulus, floor)

    def sums(self, one: torch.Tensor, pattern: Pattern, deviances: bool = False) -> Sums:
        """Return the sums of an object over the pattern."""
        return sums_by_transform(one, pattern, deviances)

    def project(
        self, objects: torch.Tensor, supports: torch.Tensor, modulus: torch.Tensor, times: int
    ) -> torch.Tensor:
        """Return objects after `times` modulus projections, and the support's between them.

        Where gradients are wanted they flow through the last projection only: to differentiate the earlier ones costs more
        than a network's convolutions.
        """
        with torch.no_grad():
            for _ in range(times - 1):
                objects = project_within(objects, modulus) * supports
        return project_within(objects, modulus)

    def starts_at_once(self, needed: int, free: int) -> int:
        """Return how many starts to work on together: as many as a GPU's memory holds; on a CPU one keeps its caches warm."""
        return 1 if self.device.type == "cpu" else max(1, int(0.8 * free) // needed)

    def threads_within(self, voxels: int, available: int) -> int:
        """Return how many threads are of use within an object: torch's wait for each other at every step."""
        return 1 if self.device.type != "cpu" or short(voxels) else available

    def bytes_per_voxel(self, gradients: bool) -> tuple[int, int]:
        """Return what a start keeps between its iterations, and what comes and goes while it is worked on."""
        return (25, 60) if gradients else (17, 18)


def project_within(objects: torch.Tensor, modulus: torch.Tensor) -> torch.Tensor:
    """Return objects with the measured modulus in place of their own, cut to the box that they fill.

    Parameters
    ----------
    objects
        complex64 (P, M0, M1, M2).
    modulus
        float32 (P, N0, N1, N2), FFT order, of at least as many voxels.
    """
    # in a corner of the window instead of its middle: that turns phases at the detector, there and back
    field = torch.fft.fftn(objects, modulus.shape[1:], dim=AXES)
    field = field * (modulus * (field.real.square() + field.imag.square() + _SOFT).rsqrt())
    m0, m1, m2 = objects.shape[1:]
    return torch.fft.ifftn(field, dim=AXES)[..., :m0, :m1, :m2]

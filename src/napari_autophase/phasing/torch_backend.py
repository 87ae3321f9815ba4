"""The backend in plain torch, for any device: the reference that every other backend is compared with."""

from __future__ import annotations

import torch

from . import workers
from .blur import Blur
from .blurring import Blurring, Transformed
from .iterations import Iterations, ReferenceIterations, Relaxation
from .likelihood import Likelihood, LikelihoodByTransforms, power
from .need import GPU_NEED, Need, cpu_need
from .pattern import AXES, Pattern
from .sums import Sums, sums_by_transform, sums_of_intensities
from .workers import Workers, short

_SHARE = 0.8
"""Part of a GPU's available memory that is made use of: not all of it is in one piece."""
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

    def sums(self, objects: torch.Tensor, pattern: Pattern, deviances: bool = False) -> list[Sums]:
        """Return the sums of objects over the pattern."""
        return sums_by_transform(objects, pattern, deviances)

    def intensities(self, objects: torch.Tensor, supports: torch.Tensor) -> torch.Tensor:
        """Return |F|² of objects cut by supports."""
        return power(torch.fft.fftn(objects * supports, dim=AXES))

    def sums_of_intensities(
        self, intensities: torch.Tensor, modulus: torch.Tensor, pattern: Pattern, deviances: bool = False
    ) -> list[Sums]:
        """Return the sums of intensities against a modulus."""
        return sums_of_intensities(intensities, modulus, pattern, deviances)

    def blurring(self, blur: Blur, shape: tuple[int, ...]) -> Blurring:
        """Return a blur of volumes of that shape, made ready."""
        return Transformed(blur.shortened(), shape, self.device)

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

    def starts_at_once(self, starts: int, voxels: int, need: Need, available: int) -> int:
        """Return how many starts to work on together: as many as a GPU's memory holds; on a CPU one keeps its caches warm."""
        return 1 if self.device.type == "cpu" else need.at_a_time(starts, voxels, _SHARE * available)

    def workers(self, jobs: int, voxels: int, most: int | None = None) -> Workers:
        """Return what does jobs: a GPU does one after the other, and torch's threads wait for each other at every step."""
        available = (most or workers.cores()) if self.device.type == "cpu" else 1
        return Workers(jobs, available, 1 if short(voxels) else available, short(voxels))

    def need(self, gradients: bool, blurred: bool) -> Need:
        """Return the memory that phasing takes."""
        if self.device.type == "cpu":
            return cpu_need(*((25, 60) if gradients else (17, 18)), gradients, blurred)
        return GPU_NEED[gradients, blurred]


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

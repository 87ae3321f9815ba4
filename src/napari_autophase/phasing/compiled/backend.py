"""The backend of compiled functions, for CPUs; see `phasing.backend` for what a backend does."""

from __future__ import annotations

import numpy as np
import torch

from .. import workers
from ..blur import Blur, short_kernels
from ..blurring import Blurring
from ..iterations import Iterations, Relaxation, Rule
from ..likelihood import Likelihood
from ..need import Need, cpu_need
from ..pattern import Pattern
from ..sums import Sums
from ..workers import Workers, short
from . import threads
from .blurs import ShortBlurring, TransformedBlurring
from .box import Box, SupportBox
from .descent import LikelihoodInBoxes
from .layout import LANES, aligned, column_order, columns
from .sums import add_up_known

_NO_MODULUS = np.empty(0, np.float32)


class CompiledBackend:
    """Phasing by compiled functions, one object at a time, shared by threads."""

    name = "compiled"
    device = torch.device("cpu")

    def iterations(
        self, objects: torch.Tensor, supports: torch.Tensor, pattern: Pattern, rule: Relaxation
    ) -> Iterations:
        """Begin iterations of a rule, see `phasing.backend.Backend.iterations`."""
        return (ConfinedIterations if rule.confines else VolumeIterations)(objects, supports, pattern, rule)

    def likelihood(
        self, objects: torch.Tensor, reach: torch.Tensor, pattern: Pattern, floor: float
    ) -> Likelihood:
        """Return the likelihood of some objects."""
        return LikelihoodInBoxes(objects, reach, pattern, floor)

    def sums(self, objects: torch.Tensor, pattern: Pattern, deviances: bool = False) -> list[Sums]:
        """Return the sums of objects: the box around what is not zero is transformed, and sums are taken as it goes."""
        boxes = (SupportBox(one, one.astype(bool), columns(pattern)) for one in objects.numpy())
        return [Sums(*box.sums(pattern.floor, deviances).tolist()) for box in boxes]

    def intensities(self, objects: torch.Tensor, supports: torch.Tensor) -> torch.Tensor:
        """Return |F|² of objects cut by supports: the boxes around those are transformed."""
        found = torch.empty(objects.shape)
        for one, support, out in zip(objects.numpy(), supports.numpy(), found.numpy(), strict=True):
            SupportBox(one, support, _NO_MODULUS).intensity(out)
        return found

    def sums_of_intensities(
        self, intensities: torch.Tensor, modulus: torch.Tensor, pattern: Pattern, deviances: bool = False
    ) -> list[Sums]:
        """Return the sums of intensities against a modulus."""
        aim, counts = modulus.contiguous().numpy(), pattern.counts.contiguous().numpy()
        each = intensities.contiguous().numpy()
        return [_known_sums(one, aim, counts, pattern.floor, deviances) for one in each]

    def blurring(self, blur: Blur, shape: tuple[int, ...]) -> Blurring:
        """Return a blur of volumes of that shape, made ready."""
        if (kernels := short_kernels(blur)) is not None:
            return ShortBlurring(kernels.float().numpy(), shape)
        return TransformedBlurring(blur.degree(shape, self.device).numpy(), shape)

    def project(
        self, objects: torch.Tensor, supports: torch.Tensor, modulus: torch.Tensor, times: int
    ) -> torch.Tensor:
        """Return objects after `times` modulus projections, and the support's between them."""
        found = objects.numpy().copy()
        for one, support, measured in zip(found, supports.numpy() > 0, modulus.numpy(), strict=True):
            box = Box(one, support, column_order(measured), measured.shape)
            if times > 1:
                box.iterate(Relaxation(keep=0, add=0), times - 1)
            box.iterate(Relaxation(keep=0, add=1), again=False)
        return torch.from_numpy(found)

    def starts_at_once(self, starts: int, voxels: int, need: Need, available: int) -> int:  # noqa: ARG002 - one after the other
        """Return 1: an object at a time keeps the caches warm."""
        return 1

    def workers(self, jobs: int, voxels: int, most: int | None = None) -> Workers:
        """Return what does jobs: all threads are of use within an object (see `threads`)."""
        available = most or workers.cores()
        return Workers(jobs, available, available, short(voxels))

    def need(self, gradients: bool, blurred: bool) -> Need:
        """Return the memory that phasing takes."""
        return cpu_need(*((23, 18) if gradients else (17, 18)), gradients, blurred)


def _known_sums(
    intensity: np.ndarray, modulus: np.ndarray, counts: np.ndarray, floor: float, deviances: bool
) -> Sums:
    planes, voxels = len(modulus), modulus.size
    volumes = [volume.reshape(-1) for volume in (intensity, modulus, counts)]
    found = np.empty((planes, len(Sums._fields)))

    def add_up(first: int, last: int) -> None:
        how = np.float32(floor), deviances, voxels // planes
        add_up_known(*volumes, found, aligned(4 * LANES), *how, first, last)

    threads.in_slabs(add_up, planes, voxels)
    return Sums(*found.sum(0).tolist())


class VolumeIterations:
    """Iterations that leave something outside the supports: whole volumes, each in a box of its own size.

    See `phasing.iterations.Iterations`; the objects are iterated in place.
    """

    def __init__(
        self, objects: torch.Tensor, supports: torch.Tensor, pattern: Pattern, rule: Relaxation
    ) -> None:
        self.rule: Rule = rule
        self._relaxation = rule
        self._objects, self._pattern = objects, pattern
        self._enter(supports)

    @property
    def objects(self) -> torch.Tensor:
        """The objects as they are now."""
        return self._objects

    def iterate(self, count: int = 1, again: bool = False) -> torch.Tensor:
        """Do `count` iterations; returns Σ(|F| − modulus)² before each."""
        return torch.from_numpy(
            np.stack([box.iterate(self._relaxation, count, again) for box in self._boxes], 1)
        )

    def confine(self, supports: torch.Tensor) -> None:
        """Go on with other supports."""
        self._enter(supports)

    def _enter(self, supports: torch.Tensor) -> None:
        self.reach = supports
        self._boxes: list[Box] = [
            Box(*pair, columns(self._pattern), self._pattern.shape) for pair in self._pairs()
        ]

    def _pairs(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return list(zip(self._objects.numpy(), self.reach.numpy(), strict=True))


class ConfinedIterations(VolumeIterations):
    """Iterations that leave nothing outside the supports: the first of whole volumes, the others in boxes around the supports."""

    _whole: bool

    @property
    def objects(self) -> torch.Tensor:
        """The objects as they are now."""
        self._put()
        return self._objects

    def iterate(self, count: int = 1, again: bool = False) -> torch.Tensor:
        """Do `count` iterations; returns Σ(|F| − modulus)² before each."""
        if not self._whole:
            return super().iterate(count, again)
        first = super().iterate()
        self._whole = False
        self._boxes = [SupportBox(*pair, columns(self._pattern)) for pair in self._pairs()]
        return torch.cat([first, super().iterate(count - 1, again)]) if count > 1 else first

    def confine(self, supports: torch.Tensor) -> None:
        """Go on with other supports, from whole volumes."""
        self._put()
        super().confine(supports)

    def _enter(self, supports: torch.Tensor) -> None:
        self._whole = True
        super()._enter(supports)

    def _put(self) -> None:
        for box in self._boxes:
            if isinstance(box, SupportBox):
                box.put()

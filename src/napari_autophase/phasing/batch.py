"""Many starts on one device, iterated side by side."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from ..scan import InputError
from . import device
from .blur import Blur
from .chunk import Chunk
from .coherence import Shape
from .diffraction import Diffraction
from .iterations import Gradient, Rule
from .pattern import AXES
from .workers import Pace, Workers

_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class Starts:
    """Objects and supports to begin with: complex64 and bool, (S, N0, N1, N2), the object in the middle."""

    objects: np.ndarray
    supports: np.ndarray

    def __post_init__(self) -> None:
        if self.objects.ndim != 4 or self.objects.shape != self.supports.shape:
            raise InputError(
                f"Objects {self.objects.shape} and supports {self.supports.shape} must be batches of volumes of one shape."
            )

    def __len__(self) -> int:
        return len(self.objects)


class Batch:
    """The starts on the device, in chunks of as many as the backend works on at once.

    `algorithm` is what they will go through at most, `blurred` whether a blur may be found meanwhile, and `averaged` whether they
    will `average`, for their memory.
    `cores` are those of the CPU that are used, by default all that this process may use.
    """

    def __init__(
        self,
        data: Diffraction,
        starts: Starts,
        algorithm: str = "",
        blurred: bool = False,
        averaged: bool = False,
        cores: int | None = None,
    ) -> None:
        if starts.objects.shape[1:] != data.shape:
            raise InputError(
                f"The starts have shape {starts.objects.shape[1:]}, but the scan has {data.shape}."
            )
        self.data = data
        size = data.room.at_a_time = _chunk_size(data, len(starts), algorithm, blurred, averaged)
        shares = [slice(i, i + size) for i in range(0, len(starts), size)]
        self._cores, self._pace = cores, Pace()
        self._workers = self._hire(len(shares))
        self.chunks = self._workers.do(
            [partial(self._chunk, starts, share) for share in shares], by_torch=True
        )

    def __len__(self) -> int:
        return sum(map(len, self.chunks))

    def iterate(self, rule: Rule, most: int = 1, again: bool = True) -> torch.Tensor:
        """Do at most so many iterations of every start, as many as take a moment.

        Parameters
        ----------
        rule
            What an iteration does.
        most
            How many at most.
        again
            Whether more of the same follow after these, without anything else in between: they are begun already.

        Returns
        -------
        torch.Tensor
            float64 (done, S) on the CPU: chi² before each.
        """
        count, begin = self._pace.count(rule, most), time.perf_counter()
        jobs = [partial(chunk.iterate, rule, count, again or count < most) for chunk in self.chunks]
        by_torch = isinstance(rule, Gradient) and self.data.blur is not None
        squared_errors = torch.cat(self._workers.do(jobs, by_torch=by_torch), 1)
        self._pace.took(rule, (time.perf_counter() - begin) / count)
        return squared_errors / self.data.total

    def shrink_wrap(self, sigma: float, threshold: float) -> None:
        """Update every support from the amplitude of its object."""
        self._each(lambda chunk: chunk.shrink_wrap(sigma, threshold))

    def outline(self, sigma: float, threshold: float) -> None:
        """Update every support by the outline of its object."""
        self._each(lambda chunk: chunk.outline(sigma, threshold))

    def sample(self) -> None:
        """Let every object of now be part of the next mean."""
        self._each(Chunk.sample)

    def average(self) -> None:
        """Go on from the mean of the objects that were sampled too: as many starts more, behind the others in their order."""
        self.chunks = [*self.chunks, *self._each(Chunk.average)]
        self._workers = self._hire(len(self.chunks))

    def explain(self, blur: Blur | None, renew: bool = True) -> None:
        """Take the light to be as coherent as `blur` says, and renew what projections aim at."""
        self._each(lambda chunk: chunk.explain(blur, renew))

    def blur(self, start: int, begin: Blur | None, shape: Shape) -> Blur:
        """Return the blur with which a start explains the counts best: see `coherence.estimate`."""
        chunk, index = self._place(start)
        return self._workers.do([partial(chunk.blur, index, begin, shape)], by_torch=True)[0]

    def halve(self) -> None:
        """Empty one half of every support, once."""
        self._each(Chunk.halve)

    def finish(self) -> None:
        """Project every object onto its support, which gradient steps may have extended at the end."""
        self._each(Chunk.finish)

    def figures(self) -> list[dict[str, float]]:
        """Return the figures of every start."""
        return [figure for chunk in self._each(Chunk.figures) for figure in chunk]

    def scores(self) -> list[float]:
        """Return what every start is judged by, as it would be if it finished now (see `scoring.score`)."""
        return [score for chunk in self._each(Chunk.scores) for score in chunk]

    def uniformities(self) -> list[float]:
        """Return how uniform the amplitude of every start is (see `scoring.uniformities`)."""
        return [value for chunk in self._each(Chunk.uniformities) for value in chunk]

    def score(self, start: int) -> float:
        """Return what one start is judged by likewise."""
        chunk, index = self._place(start)
        return self._workers.do([partial(chunk.score, index)], by_torch=True)[0]

    def keep(self, chosen: Sequence[int]) -> None:
        """Go on with some of the starts only, in the order that they have."""
        places = [self._place(start) for start in sorted(chosen)]
        for chunk in self.chunks:
            chunk.keep([index for one, index in places if one is chunk])
        self.chunks = [chunk for chunk in self.chunks if len(chunk)]
        self._workers = self._hire(len(self.chunks))

    def starts(self, chosen: Sequence[int]) -> Starts:
        """Return some of the starts as they stand, in this order."""
        return Starts(np.stack([self.object(i) for i in chosen]), np.stack([self.support(i) for i in chosen]))

    def object(self, start: int) -> np.ndarray:
        """Return the object of one start, complex64 (N0, N1, N2), centred."""
        chunk, index = self._place(start)
        return _natural(chunk.objects[index])

    def support(self, start: int) -> np.ndarray:
        """Return the support of one start, bool (N0, N1, N2), centred."""
        chunk, index = self._place(start)
        return _natural(chunk.supports[index])

    def _each(self, work: Callable[[Chunk], _Result]) -> list[_Result]:
        return self._workers.do([partial(work, chunk) for chunk in self.chunks], by_torch=True)

    def _place(self, start: int) -> tuple[Chunk, int]:
        chunks = iter(self.chunks)
        chunk = next(chunks)
        while start >= len(chunk):
            start, chunk = start - len(chunk), next(chunks)
        return chunk, start

    def _hire(self, jobs: int) -> Workers:
        return self.data.backend.workers(jobs, self.data.modulus.numel(), self._cores)

    def _chunk(self, starts: Starts, share: slice) -> Chunk:
        objects = self._load(starts.objects[share].astype(np.complex64, copy=False))
        return Chunk(objects, self._load(starts.supports[share].astype(bool, copy=False)), self.data)

    def _load(self, volumes: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.fft.ifftshift(volumes, AXES)).to(self.data.device)


def _natural(volume: torch.Tensor) -> np.ndarray:
    return np.fft.fftshift(volume.cpu().numpy())


def _chunk_size(data: Diffraction, starts: int, algorithm: str, blurred: bool, averaged: bool) -> int:
    need = data.backend.need(device.has_gradients(algorithm), blurred)
    need = need.branching() if averaged else need
    # the pattern is there already
    available = device.available_bytes(data.device) + data.counts.nbytes + data.measured.nbytes
    fitting = data.backend.starts_at_once(starts, data.modulus.numel(), need, available)
    most = max(1, min(starts, fitting, data.room.most or starts))
    return -(-starts // -(-starts // most)) if starts else 1  # all about equally many


@dataclass(frozen=True, eq=False)
class Best:
    """One start of a batch, as `reconstruction.BestStart`; it does not keep the batch alive."""

    batch: weakref.ref[Batch]
    start: int
    voxel_size: tuple[float, float, float]

    def with_voxel(self, size: tuple[float, float, float]) -> Best:
        """Return the same with voxels of another size."""
        return replace(self, voxel_size=size)

    def object(self) -> np.ndarray:
        """Return its object as it is now, complex64 (N0, N1, N2), centred."""
        return self._living.object(self.start)

    def support(self) -> np.ndarray:
        """Return its support as it is now, bool (N0, N1, N2), centred."""
        return self._living.support(self.start)

    def held_out(self) -> float | None:
        """Return the likelihood of the held-out pixels as it is now; None if there are none."""
        batch = self._living
        return batch.score(self.start) if batch.data.held_out else None

    @property
    def _living(self) -> Batch:
        batch = self.batch()
        if batch is None:
            raise RuntimeError("The job has gone on since.")
        return batch

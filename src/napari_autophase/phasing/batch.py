"""Many starts on one device, iterated side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from ..scan import InputError
from . import box, crew, device
from .algorithm import Feedback, Gradient
from .crew import Crew, Plan
from .diffraction import AXES, Diffraction
from .piece import Piece

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
    """The starts on the device, in pieces: one start each on a CPU, as many as its memory can work on at once on a GPU.

    Use it as a context, which ends its threads.  `algorithm` is what they will go through at most, for its memory.  `plans` are
    the ways to use the CPU that are tried; by default all that make sense on this computer.
    """

    def __init__(
        self, data: Diffraction, starts: Starts, algorithm: str = "", plans: Sequence[Plan] = ()
    ) -> None:
        if starts.objects.shape[1:] != data.shape:
            raise InputError(
                f"The starts have shape {starts.objects.shape[1:]}, but the scan has {data.shape}."
            )
        if data.device.type == "cpu":
            box.kernels()  # not while iterations are timed
        self.data = data
        size = _piece_size(data, len(starts), algorithm)
        parts = [slice(i, i + size) for i in range(0, len(starts), size)]
        self._plans = plans
        self._crew = self._hire(len(parts))
        self._short = crew.short(data.modulus.numel())
        self.pieces = self._crew.do([partial(self._piece, starts, part) for part in parts], short=self._short)

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.close()

    def iterate(self, rule: Feedback | Gradient, most: int = 1, again: bool = True) -> torch.Tensor:
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
        begins = any(piece.begins(rule) for piece in self.pieces)
        count = 1 if begins else self._crew.pace(rule, most)
        jobs = [partial(piece.iterate, rule, count, again or count < most) for piece in self.pieces]
        return torch.cat(self._crew.run(jobs, rule, count, learn=not begins), 1) / self.data.total

    def shrink_wrap(self, sigma: float, threshold: float) -> None:
        """Update every support from the amplitude of its object."""
        self._each(lambda piece: piece.shrink_wrap(sigma, threshold))

    def halve(self) -> None:
        """Empty one half of every support, once."""
        self._each(Piece.halve)

    def finish(self) -> None:
        """Project every object onto its support, which gradient steps may have extended at the end."""
        self._each(Piece.finish)

    def figures(self) -> list[dict[str, float]]:
        """Return the figures of every start."""
        return [figure for piece in self._each(Piece.figures) for figure in piece]

    def misfits(self) -> list[float]:
        """Return what every start is judged by, as it would be if it finished now (see `figures.misfit`)."""
        return [misfit for piece in self._each(Piece.misfits) for misfit in piece]

    def keep(self, chosen: Sequence[int]) -> None:
        """Go on with some of the starts only, in the order that they have."""
        places = [self._place(start) for start in sorted(chosen)]
        for piece in self.pieces:
            piece.keep([index for one, index in places if one is piece])
        self.pieces = [piece for piece in self.pieces if len(piece)]
        self._crew.close()
        self._crew = self._hire(len(self.pieces))

    def starts(self, chosen: Sequence[int]) -> Starts:
        """Return some of the starts as they stand, in this order."""
        return Starts(np.stack([self.object(i) for i in chosen]), np.stack([self.support(i) for i in chosen]))

    def object(self, start: int) -> np.ndarray:
        """Return the object of one start, complex64 (N0, N1, N2), centred."""
        piece, index = self._place(start)
        return _natural(piece.objects[index])

    def support(self, start: int) -> np.ndarray:
        """Return the support of one start, bool (N0, N1, N2), centred."""
        piece, index = self._place(start)
        return _natural(piece.supports[index])

    def _each(self, work: Callable[[Piece], _Result]) -> list[_Result]:
        return self._crew.do([partial(work, piece) for piece in self.pieces], short=self._short)

    def _place(self, start: int) -> tuple[Piece, int]:
        pieces = iter(self.pieces)
        piece = next(pieces)
        while start >= len(piece):
            start, piece = start - len(piece), next(pieces)
        return piece, start

    def _hire(self, jobs: int) -> Crew:
        device, shape = self.data.device.type, self.data.shape
        return Crew(
            self._plans or crew.plans(jobs, crew.cores() if device == "cpu" else 1), (device, shape, jobs)
        )

    def _piece(self, starts: Starts, part: slice) -> Piece:
        objects = self._load(starts.objects[part].astype(np.complex64, copy=False))
        return Piece(objects, self._load(starts.supports[part].astype(bool, copy=False)), self.data)

    def _load(self, volumes: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.fft.ifftshift(volumes, AXES)).to(self.data.device)


def _natural(volume: torch.Tensor) -> np.ndarray:
    return np.fft.fftshift(volume.cpu().numpy())


def _piece_size(data: Diffraction, starts: int, algorithm: str) -> int:
    """One start at a time keeps a CPU's caches warm; a GPU wants as many as its memory can hold."""
    kind = data.device.type
    if kind == "cpu":
        return 1
    free, each = device.available_bytes(data.device), device.memory_bytes(data.shape, 1, algorithm, kind)
    return max(1, min(starts, int(0.8 * free) // each))

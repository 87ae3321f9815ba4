"""Many starts in FFT order on one device: what an iteration does to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from ..scan import InputError
from . import crew, device, gradient, passes, support
from .algorithm import Feedback, Gradient
from .crew import Crew, Plan
from .diffraction import AXES, Diffraction
from .even import even_pass
from .figures import figures

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

    Use it as a context, which ends its threads.  `plans` are the ways to use the CPU that are tried; by default all that make
    sense on this computer.
    """

    def __init__(self, data: Diffraction, starts: Starts, plans: Sequence[Plan] = ()) -> None:
        if starts.objects.shape[1:] != data.shape:
            raise InputError(
                f"The starts have shape {starts.objects.shape[1:]}, but the scan has {data.shape}."
            )
        passes.prepare()
        self.data = data
        self.size = _piece_size(data, len(starts))
        pieces = [slice(i, i + self.size) for i in range(0, len(starts), self.size)]
        self.objects = [
            self._load(starts.objects[piece].astype(np.complex64, copy=False)) for piece in pieces
        ]
        self.supports = [self._load(starts.supports[piece].astype(bool, copy=False)) for piece in pieces]
        self._descents: list[gradient.Descent | None] = [None] * len(pieces)
        self._crew = Crew(plans or crew.plans(len(pieces), crew.cores() if data.device.type == "cpu" else 1))
        self._each(self._rescale)

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.close()

    def iterate(self, rule: Feedback | Gradient) -> torch.Tensor:
        """Do one iteration of every start; returns their chi² before it, (S,)."""
        jobs = [partial(self._iterate, piece, rule) for piece in range(len(self.objects))]
        return torch.cat(self._crew.run(jobs)) / self.data.total

    def shrink_wrap(self, sigma: float, threshold: float) -> None:
        """Update every support from the amplitude of its object."""
        self._each(partial(self._shrink_wrap, sigma=sigma, threshold=threshold))

    def halve(self) -> None:
        """Empty one half of every support, once."""
        self._each(self._halve)

    def finish(self) -> None:
        """Project every object onto its support, which gradient steps may have extended at the end."""
        self._each(self._finish)

    def figures(self) -> list[dict[str, float]]:
        """Return the figures of every start."""
        return [figure for piece in self._each(self._figures) for figure in piece]

    def object(self, start: int) -> np.ndarray:
        """Return the object of one start, complex64 (N0, N1, N2), centred."""
        return self._natural(self.objects, start)

    def support(self, start: int) -> np.ndarray:
        """Return the support of one start, bool (N0, N1, N2), centred."""
        return self._natural(self.supports, start)

    def _natural(self, pieces: list[torch.Tensor], start: int) -> np.ndarray:
        return np.fft.fftshift(pieces[start // self.size][start % self.size].cpu().numpy())

    def _load(self, volumes: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.fft.ifftshift(volumes, AXES)).to(self.data.device)

    def _each(self, job: Callable[[int], _Result]) -> list[_Result]:
        return self._crew.do([partial(job, piece) for piece in range(len(self.objects))])

    def _iterate(self, piece: int, rule: Feedback | Gradient) -> torch.Tensor:
        if isinstance(rule, Gradient):
            return self._descend(piece, rule)
        self._descents[piece] = None
        fields = torch.fft.fftn(self.objects[piece], dim=AXES)
        misfits = passes.modulus_pass(fields, self.data.modulus)
        projected = torch.fft.ifftn(fields, dim=AXES, norm="forward")  # not scaled: the pass has divided by N
        del fields
        if rule.even:
            even_pass(projected, self.supports[piece])
        self.objects[piece] = passes.support_pass(self.objects[piece], projected, self.supports[piece], rule)
        return misfits

    def _descend(self, piece: int, rule: Gradient) -> torch.Tensor:
        now = self._descents[piece]
        if now is None or now.rule != rule:
            now = gradient.descent(rule, self.objects[piece], self.supports[piece], self.data)
            self._descents[piece] = now
        return now.step()

    def _shrink_wrap(self, piece: int, sigma: float, threshold: float) -> None:
        self.supports[piece] = support.shrink_wrap(self.objects[piece], sigma, threshold)
        now = self._descents[piece]
        if now is not None:
            now.confine(self.supports[piece])

    def _halve(self, piece: int) -> None:
        self.objects[piece].mul_(support.half(self.supports[piece]))
        self._descents[piece] = None

    def _finish(self, piece: int) -> None:
        now = self._descents[piece]
        if now is not None:
            self.supports[piece], self._descents[piece] = now.reach, None
        self.objects[piece].mul_(self.supports[piece])

    def _figures(self, piece: int) -> list[dict[str, float]]:
        pairs = zip(self.objects[piece], self.supports[piece], strict=True)
        return [figures(one, inside, self.data) for one, inside in pairs]

    def _rescale(self, piece: int) -> None:
        """Scale objects so that their moduli fit the measured ones best: by Σ m|F| / Σ |F|² over the fitted pixels."""
        fitted = self.data.modulus >= 0
        for one in self.objects[piece]:
            calculated = torch.fft.fftn(one).abs()
            overlap = self.data.total_over(fitted, calculated * self.data.modulus)
            power = self.data.total_over(fitted, calculated.square_())
            if power > 0:
                one *= overlap / power


def _piece_size(data: Diffraction, starts: int) -> int:
    """One start at a time keeps a CPU's caches warm; a GPU wants as many as its memory can hold."""
    if data.device.type == "cpu":
        return 1
    return max(
        1, min(starts, int(0.8 * device.available_bytes(data.device)) // device.memory_bytes(data.shape, 1))
    )

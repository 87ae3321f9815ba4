"""The likelihood of objects in boxes, which move along directions: what gradient steps ask; see `phasing.likelihood`."""

from __future__ import annotations

import numpy as np
import torch

from ..likelihood import move
from ..pattern import Pattern
from . import likelihood, threads
from .box import Box
from .layout import aligned, columns, places


class LikelihoodInBoxes:
    """See `phasing.likelihood.Likelihood`; the objects are in a box around all that they may fill."""

    def __init__(self, objects: torch.Tensor, reach: torch.Tensor, pattern: Pattern, floor: float) -> None:
        x, y, z = map(torch.from_numpy, np.ix_(*places(reach.any(0).numpy())))
        self._places = slice(None), x, y, z
        parts, reached = objects[self._places].contiguous(), reach[self._places].numpy()
        self._shape, self.rows = parts.shape, parts.flatten(1)
        pairs = zip(parts.numpy(), reached, strict=True)
        self._boxes = [_MovingBox(part, inside, pattern, floor) for part, inside in pairs]
        self._direction = self.rows

    def inside(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return the rows of volumes."""
        return volumes[self._places].flatten(1)

    def spread(self, rows: torch.Tensor, volumes: torch.Tensor) -> None:
        """Write rows into volumes."""
        volumes[self._places] = rows.view(self._shape)

    def derivative(self, far: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return derivative and squared errors."""
        found = torch.zeros_like(self.rows)
        triples = zip(self._boxes, self._parts(found), far.tolist(), strict=True)
        squared_errors = [one.derive(part, away) for one, part, away in triples]
        return found, torch.tensor(squared_errors, dtype=torch.float64)

    def look_along(self, direction: torch.Tensor) -> None:
        """Look along another direction."""
        self._direction = direction
        for one, part in zip(self._boxes, self._parts(direction), strict=True):
            one.look_along(part)

    def slope(self, step: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
        """Return the slope along the direction."""
        triples = zip(self._boxes, step.tolist(), far.tolist(), strict=True)
        return torch.from_numpy(np.stack([one.slope(at, away) for one, at, away in triples], 1))

    def go(self, step: torch.Tensor) -> None:
        """Move the objects along the direction."""
        move(self.rows, self._direction, step)
        for one, at in zip(self._boxes, step.tolist(), strict=True):
            one.go(at)

    def _parts(self, rows: torch.Tensor) -> np.ndarray:
        parts: np.ndarray = rows.view(self._shape).numpy()
        return parts


class _MovingBox(Box):
    """An object in a box that moves along directions; its field follows when a derivative is asked for."""

    def __init__(self, part: np.ndarray, reach: np.ndarray, pattern: Pattern, floor: float) -> None:
        super().__init__(part, reach, columns(pattern), pattern.shape)
        self._floor, self._late = np.float32(floor), np.float32(0)
        self._here, self._way = aligned(self._size), aligned(self._size)
        self._here[...], self._way[...] = 0, 0  # what lies between their rows is added up too
        self.out(part, self._here)

    def derive(self, found: np.ndarray, far: bool) -> float:
        squared_errors, (b0, n0, rows, *plan), stride = np.empty(self._groups), self._outer, self._inner[4]
        fields, how = (self._here, self._way, self._late), (self._floor, far, b0, n0, rows, stride)

        def do(first: int, last: int) -> None:
            likelihood.derive(
                *fields, self._modulus, squared_errors, aligned(self._room), *how, *plan, first, last
            )

        threads.in_slabs(do, self._groups, self._voxels)
        self._late = np.float32(0)
        self.back(self._way, found)
        return float(squared_errors.sum())

    def look_along(self, direction: np.ndarray) -> None:
        self._follow()
        self.out(direction, self._way)

    def slope(self, step: float, far: bool) -> np.ndarray:
        self._follow()
        found, (b0, n0, rows, *plan), stride = np.empty((self._groups, 3)), self._outer, self._inner[4]
        fields, how = (self._here, self._way, np.float32(step)), (self._floor, far, b0, n0, rows, stride)
        room = likelihood.slope_memory.py_func(n0)[-1]

        def do(first: int, last: int) -> None:
            likelihood.slope(*fields, self._modulus, found, aligned(room), *how, *plan, first, last)

        threads.in_slabs(do, self._groups, self._voxels)
        return found.sum(0)

    def go(self, step: float) -> None:
        self._follow()
        self._late = np.float32(step)

    def _follow(self) -> None:
        if self._late:
            self._here += self._late * self._way
            self._late = np.float32(0)

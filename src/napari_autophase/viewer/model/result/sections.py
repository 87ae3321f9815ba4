"""Three slices through one point of a crystal, and what stands there and along the lines through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..crystal.quantity import in_words, volume
from .results import ResultLayers

if TYPE_CHECKING:
    from ....analysis.edges import Edge

Point = tuple[int, int, int]
_AROUND = 2
"""So many voxels around the crystal are drawn."""
ACROSS = {0: (2, 1), 1: (2, 0), 2: (0, 1)}
"""Which axis runs to the right and which one upwards in the slice that is normal to an axis, as in our figures."""


@dataclass(frozen=True, eq=False)
class Slice:
    """A slice in colours.

    Parameters
    ----------
    rgba
        uint8 (rows, columns, 4), the first row at the top.
    right, up
        The axes that run to the right and upwards.
    """

    rgba: np.ndarray
    right: int
    up: int


@dataclass(frozen=True, eq=False)
class Line:
    """What stands along a line through the point.

    Parameters
    ----------
    places
        In the unit of the result, from the crystal's centre.
    amplitude, values
        The amplitude and the quantity that colours the crystal, NaN outside.
    edges
        Where the crystal begins and ends, and how sharply; None where it does not.
    """

    places: np.ndarray
    amplitude: np.ndarray
    values: np.ndarray
    edges: tuple[Edge | None, Edge | None]


class Sections:
    """Slices through one point of a result, by its present threshold and colours.

    Parameters
    ----------
    result
        A result.
    """

    def __init__(self, result: ResultLayers) -> None:
        self.result = result
        self.shape_seen = (*result.quantities.amplitude.shape, *result.quantities.voxel_size)
        self.point: Point = self.middle

    @property
    def shape(self) -> Point:
        """Voxels along the axes."""
        z, y, x = self.result.quantities.amplitude.shape
        return z, y, x

    @property
    def middle(self) -> Point:
        """The voxel in the middle of the crystal."""
        box = self.result.quantities.box
        z, y, x = (
            (part.start + part.stop - 1) // 2 if part.stop > part.start else n // 2
            for part, n in zip(box, self.shape, strict=True)
        )
        return z, y, x

    def go(self, point: tuple[int, ...]) -> None:
        """Move the point to a voxel, no farther than the volume reaches."""
        z, y, x = (int(np.clip(at, 0, n - 1)) for at, n in zip(point, self.shape, strict=True))
        self.point = z, y, x

    def step(self, axis: int, by: int) -> None:
        """Move the point along an axis."""
        self.go(tuple(at + by * (each == axis) for each, at in enumerate(self.point)))

    def point_at(self, axis: int, right: float, down: float) -> None:
        """Move the point to a place of the slice that is normal to an axis, from 0 to 1 to the right and downwards."""
        across, upwards = ACROSS[axis]
        wanted, window = list(self.point), self.window
        for each, part in ((across, right), (upwards, 1 - down if self._is_up else down)):
            first, end = window[each].start, window[each].stop
            wanted[each] = min(first + int(part * (end - first)), end - 1)
        self.go(tuple(wanted))

    @property
    def window(self) -> tuple[slice, slice, slice]:
        """The part of the volume that is drawn: the crystal, with a little around it."""
        z, y, x = (
            slice(max(part.start - _AROUND, 0), min(part.stop + _AROUND, n))
            if part.stop > part.start
            else slice(0, n)
            for part, n in zip(self.result.quantities.box, self.shape, strict=True)
        )
        return z, y, x

    def cross(self, axis: int) -> tuple[float, float]:
        """Return where the point lies in the slice that is normal to an axis, from 0 to 1 to the right and downwards."""
        right, up = (
            (self.point[each] + 0.5 - part.start) / (part.stop - part.start)
            for each, part in ((each, self.window[each]) for each in ACROSS[axis])
        )
        return right, 1 - up if self._is_up else up

    def aspect(self, axis: int) -> float:
        """Return how many times as wide as high the slice that is normal to an axis is."""
        across, upwards = ACROSS[axis]
        size = [
            (part.stop - part.start) * step
            for part, step in zip(self.window, self.result.quantities.voxel_size, strict=True)
        ]
        return size[across] / size[upwards]

    @property
    def _is_up(self) -> bool:
        """Whether an axis that runs upwards does: the laboratory's y points up, the detector's rows run down."""
        return not self.result.quantities.relative

    def go_to(self, place: np.ndarray) -> None:
        """Move the point to the voxel at a place, in the result's unit from the crystal's centre."""
        steps = np.asarray(place, float) / self.result.quantities.voxel_size
        z, y, x = (round(float(step)) + n // 2 for step, n in zip(steps, self.shape, strict=True))
        self.go((z, y, x))

    @property
    def place(self) -> tuple[float, float, float]:
        """Where the point lies, in the result's unit from the crystal's centre."""
        z, y, x = (
            (at - n // 2) * step
            for at, n, step in zip(self.point, self.shape, self.result.quantities.voxel_size, strict=True)
        )
        return z, y, x

    def slice(self, axis: int) -> Slice:
        """Return the slice through the point that is normal to an axis; nothing is drawn outside the crystal."""
        result, (right, up) = self.result, ACROSS[axis]
        colours, (low, high) = result.colouring
        flat = self._values.take(self.point[axis], axis)
        inside = result.quantities.support.take(self.point[axis], axis) & np.isfinite(flat)
        part = np.clip((np.where(inside, flat, low) - low) / (high - low), 0, 1)
        rgba = np.asarray(colours.map(part.ravel())).reshape(*part.shape, 4)
        rgba = (255 * np.where(inside[..., None], rgba, 0)).astype(np.uint8)
        left = [each for each in range(3) if each != axis]
        rgba = rgba[self.window[left[0]], self.window[left[1]]]
        if left != [up, right]:
            rgba = rgba.swapaxes(0, 1)
        if self._is_up:
            rgba = rgba[::-1]
        return Slice(np.ascontiguousarray(rgba), right, up)

    def line(self, axis: int) -> Line:
        """Return what stands along the line through the point along an axis."""
        from ....analysis import edges_along

        quantities, n = self.result.quantities, self.shape[axis]
        through = tuple(slice(None) if each == axis else at for each, at in enumerate(self.point))
        step = quantities.voxel_size[axis]
        amplitude = quantities.amplitude[through]
        found = edges_along(amplitude, step, self.point[axis], quantities.threshold)
        return Line(
            (np.arange(n) - n // 2) * step,
            amplitude,
            np.where(quantities.support[through], self._values[through], np.nan),
            found,
        )

    def words(self) -> str:
        """Return what stands at the point: the quantity, the amplitude, and where that is."""
        result = self.result
        z, y, x = self.place
        unit = "nm" if result.unit == "nm" else "voxels"
        names = ", ".join(result.axis_names)
        where = f"({names}) = ({z:.0f}, {y:.0f}, {x:.0f}) {unit}"
        amplitude = float(result.quantities.amplitude[self.point])
        if not result.quantities.support[self.point]:
            return f"outside the crystal, amplitude {amplitude:.2f}, at {where}"
        value = float(self._values[self.point])
        said = [] if result.colour_by == "amplitude" or not np.isfinite(value) else [result.in_words(value)]
        phase = (
            []
            if result.colour_by == "phase"
            else [in_words("phase", float(result.quantities.phase[self.point]), result.quantities)]
        )
        return ", ".join([*said, *phase, f"amplitude {amplitude:.2f}"]) + f", at {where}"

    def edge_words(self, axis: int) -> str:
        """Return where the crystal begins and ends along an axis, and how sharply."""
        found = [edge for edge in self.line(axis).edges if edge is not None]
        unit = "nm" if self.result.unit == "nm" else "voxels"
        if not found:
            return "no edge on this line"
        widths = " and ".join(f"{edge.width:.3g}" for edge in found)
        text = f"edges {widths} {unit} wide (10–90 %)"
        if len(found) == 2:
            text += f", {found[1].place - found[0].place:.4g} {unit} apart"
        return text

    @property
    def _values(self) -> np.ndarray:
        result = self.result
        return volume(result.colour_by, result.quantities, result.averaged)

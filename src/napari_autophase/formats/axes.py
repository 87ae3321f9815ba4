"""Which axes of a file's volumes are which: what ``--axes`` says, for counts, masks, backgrounds and the geometry alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePosixPath

import numpy as np

from ..geometry import Seam, beamlines, unwrapped
from .common import Description
from .logs.log import in_order, unsteady
from .masks import Region

_ANGLES = (
    "angle",
    "angles",
    "rocking_angle",
    "rocking_angles",
    "rocking",
    "theta",
    "omega",
    "phi",
    "chi",
    "eta",
    "mu",
    "om",
    "th",
    "energy",
)
"""What rocks is also called so."""
_COLUMNS, _ROWS = ("x", "column", "columns", "col", "cols", "detector_x", "x_pixel_offset", "det_x"), (
    "y", "row", "rows", "line", "lines", "detector_y", "y_pixel_offset", "det_y",
)  # fmt: skip
"""What numbers columns, and rows, is called so."""


@dataclass(frozen=True)
class Axes:
    """Which axes of a file's volume are the rocking curve, the rows and the columns; None: these, in that order."""

    order: tuple[int, int, int] | None

    def shape(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape in the order that is wanted."""
        return stored if self.order is None else tuple(stored[axis] for axis in self.order)

    def described(self, about: Description) -> Description:
        """Return what is said of frames as they are wanted from what is said of the frames as they are stored."""
        if not self.mirrored:
            return about
        seam = about.seam
        return replace(
            about,
            mask=None if about.mask is None else about.mask.swapaxes(1, 2),
            geometry=None if about.geometry is None else about.geometry.transposed(),
            region=self.region(about.region),
            seam=None if seam is None else Seam(seam.column, seam.columns, seam.row, seam.rows),
            detector=None if about.detector is None else about.detector[::-1],
        )

    def region(self, region: Region | None) -> Region | None:
        """Return a place on the detector, rows and then columns, for frames that are turned."""
        if region is None or not self.mirrored:
            return region
        first_row, end_row, first_column, end_column = region
        return first_column, end_column, first_row, end_row

    @property
    def mirrored(self) -> bool:
        """Whether the detector's frames lie transposed in the file."""
        return self.order is not None and self.order[1] > self.order[2]

    def detector(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape with the rocking axis first and the frames as they are stored."""
        if self.order is None or len(shape) != 3:
            return shape
        return tuple(shape[axis] for axis in (self.order[0], *sorted(self.order[1:])))

    def volume(self, array: np.ndarray) -> np.ndarray:
        """Return a volume, or one frame, in the order that is wanted."""
        if self.order is None or array.ndim not in (2, 3):
            return array
        if array.ndim == 2:
            return array.T if self.mirrored else array
        return np.ascontiguousarray(array.transpose(self.order))


@dataclass(frozen=True)
class Rocking:
    """What a file says of the axes of a volume besides its shape.

    Parameters
    ----------
    vectors
        Arrays with one number for each place along an axis, by name.
    names
        What the file calls the axes of the volume, in their order; none: it names none.
    stored
        Which of the file's own axes each axis of the volume is, where they were turned round to be read.
    usual
        What to say where nothing tells, and the first is taken.
    """

    vectors: Mapping[str, np.ndarray]
    names: Sequence[str] = ()
    stored: tuple[int, int, int] = (0, 1, 2)
    usual: str = ""

    def order(self, shape: Sequence[int]) -> tuple[tuple[int, int, int] | None, tuple[str, ...]]:
        """Return which axes of a volume are frames, rows and columns (None: these, in that order), and what to say of that."""
        axis, motor = self._axis(shape)
        rows, columns = sorted({0, 1, 2} - {axis}, key=lambda each: self.stored[each])
        crossed = self._crossed(axis, rows, columns)
        if axis == 0:
            return None, (self.usual, *crossed) if self.usual else crossed
        which = ("first", "middle", "last")[self.stored[axis]]
        note = (
            f"By {motor} the {which} of the file's axes rocks: {shape[axis]} frames of {shape[rows]} × {shape[columns]} pixels; "
            "if it does not, say so with --axes 0,1,2."
        )
        return (axis, rows, columns), (note, *crossed)

    def _crossed(self, axis: int, rows: int, columns: int) -> tuple[str, ...]:
        """Say so if a file calls rows what else are columns: the crystal would be mirrored."""
        if len(self.names) != 3:
            return ()
        one, other = (PurePosixPath(self.names[each]).name.lower() for each in (rows, columns))
        if one not in _COLUMNS or other not in _ROWS:
            return ()
        return (
            f"The file calls the axes of its frames {self.names[rows]} and {self.names[columns]}, in this order, and the first "
            f"of them is taken for rows: if {self.names[rows]} runs along them, say --axes {axis},{columns},{rows}, for else the "
            "crystal is mirrored.",
        )

    def _axis(self, shape: Sequence[int]) -> tuple[int, str]:
        """Return which axis rocks, and by which motor: the first, and "", where nothing says that another does."""
        named = [axis for axis, name in enumerate(self.names) if _is_motor(name)]
        if len(self.names) == len(shape) and len(named) == 1:
            return named[0], self.names[named[0]]
        moved = {
            name: len(values) for name, values in self.vectors.items() if _is_motor(name) and _runs(values)
        }
        if shape[0] in moved.values():
            return 0, ""
        fits = {axis: name for axis, n in enumerate(shape) for name, count in moved.items() if count == n}
        return next(iter(fits.items())) if len(fits) == 1 else (0, "")


def vectors_in(metadata: Mapping[str, object]) -> dict[str, np.ndarray]:
    """Return the vectors among a file's metadata, by name."""
    return {
        name: np.asarray(values) for name, values in metadata.items() if isinstance(values, list) and values
    }


def _runs(values: np.ndarray) -> bool:
    return not unsteady(in_order(unwrapped(values)))


def _is_motor(name: str) -> bool:
    """Tell whether something is called as what turns at some beamline is."""
    return PurePosixPath(name).name.lower() in _motors()


@cache
def _motors() -> frozenset[str]:
    sources = (
        (site, motor) for site in beamlines().values() for motor in (circle.motor for circle in site.sample)
    )
    paths = (
        each.name for site, motor in sources for each in site.files.of_motor(motor) if "*" not in each.name
    )
    return frozenset({*_ANGLES, *(PurePosixPath(path).name.lower() for path in paths)})

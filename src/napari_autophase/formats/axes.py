"""Which axes of a file's volumes are which: what ``--axes`` says, for counts, masks, backgrounds and the geometry alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..geometry import Seam
from .common import Description
from .masks import Region


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

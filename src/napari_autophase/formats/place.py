"""Where what is read lies among what is stored, and on the detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..scan import Geometry, InputError
from .masks import Box, Region


@dataclass(frozen=True, eq=False)
class Place:
    """Where the voxels that are read lie among those that are stored, and on the detector.

    Parameters
    ----------
    whole
        Shape of what is stored.
    stored
        The place of the stored frames on the detector; None: unknown.
    detector
        Rows and columns of the whole detector; None: unknown.
    box
        The part that is read; None: all.
    """

    whole: tuple[int, ...]
    stored: Region | None
    detector: tuple[int, int] | None = None
    box: Box | None = None

    @property
    def region(self) -> Region | None:
        """The place of what is read on the detector."""
        if self.stored is None or self.box is None:
            return self.stored
        top, left, (_, rows, columns) = self.stored[0], self.stored[2], self.box
        return top + rows.start, top + rows.stop, left + columns.start, left + columns.stop

    def check(self, field: np.ndarray, what: str) -> None:
        """Raise `InputError` if an image is neither of the stored frames nor of the whole detector, where that is known."""
        if self.detector is None or field.ndim != 2:
            return
        if field.shape not in (self.whole[1:], self.detector, self.detector[::-1]):
            raise InputError(
                f"The {what} has {field.shape[0]} × {field.shape[1]} pixels, but the frames have {self.whole[1]} × "
                f"{self.whole[2]} and the whole detector {self.detector[0]} × {self.detector[1]}: give one of either size, "
                "for nothing says where another part lies."
            )

    def field(self, field: np.ndarray, what: str) -> np.ndarray:
        """Return the part of a detector field of the stored frames that is read; that of the whole detector as it is."""
        self.check(field, what)
        return field if self.box is None or field.shape != self.whole[1:] else field[self.box[1:]]

    def seen(self, geometry: Geometry, shape: tuple[int, ...]) -> Geometry:
        """Return the geometry of what is read."""
        if self.box is None:
            return geometry
        return geometry.cropped(tuple(part.start for part in self.box), self.whole, shape)

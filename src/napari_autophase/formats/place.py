"""Where what is read lies among what is stored, and on the detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..scan import Geometry
from .given import check_image
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
        """Raise `InputError` if an image, called so, is neither of the stored frames nor of the whole detector they lie on."""
        check_image(field.shape, what, self.whole, self.stored, self.detector)

    def field(self, field: np.ndarray, what: str) -> np.ndarray:
        """Return the part of a detector field of the stored frames that is read; that of the whole detector as it is."""
        self.check(field, what)
        return field if self.box is None or field.shape != self.whole[1:] else field[self.box[1:]]

    def seen(self, geometry: Geometry, shape: tuple[int, ...]) -> Geometry:
        """Return the geometry of what is read."""
        if self.box is None:
            return geometry
        return geometry.cropped(tuple(part.start for part in self.box), self.whole, shape)

"""What a person said of other programs' arrays: which of their axes are which, and of which sign their phase is."""

from __future__ import annotations

from typing import NamedTuple

from ....reconstruction import Reconstruction


class Arrangement(NamedTuple):
    """What was said of an array; see `placement.arranged`."""

    order: tuple[int, ...] = (0, 1, 2)
    conjugated: bool = False

    @classmethod
    def of(cls, found: Reconstruction) -> Arrangement:
        """Return what was said of the array of a result, here or before it was saved."""
        from ....placement import arrangement_of  # brings what analyses a result: a dock opens without

        return cls(*arrangement_of(found))


def says_axes(found: Reconstruction) -> bool:
    """Whether a result says itself which axes of its array are which; one whose geometry was typed does not."""
    return found.peak is not None or (found.voxel_steps_nm is not None and found.scan_geometry is None)

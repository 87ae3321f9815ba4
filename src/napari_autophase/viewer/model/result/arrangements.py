"""What a person said of other programs' arrays: which of their axes are which, and of which sign their phase is."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import NamedTuple

from ....reconstruction import Reconstruction
from .results import ResultLayers


class Arrangement(NamedTuple):
    """What was said of an array; see `placement.arranged`."""

    order: tuple[int, ...] = (0, 1, 2)
    conjugated: bool = False


def says_axes(found: Reconstruction) -> bool:
    """Whether a result says itself which axes of its array are which; one whose geometry was typed does not."""
    return found.peak is not None or (found.voxel_steps_nm is not None and found.scan_geometry is None)


class Arrangements:
    """What was said of each result, and what its file has."""

    def __init__(self) -> None:
        self._said: weakref.WeakKeyDictionary[ResultLayers, tuple[Arrangement, Reconstruction]] = (
            weakref.WeakKeyDictionary()
        )

    def of(self, result: ResultLayers) -> Arrangement:
        """Return what was said of a result."""
        return self._said[result][0] if result in self._said else Arrangement()

    def put(self, result: ResultLayers, arrangement: Arrangement) -> Reconstruction:
        """Say something else of a result, and return it as its file has it, without a geometry."""
        from ....placement import placed

        now = result.reconstruction
        if result not in self._said:
            self._said[result] = arrangement, placed(now, None)
        as_read = self._said[result][1]
        self._said[result] = arrangement, as_read
        return replace(as_read, starred=now.starred, remark=now.remark, called=now.called)

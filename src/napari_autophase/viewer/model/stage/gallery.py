"""The results of one viewer: they come piece by piece, take each other's place, and are drawn anew by another geometry."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from napari.components import ViewerModel
from psygnal import Signal

from ....geometry import Geometry
from ....reconstruction import Reconstruction
from ....scan import Scan
from ..canvas.piece_queue import PieceQueue, while_there
from ..crystal.drawing import Drawing, Look, draw
from ..result.arrangements import Arrangement
from ..result.remarks import mark
from ..result.saving import SAVED
from . import layers
from .live import Live

if TYPE_CHECKING:
    from ..run.background import Tasks

_log = logging.getLogger(__name__)
Found = Reconstruction | Scan


class Asked(NamedTuple):
    """How a result is to be drawn: by which geometry, its array being as is said, and where its peak lies, if that was said."""

    geometry: Geometry | None
    arrangement: Arrangement
    peak: tuple[float, float] | None


class Gallery:
    """Shows results as groups of layers.

    Parameters
    ----------
    viewer
        Held weakly.
    queue
        Does what is done piece by piece.
    make_tasks
        Makes what draws a result anew behind the window.
    make_room
        Called before a result is seen.
    placed
        Returns the scan of a result if that was given another geometry since, else None.
    live
        What is seen of a run in progress, which its result takes over.
    alike
        Whether two results, or a scan and one, are of the same scan; by themselves those are that have its name and source.
    """

    arrived = Signal()
    """A result is there; layers may have come for it, or one that was there has become its own."""
    updated = Signal(Reconstruction, Reconstruction)
    """A result has another geometry, star or remark: what it was, what it is."""

    def __init__(
        self,
        viewer: ViewerModel,
        queue: PieceQueue,
        make_tasks: Callable[[], Tasks],
        make_room: Callable[[], object],
        placed: Callable[[Reconstruction], Scan | None],
        live: Live | None = None,
        alike: Callable[[Found, Found], bool] = lambda one, other: _names(one) == _names(other),
    ) -> None:
        self._viewer, self._alike = weakref.ref(viewer), alike
        self._queue, self._make_tasks = queue, make_tasks
        self._make_room, self._placed, self._live_crystal = make_room, placed, live
        self._tasks: Tasks | None = None
        self._asked: weakref.WeakKeyDictionary[layers.ResultLayers, Asked] = weakref.WeakKeyDictionary()

    @property
    def results(self) -> list[layers.ResultLayers]:
        """Results of which at least one layer is still there, oldest first."""
        viewer = self._viewer()
        return [] if viewer is None else layers.results(viewer)

    @property
    def _live(self) -> ViewerModel:
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("The viewer is gone.")
        return viewer

    def add(self, reconstruction: Reconstruction, replace_last: bool) -> layers.ResultLayers:
        """Show a result at once, as a new numbered group of layers or in the place of the last one of its scan."""
        self._queue.finish()
        last, group = self.place(reconstruction, replace_last)
        drawing = draw(reconstruction, None if last is None else last.look)
        result = last or layers.ResultLayers(self._live, drawing, group)
        for _ in self._draw(result, drawing):
            pass
        return result

    def show(self, drawing: Drawing, replace_last: bool) -> None:
        """Show a result likewise, layer by layer, so that the window answers in between; one result after the other."""
        self._queue.start(self._show(drawing, replace_last))

    def place(self, found: Found, replace_last: bool) -> tuple[layers.ResultLayers | None, int]:
        """Return the result to be replaced, if any, by what is found, or will be in a scan, and the number of a new one.

        One that is starred stays.
        """
        results = self.results
        before = [each for each in results if replace_last and self._alike(each.reconstruction, found)]
        last = before[-1] if before and not before[-1].reconstruction.starred else None
        return last, 1 + max((result.group for result in results), default=0)

    def mark(self, result: layers.ResultLayers, starred: bool, remark: str) -> None:
        """Give a result a star or none, and a remark."""
        before = result.reconstruction
        if mark(result, starred, remark):
            self.updated.emit(before, result.reconstruction)

    def bring_back(self, drawing: Drawing, group: int) -> None:
        """Show a result that was deleted, with the number that it had if no other one has it now."""
        self._queue.start(self._bring_back(drawing, group))

    def _bring_back(self, drawing: Drawing, group: int) -> Iterator[None]:
        vacant = group not in {result.group for result in self.results}
        result = layers.ResultLayers(
            self._live, drawing, group if vacant else self.place(drawing.reconstruction, False)[1]
        )
        yield from self._draw(result, drawing)

    def place_anew(self) -> None:
        """Draw the results of scans that were given a geometry by that one, in the background."""
        for result in self.results:
            scan = self._placed(result.reconstruction)
            if scan is not None:
                self._tasks = self._tasks or self._make_tasks()
                self._tasks.start(
                    f"result {result.group}",
                    draw_with_geometry_of,
                    *(scan, result.reconstruction, result.look),
                    done=partial(self._redraw, result),
                    failed=_log_failure,  # the panel that gave the geometry says why
                )

    def give_geometry(
        self,
        result: layers.ResultLayers,
        geometry: Geometry | None,
        peak: tuple[float, float] | None,
        failed: Callable[[Exception], object],
    ) -> None:
        """Draw a result by another geometry, in the background, its array being as it is said to be."""
        self._ask(result, Asked(geometry, self.arrangement_of(result), peak), failed)

    def arrange(
        self,
        result: layers.ResultLayers,
        arrangement: Arrangement,
        peak: tuple[float, float] | None,
        failed: Callable[[Exception], object],
    ) -> None:
        """Draw a result likewise, its array being as that says, by the geometry that it has or is about to have."""
        asked = self._asked.get(result)
        geometry = result.reconstruction.scan_geometry if asked is None else asked.geometry
        self._ask(result, Asked(geometry, arrangement, peak or (asked and asked.peak)), failed)

    def arrangement_of(self, result: layers.ResultLayers) -> Arrangement:
        """Return what was said of the array of a result, which is drawn by it or about to be."""
        asked = self._asked.get(result)
        return Arrangement.of(result.reconstruction) if asked is None else asked.arrangement

    def _ask(self, result: layers.ResultLayers, asked: Asked, failed: Callable[[Exception], object]) -> None:
        def refused(error: Exception) -> None:
            self._answered(result, asked)
            failed(error)

        self._asked[result] = asked
        self._tasks = self._tasks or self._make_tasks()
        self._tasks.start(
            f"result {result.group}",
            draw_placed,
            *(result.reconstruction, asked, result.look),
            done=partial(self._redraw, result, asked=asked),
            failed=refused,
        )

    def _answered(self, result: layers.ResultLayers, asked: Asked | None) -> None:
        if asked is not None and self._asked.get(result) is asked:
            del self._asked[result]

    def _show(self, drawing: Drawing, replace_last: bool) -> Iterator[None]:
        last, group = self.place(drawing.reconstruction, replace_last)
        result = last or layers.ResultLayers(self._live, drawing, group)
        yield from self._draw(result, drawing)
        self.place_anew()  # the scan may have been given its geometry while it was phased

    def _draw(self, result: layers.ResultLayers, drawing: Drawing) -> Iterator[None]:
        self._make_room()
        if result.alive:  # it is replaced
            yield from self._redrawing(result, drawing)
            if not result.alive:
                return
        yield from layers.add_drawing(self._live, result, drawing, self._live_crystal)
        self.arrived.emit()
        if self._live_crystal is not None:
            yield from self._live_crystal.leave()

    def _redraw(
        self, result: layers.ResultLayers, drawing: Drawing | None, asked: Asked | None = None
    ) -> None:
        if drawing is not None and result.alive:
            self._queue.start(self._redrawing(result, drawing, same=True, asked=asked))
        else:
            self._answered(result, asked)

    def _redrawing(
        self, result: layers.ResultLayers, drawing: Drawing, same: bool = False, asked: Asked | None = None
    ) -> Iterator[None]:
        before = result.reconstruction
        try:
            yield from while_there(lambda: result.alive, layers.redraw(result, drawing, same=same))
        finally:
            self._answered(result, asked)
        if same:
            SAVED.change(before, result.reconstruction)
        self.updated.emit(before, result.reconstruction)


def _names(found: Found) -> tuple[str, str]:
    return found.source, found.name


def draw_placed(found: Reconstruction, asked: Asked, look: Look) -> Drawing:
    """Return the drawing of a result, another program's too, as is asked; see `placement.placed` and `placement.arranged`."""
    from ....placement import arranged, as_in_file, place_of, placed

    there, peak, binning = found, None, None
    if found.peak is None:
        before, binning = place_of(found)
        peak = asked.peak or before
    if asked.arrangement != Arrangement.of(found):
        if found.scan_geometry is not None:
            there = placed(found, None)
        there = arranged(as_in_file(there), *asked.arrangement)
    return _drawn(found, placed(there, asked.geometry, peak=peak, binning=binning), look)


def _drawn(before: Reconstruction, now: Reconstruction, look: Look) -> Drawing:
    if (now.geometry is None) != (before.geometry is None):
        look = replace(look, ranges={}, cut=None)  # which mean nothing in the other unit
    return draw(now, look)


def draw_with_geometry_of(scan: Scan, found: Reconstruction, look: Look) -> Drawing | None:
    """Return the drawing of what was found in `scan` by its present geometry, or None if that is what `found` has."""
    from ....reconstruct import with_geometry_of

    placed = with_geometry_of(scan, found)
    if placed is found:
        return None
    return _drawn(found, placed, look)


def _log_failure(error: Exception) -> None:
    _log.info("a result keeps its geometry", exc_info=error)

"""Which side of a viewer is seen: the diffraction or the results; without Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from napari.layers import Layer

from ..canvas.piece_queue import PieceQueue, followed
from . import layers
from .live import Live
from .stage import Stage


class Sides:
    """Turns the stage to one side or the other, after what was begun before.

    Parameters
    ----------
    stage
        Where it is seen.
    queue
        Does it piece by piece.
    live
        The crystal while it is refined, which is seen in the place of a result.
    """

    def __init__(self, stage: Stage, queue: PieceQueue, live: Live) -> None:
        self._stage, self._queue, self._live = stage, queue, live

    @property
    def diffraction_shown(self) -> bool:
        """Whether the diffraction is seen, or on its way, and not the results."""
        return self._stage.side == "diffraction"

    @property
    def empty(self) -> bool:
        """Whether neither is seen."""
        return self._stage.side is None

    def show_scan(self, layer: Layer, *, anew: bool = False, then: Callable[[], object] = bool) -> None:
        """Hide the results and show a diffraction, with the view that it had or with a new one, then call `then`."""
        self._queue.start(followed(self._stage.show_scan(layer, anew=anew), then))

    def show_result(self, result: layers.ResultLayers | None = None) -> None:
        """Hide the diffraction and show this result; None: the run in progress, or the result that was seen last."""
        self._queue.start(self._to_result(result))

    def _to_result(self, result: layers.ResultLayers | None) -> Iterator[None]:
        # asked when its turn comes: what was begun before may have changed the answer
        if result is None and (live := self._live.layer_of_run) is not None:
            yield from self._stage.show_live(live, live.metadata[layers.LIVE])
            return
        result = result or self._stage.last_result
        if result is not None and result.alive:
            yield from self._stage.show_result(result)

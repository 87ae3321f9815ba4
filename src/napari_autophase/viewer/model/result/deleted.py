"""Scans and results that were deleted, to be brought back while the window is open."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari.components import ViewerModel
from psygnal import Signal

from ....scan import Scan
from ..crystal.drawing import Drawing
from ..crystal.result_data import RESULT, ROLE
from ..scan.scan_entry import SCAN, ScanEntry
from .results import ResultLayers

KEPT = 10
"""So many are kept: each may be as large as its scan."""


@dataclass(frozen=True, eq=False)
class Gone:
    """A scan or a result that is not in the viewer any more."""

    title: str
    back: Callable[[], object]
    lasts: Callable[[], bool] = lambda: True
    """Whether it is still gone: what belongs to a result may have come back otherwise, or be deleted with it."""


class Deleted:
    """Keeps what is deleted.

    Parameters
    ----------
    viewer
        Held weakly.
    entry
        Returns a scan with its layer, as long as it is known.
    show_scan, show_result, show_layer
        Bring a scan back with what it had, a result with its number, and what was seen of a result that is still there.
    """

    changed = Signal()
    """Something was deleted, or has come back."""

    def __init__(
        self,
        viewer: ViewerModel,
        entry: Callable[[Scan], ScanEntry | None],
        show_scan: Callable[[Scan, dict[str, Any]], object],
        show_result: Callable[[Drawing, int], object],
        show_layer: Callable[[ResultLayers, str], object],
    ) -> None:
        self._entry, self._show_scan, self._show_result, self._show_layer = (
            entry,
            show_scan,
            show_result,
            show_layer,
        )
        self._gone: deque[Gone] = deque(maxlen=KEPT)
        self._seen_to_go: weakref.WeakSet[ResultLayers] = weakref.WeakSet()
        viewer.layers.events.inserted.connect(self._forget_what_is_back, position="last")
        viewer.layers.events.removed.connect(self._on_removed, position="last")

    @property
    def last(self) -> str:
        """What was deleted last, by its name; empty: nothing."""
        return self._gone[-1].title if self._gone else ""

    def bring_back(self) -> str:
        """Bring back what was deleted last, and return its name; empty: there was nothing."""
        if not self._gone:
            return ""
        gone = self._gone.pop()
        gone.back()
        self.changed.emit()
        return gone.title

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        scan, result = layer.metadata.get(SCAN), layer.metadata.get(RESULT)
        if isinstance(scan, Scan):
            entry = self._entry(scan)
            beside = {} if entry is None else entry.beside
            self._keep(Gone(layer.name, lambda: self._show_scan(scan, beside)))
        elif isinstance(result, ResultLayers):
            self._forget_what_is_back()
            self._on_part_removed(result, layer.metadata[ROLE])

    def _on_part_removed(self, result: ResultLayers, role: str) -> None:
        if not result.alive and result not in self._seen_to_go:
            self._seen_to_go.add(result)
            drawing, group = result.drawing, result.group
            self._keep(Gone(result.title, lambda: self._show_result(drawing, group)))
        elif result.alive and result.shown and result.seen_layer is None:
            self._keep(
                Gone(
                    f"{result.title} {role}",
                    lambda: self._show_layer(result, role),
                    lambda: result.alive and result.layer(role) is None,
                )
            )

    def _forget_what_is_back(self) -> None:
        left = [gone for gone in self._gone if gone.lasts()]
        if len(left) < len(self._gone):
            self._gone = deque(left, maxlen=KEPT)
            self.changed.emit()

    def _keep(self, gone: Gone) -> None:
        self._gone.append(gone)
        self.changed.emit()

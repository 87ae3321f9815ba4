"""Scans and results that were deleted, to be brought back while the window is open."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari.components import ViewerModel
from psygnal import Signal

from ...scan import Scan
from .drawing import Drawing
from .result_data import RESULT
from .results import ResultLayers
from .scan_entry import SCAN

KEPT = 10
"""So many are kept: each may be as large as its scan."""


@dataclass(frozen=True, eq=False)
class Gone:
    """A scan or a result that is not in the viewer any more."""

    title: str
    back: Callable[[], object]


class Deleted:
    """Keeps what is deleted.

    Parameters
    ----------
    viewer
        Held weakly.
    show_scan, show_result
        Bring a scan back, and a result with its number.
    """

    changed = Signal()
    """Something was deleted, or has come back."""

    def __init__(
        self,
        viewer: ViewerModel,
        show_scan: Callable[[Scan], object],
        show_result: Callable[[Drawing, int], object],
    ) -> None:
        self._show_scan, self._show_result = show_scan, show_result
        self._gone: deque[Gone] = deque(maxlen=KEPT)
        self._seen_to_go: weakref.WeakSet[ResultLayers] = weakref.WeakSet()
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
            self._keep(Gone(layer.name, lambda: self._show_scan(scan)))
        elif isinstance(result, ResultLayers) and not result.alive and result not in self._seen_to_go:
            self._seen_to_go.add(result)
            drawing, group = result.drawing, result.group
            self._keep(Gone(result.title, lambda: self._show_result(drawing, group)))

    def _keep(self, gone: Gone) -> None:
        self._gone.append(gone)
        self.changed.emit()

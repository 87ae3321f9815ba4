"""The result that is seen, for whatever else shows something of it."""

from __future__ import annotations

import weakref
from typing import ClassVar

from napari.components import ViewerModel
from psygnal import Signal

from ..result.results import ResultLayers
from .stage import Stage


class Shown:
    """Follows the result that is seen in a viewer; get it with ``Shown.of(viewer)``."""

    changed = Signal()
    """Another result is seen, or none, or it is seen otherwise."""

    _all: ClassVar[weakref.WeakKeyDictionary[ViewerModel, Shown]] = weakref.WeakKeyDictionary()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._result: weakref.ref[ResultLayers] | None = None
        stage = Stage.of(viewer)
        stage.seen_changed.connect(self._follow)
        stage.side_changed.connect(self._follow)
        viewer.layers.events.removed.connect(self._follow, position="last")
        viewer.dims.events.ndisplay.connect(self._follow, position="last")
        self._follow()

    @classmethod
    def of(cls, viewer: ViewerModel) -> Shown:
        """Return that of `viewer`, made when first asked for."""
        if viewer not in cls._all:
            cls._all[viewer] = cls(viewer)
        return cls._all[viewer]

    @property
    def result(self) -> ResultLayers | None:
        """The result that is seen; None: none is."""
        viewer = self._viewer()
        seen = None if viewer is None else Stage.of(viewer).seen
        return seen if isinstance(seen, ResultLayers) else None

    def _follow(self, *_: object) -> None:
        seen, before = self.result, None if self._result is None else self._result()
        if seen is not before:
            if before is not None:
                before.changed.disconnect(self._on_changed)
            if seen is not None:
                seen.changed.connect(self._on_changed)
            self._result = None if seen is None else weakref.ref(seen)
        self.changed.emit()

    def _on_changed(self) -> None:
        self.changed.emit()

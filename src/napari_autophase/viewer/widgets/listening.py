"""What a widget listens to for as long as it is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.utils.events import EventEmitter
from qtpy.QtWidgets import QWidget

Link = tuple[Any, Callable[..., object]]
"""A signal of the model or of napari, and what is called when it is emitted."""


def listen(widget: QWidget, *links: Link, close: Callable[[], object] = bool) -> None:
    """Connect signals of the model; once the widget is gone they are disconnected, and `close` is called.

    The model outlives its widgets, which Qt deletes and Python does not: without this they would go on listening, unseen.
    """
    for signal, slot in links:
        signal.connect(slot)

    def end(_: object = None) -> None:
        for signal, slot in links:
            disconnect(signal, slot)
        close()

    widget.destroyed.connect(end)


def disconnect(signal: Any, slot: Callable[..., object]) -> None:
    """Disconnect a slot, whose widget Qt may have deleted.

    napari looks for a method by asking its owner whether it equals those of all others, which a deleted widget answers with an
    error; owners themselves are told by identity.
    """
    owner = getattr(slot, "__self__", None)
    signal.disconnect(slot if owner is None or not isinstance(signal, EventEmitter) else owner)

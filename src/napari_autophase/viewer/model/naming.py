"""What a person calls a result: it is called as its layers are."""

from __future__ import annotations

import re
import weakref

from napari.layers import Layer

from .result_data import ROLE
from .results import ResultLayers

_busy: weakref.WeakSet[ResultLayers] = weakref.WeakSet()
"""Results whose other layers are being renamed."""


def rename(result: ResultLayers, layer: Layer) -> bool:
    """Call a result as one of its layers is called now, and its other layers likewise; return whether it has another name."""
    before, name, role = result.title, str(layer.name), layer.metadata[ROLE]
    if result.layer(role) is not layer or result in _busy:
        return False
    # napari writes a number behind a name that is taken
    called, result.called = re.sub(rf"\s*{role}(\s\[\d+\])?$", r"\1", name).strip(), ""
    if called != result.title:
        result.called = called
    if result.title == before:
        return False
    _busy.add(result)
    for other in result.layers:
        if other is not layer:
            other.name = f"{result.title} {other.metadata[ROLE]}"  # napari numbers it where that is taken
    _busy.discard(result)
    result.recaption()
    return True


def suggested_name(result: ResultLayers, suffix: str = ".cxi") -> str:
    """Return a file name for a result, such as ``S0054_result1.cxi``, or what a person has called it."""
    words = result.called or f"{result.reconstruction.name}_result{result.group}"
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in words) + suffix

"""What a person calls a result: it is called as its layers are."""

from __future__ import annotations

import re
import weakref
from dataclasses import replace

from napari.layers import Layer

from ....reconstruction import one_line
from ..crystal.result_data import ROLE
from .remarks import tell
from .results import ResultLayers
from .saving import SAVED

_LONGEST = 100
"""Bytes of a file's name; systems take 255, and endings and numbers follow."""
_busy: weakref.WeakSet[ResultLayers] = weakref.WeakSet()
"""Results whose other layers are being renamed."""


def rename(result: ResultLayers, layer: Layer) -> bool:
    """Call a result as one of its layers is called now, and its other layers likewise; return whether it has another name."""
    before, name, role, found = (
        result.title,
        str(layer.name).strip(),
        layer.metadata[ROLE],
        result.reconstruction,
    )
    if result.layer(role) is not layer or result in _busy:
        return False
    # napari writes a number behind a name that is taken
    called = one_line(re.sub(rf"\s*{role}(\s\[\d+\])?$", r"\1", name))
    result.reconstruction = replace(found, called="")
    if not called:
        _call(layer, result)
    if called != result.title:
        result.reconstruction = replace(found, called=called)
    if result.title == before:
        result.reconstruction = found
        return False
    SAVED.change(found, result.reconstruction)
    tell(result)
    for other in result.layers:
        if other is not layer:
            _call(other, result)
    result.recaption()
    return True


def _call(layer: Layer, result: ResultLayers) -> None:
    """Call a layer as its result is called; napari numbers it where that is taken."""
    _busy.add(result)
    layer.name = f"{result.title} {layer.metadata[ROLE]}"
    _busy.discard(result)


def suggested_name(result: ResultLayers, suffix: str = ".cxi") -> str:
    """Return a file name for a result, such as ``S0054_result1.cxi``, or what a person has called it."""
    words = result.reconstruction.called or f"{result.reconstruction.name}_result{result.group}"
    return as_file_name(words) + suffix


def as_file_name(words: str) -> str:
    """Return words as the name of a file, without its ending: of letters that every system takes, and not too many."""
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in words).lstrip(".")
    while len(name.encode()) > _LONGEST:
        name = name[:-1]
    return name or "unnamed"

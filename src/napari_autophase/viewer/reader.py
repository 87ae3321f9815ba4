"""File > Open and drag-and-drop: scans and saved results as layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .. import formats
from ..reconstruction import Reconstruction

if TYPE_CHECKING:
    from .layers import LayerData


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return `read` if every path holds a scan or a result, else None, so that other plugins can have it."""
    return read if all(formats.recognise(each) for each in _paths(path)) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Return the layers of a scan (log10(1 + counts)) or of a result (amplitude, phase, strain, isosurface).

    Raises
    ------
    InputError
        If a file is damaged or its choice of datasets is ambiguous.
    """
    from napari import current_viewer

    from . import layers
    from .session import Session

    if (viewer := current_viewer()) is not None:
        Session.of(viewer)  # which makes a result of the layers when they arrive, with no dock open too
    found = [formats.read(each) for each in _paths(path)]
    data: list[LayerData] = []
    for each in found:
        if isinstance(each, Reconstruction):
            data += layers.reconstruction_layer_data(each)
        else:
            data.append(layers.scan_layer_data(each))
    return data


def _paths(path: str | Sequence[str]) -> list[str]:
    return [path] if isinstance(path, str) else list(path)

"""The colour map and the limits of a layer: ours, until a person chooses others in napari's own controls."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from napari.layers import Layer
from napari.utils.colormaps import ensure_colormap

from .quantity import Range, colour_map, span


class Colouring:
    """Colours layers by quantities.

    Parameters
    ----------
    chosen
        Called with a layer and the limits that a person has set.
    """

    def __init__(self, chosen: Callable[[Layer, Range], object]) -> None:
        self._chosen = chosen
        self._given: weakref.WeakKeyDictionary[Layer, tuple[str, str]] = weakref.WeakKeyDictionary()
        self._at_work = False

    def take(self, layer: Layer, quantity: str) -> None:
        """Look after a layer that shows `quantity` in its map."""
        self._given[layer] = (quantity, layer.colormap.name)
        layer.events.contrast_limits.connect(self._on_limits)

    def colour(self, layer: Layer, quantity: str, limits: Range, usual: Range) -> None:
        """Colour a layer; a map that a person has chosen stays as long as the quantity does.

        Parameters
        ----------
        layer, quantity, limits
            What is coloured, by what, and from where to where.
        usual
            The limits where nobody has chosen others: napari's own slider reaches as far as ours.
        """
        before, wanted = self._given.get(layer), ensure_colormap(colour_map(quantity))
        if before is None or before[0] != quantity or layer.colormap.name == before[1]:
            self._given[layer] = (quantity, wanted.name)
            # a colour map is compiled anew for the screen: only where it is another
            if layer.colormap.name != wanted.name:
                layer.colormap = wanted
        if tuple(layer.contrast_limits) == limits:
            return
        self._at_work = True
        try:
            least, most = span(quantity, usual)
            layer.contrast_limits_range = (min(limits[0], least), max(limits[1], most))
            layer.contrast_limits = limits
        finally:
            self._at_work = False

    def _on_limits(self, event: Any) -> None:
        if not self._at_work:
            low, high = map(float, event.source.contrast_limits)
            self._chosen(event.source, (low, high))

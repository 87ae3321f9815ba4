"""The layers that draw facets, dislocations and directions over the result that is seen, while a person wants them."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from ....scan import InputError
from ..canvas import compat
from ..canvas.leaving import Leaving
from ..canvas.view import set_visible
from ..crystal.landmarks import KINDS, Found, Kind, find, swatch
from ..crystal.result_data import OVER_RESULT, LayerData, unit_of
from ..result.results import results
from ..run.newest import Newest
from ..words.readout import say_values
from .shown import Shown
from .stage import Stage

if TYPE_CHECKING:
    from .... import analysis
    from ..crystal.mesh import Cut
    from ..run.background import Tasks

_log = logging.getLogger(__name__)
_SWATCH = "autophase_swatch"
"""Under this name a layer has what the list shows of it."""


class LandmarkLayers:
    """Shows landmarks of whichever result is seen; none is shown at first.

    Their layers are there while they are wanted and there is a result; they are hidden while none is seen.

    Parameters
    ----------
    viewer
        Held weakly.
    make_tasks
        Makes what finds them behind the window.
    leaving
        Takes layers away.
    """

    changed = Signal()
    """Others are wanted, or something else is said of them."""

    def __init__(self, viewer: ViewerModel, make_tasks: Callable[[], Tasks], leaving: Leaving) -> None:
        self._viewer, self._shown, self._leaving = weakref.ref(viewer), Shown.of(viewer), leaving
        self._work = {kind: Newest(make_tasks, find) for kind in KINDS}
        self._layers: dict[Kind, list[Layer]] = {kind: [] for kind in KINDS}
        self._found: dict[Kind, tuple[analysis.Quantities, Cut | None, Found]] = {}
        self._drawn: dict[Kind, Found] = {}
        self._coming: dict[Kind, Found] = {}
        self._wanted: set[Kind] = set()
        self._hidden = False
        self.words: dict[Kind, str] = dict.fromkeys(KINDS, "")
        """What is said of each that is wanted."""
        self._shown.changed.connect(self._follow)

    def wants(self, kind: Kind) -> bool:
        """Whether one of them is to be seen."""
        return kind in self._wanted

    def show(self, kind: Kind, wanted: bool) -> None:
        """Show one of them, or hide it."""
        if wanted != self.wants(kind):
            self._wanted ^= {kind}
            self._follow()
            self.changed.emit()

    def hide(self, hidden: bool) -> None:
        """Hide all of them for a while, or show those that are wanted again."""
        if hidden != self._hidden:
            self._hidden = hidden
            self._follow()

    def _follow(self) -> None:
        if (viewer := self._viewer()) is None:
            return
        for kind in KINDS:
            if any(layer not in viewer.layers for layer in self._layers[kind]):  # a person has deleted it
                self._let_go(kind)
                self._wanted.discard(kind)
                self.changed.emit()
            self._follow_one(kind)

    def _follow_one(self, kind: Kind) -> None:
        result, viewer = self._shown.result, self._viewer()
        if viewer is None:
            return
        seen = result is not None and kind in self._wanted and not self._hidden
        if result is None or not seen:
            self._work[kind].forget()
            self._say(kind, "")
            if kind in self._wanted and results(viewer):
                self._hide(kind)
            else:
                self._let_go(kind)
            return
        quantities, cut, known = result.quantities, result.cut, self._found.get(kind)
        if known is not None and known[0] is quantities and known[1] == cut:
            self._draw(kind, known[2], viewer)
            return
        if known is None or unit_of(known[0]) != result.unit:
            self._hide(kind)
        if not self.words[kind]:
            self._say(kind, f"Looking for {kind}…")
        self._work[kind].want(
            *(kind, quantities, cut),
            done=partial(self._arrive, kind, quantities, cut),
            failed=partial(self._refuse, kind),
        )

    def _arrive(self, kind: Kind, quantities: analysis.Quantities, cut: Cut | None, found: Found) -> None:
        self._found[kind] = (quantities, cut, found)
        self._follow_one(kind)

    def _refuse(self, kind: Kind, error: Exception) -> None:
        _log.info("no %s", kind, exc_info=error)
        self._hide(kind)
        self._say(kind, str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}")

    def _say(self, kind: Kind, words: str) -> None:
        if words != self.words[kind]:
            self.words[kind] = words
            self.changed.emit()

    def _draw(self, kind: Kind, found: Found, viewer: ViewerModel) -> None:
        with Stage.of(viewer).changed_at_once():
            layers = self._layers[kind]
            if len(layers) != len(found.layers):
                if self._coming.get(kind) is not found:
                    self._coming[kind], self._layers[kind] = found, []
                    self._leaving.let_go(layers)
                    layers = self._layers[kind]
                while len(layers) < len(found.layers):
                    layers.append(_add(viewer, found.layers[len(layers)]))
                    # napari needs a twentieth of a second for each: the next comes in a turn of its own
                    if len(layers) < len(found.layers) and self._leaving.soon(self._follow):
                        return
                if found.names:
                    say_values(layers[0], lambda value: self._name(kind, value))
            elif self._drawn.get(kind) is not found:
                for layer, data in zip(layers, found.layers, strict=True):
                    _update(layer, data)
            if self._drawn.get(kind) is not found:
                for layer in layers:
                    layer.metadata[_SWATCH] = layer.thumbnail = swatch(found.colours, layer.thumbnail.shape)
            self._drawn[kind] = found
            # a surface or an arrow that is sliced says nothing
            in_view = bool(found.layers) and (kind == "dislocations" or viewer.dims.ndisplay == 3)
            for layer in layers:
                set_visible(layer, in_view)
        self._say(kind, found.words)

    def _name(self, kind: Kind, value: float) -> str:
        found = self._drawn.get(kind)
        return "" if found is None else found.names.get(round(value), "")

    def _let_go(self, kind: Kind) -> None:
        """Let its layers leave the list, and forget what was found."""
        layers, self._layers[kind] = self._layers[kind], []
        self._found.pop(kind, None)
        self._drawn.pop(kind, None)
        self._coming.pop(kind, None)
        self._leaving.let_go(layers)

    def _hide(self, kind: Kind) -> None:
        viewer = self._viewer()
        if viewer is not None and any(layer.visible for layer in self._layers[kind]):
            with Stage.of(viewer).changed_at_once():
                for layer in self._layers[kind]:
                    set_visible(layer, False)


def _add(viewer: ViewerModel, found: LayerData) -> Layer:
    """Add a hidden layer on top of all; what is selected stays."""
    data, options, kind = found
    layer = Layer.create(data, {**options, **Stage.of(viewer).names, "visible": False}, kind)
    layer.events.thumbnail.connect(_keep_swatch)
    compat.put(viewer, layer)
    return layer


def _keep_swatch(event: Any) -> None:
    """Show the colours of a layer in the list again where napari has drawn it there: lines and letters are black dots."""
    layer = event.source
    picture = layer.metadata.get(_SWATCH)
    if picture is not None and not np.array_equal(layer.thumbnail, picture):
        layer.thumbnail = picture


def _update(layer: Layer, found: LayerData) -> None:
    """Let a layer show something else of its kind."""
    data, options, _ = found
    layer.data = data
    layer.metadata[OVER_RESULT] = options["metadata"][OVER_RESULT]
    for name in ("features", "scale", "translate", "colormap", "contrast_limits", "edge_width", "edge_color"):
        if name in options:
            setattr(layer, name, options[name])
    if "text" in options:
        layer.text = options["text"]
        layer.size = options["size"]

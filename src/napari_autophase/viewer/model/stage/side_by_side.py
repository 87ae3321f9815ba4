"""Two results beside each other and their difference, in three views whose cameras move together."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from ....recipe import Recipe
from ....reconstruction import Reconstruction
from ....scan import InputError
from ..canvas import compat
from ..canvas.canvas import show_title
from ..canvas.leaving import Leaving
from ..crystal.drawing import Drawing, Look
from ..crystal.quantity import ColourBy, Range, in_words, label, limits, signed_map, thumbnail, volume
from ..crystal.result_data import OVER_RESULT, ROLE, result_layer_data
from ..result.results import ResultLayers
from ..run.newest import Newest
from ..words.readout import say_values
from .shown import Shown
from .stage import Stage

if TYPE_CHECKING:
    from .... import analysis
    from ..run.background import Tasks

Part = Literal["other", "difference"]
LEAST = 0.02
"""No threshold is lower than this fraction of the largest amplitude."""
PARTS: tuple[Part, ...] = ("other", "difference")
_OF_DIFFERENCE: dict[ColourBy, ColourBy] = {
    "strain": "strain",
    "spacing": "strain",
    "displacement": "displacement",
}
"""What of the difference is shown where a result is coloured by a quantity; else the phase."""


@dataclass(frozen=True, eq=False)
class Compared:
    """Two results, one brought onto the other.

    Parameters
    ----------
    other
        As it lies on the first one: shifted, and turned into its twin where that agrees better.
    difference
        A crystal where both are, whose phase is that of the first minus that of the other: so are its strain and displacement.
    words
        How far they agree.
    """

    other: analysis.Quantities
    difference: analysis.Quantities
    words: str


def compare(one: Reconstruction, other: Reconstruction, threshold: float) -> Compared:
    """Bring `other` onto `one`.

    Raises
    ------
    InputError
        If one of them is empty, or nothing of them is in common.
    """
    from .... import analysis

    found = analysis.compare_results(other.corrected, one.corrected, threshold)
    if not (found.inside & found.within).any():
        raise InputError(f"{other.name} and {one.name} have nothing in common at this threshold.")
    there = np.abs(found.one) >= LEAST
    both = there & (np.abs(found.other) >= LEAST)
    amplitude = np.sqrt(np.abs(found.one) * np.abs(found.other))
    difference = np.where(both, amplitude * np.exp(1j * np.angle(found.other * np.conj(found.one))), 0)
    placed = (
        found.q_bragg_per_nm is not None and one.voxel_steps_nm is not None
    )  # else what is seen has no nm
    plain = Reconstruction(
        object=found.one,
        support=there,
        recipe=Recipe(),
        figures={},
        voxel_steps_nm=found.steps if placed else None,
        q_bragg_per_nm=found.q_bragg_per_nm if placed else None,
        name=other.name,
    )
    apart = replace(plain, object=difference.astype(np.complex64), support=both)
    return Compared(
        other=analysis.quantities(plain, threshold),
        difference=analysis.quantities(apart, threshold),
        words=_words(found),
    )


def _words(found: analysis.Comparison) -> str:
    figures, unit = found.figures, "" if found.q_bragg_per_nm is not None else " rad/voxel"
    said = [f"Correlation {figures['correlation']:.3f}"]
    for name, text in (
        ("phase_error", "phase {:.2f} rad apart in the mean"),
        ("strain_difference", "strain {:.1e}" + unit + " apart (rms)"),
        ("strain_correlation", "strain correlation {:.2f}"),
        ("support_iou", "supports {:.2f} in common"),
    ):
        if np.isfinite(figures.get(name, np.nan)):
            said.append(text.format(figures[name]))
    return "\n".join([", ".join(said) + ".", *found.notes])


class SideBySide:
    """Shows, beside the result that is seen, another one and the difference, in its colours, at its threshold, cut as it is.

    Parameters
    ----------
    viewer
        Held weakly.
    make_tasks
        Makes what compares and draws behind the window.
    leaving
        Takes layers away.
    """

    changed = Signal()
    """Another result is compared with, or none, or something else is said."""

    def __init__(self, viewer: ViewerModel, make_tasks: Callable[[], Tasks], leaving: Leaving) -> None:
        self._viewer, self._shown, self._leaving = weakref.ref(viewer), Shown.of(viewer), leaving
        self._comparing = Newest(make_tasks, compare)
        self._drawing = Newest(make_tasks, _drawn)
        self._layers: dict[tuple[Part, str], Layer] = {}
        self._known: tuple[Reconstruction, Reconstruction, Compared] | None = None
        self._seen: tuple[object, ...] = ()
        self._wanted: tuple[object, ...] = ()
        self._undo: Callable[[], None] | None = None
        self.other: ResultLayers | None = None
        """With which the result that is seen is compared; None: it is not."""
        self.words = ""
        """How far the two agree, or why nobody can tell."""
        self._shown.changed.connect(self._follow)

    def compare(self, other: ResultLayers | None) -> None:
        """Compare the result that is seen with another one, or with none any more."""
        if other is not self.other:
            self.other, self._seen, self._known = other, (), None
            self._say("")
            self._follow()
            self.changed.emit()

    def _say(self, words: str) -> None:
        if words != self.words:
            self.words = words
            self.changed.emit()

    def _follow(self) -> None:
        one, other, viewer = self._shown.result, self.other, self._viewer()
        if viewer is None:
            return
        if any(layer not in viewer.layers for layer in self._layers.values()):  # a person has deleted it
            self._leave()
            self._let_go()
            self.compare(None)
            return
        if one is None or other is None or one is other or not other.alive:
            self._leave()
            if other is None:
                self._let_go()
            elif one is other or not other.alive:
                self.compare(None)
            return
        pair = (one.reconstruction, other.reconstruction)
        known = self._known
        if known is not None and known[0] is pair[0] and known[1] is pair[1]:
            self._draw(one, known[2], viewer)
            return
        self._leave()
        self._say("Comparing…")

        def arrive(found: Compared) -> None:
            self._known = (*pair, found)
            self._follow()

        self._comparing.want(*pair, one.threshold, done=arrive, failed=self._refuse)

    def _refuse(self, error: Exception) -> None:
        self._say(str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}")

    def _draw(self, one: ResultLayers, found: Compared, viewer: ViewerModel) -> None:
        """Draw the two others as the one is drawn, behind the window, if that is not how they are seen already."""
        self._say(found.words)
        role = one.seen_role(viewer)
        look = replace(one.look, ranges={one.colour_by: one.colouring[1]})
        if one.colour_by not in ("phase", "strain", "displacement", "amplitude"):
            look = replace(look, colour_by="phase", ranges={})
        wanted = (found, look, role)
        if wanted == self._seen:
            return

        def arrive(drawings: tuple[Drawing, Drawing]) -> None:
            if self._wanted is not wanted or self._shown.result is not one or self.other is None:
                return
            parts = dict(zip(PARTS, drawings, strict=True))
            missing = [part for part in PARTS if (part, role) not in self._layers]
            if len(missing) > 1:  # napari needs its time for each: the next comes in a turn of its own
                with Stage.of(viewer).changed_at_once():
                    self._layers[missing[0], role] = self._add(parts[missing[0]], role, missing[0], viewer)
                if self._leaving.soon(lambda: arrive(drawings)):
                    return
            self._show(parts, one, role, viewer)
            self._seen = wanted

        self._wanted = wanted
        self._drawing.want(found, look, role, done=arrive, failed=self._refuse)

    def _show(self, drawings: dict[Part, Drawing], one: ResultLayers, role: str, viewer: ViewerModel) -> None:
        other, seen = self.other, one.seen_layer
        if other is None or seen is None:
            return
        with Stage.of(viewer).changed_at_once():
            begin = self._show_layers(drawings, one, role, viewer)
        if begin:
            one.frame()

    def _show_layers(
        self, drawings: dict[Part, Drawing], one: ResultLayers, role: str, viewer: ViewerModel
    ) -> bool:
        """Let the two views show these drawings; return whether they were not there before."""
        other, seen = self.other, one.seen_layer
        assert other is not None
        assert seen is not None
        alike = one.reconstruction.name == other.reconstruction.name  # a view has little room for words
        names = {"other": other.title, "difference": f"{one.title} − {other.group if alike else other.title}"}
        for part in PARTS:
            quantity = drawings[part].look.colour_by
            colouring = label(quantity, drawings[part].quantities)
            if part == "difference":  # napari's bar has no room for small numbers
                colouring += f" ± {drawings[part].limits[1]:.2g}"
            text = f"{names[part]}: {colouring}"
            if role == "slices":
                text += ", slices"
            layer = self._layers.get((part, role))
            if layer is None or layer not in viewer.layers:
                layer = self._layers[part, role] = self._add(drawings[part], role, text, viewer)
            elif layer.metadata[_DRAWING] is not drawings[part]:
                _update(layer, drawings[part], role)
            if layer.name != text:
                layer.name = text
            show_title(viewer, layer, (names[part], colouring))
            drawing = layer.metadata[_DRAWING] = drawings[part]
            colours = signed_map() if part == "difference" else one.colouring[0]
            if layer.colormap.name != colours.name:
                layer.colormap = colours
            layer.thumbnail = thumbnail(
                quantity, volume(quantity, drawing.quantities, None), drawing.limits, colours
            )
        beside = [self._layers[part, role] for part in PARTS]
        begin = not any(layer.visible for layer in self._layers.values())
        for layer in self._layers.values():
            if layer.visible != (layer in beside):
                layer.visible = layer in beside
        below = list(viewer.layers[: viewer.layers.index(seen)])
        _stand(viewer, [seen, *beside])
        if begin:
            Stage.of(viewer).bars.rest()
            self._undo = partial(_back, viewer, seen, below, compat.show_beside(viewer, len(beside) + 1))
        return begin

    def _add(self, drawing: Drawing, role: str, name: str, viewer: ViewerModel) -> Layer:
        data, options, kind = result_layer_data(drawing, role, name)
        over = "voxel" if drawing.quantities.relative else "nm"
        options["metadata"] = {OVER_RESULT: over, ROLE: role, _DRAWING: drawing}
        layer = Layer.create(data, {**options, **Stage.of(viewer).names, "visible": False}, kind)
        show_title(viewer, layer, ())
        say_values(layer, lambda value: _in_words(layer, value))
        compat.put(viewer, layer)
        return layer

    def _leave(self) -> None:
        """Go back to one view."""
        self._wanted = ()
        self._drawing.forget()
        self._comparing.forget()
        self._seen = ()
        viewer = self._viewer()
        if viewer is None or not any(layer.visible for layer in self._layers.values()):
            return
        with Stage.of(viewer).changed_at_once():
            for layer in self._layers.values():
                layer.visible = False
            undo, self._undo = self._undo, None
            if undo is not None:
                Stage.of(viewer).bars.rest()
                undo()
        if (one := self._shown.result) is not None:
            one.frame()

    def _let_go(self) -> None:
        """Let the layers leave the list."""
        layers, self._layers = list(self._layers.values()), {}
        self._leaving.let_go(layers)


_DRAWING = "autophase_drawing"


def _drawn(found: Compared, look: Look, role: str) -> tuple[Drawing, Drawing]:
    """Return how the other one and the difference are drawn, with what takes time."""
    quantity = _OF_DIFFERENCE.get(look.colour_by, "phase")
    apart = found.difference.at_threshold(look.threshold)
    nothing = Reconstruction(object=apart.object, support=apart.support, recipe=Recipe(), figures={})
    ends = _symmetric(quantity, apart)
    pair = (
        Drawing(nothing, look, found.other.at_threshold(look.threshold)),
        Drawing(nothing, replace(look, colour_by=quantity, ranges={quantity: ends}), apart),
    )
    for each in pair:
        if role == "isosurface":
            assert each.mesh is not None
    return pair


def _symmetric(quantity: ColourBy, apart: analysis.Quantities) -> Range:
    """Return limits of a difference: of a phase too, they are as wide as it is."""
    if quantity != "phase":
        return limits(quantity, apart)
    values = np.abs(apart.phase[np.isfinite(apart.phase)])
    limit = float(np.percentile(values, 99)) if values.size else 0.0
    return (-(limit or 1.0), limit or 1.0)


def _in_words(layer: Layer, value: float) -> str:
    drawing = layer.metadata.get(_DRAWING)
    return "" if drawing is None else in_words(drawing.look.colour_by, value, drawing.quantities)


def _update(layer: Layer, drawing: Drawing, role: str) -> None:
    """Let a view show another drawing."""
    data, options, _ = result_layer_data(drawing, role, layer.name)
    if role == "isosurface":
        layer.texcoords = None  # which must not meet the new vertices: there is another number of them
    layer.data = data
    for name in ("scale", "translate", "contrast_limits", "texcoords"):
        if name in options:
            setattr(layer, name, options[name])


def _stand(viewer: ViewerModel, layers: list[Layer]) -> None:
    """Let layers stand next to each other in the list, as they are to stand on the canvas.

    They come first of all that are visible: each of those has a view in turn, and other people's would take the first ones.
    """
    first = next(at for at, layer in enumerate(viewer.layers) if layer.visible)
    if viewer.layers.index(layers[0]) != first:
        viewer.layers.move(viewer.layers.index(layers[0]), first)
    for before, layer in pairwise(layers):
        at, wanted = viewer.layers.index(layer), viewer.layers.index(before) + 1
        if at != wanted:
            viewer.layers.move(at, wanted)


def _back(viewer: ViewerModel, seen: Layer, below: list[Layer], undo: Callable[[], None]) -> None:
    """Go back to one view, and to where its layer stood in the list: above these."""
    undo()
    if seen in viewer.layers:
        wanted = max((viewer.layers.index(layer) + 1 for layer in below if layer in viewer.layers), default=0)
        if viewer.layers.index(seen) < wanted:
            viewer.layers.move(viewer.layers.index(seen), wanted)

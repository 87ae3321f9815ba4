"""What napari draws around the layers: colour bars, scale bar and axes, and the way these are turned."""

from __future__ import annotations

import textwrap
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.camera_orientations import Handedness

from ..words.run_words import together
from . import compat

_LETTER_PX, _BAR_PX = 9, 120
"""Width of a letter of the caption, and of the colour bar with room around it, on the canvas."""
_LEAST_BAR_PX, _LEAST_LETTERS = 110, 8
"""What is left to the colour bar where the caption is broken, and to a line of that however narrow the canvas is."""
_captions: weakref.WeakKeyDictionary[ViewerModel, tuple[str, ...]] = weakref.WeakKeyDictionary()
"""The parts of what is written."""
_titles: weakref.WeakKeyDictionary[Layer, tuple[Any, tuple[str, ...]]] = weakref.WeakKeyDictionary()
"""What is written in the views of layers, if napari can, and its parts."""
VIEW_DIRECTION = (-1.0, -0.45, -0.6)
"""Where the camera first looks, as (z, y, x): from downstream and above, so that three faces of a cube are seen."""


def orient(viewer: ViewerModel, *, laboratory: bool) -> None:
    """Draw the laboratory's axes with y up, in slices too, and x, y, z right-handed; or a detector's, whose rows run down.

    napari draws z, y, x right-handed.
    """
    camera = compat.camera(viewer)
    depth, vertical, horizontal = map(str, camera.orientation)
    wanted = "up" if laboratory else "down"
    if vertical != wanted:
        camera.orientation = (depth, wanted, horizontal)
    if camera.handedness == (Handedness.RIGHT if laboratory else Handedness.LEFT):
        camera.orientation = ("away" if depth == "towards" else "towards", wanted, horizontal)


def set_stage(viewer: ViewerModel) -> Iterator[None]:
    """Show what stands around a result, one thing after the other: napari makes each the first time, for a tenth of a second."""
    for overlay in compat.surroundings(viewer):
        if not overlay.visible:
            overlay.visible = True
            yield


def show_caption(viewer: ViewerModel, parts: Sequence[str]) -> None:
    """Write what is seen in the upper left corner: in a line, or where that is too long, in several."""
    _follow_size(viewer)
    text = compat.text(viewer)
    _captions[viewer] = tuple(parts)
    text.text = _laid_out(viewer, _captions[viewer])
    text.position = "top_left"
    text.visible = True


def show_title(viewer: ViewerModel, layer: Layer, parts: Sequence[str]) -> None:
    """Write what is seen in one of several views likewise, where napari can; the first time its layer is not in the list yet."""
    _follow_size(viewer)
    if layer not in _titles:
        _titles[layer] = (compat.title_of(layer), ())
    title = _titles[layer][0]
    _titles[layer] = (title, tuple(parts))
    if title is not None:
        title.text = _laid_out(viewer, parts)


def _titles_of(viewer: ViewerModel) -> list[tuple[Any, tuple[str, ...]]]:
    return [_titles[layer] for layer in viewer.layers if layer in _titles]


def _follow_size(viewer: ViewerModel) -> None:
    """Break what is written anew whenever there is more or less room."""
    if viewer not in _captions:
        _captions[viewer], seen_in = (), weakref.ref(viewer)
        compat.when_resized(viewer, lambda: _fit(seen_in()))


def _fit(viewer: ViewerModel | None) -> None:
    """Break the caption anew, unless somebody else has written there."""
    if viewer is None or not compat.is_open(viewer):
        return
    said = [(compat.text(viewer), _captions[viewer]), *_titles_of(viewer)]
    for text, parts in said:
        laid_out = _laid_out(viewer, parts)
        if text is not None and text.text != laid_out and text.text.split() == laid_out.split():
            text.text = laid_out


def _laid_out(viewer: ViewerModel, parts: Sequence[str]) -> str:
    """Return the caption as it fits beside the colour bar, which stands on its right."""
    width = compat.view_width(viewer)
    line = "   ".join(parts)
    if len(line) * _LETTER_PX < width - _BAR_PX:
        return line
    letters = max((width - _LEAST_BAR_PX) // _LETTER_PX, _LEAST_LETTERS)
    held = (together(part).replace("· ", "·\u00a0") for part in parts)  # which textwrap does not break
    return "\n".join("\n".join(textwrap.wrap(part, letters)) for part in held).replace("\u00a0", " ")


def frame(
    viewer: ViewerModel,
    seen: Sequence[Layer],
    ends: Sequence[tuple[float, float]],
    steps: Sequence[float],
    *,
    laboratory: bool,
) -> None:
    """Turn the camera to a crystal.

    Parameters
    ----------
    viewer, seen
        The viewer, and the layers that show the crystal.
    ends
        Where the crystal begins and ends along its axes; the layers may be the whole volume, or a part that a cut has left.
    steps
        Voxel size along the axes: slices are set to the middle, in whole voxels.
    laboratory
        As for `orient`.
    """
    camera = compat.camera(viewer)
    if viewer.dims.ndisplay == 3:
        # the laboratory's y points up, the detector's rows run down
        up = 1.0 if laboratory else -1.0
        z, y, x = VIEW_DIRECTION
        compat.look(viewer, (z, up * y, x), (0.0, up, 0.0))
    compat.fit_to_view(viewer, seen)
    displayed = [ends[axis - (viewer.dims.ndim - 3)] for axis in viewer.dims.displayed]
    low, high = compat.extent(viewer, seen)
    fitted = [high[axis] - low[axis] for axis in viewer.dims.displayed]
    middle = [(low + high) / 2 for low, high in displayed]
    camera.center = (0.0, *middle) if len(middle) == 2 else tuple(middle)
    if len(middle) == 2:
        for axis in viewer.dims.not_displayed[-1:]:
            own = axis - (viewer.dims.ndim - 3)
            viewer.dims.set_point(axis, steps[own] * round(sum(ends[own]) / 2 / steps[own]))
    camera.zoom *= 0.95 * max(fitted) / max(high - low for low, high in displayed)

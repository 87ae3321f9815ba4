"""What napari draws around the layers: colour bars, scale bar and axes, and the way these are turned."""

from __future__ import annotations

from collections.abc import Iterator

from napari.components import ViewerModel
from napari.layers import Image, Layer, Surface
from napari.utils.camera_orientations import Handedness

from . import compat


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


def show_colour_bar(layer: Layer) -> None:
    """Show the colour bar of a layer that has one, from when the layer is first seen: napari draws those of hidden layers too."""
    if not isinstance(layer, Image | Surface):
        return

    def on_visible() -> None:
        if layer.visible:
            layer.events.visible.disconnect(on_visible)
            layer.colorbar.visible = True

    layer.events.visible.connect(on_visible)
    on_visible()


def set_stage(viewer: ViewerModel) -> Iterator[None]:
    """Show what stands around a result, one thing after the other: napari makes each the first time, for a tenth of a second."""
    for overlay in compat.surroundings(viewer):
        if not overlay.visible:
            overlay.visible = True
            yield

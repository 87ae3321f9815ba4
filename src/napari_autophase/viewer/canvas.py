"""What napari draws around the layers: colour bars, scale bar and axes, and the way these are turned."""

from __future__ import annotations

from collections.abc import Iterator

from napari.components import ViewerModel
from napari.layers import Image, Layer, Surface
from napari.utils.camera_orientations import Handedness

from . import compat


def draw_right_handed(viewer: ViewerModel) -> None:
    """Turn the depth axis so that the laboratory's x, y, z are drawn right-handed: napari does so for z, y, x."""
    camera = compat.camera(viewer)
    if camera.handedness == Handedness.RIGHT:
        depth, *others = camera.orientation
        camera.orientation = ("away" if depth == "towards" else "towards", *others)


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

"""What differs between the versions of napari that we support (0.7, 0.8, 0.9): nothing else here asks for any of it.

Each function looks for what napari 0.9 has, and knows where the older ones keep it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import napari
import numpy as np
from napari.components import ViewerModel
from napari.components.camera import Camera
from napari.layers import Layer

OLDEST = (0, 7)
"""The oldest version of napari that has what we use; the extras in pyproject.toml ask for it too."""
MARGIN = 0.05
"""Part of the canvas that napari leaves free around what it fits to it."""


def require(version: str) -> None:
    """Refuse a napari that is too old, which nothing kept from being installed beside us.

    Raises
    ------
    ImportError
        If it is.
    """
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ImportError(
            f"AutoPhase needs napari {oldest} or newer, and this is napari {version}: "
            "upgrade it with  pip install --upgrade napari"
        )


require(napari.__version__)


class Overlays(NamedTuple):
    """What is drawn around the layers."""

    scale_bar: Any
    axes: Any
    text: Any


def overlays(viewer: ViewerModel) -> Overlays:
    """Return scale bar, axes and text; napari 0.7 has axes at the origin alone, later ones also in the canvas' corner."""
    if hasattr(viewer, "canvas"):
        found = viewer.canvas.overlays
        return Overlays(found.scale_bar, found.axes, found.text)
    axes = viewer.floating_axes if hasattr(viewer, "floating_axes") else viewer.axes
    return Overlays(viewer.scale_bar, axes, viewer.text_overlay)


def camera(viewer: ViewerModel) -> Camera:
    """Return the camera."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera


def canvas_size(viewer: ViewerModel) -> tuple[int, int]:
    """Return height and width of the canvas in pixels."""
    return viewer.canvas.size if hasattr(viewer, "canvas") else getattr(viewer, "_canvas_size")  # noqa: B009


def fit_to_view(viewer: ViewerModel, layers: Sequence[Layer]) -> None:
    """Move and zoom the camera so that these layers fill the canvas; by themselves the older versions fit all there are."""
    if hasattr(viewer, "canvas"):
        viewer.fit_to_view(layers=layers)
        return
    low, high = viewer.layers.get_extent(layers).world[:, list(viewer.dims.displayed)]
    size = high - low
    if viewer.dims.ndisplay == 3:
        up, looking = viewer.camera.up_direction, viewer.camera.view_direction
        size = np.abs([up, np.cross(looking, up)]) @ size
    viewer.camera.center = tuple((low + high) / 2)
    viewer.camera.zoom = (1 - MARGIN) * float(
        np.min(np.array(canvas_size(viewer)) / np.where(size > 0, size, 1))
    )

"""The crystal turned once about the vertical, picture by picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from napari.components import ViewerModel

from ..canvas import compat
from ..canvas.piece_queue import while_there
from .results import ResultLayers

PICTURES = 60
"""In a whole turn."""


def turn(
    viewer: ViewerModel, keep: Callable[[np.ndarray], object], pictures: int = PICTURES
) -> Iterator[None]:
    """Turn the camera once about the vertical axis of what is seen in 3-D, and back to where it was, a picture a piece.

    Parameters
    ----------
    viewer
        With a window; in 3-D.
    keep
        Called with each picture of the canvas, uint8 (rows, columns, 3).
    pictures
        How many.
    """
    direction, up = compat.looking(viewer)
    eye = compat.camera(viewer)
    angles = eye.angles
    try:
        for index in range(pictures):
            about = _about_vertical(2 * np.pi * index / pictures)
            compat.look(viewer, tuple(about @ direction), tuple(about @ up))
            keep(np.asarray(compat.picture(viewer))[..., :3].copy())
            yield
    finally:
        eye.angles = angles


def turning(
    viewer: ViewerModel,
    result: ResultLayers,
    keep: Callable[[np.ndarray], object],
    over: Callable[[bool], object],
) -> Iterator[None]:
    """Turn a result that is shown, as `turn` does, and say at the end whether it was there for a whole turn."""
    seen = 0

    def count(picture: np.ndarray) -> None:
        nonlocal seen
        seen += 1
        keep(picture)

    viewer.dims.ndisplay = 3
    yield
    try:
        yield from while_there(lambda: result.alive and result.shown, turn(viewer, count))
    finally:
        over(seen == PICTURES)


def _about_vertical(angle: float) -> np.ndarray:
    """Return the rotation of (z, y, x) about y."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, 0.0, -sine], [0.0, 1.0, 0.0], [sine, 0.0, cosine]])

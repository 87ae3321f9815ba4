"""A session in a real window that drew with freed memory once; run by ``test_viewer_window.py`` in a process of its own.

    python live_through_it.py points labels image shapes

adds these layers to a scan, and lives through a result, the diffraction and back, a replaced result, another scan, and what a
person deletes; "survived" is the last word.
"""

from __future__ import annotations

import os
import sys

import napari
import numpy as np
from napari.layers import Image, Labels, Points, Shapes
from qtpy.QtCore import QEventLoop, QTimer
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.viewer.session import Session

CORNERS = np.array([[0, 0, 0], [0, 19, 0], [0, 19, 19], [0, 0, 19]], float)
LAYERS = {
    "points": lambda: Points(np.random.default_rng(0).random((20, 3)) * 20),
    "labels": lambda: Labels(np.ones((20, 20, 20), int)),
    "image": lambda: Image(np.ones((20, 20, 20))),
    "shapes": lambda: Shapes([CORNERS]),
}


def draw() -> None:
    """Let the window draw and answer."""
    loop = QEventLoop()
    QTimer.singleShot(250, loop.quit)
    loop.exec()


def main() -> None:
    """Do it all."""
    viewer = napari.Viewer()
    session = Session.of(viewer)
    draw()
    session.add_scan(make_scan(size=32))
    draw()
    for kind in sys.argv[1:]:
        viewer.add_layer(LAYERS[kind]())
        draw()
    steps = [
        lambda: session.add_result(make_reconstruction()),
        session.show_diffraction,
        session.show_result,
        lambda: session.add_result(make_reconstruction("second")),
        lambda: session.add_result(make_reconstruction("third", size=30), replace_last=True),
        lambda: session.add_scan(make_scan("other")),
        lambda: session.add_result(make_reconstruction("other")),
        lambda: viewer.layers.remove("crystal"),
        lambda: session.add_result(make_reconstruction("fourth")),
        lambda: viewer.layers.remove("fourth · 4 isosurface"),
        lambda: session.add_result(make_reconstruction("fifth")),
        session.show_diffraction,
        lambda: viewer.layers.remove("other"),
        lambda: viewer.add_image(np.ones((9, 8, 7))),
        viewer.layers.clear,
        lambda: session.add_scan(make_scan("last")),
    ]
    for step in steps:
        step()
        draw()
        draw()
    print("survived", [layer.name for layer in viewer.layers], flush=True)
    os._exit(0)  # closing napari is not what this is about


if __name__ == "__main__":
    main()

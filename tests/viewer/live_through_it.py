"""What once drew with freed memory, in a real window; run by ``test_viewer_window.py`` in a process of its own.

    python live_through_it.py result     a result arrives, and is replaced, beside points that are visible
    python live_through_it.py deletion   a person deletes an image beside such points, and opens another

"survived" is the last word.  Small images and other orders of things survived always.
"""

from __future__ import annotations

import os
import sys

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer
from viewer_doubles import make_reconstruction

from napari_autophase import Recipe
from napari_autophase.viewer.sessions import session_of


def wait(milliseconds: int) -> None:
    """Let the window draw and answer."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def result(viewer: napari.Viewer) -> None:
    """Reconstruct the sample, then replace the result, and look at the diffraction."""
    viewer.window.add_plugin_dock_widget("napari-autophase", "Workspace")
    wait(800)
    viewer.open_sample("napari-autophase", "faceted")
    wait(800)
    viewer.add_points(np.random.default_rng(0).random((20, 3)) * 50)
    wait(400)
    session = session_of(viewer)
    session.reconstruct(Recipe.from_preset("network"))
    while session.controller.busy or session._queue._works:
        wait(200)
    wait(1000)
    assert len(session.results) == 1, session.controller.state
    session.add_result(make_reconstruction(), replace_last=True)
    wait(500)
    session.show_diffraction()
    wait(1500)


def deletion(viewer: napari.Viewer) -> None:
    """Delete an image while points are visible, and add another."""
    session_of(viewer)
    wait(800)
    image = viewer.add_image(np.random.default_rng(0).random((96, 80, 88), np.float32))
    wait(400)
    viewer.add_points(np.random.default_rng(0).random((20, 3)) * 50)
    wait(400)
    viewer.layers.remove(image)
    wait(500)
    viewer.add_image(np.random.default_rng(0).random((9, 8, 8), np.float32))
    wait(500)


if __name__ == "__main__":
    {"result": result, "deletion": deletion}[sys.argv[1]](napari.Viewer())
    print("survived", flush=True)
    os._exit(0)  # closing napari is not what this is about

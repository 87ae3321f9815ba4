"""A result from a notebook or a script in napari."""

from __future__ import annotations

import os
import sys

import napari

from ..reconstruction import Reconstruction
from ..scan import InputError
from .sessions import session_of


def show(result: Reconstruction) -> napari.Viewer:
    """Add a result to the viewer that is open, or to a new one, and return that viewer.

    A notebook goes on while the window is open.  A script calls ``napari.run()`` last, which keeps it open.

    Raises
    ------
    InputError
        If there is no screen: Qt would end the whole process.
    """
    viewer = napari.current_viewer()
    if viewer is None:
        if not _has_screen():
            raise InputError(
                "There is no screen here for napari's window; use plot(), or save() and open the file where there is one."
            )
        viewer = napari.Viewer()
    session_of(viewer).add_result(result)
    return viewer


def _has_screen() -> bool:
    known = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in known)

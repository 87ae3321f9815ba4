"""Scans and results that are dropped on napari's canvas, once AutoPhase is in use in its window.

napari's own reader serves names such as ``.h5`` too, whatever is in the file, and napari then asks which of the two to take.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from npe2 import PluginManager
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QDropEvent

from .model.canvas import compat

if TYPE_CHECKING:
    from napari.components import ViewerModel

_PLUGIN = "napari-autophase"


class Drops(QObject):
    """Opens what is evidently a scan or a result and goes by a name that the manifest lists; napari has all else.

    Parameters
    ----------
    viewer
        With a window; held weakly.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        for place in compat.where_files_are_dropped(viewer):
            place.installEventFilter(self)

    def eventFilter(self, place: QObject | None, event: QEvent | None) -> bool:
        """Take a drop, but for one with Alt, which asks for napari's list of readers, or Shift, which asks for a stack."""
        viewer = self._viewer()
        if viewer is None or not isinstance(event, QDropEvent) or event.type() != QEvent.Type.Drop:
            return super().eventFilter(place, event)
        asks = event.modifiers() & (Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.ShiftModifier)
        paths = dropped(event)
        if asks or not paths or not all(map(_is_ours, paths)):
            return super().eventFilter(place, event)
        event.acceptProposedAction()
        viewer.open(paths, plugin=_PLUGIN)
        return True


def dropped(event: QDropEvent) -> list[str]:
    """Return the paths of the files that are being dropped."""
    mime = event.mimeData()
    paths = [url.toLocalFile() for url in mime.urls()] if mime is not None else []
    return [path for path in paths if path]


def _is_ours(path: str) -> bool:
    from .. import formats  # brings the libraries of every format: a dock opens without

    readers = PluginManager.instance().iter_compatible_readers([path])
    return any(each.plugin_name == _PLUGIN for each in readers) and formats.recognise(path) is not None

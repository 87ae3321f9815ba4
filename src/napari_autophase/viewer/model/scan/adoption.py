"""Images that napari's own reader opened although their files are scans: they become scans, with all that the files say."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Layer

from ....scan import Scan
from .request import seen

if TYPE_CHECKING:
    from ..run.background import Tasks

_log = logging.getLogger(__name__)


class Adoption:
    """Looks at the files of other people's images, in the background.

    Parameters
    ----------
    adopt
        Called with a layer and the scan that its file evidently is; until then the layer is left alone.
    make_tasks
        Makes what reads files behind the window.
    """

    def __init__(self, adopt: Callable[[Layer, Scan], object], make_tasks: Callable[[], Tasks]) -> None:
        self._adopt = weakref.WeakMethod(adopt)
        self._make_tasks = make_tasks
        self._tasks: Tasks | None = None

    def consider(self, layer: Layer) -> None:
        """Look at the file of a layer, if it has one."""
        path = layer.source.path
        if not path:
            return
        self._tasks = self._tasks or self._make_tasks()
        self._tasks.start(
            f"layer {id(layer)}",
            scan_in,
            path,
            done=partial(self._arrive, weakref.ref(layer)),
            failed=_log_failure,
        )

    def _arrive(self, which: weakref.ref[Layer], scan: Scan | None) -> None:
        layer, adopt = which(), self._adopt()
        if layer is not None and adopt is not None and scan is not None:
            adopt(layer, scan)


def scan_in(path: str) -> Scan | None:
    """Return the scan that a file evidently is, or None."""
    from .... import formats

    if formats.recognise(path) is None:
        return None
    found = formats.read(path)
    return seen(found) if isinstance(found, Scan) else None


def _log_failure(error: Exception) -> None:
    _log.info("an image stays what it is", exc_info=error)

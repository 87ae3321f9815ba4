"""What the first reconstruction needs, loaded once: in the background soon after a dock is seen, or when it is first needed.

Loading takes seconds, in which Python's lock must not be held for long: the window draws with it.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
from qtpy.QtCore import QObject, Signal

from ..libraries import load_libraries
from ..recipe import Recipe
from ..scan import InputError, Scan
from .model.crystal.drawing import draw

WARM_UP = "autophase warm-up"
"""Name of the thread."""


def load_torch() -> None:
    """Import torch."""
    import torch  # noqa: F401


def load_engine() -> None:
    """Import what a reconstruction uses."""
    from .. import geometry, network, phasing, reconstruct  # noqa: F401

    geometry.beamlines()


def load_display() -> None:
    """Import what draws the live curve, and what napari brings with the first surface."""
    import pyqtgraph  # noqa: F401

    with suppress(ImportError):
        import pandas  # noqa: F401


STEPS: tuple[Callable[[], None], ...] = (load_libraries, load_torch, load_engine, load_display)


def rehearse() -> None:
    """Reconstruct and draw something small: what the first time imports, compiles and sets up is then there."""
    from ..reconstruct import run

    box = np.zeros((32, 32, 32))
    box[11:21, 12:22, 11:20] = 1
    counts = np.fft.fftshift(np.abs(np.fft.fftn(box)) ** 2).round()
    # without a polish so poor a result is not begun anew
    recipe = Recipe().with_settings({"guess.polish": "", "refine.algorithm": "ER+EHIO+HIO+2*ER"})
    with suppress(InputError):  # weights that are missing are said when they are wanted
        draw(run(Scan(counts.astype(np.float32)), recipe))


def rehearse_labels() -> None:
    """Colour a label: napari has numba compile what that needs, for a second the first time."""
    from napari.utils.colormaps import DirectLabelColormap

    DirectLabelColormap(color_dict={None: "white", 0: "transparent"}).map(np.ones((1, 1), np.uint8))


def load_compiled() -> None:
    """Load compiled functions once they are there; until then runs are not kept waiting."""
    from .. import phasing

    device, _ = phasing.pick_device()
    phasing.load_when_ready(device, _goes_on)


class Engine(QObject):
    """Loads the engine, and tells in the window's thread when it is there, or why it is not."""

    ready = Signal()
    failed = Signal(Exception)
    warm = Signal()
    """What the first reconstruction imports and sets up is there too."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.loaded = False

    def begin(self) -> None:
        """Load in the background; nothing happens the second time."""
        if self._thread is None:
            # no thread of Qt's, and no daemon: the program waits for it at its end, as a library half loaded would crash it
            self._thread = threading.Thread(target=self._work, name=WARM_UP)
            self._thread.start()

    def load(self) -> None:
        """Load here, or wait until another thread has done so, and has rehearsed.

        One thread does it alone, because two that import modules of each other may see them half done.
        """
        with self._lock, _no_full_collection():
            for step in () if self.loaded else STEPS:
                if not _goes_on():
                    return
                step()
            self.loaded = True

    def _work(self) -> None:
        try:
            self.load()
        except Exception as error:
            if _goes_on():
                self.failed.emit(error)
            return
        if not _goes_on():
            return
        self.ready.emit()
        try:
            with self._lock, _no_full_collection():
                rehearse()
            with _no_full_collection():
                rehearse_labels()
            load_compiled()
            self.warm.emit()
        except RuntimeError as error:
            # the program ends: no thread begins any more, and nobody waits for this one
            if _goes_on() and "shutdown" not in str(error):
                raise


def _goes_on() -> bool:
    """Whether the program is not about to end."""
    return threading.main_thread().is_alive()


@contextmanager
def _no_full_collection() -> Iterator[None]:
    """Let the collector leave the old objects alone, which takes a tenth of a second each time: a great many new ones stay."""
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, 1_000_000)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)


engine = Engine()

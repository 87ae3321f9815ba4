"""napari's own progress, in the corner of its status bar: it moves while a scan is phased, whatever panel is seen."""

from __future__ import annotations

import io

from napari.utils import progress
from qtpy.QtCore import QCoreApplication, QTimer

from .model.controller import Controller, Update
from .model.run_words import BAR, STAGES, duration

_PAUSE_MS = 100


class Activity:
    """Shows a controller's runs as napari shows what goes on.

    napari lets Qt deliver all that waits whenever a bar is made, moves or ends.  That is done in turns of its own, so that
    nothing is delivered while the controller is still telling others of what came before.
    """

    def __init__(self, controller: Controller) -> None:
        self._bar: progress | None = None
        self._latest: Update | None = None
        self._running = self._showing = False
        self._timer: QTimer | None = None
        controller.state_changed.connect(self._on_state)
        controller.advanced.connect(self._on_update)

    def _on_state(self, state: str) -> None:
        if state == "running":
            self._latest = None
        self._running = state in ("running", "cancelling")
        self._soon()

    def _on_update(self, update: Update) -> None:
        self._latest = update
        self._soon()

    def _soon(self) -> None:
        if QCoreApplication.instance() is None:
            return  # there is no window, and no bar in it
        if self._timer is None:
            self._timer = QTimer()
            self._timer.setSingleShot(True)
            self._timer.timeout.connect(self._show)
        if not self._timer.isActive():
            self._timer.start(_PAUSE_MS)

    def _show(self) -> None:
        if self._showing:
            self._soon()
            return
        self._showing = True
        try:
            if self._running:
                self._move(self._latest)
            elif self._bar is not None:
                bar, self._bar = self._bar, None
                bar.close()
        finally:
            self._showing = False

    def _move(self, update: Update | None) -> None:
        if self._bar is None:
            self._bar = progress(total=BAR, desc="Reconstructing", file=io.StringIO(), bar_format="|")
        if update is not None:
            left = update.remaining_s
            # napari's own guess is no better
            self._bar.bar_format = "|" if left is None else f"|{duration(left)} left"
            self._bar.set_description(STAGES[update.progress.stage])
            self._bar.update(round(BAR * update.part) - self._bar.n)

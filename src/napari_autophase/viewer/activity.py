"""napari's own progress, in the corner of its status bar: it moves while a scan is phased, whatever panel is seen."""

from __future__ import annotations

import io
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from napari.utils import progress
from qtpy.QtCore import QCoreApplication, QTimer
from qtpy.QtWidgets import QLabel

from .model.run.controller import Controller, Update
from .model.words.run_words import BAR, STAGES, duration

if TYPE_CHECKING:
    from napari.components import ViewerModel

_PAUSE_MS = 100
"""Milliseconds after which a bar that goes on is shown."""
_SLOW, _USUAL = 4, 100
"""Pace of the wheel beside the bar, in percent: while a scan is phased the processors have other things to do."""


class Activity:
    """Shows a controller's runs as napari shows what goes on.

    napari lets Qt deliver all that waits whenever a bar is made, moves or ends.  That is done in turns of its own, so that
    nothing is delivered while the controller is still telling others of what came before.

    Parameters
    ----------
    viewer
        Whose window shows it.
    controller
        What runs.
    """

    def __init__(self, viewer: ViewerModel, controller: Controller) -> None:
        self._viewer = weakref.ref(viewer)
        self._bar: progress | None = None
        self._latest: Update | None = None
        self._running = self._showing = self._waiting = False
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
        if not self._waiting:
            self._waiting = True
            QTimer.singleShot(_PAUSE_MS, self._show)

    def _show(self) -> None:
        self._waiting = False
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
                self._pace(_USUAL)
        finally:
            self._showing = False

    def _move(self, update: Update | None) -> None:
        if self._bar is None:
            self._pace(_SLOW)
            self._bar = progress(total=BAR, desc="Reconstructing", file=io.StringIO(), bar_format="|")
        if update is not None:
            left = update.remaining_s
            # napari's own guess is no better
            self._bar.bar_format = "|" if left is None else f"|{duration(left)} left"
            self._bar.set_description(STAGES[update.progress.stage])
            self._bar.update(round(BAR * update.part) - self._bar.n)

    def _pace(self, percent: int) -> None:
        """Let napari's wheel turn at this pace; without a graphics card the whole window is drawn for each of its pictures."""
        with suppress(AttributeError, RuntimeError):  # there is no window, or it is closed
            for label in self._viewer().window._qt_window.statusBar().findChildren(QLabel):  # type: ignore[union-attr]
                if (wheel := label.movie()) is not None:
                    wheel.setSpeed(percent)

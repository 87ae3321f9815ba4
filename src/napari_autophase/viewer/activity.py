"""napari's own progress, in the corner of its status bar: it moves while a scan is phased, whatever panel is seen."""

from __future__ import annotations

import io

from napari.utils import progress

from .model.controller import Controller, Update
from .model.run_words import BAR, STAGES, duration


class Activity:
    """Shows a controller's runs as napari shows what goes on."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._bar: progress | None = None
        controller.state_changed.connect(self._on_state)
        controller.advanced.connect(self._on_update)

    def _on_state(self, state: str) -> None:
        if state == "running":
            self._bar = progress(total=BAR, desc="Reconstructing", file=io.StringIO(), bar_format="|")
        elif state != "cancelling" and self._bar is not None:
            self._bar.close()
            self._bar = None

    def _on_update(self, update: Update) -> None:
        if self._bar is not None:
            left = update.remaining_s
            self._bar.bar_format = (
                "|" if left is None else f"|{duration(left)} left"
            )  # its own guess is no better
            self._bar.set_description(STAGES[update.progress.stage])
            self._bar.update(round(BAR * update.part) - self._bar.n)

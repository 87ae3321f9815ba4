"""What is said of a run: its stage, a bar, the curve, and in the end its figures or why it failed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from psygnal import SignalInstance
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QProgressBar
from superqt import QElidingLabel

from ...reconstruction import Reconstruction
from ...scan import InputError
from ..model.crystal.drawing import Drawing
from ..model.run.controller import Log, Update
from ..model.session import Session
from ..model.words.run_words import BAR, DEVICES, STAGES, STATES, duration, figures, meanings
from ..widgets.curve import ErrorCurve
from ..widgets.layout import keep_place
from ..widgets.notes import Note, Notes
from ..widgets.words import in_window

if TYPE_CHECKING:
    from napari.components import ViewerModel

_log = logging.getLogger(__name__)
PAUSED = "Paused · "
_LEAST_S = 0.05
"""Less than that is left where the end takes longer than was thought: nobody knows how long."""


class RunReport:
    """The widgets that a panel places; a panel that is opened in mid-run shows what was told before.

    Parameters
    ----------
    session
        Of the viewer.
    viewer
        Gives the colours.
    """

    def __init__(self, session: Session, viewer: ViewerModel) -> None:
        self._controller = session.controller
        self.stage = QElidingLabel()  # a long one must not widen the dock
        self.stage.setTextFormat(Qt.TextFormat.PlainText)  # it has the scan's name
        self.bar = QProgressBar()
        self.bar.setRange(0, BAR)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        keep_place(self.stage, self.bar)
        self.curve = ErrorCurve(viewer)
        self.curve.hide()
        self.summary = Note()
        self.summary.setToolTip(meanings())
        self.notes = Notes()
        self._session = session
        self._found: Reconstruction | None = None
        self._arrived = self._gone = False
        self._refusal = ""
        controller = self._controller
        self._links: list[tuple[SignalInstance, Callable[..., None]]] = [
            (session.scan_changed, self._forget_refusal),
            (session.scan_updated, self._forget_refusal),
            (session.choices_said, self._forget_refusal),
            (session.masks.changed, self._forget_refusal),
            (session.result_updated, self._on_result_updated),
            (session.results_changed, self._on_results),
            (controller.state_changed, self._on_state),
            (controller.held_changed, self._on_held),
            (controller.advanced, self._on_update),
            (controller.finished, self._on_finished),
            (controller.failed, self.fail),
        ]
        for signal, slot in self._links:
            signal.connect(slot)
        self._on_state(controller.state)
        self._recall()

    def close(self) -> None:
        """Listen no more."""
        for signal, slot in self._links:
            signal.disconnect(slot)

    def refuse(self, error: InputError) -> None:
        """Say why something cannot be done, until that may have changed: by another setting, scan, or painted mask."""
        self.fail(error)
        self._refusal = self.summary.text()

    def fail(self, error: Exception) -> None:
        """Say what went wrong."""
        _log.info("reconstruction failed", exc_info=error)
        self.summary.say(_text_of(error), error=True)
        show_error(in_window(_text_of(error)))

    def _forget_refusal(self) -> None:
        if self._refusal and self.summary.text() == self._refusal:  # what was missing may be there now
            self.summary.say("")
            if self._found is not None and not self._gone:
                self._summarise(self._found)

    def _on_state(self, state: str) -> None:
        if state == "running":
            self._found, self._arrived, self._gone = None, False, False
            self.curve.clear_errors()
            self.curve.hide()
            self.summary.say("")
            self.notes.say(())
        if state == "idle" and self.stage.text() == STATES["cancelling"]:
            self.summary.say("Cancelled; the layers are as they were.")
        self.stage.setText(STATES.get(state, ""))
        if state != "cancelling":
            self.bar.setValue(BAR if state == "done" else 0)
        self.bar.setVisible(state not in ("idle", "failed"))
        self.stage.setVisible(state != "idle")

    def _on_held(self, held: bool) -> None:
        text = self.stage.text().removeprefix(PAUSED)
        self.stage.setText(f"{PAUSED}{text}" if held else text)

    def _on_update(self, update: Update) -> None:
        progress = update.progress
        text = STAGES[progress.stage]
        if progress.total > 1:
            text += f" · {progress.step} of {progress.total}"
        if (update.remaining_s or 0.0) >= _LEAST_S:
            text += f" · {duration(update.remaining_s or 0.0)} left"
        text += self._of_scan
        self.stage.setText(f"{PAUSED}{text}" if self._controller.held else text)
        self.bar.setValue(round(BAR * update.part))
        log = self._controller.log
        if update.errors and log is not None:
            self._draw(log)

    @property
    def _of_scan(self) -> str:
        """The scan that is phased, or was phased last, which may be another one than is chosen now."""
        return "" if (log := self._controller.log) is None else f" · {log.name}"

    def _draw(self, log: Log) -> None:
        self.curve.draw(log)
        self.curve.show()

    def _recall(self) -> None:
        """Show what was told of the last run while there was no panel."""
        log = self._controller.log
        if log is None or self._controller.state == "idle":
            return
        if log.errors:
            self._draw(log)
        if isinstance(log.outcome, Drawing):
            self._on_finished(log.outcome)
            self._arrived = self._controller.state == "done"  # else it is still on its way to the viewer
            self._on_results()
        elif isinstance(log.outcome, Exception):
            self.summary.say(_text_of(log.outcome), error=True)
        elif log.latest is not None and self._controller.state == "running":
            self._on_update(replace(log.latest, errors=()))

    def _on_finished(self, drawing: Drawing) -> None:
        found = drawing.reconstruction
        seconds = max(found.seconds.get("total", 0.0) - self._controller.rested_s, 0.0)
        self.stage.setText(
            f"Done in {duration(seconds)} on {DEVICES.get(found.device, found.device)}{self._of_scan}"
        )
        log, judged = self._controller.log, found.figures.get("free_llk")
        if log is not None and log.stage == "refine" and judged is not None:
            log.judge(judged)
            self._draw(log)
        self._summarise(found)
        self._on_results()  # it may be there already

    def _summarise(self, found: Reconstruction) -> None:
        self._found = found
        self.summary.say("\n".join(filter(None, [figures(found), found.verdict])))
        self.notes.say(found.notes)

    def _on_result_updated(self, before: Reconstruction, now: Reconstruction) -> None:
        if before is self._found:
            self._summarise(now)

    def _on_results(self) -> None:
        """Say nothing of a result that is deleted, until it is brought back."""
        found = self._found
        if found is None:
            return
        # it may have been renamed, or given another geometry, while there was no panel
        here = next((r for r in self._session.results if r.reconstruction.figures is found.figures), None)
        if here is not None:
            self._arrived = True
            if self._gone:
                self._gone = False
                self._summarise(here.reconstruction)
                if self.curve.errors:
                    self.curve.show()
        elif self._arrived and not self._gone:
            self._gone = True
            self.curve.hide()
            self.notes.say(())
            if not self._refusal or self.summary.text() != self._refusal:
                self.summary.say("")


def _text_of(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"

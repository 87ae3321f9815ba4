"""The part of the Reconstruct dock that tunes the network on the present scan, in the background."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import QStandardPaths, Qt, Signal
from qtpy.QtWidgets import QFileDialog, QProgressBar, QPushButton, QSpinBox, QVBoxLayout
from superqt import QElidingLabel

from ...files import make_folder
from ...recipe import Recipe
from ...reconstruction import Progress
from ...scan import InputError, Scan
from ..model.result.naming import as_file_name
from ..model.run.controller import Controller, Job, Launch, Run, Update
from ..model.run.pace import Plan
from ..model.session import Session
from ..model.words import gists
from ..model.words.run_words import duration, meanings
from ..warmup import engine
from ..widgets.layout import Buttons, caption, form
from ..widgets.listening import listen
from ..widgets.notes import Note
from ..widgets.section import Section
from ..widgets.words import in_window

if TYPE_CHECKING:
    from ...training.finetune import FineTuned

BAR = 1000
"""Steps of a bar that is full."""
STATES = {"running": "Starting", "cancelling": "Cancelling", "done": "Done", "failed": "Failed"}
STAGES = {
    "prepare": "Preparing the scan",
    "guess": "Guessing, to have something to learn",
    "refine": "Refining, to have something to learn",
    "analyse": "Looking at what was found",
    "finetune": "Learning",
}
PLAN = Plan({"prepare": 2, "guess": 8, "refine": 10, "analyse": 0, "finetune": 80})
"""What each stage takes of the time, in per cent."""
_EXPLANATION = (
    "Teaches the network this very crystal, without any truth: the scan is reconstructed with the choices of this panel, and the "
    "network learns to see at once what was found. Pixels held out of both choose the weights that are kept. "
    "The weights that ship stay as they are."
)


class FineTuneSection(Section):
    """Tunes the network on the current scan, shows the figures before and after, and offers the tuned weights.

    Parameters
    ----------
    session
        Of the viewer.
    recipe
        Returns the recipe with whose weights to begin, and by which the scan is reconstructed first.
    use
        Called with a weights file that the next reconstruction is to take.
    launch
        How the tuning is started (see `controller`); None: in a thread.
    """

    busy_changed = Signal(bool)

    def __init__(
        self,
        session: Session,
        recipe: Callable[[], Recipe],
        use: Callable[[str], object],
        launch: Launch | None = None,
    ) -> None:
        super().__init__("Fine-tune the network", page="guide/fine_tuning.md")
        self._session, self._recipe, self._use = session, recipe, use
        self._controller = Controller(launch or self._launch_in_thread, plan=PLAN)
        self._tuned: FineTuned | None = None
        self._chi2: tuple[float | None, float | None] = (None, None)
        self._scan_name = ""

        explanation = Note()
        explanation.say(_EXPLANATION)
        self.steps = QSpinBox()
        self.steps.setRange(20, 200)
        self.steps.setSingleStep(10)
        self.steps.setValue(50)
        self.steps.setSuffix(" steps")
        self.steps.setToolTip("More steps learn the scan better, and take longer.")
        self.button = QPushButton("Fine-tune on this scan")
        self.button.setToolTip(
            "Train the network on this scan alone; whether anything was gained is said, and the new weights are offered."
        )
        self.button.clicked.connect(self.start)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop after the present step; nothing is kept.")
        self.cancel.clicked.connect(self._controller.cancel)
        self.stage = QElidingLabel()
        self.stage.setTextFormat(Qt.TextFormat.PlainText)
        self.bar = QProgressBar()
        self.bar.setRange(0, BAR)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.summary = Note()
        self.summary.setToolTip(meanings("chi2", "free_chi2", "free_llk"))
        self.take = QPushButton("Use for Reconstruct")
        self.take.setToolTip("Keep the weights in your data folder, and reconstruct with them from now on.")
        self.take.clicked.connect(self._take)
        self.save = QPushButton("Save weights…")
        self.save.setToolTip("Write the weights to a .safetensors file.")
        self.save.clicked.connect(self._ask_where_to_save)

        choices = form()
        choices.addRow(caption("Length"), self.steps)
        column = QVBoxLayout(self.body)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(explanation)
        column.addLayout(choices)
        column.addWidget(Buttons(self.button, self.cancel))
        for widget in (self.stage, self.bar, self.summary):
            column.addWidget(widget)
        column.addWidget(Buttons(self.take, self.save))

        controller = self._controller
        listen(
            self,
            (session.scan_changed, self._allow),
            (session.choices_changed, self._allow),
            (session.controller.state_changed, self._allow),
            (controller.state_changed, self._on_state),
            (controller.advanced, self._on_update),
            (controller.finished, self._on_finished),
            (controller.failed, self._on_failed),
            close=controller.close,
        )
        self._on_state(controller.state)

    @property
    def busy(self) -> bool:
        """Whether the network is being tuned."""
        return self._controller.busy

    def start(self) -> None:
        """Tune the network on the current scan."""
        try:
            recipe = self._recipe()
            scan = self._session.settled_scan()
            if scan is not None:
                self._tuned, self._scan_name = None, scan.name
                self._chi2 = (None, None)
                self.summary.say("")
                self._controller.start(scan, recipe)
        except InputError as error:
            self._on_failed(error)

    def _launch_in_thread(self, scan: Scan, recipe: Recipe, run: Run) -> Job:
        from ..threads import launch

        steps = self.steps.value()

        def work(scan: Scan, recipe: Recipe) -> Generator[Progress, None, FineTuned]:
            return (yield from _finetune(scan, recipe, steps))

        return launch(scan, recipe, run, work)

    def _allow(self, _: object = None) -> None:
        idle = not self.busy and not self._session.controller.busy
        self.button.setEnabled(self._session.current is not None and idle)
        self.cancel.setEnabled(self._controller.state == "running")
        for button in (self.take, self.save):
            button.setVisible(self._tuned is not None)

    def _on_state(self, state: str) -> None:
        if state == "idle" and self.stage.text() == STATES["cancelling"]:
            self.summary.say("Cancelled; the network is as it was.")
        self.stage.setText(STATES.get(state, ""))
        if state != "cancelling":
            self.bar.setValue(BAR if state == "done" else 0)
        self.stage.setVisible(state != "idle")
        self.bar.setVisible(state not in ("idle", "failed"))
        self.button.setText("Fine-tuning…" if self.busy else "Fine-tune on this scan")
        self._sum_up()
        self._allow()
        self.busy_changed.emit(self.busy)

    def _sum_up(self) -> None:
        self.sum_up(gists.tuned(self._controller.state, *self._chi2))

    def _on_update(self, update: Update) -> None:
        progress = update.progress
        text = STAGES[progress.stage]
        if progress.total > 1:
            text += f" · {progress.step} of {progress.total}"
        if progress.stage == "finetune" and update.remaining_s is not None:
            text += f" · {duration(update.remaining_s)} left"
        self.stage.setText(text)
        self.bar.setValue(round(BAR * update.part))

    def _on_finished(self, tuned: FineTuned) -> None:
        before, after = tuned.before[0], tuned.after[0]
        self._chi2 = (before["chi2"], after["chi2"] if tuned.kept_step else None)
        self._sum_up()
        if tuned.kept_step == 0:
            self.summary.say(
                f"Nothing was gained: held-out pixels are predicted best by the weights as they were (χ² {before['chi2']:.4g})."
            )
            return
        self._tuned = tuned
        self.take.setEnabled(True)
        self.summary.say(
            f"The network alone, before → after, on {self._scan_name}:\n"
            f"χ² {before['chi2']:.4g} → {after['chi2']:.4g}\n"
            f"χ² of held-out pixels {before['free_chi2']:.4g} → {after['free_chi2']:.4g}\n"
            f"held-out likelihood {before['free_llk']:.4g} → {after['free_llk']:.4g}\n"
            f"Weights of step {tuned.kept_step} of {tuned.made_by['steps']}."
        )
        self._allow()

    def _on_failed(self, error: Exception) -> None:
        text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        self.summary.say(text, error=True)
        show_error(in_window(text))

    # -- the tuned weights ---------------------------------------------------------------------------------------------

    def keep(self, path: str | Path) -> None:
        """Write the tuned weights to `path`; one that the person has chosen is overwritten."""
        if self._tuned is not None:
            self._tuned.save(path, overwrite=True)

    def _take(self) -> None:
        try:
            folder = data_folder()
            name = as_file_name(self._scan_name)
            number = 1
            while (path := folder / f"{name}-{number}.safetensors").exists():
                number += 1
            self.keep(path)
        except InputError as error:
            self._on_failed(error)
            return
        self._use(str(path))
        self.take.setEnabled(False)
        self.summary.say(f"{self.summary.text()}\nReconstruct now begins with {path.name}.")

    def _ask_where_to_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Save the weights",
            f"{as_file_name(self._scan_name)}.safetensors",
            "Weights (*.safetensors)",
        )
        if path:
            try:
                self.keep(path)
            except InputError as error:
                self._on_failed(error)


def data_folder() -> Path:
    """Return the person's folder for weights, made when it is not there.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    base = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
    return make_folder(Path(base) / "napari-autophase" / "weights")


def _finetune(scan: Scan, recipe: Recipe, steps: int) -> Generator[Progress, None, FineTuned]:
    engine.load()
    # training knows neither the window nor this import until the button is pressed: it brings torch
    from ...training.finetune import finetune

    return (yield from finetune([scan], recipe, steps=steps))

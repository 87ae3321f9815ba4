"""After a run: more iterations, polish, another seed, or back to how an earlier result was found."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from ...recipe import Recipe
from ...scan import InputError, Scan
from ..model.result.results import ResultLayers
from ..model.run.further import MORE, POLISH, another_seed, further, hindrance, is_ours
from ..model.scan.request import FILES, scan_behind
from ..model.session import Session
from ..model.stage.stage import Stage
from ..threads import Tasks
from ..widgets.layout import Buttons
from ..widgets.listening import listen
from ..widgets.notes import Note


class GoingOn(QWidget):
    """Buttons that act on the result that is seen, or was seen last; nothing is there while there is none.

    Parameters
    ----------
    session
        Of the viewer.
    refuse
        Told why something cannot be done.
    replaces
        Whether a new result takes the place of the last.
    """

    def __init__(
        self, session: Session, refuse: Callable[[InputError], object], replaces: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._session, self._refuse, self._replaces = session, refuse, replaces
        self._asked: ResultLayers | None = None
        """The result whose scan is read, or could not be."""
        self._busy = False
        self.name = QElidingLabel()
        self.name.setTextFormat(Qt.TextFormat.PlainText)
        self.more = _button(
            "+50 iterations",
            f"Refine it by {MORE} more, in the support that it has come to: what it was found with is not done again.",
        )
        self.polish = _button(
            "Polish",
            f"Refine it by {POLISH}: conjugate gradients of the Poisson likelihood, which weigh every photon as its noise does.",
        )
        self.seed = _button(
            "Another seed", "Phase its scan again by its recipe, but from other random numbers."
        )
        self.recipe = _button(
            "Its recipe", "Let this panel show the recipe that it was found with, and choose its scan."
        )
        self.source = _button(
            "Open its scan",
            "Read the scan that it was found in, as it was read then: one can go on from there.",
        )
        self.why = Note()
        self._tasks = Tasks()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.name)
        column.addWidget(self.why)
        column.addWidget(self.source)
        column.addWidget(Buttons(self.more, self.polish, self.seed, self.recipe))
        self.more.clicked.connect(lambda: self._go_on(MORE))
        self.polish.clicked.connect(lambda: self._go_on(POLISH))
        self.seed.clicked.connect(lambda: self._try(self._again))
        self.recipe.clicked.connect(lambda: self._try(self._show_recipe))
        self.source.clicked.connect(self._read_scan)
        changes = (
            session.results_changed,
            session.choices_changed,
            Stage.of(session.viewer).seen_changed,
            session.controller.state_changed,
        )
        listen(self, *((signal, self.follow) for signal in changes), close=self._tasks.close)
        self.follow()

    @property
    def result(self) -> ResultLayers | None:
        """The result that the buttons act on."""
        if not self._session.results:  # nor is there a viewer, perhaps
            return None
        stage = Stage.of(self._session.viewer)
        return stage.seen if isinstance(stage.seen, ResultLayers) else stage.last_result

    def follow(self) -> None:
        """Offer what can be done with the result."""
        result = self.result
        self.setVisible(result is not None)
        if result is None:
            return
        self.name.setText(f"Go on from {result.title}")
        found, busy = result.reconstruction, self._session.controller.busy
        ours, home = is_ours(found), self._session.home_of(result)
        for button in (self.more, self.polish):
            button.setEnabled(ours and self._session.scan_of(result) is not None and not busy)
        self.seed.setEnabled(ours and home is not None and not busy)
        self.recipe.setEnabled(ours)
        if self._asked is not result:
            self._asked, self._busy = None, False
            self.source.setText("Open its scan")
            self.why.say(hindrance(found, home is not None))
        self.source.setVisible(ours and home is None and bool(found.source or found.origin))
        self.source.setEnabled(not self._busy)

    def _read_scan(self) -> None:
        if (result := self.result) is None:
            return
        place = None
        if self._asked is result:  # it is not where it was
            path, _ = QFileDialog.getOpenFileName(self, f"Where is the scan of {result.title}?", "", FILES)
            if not path:
                return
            place = Path(path)
        self._asked, self._busy = result, True
        self.why.say("Reading its scan…")
        self.source.setEnabled(False)
        work = (scan_behind, result.reconstruction, place)
        self._tasks.start(
            "scan", *work, done=partial(self._show_scan, result), failed=partial(self._say_why, result)
        )

    def _show_scan(self, result: ResultLayers, scan: Scan) -> None:
        self._asked, self._busy = None, False
        if result not in self._session.results:  # deleted meanwhile
            return
        self._session.bring_scan(scan, result)
        self._session.recipe_given.emit(result.reconstruction.recipe)
        self.follow()

    def _say_why(self, result: ResultLayers, error: Exception) -> None:
        if self._asked is not result:  # another one is seen by now
            return
        self._busy = False
        self.source.setEnabled(True)
        self.source.setText("Find its scan…")
        self.why.say(
            str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}", error=True
        )

    def _go_on(self, algorithm: str) -> None:
        def go_on(result: ResultLayers) -> None:
            found = result.reconstruction
            self._start(result, further(found.recipe, algorithm), goes_on=True)

        self._try(go_on)

    def _again(self, result: ResultLayers) -> None:
        recipe = another_seed(result.reconstruction.recipe)
        self._session.recipe_given.emit(recipe)
        self._start(result, recipe)

    def _show_recipe(self, result: ResultLayers) -> None:
        scan = self._session.home_of(result)
        if scan is not None:
            self._session.choose(scan)
        self._session.recipe_given.emit(result.reconstruction.recipe)

    def _start(self, result: ResultLayers, recipe: Recipe, goes_on: bool = False) -> None:
        scan = self._session.scan_of(result) if goes_on else self._session.home_of(result)
        if scan is None or self._session.controller.busy:
            return
        self._session.choose(scan)
        begin = result.reconstruction if goes_on else None
        self._session.reconstruct(recipe, replace_last=self._replaces(), begin=begin)

    def _try(self, action: Callable[[ResultLayers], object]) -> None:
        result = self.result
        if result is None:
            return
        try:
            action(result)
        except InputError as error:
            self._refuse(error)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button

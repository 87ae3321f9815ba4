"""What goes on from a result: its volume on an orthogonal grid of a named frame, and the same result made again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton

from ...reconstruction import Reconstruction
from ...scan import InputError, Scan
from ..model.result import naming, outputs, saving
from ..model.result.logbook import logbook_line
from ..model.result.results import ResultLayers
from ..model.result.turntable import PICTURES, turning
from ..model.scan.scan_entry import is_same
from ..model.session import Session
from ..model.words.gists import Gist
from ..threads import Tasks
from ..widgets.fields import Choice, Words
from ..widgets.layout import Buttons, caption, form
from ..widgets.listening import listen
from ..widgets.notes import ActivityBar, Note
from ..widgets.section import Section
from ..widgets.words import in_window

if TYPE_CHECKING:
    from ...recipe import Recipe

_FRAMES = {
    "laboratory": "laboratory: x outboard, y up",
    "sample": "sample: its circles at zero",
    "crystal": "crystal: Q along y",
}


class ExportSection(Section):
    """Acts on what is shown: a result, or the counts of the scan while the diffraction is seen.

    Parameters
    ----------
    session
        Of the viewer.
    result
        Returns the result that is chosen, or None.
    """

    def __init__(self, session: Session, result: Callable[[], ResultLayers | None]) -> None:
        super().__init__("Export and repeat", page="guide/exchange.md")
        self._session, self._shown_result = session, result
        self._tasks = Tasks(self._on_busy)
        self._turning = False
        self._said: tuple[Scan | Reconstruction | None, str, bool] = (None, "", False)
        self._told = ("", False)
        self.frame = Choice(_FRAMES)
        self.frame.setToolTip("Along which axes the volume is written.")
        self.voxel = Words("a cube as large as the voxel")
        self.voxel.setToolTip("Edge of the new voxels: in nm for a result, in 1/nm for a scan.")
        self.export = QPushButton("Orthogonalise…")
        self.export.setToolTip(
            "Write the volume that is shown on an orthogonal grid, as NeXus (.h5) or NumPy (.npz):\n"
            "the complex crystal, or, while the diffraction is shown, its counts in reciprocal space."
        )
        self.repeat = QPushButton("Repeat from its file")
        self.repeat.setToolTip(
            "Read the scan as it was read for this result, refuse it if anything has changed, and phase it with the same recipe."
        )
        self.figure = QPushButton("Figure…")
        self.figure.setToolTip(
            "Write the crystal's surface by phase and strain and its slices, at the present threshold, for a paper or a logbook\n"
            "(PDF, SVG or PNG)."
        )
        self.film = QPushButton("Turntable…")
        self.film.setToolTip(
            "Turn the crystal once around, as it is shown now, and write that as a film (GIF or MP4)."
        )
        self.report = QPushButton("Report…")
        self.report.setToolTip(
            "Write a report: surface, slices, histograms, data and model, what was found, and how (HTML or PDF)."
        )
        self.line = QPushButton("Copy logbook line")
        self.line.setToolTip("Copy name, recipe, figures and sizes of the result in one line.")
        self.maps = QPushButton("For other programs…")
        self.maps.setToolTip(
            "Write amplitude, phase, displacement and strain, or the surface, on the frame and voxels above,\n"
            "at the present threshold: ParaView, NeXus, NumPy, MATLAB, ImageJ, STL, PLY, CXI."
        )
        self.activity = ActivityBar()
        self.note = Note()
        lines = form(self.body)
        lines.addRow(caption("Frame", self.frame.toolTip()), self.frame)
        lines.addRow(caption("Voxel size", self.voxel.toolTip()), self.voxel)
        for pair in (
            (self.figure, self.film),
            (self.report, self.line),
            (self.maps, self.export),
        ):
            lines.addRow(Buttons(*pair))
        lines.addRow(self.repeat)
        lines.addRow(self.activity)
        lines.addRow(self.note)
        self.export.clicked.connect(self._ask)
        self.repeat.clicked.connect(self._repeat)
        self.figure.clicked.connect(
            lambda: self._ask_for(".pdf", "Write a figure", outputs.FIGURES, self.draw)
        )
        self.film.clicked.connect(lambda: self._ask_for(".gif", "Write a film", outputs.films(), self.turn))
        self.report.clicked.connect(
            lambda: self._ask_for(".html", "Write a report", outputs.REPORTS, self.write_report)
        )
        self.maps.clicked.connect(
            lambda: self._ask_for(".vti", "Write for other programs", outputs.PROGRAMS, self.write_maps)
        )
        self.line.clicked.connect(self._copy_line)
        listen(
            self,
            (saving.SAVED.changed, self.follow),
            (session.results_changed, self._tell),
            close=self._tasks.close,
        )
        self.follow()

    def follow(self) -> None:
        """Offer what can be done with what is shown now."""
        found, busy = self._shown(), self._tasks.at_work("export") or self._tasks.at_work("repeat")
        self.export.setEnabled(found is not None and not busy)
        result = self._result()
        self.sum_up(Gist() if result is None else saving.SAVED.gist(result))
        for button, task in ((self.figure, "figure"), (self.report, "report"), (self.maps, "maps")):
            button.setEnabled(result is not None and not self._tasks.at_work(task))
        self.film.setEnabled(result is not None and not self._turning and not self._tasks.at_work("film"))
        self.line.setEnabled(result is not None)
        self.repeat.setEnabled(result is not None and result.origin is not None and not busy)
        self._tell()

    def _result(self) -> Reconstruction | None:
        result = self._shown_result()
        return None if result is None else result.reconstruction

    def _shown(self) -> Scan | Reconstruction | None:
        scan = self._session.current
        if self._session.diffraction_shown and isinstance(scan, Scan):
            return scan
        return self._result()

    # -- figures, films, files, a line ---------------------------------------------------------------------------------

    def _ask_for(self, suffix: str, title: str, kinds: str, work: Callable[[str], object]) -> None:
        """Ask where to, and do `work` with that."""
        result = self._shown_result()
        if result is None:
            return
        name = naming.suggested_name(result, suffix)
        path, chosen = QFileDialog.getSaveFileName(self, title, name, kinds)
        if path:
            # the ending that was chosen in the dialog is not always written by it
            said = chosen.rpartition("(*")[2].rstrip(")") if chosen else suffix
            work(path if Path(path).suffix else f"{path}{said or suffix}")

    def _start_on(
        self, task: str, found: Scan | Reconstruction, path: str, work: Callable[..., str], *arguments: Any
    ) -> None:
        self._say(found, f"Writing {Path(path).name}…")
        self._tasks.start(
            task, work, *arguments, done=partial(self._say, found), failed=partial(self._refuse, found)
        )

    def draw(self, path: str) -> None:
        """Draw the chosen result to `path`, in the background."""
        if (result := self._shown_result()) is not None:
            work = (outputs.draw_figure, result.reconstruction, path, result.threshold)
            self._start_on("figure", result.reconstruction, path, *work)

    def write_report(self, path: str) -> None:
        """Write the report of the chosen result to `path`, in the background."""
        if (result := self._shown_result()) is not None:
            scan = self._session.scan_of(result)
            work = (outputs.write_report, result.reconstruction, path, scan, result.threshold)
            self._start_on("report", result.reconstruction, path, *work)

    def write_maps(self, path: str) -> None:
        """Write the chosen result as another program opens it to `path`, in the background."""
        result = self._shown_result()
        if result is None:
            return
        try:
            voxel = _positive(self.voxel.path)
        except InputError as error:
            self._refuse(None, error)
            return
        work = (outputs.write_maps, result.reconstruction, path, self.frame.path, voxel, result.threshold)
        self._start_on("maps", result.reconstruction, path, *work)

    def turn(self, path: str) -> None:
        """Turn the chosen result once around, picture by picture, and write the film to `path` in the background."""
        result = self._shown_result()
        if result is None:
            return
        pictures: list[np.ndarray] = []

        def keep(picture: np.ndarray) -> None:
            pictures.append(picture)
            self._say(result.reconstruction, f"Turning the crystal: {len(pictures)} of {PICTURES}")

        def over(whole: bool) -> None:
            self._turning = False
            self.follow()
            if whole:
                self._start_on("film", result.reconstruction, path, outputs.write_film, pictures, path)
            else:
                self._say(None, "The turn was not finished: the crystal is gone.")

        self._turning = True
        self.follow()
        self._session.show_result(result)
        self._session.piecewise(turning(self._session.viewer, result, keep, over))

    def _copy_line(self) -> None:
        result, clipboard = self._shown_result(), QApplication.clipboard()
        if result is not None and clipboard is not None:
            line = logbook_line(result)
            clipboard.setText(line)
            self._say(result.reconstruction, f"Copied: {line}")

    # -- orthogonal ----------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        found = self._shown()
        if found is None:
            return
        called = found.called if isinstance(found, Reconstruction) else ""
        name = naming.as_file_name(called or found.name)
        path, _ = QFileDialog.getSaveFileName(
            self, "Write on an orthogonal grid", f"{name}_{self.frame.path}.h5", outputs.GRIDS
        )
        if path:
            self.write(path)

    def write(self, path: str) -> None:
        """Write what is shown to `path`, in the background."""
        found = self._shown()
        if found is None:
            return
        try:
            voxel = _positive(self.voxel.path)
        except InputError as error:
            self._refuse(None, error)
            return
        path = path if Path(path).suffix else f"{path}.h5"
        self._start_on("export", found, path, outputs.orthogonalise, found, self.frame.path, voxel, path)

    # -- repeat --------------------------------------------------------------------------------------------------------

    def _repeat(self) -> None:
        result = self._result()
        if result is None:
            return
        self._say(result, f"Reading the scan of {result.title} again…")
        self._tasks.start(
            "repeat",
            outputs.reread,
            result,
            done=partial(self._start, result),
            failed=partial(self._refuse, result),
        )

    def _start(self, result: Reconstruction, scan: Scan) -> None:
        try:
            _repeat(self._session, scan, result.recipe)
        except (InputError, RuntimeError) as error:
            self._refuse(result, error)
            return
        self._say(result, "The scan is what it was; it is phased again.")

    # -- what is said --------------------------------------------------------------------------------------------------

    def _say(self, found: Scan | Reconstruction | None, text: str, error: bool = False) -> None:
        """Say something of a result, or of a scan; of None, until something else is said."""
        if isinstance(found, Reconstruction) and self._now(found) is None:  # deleted in the meantime
            text = f"{found.title}: {text}"
            found = None
        self._said = (found, text, error)
        self._tell()

    def _refuse(self, found: Scan | Reconstruction | None, error: Exception) -> None:
        self._say(found, str(error), error=True)
        show_error(in_window(str(error)))

    def _tell(self) -> None:
        """Say of what it is that something was said where that is not what is chosen now, and nothing of what is deleted."""
        found, text, error = self._said
        if isinstance(found, Reconstruction):
            here, chosen = self._now(found), self._result()
            if here is None:
                text = ""
            elif chosen is None or chosen.figures is not found.figures:
                text = f"{here.title}: {text}"
        elif isinstance(found, Scan) and all(found is not scan for scan in self._session.scans):
            text = ""
        if (text, error) != self._told:
            self._told = (text, error)
            self.note.say(text, error=error)

    def _now(self, found: Reconstruction) -> ResultLayers | None:
        """Return a result as it is called now, if it is not deleted; its figures stay when it is renamed or given a geometry."""
        return next((r for r in self._session.results if r.reconstruction.figures is found.figures), None)

    def _on_busy(self, busy: bool) -> None:
        if busy:
            self.activity.work()
        else:
            self.activity.rest()
        self.follow()


def _repeat(session: Session, scan: Scan, recipe: Recipe) -> None:
    """Phase a scan of a result again by its recipe; both are shown, so that one can go on from there.

    Raises
    ------
    InputError
        If a panel shows what cannot be used yet.
    RuntimeError
        If a run is in progress.
    """
    if session.controller.busy:
        raise RuntimeError("A reconstruction is running; repeat the result when it is over.")
    same = next((each for each in session.scans if is_same(each, scan)), None)
    if same is None:
        session.add_scan(scan)
    else:
        session.choose(same)
    session.recipe_given.emit(recipe)
    session.reconstruct(recipe)


def _positive(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise InputError(f"Voxel size: '{text}' is no length; write a positive number, such as 5.")
    return value

"""What goes on from a result: its volume on an orthogonal grid of a named frame, and the same result made again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton

from ...reconstruction import Reconstruction
from ...scan import InputError, Scan
from ..model import saving
from ..model.logbook import logbook_line
from ..model.results import ResultLayers
from ..model.session import Session
from ..threads import Tasks
from ..widgets.fields import Choice, Words
from ..widgets.layout import caption, form, row
from ..widgets.notes import ActivityBar, Note
from ..widgets.section import Section

if TYPE_CHECKING:
    from ...recipe import Recipe

_FRAMES = {
    "laboratory": "laboratory: x outboard, y up",
    "sample": "sample: its circles at zero",
    "crystal": "crystal: Q along y",
}
_FIGURES = "PDF (*.pdf);;SVG (*.svg);;PNG (*.png)"
_FILES = "NeXus (*.h5);;NumPy (*.npz)"


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
        super().__init__("Export and repeat")
        self._session, self._shown_result = session, result
        self._tasks = Tasks(self._on_busy)
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
        self.line = QPushButton("Copy logbook line")
        self.line.setToolTip("Copy name, recipe, figures and sizes of the result in one line.")
        self.activity = ActivityBar()
        self.note = Note()
        lines = form(self.body)
        lines.addRow(caption("Frame", self.frame.toolTip()), self.frame)
        lines.addRow(caption("Voxel size", self.voxel.toolTip()), self.voxel)
        lines.addRow(row(self.figure, self.line))
        lines.addRow(row(self.export, self.repeat))
        lines.addRow(self.activity)
        lines.addRow(self.note)
        self.export.clicked.connect(self._ask)
        self.repeat.clicked.connect(self._repeat)
        self.figure.clicked.connect(self._ask_for_figure)
        self.line.clicked.connect(self._copy_line)
        self.destroyed.connect(partial(_close, self._tasks))
        self.follow()

    def follow(self) -> None:
        """Offer what can be done with what is shown now."""
        found, busy = self._shown(), self._tasks.at_work("export") or self._tasks.at_work("repeat")
        self.export.setEnabled(found is not None and not busy)
        result = self._result()
        self.figure.setEnabled(result is not None and not self._tasks.at_work("figure"))
        self.line.setEnabled(result is not None)
        self.repeat.setEnabled(result is not None and result.origin is not None and not busy)

    def _result(self) -> Reconstruction | None:
        result = self._shown_result()
        return None if result is None else result.reconstruction

    def _shown(self) -> Scan | Reconstruction | None:
        scan = self._session.current
        if self._session.diffraction_shown and isinstance(scan, Scan):
            return scan
        return self._result()

    # -- a figure, a line ----------------------------------------------------------------------------------------------

    def _ask_for_figure(self) -> None:
        result = self._shown_result()
        if result is None:
            return
        name = saving.suggested_name(result.reconstruction, result.group, ".pdf")
        path, _ = QFileDialog.getSaveFileName(self, "Write a figure", name, _FIGURES)
        if path:
            self.draw(path)

    def draw(self, path: str) -> None:
        """Draw the chosen result to `path`, in the background."""
        result = self._shown_result()
        if result is None:
            return
        path = path if Path(path).suffix else f"{path}.pdf"
        self.note.say(f"Drawing {Path(path).name}…")
        work = (draw_figure, result.reconstruction, path, result.threshold)
        self._tasks.start("figure", *work, done=self._say, failed=self._refuse)

    def _copy_line(self) -> None:
        result, clipboard = self._shown_result(), QApplication.clipboard()
        if result is not None and clipboard is not None:
            line = logbook_line(result)
            clipboard.setText(line)
            self.note.say(f"Copied: {line}")

    # -- orthogonal ----------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        found = self._shown()
        if found is None:
            return
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in found.name)
        path, _ = QFileDialog.getSaveFileName(
            self, "Write on an orthogonal grid", f"{name}_{self.frame.path}.h5", _FILES
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
            self._refuse(error)
            return
        path = path if Path(path).suffix else f"{path}.h5"
        self.note.say(f"Writing {Path(path).name}…")
        self._tasks.start(
            "export",
            orthogonalise,
            *(found, self.frame.path, voxel, path),
            done=self._say,
            failed=self._refuse,
        )

    # -- repeat --------------------------------------------------------------------------------------------------------

    def _repeat(self) -> None:
        result = self._result()
        if result is None:
            return
        self.note.say(f"Reading the scan of {result.name} again…")
        self._tasks.start(
            "repeat", reread, result, done=partial(self._start, result.recipe), failed=self._refuse
        )

    def _start(self, recipe: Recipe, scan: Scan) -> None:
        try:
            _repeat(self._session, scan, recipe)
        except (InputError, RuntimeError) as error:
            self._refuse(error)
            return
        self._say("The scan is what it was; it is phased again.")

    def _say(self, text: str) -> None:
        self.note.say(text)

    def _refuse(self, error: Exception) -> None:
        self.note.say(str(error), error=True)
        show_error(str(error))

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
    same = next((each for each in session.scans if _is_same(each, scan)), None)
    if same is None:
        session.add_scan(scan)
    else:
        session.choose(same)
    session.recipe_given.emit(recipe)
    session.reconstruct(recipe)


def _is_same(one: Scan, other: Scan) -> bool:
    return one.origin is not None and one.origin == other.origin and one.geometry == other.geometry


def orthogonalise(found: Scan | Reconstruction, frame: Any, voxel_size: float | None, path: str) -> str:
    """Write a volume on an orthogonal grid, and say what was written."""
    from ... import orthogonal

    made = orthogonal.orthogonalise(found, frame, voxel_size)
    orthogonal.write(made, path)
    sides = " × ".join(map(str, made.data.shape))
    return f"Wrote {path}: {sides} voxels of {made.voxel_size:.4g} {made.unit} along z, y, x of the {frame} frame."


def draw_figure(found: Reconstruction, path: str, threshold: float) -> str:
    """Draw a result, and say where."""
    from ... import analysis

    analysis.draw_picture(found, path, threshold=threshold, dpi=300)
    return f"Wrote {path}."


def reread(result: Reconstruction) -> Scan:
    """Read the scan of a result again, if all that the result came from is what it was."""
    from ...repeat import Record, check_weights, reread

    known = Record.of(result)
    scan = reread(known)
    check_weights(known)
    return scan


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


def _close(tasks: Tasks) -> None:
    tasks.close()

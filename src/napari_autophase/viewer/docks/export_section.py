"""What goes on from a result: its volume on an orthogonal grid of a named frame, and the same result made again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QFileDialog, QPushButton

from ...reconstruction import Reconstruction
from ...scan import InputError, Scan
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

    def __init__(self, session: Session, result: Callable[[], Reconstruction | None]) -> None:
        super().__init__("Export and repeat")
        self._session, self._result = session, result
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
        self.activity = ActivityBar()
        self.note = Note()
        lines = form(self.body)
        lines.addRow(caption("Frame", self.frame.toolTip()), self.frame)
        lines.addRow(caption("Voxel size", self.voxel.toolTip()), self.voxel)
        lines.addRow(row(self.export, self.repeat))
        lines.addRow(self.activity)
        lines.addRow(self.note)
        self.export.clicked.connect(self._ask)
        self.repeat.clicked.connect(self._repeat)
        self.destroyed.connect(partial(_close, self._tasks))
        self.follow()

    def follow(self) -> None:
        """Offer what can be done with what is shown now."""
        found, busy = self._shown(), self._tasks.at_work("export") or self._tasks.at_work("repeat")
        self.export.setEnabled(found is not None and not busy)
        result = self._result()
        self.repeat.setEnabled(result is not None and result.origin is not None and not busy)

    def _shown(self) -> Scan | Reconstruction | None:
        scan = self._session.current
        if self._session.diffraction_shown and isinstance(scan, Scan):
            return scan
        return self._result()

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
            self._session.repeat(scan, recipe)
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


def orthogonalise(found: Scan | Reconstruction, frame: Any, voxel_size: float | None, path: str) -> str:
    """Write a volume on an orthogonal grid, and say what was written."""
    from ... import orthogonal

    made = orthogonal.orthogonalise(found, frame, voxel_size)
    orthogonal.write(made, path)
    sides = " × ".join(map(str, made.data.shape))
    return f"Wrote {path}: {sides} voxels of {made.voxel_size:.4g} {made.unit} along z, y, x of the {frame} frame."


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

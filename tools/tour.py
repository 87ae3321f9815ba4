"""Take a person's tour of the window, on the napari and the Qt that are installed; kept for every release.

    xvfb-run -a -s "-screen 0 1600x1000x24" python tools/tour.py [FOLDER [WIDTHxHEIGHT]]

Opens a sample and docks the workspace from the menus, reconstructs, moves the threshold, changes the colours, looks at slices
and at the diffraction, saves, opens what was saved, and closes.  Prints a line for each step; at the first thing that fails it
says what and ends with exit code 1.  Pictures of the steps go to FOLDER.  It knows the window only as a person does: menus,
captions, buttons, and the layers in the list.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

ROLES = ("isosurface",)
HANG_S = 1800
"""Then it hangs, and is ended."""
RUN_S = 600
"""A first run compiles, and loads what it needs; on a busy machine that takes minutes."""
SOON_S = 30
CAPTION = "Threshold"
"""Of the slider that bounds the crystal."""


class Failure(Exception):
    """Something on the tour is not as it should be."""


class Tour:
    """A window, and what is done in it.

    Parameters
    ----------
    folder
        Where pictures and the saved result go.
    size
        Width and height of the window.
    """

    def __init__(self, folder: Path, size: tuple[int, int]) -> None:
        import napari
        from qtpy.QtWidgets import QFileDialog

        self.folder = folder
        self.troubles: list[str] = []
        self._listen()
        self.viewer = napari.Viewer()
        self.window = self.viewer.window._qt_window
        self.window.resize(*size)
        self.saved = folder / "tour.cxi"
        QFileDialog.getSaveFileName = staticmethod(lambda *_, **__: (str(self.saved), ""))  # type: ignore[method-assign]

    def _listen(self) -> None:
        """Hear of every error: raised in a slot, shown as a notification, or logged while drawing."""
        from napari.utils.notifications import notification_manager

        sys.excepthook = lambda kind, error, _: self.troubles.append(f"{kind.__name__}: {error}")

        def on_notification(notification: Any) -> None:
            if str(notification.severity) == "error":
                self.troubles.append(notification.message)

        class Drawing(logging.Handler):
            def emit(_, record: logging.LogRecord) -> None:
                if "Error drawing" in (text := record.getMessage()):
                    self.troubles.append(text)

        notification_manager.notification_ready.connect(on_notification)
        self._held = on_notification  # which napari holds weakly
        logging.getLogger().addHandler(Drawing())
        for kind in (DeprecationWarning, FutureWarning):  # what we use today and napari takes away tomorrow
            warnings.filterwarnings("error", category=kind, module="napari_autophase")

    # -- what is seen --------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Names of the layers in the list."""
        return [layer.name for layer in self.viewer.layers]

    def seen(self) -> list[str]:
        """Names of the layers that are visible."""
        return [layer.name for layer in self.viewer.layers if layer.visible]

    def layer(self, role: str) -> Any:
        """Return the newest layer of a result that plays a role."""
        found = [layer for layer in self.viewer.layers if layer.name.endswith(role)]
        self.demand(bool(found), f"no {role} among {self.names()}")
        return found[-1]

    def button(self, text: str) -> Any:
        """Return the button that bears `text` and can be seen."""
        from qtpy.QtWidgets import QAbstractButton

        found = [each for each in self.window.findChildren(QAbstractButton) if each.isVisible()]
        match = [each for each in found if each.text() == text]
        self.demand(bool(match), f"no button '{text}' among {sorted({each.text() for each in found} - {''})}")
        return match[0]

    def field(self, caption: str) -> Any:
        """Return what a caption stands beside and can be seen."""
        from qtpy.QtWidgets import QFormLayout, QLabel

        labels = [
            each for each in self.window.findChildren(QLabel) if each.text() == caption and each.isVisible()
        ]
        for form in self.window.findChildren(QFormLayout) if labels else ():
            for label in labels:
                item = form.itemAt(form.getWidgetPosition(label)[0], QFormLayout.ItemRole.FieldRole)
                if form.indexOf(label) >= 0 and item:
                    return item.widget()
        raise Failure(f"no field '{caption}'")

    def choose(self, text: str, caption: str = "Colour by") -> None:
        """Choose an entry of the box beside a caption."""
        box = self.field(caption)
        index = box.findText(text)
        self.demand(index >= 0, f"no '{text}' among {[box.itemText(i) for i in range(box.count())]}")
        box.setCurrentIndex(index)
        box.activated.emit(index)

    def picture(self, name: str) -> None:
        """Keep a picture of the window, when all that it says is known."""
        self.wait(lambda: not self.unknown(), "not all became known", RUN_S)
        pump(1)
        self.window.grab().save(str(self.folder / f"{name}.png"))

    def unknown(self) -> bool:
        """Whether three dots stand for what is being found out."""
        from qtpy.QtWidgets import QLabel

        return any(label.isVisible() and label.text() == "…" for label in self.window.findChildren(QLabel))

    def drawn(self) -> tuple[int, float, float]:
        """Return how many colours the canvas shows, which part of it is coloured, and how bright that part is."""
        import numpy as np

        canvas = self.viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
        colours = len(np.unique(canvas[..., 0] << 16 | canvas[..., 1] << 8 | canvas[..., 2]))
        coloured = np.ptp(canvas, axis=-1) > 30
        return colours, float(coloured.mean()), float(canvas.max(axis=-1)[coloured].mean()) / 255

    def demand(self, condition: bool, otherwise: str) -> None:
        """Fail unless `condition` holds, and nothing else has gone wrong."""
        if self.troubles:
            raise Failure(self.troubles[0])
        if not condition:
            raise Failure(otherwise)

    def wait(self, condition: Callable[[], bool], otherwise: str, seconds: float = SOON_S) -> None:
        """Let the window live until `condition` holds."""
        end = time.monotonic() + seconds
        while not condition():
            late = time.monotonic() > end
            self.demand(not late, f"{otherwise}; of the layers {self.names()} these are seen: {self.seen()}")
            pump(0.05)
        self.demand(True, "")

    def turn_to(self, tab: str) -> None:
        """Turn to a tab of the workspace."""
        from qtpy.QtWidgets import QTabWidget

        for tabs in self.window.findChildren(QTabWidget):
            for index in range(tabs.count()):
                if tabs.tabText(index) == tab:
                    tabs.setCurrentIndex(index)
                    return pump(0.5)
        raise Failure(f"no tab '{tab}'")

    # -- the steps -----------------------------------------------------------------------------------------------------

    def open_the_sample(self) -> None:
        """A scan arrives as one layer of slices."""
        choose(self.window, "File", "Open Sample", "AutoPhase", "Faceted")
        self.wait(lambda: len(self.seen()) == 1, "no scan came")
        self.scan = self.seen()[0]
        self.demand(self.viewer.dims.ndisplay == 2, "a scan is shown in 3-D")
        axes = self.viewer.dims.axis_labels
        self.demand(axes == ("frame", "row", "col"), f"the axes are called {axes}")

    def dock_the_workspace(self) -> None:
        """Its tabs are there, and Load says what was understood."""
        from qtpy.QtCore import QThreadPool
        from qtpy.QtWidgets import QLabel

        choose(self.window, "Plugins", "AutoPhase", "Workspace")
        self.turn_to("Load")
        self.wait(
            lambda: any("64 × 64 × 64" in label.text() for label in self.window.findChildren(QLabel)),
            "Load does not say that the scan has 64 × 64 × 64 voxels",
        )
        pool: Any = QThreadPool.globalInstance()
        self.wait(lambda: not pool.activeThreadCount(), "reading has no end", RUN_S)
        self.picture("1_loaded")

    def reconstruct(self) -> None:
        """The crystal arrives as a layer in nm, its isosurface is drawn and fills the canvas."""
        from qtpy.QtWidgets import QComboBox

        self.turn_to("Reconstruct")
        presets = [box for box in self.window.findChildren(QComboBox) if box.findText("fast") >= 0]
        self.demand(bool(presets) and presets[0].currentText() == "fast", "the preset is not 'fast'")
        self.button("Reconstruct").click()
        self.wait(
            lambda: all(any(name.endswith(role) for name in self.names()) for role in ROLES),
            "the crystal did not come",
            RUN_S,
        )
        self.is_crystal()
        # it was seen while it was refined, and is drawn anew piece by piece
        self.wait(lambda: self.drawn()[2] > 0.7, "the crystal is seen from its dark side")
        self.picture("2_reconstructed")

    def is_crystal(self) -> None:
        """The isosurface, and it alone, is seen, in 3-D and nm, and fills the canvas."""
        self.wait(
            lambda: [name.endswith("isosurface") for name in self.seen()] == [True],
            "the isosurface should be seen",
        )
        self.demand(self.viewer.dims.ndisplay == 3, "the crystal is shown in 2-D")
        units = {str(unit) for unit in self.viewer.layers.units or ()}
        self.demand(units == {"nanometer"}, f"the scale bar's unit is {units or 'missing'}")
        axes = self.viewer.dims.axis_labels
        self.demand(axes == ("z", "y", "x"), f"the axes are called {axes}")
        self.wait(lambda: self.drawn()[1] > 0.05, "the crystal should be drawn")  # once all of it is ready
        colours, part, _ = self.drawn()
        self.demand(colours > 200, f"the crystal has {colours} colours")
        self.demand(0.05 < part < 0.8, f"the crystal covers {part:.0%} of the canvas")

    def move_the_threshold(self) -> None:
        """The isosurface follows."""
        self.turn_to("Display")
        self.wait(lambda: self.field(CAPTION).isEnabled(), "the panel does not know the crystal")
        vertices = len(self.layer("isosurface").vertices)
        self.field(CAPTION).setValue(0.5)
        self.wait(
            lambda: 0 < len(self.layer("isosurface").vertices) < vertices,
            f"the isosurface keeps its {vertices} vertices",
        )

    def colour_by_strain(self) -> None:
        """The isosurface's map and limits follow."""
        before = self.layer("isosurface").colormap.name
        self.choose("strain")
        self.wait(lambda: self.layer("isosurface").colormap.name != before, f"the map is still {before}")
        low, high = self.layer("isosurface").contrast_limits
        self.demand(0 < high < 0.1 and low == -high, f"the strain's limits are {low}, {high}")
        self.picture("3_strain")

    def look_at_slices(self) -> None:
        """Those of the strain are seen instead of the isosurface."""
        self.button("Slices (2-D)").click()
        self.wait(
            lambda: [name.endswith("slices") for name in self.seen()] == [True], "the slices should be seen"
        )
        self.demand(self.viewer.dims.ndisplay == 2, "the slices are shown in 3-D")
        colours, *_ = self.drawn()
        self.demand(colours > 50, f"the slices have {colours} colours")
        self.picture("4_slices")

    def show_the_diffraction(self) -> None:
        """The scan is seen instead of the result."""
        self.button("Show diffraction").click()
        self.wait(lambda: self.seen() == [self.scan], "the scan should be seen")
        colours, part, _ = self.drawn()
        self.demand(colours > 50 and part > 0.05, f"the diffraction covers {part:.0%} of the canvas")
        self.picture("5_diffraction")

    def show_the_result_again(self) -> None:
        """The result is seen instead of the scan; then the crystal in space, as it was."""
        self.button("Show result").click()
        self.wait(lambda: bool(self.seen()) and self.scan not in self.seen(), "the result should be seen")
        if self.viewer.dims.ndisplay == 2:
            self.button("Crystal (3-D)").click()
        self.is_crystal()
        self.picture("6_result")

    def save(self) -> None:
        """A file is there."""
        self.button("Save…").click()
        self.wait(self.saved.is_file, f"there is no {self.saved}")

    def open_what_was_saved(self) -> None:
        """It comes back into an empty list as a crystal."""
        self.viewer.layers.clear()
        pump(0.5)
        self.viewer.open(str(self.saved), plugin="napari-autophase")
        self.is_crystal()
        self.picture("7_opened")

    def close(self) -> None:
        """The window goes without a word."""
        from qtpy.QtWidgets import QApplication

        self.viewer.close()
        pump(1)
        left = [window for window in QApplication.topLevelWidgets() if window.isVisible()]
        self.demand(not left, f"windows are left: {left}")


def choose(window: Any, *titles: str) -> None:
    """Trigger the menu entry that `titles` lead to, each the beginning of what is written there."""
    menu = window.menuBar()
    for title in titles:
        shown = {action.text().replace("&", ""): action for action in menu.actions()}
        action = next((action for text, action in shown.items() if text.startswith(title)), None)
        if action is None:
            raise Failure(f"no '{title}' among {list(shown)}")
        menu = action.menu()
        if menu is not None:
            menu.aboutToShow.emit()  # napari fills menus when they open
        last = action
    last.trigger()
    pump(1)


def pump(seconds: float) -> None:
    """Let the window live for some seconds."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def main(folder: Path, size: tuple[int, int] = (1600, 1000)) -> int:
    """Take the tour and return the exit code."""
    import napari
    from qtpy import API_NAME, QT_VERSION

    faulthandler.enable()
    faulthandler.dump_traceback_later(HANG_S, exit=True)
    folder.mkdir(parents=True, exist_ok=True)
    print(f"napari {napari.__version__}, {API_NAME}, Qt {QT_VERSION}", flush=True)
    tour = Tour(folder, size)
    steps = (
        tour.open_the_sample,
        tour.dock_the_workspace,
        tour.reconstruct,
        tour.move_the_threshold,
        tour.colour_by_strain,
        tour.look_at_slices,
        tour.show_the_diffraction,
        tour.show_the_result_again,
        tour.save,
        tour.open_what_was_saved,
        tour.close,
    )
    for step in steps:
        name = step.__name__.replace("_", " ")
        print(f"  {name}", flush=True)  # first: it may crash
        try:
            step()
            tour.demand(True, "")
        except Exception as error:
            reason = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
            print(f"FAILED: {name}: {tour.troubles[0] if tour.troubles else reason}", flush=True)
            with suppress(Exception):
                tour.viewer.close()
            return 1
    return 0


def end(code: int) -> NoReturn:
    """End the process with an exit code.

    A window that was left half-way is not taken apart: PyQt6 may crash over it as the interpreter ends, and would hide the code.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if code:
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        width, height = map(int, (*sys.argv[2:], "1600x1000")[0].split("x"))
        end(main(Path(sys.argv[1]).resolve(), (width, height)))
    with tempfile.TemporaryDirectory() as scratch:
        code = main(Path(scratch))
    end(code)

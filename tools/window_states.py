"""Pictures of every section and state of the real window, to be looked at before a release.

    xvfb-run -a -s "-screen 0 1600x1000x24" python tools/window_states.py FOLDER [--size 1280x800] [--theme light]

A larger font or another scale is asked of Qt: ``QT_FONT_DPI=144``, ``QT_SCALE_FACTOR=2``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtCore import QEventLoop, QThreadPool, QTimer
from qtpy.QtWidgets import QLabel

from napari_autophase import Recipe, read, run
from napari_autophase.samples import sample_path
from napari_autophase.viewer.sessions import session_of
from napari_autophase.viewer.widgets.page import Page


def wait(milliseconds: int) -> None:
    """Let the window live for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


class States:
    """A window that goes through its states.

    Parameters
    ----------
    folder, size, theme
        Where the pictures go, how large the window is, and napari's theme.
    """

    def __init__(self, folder: Path, size: tuple[int, int], theme: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.number = folder, 0
        self.viewer = napari.Viewer(show=True)
        self.viewer.theme = theme
        self.window = self.viewer.window._qt_window
        self.window.resize(*size)
        _, self.workspace = self.viewer.window.add_plugin_dock_widget("napari-autophase", "Workspace")
        self.session = session_of(self.viewer)
        self.until(lambda: {"reconstruct", "display"} <= set(vars(self.workspace)))

    def until(self, ready: Callable[[], bool]) -> None:
        """Let the window live until something is so, for a minute and a half at most."""
        for _ in range(900):
            wait(100)
            if ready():
                return
        raise SystemExit("The window did not come to the state that was to be shown.")

    def rest(self) -> None:
        """Wait until nothing is at work."""
        self.until(
            lambda: (
                not self.session._queue._works
                and not self.session.controller.busy
                and not QThreadPool.globalInstance().activeThreadCount()  # type: ignore[union-attr]
                and not any(
                    label.isVisible() and label.text() == "…" for label in self.window.findChildren(QLabel)
                )
            )
        )

    def shoot(self, name: str) -> None:
        """Take a picture of the whole window."""
        self.rest()
        wait(1500)
        self.number += 1
        self.window.grab().save(str(self.folder / f"{self.number:02}_{name}.png"))

    def down(self, panel: Page, part: float = 1.0) -> None:
        """Scroll a panel down."""
        wait(200)
        bar = panel.scroller.verticalScrollBar()
        if bar is not None:
            bar.setValue(round(part * bar.maximum()))

    def take(self) -> None:
        """Go through all of it."""
        session, workspace = self.session, self.workspace
        load, panel, display = workspace.load, workspace.reconstruct, workspace.display
        workspace.tabs.setCurrentIndex(0)
        self.shoot("load_empty")
        load.load(str(self.folder / "missing.npy"))
        wait(1000)
        self.shoot("load_error")
        scan = read(sample_path("strained_96x80x88.cxi"))
        session.add_scan(scan)
        self.shoot("load")
        load.corrections.head.setChecked(True)
        load.corrections.painted.view.click()
        self.shoot("load_masked")
        load.corrections.painted.view.click()
        load.corrections.crop.draw.click()
        self.shoot("load_crop")
        load.corrections.crop.draw.click()
        load.corrections.binning.sides[1].setValue(2)
        load.corrections.binning.sides[2].setValue(2)
        self.down(load, 0.5)
        self.shoot("load_binned")
        for side in load.corrections.binning.sides:
            side.setValue(1)
        load.corrections.binning.view.setChecked(False)
        self.down(load)
        self.shoot("load_geometry")
        workspace.tabs.setCurrentIndex(1)
        self.shoot("reconstruct")
        panel.advanced.head.setChecked(True)
        for part in panel.form.parts.values():
            part.head.setChecked(True)
        panel.form.settings["prepare.binning"].value = (1, 2, 40)
        self.down(panel, 0.6)
        self.shoot("reconstruct_advanced")
        self.down(panel)
        self.shoot("reconstruct_advanced_end")
        panel.form.settings["prepare.binning"].value = (1, 1, 1)
        panel.advanced.head.setChecked(False)
        self.down(panel, 0.0)
        panel.show_recipe(Recipe.from_preset("iterative"))
        panel.button.click()
        self.until(lambda: session.live.layer_of_run is not None or not session.controller.busy)
        wait(700)
        self.number += 1
        self.window.grab().save(str(self.folder / f"{self.number:02}_running.png"))
        session.controller.hold(True)
        wait(700)
        self.number += 1
        self.window.grab().save(str(self.folder / f"{self.number:02}_paused.png"))
        session.controller.cancel()
        self.rest()
        panel.show_recipe(Recipe.from_preset("network"))
        panel.button.click()
        self.until(lambda: len(session.results) == 1 and session.results[0].shown)
        self.shoot("done")
        self.down(panel)
        self.shoot("done_end")
        workspace.tabs.setCurrentIndex(2)
        self.shoot("display")
        self.down(display)
        self.shoot("display_end")
        display.exports.head.setChecked(True)
        self.down(display)
        self.shoot("display_export")
        display.exports.head.setChecked(False)
        self.down(display, 0.0)
        display.cut.setChecked(True)
        colour = display.colour
        colour.setCurrentIndex(colour.findData("strain"))
        colour.activated.emit(colour.currentIndex())
        self.shoot("strain_cut")
        display.cut.setChecked(False)
        for kind in ("facets", "directions"):
            display.beside.ticks[kind].click()
        self.down(display, 0.6)
        self.shoot("facets")
        for kind in ("facets", "directions"):
            display.beside.ticks[kind].click()
        other = run(scan, Recipe.from_preset("network").with_settings({"seed": 5}), report=lambda _: None)
        session.add_result(other)
        self.down(display, 0.6)
        session.extras.side_by_side.compare(session.results[0])
        self.shoot("compared")
        display.flat.click()
        self.shoot("compared_slices")
        session.extras.side_by_side.compare(None)
        self.shoot("slices")
        display.slices.click()
        self.shoot("three_slices")
        display.flat.click()
        self.viewer.layers.remove(session.results[-1].layers[-1])
        for layer in session.results[-1].layers:
            self.viewer.layers.remove(layer)
        self.down(display, 0.0)
        self.shoot("deleted")
        session.show_diffraction()
        self.shoot("diffraction")
        self.viewer.close()


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="1600x1000")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    States(options.folder, (width, height), options.theme).take()


if __name__ == "__main__":
    main()

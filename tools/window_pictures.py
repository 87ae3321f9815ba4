"""Pictures of the real window in each state, for the README and for judging the window by eye.

    make pictures

or ``xvfb-run -a -s "-screen 0 1600x1000x24" python tools/window_pictures.py docs/pictures``

writes the whole window as ``loaded.png``, ``window.png`` (done, by phase) and ``strain.png`` (cut open, by strain), and the panel
alone as ``panel_loaded.png``, ``panel_running.png``, ``panel_done.png`` and ``panel_error.png``.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QLabel, QWidget

from napari_autophase import Recipe, read
from napari_autophase.samples import sample_path
from napari_autophase.viewer.sessions import session_of


def wait(milliseconds: int) -> None:
    """Let the window live for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def until(ready: Callable[[], bool]) -> None:
    """Let the window live until something is so, for two minutes at most."""
    for _ in range(1200):
        if ready():
            return
        wait(100)
    raise SystemExit("The window did not come to the state that was to be shown.")


def main() -> None:
    """Go through the states and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scan", type=Path, default=sample_path("strained_96x80x88.cxi"))
    parser.add_argument("--preset", default="fast")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)

    viewer = napari.Viewer(show=True)
    window = viewer.window._qt_window
    window.resize(1600, 1000)
    _, workspace = viewer.window.add_plugin_dock_widget("napari-autophase", "Workspace")

    def shoot(**shown: QWidget) -> None:
        wait(1500)
        for name, widget in shown.items():
            widget.grab().save(str(options.folder / f"{name}.png"))

    def labels() -> list[str]:
        return [label.text() for label in window.findChildren(QLabel)]

    session = session_of(viewer)
    session.add_scan(read(options.scan))
    # what was understood is computed behind the window
    until(lambda: "…" not in labels())
    shoot(loaded=window, panel_loaded=workspace)
    workspace.tabs.setCurrentIndex(1)
    controller = session.controller
    panel = workspace.reconstruct
    panel.show_recipe(Recipe.from_preset("iterative"))
    panel.button.click()
    until(lambda: any(re.match(r"Refining · [1-9]\d+ ", text) for text in labels()))
    shoot(panel_running=workspace)
    controller.cancel()
    while controller.busy:
        wait(100)
    panel.show_recipe(Recipe.from_preset(options.preset))
    panel.button.click()
    while controller.busy:
        wait(100)
    workspace.tabs.setCurrentIndex(2)
    until(lambda: len(session.results) == 1 and session.results[0].shown)
    shoot(window=window, panel_done=workspace)
    workspace.display.cut.setChecked(True)
    colour = workspace.display.colour
    colour.setCurrentIndex(colour.findData("strain"))
    colour.activated.emit(colour.currentIndex())
    shoot(strain=window)
    session.show_diffraction()
    workspace.tabs.setCurrentIndex(1)
    session.reconstruct(Recipe.from_preset("fast").with_settings({"guess.weights": "missing.safetensors"}))
    until(lambda: not controller.busy)
    shoot(panel_error=workspace)
    viewer.close()


if __name__ == "__main__":
    main()

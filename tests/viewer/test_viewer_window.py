"""The real window: docks open from the manifest, a run goes through, and closing anything in mid-run is survived."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from napari.utils import progress
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from viewer_doubles import make_reconstruction, make_scan
from vispy.scene import SceneCanvas
from vispy.scene.cameras.base_camera import BaseCamera

from napari_autophase import reconstruct as verb
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Progress
from napari_autophase.viewer.model.canvas import compat
from napari_autophase.viewer.model.crystal.result_data import OVER_RESULT
from napari_autophase.viewer.model.run.controller import Log
from napari_autophase.viewer.sessions import session_of

pytestmark = pytest.mark.screen


@pytest.fixture
def window(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1200, 800)
    return viewer


@pytest.fixture
def endless(monkeypatch):
    """An engine that goes on until it is stopped; set when it has been."""
    stopped = threading.Event()

    def engine(scan, recipe, **_):
        try:
            step = 0
            while True:
                step += 1
                time.sleep(1e-3)  # without the interpreter's lock, as iterations are
                yield Progress("refine", step % 1000, 1000, error=1 / step)
        finally:
            stopped.set()

    monkeypatch.setattr(verb, "reconstruct", engine)
    return stopped


def open_dock(viewer, name):
    return viewer.window.add_plugin_dock_widget("napari-autophase", name)


def test_a_sample_is_reconstructed_and_shown(window, qtbot):
    _, workspace = open_dock(window, "Workspace")
    dock = workspace.reconstruct
    workspace.tabs.setCurrentIndex(1)
    dock.sample.click()
    assert window.layers[0].metadata["autophase_scan"].shape == (64, 64, 64)
    dock.preset.setCurrentText("iterative")
    dock._use_preset()
    dock.algorithm.setText("4*ER")
    dock.button.click()
    qtbot.waitUntil(lambda: not dock._controller.busy, timeout=120_000)
    assert dock.summary.text().startswith("χ²"), dock.summary.text()
    assert len(dock.curve.errors) == 4
    qtbot.waitUntil(lambda: len(window.layers) == 2, timeout=120_000)
    in_nm = {"nanometer"}
    qtbot.waitUntil(
        lambda: {str(unit) for layer in window.layers for unit in layer.units} == in_nm, timeout=120_000
    )
    qtbot.waitUntil(lambda: window.layers[1].visible, timeout=120_000)
    canvas = window.screenshot(canvas_only=True, flash=False)[..., :3]
    colours = np.unique(canvas.astype(int) @ (1 << 16, 1 << 8, 1))
    assert len(colours) > 100, "the crystal is drawn in many colours"
    workspace.display.diffraction.click()
    name = window.window._qt_viewer.dims.slider_widgets[0].axis_label
    qtbot.waitUntil(lambda: (name.text(), name.isVisible()) == ("frame", True), timeout=120_000)
    qtbot.waitUntil(lambda: not session_of(window)._queue._works, timeout=120_000)
    assert name._elidedText() == "frame", "it stands beside its slider unabridged"


@pytest.mark.parametrize("name", ["Load scan", "Reconstruct", "Display", "Workspace"])
def test_docks_fit_their_width(window, qtbot, name):
    dock_widget, widget = open_dock(window, name)
    if name == "Workspace":
        qtbot.waitUntil(lambda: set(widget._PANELS) <= set(vars(widget)), timeout=120_000)
    assert widget.minimumSizeHint().width() <= 380
    window.window.remove_dock_widget(dock_widget)


def test_however_low_a_dock_is_its_button_is_in_sight(window, qtbot):
    dock_widget, page = open_dock(window, "Reconstruct")
    page.sample.click()
    QApplication.processEvents()
    page.setMaximumHeight(page.minimumSizeHint().height())  # as where many docks are on top of each other
    assert page.maximumHeight() < 200, "docks on top of each other fit on a small screen"
    qtbot.waitUntil(lambda: page.height() <= page.maximumHeight(), timeout=120_000)

    def in_sight():
        corner = page.button.mapTo(page, page.button.rect().bottomRight())
        return page.rect().contains(corner)

    qtbot.waitUntil(in_sight, timeout=120_000)
    window.window.remove_dock_widget(dock_widget)


def test_panels_of_the_workspace_are_made_when_they_are_seen_or_soon_after(window, qtbot):
    dock_widget, workspace = open_dock(window, "Workspace")
    made = [name for name in ("load", "reconstruct", "display") if name in vars(workspace)]
    assert made == ["load"]
    workspace.tabs.setCurrentIndex(2)
    qtbot.waitUntil(lambda: workspace.display.isVisible(), timeout=120_000)
    qtbot.waitUntil(lambda: "reconstruct" in vars(workspace), timeout=120_000)
    assert [workspace.tabs.tabText(i) for i in range(workspace.tabs.count())] == [
        "Load",
        "Reconstruct",
        "Display",
    ]
    window.window.remove_dock_widget(dock_widget)
    window.open_sample("napari-autophase", "faceted")
    dock_widget, workspace = open_dock(window, "Workspace")
    assert "load" not in vars(workspace)
    qtbot.waitUntil(lambda: workspace.reconstruct.isVisible(), timeout=120_000)
    with qtbot.waitSignal(workspace.destroyed, timeout=120_000):  # and with it what would make the others
        window.window.remove_dock_widget(dock_widget)


def test_for_each_click_the_scene_is_arranged_a_few_times_however_much_changes_in_it(
    window, qtbot, monkeypatch
):
    canvas, session = window.window._qt_viewer.canvas, session_of(window)
    first, _ = (session.add_result(make_reconstruction()) for _ in range(2))
    dock_widget, dock = open_dock(window, "Display")
    arranged, reorder = [], canvas._reorder_layers
    monkeypatch.setattr(canvas, "_reorder_layers", lambda: (arranged.append(1), reorder()))

    def times(click, done):
        arranged.clear()
        click()
        qtbot.waitUntil(lambda: done() and not session._queue._works, timeout=20_000)
        return len(arranged)

    def beside_it(count):
        """Whether so many layers are seen over the result or beside it."""
        return lambda: (
            sum(layer.visible and OVER_RESULT in layer.metadata for layer in window.layers) == count
        )

    for ndisplay in (2, 3, 2, 3):
        at_most = 3 if len(window.layers) < 3 else 1  # slices come
        assert times(dock.flat.click, lambda n=ndisplay: window.dims.ndisplay == n) <= at_most
    tick, beside = dock.beside.ticks["directions"], session.extras.side_by_side
    assert times(tick.click, beside_it(2)) <= 2, "for each that comes"
    assert times(tick.click, beside_it(0)) <= 3, "once, and for each that leaves"
    assert times(lambda: beside.compare(first), beside_it(2)) <= 2, "for each that comes"
    assert times(lambda: beside.compare(None), beside_it(0)) <= 3, "once, and for each that leaves"
    window.window.remove_dock_widget(dock_widget)


def test_to_the_diffraction_and_back_what_is_drawn_follows_the_camera_a_few_times(window, qtbot, monkeypatch):
    session = session_of(window)
    session.add_scan(make_scan(size=16))
    session.add_result(make_reconstruction(size=16))
    moves, move = [], BaseCamera._set_scene_transform

    def counted(camera, transform):
        moves.append(camera)
        move(camera, transform)

    monkeypatch.setattr(BaseCamera, "_set_scene_transform", counted)
    drawn, camera = window.window._qt_viewer.canvas.camera, compat.camera(window)
    for show in (session.show_diffraction, session.show_result):
        moves.clear()
        show()
        QApplication.processEvents()
        assert 0 < len(moves) <= 20, "of itself napari moves them thirty times"
        np.testing.assert_allclose(drawn.zoom, camera.zoom)
        shown = slice(-window.dims.ndisplay, None)
        np.testing.assert_allclose(drawn.center[shown], camera.center[shown])
        assert drawn._view.camera is (drawn._2D_camera if window.dims.ndisplay == 2 else drawn._3D_camera)


def test_on_the_way_to_the_diffraction_and_back_nothing_is_drawn_but_what_comes_of_it(
    window, qtbot, monkeypatch
):
    session = session_of(window)
    session.add_scan(make_scan(size=16))
    session.add_result(make_reconstruction(size=16))
    qtbot.wait(100)
    seen, draw = [], SceneCanvas.on_draw

    def told(canvas, event):
        seen.append([layer.name for layer in window.layers if layer.visible])
        draw(canvas, event)

    monkeypatch.setattr(SceneCanvas, "on_draw", told)
    canvas = window.window._qt_viewer.canvas.native
    for show, name in (
        (session.show_diffraction, "crystal"),
        (session.show_result, "crystal · 1 isosurface"),
    ):
        seen.clear()
        QTimer.singleShot(0, show)  # so that it is done piece by piece
        qtbot.waitUntil(lambda name=name: seen[-1:] == [[name]], timeout=120_000)
        assert canvas.updatesEnabled()
        assert seen.count([]) <= 1, "the canvas is empty where its size changes"


def run(viewer, qtbot):
    dock_widget, dock = open_dock(viewer, "Reconstruct")
    viewer.open_sample("napari-autophase", "faceted")
    dock.button.click()
    qtbot.waitUntil(lambda: bool(dock.curve.errors), timeout=120_000)
    return dock_widget


def test_closing_the_dock_in_mid_run_leaves_the_run_alone_and_napari_shows_it(window, qtbot, endless):
    dock_widget = run(window, qtbot)
    window.window.remove_dock_widget(dock_widget)
    controller = session_of(window).controller
    seen = controller.log.latest
    qtbot.waitUntil(lambda: controller.log.latest is not seen, timeout=120_000)
    assert controller.state == "running"
    qtbot.waitUntil(lambda: any(bar.n > 0 for bar in progress._all_instances), timeout=120_000)
    assert len(progress._all_instances) == 1
    controller.cancel()
    qtbot.waitUntil(endless.is_set, timeout=120_000)
    qtbot.waitUntil(lambda: not progress._all_instances, timeout=120_000)


def test_closing_the_window_in_mid_run(window, qtbot, endless):
    run(window, qtbot)
    window.close()
    qtbot.waitUntil(endless.is_set, timeout=120_000)


def test_deleting_the_layers_in_mid_run(window, qtbot, monkeypatch):
    go = threading.Event()

    def engine(scan, recipe, **_):
        yield Progress("refine", 1, 2, error=1.0)
        go.wait(120)
        return make_reconstruction()

    monkeypatch.setattr(verb, "reconstruct", engine)
    run(window, qtbot)
    window.layers.clear()
    go.set()
    qtbot.waitUntil(lambda: len(session_of(window).results) == 1, timeout=120_000)


def test_the_curve_takes_the_viewer_s_theme(window, qtbot):
    _, dock = open_dock(window, "Reconstruct")
    dock.curve.draw(Log(Recipe(), errors=[1.0, 0.1]))
    dark = dock.curve.plot.backgroundBrush().color().lightness()
    window.theme = "light"
    assert dock.curve.plot.backgroundBrush().color().lightness() > dark


@pytest.mark.parametrize("what", ["result", "deletion"])
def test_the_window_lives_through_what_drew_with_freed_memory_once(what):
    """In a process of its own, for it is a segmentation fault that would end it."""
    script = Path(__file__).with_name("live_through_it.py")
    ended = subprocess.run(
        [sys.executable, str(script), what], capture_output=True, text=True, timeout=1800, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "survived" in ended.stdout

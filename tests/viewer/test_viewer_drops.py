"""Scans that are dropped on the canvas open without a question, once AutoPhase is in use in the window; others are napari's."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from npe2 import PluginManifest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QWidget
from viewer_doubles import make_scan

from napari_autophase import formats
from napari_autophase.viewer import drops
from napari_autophase.viewer.model.canvas import compat


class Canvas(QWidget):
    """What napari does with a drop: it would ask."""

    def __init__(self):
        super().__init__()
        self.setAcceptDrops(True)
        self.asked = 0

    def dragEnterEvent(self, event):
        event.accept()

    def dropEvent(self, event):
        self.asked += 1


@pytest.fixture
def canvas(qtbot, npe2pm, viewer, monkeypatch):
    for package, name in (("napari_builtins", "builtins.yaml"), ("napari_autophase", "napari.yaml")):
        npe2pm.register(PluginManifest.from_file(str(resources.files(package) / name)))
    canvas = Canvas()
    qtbot.addWidget(canvas)
    monkeypatch.setattr(compat, "where_files_are_dropped", lambda _: [canvas])
    canvas.drops = drops.Drops(viewer)
    return canvas


def drop(canvas, *paths, keys=Qt.KeyboardModifier.NoModifier):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    what = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, keys)
    QApplication.sendEvent(canvas, QDragEnterEvent(QPoint(5, 5), *what))
    QApplication.sendEvent(canvas, QDropEvent(QPointF(5, 5), *what))


@pytest.fixture
def files(tmp_path):
    formats.write_scan(make_scan(), tmp_path / "scan.h5")
    formats.write_scan(make_scan(), tmp_path / "scan.cxi")
    np.savez(tmp_path / "table.npz", a=np.ones(5))
    return tmp_path


def test_a_scan_is_opened_though_another_reader_serves_its_name(canvas, viewer, files):
    drop(canvas, files / "scan.h5", files / "scan.cxi")
    assert canvas.asked == 0
    assert [layer.source.reader_plugin for layer in viewer.layers] == ["napari-autophase"] * 2


def test_what_is_no_scan_or_asked_about_is_left_to_napari(canvas, viewer, files):
    np.save(files / "scan.npy", make_scan().counts)  # whose name is not ours
    drop(canvas, files / "table.npz")
    drop(canvas, files / "scan.h5", files / "table.npz")
    drop(canvas, files / "scan.npy")
    drop(canvas, files / "scan.h5", keys=Qt.KeyboardModifier.AltModifier)
    assert canvas.asked == 4
    assert len(viewer.layers) == 0


@pytest.mark.screen
def test_files_are_dropped_on_what_holds_the_canvas(make_napari_viewer):
    viewer = make_napari_viewer()
    places = compat.where_files_are_dropped(viewer)
    assert viewer.window._qt_viewer in places
    assert all(place.acceptDrops() for place in places)

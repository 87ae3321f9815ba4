"""What moves while something goes on costs little: without a graphics card the whole window is drawn for each of its steps."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QLabel

from napari_autophase.recipe import Recipe
from napari_autophase.viewer.activity import Activity
from napari_autophase.viewer.model.session import Session
from napari_autophase.viewer.sessions import QtBackground
from napari_autophase.viewer.widgets import notes
from napari_autophase.viewer.widgets.notes import ActivityBar


class Painted(QObject):
    """Counts how often widgets were drawn."""

    def __init__(self, *widgets):
        super().__init__()
        self.times = 0
        for widget in widgets:
            widget.installEventFilter(self)

    def eventFilter(self, _, event):
        self.times += event.type() == QEvent.Type.Paint
        return False


@pytest.fixture
def bar(qtbot):
    bar = ActivityBar()
    qtbot.addWidget(bar)
    bar.resize(300, 4)
    bar.show()
    qtbot.waitExposed(bar)
    return bar


def test_a_bar_that_moves_is_drawn_twice_a_second_at_most(bar, qtbot):
    bar.work()
    qtbot.wait(100)
    painted = Painted(bar)
    qtbot.wait(400)
    assert painted.times <= 2


def test_a_bar_wanders_from_end_to_end_while_something_goes_on(bar, qtbot, monkeypatch):
    bar.work()
    bar._timer.setInterval(1)
    seen = set()
    qtbot.waitUntil(lambda: seen.add(bar.wanderer.x()) or len(seen) == notes.PLACES)
    assert min(seen) == 0
    assert max(seen) + bar.wanderer.width() == pytest.approx(bar.width(), abs=2)
    bar.rest()
    assert bar.isHidden()
    assert not bar._timer.isActive()


@pytest.mark.screen
def test_the_wheel_beside_naparis_activity_turns_slowly_during_a_run(make_napari_viewer, launch, scan, qtbot):
    viewer = make_napari_viewer()
    session = Session(viewer, QtBackground(launch))
    activity = Activity(viewer, session.controller)
    labels = viewer.window._qt_window.statusBar().findChildren(QLabel)
    (wheel,) = [label.movie() for label in labels if label.movie() is not None]
    usual = wheel.speed()
    session.add_scan(scan)
    session.reconstruct(Recipe())
    launch.job.refine(1)
    qtbot.waitUntil(lambda: wheel.speed() <= usual / 10)
    session.controller.cancel()
    launch.job.run.on_stopped()
    qtbot.waitUntil(lambda: wheel.speed() == usual)
    del activity

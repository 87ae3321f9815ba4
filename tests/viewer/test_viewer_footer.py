"""The buttons of a run, and how far it is, are in sight whatever is seen above them, and stay where they are."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock
from napari_autophase.viewer.docks.workspace import Workspace

PANELS = ("load", "reconstruct", "display")


@pytest.fixture
def workspace(qtbot, viewer, session, scan):
    session.add_scan(scan)
    panels = Workspace(viewer)
    for name in PANELS:
        getattr(panels, name)
    qtbot.addWidget(panels)
    return panels


def open_with_letters(panels, points, qtbot):
    panels.setStyleSheet(f"QWidget {{ font-size: {points}pt; }}")
    panels.resize({9: 380, 18: 760}[points], 420)
    panels.show()
    qtbot.waitExposed(panels)


def place(panels, widget):
    for _ in range(3):
        QApplication.processEvents()
    return QRect(widget.mapTo(panels, QPoint(0, 0)), widget.size())


@pytest.mark.parametrize("points", [9, 18])
def test_whatever_panel_is_seen_however_far_down_the_buttons_stay(workspace, launch, qtbot, points):
    open_with_letters(workspace, points, qtbot)
    footer, report = workspace.reconstruct.footer, workspace.reconstruct.report
    there = place(workspace, footer)
    assert there.bottom() == workspace.rect().bottom()
    scrolls = set()
    for index, name in enumerate(PANELS):
        workspace.tabs.setCurrentIndex(index)
        bar = getattr(workspace, name).scroller.verticalScrollBar()
        for value in (0, bar.maximum()):
            bar.setValue(value)
            assert place(workspace, footer) == there
            assert all(each.isVisible() for each in (footer.button, footer.pause, footer.cancel))
        scrolls.add(bar.maximum() > 0)
    assert True in scrolls, "some panel is longer than this window is high"

    watched = (footer, footer.button, footer.cancel, report.stage, report.bar)
    before, width = [place(workspace, each) for each in watched], workspace.minimumSizeHint().width()
    footer.button.click()
    launch.job.refine(10, errors=[0.5, 0.25])
    report.stage.setText("Refining · 100000 of 1000000 · 100 min 59 s left, " * 3)
    assert report.stage.isVisible(), "how far it is is said below every panel"
    assert [place(workspace, each) for each in watched] == before
    assert workspace.minimumSizeHint().width() == width, "the dock is not widened by what is said"
    QTest.keyClick(workspace.display, Qt.Key.Key_Escape)
    assert launch.job.quits == 1, "Esc cancels from every panel"


def test_a_panel_of_its_own_has_them_too(qtbot, viewer, session, scan):
    session.add_scan(scan)
    dock = ReconstructDock(viewer)
    qtbot.addWidget(dock)
    dock.resize(372, 300)
    dock.show()
    qtbot.waitExposed(dock)
    there = place(dock, dock.footer)
    assert there.bottom() == dock.rect().bottom()
    bar = dock.scroller.verticalScrollBar()
    assert bar.maximum() > 0
    bar.setValue(bar.maximum())
    assert place(dock, dock.footer) == there


def test_what_is_said_of_a_run_has_the_scan_s_name_as_it_is(workspace, session, launch):
    """A layer may be called by a person as they like: nothing of it is markup."""
    session.viewer.layers[0].name = "Au <111> & <b>tip"
    footer, report = workspace.reconstruct.footer, workspace.reconstruct.report
    footer.button.click()
    launch.job.refine(10)
    assert report.stage.text().endswith("Au <111> & <b>tip")
    for label in (report.stage, workspace.reconstruct.finetune.stage):
        assert label.textFormat() == Qt.TextFormat.PlainText

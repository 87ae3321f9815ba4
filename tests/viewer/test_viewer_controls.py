"""Every control says what it does, and Tab goes down each panel."""

from __future__ import annotations

from itertools import pairwise

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QTabBar,
    QWidget,
)
from viewer_doubles import make_reconstruction

from napari_autophase.viewer.docks.workspace import Workspace
from napari_autophase.viewer.widgets.section import Section


@pytest.fixture
def workspace(qtbot, viewer, session, scan):
    session.add_scan(scan)
    session.add_result(make_reconstruction())
    panels = Workspace(viewer)
    for name in panels._PANELS:
        for section in getattr(panels, name).findChildren(Section):
            section.head.setChecked(True)
    qtbot.addWidget(panels)
    panels.resize(400, 900)
    panels.show()
    return panels


def explained(control):
    """Whether it, or what it is a part of, has a tooltip."""
    while control is not None and not control.toolTip():
        control = control.parentWidget()
    return control is not None


def controls(panel):
    heads = [section.head for section in panel.findChildren(Section)]  # which say it themselves
    for control in panel.findChildren(QWidget):
        part = isinstance(control.parentWidget(), QAbstractSpinBox | QComboBox | QScrollBar | QTabBar)
        kinds = QAbstractButton | QComboBox | QAbstractSpinBox | QLineEdit
        if isinstance(control, kinds) and not part and control not in heads:
            yield control


def stops(panels, panel):
    """What Tab stops at in a panel, from the first."""
    control, found = panels.nextInFocusChain(), []
    while control is not panels:
        reached = (
            control.isVisible() and control.isEnabled() and control.focusPolicy() & Qt.FocusPolicy.TabFocus
        )
        if reached and panel.isAncestorOf(control):
            found.append(control)
        control = control.nextInFocusChain()
    return found


def test_every_control_says_what_it_does_and_tab_goes_down_each_panel(workspace):
    for index, name in enumerate(workspace._PANELS):
        workspace.tabs.setCurrentIndex(index)
        QApplication.processEvents()
        panel = getattr(workspace, name)
        mute = [each for each in controls(panel) if each.isVisibleTo(panel) and not explained(each)]
        assert not [(type(each).__name__, each.objectName(), getattr(each, "text", str)()) for each in mute]
        body = panel.scroller.widget()
        places = [
            stop.mapTo(body, QPoint(0, 0)).y() for stop in stops(workspace, panel) if body.isAncestorOf(stop)
        ]
        assert len(places) > 15
        # what stands side by side need not begin at quite the same height
        assert all(after > before - 8 for before, after in pairwise(places)), places
    assert all(each.toolTip() for each in workspace.reconstruct.footer.findChildren(QAbstractButton))

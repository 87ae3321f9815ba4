"""What is said of a preset before it is chosen: what it is for, and how long it takes."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPainter
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QStyleOptionViewItem
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.recipe import PRESETS, Recipe
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock
from napari_autophase.viewer.model.run.costs import PURPOSES, costs, roughly, seconds
from napari_autophase.viewer.widgets.narrow import shown
from napari_autophase.viewer.widgets.preset_choice import COST, PresetChoice

pytestmark = pytest.mark.usefixtures("qapp")


def preset(name):
    return Recipe.from_preset(name)


@pytest.mark.parametrize(
    ("name", "side", "measured_s"),
    [
        ("fast", 64, 0.55),
        ("iterative", 128, 7.9),
    ],  # of the table in README.md, on two cores
)
def test_a_time_is_about_what_was_measured(name, side, measured_s):
    assert measured_s / 2 < seconds((side,) * 3, preset(name), {}) < 2 * measured_s


def test_a_time_follows_earlier_runs():
    usual = seconds((64,) * 3, preset("fast"), {})
    known = dict.fromkeys(("prepare", "look", "search", "refine", "analyse"), 5e-8)
    assert seconds((64,) * 3, preset("fast"), known) == pytest.approx(10 * usual)
    only = seconds((64,) * 3, preset("fast"), {"refine": 5e-8})
    assert only == pytest.approx(10 * usual), "other phases take as long as what is known"


def test_a_time_is_said_as_far_as_it_is_known():
    said = [roughly(each) for each in (0.2, 1.1, 2.3, 17.0, 70.0, 130.0, 5000.0, 9e6)]
    assert said == ["< 1 s", "~ 1 s", "~ 2 s", "~ 15 s", "~ 60 s", "~ 2 min", "~ 90 min", "> 90 h"]


def test_nothing_is_said_where_nobody_can_tell():
    assert costs(None, preset, {}) == {}
    assert costs(make_scan(), preset, None) == {}
    assert set(costs(make_scan(), preset, {})) == set(PRESETS)


@pytest.fixture
def dock(session, viewer, qtbot):
    dock = ReconstructDock(viewer)
    qtbot.addWidget(dock)
    dock._on_devices({"cpu"})
    return dock


def said(dock):
    return {dock.preset.itemData(i): dock.preset.itemData(i, COST) for i in range(dock.preset.count())}


def test_every_preset_says_how_long_it_takes_on_this_scan(dock, session):
    assert set(said(dock).values()) <= {"", None}
    scan = make_scan(size=48)
    session.add_scan(scan)
    assert said(dock) == costs(scan, preset, {})
    dock.resize(500, 600)
    dock.show()
    assert shown(dock.preset) == f"fast  ·  {said(dock)['fast']}"
    dock.algorithm.setText("200000*ER")
    assert said(dock)["fast"].endswith("min"), "it is that of the settings as they are"
    assert said(dock)["iterative"] == costs(scan, preset, {})["iterative"]


def test_of_a_graphics_card_nothing_is_said_before_a_run_has_told(dock, session, launch):
    session.add_scan(make_scan())
    dock._on_devices({"cpu", "cuda:0"})
    assert not any(said(dock).values())
    session.controller._rates["auto"] = {"refine": 1e-9}
    session.controller._ended["auto"] = 2
    dock.basic["seed"].field.value = 1
    assert all(said(dock).values())
    dock.basic["device"].value = "cpu"
    assert said(dock) == costs(make_scan(), preset, {})


def test_a_first_run_which_compiles_tells_nothing_of_the_next(dock, session, launch):
    session.add_scan(make_scan())
    before = said(dock)
    for run in (1, 2):
        dock.button.click()
        session.controller._rates["auto"]["refine"] = 1e-3
        launch.job.done(make_reconstruction())
        launch.job.run.on_stopped()
        assert (said(dock) == before) == (run == 1)


def test_presets_are_chosen_by_keys(dock, session, qtbot):
    dock.show()
    dock.preset.setFocus()
    QTest.keyClick(dock.preset, Qt.Key.Key_Down)
    assert dock.preset.currentData() == "iterative"
    assert dock.recipe().refine.algorithm == preset("iterative").refine.algorithm
    index = dock.preset.model().index(3, 0)
    assert index.data(Qt.ItemDataRole.AccessibleDescriptionRole) == PURPOSES["best"]


@pytest.mark.parametrize("points", [9, 18])
def test_a_card_has_room_for_its_lines(points, qapp, qtbot):
    before = qapp.styleSheet()
    qapp.setStyleSheet(f"QWidget {{ font-size: {points}pt; }}")
    box = PresetChoice()
    qtbot.addWidget(box)
    box.show_costs(dict.fromkeys(PRESETS, "~ 15 s"))
    box.resize(240, 40)
    box.show()
    letters, card = box.fontMetrics(), box.itemDelegate()
    for row in range(box.count()):
        index, option = box.model().index(row, 0), QStyleOptionViewItem()
        assert card.sizeHint(option, index).height() >= 2 * letters.height()
        option.rect = box.rect()
        picture = QImage(240, 40, QImage.Format.Format_ARGB32)
        painter = QPainter(picture)
        card.paint(painter, option, index)
        painter.end()
    qapp.setStyleSheet(before)

"""Results are told apart: by a line of what they are, and by a star and a remark, which are kept with them."""

from __future__ import annotations

from dataclasses import replace

import h5py
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QWidget
from viewer_doubles import GEOMETRY, make_reconstruction

from napari_autophase import formats
from napari_autophase.recipe import Recipe
from napari_autophase.viewer.docks.display_dock import DisplayDock
from napari_autophase.viewer.model.crystal.result_data import RECONSTRUCTION
from napari_autophase.viewer.model.result import remarks
from napari_autophase.viewer.model.result.logbook import logbook_line
from napari_autophase.viewer.model.result.saving import SAVED, save


@pytest.fixture
def results(session):
    return [session.add_result(make_reconstruction()) for _ in range(2)]


# what is said


def test_a_line_says_what_tells_a_result_from_others():
    found = replace(make_reconstruction(), starred=True, remark="tip is sharp")
    line = remarks.line("crystal · 1", found)
    assert line.cells == ("★ crystal · 1", "fast", "0.0123", "1.5", "3.2 s", "tip is sharp")
    assert line.words == "★ crystal · 1 · fast · χ² 0.0123 · held-out 1.5 · 3.2 s · tip is sharp"
    edited = Recipe().with_settings({"refine.beta": 0.8})
    assert remarks.line("", replace(found, recipe=edited)).preset == "fast*"


def test_what_nobody_knows_is_left_out():
    foreign = replace(make_reconstruction(), figures={}, seconds={}, versions={"PyNX": "2024.1"})
    line = remarks.line("gold · 1", foreign)
    assert line.cells == ("gold · 1", "PyNX", "–", "–", "–", "")
    assert line.words == "gold · 1 · PyNX"


def test_a_remark_is_one_line(session, results):
    session.mark_result(results[0], False, "  two\nlines ")
    assert results[0].reconstruction.remark == "two lines"


def test_what_cannot_be_printed_is_left_out_of_a_remark(session, results, tmp_path):
    """A file cannot hold the first two, and the third turns the rest of the line."""
    session.mark_result(results[0], False, "a\x00b \ud800c \u202ed 晶 ☃" + 1000 * "x")
    remark = results[0].reconstruction.remark
    assert remark.startswith("a b c d 晶 ☃xxx")
    assert len(remark) == 400
    found = formats.read(save(results[0].reconstruction, tmp_path / "one.cxi"))
    assert found.remark == remark
    odd = replace(make_reconstruction(), remark="a\x00b")  # by a script
    assert formats.read(save(odd, tmp_path / "two.cxi")).remark == "a b"


# it is kept


def test_star_and_remark_are_written_and_read_again(session, results, tmp_path):
    session.mark_result(results[0], True, "Kristall, Spitze fehlt")
    path = save(results[0].reconstruction, tmp_path / "one.cxi", results[0].look)
    found = formats.read(path)
    assert (found.starred, found.remark) == (True, "Kristall, Spitze fehlt")
    assert (found.report()["starred"], found.report()["remark"]) == (True, "Kristall, Spitze fehlt")


def test_a_file_of_an_older_version_has_neither(results, tmp_path):
    path = save(results[0].reconstruction, tmp_path / "one.cxi")
    with h5py.File(path) as file:
        names: list[str] = []
        file.visit(names.append)
    assert not [name for name in names if name.endswith(("/starred", "/remark"))], (
        "as older versions wrote it"
    )
    found = formats.read(path)
    assert (found.starred, found.remark) == (False, "")


def test_they_stand_in_the_line_for_the_logbook(session, results):
    session.mark_result(results[0], True, "tip is sharp")
    assert logbook_line(results[0]).startswith("crystal ★ tip is sharp; fast")
    session.mark_result(results[0], False, "")
    assert logbook_line(results[0]).startswith("crystal; fast")


def test_layers_know_them(session, results):
    (layer, *_) = results[0].layers
    session.mark_result(results[0], True, "")
    assert layer.metadata[RECONSTRUCTION].starred, "which napari's File > Save writes"


def test_another_geometry_leaves_them(session, results, qtbot):
    result = session.add_result(
        replace(make_reconstruction(), peak=(12.0, 12.0, 12.0), scan_shape=(24, 24, 24))
    )
    before = result.reconstruction
    session.mark_result(result, True, "tip is sharp")  # while the drawing is under way
    from napari_autophase.viewer.model.crystal.drawing import draw

    session._gallery._redraw(result, draw(replace(before, geometry=GEOMETRY)))
    assert result.reconstruction.geometry == GEOMETRY
    assert result.reconstruction.said == "★ tip is sharp"
    assert all(layer.metadata[RECONSTRUCTION] is result.reconstruction for layer in result.layers)


def test_a_result_that_is_deleted_comes_back_with_them(session, viewer, results):
    session.mark_result(results[1], True, "tip is sharp")
    for layer in results[1].layers:
        viewer.layers.remove(layer)
    session.deleted.bring_back()
    assert session.results[-1].reconstruction.said == "★ tip is sharp"


def test_a_result_that_is_marked_after_it_was_saved_is_said_to_differ_from_its_file(
    session, results, tmp_path
):
    save(results[0].reconstruction, tmp_path / "one.cxi")
    session.mark_result(results[0], True, "")
    assert SAVED.gist(results[0].reconstruction).words == "changed since one.cxi"


def test_what_is_taken_back_is_as_it_was_saved(session, results, tmp_path):
    save(results[0].reconstruction, tmp_path / "one.cxi")
    saved = SAVED.gist(results[0].reconstruction)
    for starred, remark in ((True, ""), (True, "twin"), (False, "twin")):
        session.mark_result(results[0], starred, remark)
        assert SAVED.gist(results[0].reconstruction).words == "changed since one.cxi"
    session.mark_result(results[0], False, "")
    assert SAVED.gist(results[0].reconstruction) == saved
    opened = session.add_result(formats.read(tmp_path / "one.cxi"))
    session.mark_result(opened, True, "")
    session.mark_result(opened, False, "")
    assert SAVED.gist(opened.reconstruction).words == "from one.cxi"


def test_a_result_in_another_geometry_than_its_file_is_said_to_differ_from_it(session, results, tmp_path):
    from napari_autophase.viewer.model.crystal.drawing import draw

    save(results[0].reconstruction, tmp_path / "one.cxi")
    opened = session.add_result(formats.read(tmp_path / "one.cxi"))
    for result, before in ((opened, "from one.cxi"), (results[0], "saved")):
        found = result.reconstruction
        assert SAVED.gist(found).words.startswith(before)
        session._gallery._redraw(result, draw(replace(found, geometry=GEOMETRY)))
        assert SAVED.gist(result.reconstruction).words == "changed since one.cxi"
        session._gallery._redraw(result, draw(found))
        assert SAVED.gist(result.reconstruction).words.startswith(before)


def test_a_starred_result_is_not_replaced(session, results):
    last = results[1].reconstruction
    session.mark_result(results[1], True, "")
    session.add_result(make_reconstruction(), replace_last=True)
    assert len(session.results) == 3
    assert results[1].reconstruction.object is last.object
    session.add_result(make_reconstruction(), replace_last=True)
    assert len(session.results) == 3, "the last is another one now, without a star"


def test_what_takes_the_place_of_a_result_has_not_its_remark(session, results):
    session.mark_result(results[1], False, "twin")
    session.add_result(make_reconstruction(), replace_last=True)
    assert len(session.results) == 2
    assert session.results[1].reconstruction.remark == ""


# in the panel


@pytest.fixture
def dock(qtbot, viewer, session, results):
    dock = DisplayDock(viewer)
    qtbot.addWidget(dock)
    return dock


def table(dock):
    model = dock.result.model()
    return [[model.item(row, column).text() for column in range(6)] for row in range(model.rowCount())]


def typed(qtbot, dock, text):
    dock.remark.clear()
    qtbot.keyClicks(dock.remark, text)


def test_what_is_typed_of_a_result_is_not_said_of_the_one_that_takes_its_place(qtbot, dock, session, results):
    typed(qtbot, dock, "half typed")
    session.add_result(make_reconstruction(), replace_last=True)
    assert dock.remark.text() == ""
    dock.remark.settle()
    assert session.results[-1].reconstruction.remark == ""


def test_escape_takes_back_what_is_typed_and_does_no_more(qtbot, dock, session, results):
    session.mark_result(results[1], False, "tip")
    overrides = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
    for text, kept in (("other", True), ("tip", False)):
        typed(qtbot, dock, text)
        overrides.ignore()
        dock.remark.event(overrides)
        assert overrides.isAccepted() is kept, "nothing else gets the key, such as what cancels a run"
        qtbot.keyClick(dock.remark, Qt.Key.Key_Escape)
        assert dock.remark.text() == "tip"
    assert results[1].reconstruction.remark == "tip"


def test_the_list_is_a_table(dock):
    assert table(dock) == [[f"crystal · {n}", "fast", "0.0123", "1.5", "3.2 s", ""] for n in (1, 2)]
    assert dock.result.currentText() == "crystal · 2"


def test_a_star_is_set_by_a_click_and_a_remark_by_typing(dock, results, qtbot):
    assert dock.star.text() == "☆"
    dock.star.click()
    qtbot.keyClicks(dock.remark, "tip is sharp")
    dock.remark.editingFinished.emit()
    assert results[1].reconstruction.said == "★ tip is sharp"
    assert dock.star.text() == "★"
    assert dock.result.currentText() == "★ crystal · 2"
    assert table(dock)[1][5] == "tip is sharp"
    dock.star.click()
    assert results[1].reconstruction.said == "tip is sharp"


def test_what_is_typed_when_another_result_is_chosen_is_of_the_one_before(dock, session, results, qtbot):
    qtbot.keyClicks(dock.remark, "twin")
    session.add_result(make_reconstruction())  # which is chosen
    assert [result.reconstruction.remark for result in session.results] == ["", "twin", ""]
    assert dock.remark.text() == ""
    dock.result.setCurrentIndex(1)
    dock.result.activated.emit(1)
    assert dock.remark.text() == "twin"


def test_what_is_typed_when_the_panel_is_closed_is_kept(viewer, results, qtbot):
    holder = QWidget()
    qtbot.addWidget(holder)
    dock = DisplayDock(viewer)
    dock.setParent(holder)
    qtbot.keyClicks(dock.remark, "twin")
    dock.setParent(None)  # as napari does before it closes a dock
    assert results[1].reconstruction.remark == "twin"


def test_what_is_typed_when_its_result_is_deleted_comes_back_with_it(dock, session, viewer, results, qtbot):
    qtbot.keyClicks(dock.remark, "twin")
    (layer,) = results[1].layers
    viewer.layers.remove(layer)
    assert dock.remark.text() == ""
    session.deleted.bring_back()
    qtbot.waitUntil(lambda: len(session.results) == 2)
    assert session.results[-1].reconstruction.remark == "twin"
    assert dock.remark.text() == "twin"
    assert session.results[0].reconstruction.remark == ""


def test_what_is_typed_is_still_being_typed_when_another_layer_goes(dock, viewer, results, qtbot):
    qtbot.keyClicks(dock.remark, "twin")
    viewer.layers.remove(results[0].layers[0])
    assert dock.remark.is_typed


def test_what_is_typed_is_saved_too(dock, results, qtbot, tmp_path, monkeypatch):
    from napari_autophase.viewer.docks import display_dock

    path = str(tmp_path / "one.cxi")
    monkeypatch.setattr(display_dock.QFileDialog, "getSaveFileName", lambda *_: (path, ""))
    monkeypatch.setattr(display_dock, "show_info", lambda _: None)
    qtbot.keyClicks(dock.remark, "twin")
    dock.save.click()
    assert formats.read(path).remark == "twin"
    assert dock.exports.gist_line.text().endswith("one.cxi")


def test_a_long_name_does_not_widen_the_panel(dock, session):
    before = dock.minimumSizeHint().width()
    session.add_result(make_reconstruction("a name that is much longer than there is room for " * 3))
    session.mark_result(session.results[-1], True, "a remark that is as long " * 9)
    assert dock.minimumSizeHint().width() == before

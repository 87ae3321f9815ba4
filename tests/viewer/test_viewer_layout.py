"""What keeps panels whole where letters are large."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QPushButton, QVBoxLayout, QWidget

from napari_autophase.viewer.widgets.box import Box
from napari_autophase.viewer.widgets.layout import LABEL_WIDTH, Buttons, caption, form
from napari_autophase.viewer.widgets.notes import Note
from napari_autophase.viewer.widgets.page import Page
from napari_autophase.viewer.widgets.scan_facts import ScanFacts

pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture(params=[9, 18])
def points(request, qapp):
    before = qapp.styleSheet()
    qapp.setStyleSheet(f"QWidget {{ font-size: {request.param}pt; }}")
    yield request.param
    qapp.setStyleSheet(before)


def shown(widget, width, qtbot):
    outside = widget.outside = QWidget()  # which would go otherwise, and all that is in it
    qtbot.addWidget(outside)
    QVBoxLayout(outside).addWidget(widget)
    outside.layout().setContentsMargins(0, 0, 0, 0)
    outside.resize(width, 200)
    outside.show()
    for _ in range(3):
        QApplication.processEvents()
    return widget


def test_labels_are_as_wide_as_each_other_or_as_their_text(points, qtbot):
    page = QWidget()
    lines = form(page)
    label = caption("Crystal, hkl and more")
    lines.addRow(caption("Seed"), QPushButton("a rather long button that needs its room"))
    lines.addRow(label, QPushButton())
    shown(page, 60, qtbot)
    assert label.width() >= max(LABEL_WIDTH, label.fontMetrics().horizontalAdvance(label.text()))


def test_no_button_is_cut_off_however_large_letters_are(points, qtbot):
    names = ("Save recipe…", "Load recipe…", "Copy command")
    row = shown(Buttons(*map(QPushButton, names)), 354, qtbot)
    buttons = row.findChildren(QPushButton)
    assert all(button.width() >= button.minimumSizeHint().width() for button in buttons)
    assert all(button.height() >= button.minimumSizeHint().height() for button in buttons)
    assert all(row.rect().contains(button.geometry()) for button in buttons)
    lines = {button.y() for button in buttons}
    assert (len(lines) == 1) == (points == 9)


def test_buttons_that_are_called_otherwise_find_room(qtbot):
    row = shown(Buttons(QPushButton("a"), QPushButton("b")), 200, qtbot)
    one, other = row.findChildren(QPushButton)
    assert one.y() == other.y()
    one.setText("a button that takes nearly all of the room")
    qtbot.waitUntil(lambda: one.y() < other.y(), timeout=120_000)
    one.setText("a")
    qtbot.waitUntil(lambda: one.y() == other.y(), timeout=120_000)


def test_notes_are_whole_however_low_a_panel_is(points, qtbot):
    page, box, notes = Page(), Box("Over it", "guide/strain.md"), [Note() for _ in range(4)]
    lines = form(box)
    for note in notes:
        note.setTextFormat(Qt.TextFormat.RichText)
        lines.addRow(note)
    page.column.addWidget(box)
    page.column.addWidget(QPushButton("Save"))
    shown(page, 300, qtbot)
    for note in notes:
        note.say("8 facets on 70 % of the surface: <nobr>6 without indices</nobr>, <nobr>2 {111}</nobr>.")
    qtbot.waitUntil(
        lambda: all(note.height() >= note.heightForWidth(note.width()) for note in notes), timeout=120_000
    )
    assert box.minimumSizeHint().height() >= box.heightForWidth(box.width()), "it is never given less"
    notes[1].say("no more than this")
    once = notes[1].fontMetrics().height()
    qtbot.waitUntil(lambda: once <= notes[1].height() < 2 * once, timeout=120_000)


def test_facts_are_whole_when_they_become_longer(points, qtbot):
    page = Page()
    facts = ScanFacts()
    page.column.addWidget(facts)
    shown(page, 372, qtbot)
    label = facts.facts["Lattice"]
    label.setText("d = 0.23673 nm, 0.23348 nm at the arm, which is said in more than one line")
    qtbot.waitUntil(lambda: label.height() >= label.heightForWidth(label.width()), timeout=120_000)
    assert label.minimumSizeHint().height() >= label.heightForWidth(label.width()), "it is never given less"


def test_the_question_mark_of_a_box_is_whole(points, qtbot):
    box = shown(Box("Crystal", "guide/strain.md"), 300, qtbot)
    assert box.explained.height() >= box.explained.fontMetrics().height()
    assert box.rect().contains(box.explained.geometry())

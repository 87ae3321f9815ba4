"""What keeps panels whole where letters are large."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_autophase.viewer.widgets.box import Box
from napari_autophase.viewer.widgets.layout import LABEL_WIDTH, Buttons, caption, form
from napari_autophase.viewer.widgets.narrow import Button, Combo, Tick
from napari_autophase.viewer.widgets.narrow import shown as elided
from napari_autophase.viewer.widgets.notes import Note
from napari_autophase.viewer.widgets.page import Page
from napari_autophase.viewer.widgets.recipe_form import RecipeForm
from napari_autophase.viewer.widgets.scan_facts import ScanFacts
from napari_autophase.viewer.widgets.section import Section

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


def test_forms_give_way_where_letters_leave_no_room_beside_labels(points, qtbot):
    page = QWidget()
    lines = form(page)
    label, box = caption("First look suffices below χ²"), QSpinBox()
    box.setRange(0, 100_000)
    box.setSuffix(" iterations")
    lines.addRow(label, box)
    lines.addRow(caption("Seed"), QLineEdit())
    shown(page, 340, qtbot)
    assert page.width() == 340, "it asks for no more"
    assert box.width() >= box.sizeHint().width(), "nothing of it is cut off"
    assert (box.y() > label.y() + label.height() - 1) == (points == 18)


def test_what_a_choice_has_no_room_for_is_left_out_of_its_middle(points, qtbot):
    box = Combo()
    box.addItems(["strained_96x80x88_of_the_night_before · 2", "a"])
    shown(box, 200, qtbot)
    assert box.width() == 200
    before, _, after = elided(box).partition("…")
    assert before.startswith("st")
    assert after.endswith("· 2"), "results differ by their number"
    box.setCurrentIndex(1)
    assert elided(box) == "a"


def test_all_settings_of_a_recipe_fit_into_a_narrow_dock(points, qtbot):
    fields = shown(RecipeForm(elsewhere=()), 380, qtbot)
    for part in fields.parts.values():
        part.head.setChecked(True)
    QApplication.processEvents()
    assert fields.minimumSizeHint().width() <= 380


def test_ticks_go_on_in_another_line(points, qtbot):
    tick = shown(Tick("Show the crystal while it is refined"), 300, qtbot)
    assert tick.text() == "Show the crystal while it is refined"
    assert tick.width() == 300
    line = tick.fontMetrics().height()
    assert (tick.sizeHint().height() >= 2 * line) == (points == 18)
    tick.click()
    assert tick.isChecked()


def test_headlines_and_long_buttons_end_in_an_ellipsis(points, qtbot):
    button = shown(Button("Bring back the scan of the night before"), 200, qtbot)
    assert button.width() == 200
    assert button.cut.endswith("…")
    wide = shown(Button("Sum"), 160, qtbot)
    assert wide.cut == "Sum"
    section = shown(Section("Sum of all the repeated scans of one night"), 200, qtbot)
    assert section.width() == 200
    assert section.head.width() < section.head.sizeHint().width()

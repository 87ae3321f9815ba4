"""Sentences that the command line says too name the fields of the window there, and its options nowhere."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel
from viewer_doubles import GEOMETRY, make_reconstruction, make_scan

import napari_autophase
from napari_autophase.recipe import Recipe
from napari_autophase.recipe.settings import settings
from napari_autophase.viewer.docks import load_dock
from napari_autophase.viewer.docks.load_dock import LoadDock
from napari_autophase.viewer.docks.workspace import Workspace
from napari_autophase.viewer.model.words import run_words
from napari_autophase.viewer.widgets.notes import Note, Notes, Wrapped
from napari_autophase.viewer.widgets.words import in_window


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("--roi '1,2': write 4 whole numbers", "Region '1,2': write 4 whole numbers"),
        ("--roi 0,0,9,4: give first row", "Region: 0,0,9,4: give first row"),
        ("--values counts leaves them as they are.", "Numbers: counts leaves them as they are."),
        ("--mask-good 0 turns it round.", "In the mask: 0 turns it round."),
        ("give the scan, and this file with --mask.", "give the scan, and this file with Mask."),
        ("--set geometry.direct_beam_pixel=ROW,COLUMN says another.", "Direct beam (pixel) says another."),
        (
            "say the step with --set geometry.rocking_step_deg=…",
            "say the step with Rocking step (°)",
        ),
        ("is assumed; otherwise give --conjugate.", "is assumed; otherwise give “The phase is +Q·u”."),
        ("it lacks x; give it with --set.", "it lacks x; give it with the fields below."),
        ("not usable: refine.algorithm=5*X: expected", "not usable: Algorithm 5*X: expected"),
        ("(prepare.other_peaks=false leaves them).", "(Mask other peaks off leaves them)."),
        ("Bin it (--set prepare.binning=2,2,2: an eighth).", "Bin it (Binning 2,2,2: an eighth)."),
        ("taken to be equal; give --geometry.", "taken to be equal; give its geometry."),
        ("write prepare.crop=auto", "write Crop to auto"),
        (
            "S0054.refine.h5 at 2.5e-3 of prepare.dat is not there",
            "S0054.refine.h5 at 2.5e-3 of prepare.dat is not there",
        ),
    ],
)
def test_options_are_fields_in_the_window(said, shown):
    assert in_window(said) == shown


def test_no_option_that_a_reader_names_is_left_in_the_window():
    """All sentences of the readers, as far as they stand in one line of the code."""
    room = Path(napari_autophase.__file__).parent / "formats"
    named = set()
    for path in room.rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.search(r"[\"' ]--[a-z]", line) and "geometry.{" not in line:
                named |= set(re.findall(r"--[a-z][a-z-]*", in_window(line)))
    assert named <= {"--set"}, "of what has no field"


def test_no_setting_that_is_named_as_a_key_is_left_in_the_window():
    """Of all sentences of the library that name one, as far as they stand in one line of the code."""
    room, keys = Path(napari_autophase.__file__).parent, [key for key, _ in settings(Recipe) if "." in key]
    said = [
        line
        for path in room.rglob("*.py")
        if not {"viewer", "cli", "recipe"} & set(path.relative_to(room).parts)
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"[\"(] ?(--set )?(" + "|".join(map(re.escape, keys)) + ")=", line)
    ]
    assert len(said) >= 4, "else they are sought in the wrong place"
    assert not [line for line in said if any(key in in_window(line) for key in keys)]


def test_no_result_is_said_to_be_certain():
    assert run_words.quality({"chi2": 0.01, "confidence": 0.9999}) == ["χ² 0.01", "confidence 99 %"]


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        (
            "χ² 0.0165 · held-out likelihood 1.2 · confidence 99 %",
            ["χ² 0.0165", "likelihood 1.2", "confidence 99 %"],
        ),
        ("d = 0.23553 nm, 0.23601 nm at the arm", ["= 0.23553 nm,", "0.23601 nm"]),
        ("3 min 20 s left of 12 GiB", ["3 min", "20 s", "12 GiB"]),
        ("a strain of ± 4.1e-04 at 9.0 keV and 0.5 1/nm", ["± 4.1e-04", "9.0 keV", "0.5 1/nm"]),
        ("Cropped to 64 main rows of scan 5 nothing", []),
    ],
)
@pytest.mark.parametrize("make", [Note, Wrapped])
def test_no_line_ends_between_a_number_and_its_unit(qtbot, make, said, lines):
    note = make()
    qtbot.addWidget(note)
    (note.say if make is Note else note.setText)(said)
    shown = QLabel.text(note)
    held = {word.replace("\u00a0", " ") for word in shown.split(" ") if "\u00a0" in word}
    assert held == set(lines)
    assert note.text() == shown.replace("\u00a0", " ") == said


@pytest.mark.parametrize("said", ["TypeError: <b>x</b> is no <class 'str'>", "<b>S54</b> is cut short"])
def test_what_looks_like_markup_is_said_as_it_stands(qtbot, said):
    """A name that a person has given, or an error of Python's."""
    note = Note()
    qtbot.addWidget(note)
    note.say(f"<span>{said}</span>", marked_up=True)
    marked_up = note.sizeHint()
    note.say(said, error=True)
    assert note.textFormat() == Qt.TextFormat.PlainText
    assert note.sizeHint() != marked_up


def test_every_text_of_the_panels_that_wraps_keeps_them_together(qtbot, viewer, session, scan):
    session.add_scan(scan)
    session.add_result(make_reconstruction())
    panels = Workspace(viewer)
    qtbot.addWidget(panels)
    for name in ("load", "reconstruct", "display"):
        getattr(panels, name)
    wrap = [each for each in panels.findChildren(QLabel) if each.wordWrap()]
    assert wrap
    assert all(isinstance(each, Wrapped) for each in wrap)


def test_every_error_that_napari_shows_says_fields():
    room = Path(napari_autophase.__file__).parent / "viewer"
    shown = [
        line.strip()
        for path in room.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "show_error(" in line
    ]
    assert shown
    assert not [line for line in shown if "show_error(in_window(" not in line]


def test_errors_and_notes_say_fields(qtbot):
    note, notes = Note(), Notes()
    for widget in (note, notes):
        qtbot.addWidget(widget)
    note.say("check --roi", error=True)
    notes.say(["check --crop"])
    assert (note.text(), notes.text()) == ("check Region", "check Crop")
    note.say("Copied: napari-autophase reconstruct --crop auto")
    assert "--crop" in note.text(), "a command stays one"


def test_what_cannot_be_looked_at_is_unknown_until_it_is_mended(session, viewer, qtbot, monkeypatch):
    monkeypatch.setattr(load_dock, "show_error", lambda _: None)
    dock = LoadDock(viewer)
    qtbot.addWidget(dock)
    session.add_scan(make_scan())
    impossible = replace(GEOMETRY, rocking_step_deg=0.0)
    session.update_scan(session.current, replace(session.current, geometry=impossible))
    qtbot.waitUntil(lambda: not dock._tasks._newest, timeout=120_000)
    assert dock.status.text()
    assert dock.facts["Peak"].text() == "unknown"
    session.update_scan(session.current, replace(session.current, geometry=GEOMETRY))
    qtbot.waitUntil(lambda: not dock._tasks._newest, timeout=120_000)
    assert dock.status.text() == ""
    assert dock.facts["Peak"].text() == "12, 12, 12"

"""Picking the network's weights: what was picked is said, and what cannot be used too."""

from __future__ import annotations

import threading

import pytest
from qtpy.QtWidgets import QApplication
from viewer_doubles import threads_are_over

from napari_autophase.recipe import Recipe
from napari_autophase.scan import InputError
from napari_autophase.viewer.widgets import weights_row
from napari_autophase.viewer.widgets.recipe_form import RecipeForm
from napari_autophase.viewer.widgets.weights_row import WeightsRow


@pytest.fixture
def row(qtbot, monkeypatch):
    monkeypatch.setattr(weights_row, "TYPING_MS", 0)
    row = WeightsRow()
    qtbot.addWidget(row)
    return row


@pytest.fixture
def asked(monkeypatch):
    """Paths that were looked at, without a network."""
    paths = []

    def describe(path):
        paths.append(path)
        if "bad" in path:
            raise InputError("It does not fit at 'encoder.0.weight'.")
        return f"AutoPhaseNN · {path}"

    monkeypatch.setattr(weights_row, "describe", describe)
    return paths


def test_nothing_picked_is_what_ships(row, qtbot, asked):
    assert row.value is None
    assert "ship" in row.file.line.placeholderText()
    QApplication.processEvents()  # a timer that is due at once would ring
    threads_are_over()
    assert asked == []
    assert row.note.text() == ""


def test_what_was_picked_is_said(row, qtbot, asked):
    row.file.choose("mine.pth")
    qtbot.waitUntil(lambda: row.note.text() == "AutoPhaseNN · mine.pth", timeout=120_000)
    assert row.value == "mine.pth"
    row.value = None
    assert (row.value, row.note.text()) == (None, "")


def test_what_cannot_be_used_is_said_as_an_error(row, qtbot, asked):
    row.file.choose("bad.pth")
    qtbot.waitUntil(lambda: "encoder.0.weight" in row.note.text(), timeout=120_000)
    assert "border-left" in row.note.styleSheet()
    row.file.choose("good.pth")
    qtbot.waitUntil(lambda: row.note.text() == "AutoPhaseNN · good.pth", timeout=120_000)
    assert row.note.styleSheet() == ""


def test_only_the_file_that_stands_there_is_spoken_of(row, qtbot, asked):
    row._typed.setInterval(100)
    for path in ("m", "mi", "mine"):
        row.file.line.setText(path)
    qtbot.waitUntil(lambda: row.note.text() == "AutoPhaseNN · mine", timeout=120_000)
    assert asked == ["mine"]


def test_the_form_shows_and_gives_back_the_file(qtbot, asked):
    form = RecipeForm(elsewhere=())
    qtbot.addWidget(form)
    for weights in ("mine.hdf5", None):
        form.show_recipe(Recipe().with_settings({"guess.weights": weights}))
        assert form.values()["guess.weights"] == weights


def test_a_real_file_is_described(qtbot, row, tmp_path):
    import torch

    from napari_autophase import network

    torch.save(network.build("autophasenn", width=2).state_dict(), tmp_path / "published.pth")
    row.file.choose(str(tmp_path / "published.pth"))
    qtbot.waitUntil(lambda: "parameters" in row.note.text(), timeout=120_000)
    assert row.note.text() == network.load(tmp_path / "published.pth").description
    row.file.choose(str(tmp_path / "none.pth"))
    qtbot.waitUntil(lambda: "missing" in row.note.text(), timeout=120_000)


def test_the_row_may_go_while_a_file_is_read(qtbot, monkeypatch):
    row = WeightsRow()
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def describe(path):
        begun.set()
        go_on.wait(120)
        over.set()
        return "too late"

    monkeypatch.setattr(weights_row, "describe", describe)
    row.file.choose("mine.pth")
    qtbot.waitUntil(begun.is_set, timeout=120_000)
    with qtbot.waitSignal(row.destroyed, timeout=120_000):
        row.deleteLater()
    go_on.set()
    threads_are_over()  # an error in a slot would fail the test
    assert over.is_set()

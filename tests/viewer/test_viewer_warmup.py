"""The engine: loaded once, by one thread, when a dock is seen, and never for nothing."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtWidgets import QApplication

from napari_autophase.runs import attempts
from napari_autophase.viewer import warmup
from napari_autophase.viewer.warmup import rehearse, rehearse_labels
from napari_autophase.viewer.widgets import page
from napari_autophase.viewer.widgets.page import Page


@pytest.fixture
def loaded(monkeypatch):
    """The threads that loaded the engine."""
    threads = []
    monkeypatch.setattr(warmup, "STEPS", (lambda: threads.append(threading.current_thread()),))
    return threads


def test_it_loads_once_and_elsewhere(engine, loaded, qtbot):
    with qtbot.waitSignal(engine.ready, timeout=120_000):
        engine.begin()
    engine.begin()
    engine.load()
    assert len(loaded) == 1
    assert loaded[0] is not threading.main_thread()


def test_who_needs_it_meanwhile_waits(engine, monkeypatch, qtbot):
    begun, go, order = threading.Event(), threading.Event(), []

    def step():
        begun.set()
        go.wait(120)
        order.append("loaded")

    monkeypatch.setattr(warmup, "STEPS", (step,))
    with qtbot.waitSignal(engine.ready, timeout=120_000):
        engine.begin()
        assert begun.wait(120)
        impatient = threading.Thread(target=lambda: (engine.load(), order.append("used")))
        impatient.start()
        assert not engine.loaded
        go.set()
        impatient.join(120)
    assert order == ["loaded", "used"]


def test_an_engine_that_failed_can_be_tried_again(engine, monkeypatch, loaded):
    def broken():
        raise ImportError("no libtorch")

    steps = warmup.STEPS
    monkeypatch.setattr(warmup, "STEPS", (broken,))
    with pytest.raises(ImportError, match="libtorch"):
        engine.load()
    monkeypatch.setattr(warmup, "STEPS", steps)
    engine.load()
    assert engine.loaded
    assert len(loaded) == 1


def test_a_dock_that_is_seen_begins_it_and_one_that_is_not_does_not(engine, loaded, qtbot, monkeypatch):
    monkeypatch.setattr(page, "WARM_UP_AFTER_MS", 0)
    hidden, seen = Page(), Page()
    qtbot.addWidget(hidden)
    qtbot.addWidget(seen)
    QApplication.processEvents()  # a timer that is due at once would ring
    assert not loaded
    assert engine._thread is None
    with qtbot.waitSignal(engine.ready, timeout=120_000):
        seen.show()
    assert len(loaded) == 1


def test_a_dock_that_is_closed_at_once_does_not_begin_it(engine, loaded, qtbot, monkeypatch):
    monkeypatch.setattr(page, "WARM_UP_AFTER_MS", 120_000)
    dock = Page()
    dock.show()
    assert dock._seen.isActive()
    with qtbot.waitSignal(dock._seen.destroyed, timeout=120_000):  # so it never rings
        dock.deleteLater()
    assert not loaded


def test_the_collector_is_as_it_was_after_loading(engine):
    import gc

    before = gc.get_threshold()
    engine.load()
    assert gc.get_threshold() == before


def test_it_is_ready_before_it_rehearses_and_is_used_after(engine, monkeypatch, qtbot):
    ready, order = threading.Event(), []

    def rehearse():
        ready.wait(120)
        order.append("rehearsed")

    monkeypatch.setattr(warmup, "rehearse", rehearse)
    with qtbot.waitSignal(engine.ready, timeout=120_000):
        engine.begin()
    ready.set()
    engine._thread.join(120)
    engine.load()
    assert order == ["rehearsed"]


def said_by(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_ends_while_the_engine_loads():
    code = (
        "from napari_autophase.viewer import warmup\n"
        "import sys, threading\n"
        "go = threading.Event()\n"
        "late = lambda: print('late')\n"
        "warmup.STEPS = (lambda: (go.set(), threading.main_thread().join()), late)\n"
        "warmup.engine.begin()\n"
        "go.wait(120)\n"
    )
    assert said_by(code) == ""


@pytest.mark.slow
def test_a_first_reconstruction_imports_nothing_more():
    code = (
        "import sys\n"
        "from napari_autophase import Recipe, run\n"
        "from napari_autophase.simulation import simulate\n"
        "from napari_autophase.viewer import warmup\n"
        "from napari_autophase.viewer.model.crystal.drawing import draw\n"
        "scan = simulate(seed=1, size=32, oversampling=(2.5, 2.5, 2.5)).scan\n"
        "warmup.engine.begin()\n"
        "warmup.engine._thread.join()\n"
        "before = set(sys.modules)\n"
        "attempts = sys.modules['napari_autophase.runs.attempts']\n"
        "attempts.is_enough = lambda *_: True\n"  # what is found is not phased again, which takes long
        "draw(run(scan, Recipe.from_preset('fast')))\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    assert said_by(code).split() == []


def test_colours_of_labels_are_compiled_beforehand(engine, monkeypatch, qtbot):
    """That takes napari a second the first time, in which the window would not answer where a mask is seen."""
    mapped, window = [], threading.current_thread()
    monkeypatch.setattr(
        DirectLabelColormap,
        "map",
        lambda _, values: mapped.append((values.dtype, threading.current_thread() is window)),
    )
    monkeypatch.setattr(warmup, "rehearse_labels", rehearse_labels)
    with qtbot.waitSignal(engine.warm, timeout=120_000):
        engine.begin()
    assert mapped == [(np.uint8, False)]


def test_what_is_tried_out_is_not_begun_anew(monkeypatch):
    tried, untouched = [], attempts._attempt
    monkeypatch.setattr(attempts, "_attempt", lambda *what, **how: tried.append(1) or untouched(*what, **how))
    rehearse()
    assert len(tried) == 1

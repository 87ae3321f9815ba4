"""The thread: what is told how often, how fast it stops, and what becomes of errors."""

from __future__ import annotations

import threading
import time

import pytest
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase import reconstruct as verb
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Progress
from napari_autophase.viewer import worker
from napari_autophase.viewer.controller import Controller

SCAN, FOUND = make_scan(), make_reconstruction()


@pytest.fixture
def controller(monkeypatch, qapp):
    """Starts whatever generator the test puts in the place of the engine."""
    controller = Controller(worker.launch)
    controller.use = lambda engine: monkeypatch.setattr(verb, "reconstruct", engine)
    yield controller
    controller.close()


def test_updates_are_few_and_nothing_is_lost(controller, qtbot):
    steps = 3000

    def engine(scan, recipe):
        yield Progress("prepare", 0, 1)
        for step in range(steps):
            yield Progress("refine", step + 1, steps, error=float(step))
        return FOUND

    updates = []
    controller.use(engine)
    controller.advanced.connect(updates.append)
    controller.start(SCAN, Recipe())
    qtbot.waitUntil(lambda: controller.state == "done", timeout=120_000)
    assert [error for update in updates for error in update.errors] == list(range(steps))
    assert updates[-1].progress.step == steps
    assert len(updates) < steps / 10


def test_a_slow_window_is_left_in_peace(controller, qtbot):
    drawing, steps = 0.1, 500
    begin = time.monotonic()

    def engine(scan, recipe):
        for _ in range(steps):
            time.sleep(0.002)
            yield Progress("refine", 1, 2, error=1.0)
        return FOUND

    updates = []
    controller.use(engine)
    controller.advanced.connect(lambda update: (updates.append(update), time.sleep(drawing)))
    controller.start(SCAN, Recipe())
    qtbot.waitUntil(lambda: controller.state == "done", timeout=120_000)
    # the first, every (1 + 4) x 0.1 s at most another, and the rest at the end
    assert 2 <= len(updates) <= 2 + (time.monotonic() - begin) / (5 * drawing)
    assert sum(len(update.errors) for update in updates) == steps


def test_results_arrive_in_the_window_s_thread(controller, qtbot):
    def engine(scan, recipe):
        assert threading.current_thread() is not threading.main_thread()
        yield Progress("prepare", 0, 1)
        return FOUND

    heard = []
    controller.use(engine)
    controller.finished.connect(
        lambda found: heard.append((found.reconstruction, threading.current_thread()))
    )
    controller.start(SCAN, Recipe())
    qtbot.waitUntil(lambda: bool(heard), timeout=120_000)
    assert heard == [(FOUND, threading.main_thread())]


def test_cancel_takes_effect_within_one_iteration(controller, qtbot):
    go, done, closed = threading.Semaphore(0), [], threading.Event()

    def engine(scan, recipe):
        try:
            for step in range(1000):
                go.acquire()
                done.append(step)
                yield Progress("refine", step + 1, 1000)
        finally:
            closed.set()

    controller.use(engine)
    controller.start(SCAN, Recipe())
    for _ in range(5):
        go.release()
    qtbot.waitUntil(lambda: len(done) == 5, timeout=120_000)
    controller.cancel()
    go.release()  # the iteration that is under way
    qtbot.waitUntil(lambda: controller.state == "idle", timeout=120_000)
    assert closed.is_set()
    assert len(done) == 6


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), ValueError("bad"), MemoryError()])
def test_errors_reach_the_controller(controller, qtbot, error):
    def engine(scan, recipe):
        yield Progress("prepare", 0, 1)
        raise error

    heard = []
    controller.use(engine)
    controller.failed.connect(heard.append)
    controller.start(SCAN, Recipe())
    qtbot.waitUntil(lambda: controller.state == "failed", timeout=120_000)
    assert heard == [error]


def test_closing_waits_until_the_thread_is_done(controller, qtbot):
    closed = threading.Event()

    def engine(scan, recipe):
        try:
            while True:
                yield Progress("refine", 1, 2)
        finally:
            closed.set()

    controller.use(engine)
    controller.start(SCAN, Recipe())
    qtbot.wait(50)
    controller.close()
    assert closed.is_set()
    assert controller.state == "idle"


def test_only_the_newest_task_is_heard(qtbot, qapp):
    go, heard, busy = threading.Event(), [], []
    tasks = worker.Tasks(busy.append)

    def work(value):
        go.wait(120)
        if value < 0:
            raise ValueError(value)
        return value

    tasks.start("a", work, 1, done=heard.append, failed=heard.append)
    tasks.start("a", work, 2, done=heard.append, failed=heard.append)
    tasks.start("b", work, -3, done=heard.append, failed=lambda error: heard.append(str(error)))
    tasks.start("c", work, 4, done=heard.append, failed=heard.append)
    tasks.forget("c")
    go.set()
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=120_000)
    qtbot.wait(50)
    assert sorted(map(str, heard)) == ["-3", "2"]
    assert busy[0] is True
    assert busy[-1] is False

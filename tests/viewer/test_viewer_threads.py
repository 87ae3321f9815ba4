"""The thread: what is told how often, how fast it stops, and what becomes of errors."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from viewer_doubles import make_reconstruction, make_scan, threads_are_over

from napari_autophase import reconstruct as verb
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Progress
from napari_autophase.viewer import threads
from napari_autophase.viewer.model.run.controller import Controller

SCAN, FOUND = make_scan(), make_reconstruction()


@pytest.fixture
def controller(monkeypatch, qapp):
    """Starts whatever generator the test puts in the place of the engine."""
    controller = Controller(threads.launch)
    controller.use = lambda engine: monkeypatch.setattr(verb, "reconstruct", engine)
    yield controller
    controller.close()


@pytest.fixture
def clock(monkeypatch):
    """The worker's clock, which stands still unless a test moves it."""
    clock = SimpleNamespace(now=100.0)
    stands = SimpleNamespace(monotonic=lambda: clock.now, perf_counter=lambda: clock.now)
    monkeypatch.setattr(threads, "time", stands)
    return clock


def test_between_two_updates_steps_are_collected_and_none_is_lost(controller, clock, qtbot):
    steps = 3000

    def engine(scan, recipe, **_):
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
    # of each stage the first step at once; then the clock stands still, and the rest comes at the end
    assert [len(update.errors) for update in updates] == [0, 1, steps - 1]


def test_an_update_that_cannot_be_shown_does_not_end_the_updates(controller, qtbot):
    shown = threading.Event()

    def engine(scan, recipe, **_):
        for step in range(10_000):
            yield Progress("refine", step + 1, 10_000, error=1.0)
            if shown.is_set():
                return FOUND
            time.sleep(1e-3)

    told = []

    def show(update):
        told.append(update)
        if len(told) == 1:
            raise ValueError("this cannot be drawn")
        shown.set()

    controller.use(engine)
    controller.advanced.connect(show)
    with qtbot.capture_exceptions() as errors:
        controller.start(SCAN, Recipe())
        qtbot.waitUntil(shown.is_set, timeout=8_000)
    assert "this cannot be drawn" in str(errors[0][1])


def test_what_is_told_together_is_of_one_stage(controller, qtbot):
    def engine(scan, recipe, **_):
        for stage, first in (("guess", 0), ("refine", 100)):
            for step in range(5):
                yield Progress(stage, step, 5, error=float(first + step))
        return FOUND

    updates = []
    controller.use(engine)
    controller.advanced.connect(updates.append)
    controller.start(SCAN, Recipe())
    qtbot.waitUntil(lambda: controller.state == "done", timeout=120_000)
    told = {stage: [] for stage in ("guess", "refine")}
    for update in updates:
        told[update.progress.stage] += update.errors
    assert told == {"guess": [0, 1, 2, 3, 4], "refine": [100, 101, 102, 103, 104]}


@pytest.mark.parametrize(("drawing", "between"), [(0.1, 0.4), (0.001, 0.05)])
def test_the_window_rests_four_times_as_long_as_it_draws(clock, drawing, between):
    step_s, steps, updates, moments = 0.002, 500, [], []

    def engine(scan, recipe, **_):
        for _ in range(steps):
            clock.now += step_s
            yield Progress("refine", 1, 2, error=1.0)
        return FOUND

    def draw(update):
        moments.append(clock.now)
        updates.append(update)
        work.rest(drawing)

    work = threads.ReconstructionWorker(SCAN, Recipe(), engine)
    work.yielded.connect(draw)
    assert work.work() is FOUND
    assert np.diff(moments[:-1]) == pytest.approx(between, abs=1.01 * step_s)
    assert len(updates) == 2 + int((steps - 1) * step_s / between)
    assert sum(len(errors) for _, errors, _ in updates) == steps


def test_until_the_window_has_drawn_nothing_more_is_told(clock):
    steps, updates = 50, []

    def engine(scan, recipe, **_):
        for _ in range(steps):
            clock.now += 10.0
            yield Progress("refine", 1, 2, error=1.0)
        return FOUND

    work = threads.ReconstructionWorker(SCAN, Recipe(), engine)
    work.yielded.connect(updates.append)
    assert work.work() is FOUND
    assert [len(errors) for _, errors, _ in updates] == [1, steps - 1]


def test_how_long_the_window_drew_is_measured(controller, clock, monkeypatch, qtbot):
    def engine(scan, recipe, **_):
        yield Progress("refine", 1, 2, error=1.0)
        return FOUND

    def draw(update):
        clock.now += 0.25

    rests = []
    monkeypatch.setattr(threads.ReconstructionWorker, "rest", lambda self, drawing_s: rests.append(drawing_s))
    controller.use(engine)
    controller.advanced.connect(draw)
    controller.start(SCAN, Recipe())
    qtbot.waitUntil(lambda: bool(rests), timeout=120_000)
    assert rests[0] == 0.25


def test_results_arrive_in_the_window_s_thread(controller, qtbot):
    def engine(scan, recipe, **_):
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

    def engine(scan, recipe, **_):
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
    def engine(scan, recipe, **_):
        yield Progress("prepare", 0, 1)
        raise error

    heard = []
    controller.use(engine)
    controller.failed.connect(heard.append)
    controller.start(SCAN, Recipe())
    qtbot.waitUntil(lambda: controller.state == "failed", timeout=120_000)
    assert heard == [error]


def test_closing_waits_until_the_thread_is_done(controller, qtbot):
    begun, closed = threading.Event(), threading.Event()

    def engine(scan, recipe, **_):
        try:
            while True:
                begun.set()
                yield Progress("refine", 1, 2)
        finally:
            closed.set()

    controller.use(engine)
    controller.start(SCAN, Recipe())
    qtbot.waitUntil(begun.is_set, timeout=120_000)
    controller.close(120)
    assert closed.is_set()
    assert controller.state == "idle"


def test_only_the_newest_task_is_heard(qtbot, qapp):
    go, heard, busy = threading.Event(), [], []
    tasks = threads.Tasks(busy.append)

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
    threads_are_over()
    assert sorted(map(str, heard)) == ["-3", "2"]
    assert busy[0] is True
    assert busy[-1] is False


def test_a_run_that_is_held_rests_until_it_may_go_on(controller, qtbot):
    """Each step waits to be let through, so that the test knows how many there were when it was held."""
    through, steps = threading.Semaphore(0), []

    def engine(scan, recipe, **_):
        for step in range(1, 7):
            through.acquire()
            steps.append(step)
            yield Progress("refine", step, 6)
        return FOUND

    controller.use(engine)
    controller.start(SCAN, Recipe())
    through.release(2)
    qtbot.waitUntil(lambda: len(steps) == 2, timeout=120_000)
    controller.hold(True)
    through.release(4)
    # the step that had begun is done, and no other one
    qtbot.waitUntil(lambda: len(steps) >= 3, timeout=120_000)
    qtbot.wait(50)
    assert steps == [1, 2, 3]
    controller.hold(False)
    qtbot.waitUntil(lambda: controller.state == "done", timeout=120_000)
    assert steps == [1, 2, 3, 4, 5, 6]


def test_the_clock_of_a_run_stands_still_while_it_rests(clock, monkeypatch):
    monkeypatch.setattr(threads, "_LOOK_UP_S", 1e-3)
    pause = threads.Pause()
    begin, looks = pause.clock(), []

    def ended():
        clock.now += 1000.0
        looks.append(1)
        pause.hold(len(looks) < 3)
        return False

    pause.hold(True)
    pause.wait(ended)
    assert len(looks) == 3
    assert pause.clock() == begin
    clock.now += 7.0
    assert pause.clock() == begin + 7.0


def test_an_engine_counts_its_seconds_by_the_clock_of_its_run(controller, qtbot):
    clocks = []

    def engine(scan, recipe, clock, **_):
        clocks.append(clock)
        yield Progress("refine", 1, 1)
        return FOUND

    controller.use(engine)
    controller.start(SCAN, Recipe())
    own = controller._job._pause.clock
    qtbot.waitUntil(lambda: controller.state == "done", timeout=120_000)
    assert clocks == [own]


def test_a_run_that_is_held_can_be_cancelled(controller, qtbot):
    def engine(scan, recipe, **_):
        step = 0
        while True:
            step += 1
            time.sleep(1e-3)  # without the interpreter's lock, as iterations are
            yield Progress("refine", step % 1000, 1000)

    controller.use(engine)
    controller.start(SCAN, Recipe())
    qtbot.waitUntil(lambda: controller.log.latest is not None, timeout=120_000)
    controller.hold(True)
    assert controller.held
    controller.cancel()
    qtbot.waitUntil(lambda: controller.state == "idle", timeout=120_000)
    assert not controller.held


def test_a_program_that_ends_waits_for_its_threads():
    """Qt's objects are gone when a thread that outlives them tells what it found: the process would abort."""
    code = """
import time
from qtpy.QtWidgets import QApplication
app = QApplication([])
from napari_autophase.viewer.threads import Tasks
begun = []
def work():
    begun.append(1)
    time.sleep(0.3)
    return 1
Tasks().start("one", work, done=print, failed=print)
while not begun:
    time.sleep(0.01)
print("over", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "over\n"), done.stderr

"""The state machine: what may follow what, whose calls count, and how long it will take."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from viewer_doubles import FakeLaunch, make_reconstruction, make_scan

from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Progress
from napari_autophase.viewer.model.run.controller import Controller
from napari_autophase.viewer.model.run.pace import Plan

SCAN, RECIPE, FOUND = make_scan(), Recipe(), make_reconstruction()


@pytest.fixture
def controller(launch):
    controller = Controller(launch)
    controller.heard = []
    controller.state_changed.connect(controller.heard.append)
    controller.finished.connect(lambda found: controller.heard.append(found))
    controller.failed.connect(lambda error: controller.heard.append(error))
    return controller


def test_a_run_that_succeeds(controller, launch):
    assert controller.state == "idle"
    controller.start(SCAN, RECIPE)
    assert (launch.job.scan, launch.job.recipe) == (SCAN, RECIPE)
    launch.job.run.on_done(FOUND)
    launch.job.run.on_stopped()
    assert controller.heard == ["running", "done", FOUND]
    controller.start(SCAN, RECIPE)
    assert controller.state == "running"


def test_a_run_that_fails_leaves_it_usable(controller, launch):
    error = ValueError("no crystal")
    controller.start(SCAN, RECIPE)
    launch.job.run.on_failed(error)
    launch.job.run.on_stopped()
    assert controller.heard == ["running", "failed", error]
    controller.start(SCAN, RECIPE)
    assert controller.state == "running"


def test_cancelling_asks_once_and_ends_idle(controller, launch):
    controller.cancel()
    assert controller.state == "idle"
    controller.start(SCAN, RECIPE)
    controller.cancel()
    controller.cancel()
    assert launch.job.quits == 1
    launch.job.refine(3)
    launch.job.run.on_stopped()
    assert controller.heard == ["running", "cancelling", "idle"]


def test_only_one_at_a_time(controller):
    controller.start(SCAN, RECIPE)
    with pytest.raises(RuntimeError, match="running already"):
        controller.start(SCAN, RECIPE)


def test_a_job_that_cannot_start_is_a_failure(controller):
    broken = Controller(lambda *_: 1 / 0)
    errors = []
    broken.failed.connect(errors.append)
    broken.start(SCAN, RECIPE)
    assert broken.state == "failed"
    assert isinstance(errors[0], ZeroDivisionError)


def test_a_job_may_be_over_before_start_returns():
    def at_once(scan, recipe, run):
        run.on_done(FOUND)
        run.on_stopped()
        return FakeLaunch()(scan, recipe, run)

    controller = Controller(at_once)
    controller.start(SCAN, RECIPE)
    assert controller.state == "done"
    assert not controller.busy


def test_closing_in_mid_run_gives_the_job_up(controller, launch):
    controller.start(SCAN, RECIPE)
    controller.close()
    assert (launch.job.quits, launch.job.waits, controller.state) == (1, 1, "idle")
    launch.job.run.on_done(FOUND)
    assert controller.heard == ["running", "idle"]
    controller.close()
    assert launch.job.quits == 1


def test_what_a_run_told_is_kept_for_a_panel_that_is_opened_later(controller, launch):
    recipe = RECIPE.with_settings({"refine.algorithm": "20*HIO+30*ER"})
    controller.start(SCAN, recipe)
    launch.job.run.on_progress(Progress("guess", 2, 9), (0.9, 0.8))
    launch.job.refine(2, 50, errors=(0.7, 0.6))
    launch.job.refine(3, 50, errors=(0.5,))
    log = controller.log
    assert (log.stage, log.errors) == ("refine", [0.7, 0.6, 0.5])
    assert log.steps == ("HIO",) * 20 + ("ER",) * 30
    assert log.latest.progress.step == 3
    launch.job.run.on_progress(Progress("analyse", 0, 1), ())
    assert len(log.steps) == 50, "of the stage that the errors are of"
    launch.job.run.on_done(FOUND)
    assert controller.log.outcome is FOUND
    controller.start(SCAN, RECIPE)
    assert (controller.log.errors, controller.log.outcome) == ([], None)


class AnyOrder(RuleBasedStateMachine):
    """Whatever the order of clicks and reports: one job at a time, and given-up jobs are never heard."""

    def __init__(self):
        super().__init__()
        self.launch = FakeLaunch()
        self.controller = Controller(self.launch)
        self.results = []
        self.controller.finished.connect(lambda found: self.results.append(found))

    @precondition(lambda self: not self.controller.busy)
    @rule()
    def start(self):
        self.controller.start(SCAN, RECIPE)
        assert self.controller.state == "running"

    @rule()
    def cancel(self):
        was = self.controller.state
        self.controller.cancel()
        assert self.controller.state == ("cancelling" if was == "running" else was)

    @rule()
    def close(self):
        self.controller.close()
        assert not self.controller.busy

    @precondition(lambda self: self.launch.jobs)
    @rule(which=st.integers(0, 3), what=st.sampled_from(["progress", "done", "failed", "stopped"]))
    def report(self, which, what):
        job = self.launch.jobs[-1 - which % len(self.launch.jobs)]
        before, results = self.controller.state, len(self.results)
        current = job is self.launch.job and self.controller.busy
        value = {
            "progress": (Progress("refine", 1, 9),),
            "done": (FOUND,),
            "failed": (ValueError(),),
            "stopped": (),
        }
        getattr(job.run, f"on_{what}")(*value[what])
        if not current or what == "progress":
            assert self.controller.state == before
        heard = current and before == "running" and what == "done"
        assert len(self.results) - results == heard


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=30, stateful_step_count=20)


def test_the_controller_needs_no_qt():
    module = "napari_autophase.viewer.model.run.controller"
    code = f"import sys, {module}; print([m for m in sys.modules if 'Qt' in m or m == 'torch'])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_the_time_for_which_a_run_rests_tells_nothing_of_its_pace(launch):
    now = [0.0]
    controller = Controller(launch, clock=lambda: now[0], plan=Plan({"refine": 100.0}))
    controller.start(SCAN, RECIPE)
    updates = []
    controller.advanced.connect(updates.append)
    for step in (0, 10, 20):
        launch.job.refine(step, 100)
        now[0] += 10.0
    controller.hold(True)
    controller.hold(True)
    now[0] += 1000.0
    controller.hold(False)
    assert (launch.job.held, controller.rested_s) == ([True, False], 1000.0)
    launch.job.refine(30, 100)
    assert updates[-1].remaining_s == pytest.approx(70.0)
    controller.hold(True)
    controller.cancel()
    assert launch.job.held == [True, False, True, False], "else it would not see that it is to stop"
    assert not controller.held
    controller.hold(True)
    assert not controller.held

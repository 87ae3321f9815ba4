"""The Fine-tune section: from the button to weights that the next reconstruction takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from viewer_doubles import FakeLaunch, make_reconstruction

from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Progress
from napari_autophase.scan import InputError
from napari_autophase.viewer.docks import finetune_section
from napari_autophase.viewer.docks.finetune_section import FineTuneSection
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock


@dataclass
class Tuned:
    """What `finetune` returns, without a network."""

    kept_step: int = 40
    before: tuple = ({"chi2": 0.05, "free_chi2": 0.2, "free_llk": 12.0},)
    after: tuple = ({"chi2": 0.02, "free_chi2": 0.1, "free_llk": 7.5},)
    made_by: dict = field(default_factory=lambda: {"steps": 50})

    def save(self, path, overwrite=False):
        if Path(path).exists() and not overwrite:
            raise InputError("It exists already.")
        Path(path).write_bytes(b"weights")


@pytest.fixture
def errors(monkeypatch):
    shown = []
    monkeypatch.setattr(finetune_section, "show_error", shown.append)
    return shown


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(finetune_section, "data_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def tuning():
    return FakeLaunch()


@pytest.fixture
def used():
    return []


@pytest.fixture
def section(session, qtbot, tuning, used, errors, folder):
    section = FineTuneSection(session, Recipe, used.append, tuning)
    qtbot.addWidget(section)
    return section


@pytest.fixture
def ready(section, session, scan):
    session.add_scan(scan)
    return section


def test_it_waits_for_a_scan(section, session, scan):
    assert not section.button.isEnabled()
    session.add_scan(scan)
    assert section.button.isEnabled()
    assert not section.cancel.isEnabled()
    assert section.take.isHidden()
    assert section.save.isHidden()
    assert (section.steps.minimum(), section.steps.maximum()) == (20, 200)


def test_a_whole_tuning(ready, tuning, scan, used, folder):
    ready.button.click()
    assert tuning.job.scan is scan
    assert tuning.job.recipe == Recipe()
    assert (ready.busy, ready.button.isEnabled(), ready.cancel.isEnabled()) == (True, False, True)
    tuning.job.run.on_progress(Progress("refine", 10, 50))
    assert "to have something to learn · 10 of 50" in ready.stage.text()
    before = ready.bar.value()
    tuning.job.run.on_progress(Progress("finetune", 25, 50, 0.3))
    assert ready.stage.text().startswith("Learning · 25 of 50")
    assert before < ready.bar.value() < ready.bar.maximum()

    tuning.job.run.on_done(Tuned())
    assert not ready.busy
    assert "χ² 0.05 → 0.02" in ready.summary.text()
    assert "χ² of held-out pixels 0.2 → 0.1" in ready.summary.text()
    assert "held-out likelihood 12 → 7.5" in ready.summary.text()
    assert "step 40 of 50" in ready.summary.text()
    assert not ready.take.isHidden()
    assert list(folder.iterdir()) == []  # nothing is written unasked
    ready.take.click()
    assert used == [str(folder / "crystal-1.safetensors")]
    assert Path(used[0]).read_bytes() == b"weights"
    assert "crystal-1.safetensors" in ready.summary.text()


def test_weights_kept_before_are_never_overwritten(ready, tuning, used, folder):
    (folder / "crystal-1.safetensors").write_bytes(b"precious")
    for _ in range(2):
        ready.button.click()
        tuning.job.run.on_done(Tuned())
        assert ready.take.isEnabled()
        ready.take.click()
        assert not ready.take.isEnabled()  # once is enough
    assert (folder / "crystal-1.safetensors").read_bytes() == b"precious"
    assert [Path(path).name for path in used] == ["crystal-2.safetensors", "crystal-3.safetensors"]


def test_saving_where_the_person_says(ready, tuning, tmp_path, monkeypatch, used):
    target = tmp_path / "mine.safetensors"
    monkeypatch.setattr(finetune_section.QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    ready.button.click()
    tuning.job.run.on_done(Tuned())
    ready.save.click()
    assert target.read_bytes() == b"weights"
    assert used == []


def test_cancelling(ready, tuning):
    ready.button.click()
    tuning.job.run.on_progress(Progress("finetune", 25, 50, 0.3))
    before = ready.bar.value()
    ready.cancel.click()
    assert ready.bar.value() == before > 0, "it goes on to the end of its step"
    assert tuning.job.quits == 1
    tuning.job.run.on_stopped()
    assert ready.summary.text().startswith("Cancelled")
    assert ready.button.isEnabled()
    assert ready.take.isHidden()


def test_nothing_gained_is_said_and_offers_nothing(ready, tuning):
    ready.button.click()
    tuning.job.run.on_done(Tuned(kept_step=0))
    assert "Nothing was gained" in ready.summary.text()
    assert ready.take.isHidden()


def test_an_error_is_said_and_the_section_goes_on(ready, tuning, errors):
    ready.button.click()
    tuning.job.run.on_progress(Progress("finetune", 25, 50, 0.3))
    tuning.job.run.on_failed(InputError("The recipe refines nothing."))
    assert ready.bar.isHidden()
    assert ready.stage.text() == "Failed"
    assert ready.summary.text() == errors[0] == "The recipe refines nothing."
    assert ready.button.isEnabled()


def test_a_new_tuning_takes_back_the_offer(ready, tuning):
    ready.button.click()
    tuning.job.run.on_done(Tuned())
    ready.button.click()
    assert ready.take.isHidden()


def test_one_thing_at_a_time_in_the_dock(
    viewer, session, scan, launch, tuning, qtbot, monkeypatch, folder, errors
):
    dock = ReconstructDock(viewer)
    qtbot.addWidget(dock)
    session.add_scan(scan)
    section = dock.finetune
    section._controller._launch = tuning
    section.button.click()
    assert not dock.button.isEnabled()
    tuning.job.run.on_done(Tuned())
    assert dock.button.isEnabled()
    section.take.click()
    path = str(folder / "crystal-1.safetensors")
    dock.button.click()
    assert launch.job.recipe.guess.weights == path
    assert not section.button.isEnabled()
    launch.job.done(make_reconstruction())
    assert section.button.isEnabled()
    dock.preset.setCurrentText("best")
    dock.preset.activated.emit(0)
    assert dock.recipe().guess.weights == path  # another preset is no other network


def test_a_section_that_is_gone_ends_its_work(session, qtbot, tuning, scan, errors):
    section = FineTuneSection(session, Recipe, [].append, tuning)
    session.add_scan(scan)
    section.button.click()
    with qtbot.waitSignal(section.destroyed, timeout=120_000):
        section.deleteLater()
    assert tuning.job.quits == 1
    session.choose(None)  # and no event says so


def test_it_runs_in_a_thread_with_the_steps_asked_for(session, qtbot, scan, errors, folder, monkeypatch):
    asked = []

    def pretend(scan, recipe, steps):
        asked.append((scan, recipe, steps))
        yield Progress("finetune", 1, steps, 0.5)
        return Tuned()

    monkeypatch.setattr(finetune_section, "_finetune", pretend)
    section = FineTuneSection(session, Recipe, [].append)
    qtbot.addWidget(section)
    session.add_scan(scan)
    section.steps.setValue(70)
    section.button.click()
    qtbot.waitUntil(lambda: not section.busy, timeout=120_000)
    assert asked == [(scan, Recipe(), 70)]
    assert errors == []
    assert "χ² 0.05 → 0.02" in section.summary.text()


def test_it_waits_for_what_a_panel_shows_and_the_scan_lacks(ready, session, tuning, errors):
    def lacking():
        raise InputError("The geometry lacks Distance (m).")

    session.unsettled.append(lacking)
    ready.button.click()
    assert (tuning.jobs, errors) == ([], ["The geometry lacks Distance (m)."])
    session.unsettled.remove(lacking)
    ready.button.click()
    assert len(tuning.jobs) == 1

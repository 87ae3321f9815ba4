"""The Reconstruct dock: from the choices to a recipe, through a run, to a summary; and what must survive."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qtpy.QtCore import QEvent, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.recipe import PRESETS, Recipe
from napari_autophase.recipe.settings import settings as settings_of
from napari_autophase.reconstruction import Progress
from napari_autophase.scan import InputError
from napari_autophase.viewer import warmup
from napari_autophase.viewer.docks import device_and_memory, run_report
from napari_autophase.viewer.docks.load_dock import LoadDock
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock
from napari_autophase.viewer.model.run.controller import Update
from napari_autophase.viewer.model.run.watch import Seen
from napari_autophase.viewer.model.words.run_words import EXPLANATIONS, duration
from napari_autophase.viewer.widgets.notes import Note
from napari_autophase.viewer.widgets.plot import LogAxis, side_by_side


@pytest.fixture
def errors(monkeypatch):
    shown = []
    monkeypatch.setattr(run_report, "show_error", shown.append)
    return shown


@pytest.fixture
def dock(session, viewer, qtbot, errors):
    dock = ReconstructDock(viewer)
    qtbot.addWidget(dock)
    return dock


@pytest.fixture
def ready(dock, session, scan):
    session.add_scan(scan)
    return dock


def test_without_a_scan_it_explains(dock, session, scan):
    assert not dock.button.isEnabled()
    assert "Load a scan first" in dock.hint.text()
    assert not dock.sample.isHidden()
    session.add_scan(scan)
    assert dock.button.isEnabled()
    assert dock.hint.text() == ""
    assert dock.sample.isHidden()


def test_a_whole_run(ready, launch, scan):
    ready.button.click()
    assert launch.job.scan is scan
    assert launch.job.recipe == Recipe.from_preset("fast")
    assert (ready.button.isEnabled(), ready.cancel.isEnabled()) == (False, True)
    launch.job.run.on_progress(Progress("guess", 0, 1))
    assert ready.stage.text() == "Finding a start · crystal"
    guessing = ready.bar.value()
    launch.job.refine(10, errors=[0.5, 0.25, 0.125])
    assert ready.stage.text() == "Refining · 10 of 50 · crystal"
    assert 0 <= guessing < ready.bar.value() < ready.bar.maximum()
    assert ready.curve.errors == [0.5, 0.25, 0.125]
    launch.job.done(make_reconstruction())
    assert ready.stage.text() == "Done in 3.2 s on CPU · crystal"
    assert "χ² 0.0123 · held-out likelihood 1.5" in ready.summary.text()
    for said in ("χ²: how far the moduli", "held-out likelihood: Poisson", "confidence: of simulated"):
        assert said in ready.summary.toolTip()
    assert ready.bar.value() == ready.bar.maximum()
    assert ready.notes.text() == "a note to read"
    assert (ready.button.isEnabled(), ready.cancel.isEnabled()) == (True, False)


def test_every_run_has_a_curve_of_its_own(ready, session, launch):
    ready.button.click()
    launch.job.refine(10, errors=[0.5, 0.25])
    launch.job.done(make_reconstruction())
    session.reconstruct(Recipe())  # not by the button
    assert ready.curve.errors == []
    assert ready.summary.text() == ""
    launch.job.refine(5, errors=[0.4])
    assert ready.curve.errors == [0.4]


def test_cancelling(ready, launch):
    ready.button.click()
    ready.cancel.click()
    assert launch.job.quits == 1
    assert ready.stage.text() == "Cancelling"
    assert not ready.cancel.isEnabled()
    assert not ready.button.isEnabled()
    launch.job.run.on_stopped()
    assert ready.summary.text().startswith("Cancelled")
    assert ready.button.isEnabled()
    assert ready.bar.isHidden()


def test_an_error_is_said_and_the_panel_goes_on(ready, launch, errors):
    ready.button.click()
    launch.job.run.on_failed(InputError("The scan is too big; bin it."))
    assert ready.summary.text() == errors[0] == "The scan is too big; bin it."
    ready.button.click()
    assert ready.summary.text() == ""
    launch.job.run.on_failed(RuntimeError("engine"))
    assert errors[1] == "RuntimeError: engine"
    assert ready.button.isEnabled()


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_nothing_is_left_of_the_bar_of_a_run_that_made_nothing(ready, launch, viewer, qtbot, end, errors):
    ready.button.click()
    launch.job.refine(25, errors=[0.5])
    assert ready.bar.value() > 0
    if end == "failed":
        launch.job.run.on_failed(InputError("The scan is too big; bin it."))
    else:
        ready.cancel.click()
        assert ready.bar.value() > 0, "it goes on to the end of its iteration"
        launch.job.run.on_stopped()
    later = ReconstructDock(viewer)
    qtbot.addWidget(later)
    for dock in (ready, later):
        assert dock.bar.value() <= dock.bar.minimum()
        assert dock.bar.isHidden()
        assert dock.stage.text() == ("Failed" if end == "failed" else "")


def test_why_a_run_does_not_begin_is_said_until_a_setting_is_another(ready, launch, errors):
    ready.button.click()
    launch.job.done(make_reconstruction())
    launch.job.run.on_stopped()
    figures = ready.summary.text()
    ready.algorithm.setText("5*FOO")
    ready.button.click()
    assert "FOO" in ready.summary.text()
    ready.algorithm.setText("5*ER")
    assert ready.summary.text() == figures, "of the last run, which are still true"


def test_weights_of_one_s_own_are_named_as_long_as_they_are_used(ready):
    own = "/home/person/weights/platinum-1.safetensors"
    ready.use_weights(own)
    for preset, used in (("fast", True), ("best", True), ("iterative", False), ("network", True)):
        ready.preset.setCurrentText(preset)
        ready._use_preset()
        assert ready.recipe().guess.weights == own, "a preset leaves them"
        assert ("platinum-1.safetensors" in ready.explanation.text()) == used
    ready.use_weights("")
    assert "weights" not in ready.explanation.text()


def test_a_setting_out_of_range_is_an_error_before_the_run(ready, launch, errors):
    ready.form.settings["prepare.saturation"].value = -1
    ready.button.click()
    assert launch.jobs == []
    assert "Saturated from -1" in errors[0]


def test_an_image_is_reconstructed_as_counts(dock, viewer, launch):
    viewer.add_image(make_scan().counts.astype(np.float32), name="dropped")
    assert dock.scan.currentText() == "dropped (image)"
    dock.button.click()
    assert launch.job.scan.name == "dropped"
    launch.job.done(make_reconstruction("dropped", nm=False))
    assert not viewer.layers["dropped"].visible


def test_choosing_among_scans(dock, session, launch, scan):
    other = make_scan("other")
    session.add_scan(scan)
    session.add_scan(other)
    assert dock.scan.currentText() == "other"
    dock.scan.setCurrentIndex(0)
    dock.scan.activated.emit(0)
    dock.button.click()
    assert launch.job.scan is scan


def test_replacing_the_last_result(ready, session, launch):
    for again in (False, True):
        ready.replace.setChecked(again)
        ready.button.click()
        launch.job.done(make_reconstruction())
    assert [result.group for result in session.results] == [1]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_chosen_in_the_panel_is_the_preset(dock, preset):
    dock.preset.setCurrentText(preset)
    dock._use_preset()
    assert dock.recipe() == Recipe.from_preset(preset)
    assert dock.explanation.text() == EXPLANATIONS[preset]


def test_a_preset_leaves_device_seed_and_preparation(dock):
    dock.show_recipe(Recipe().with_settings({"seed": 7, "device": "cpu", "prepare.binning": [2, 2, 2]}))
    dock.preset.setCurrentText("best")
    dock._use_preset()
    recipe = dock.recipe()
    assert (recipe.seed, recipe.device, recipe.prepare.binning) == (7, "cpu", (2, 2, 2))
    assert recipe.refine == Recipe.from_preset("best").refine


def test_a_preset_that_was_changed_says_so(dock):
    dock.iterations.setValue(70)
    dock.form.settings["guess.keep"].value = 3
    assert dock.preset.currentText() == "fast*"
    text = dock.explanation.text()
    assert "algorithm 12*HIO+38*RAAR+20*ER" in text
    assert "guesses kept 3" in text
    assert "140 iterations" not in text, "which is not what will be done"
    assert dock.recipe().preset == "fast"
    dock.basic["seed"].value, dock.basic["device"].value = 9, "cpu"
    assert "seed" not in dock.explanation.text(), "which no preset makes"

    dock.preset.activated.emit(dock.preset.currentIndex())  # the same one again
    assert dock.recipe().refine == Recipe().refine
    assert (dock.preset.currentText(), dock.recipe().seed) == ("fast", 9)
    assert EXPLANATIONS["fast"] == dock.explanation.text()


def test_a_recipe_that_was_loaded_is_shown_with_what_is_its_own(dock):
    dock.show_recipe(Recipe.from_preset("iterative").with_settings({"prepare.binning": [1, 2, 2]}))
    assert dock.preset.currentText() == "iterative*"
    assert "binning 1, 2, 2" in dock.explanation.text()
    dock.show_recipe(Recipe.from_preset("iterative"))
    assert dock.preset.currentText() == "iterative"


def test_a_number_left_in_the_midst_of_typing_is_the_one_that_is_used(ready, launch):
    side = ready.form.settings["guess.side"].widget
    side.lineEdit().setText("1")  # at least 16
    ready.button.click()
    assert str(launch.job.recipe.guess.side) == side.cleanText()
    assert side.text().endswith(" voxels")


def test_numbers_are_shown_without_idle_zeros(dock):
    rate = dock.form.settings["refine.rate"]
    rate.value = 0.00025
    assert rate.widget.text() == "0.00025"
    assert dock.basic["refine.shrink_wrap.threshold"].widget.text() == "0.2"


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("prepare.crop", "10", "It takes 3 whole numbers of at least 16, auto or nothing."),
        ("prepare.binning", "1, 2", "It takes 3 whole numbers of at least 1."),
        ("refine.algorithm", "20*ERR", "ERR"),
        ("model.coherence", "some", "It takes off or estimate or 3 numbers from 0 to 5."),
    ],
)
def test_what_is_wrong_with_a_setting_stands_under_it(dock, key, text, said):
    setting = dock.form.settings[key]
    note = dock.form.findChild(Note, f"{key} problem")
    assert note.isHidden()
    good = setting.widget.text()
    setting.widget.setText(text)
    assert not note.isHidden()
    assert said in note.text()
    assert "tuple" not in note.text()
    assert "constrained" not in note.text()
    setting.widget.setText(good)
    assert note.isHidden()


def test_every_setting_has_a_name_of_its_own_and_says_what_it_takes(dock):
    labels = [setting.label for setting in (*dock.basic.values(), *dock.form.settings.values())]
    assert len(set(labels)) == len(labels)
    assert all(len(label) > 5 or label in ("Seed",) for label in labels), "no jargon of one word"
    assert (
        dock.form.settings["guess.enough"].widget.toolTip().endswith("guess.enough: a number of at least 0")
    )
    assert dock.form.settings["refine.shrink_wrap.every"].widget.text() == "20 iterations"
    dock.form.settings["refine.shrink_wrap.every"].value = 0
    assert dock.form.settings["refine.shrink_wrap.every"].widget.text() == "never"
    assert dock.recipe().refine.shrink_wrap.every == 0


def test_parts_stand_once_folded_and_say_what_was_changed(dock):
    heads = [part.head.text() for part in dock.form.parts.values()]
    assert len(set(heads)) == len(heads)
    assert all(part.body.isHidden() for part in dock.form.parts.values())
    dock.form.settings["refine.beta"].value = 0.8
    dock.form.settings["refine.starts"].value = 3
    line, whole = dock.form.parts["refine"].gist_line, dock.advanced.gist_line
    assert line.text().startswith("2 changed: ")
    assert "feedback β 0.8" in line.text()
    assert whole.text() == line.text()
    dock.preset.activated.emit(dock.preset.currentIndex())
    assert line.text().startswith("Algorithm, ")
    assert whole.text() == "as fast has them"


def test_lengths_in_voxels_are_said_before_the_run(dock, session, viewer, scan):
    assert dock.lengths.text() == ""
    session.add_scan(scan)
    assert dock.lengths.text() == ""
    session.add_scan(make_scan("bare", geometry=None))
    assert "lengths will be in voxels" in dock.lengths.text()
    session.choose(scan)
    assert dock.lengths.text() == ""


def test_no_run_is_said_to_take_no_time_any_more(ready):
    for left, said in (
        (3.0, "Analysing · 60 of 61 · 3.0 s left"),
        (0.01, "Analysing · 60 of 61"),
        (0.0, "Analysing · 60 of 61"),
    ):
        ready.report._on_update(Update(Progress("analyse", 60, 61), (), 0.999, left))
        assert ready.stage.text() == said


def test_what_is_said_of_a_run_goes_with_its_result_and_comes_back_with_it(
    ready, session, viewer, qtbot, launch
):
    ready.button.click()
    launch.job.refine(10, errors=[0.5, 0.25])
    launch.job.done(make_reconstruction())
    qtbot.waitUntil(lambda: len(session.results) == 1)
    (result,) = session.results
    session.mark_result(result, starred=True, remark="")
    said = ready.summary.text()
    assert said.startswith("χ² 0.0123")
    for layer in result.layers:
        viewer.layers.remove(layer)
    later = ReconstructDock(viewer)
    qtbot.addWidget(later)
    for dock in (ready, later):
        assert (dock.summary.text(), dock.notes.text(), dock.curve.isHidden()) == ("", "", True)
    session.deleted.bring_back()
    qtbot.waitUntil(lambda: len(session.results) == 1)
    for dock in (ready, later):
        assert (dock.summary.text(), dock.notes.text()) == (said, "a note to read")
        assert not dock.curve.isHidden()


def test_the_summary_follows_a_geometry_that_comes_later(ready, session, launch):
    ready.button.click()
    found = make_reconstruction(nm=False)
    launch.job.done(found)
    session.result_updated.emit(make_reconstruction(), replace(found, notes=("of another result",)))
    assert "a note to read" in ready.notes.text()
    session.result_updated.emit(found, replace(found, notes=("now in nm",)))
    assert ready.notes.text() == "now in nm"


def test_iterations_and_algorithm_are_one_thing(dock):
    assert (dock.iterations.isEnabled(), dock.iterations.value()) == (True, 140)
    dock.iterations.setValue(70)
    assert dock.recipe().refine.algorithm == "12*HIO+38*RAAR+20*ER"
    dock.algorithm.setText("40*HIO+60*ER")  # as older recipes have it
    assert (dock.iterations.isEnabled(), dock.iterations.value()) == (True, 100)
    dock.iterations.setValue(0)
    assert dock.recipe().refine.algorithm == ""
    dock.iterations.setValue(1)
    assert dock.recipe().refine.algorithm == "1*ER"
    dock.iterations.setValue(60)  # who asked for ER alone keeps it
    assert dock.recipe().refine.algorithm == "60*ER"
    dock.algorithm.setText("3*(20*ER+180*HIO)")
    assert not dock.iterations.isEnabled()
    assert dock.recipe().refine.algorithm == "3*(20*ER+180*HIO)"
    dock.algorithm.setText("30 * ER")
    assert (dock.iterations.isEnabled(), dock.iterations.value()) == (True, 30)
    assert dock.recipe().refine.algorithm == "30 * ER"


recipes = st.builds(
    lambda preset, changes: Recipe.from_preset(preset).with_settings(changes),
    st.sampled_from(PRESETS),
    st.fixed_dictionaries(
        {},
        optional={
            "seed": st.integers(0, 2**63 - 1),
            "device": st.sampled_from(["auto", "cpu", "cuda", "cuda:1", "mps"]),
            "guess.threshold": st.integers(1, 99).map(lambda n: n / 100),
            "refine.shrink_wrap.threshold": st.integers(1, 99).map(lambda n: n / 100),
            "guess.weights": st.none() | st.just("mine.safetensors"),
            "prepare.hot_pixels": st.booleans(),
            "prepare.saturation": st.none() | st.integers(1, 10**9).map(float),
            "prepare.binning": st.tuples(*[st.integers(1, 4)] * 3).map(list),
            "prepare.crop": st.none() | st.just("auto") | st.tuples(*[st.integers(16, 512)] * 3).map(list),
            "prepare.centre": st.sampled_from(["peak", "mass", "none"]),
            "refine.algorithm": st.sampled_from(["", "10*ER", "5*(2*ER+7*RAAR)"]),
            "refine.starts": st.integers(1, 99),
            "refine.prune": st.booleans(),
            "refine.coarse": st.integers(0, 620),
            "refine.patience": st.integers(0, 100),
            "refine.beta": st.integers(1, 100).map(lambda n: n / 100),
            "refine.rate": st.sampled_from([1e-6, 0.00025, 0.01, 1.0]),
            "guess.enough": st.sampled_from([0.0, 0.0625, 0.125]),
            "refine.shrink_wrap.every": st.integers(0, 500),
            "refine.shrink_wrap.sigma": st.integers(0, 50).map(lambda n: n / 10),
            "refine.free_fraction": st.integers(0, 49).map(lambda n: n / 100),
            "analyse.threshold": st.integers(1, 99).map(lambda n: n / 100),
            "analyse.apodisation": st.sampled_from(["off", "hann", "gaussian"]),
            "analyse.apodisation_width": st.sampled_from([0.5, 12.0]),
            "analyse.refraction": st.sampled_from(["off", "Pt", [4.1e-5, 3.25e-06]]),
        },
    ),
)


@settings(max_examples=25)
@given(recipe=recipes)
def test_the_panel_gives_back_the_recipe_it_shows(dock, recipe):
    dock.show_recipe(recipe)
    assert dock.recipe() == recipe


def test_recipes_are_saved_and_loaded(dock, tmp_path, errors):
    recipe = Recipe.from_preset("best").with_settings({"seed": 3, "refine.beta": 0.8})
    dock.show_recipe(recipe)
    dock.save_recipe(tmp_path / "recipe.json")
    assert Recipe.from_file(tmp_path / "recipe.json") == recipe
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.json"]
    with pytest.raises(InputError, match="cannot be written"):
        dock.save_recipe(tmp_path / "nowhere" / "recipe.json")


def test_a_recipe_on_a_full_disk_leaves_the_one_before(dock, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "recipe.json"
    path.write_text("precious")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match=os.strerror(errno.ENOSPC)):
        dock.save_recipe(path)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("recipe.json", "precious")]


def test_many_notes_are_folded_until_they_are_asked_for(ready, launch, session):
    ready.button.click()
    found = replace(make_reconstruction(), notes=("first", "second", "third"))
    launch.job.done(found)
    assert not ready.notes.body.isHidden()
    many = replace(found, notes=(*found.notes, "fourth"))
    session.result_updated.emit(found, many)
    assert ready.notes.head.text() == " 4 notes"
    assert ready.notes.body.isHidden()
    ready.notes.head.click()
    session.result_updated.emit(many, replace(many, figures={"chi2": 0.5}))
    assert not ready.notes.body.isHidden(), "what a person has opened stays open"


def test_a_stage_has_a_curve_of_its_own(ready, launch):
    ready.button.click()
    launch.job.run.on_progress(Progress("guess", 60, 100), (0.5, 0.9))
    launch.job.refine(2, errors=[0.3, 0.2])
    launch.job.refine(3, errors=[0.1])
    assert ready.curve.errors == [0.3, 0.2, 0.1], "as many points as iterations are said"


def test_held_out_pixels_and_all_starts_stand_beside_the_best_start(ready, launch):
    ready.button.click()
    rows = ((0.9, 0.5), (0.8, 0.4), (0.7, 0.3))
    seen = Seen(starts=rows, held_out=((1, 10.0), (3, 1.0)))
    launch.job.run.on_progress(Progress("refine", 3, 50), (0.5, 0.4, 0.3), seen)
    plot = ready.curve.plot
    assert plot.getPlotItem().getAxis("right").isVisible()
    np.testing.assert_allclose(plot._held_out.getData(), [[1, 3], [1, 0]])  # logarithms, as its axis says
    iterations, errors = plot._all.getOriginalDataset()
    drawn = [(i, e) for i, e in zip(iterations, errors, strict=True) if np.isfinite(e)]
    assert drawn == [(1, 0.9), (2, 0.8), (3, 0.7), (1, 0.5), (2, 0.4), (3, 0.3)]
    assert "held-out" in plot.getPlotItem().titleLabel.text

    launch.job.done(make_reconstruction())
    assert plot._held_out.getData()[0].tolist() == [1, 3, 3], "the result's own comes last"
    assert plot._held_out.getData()[1][-1] == pytest.approx(np.log10(1.5))
    ready.button.click()
    launch.job.run.on_progress(Progress("refine", 1, 50), (0.5,), Seen(starts=((0.5,),)))
    assert not plot.getPlotItem().getAxis("right").isVisible(), "this run holds nothing out"
    assert plot._all.getOriginalDataset()[0] is None or len(plot._all.getOriginalDataset()[0]) == 0


def test_lines_of_all_starts_break_where_their_number_changes_and_long_ones_are_thinned():
    iterations, errors = side_by_side([(3.0, 2.0), (2.9, 1.9), (1.8,), (1.7,)])
    shown = [(i, e) for i, e in zip(iterations, errors, strict=True) if np.isfinite(e)]
    assert shown == [(1, 3.0), (2, 2.9), (4, 1.7), (1, 2.0), (2, 1.9)]
    iterations, _ = side_by_side([(1.0, 2.0)] * 5000)
    assert len(iterations) <= 2 * 401
    assert iterations.max() > 4900
    assert len(side_by_side([(1.0,)] * 9)[0]) == 0, "one start is the best"


def test_the_live_crystal_can_be_turned_off_and_a_panel_that_is_opened_again_knows(
    dock, session, viewer, qtbot
):
    assert dock.live.isChecked()
    dock.live.click()
    assert not session.controller.live
    again = ReconstructDock(viewer)
    qtbot.addWidget(again)
    assert not again.live.isChecked()


def test_return_starts_and_esc_cancels_and_the_focus_stays_with_them(ready, launch, qtbot):
    ready.show()
    qtbot.waitExposed(ready)
    QApplication.setActiveWindow(ready)
    ready.button.setFocus()
    qtbot.waitUntil(ready.button.hasFocus)
    QTest.keyClick(ready.button, Qt.Key.Key_Return)
    assert len(launch.jobs) == 1
    assert ready.focusWidget() is ready.cancel
    QTest.keyClick(ready.cancel, Qt.Key.Key_Escape)
    assert launch.job.quits == 1
    launch.job.run.on_stopped()
    assert ready.focusWidget() is ready.button
    QTest.keyClick(ready.button, Qt.Key.Key_Escape)
    assert launch.job.quits == 1, "nothing runs"


def test_what_a_person_reaches_for_stays_where_it_is(ready, launch, viewer, session, qtbot):
    ready.resize(400, 900)
    ready.show()
    qtbot.waitExposed(ready)

    def places():
        ready.scroller.widget().layout().activate()
        watched = (ready.button, ready.cancel, ready.iterations, ready.basic["seed"].widget, ready.replace)
        return [widget.mapTo(ready, widget.rect().topLeft()).y() for widget in watched]

    before = places()
    ready.button.click()
    launch.job.refine(10, errors=[0.5, 0.25, 0.125])
    assert not ready.curve.isHidden()
    assert places() == before
    launch.job.done(make_reconstruction())
    assert places() == before
    viewer.layers.remove(session.scan_layer)
    assert places()[:2] == before[:2], "nor when the scan is deleted in mid-run"


def test_only_devices_that_are_there_can_be_chosen(ready, engine, qtbot, monkeypatch):
    monkeypatch.setattr(device_and_memory, "_device_lines", lambda: ["cpu: 2 cores", "cuda:0: a card"])
    engine.begin()
    qtbot.waitUntil(lambda: "a card" in ready.device_and_memory.devices.text(), timeout=120_000)
    box = ready.basic["device"].widget
    offered = {box.itemData(index): box.model().item(index).isEnabled() for index in range(box.count())}
    assert offered == {"auto": True, "cpu": True, "cuda": True, "mps": False}
    assert box.itemText(box.findData("mps")) == "GPU (Apple): none here"


def test_each_of_several_cards_can_be_chosen(ready, engine, qtbot, monkeypatch):
    lines = ["cpu: 2 cores", "cuda:0: a card", "cuda:1: another"]
    monkeypatch.setattr(device_and_memory, "_device_lines", lambda: lines)
    engine.begin()
    qtbot.waitUntil(lambda: "another" in ready.device_and_memory.devices.text(), timeout=120_000)
    box = ready.basic["device"].widget
    offered = {
        box.itemData(i): box.itemText(i) for i in range(box.count()) if box.model().item(i).isEnabled()
    }
    assert offered == {
        "auto": "automatic", "cpu": "CPU", "cuda": "GPU (CUDA)", "cuda:0": "GPU (CUDA) 0", "cuda:1": "GPU (CUDA) 1"
    }  # fmt: skip
    ready.basic["device"].value = "cuda:1"
    assert ready.recipe().device == "cuda:1"


def test_every_setting_has_a_tooltip(dock):
    assert all(setting.widget.toolTip() for setting in dock.form.settings.values())
    shown = {"version", "preset", *dock.basic, *dock.form.settings}
    assert shown == {key for key, _ in settings_of(Recipe)}


def test_devices_and_memory_are_said_once_the_engine_is_there(ready, engine, session, qtbot):
    memory = ready.device_and_memory.memory
    assert (ready.device_and_memory.devices.text(), memory.text()) == ("looking for devices…", "")
    engine.begin()
    qtbot.waitUntil(lambda: ready.device_and_memory.devices.text() == "cpu: 2 cores", timeout=120_000)
    qtbot.waitUntil(lambda: memory.text() == "(24, 24, 24) 25*HIO+75*RAAR+40*ER auto", timeout=120_000)
    ready.iterations.setValue(70)
    ready.basic["device"].value = "cpu"
    session.add_scan(make_scan("other", size=32))
    qtbot.waitUntil(lambda: memory.text() == "(32, 32, 32) 12*HIO+38*RAAR+20*ER cpu", timeout=120_000)
    ready.form.settings["prepare.saturation"].value = -1
    qtbot.waitUntil(lambda: memory.text() == "", timeout=120_000)


def test_what_does_not_fit_is_said_before_the_run(ready, engine, qtbot, monkeypatch):
    def refuse(shape, recipe):
        raise InputError("needs 30 GiB")

    monkeypatch.setattr(device_and_memory, "_memory_line", refuse)
    engine.begin()
    qtbot.waitUntil(lambda: ready.device_and_memory.memory.text() == "needs 30 GiB", timeout=120_000)


def test_an_engine_that_cannot_be_loaded_is_said(ready, engine, qtbot, monkeypatch):
    def broken():
        raise ImportError("no libtorch")

    monkeypatch.setattr(warmup, "STEPS", (broken,))
    engine.begin()
    qtbot.waitUntil(
        lambda: "cannot be used: no libtorch" in ready.device_and_memory.devices.text(), timeout=120_000
    )


def closed(dock, qtbot):
    with qtbot.waitSignal(dock.destroyed, timeout=120_000):
        dock.deleteLater()


def test_a_run_goes_on_without_its_dock_and_is_seen_in_the_next(session, viewer, qtbot, launch, scan, errors):
    dock = ReconstructDock(viewer)
    session.add_scan(scan)
    dock.basic["seed"].value = 7
    dock.preset.setCurrentIndex(PRESETS.index("iterative"))
    dock._use_preset()
    dock.button.click()
    launch.job.refine(40, 620, errors=[0.5, 0.4])
    closed(dock, qtbot)
    assert launch.job.quits == 0
    launch.job.refine(41, 620, errors=[0.3])
    again = ReconstructDock(viewer)
    qtbot.addWidget(again)
    assert again.preset.currentData() == "iterative"
    assert again.basic["seed"].value == 7
    assert again.curve.errors == [0.5, 0.4, 0.3]
    assert again.stage.text().startswith("Refining · 41 of 620")
    assert again.cancel.isEnabled()
    launch.job.done(make_reconstruction())
    assert len(session.results) == 1
    assert "χ² 0.0123" in again.summary.text()


def test_a_dock_that_is_opened_after_a_run_says_how_it_ended(ready, session, viewer, qtbot, launch, errors):
    ready.button.click()
    launch.job.done(make_reconstruction())
    dock = ReconstructDock(viewer)
    qtbot.addWidget(dock)
    assert "χ² 0.0123" in dock.summary.text()
    dock.button.click()
    launch.job.run.on_failed(InputError("The scan is too big; bin it."))
    last = ReconstructDock(viewer)
    qtbot.addWidget(last)
    assert last.summary.text() == "The scan is too big; bin it."
    assert len(errors) == 2, "it was said when it happened, in both docks, and not again"


def test_the_curve_is_shaded_where_it_is_expected_to_rise(ready, launch):
    ready.preset.setCurrentIndex(PRESETS.index("iterative"))
    ready._use_preset()
    ready.button.click()
    launch.job.refine(30, 620, errors=[0.5])
    # 3*(20*ER+180*HIO)+20*ER
    assert ready.curve.explored == [(21, 200), (221, 400), (421, 600)]
    bottom = ready.curve.plot.getPlotItem().getAxis("bottom")
    assert bottom.labelText == "iterations; shaded: χ² is expected to rise"
    launch.job.done(make_reconstruction())
    ready.preset.setCurrentIndex(PRESETS.index("fast"))
    ready._use_preset()
    ready.algorithm.setText("50*ER")
    ready.button.click()
    launch.job.refine(1, 50, errors=[0.5])
    assert ready.curve.explored == []
    assert bottom.labelText == "iterations", "nothing is said of shades where there are none"


def test_deleting_every_layer_in_mid_run(ready, viewer, session, launch):
    ready.button.click()
    viewer.layers.clear()
    launch.job.refine(5, errors=[0.1])
    launch.job.done(make_reconstruction())
    assert len(session.results) == 1
    assert not ready.button.isEnabled(), "there is no scan any more"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (3.21, "3.2 s"), (42.4, "42 s"), (125.0, "2 min 5 s")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@settings(max_examples=50)
@given(low=st.floats(-8, 2), width=st.floats(0.05, 8))
def test_the_error_axis_marks_a_few_round_numbers(low, width):
    ((_, marks),) = LogAxis.tickValues(None, low, low + width)
    assert 3 <= len(marks) <= 7
    assert low <= marks.min() < marks.max() <= low + width
    texts = LogAxis.tickStrings(None, marks)
    assert len(set(texts)) == len(texts)
    np.testing.assert_allclose(np.log10([float(text) for text in texts]), marks, atol=1e-9)


@pytest.mark.parametrize(("low", "high"), [(0.48, 1.98), (0.3, 0.99), (2.1, 9.9), (0.011, 0.049), (5.2, 9.8)])
def test_numbers_of_the_error_axis_do_not_stand_on_each_other(low, high):
    ((_, marks),) = LogAxis.tickValues(None, np.log10(low), np.log10(high))
    # of an axis of 70 pixels, each as high as a small letter
    assert np.diff(marks).min() > 0.13 * np.log10(high / low)


def test_pause_and_continue(ready, launch):
    assert not ready.pause.isEnabled()
    ready.button.click()
    launch.job.refine(10)
    ready.pause.click()
    assert ready.pause.text() == "Continue"
    assert ready.stage.text() == "Paused · Refining · 10 of 50 · crystal"
    launch.job.refine(11)  # which was done when it was held
    assert ready.stage.text() == "Paused · Refining · 11 of 50 · crystal"
    ready.pause.click()
    assert ready.stage.text() == "Refining · 11 of 50 · crystal"
    assert launch.job.held == [True, False]
    ready.cancel.click()
    launch.job.run.on_stopped()
    assert (ready.pause.text(), ready.pause.isEnabled()) == ("Pause", False)


def test_a_support_threshold_that_is_moved_rules_the_last_update_too(dock):
    wrap = Recipe.from_preset("fast").refine.shrink_wrap
    threshold = dock.basic["refine.shrink_wrap.threshold"]
    outline = dock.form.settings["refine.shrink_wrap.outline"]
    threshold.value = 0.25
    assert dock.recipe().refine.shrink_wrap.outline == 0
    assert "outline" in dock.explanation.text()
    threshold.value = wrap.threshold
    assert dock.recipe() == Recipe.from_preset("fast")
    outline.value = 0.4  # of one's own
    threshold.value = 0.25
    assert dock.recipe().refine.shrink_wrap.outline == 0.4
    both = Recipe.from_preset("fast").with_settings({"refine.shrink_wrap.threshold": 0.3})
    dock.show_recipe(both)
    assert dock.recipe() == both, "a recipe is what it says"


def test_binning_is_said_in_the_load_panel_too(dock, session, viewer, qtbot):
    load = LoadDock(viewer)
    qtbot.addWidget(load)
    sides = load.corrections.binning.sides
    sides[1].setValue(2)
    assert dock.recipe().prepare.binning == (1, 2, 1)
    dock.form.settings["prepare.binning"].value = (1, 2, 4)
    assert [side.value() for side in sides] == [1, 2, 4]


def test_binning_that_was_said_before_the_panel_is_opened_is_kept(session, viewer, qtbot):
    load = LoadDock(viewer)
    qtbot.addWidget(load)
    load.corrections.binning.sides[0].setValue(3)
    dock = ReconstructDock(viewer)
    qtbot.addWidget(dock)
    assert dock.recipe() == Recipe.from_preset("fast").with_settings({"prepare.binning": (3, 1, 1)})


def test_fields_of_all_parts_begin_in_one_line_in_letters_of_any_size(dock):
    for points in (9, 30, 12):
        letters = dock.font()
        letters.setPointSize(points)
        for each in dock.form.captions:
            each.setFont(letters)
        QApplication.sendEvent(dock.form, QEvent(QEvent.Type.FontChange))
        widest = max(each.sizeHint().width() for each in dock.form.captions)
        assert {each.minimumWidth() for each in dock.form.captions} == {widest}

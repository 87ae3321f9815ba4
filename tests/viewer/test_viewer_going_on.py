"""After a run: more of the same, polish, another seed, back to how an earlier result was found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qtpy.QtWidgets import QFileDialog
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase import formats
from napari_autophase.recipe import Recipe
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock
from napari_autophase.viewer.model.run.further import another_seed, further


@pytest.fixture
def dock(session, viewer, qtbot):
    dock = ReconstructDock(viewer)
    qtbot.addWidget(dock)
    return dock


@pytest.fixture
def begun(session, monkeypatch):
    """What each run went on from."""
    found, background = [], session._background
    start = background.reconstruct

    def reconstruct(scan, recipe, run, look, begin):
        found.append(begin)
        return start(scan, recipe, run, look, begin)

    monkeypatch.setattr(background, "reconstruct", reconstruct)
    return found


def result_of(scan, **settings):
    found = make_reconstruction(scan.name)
    return replace(found, recipe=Recipe().with_settings(settings), source=scan.source, peak=(12, 12, 12))


@pytest.fixture
def done(dock, session, launch, scan):
    """The panel after a run."""
    session.add_scan(scan)
    dock.button.click()
    launch.job.done(result_of(scan, seed=4))
    launch.job.run.on_stopped()
    return dock


def test_more_iterations_begin_with_what_was_found_and_keep_its_support_sharp():
    recipe = Recipe.from_preset("best").with_settings(
        {"runs": 3, "refine.coarse": 20, "refine.shrink_wrap.sigma_end": 0.7, "prepare.binning": [1, 2, 2]}
    )
    more = further(recipe, "50*ER")
    assert (more.refine.algorithm, more.runs, more.refine.coarse) == ("50*ER", 1, 0)
    assert more.refine.shrink_wrap.sigma == more.refine.shrink_wrap.sigma_end == 0.7
    assert more.prepare == recipe.prepare
    assert another_seed(recipe).seed == recipe.seed + 1
    assert another_seed(recipe.with_settings({"seed": 2**63 - 1})).seed == 0


def test_there_is_nothing_to_go_on_from_without_a_result(dock, session, scan):
    session.add_scan(scan)
    assert dock.going_on.isHidden()


@pytest.mark.parametrize(("button", "algorithm"), [("more", "50*ER"), ("polish", "30*CG")])
def test_one_goes_on_from_the_result_that_is_seen(done, session, launch, scan, begun, button, algorithm):
    assert not done.going_on.isHidden()
    assert done.going_on.name.text() == "Go on from crystal · 1"
    (result,) = session.results
    getattr(done.going_on, button).click()
    assert launch.job.scan is scan
    assert launch.job.recipe.refine.algorithm == algorithm
    assert begun == [result.reconstruction]
    assert not done.going_on.more.isEnabled(), "one at a time"
    launch.job.done(result_of(scan))
    launch.job.run.on_stopped()
    assert [each.group for each in session.results] == [1, 2]
    assert done.going_on.name.text() == "Go on from crystal · 2"
    assert done.recipe().refine.algorithm == Recipe().refine.algorithm, "what the panel says is the person's"


def test_back_to_an_earlier_result(done, session, launch, scan, begun):
    first = session.results[0]
    done.going_on.more.click()
    launch.job.done(result_of(scan))
    launch.job.run.on_stopped()
    session.show_result(first)
    assert done.going_on.result is first
    done.going_on.follow()
    done.going_on.more.click()
    assert begun[-1] is first.reconstruction


def test_another_seed_begins_anew_and_is_shown(done, launch, begun):
    done.going_on.seed.click()
    assert launch.job.recipe.seed == 5
    assert begun == [None]
    assert done.basic["seed"].value == 5


def test_its_recipe_and_its_scan_come_back(done, session, launch, scan):
    session.add_scan(make_scan("other"))
    done.show_recipe(Recipe.from_preset("iterative"))
    done.going_on.recipe.click()
    assert done.recipe() == session.results[0].reconstruction.recipe
    assert session.current is scan


def test_a_result_takes_the_place_of_the_last_where_that_is_wanted(done, session, launch, scan):
    done.replace.setChecked(True)
    done.going_on.more.click()
    launch.job.done(result_of(scan))
    assert [each.group for each in session.results] == [1]


def test_without_its_scan_only_the_recipe_is_left(done, session, viewer):
    viewer.layers.remove(session.scan_layer)
    assert not done.going_on.more.isEnabled()
    assert done.going_on.recipe.isEnabled()
    done.going_on.recipe.click()
    assert done.recipe().seed == 4


@pytest.fixture
def opened(dock, session, tmp_path, scan):
    """The panel with a result that was opened, whose scan is in a file elsewhere; the result says where, not from here."""
    formats.write_scan(scan, tmp_path / "crystal.h5")
    stored = formats.read_scan(tmp_path / "crystal.h5")
    source = f"crystal.h5::{stored.source.partition('::')[2]}"
    made = replace(result_of(stored, seed=4), source=source, path=str(tmp_path / "r.cxi"))
    session.add_result(made)
    dock.going_on.follow()
    return dock


def buttons(dock):
    on = dock.going_on
    return [each.isEnabled() for each in (on.more, on.polish, on.seed, on.recipe)]


def test_the_scan_of_a_result_that_is_opened_comes_back_and_one_can_go_on(opened, session, launch, qtbot):
    on = opened.going_on
    assert (on.why.text(), on.source.isHidden()) == ("Its scan is not open.", False)
    assert buttons(opened) == [False, False, False, True]
    on.source.click()
    assert not on.source.isEnabled()
    qtbot.waitUntil(lambda: bool(session.scans), timeout=120_000)
    (result,) = session.results
    assert session.home_of(result) is session.current is session.scans[0]
    assert on.why.isHidden()
    assert on.source.isHidden()
    assert buttons(opened) == [True] * 4
    assert opened.recipe() == result.reconstruction.recipe
    on.more.click()
    assert launch.job.scan is session.scans[0]


def test_a_scan_that_is_not_where_it_was_can_be_found(opened, session, tmp_path, qtbot, monkeypatch):
    (tmp_path / "crystal.h5").rename(tmp_path / "elsewhere.h5")
    on = opened.going_on
    on.source.click()
    qtbot.waitUntil(lambda: on.source.isEnabled(), timeout=120_000)
    assert "crystal.h5, which r.cxi was made from, is not there" in on.why.text()
    assert on.source.text() == "Find its scan…"
    place = str(tmp_path / "elsewhere.h5")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    on.source.click()
    assert on.source.isEnabled()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (place, ""))
    on.source.click()
    qtbot.waitUntil(lambda: bool(session.scans), timeout=120_000)
    assert buttons(opened) == [True] * 4


def test_what_cannot_be_gone_on_from_says_why(dock, session, scan):
    session.add_scan(scan)
    old = replace(result_of(scan), peak=None)
    session.add_result(old)
    assert buttons(dock) == [False, False, True, True]
    assert "it can be phased again, but not refined further" in dock.going_on.why.text()
    session.add_result(replace(old, versions={}))
    assert buttons(dock) == [False] * 4
    assert dock.going_on.why.text() == "It holds no recipe, so that one cannot go on from it."
    session.add_result(replace(old, source="", name="of no scan"))
    assert buttons(dock) == [False, False, False, True]
    assert "does not say which scan" in dock.going_on.why.text()


def test_a_setting_that_is_on_or_off_is_said_so(dock):
    dock.show_recipe(Recipe().with_settings({"prepare.other_peaks": False}))
    assert "mask other peaks off" in dock.explanation.text()

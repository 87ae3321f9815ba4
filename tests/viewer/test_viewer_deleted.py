"""What was deleted comes back as it was, with one key, while the window is open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.viewer.docks.undo_row import UndoButton
from napari_autophase.viewer.model import commands
from napari_autophase.viewer.model.crystal.mesh import Cut
from napari_autophase.viewer.model.stage import layers


def delete(viewer, result):
    for layer in result.layers:
        viewer.layers.remove(layer)


def test_a_result_comes_back_with_its_number_and_its_look(viewer, session):
    session.add_result(make_reconstruction("one"))
    second = session.add_result(make_reconstruction("two"))
    second.set_threshold(0.45)
    second.set_colour_by("strain")
    second.set_range((-2e-3, 3e-3))
    second.set_clipping(Cut((0.0, 1.0, 0.0), 5.0))
    viewer.dims.ndisplay = 2
    viewer.dims.ndisplay = 3
    look, vertices = second.look, second.layer("isosurface").data[0].copy()
    delete(viewer, second)
    assert session.deleted.last == "two · 2"
    assert commands.bring_back(session) == "two · 2 is back."
    back = session.results[-1]
    assert (back.title, back.look) == ("two · 2", look)
    assert back.shown
    np.testing.assert_array_equal(back.layer("isosurface").data[0], vertices)
    assert tuple(back.layer("isosurface").contrast_limits) == (-2e-3, 3e-3)
    assert commands.bring_back(session) == "Nothing was deleted."


def test_all_that_was_cleared_comes_back_one_after_the_other(viewer, session):
    session.add_scan(make_scan("scan"))
    session.add_result(make_reconstruction("one"))
    session.add_result(make_reconstruction("two"))
    viewer.layers.clear()
    assert session.results == session.scans == []
    back = [commands.bring_back(session) for _ in range(3)]
    assert sorted(back) == ["one · 1 is back.", "scan is back.", "two · 2 is back."]
    assert [result.title for result in session.results] == ["one · 1", "two · 2"]
    assert [scan.name for scan in session.scans] == ["scan"]


def test_a_scan_comes_back_with_its_mask_its_names_and_the_geometry_that_it_was_given(viewer, session):
    session.add_scan(make_scan("scan"))
    result = session.add_result(make_reconstruction("scan"))
    session.update_scan(session.current, replace(session.current, geometry=None))
    mask = session.masks.paint()
    mask.paint((12, 5, 5), 1)
    session.scan_layer.name = "gold"
    session.settle()
    viewer.layers.remove(session.scan_layer)
    assert session.masks.chosen is None
    session.deleted.bring_back()
    assert session.current.name == "gold"
    assert session.masks.chosen is mask, "which masks it again"
    assert session.was_placed(session.current)
    session.choose(None)
    session.show_diffraction_of(result)  # phased when it had its first name
    assert session.current is session.scans[0]


def test_a_number_that_is_taken_is_not_given_twice(viewer, session):
    delete(viewer, session.add_result(make_reconstruction("one")))
    session.add_result(make_reconstruction("two"))
    commands.bring_back(session)
    assert [result.title for result in session.results] == ["two · 1", "one · 2"]


def test_what_is_replaced_is_not_deleted(viewer, session):
    session.add_result(make_reconstruction("one"))
    session.add_result(make_reconstruction("one"), replace_last=True)
    assert session.deleted.last == ""


@pytest.fixture
def sliced(viewer, session):
    """A result with both of its layers, in 3-D."""
    result = session.add_result(make_reconstruction("one"))
    viewer.dims.ndisplay = 2
    viewer.dims.ndisplay = 3
    return result


@pytest.mark.parametrize(("ndisplay", "role"), [(3, "isosurface"), (2, "slices")])
def test_what_was_seen_of_a_result_that_is_still_there_comes_back(viewer, session, sliced, ndisplay, role):
    viewer.dims.ndisplay = ndisplay
    sliced.set_threshold(0.45)
    viewer.layers.remove(sliced.layer(role))
    assert sliced.seen_layer is None
    assert session.deleted.last == f"one · 1 {role}"
    assert commands.bring_back(session) == f"one · 1 {role} is back."
    assert sliced.seen_layer is sliced.layer(role)
    assert sliced.seen_layer.visible
    assert sliced.threshold == 0.45
    assert commands.bring_back(session) == "Nothing was deleted."


def test_what_was_seen_comes_back_before_another_result_too(viewer, session, sliced):
    viewer.layers.remove(sliced.layer("isosurface"))
    other = session.add_result(make_reconstruction("two"))
    commands.bring_back(session)
    assert sliced.shown
    assert sliced.seen_layer.visible
    assert not other.shown


def test_a_layer_that_is_hidden_is_not_missed(viewer, session, sliced):
    viewer.layers.remove(sliced.layer("slices"))
    assert session.deleted.last == ""


def test_what_is_back_otherwise_is_not_offered(viewer, session, sliced):
    viewer.layers.remove(sliced.layer("isosurface"))
    layers.bring_back(sliced)
    assert session.deleted.last == ""


def test_a_result_that_is_deleted_layer_by_layer_comes_back_once(viewer, session, sliced):
    delete(viewer, sliced)
    assert commands.bring_back(session) == "one · 1 is back."
    assert commands.bring_back(session) == "Nothing was deleted."


def test_the_button_is_there_while_something_can_come_back(qtbot, viewer, session):
    button = UndoButton(session)
    qtbot.addWidget(button)
    assert button.isHidden()
    delete(viewer, session.add_result(make_reconstruction("one")))
    assert not button.isHidden()
    assert button.text() == "Bring back one · 1"
    button.click()
    assert button.isHidden()
    assert len(session.results) == 1

"""What is drawn over a result and beside it: facets, dislocations, directions, another result and the difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.analysis import twin
from napari_autophase.viewer import sessions
from napari_autophase.viewer.docks.beside_box import BesideBox
from napari_autophase.viewer.model.canvas.compat import _grid
from napari_autophase.viewer.model.crystal import landmarks
from napari_autophase.viewer.model.crystal.mesh import Cut
from napari_autophase.viewer.model.crystal.result_data import OVER_RESULT, RESULT
from napari_autophase.viewer.model.run.background import AtOnce
from napari_autophase.viewer.model.session import Session

STEP = np.array([5.0, 6.0, 7.0])
"""Voxel edges of the reconstruction along x, y, z, as `make_reconstruction` has them: those of the grid are the same."""
HALF = 6
"""Half of the edge of its box in voxels."""


def named(viewer, name):
    return next((layer for layer in viewer.layers if layer.name == name), None)


def shown(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


@pytest.fixture
def session(viewer):
    """A session that does everything at once."""
    session = Session(viewer)
    sessions.keep(session)
    return session


@pytest.fixture
def result(session):
    return session.add_result(make_reconstruction(nm=False))


@pytest.fixture
def marks(session):
    return session.extras.landmarks


def screw(size=24, at=(12, 11)):
    """A box whose phase winds once about a line along axis 0."""
    found = make_reconstruction(size=size, nm=False)
    _, row, column = np.indices((size,) * 3)
    angle = np.arctan2(row - at[0] + 0.5, column - at[1] + 0.5)
    return replace(found, object=(np.abs(found.object) * np.exp(1j * angle)).astype(np.complex64))


def test_nothing_is_drawn_before_it_is_wanted(viewer, result, marks):
    assert shown(viewer) == ["crystal · 1 isosurface"]
    assert not any(marks.wants(kind) for kind in landmarks.KINDS)


def test_the_facets_of_a_box_are_its_six_sides(viewer, result, marks):
    marks.show("facets", True)
    layer = named(viewer, "facets")
    assert layer.visible
    assert "6 facets" in marks.words["facets"]
    vertices, _, values = layer.data
    assert set(values.astype(int)) == set(range(1, 7))
    seen = set()
    for number in range(1, 7):
        corners = vertices[values == number]
        axis = int(np.argmin(corners.std(0)))
        # a side of the box lies half a voxel beyond its outermost voxels, from 6 before the middle to 5 after it
        side = corners[:, axis].mean()
        assert side == pytest.approx(-HALF - 0.5 if side < 0 else HALF - 0.5, abs=1.0)
        seen.add((axis, np.sign(side)))
    assert len(seen) == 6
    said = layer.get_status(
        (50.0, 0.2, 0.2), view_direction=np.array([-1.0, 0.0, 0.0]), dims_displayed=[0, 1, 2], world=True
    )["value"]
    assert said.startswith("facet ")
    picture = layer.thumbnail
    assert picture[..., :3].any(), "not black in the list"
    marks.show("facets", False)
    assert [layer.name for layer in viewer.layers] == ["crystal · 1 isosurface"]
    assert marks.words["facets"] == ""


def test_facets_follow_the_threshold_and_the_cut(viewer, result, marks):
    marks.show("facets", True)
    whole = named(viewer, "facets").data[0]
    result.set_clipping(Cut((1.0, 0.0, 0.0), 0.0))
    cut = named(viewer, "facets").data[0]
    assert len(cut) < len(whole)
    assert cut[:, 0].max() < 1.5, "nothing is left beyond the plane"
    result.set_clipping(None)
    result.set_threshold(0.9)
    assert np.abs(named(viewer, "facets").data[0]).max() < np.abs(whole).max()


def test_a_dislocation_is_drawn_where_the_phase_winds(viewer, session, marks):
    session.add_result(screw())
    marks.show("dislocations", True)
    layer = named(viewer, "dislocations")
    assert layer.visible
    world = layer.data[:, 0] * layer.scale + layer.translate
    # between the voxels 11 and 12 of the rows, and 10 and 11 of the columns, 12 being the middle
    np.testing.assert_allclose(world[:, 1], -0.5, atol=0.3)
    np.testing.assert_allclose(world[:, 2], -1.5, atol=0.3)
    assert np.ptp(world[:, 0]) > 8
    assert "1 dislocation," in marks.words["dislocations"]
    viewer.dims.ndisplay = 2
    assert layer.visible, "in slices it is a point"


def test_a_crystal_without_a_dislocation_says_so(viewer, result, marks):
    marks.show("dislocations", True)
    assert "No dislocation" in marks.words["dislocations"]
    assert named(viewer, "dislocations") is None


def test_q_points_where_it_is_said_to(viewer, session, marks):
    session.add_result(make_reconstruction())
    marks.show("directions", True)
    (vector,) = named(viewer, "Q and axes").data
    np.testing.assert_array_equal(vector[0], 0)
    # Q is (0, 0, 26.7) along x, y, z, so along the first axis of the layer, and out of the crystal
    np.testing.assert_allclose(vector[1] / np.linalg.norm(vector[1]), (1, 0, 0), atol=1e-6)
    assert vector[1][0] > HALF * STEP[2]
    viewer.dims.set_point(0, 1.0)
    assert all(named(viewer, name).thumbnail[..., :3].any() for name in ("Q and axes", "Q and axes, names"))
    assert "indices" in marks.words["directions"]
    viewer.dims.ndisplay = 2
    assert not named(viewer, "Q and axes").visible


def test_without_geometry_nobody_knows_where_q_points(result, viewer, marks):
    marks.show("directions", True)
    assert marks.words["directions"] == "The direction of Q needs the geometry."
    assert shown(viewer) == ["crystal · 1 isosurface"]


def test_landmarks_are_seen_with_the_result_alone(viewer, session, result, marks):
    session.add_scan(make_scan())
    session.show_result()
    marks.show("facets", True)
    before = viewer.dims.range
    assert "facets" in shown(viewer)
    session.show_diffraction()
    assert shown(viewer) == ["crystal"]
    session.show_result()
    assert "facets" in shown(viewer)
    assert viewer.dims.range == before
    whole = named(viewer, "facets").data[0]
    session.add_result(make_reconstruction("larger", size=32, nm=False))
    assert np.abs(named(viewer, "facets").data[0]).max() > np.abs(whole).max(), (
        "those of the one that is seen"
    )


def test_landmarks_that_a_person_deletes_are_not_wanted_any_more(viewer, result, marks):
    marks.show("facets", True)
    viewer.layers.remove(named(viewer, "facets"))
    assert not marks.wants("facets")
    marks.show("facets", True)
    assert "facets" in shown(viewer)
    viewer.layers.clear()
    assert len(viewer.layers) == 0


class Turns(AtOnce):
    """A background whose later turns of the event loop come when the test says so."""

    def __init__(self):
        self.waiting = []

    def soon(self, go_on):
        self.waiting.append(go_on)
        return True

    def all(self):
        while self.waiting:
            self.waiting.pop(0)()


def test_landmarks_go_with_the_last_result_and_come_back_with_it(viewer):
    turns = Turns()
    session = Session(viewer, turns)
    marks = session.extras.landmarks
    first, second = (session.add_result(make_reconstruction(name, nm=False)) for name in ("one", "two"))
    turns.all()
    marks.show("facets", True)
    turns.all()
    viewer.layers.remove(second.layer("isosurface"))
    turns.all()
    assert shown(viewer) == ["one · 1 isosurface", "facets"], "those of the one that is left"
    viewer.layers.remove(first.layer("isosurface"))
    turns.all()
    assert [layer.name for layer in viewer.layers] == []
    session.deleted.bring_back()
    turns.all()
    assert shown(viewer) == ["one · 1 isosurface", "facets"]
    for name in ("directions", "dislocations"):
        marks.show(name, True)
    turns.all()
    viewer.layers.clear()
    turns.all()
    assert len(viewer.layers) == 0, "napari clears by place: nothing else may go meanwhile"


def test_what_finds_nothing_leaves_no_layer(viewer, session, marks):
    found = session.add_result(screw())
    marks.show("dislocations", True)
    assert named(viewer, "dislocations") is not None
    session.add_result(make_reconstruction(nm=False))
    assert "No dislocation" in marks.words["dislocations"]
    assert named(viewer, "dislocations") is None
    session.show_result(found)
    assert "dislocations" in shown(viewer)


# -- beside it


def other_crystal(found, twinned=True):
    """The same crystal, its twin, moved by two voxels, with a known field of phase on top."""
    z, y, _ = np.indices(found.shape) - found.shape[0] // 2
    field = 0.012 * (z**2 - y**2)
    changed = found.object * np.exp(1j * field)
    moved = np.roll(twin(changed) if twinned else changed, 2, axis=1).astype(np.complex64)
    return replace(found, object=moved, support=np.abs(moved) > 0.1, name="other"), field


def test_other_people_s_layers_do_not_take_the_views_of_what_is_compared(viewer, session):
    viewer.add_image(np.ones((5, 6)), name="mine")
    second = session.add_result(make_reconstruction("other", nm=False))
    session.add_result(make_reconstruction(nm=False))
    viewer.add_points(np.zeros((1, 3)), name="mine too")
    before = [layer.name for layer in viewer.layers]
    session.extras.side_by_side.compare(second)
    one, other, difference, *rest = shown(viewer)
    assert (one, other) == ("crystal · 2 isosurface", "other · 1: phase (rad)")
    assert difference.startswith("crystal · 2 − other · 1")
    assert rest == ["mine", "mine too"]
    session.extras.side_by_side.compare(None)
    assert [layer.name for layer in viewer.layers if layer.name in before] == before


def test_how_far_two_agree_is_said_in_the_window_s_words(viewer, session, qtbot):
    qtbot.addWidget(box := BesideBox(session))
    second = session.add_result(make_reconstruction("other", nm=False))
    session.add_result(make_reconstruction())
    session.extras.side_by_side.compare(second)
    assert "other has no geometry" in box.agreement.text()
    assert "--" not in box.agreement.text()


def test_two_results_stand_beside_each_other_with_their_difference(viewer, session):
    one = make_reconstruction(nm=False)
    two, field = other_crystal(one)
    second = session.add_result(two)
    first = session.add_result(one)
    beside = session.extras.side_by_side
    beside.compare(second)
    first_name, other_name, difference_name = shown(viewer)
    assert (first_name, other_name) == ("crystal · 2 isosurface", "other · 1: phase (rad)")
    assert difference_name.startswith("crystal · 2 − other · 1: phase (rad) ± 0.")
    assert _grid(viewer).enabled
    assert "twin" in beside.words
    assert beside.words.startswith("Correlation 0.9")
    # one minus the other is minus the field, but for its mean
    apart = beside._known[2].difference
    inside = apart.support
    where = np.argwhere(inside) - np.array(inside.shape) // 2 + one.shape[0] // 2
    wanted = -field[tuple(where.T)]
    found = apart.phase[inside]
    # a ramp is no difference: the comparison takes it away, as the field's own about the middle of this box, half a voxel off
    plane = np.column_stack([where, np.ones(len(where))])
    error = found - wanted
    error -= plane @ np.linalg.lstsq(plane, error, rcond=None)[0]
    assert np.abs(error).mean() < 0.01 * np.ptp(wanted)
    # both are drawn by one range, the difference by its own
    layers = {layer.name.split(":")[0]: layer for layer in viewer.layers if layer.visible}
    assert tuple(layers["other · 1"].contrast_limits) == (-np.pi, np.pi)
    low, high = layers["crystal · 2 − other · 1"].contrast_limits
    assert low == -high
    assert high < 1.0
    first.set_colour_by("strain")
    assert all(": relative strain (rad/voxel)" in name for name in shown(viewer)[1:])
    assert all(layer.thumbnail[..., :3].any() for layer in viewer.layers), "none is black in the list"
    viewer.dims.ndisplay = 2
    assert len(session.choices) == 0, "its slices are nobody's scan"
    viewer.dims.ndisplay = 3
    beside.compare(None)
    assert shown(viewer) == ["crystal · 2 isosurface"]
    assert {layer.metadata[RESULT] for layer in viewer.layers} == {first, second}, "the others have gone"
    assert not _grid(viewer).enabled
    assert beside.words == ""


@pytest.mark.parametrize("shown_in_nm", [False, True])
def test_what_is_compared_is_drawn_in_the_unit_of_the_result_that_is_seen(viewer, session, shown_in_nm):
    """Its camera moves with the others': another program's array without a geometry has no nanometres."""
    other = session.add_result(make_reconstruction("other", nm=not shown_in_nm))
    seen = session.add_result(make_reconstruction("seen", nm=shown_in_nm))
    viewer.dims.ndisplay = 3
    session.extras.side_by_side.compare(other)
    ends = [np.ptp(layer.data[0], axis=0) for layer in viewer.layers if layer.visible]
    assert len(ends) == 3
    for each in ends[1:]:
        np.testing.assert_allclose(each, ends[0], rtol=0.05)
    assert seen.unit == ("nm" if shown_in_nm else "voxel")


def test_the_titles_of_what_is_compared_keep_clear_of_the_colour_bars(viewer, session):
    viewer.canvas.size = (800, 280)  # three views below each other
    second = session.add_result(make_reconstruction("other", nm=False))
    session.add_result(make_reconstruction(nm=False))
    session.extras.side_by_side.compare(second)
    titles = [layer.name_overlay for layer in viewer.layers if OVER_RESULT in layer.metadata]
    assert ["phase (rad)" in title.text.splitlines() for title in titles] == [True, True]
    assert titles[0].text.startswith("other · 1\n")
    for title in titles:
        assert title.visible
        assert max(map(len, title.text.splitlines())) * 9 <= 280 - 110, "the colour bar begins there"
    viewer.canvas.size = (800, 900)
    assert titles[0].text == "other · 1   phase (rad)"


def test_views_beside_each_other_have_a_part_of_the_canvas_each_for_words(viewer, session):
    viewer.canvas.size = (400, 840)
    second = session.add_result(make_reconstruction("other", nm=False))
    session.add_result(make_reconstruction(nm=False))
    caption = viewer.canvas.overlays.text
    assert caption.text.count("\n") == 0
    session.extras.side_by_side.compare(second)
    titles = [layer.name_overlay for layer in viewer.layers if OVER_RESULT in layer.metadata]
    for said in (caption, *titles):
        assert max(map(len, said.text.splitlines())) * 9 <= 840 // 3 - 110, said.text
    session.extras.side_by_side.compare(None)
    assert caption.text.count("\n") == 0


def test_a_comparison_goes_where_its_results_go(viewer, session, marks):
    one = make_reconstruction(nm=False)
    second = session.add_result(other_crystal(one, twinned=False)[0])
    session.add_result(one)
    session.add_scan(make_scan())
    session.show_result()
    marks.show("facets", True)
    beside = session.extras.side_by_side
    beside.compare(second)
    assert len(shown(viewer)) == 3, "each view holds one layer: landmarks would have views of their own"
    viewer.dims.ndisplay = 2
    assert shown(viewer)[0] == "crystal · 2 slices"
    assert len(shown(viewer)) == 3
    viewer.dims.ndisplay = 3
    session.show_diffraction()
    assert shown(viewer) == ["crystal"]
    assert not _grid(viewer).enabled
    session.show_result()
    assert len(shown(viewer)) == 3
    for layer in second.layers:
        viewer.layers.remove(layer)
    assert beside.other is None
    assert not _grid(viewer).enabled
    assert sorted(shown(viewer)) == ["crystal · 2 isosurface", "facets"]


def test_the_box_says_and_does_all_of_it(qtbot, viewer, session, marks):
    box = BesideBox(session)
    qtbot.addWidget(box)
    assert not any(tick.isEnabled() for tick in box.ticks.values())
    assert box.other.currentText() == "nothing"
    one = make_reconstruction(nm=False)
    session.add_result(other_crystal(one)[0])
    session.add_result(one)
    box.ticks["facets"].click()
    assert marks.wants("facets")
    assert "6 facets" in box.said["facets"].text()
    assert [box.other.itemText(at) for at in range(box.other.count())] == ["nothing", "other · 1"]
    box.other.setCurrentIndex(1)
    box.other.activated.emit(1)
    assert "Correlation" in box.agreement.text()
    assert not box.ticks["facets"].isEnabled()
    box.other.setCurrentIndex(0)
    box.other.activated.emit(0)
    assert box.agreement.text() == ""
    assert box.ticks["facets"].isChecked()
    viewer.layers.remove(named(viewer, "facets"))
    assert not box.ticks["facets"].isChecked()


def over(viewer):
    return [layer for layer in viewer.layers if OVER_RESULT in layer.metadata]


def test_layers_come_one_in_a_turn_and_what_is_selected_is_not_asked_for(viewer, session, marks):
    session.add_result(make_reconstruction())
    other = session.add_result(make_reconstruction())
    later, chosen = [], []
    marks._leaving.soon = lambda go_on: later.append(go_on) or True  # which both have
    viewer.layers.selection.events.active.connect(chosen.append)
    before = set(viewer.layers.selection)

    marks.show("directions", True)
    assert [layer.visible for layer in over(viewer)] == [False]
    later.pop(0)()
    assert [layer.visible for layer in over(viewer)] == [True, True]
    assert not later
    marks.show("directions", False)
    while later:
        later.pop(0)()
    assert over(viewer) == []

    session.extras.side_by_side.compare(session.results[0])
    assert [layer.visible for layer in over(viewer)] == [False]
    later.pop(0)()
    assert [layer.visible for layer in over(viewer)] == [True, True]
    assert [layer.name.partition(":")[0] for layer in over(viewer)] == [
        "crystal · 1",
        f"{other.title} − {session.results[0].group}",
    ]
    assert set(viewer.layers.selection) == before
    assert chosen == []


def test_a_comparison_that_is_ended_before_it_is_there_does_not_come(viewer, session, marks):
    session.add_result(make_reconstruction())
    session.add_result(make_reconstruction())
    later = []
    marks._leaving.soon = lambda go_on: later.append(go_on) or True
    beside = session.extras.side_by_side
    beside.compare(session.results[0])
    beside.compare(None)
    while later:
        later.pop(0)()
    assert over(viewer) == []

"""What the docks share: scans, other people's images, what is seen of diffraction and results, numbered results."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.recipe import Recipe
from napari_autophase.scan import InputError
from napari_autophase.viewer.model.canvas import compat
from napari_autophase.viewer.model.crystal.drawing import draw
from napari_autophase.viewer.model.session import Session
from napari_autophase.viewer.model.stage import layers
from napari_autophase.viewer.sessions import session_of


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_there_is_one_session_per_viewer(viewer):
    assert session_of(viewer) is session_of(viewer)
    assert session_of(ViewerModel()) is not session_of(viewer)


def test_a_session_goes_with_its_viewer():
    viewer = ViewerModel()
    gone = weakref.ref(session_of(viewer))
    del viewer
    gc.collect()
    assert gone() is None


def test_a_scan_is_shown_and_becomes_current(viewer, session, scan):
    session.add_scan(scan)
    assert names(viewer) == ["crystal"]
    assert session.current is scan
    assert session.choices == [("crystal", scan)]
    np.testing.assert_allclose(viewer.layers[0].data, np.log10(1.0 + scan.counts), rtol=1e-5)


def test_scans_that_were_there_first_are_found(viewer, scan):
    viewer.add_layer(Layer.create(*layers.scan_layer_data(scan)))
    assert Session(viewer).current is scan


def test_replacing_a_scan_leaves_one_layer(viewer, session, scan):
    session.add_scan(scan)
    better = make_scan("crystal, masked")
    session.add_scan(better, replaces=scan)
    assert names(viewer) == ["crystal, masked"]
    assert session.scans == [better]


def test_deleting_the_layer_forgets_the_scan(viewer, session, scan):
    other = make_scan("other")
    session.add_scan(scan)
    session.add_scan(other)
    viewer.layers["other"].name = "renamed by a person"
    viewer.layers.remove("renamed by a person")
    assert session.scans == [scan]
    assert session.current is scan
    viewer.layers.clear()
    assert session.current is None


def test_somebody_else_s_volume_can_be_a_scan(viewer, session):
    counts = np.arange(24**3, dtype=np.float32).reshape(24, 24, 24)
    counts[0, 0, 0] = np.nan
    layer = viewer.add_image(counts, name="dropped")
    changes = []
    session.choices_changed.connect(lambda: changes.append(session.choices))
    layer.name = "renamed"
    assert changes == [[("renamed", layer)]]
    assert session.current is layer
    viewer.add_image(np.zeros((24, 24)), name="flat")
    viewer.add_labels(np.zeros((24, 24, 24), int))
    assert len(session.choices) == 1
    scan = session.settled_scan()
    assert scan.name == "renamed"
    assert scan.mask[0, 0, 0]
    assert session.choices == [("renamed", scan)]


def test_images_that_cannot_be_scans(viewer):
    viewer.add_image(np.zeros((20, 20, 20)))
    session = Session(viewer)
    with pytest.raises(InputError, match="no counts"):
        session.settled_scan()


def test_diffraction_is_hidden_for_the_result_and_comes_back(viewer, session, scan):
    session.add_scan(scan)
    diffraction = viewer.layers[0]
    assert session.diffraction_shown
    result = session.add_result(make_reconstruction())
    assert not session.diffraction_shown
    assert shown(viewer) == ["crystal · 1 isosurface"]
    order = list(viewer.layers)
    assert order[0] is diffraction
    session.show_diffraction()
    assert shown(viewer) == ["crystal"]
    session.show_result()
    assert [layer for layer in viewer.layers if layer.visible] == [result.layer("isosurface")]
    assert list(viewer.layers) == order


def test_diffraction_stays_while_there_is_no_result(viewer, session, scan):
    session.add_scan(scan)
    session.show_result()
    assert shown(viewer) == ["crystal"]
    assert session.diffraction_shown


@pytest.mark.parametrize("gone", ["diffraction", "result"])
def test_when_what_is_seen_is_deleted_the_other_is_shown(viewer, session, scan, gone):
    session.add_scan(scan)
    result = session.add_result(make_reconstruction())
    if gone == "diffraction":
        session.show_diffraction()
        viewer.layers.remove("crystal")
        assert shown(viewer) == ["crystal · 1 isosurface"]
        assert viewer.dims.ndisplay == 3
    else:
        for layer in result.layers:
            viewer.layers.remove(layer)
        assert shown(viewer) == ["crystal"]
        assert viewer.dims.ndisplay == 2


def test_results_are_numbered_or_replaced(viewer, session):
    first = session.add_result(make_reconstruction())
    second = session.add_result(make_reconstruction())
    assert (first.group, second.group) == (1, 2)
    before = list(viewer.layers)
    better = make_reconstruction(size=20)
    replaced = session.add_result(better, replace_last=True)
    assert list(viewer.layers) == before, "the layers stay, what they show is another"
    assert replaced is second
    assert replaced.group == 2
    assert replaced.reconstruction is better
    assert session.results == [first, second]
    assert shown(viewer) == ["crystal · 2 isosurface"]
    for layer in replaced.layers:
        viewer.layers.remove(layer)
    assert session.add_result(make_reconstruction(), replace_last=True) is first


def test_a_replaced_result_gets_the_layers_back_that_were_deleted(viewer, session):
    result = session.add_result(make_reconstruction())
    viewer.dims.ndisplay = 2
    viewer.layers.remove(result.layer("isosurface"))
    viewer.dims.ndisplay = 3
    session.add_result(make_reconstruction(), replace_last=True)
    assert names(viewer) == [f"crystal · 1 {role}" for role in layers.ROLES]
    assert shown(viewer) == ["crystal · 1 isosurface"]


def test_only_the_chosen_diffraction_is_seen(viewer, session, scan):
    other = make_scan("other")
    session.add_scan(scan)
    session.add_scan(other)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["other"]
    session.choose(scan)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["crystal"]


def test_another_scan_is_shown_instead_of_the_results(viewer, session, scan):
    session.add_scan(scan)
    first = session.add_result(make_reconstruction())
    session.add_scan(make_scan("other"))
    assert shown(viewer) == ["other"]
    assert first.alive
    second = session.add_result(make_reconstruction("other"))
    assert (first.group, second.group) == (1, 2)
    assert shown(viewer) == ["other · 2 isosurface"]


def test_a_run_replaces_the_last_result_of_its_own_scan(viewer, session, launch, scan):
    """That of another scan could not be had back."""
    other = make_scan("other")
    for each in (scan, other, scan):
        session.add_scan(each) if session._scans.entry(each) is None else session.choose(each)
        session.reconstruct(Recipe(), replace_last=True)
        launch.job.done(make_reconstruction(each.name))
        launch.job.run.on_stopped()
    assert [result.title for result in session.results] == ["crystal · 1", "other · 2"]
    session.scan_layer.name = "S0054"
    session.reconstruct(Recipe(), replace_last=True)
    launch.job.done(make_reconstruction("S0054"))
    assert [result.title for result in session.results] == ["S0054 · 1", "other · 2"], "under its new name"


def test_a_finished_run_is_shown(viewer, session, launch, scan):
    session.add_scan(scan)
    session.reconstruct(Recipe())
    assert launch.job.scan is scan
    viewer.layers.clear()  # the person throws the scan away in mid-run
    launch.job.done(make_reconstruction())
    assert len(session.results) == 1
    assert session.controller.state == "done"


def test_a_run_replaces_only_when_asked(viewer, session, launch, scan):
    session.add_scan(scan)
    for replace in (False, False, True):
        session.reconstruct(Recipe(), replace_last=replace)
        launch.job.done(make_reconstruction())
    assert [result.group for result in session.results] == [1, 2]


def test_opening_a_saved_result_hides_the_diffraction(viewer, session, scan, reconstruction):
    session.add_scan(scan)
    for data, options, kind in layers.reconstruction_layer_data(reconstruction):
        getattr(viewer, f"add_{kind}")(data, **options)
    assert not session.diffraction_shown
    assert len(session.results) == 1
    assert len(viewer.layers) == 2
    assert shown(viewer) == ["crystal · 1 isosurface"]


class Turns:
    """Turns of the event loop that the test makes."""

    def __init__(self, session):
        self.waiting = []
        session._queue._soon = lambda go_on: self.waiting.append(go_on) or True

    def one(self):
        self.waiting.pop(0)()

    def all(self):
        while self.waiting:
            self.one()


@pytest.fixture
def turns(session, scan):
    session.add_scan(scan)
    return Turns(session)


def shown(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


def test_a_result_comes_layer_by_layer_the_crystal_first(viewer, session, turns):
    session.show_drawing(draw(make_reconstruction()))
    assert names(viewer) == ["crystal", "crystal · 1 isosurface"]
    around = compat.surroundings(viewer)
    before = 0
    while "crystal · 1 isosurface" not in shown(viewer):
        turns.one()
        drawn = [overlay.visible for overlay in around].count(True)
        assert drawn <= before + 1, "all at once would keep the window silent"
        before = drawn
    assert before == 3
    assert len(viewer.layers) == 2, "the crystal is seen before the rest comes"
    assert viewer.dims.ndisplay == 3
    zoom = compat.camera(viewer).zoom
    turns.all()
    session.results[0].frame()
    assert compat.camera(viewer).zoom == pytest.approx(zoom, rel=0.02), (
        "the crystal was framed before the rest came"
    )
    assert names(viewer) == ["crystal", "crystal · 1 isosurface"]
    assert shown(viewer) == ["crystal · 1 isosurface"]
    assert viewer.layers.selection.active is viewer.layers[-1]


def test_in_slices_the_slices_that_are_seen_come_first(viewer, session, turns):
    session.add_result(make_reconstruction())
    viewer.dims.ndisplay = 2
    session.show_drawing(draw(make_reconstruction()))
    assert "crystal · 2 slices" in names(viewer)
    assert "crystal · 2 isosurface" not in names(viewer)
    turns.all()
    assert shown(viewer) == ["crystal · 2 slices"]


@pytest.mark.parametrize("after", range(8))
def test_what_happens_while_a_result_comes(viewer, session, turns, launch, after):
    """A second result arrives, and Reconstruct is pressed, before the first is fully shown."""
    session.show_drawing(draw(make_reconstruction()))
    for _ in range(after):
        turns.one()
    session.reconstruct(Recipe())
    launch.job.done(make_reconstruction())
    turns.all()
    assert [result.group for result in session.results] == [1, 2]
    assert len(viewer.layers) == 3
    assert shown(viewer) == ["crystal · 2 isosurface"]


@pytest.mark.parametrize("after", range(8))
def test_layers_deleted_while_a_result_comes_end_it(viewer, session, turns, after):
    session.show_drawing(draw(make_reconstruction()))
    for _ in range(after):
        turns.one()
    viewer.layers.clear()  # as napari does when the window closes
    turns.all()
    assert len(viewer.layers) == 0
    assert session.results == []


@pytest.mark.parametrize("after", range(1, 9))
def test_the_diffraction_called_back_while_a_result_comes(viewer, session, turns, after):
    session.show_drawing(draw(make_reconstruction()))
    for _ in range(after):
        turns.one()
    session.show_diffraction()
    turns.all()
    assert shown(viewer) == ["crystal"]
    assert viewer.dims.ndisplay == 2
    session.show_result()
    turns.all()
    assert names(viewer) == ["crystal", "crystal · 1 isosurface"]
    assert shown(viewer) == ["crystal · 1 isosurface"]
    assert viewer.dims.ndisplay == 3


def test_a_look_changed_during_the_run_is_kept(viewer, session, turns):
    first = session.add_result(make_reconstruction())
    drawing = draw(make_reconstruction(), first.look)
    first.set_threshold(0.55)
    first.set_colour_by("strain")
    session.show_drawing(drawing, replace_last=True)
    turns.all()
    (second,) = session.results
    assert (second.group, second.threshold, second.colour_by) == (1, 0.55, "strain")
    assert names(viewer) == ["crystal", "crystal · 1 isosurface"]
    assert second.layer("isosurface").colormap.name == "autophase signed"


WORKS = {
    "a scan": lambda session: session.add_scan(make_scan("other")),
    "the diffraction": lambda session: session.show_diffraction(),
    "a result": lambda session: session.show_drawing(draw(make_reconstruction())),
    "a result in another's place": lambda session: session.show_drawing(draw(make_reconstruction()), True),
    "a result in nm": lambda session: session._gallery._redraw(
        session.results[-1], draw(make_reconstruction())
    ),
    "a result again": lambda session: (session.show_diffraction(), session.show_result()),
}
"""What is shown piece by piece, where a scan and a result in voxels are there."""


def interrupted(start):
    """Begin `start(session, turns)` again and again, each time in a new viewer, and stop it one piece later until it is over.

    Each time a viewer and its session, with a scan, and the turns that are left.
    """
    done, left = 0, True
    while left:
        viewer = ViewerModel()
        session = session_of(viewer)
        session.add_scan(make_scan())
        turns = Turns(session)
        start(session, turns)
        for _ in range(done):
            turns.one()
        left = bool(turns.waiting)
        yield viewer, session, turns
        done += 1
    assert done > 1, "nothing was shown piece by piece"


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("gone", ["all", "newest"])
def test_layers_may_be_deleted_between_any_two_pieces(work, gone):
    def start(session, turns):
        session.add_result(make_reconstruction(nm=False))
        turns.all()
        WORKS[work](session)

    for viewer, session, turns in interrupted(start):
        deleted = list(viewer.layers) if gone == "all" else [viewer.layers[-1]]
        for layer in deleted:
            viewer.layers.remove(layer)
        turns.all()
        assert not session._queue._works
        assert not set(deleted) & set(viewer.layers)
        if gone == "all":
            assert len(viewer.layers) == 0


def test_a_scan_deleted_on_its_way_leaves_the_other_one_in_slices():
    """It was on the way from the results, which are in 3-D."""

    def start(session, turns):
        session.add_result(make_reconstruction())
        session.add_scan(make_scan("other"))

    for viewer, _, turns in interrupted(start):
        viewer.layers.remove("other")
        turns.all()
        assert shown(viewer) == ["crystal"]
        assert viewer.dims.ndisplay == 2
        assert viewer.dims.axis_labels == ("frame", "row", "col")


def test_a_result_deleted_on_its_way_leaves_the_crystal_of_the_other_one_in_3d():
    def start(session, turns):
        session.add_result(make_reconstruction())
        turns.all()
        compat.camera(session.viewer).zoom = 7.5
        session.show_diffraction()
        turns.all()
        session.show_drawing(draw(make_reconstruction()))

    for viewer, session, turns in interrupted(start):
        for layer in session.results[-1].layers:
            viewer.layers.remove(layer)
        turns.all()
        session.show_result(session.results[0])
        turns.all()
        assert shown(viewer) == ["crystal · 1 isosurface"]
        assert viewer.dims.ndisplay == 3
        assert compat.camera(viewer).zoom == 7.5


@pytest.mark.parametrize("after", range(0, 37, 4))
@pytest.mark.parametrize("kept", [True, False], ids=["a person keeps the viewer", "nobody keeps the viewer"])
def test_the_window_may_close_between_any_two_pieces(scan, monkeypatch, after, kept):
    viewer = ViewerModel()
    session = session_of(viewer)
    turns = Turns(session)
    session.add_scan(scan)
    session.add_result(make_reconstruction(nm=False))
    turns.all()
    for start in WORKS.values():
        start(session)
    for _ in range(after):
        if turns.waiting:
            turns.one()
    if kept:
        before = names(viewer)
        monkeypatch.setattr(compat, "is_open", lambda viewer: False)
    else:
        del viewer
        gc.collect()
    while turns.waiting:
        turns.one()
    assert not session._queue._works
    if kept:
        assert names(viewer) == before


def test_what_arrives_after_the_viewer_is_gone_is_dropped(scan):
    viewer = ViewerModel()
    session = session_of(viewer)
    seen = weakref.ref(viewer)
    del viewer
    gc.collect()
    assert seen() is None
    session.add_scan(make_scan("other"))
    session.update_scan(scan, make_scan("better", geometry=None))
    session.show_drawing(draw(make_reconstruction()))
    session.show_result()
    session.show_diffraction()
    assert session.results == []
    assert session.scans == []


def test_what_is_renamed_after_the_viewer_is_gone_changes_nothing(viewer):
    layer = Image(np.ones((24, 24, 24)), name="dropped")
    other = ViewerModel()
    session = session_of(other)
    other.add_layer(layer)
    told = []
    session.choices_changed.connect(lambda: told.append(session.choices))
    del other
    gc.collect()
    layer.name = "renamed"
    layer.visible = False
    assert told in ([], [[]])

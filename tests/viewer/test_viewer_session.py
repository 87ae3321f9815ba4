"""What the docks share: scans, other people's images, the stowed diffraction, numbered results."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.recipe import Recipe
from napari_autophase.scan import InputError
from napari_autophase.viewer import compat, layers
from napari_autophase.viewer.drawing import draw
from napari_autophase.viewer.session import Session, is_foreign_volume


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_there_is_one_session_per_viewer(viewer):
    assert Session.of(viewer) is Session.of(viewer)
    assert Session.of(ViewerModel()) is not Session.of(viewer)


def test_a_session_goes_with_its_viewer():
    viewer = ViewerModel()
    gone = weakref.ref(Session.of(viewer))
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
    layers.add_scan(viewer, scan)
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
    scan = session.current_scan()
    assert scan.name == "renamed"
    assert scan.mask[0, 0, 0]
    viewer.add_image(np.zeros((24, 24)), name="flat")
    viewer.add_labels(np.zeros((24, 24, 24), int))
    assert len(session.choices) == 1


def test_images_that_cannot_be_scans(viewer):
    assert is_foreign_volume(Image(np.zeros((16, 16, 16))))
    assert not is_foreign_volume(Image(np.zeros((16, 16, 3)), rgb=True))
    assert not is_foreign_volume(Image(np.zeros((2, 16, 16, 16))))
    viewer.add_image(np.zeros((20, 20, 20)))
    session = Session(viewer)
    with pytest.raises(InputError, match="no counts"):
        session.current_scan()


def test_diffraction_leaves_for_the_result_and_comes_back(viewer, session, scan):
    session.add_scan(scan)
    diffraction = viewer.layers[0]
    result = session.add_result(make_reconstruction())
    assert diffraction not in viewer.layers
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"nanometer"}
    assert session.scans == [scan], "it was stowed, not thrown away"

    session.show_diffraction()
    assert viewer.layers[-1] is diffraction
    assert [layer for layer in viewer.layers if layer.visible] == [diffraction]
    session.hide_diffraction()
    assert diffraction not in viewer.layers
    assert result.shown
    assert any(layer.visible for layer in result.layers)


def test_diffraction_stays_while_there_is_no_result(viewer, session, scan):
    session.add_scan(scan)
    session.hide_diffraction()
    assert len(viewer.layers) == 1
    assert session.diffraction_shown


def test_results_are_numbered_or_replaced(viewer, session):
    first = session.add_result(make_reconstruction())
    second = session.add_result(make_reconstruction())
    assert (first.group, second.group) == (1, 2)
    count = len(viewer.layers)
    replaced = session.add_result(make_reconstruction(), replace_last=True)
    assert replaced.group == 2
    assert len(viewer.layers) == count
    assert not second.alive
    assert session.results == [first, replaced]
    replaced.remove()
    assert session.add_result(make_reconstruction(), replace_last=True).group == 1


def test_only_the_chosen_diffraction_is_seen(viewer, session, scan):
    other = make_scan("other")
    session.add_scan(scan)
    session.add_scan(other)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["other"]
    session.choose(scan)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["crystal"]


def test_another_scan_takes_the_place_of_the_results(viewer, session, scan):
    session.add_scan(scan)
    first = session.add_result(make_reconstruction())
    session.add_scan(make_scan("other"))
    assert names(viewer) == ["other"]
    assert first.alive
    second = session.add_result(make_reconstruction("other"))
    assert (first.group, second.group) == (1, 2)
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"nanometer"}
    session.add_scan(make_scan("third"))
    third = session.add_result(make_reconstruction("third"), replace_last=True)
    assert third.group == 2
    assert not second.alive
    assert session.results == [first, third]


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


def test_opening_a_saved_result_stows_the_diffraction(viewer, session, scan, reconstruction):
    session.add_scan(scan)
    for data, options, kind in layers.reconstruction_layer_data(reconstruction):
        getattr(viewer, f"add_{kind}")(data, **options)
    assert not session.diffraction_shown
    assert len(session.results) == 1


class Turns:
    """Turns of the event loop that the test makes."""

    def __init__(self, session):
        self.waiting = []
        session._turns._soon = lambda go_on: self.waiting.append(go_on) or True

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
    assert names(viewer) == ["crystal · 1 isosurface"]
    overlays = compat.surroundings(viewer)
    # what stands around it comes one by one: all at once would keep the window silent
    for around in range(1, 1 + len(overlays)):
        turns.one()
        assert [one.visible for one in overlays].count(True) == around
        assert shown(viewer) == []
    turns.one()
    assert shown(viewer) == names(viewer)
    assert viewer.dims.ndisplay == 3
    zoom = compat.camera(viewer).zoom
    turns.all()
    session.results[0].frame()
    assert compat.camera(viewer).zoom == pytest.approx(zoom, rel=0.02), (
        "the crystal was framed before the rest came"
    )
    assert names(viewer) == [f"crystal · 1 {role}" for role in layers.ROLES]
    assert shown(viewer) == ["crystal · 1 isosurface"]
    assert viewer.layers.selection.active is viewer.layers[-1]


def test_in_slices_the_slices_that_are_seen_come_first(viewer, session, turns):
    session.add_result(make_reconstruction())
    viewer.dims.ndisplay = 2
    session.show_drawing(draw(make_reconstruction()))
    assert "crystal · 2 phase" in names(viewer)
    assert "crystal · 2 isosurface" not in names(viewer)
    turns.all()
    assert shown(viewer) == ["crystal · 2 phase"]


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
    assert len(viewer.layers) == 8
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


@pytest.mark.parametrize("after", range(1, 5))
def test_the_diffraction_called_back_while_a_result_comes(viewer, session, turns, after):
    session.show_drawing(draw(make_reconstruction()))
    for _ in range(after):
        turns.one()
    session.show_diffraction()
    turns.all()
    assert names(viewer) == ["crystal"]
    session.hide_diffraction()
    turns.all()
    assert sorted(names(viewer)) == sorted(f"crystal · 1 {role}" for role in layers.ROLES)
    assert shown(viewer) == ["crystal · 1 phase"]  # for the diffraction is seen in slices


def test_earlier_results_come_back_after_the_new_one(viewer, session, turns):
    first = session.add_result(make_reconstruction())
    session.add_scan(make_scan("other"))
    assert first.alive
    session.show_drawing(draw(make_reconstruction("other")))
    while len(viewer.layers) < 4:
        turns.one()
    assert all(name.startswith("other") for name in names(viewer))
    turns.all()
    assert len(viewer.layers) == 8
    assert shown(viewer) == ["other · 2 phase"]
    assert first.alive


def test_a_look_changed_during_the_run_is_kept(viewer, session, turns):
    first = session.add_result(make_reconstruction())
    drawing = draw(make_reconstruction(), first.look)
    first.set_threshold(0.55)
    first.set_colour_by("strain")
    session.show_drawing(drawing, replace_last=True)
    turns.all()
    (second,) = session.results
    assert (second.group, second.threshold, second.colour_by) == (1, 0.55, "strain")
    assert names(viewer) == [f"crystal · 1 {role}" for role in layers.ROLES]
    assert second.layer("isosurface").colormap.name == "RdBu_r"

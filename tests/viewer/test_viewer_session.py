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
from napari_autophase.viewer import layers
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

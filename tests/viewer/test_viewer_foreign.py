"""Images that the plugin did not open: each becomes a scan with a geometry, or a crystal in nm, when somebody says so."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Image
from viewer_doubles import TYPED, fill_in, make_reconstruction, make_scan

from napari_autophase.recipe import Recipe
from napari_autophase.scan import InputError
from napari_autophase.viewer.docks import image_section
from napari_autophase.viewer.docks.display_dock import DisplayDock
from napari_autophase.viewer.docks.load_dock import LoadDock
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock
from napari_autophase.viewer.model.scan.foreign import Meaning, is_foreign_volume


@pytest.fixture
def dock(session, viewer, qtbot):
    dock = LoadDock(viewer)
    qtbot.addWidget(dock)
    return dock


def choose(box, word):
    box.setCurrentIndex(box.findData(word))
    box.activated.emit(box.currentIndex())


def test_which_images_these_are():
    assert is_foreign_volume(Image(np.zeros((16, 16, 16))))
    assert not is_foreign_volume(Image(np.zeros((16, 16, 3)), rgb=True))
    assert not is_foreign_volume(Image(np.zeros((2, 16, 16, 16))))


def test_an_image_becomes_a_scan_that_takes_a_geometry_and_its_results_are_in_nm(
    dock, session, viewer, launch, qtbot
):
    panel = ReconstructDock(viewer)
    qtbot.addWidget(panel)
    counts = make_scan().counts.astype(np.float32)
    image = viewer.add_image(counts, name="dropped")
    assert not dock.image.isHidden()
    assert "dropped, 24 × 24 × 24, was not opened by AutoPhase" in dock.image.about.text()
    assert dock.geometry_box.isHidden()
    dock.image.use.click()
    (scan,) = session.scans
    assert session.current is scan
    assert dock.image.isHidden()
    assert not dock.geometry_box.isHidden()
    assert [name for name, _ in session.choices] == ["dropped"], "it stands there once"
    np.testing.assert_array_equal(scan.counts, counts)
    assert image.visible is False
    np.testing.assert_array_equal(image.data, counts, err_msg="somebody else's image is left as it is")
    fill_in(dock, TYPED)
    assert session.current.geometry == TYPED
    panel.button.click()
    assert launch.job.scan is session.current
    found = replace(
        make_reconstruction("dropped", nm=False),
        source=scan.source,
        peak=(12.0, 12.0, 12.0),
        scan_shape=scan.shape,
    )
    launch.job.done(found)
    qtbot.waitUntil(lambda: [result.unit for result in session.results] == ["nm"], timeout=120_000)


def test_an_image_that_is_phased_at_once_takes_its_geometry_afterwards(dock, session, viewer, launch, qtbot):
    viewer.add_image(make_scan().counts, name="dropped")
    session.reconstruct(Recipe())
    scan = launch.job.scan
    found = replace(
        make_reconstruction("dropped", nm=False),
        source=scan.source,
        peak=(12.0, 12.0, 12.0),
        scan_shape=scan.shape,
    )
    launch.job.done(found)
    (result,) = session.results
    qtbot.waitUntil(lambda: result.shown, timeout=120_000)
    assert result.unit == "voxel"
    fill_in(dock, TYPED)
    qtbot.waitUntil(lambda: result.unit == "nm", timeout=120_000)


def test_amplitudes_are_squared_where_a_person_says_so(dock, session, viewer):
    counts = make_scan().counts
    viewer.add_image(np.sqrt(counts) / 7, name="roots")
    choose(dock.image.holds, "amplitudes")
    dock.image.use.click()
    np.testing.assert_allclose(session.current.counts, counts, atol=0.01)
    assert "amplitudes" in " ".join(session.current.notes)


def test_images_of_a_crystal_are_a_result_that_takes_a_geometry(dock, session, viewer, qtbot):
    display = DisplayDock(viewer)
    qtbot.addWidget(display)
    given = make_reconstruction().object
    phase = viewer.add_image(np.angle(given), name="phase")
    amplitude = viewer.add_image(np.abs(given), name="modulus")
    session.choose(amplitude)
    choose(dock.image.holds, "crystal")
    assert dock.image.use.text() == "Show as a crystal"
    dock.image.phase.setCurrentText("phase")
    dock.image.phase.activated.emit(dock.image.phase.currentIndex())
    with pytest.raises(InputError, match="is said to be a crystal"):
        session.reconstruct(Recipe())
    dock.image.use.click()
    (result,) = session.results
    np.testing.assert_allclose(result.reconstruction.object, given, atol=1e-6)
    qtbot.waitUntil(lambda: result.shown, timeout=120_000)
    assert not phase.visible
    assert not amplitude.visible
    assert not display.placing.isHidden()
    session.place_result(result, replace(TYPED, direct_beam_pixel=None))
    qtbot.waitUntil(lambda: result.unit == "nm", timeout=120_000)


@pytest.mark.parametrize(
    ("amplitude", "phase", "says"),
    [
        (np.full((20, 20, 20), -1.0), None, "no amplitude"),
        (np.ones((20, 20, 20)), np.zeros((20, 20, 21)), r"shape \(20, 20, 21\)"),
        (np.zeros((20, 20, 20)), None, "no crystal"),
    ],
)
def test_what_is_no_crystal_is_said_and_changes_nothing(
    dock, session, viewer, monkeypatch, amplitude, phase, says
):
    shown = []
    monkeypatch.setattr(image_section, "show_error", shown.append)
    other = None if phase is None else viewer.add_image(phase, name="phase")
    image = viewer.add_image(amplitude, name="modulus")
    session.choose(image)
    session.images.say(image, Meaning("crystal", other))
    dock.image.use.click()
    assert len(shown) == 1
    assert re.search(says, dock.image.refused.text())
    assert session.results == []
    assert image.visible


def test_an_image_is_there_again_when_the_scan_made_of_it_is_deleted(session, viewer):
    image = viewer.add_image(make_scan().counts, name="dropped")
    session.settled_scan()
    diffraction = session.scan_layer
    assert session.choices == [("dropped", session.current)]
    viewer.layers.remove(diffraction)
    assert session.choices == [("dropped", image)]

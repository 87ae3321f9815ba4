"""The Display dock: controls that move what is shown, and survive what happens to the layers."""

from __future__ import annotations

import errno
import gc
import os
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from viewer_doubles import GEOMETRY, make_reconstruction, make_scan

from napari_autophase import formats
from napari_autophase.viewer.docks import display_dock
from napari_autophase.viewer.docks.display_dock import DisplayDock
from napari_autophase.viewer.model import commands
from napari_autophase.viewer.model.canvas import compat
from napari_autophase.viewer.model.crystal.mesh import Cut
from napari_autophase.viewer.model.stage import layers
from napari_autophase.viewer.widgets.range_row import RangeRow


@pytest.fixture
def dock(qtbot, viewer, session):
    dock = DisplayDock(viewer)
    qtbot.addWidget(dock)
    return dock


@pytest.fixture
def result(dock, session):
    return session.add_result(make_reconstruction())


def settle(dock):
    dock._redraw.flush()


def pressed(dock):
    return dock.colour.currentData()


def press(dock, quantity):
    dock.colour.setCurrentIndex(dock.colour.findData(quantity))
    dock.colour.activated.emit(dock.colour.currentIndex())


def test_without_a_result_it_says_what_to_do(dock):
    assert not dock.empty.isHidden()
    assert "Reconstruct" in dock.empty.text()
    assert not dock.look.isEnabled()
    assert not dock.save.isEnabled()
    dock.threshold.setValue(0.5)
    settle(dock)


def test_a_new_result_sets_the_controls(dock, result):
    assert dock.current is result
    assert dock.result.currentText() == "crystal · 1"
    assert dock.threshold.value() == pytest.approx(0.3)
    assert pressed(dock) == "phase"
    assert dock.empty.isHidden()
    assert "0.0123" in dock.facts.text()
    assert "nm" in dock.facts.text()


def test_figures_that_are_unknown_are_not_shown(dock, session):
    reconstruction = make_reconstruction()
    reconstruction.figures.update(chi2=np.nan, free_llk=np.nan)
    session.add_result(reconstruction)
    assert "nan" not in dock.facts.text()


def test_the_newest_threshold_wins(dock, result, monkeypatch):
    seen = []
    monkeypatch.setattr(result, "set_threshold", seen.append)
    for value in np.linspace(0.31, 0.6, 30):
        dock.threshold.setValue(value)
    settle(dock)
    assert seen[-1] == pytest.approx(0.6)
    assert len(seen) < 5


def test_the_threshold_moves_the_support(dock, result):
    dock.threshold.setValue(0.55)
    settle(dock)
    assert result.threshold == pytest.approx(0.55)


def test_small_numbers_fit_into_their_boxes(qtbot):
    ranges = RangeRow()
    qtbot.addWidget(ranges)
    for ends, said in (
        ((-8.123e-4, 8.123e-4), ("-8.12e-4", "8.12e-4")),
        ((-0.00123, 12.0), ("-0.00123", "12")),
    ):
        ranges.show_range(ends, ends, ends, True)
        assert (ranges.low.text(), ranges.high.text()) == said
        assert ranges.ends is None


def test_colours(dock, result, viewer):
    press(dock, "strain")
    assert result.colour_by == "strain"
    assert dock.range.automatic.isChecked()
    _, usual = result.usual_limits
    _, high = dock.range.slider.value()
    dock.range.slider.setValue(
        (dock.range.slider.value()[0], high + 100)
    )  # of 1000 over six times the usual limit
    settle(dock)
    assert result.limits == pytest.approx((-1.6 * usual, 1.6 * usual), rel=0.02), "what is symmetric stays so"
    assert not dock.range.automatic.isChecked()
    dock.range.low.setText("-0.001")
    dock.range.low.editingFinished.emit()
    settle(dock)
    assert result.limits == (-0.001, 0.001), "what is typed at one end too"
    dock.range.low.setText("nonsense")
    dock.range.low.editingFinished.emit()
    assert dock.range.low.text() == "-0.001"
    press(dock, "displacement")
    assert dock.range.automatic.isChecked()
    result.layer("isosurface").contrast_limits = (-20.0, 30.0)  # in napari's own controls
    assert (dock.range.low.text(), dock.range.high.text()) == ("-20", "30")
    assert not dock.range.automatic.isChecked()
    press(dock, "strain")
    assert dock.range.low.text() == "-0.001"
    dock.range.automatic.setChecked(True)
    settle(dock)
    assert result.ranges == {"displacement": (-20.0, 30.0)}
    assert result.limits == pytest.approx((-usual, usual))
    dock.relief.setChecked(False)
    settle(dock)
    assert not result.relief


def test_the_cut_takes_away_what_hides_it_from_the_camera(dock, result, viewer):
    dock.cut.setChecked(True)
    settle(dock)
    for axis in range(3):
        dock.cut.axis.setCurrentIndex(axis)
        settle(dock)
        assert np.dot(result.cut.normal, compat.looking(viewer)[0]) < 0
        assert abs(result.cut.normal[axis]) == 1
    normal = np.array(result.cut.normal)
    dock.cut.flip.click()
    settle(dock)
    np.testing.assert_array_equal(result.cut.normal, -normal)
    dock.cut.position.setValue(10.0)
    settle(dock)
    plane = result.cut.position * np.array(result.cut.normal)
    np.testing.assert_allclose(plane, 10.0 * np.abs(normal), atol=0.1)
    dock.cut.setChecked(False)
    settle(dock)
    assert result.cut is None


def test_a_cut_across_the_view_is_any_plane(dock, result, viewer):
    dock.cut.setChecked(True)
    settle(dock)
    compat.look(viewer, (-1.0, -0.5, -0.7), (0.0, 1.0, 0.0))
    dock.cut.axis.setCurrentIndex(3)
    settle(dock)
    np.testing.assert_allclose(result.cut.normal, -compat.looking(viewer)[0], atol=1e-9)
    vertices = result.layer("isosurface").vertices * result.layer("isosurface").scale
    beyond = (vertices + result.layer("isosurface").translate) @ result.cut.normal
    assert beyond.max() < 1.5 * max(result.quantities.voxel_size), "nothing is left in front of the plane"
    assert beyond.min() < -20
    # the corners of the box along the normal bound where the plane can go
    low, high = dock.cut.position.minimum(), dock.cut.position.maximum()
    assert low < beyond.min() + 10 < high
    compat.look(viewer, (0.0, -1.0, -0.2), (0.0, 0.0, 1.0))
    dock.cut.axis.activated.emit(3)
    settle(dock)
    np.testing.assert_allclose(result.cut.normal, -compat.looking(viewer)[0], atol=1e-9)
    dock.cut.flip.click()
    dock.cut.position.setValue(5.0)
    settle(dock)
    np.testing.assert_allclose(result.cut.normal, compat.looking(viewer)[0], atol=1e-9)
    assert result.cut.position == pytest.approx(-5.0, abs=0.06)
    kept = result.cut
    dock._load()
    settle(dock)
    np.testing.assert_allclose(dock.cut.cut.normal, kept.normal, atol=1e-9)
    assert dock.cut.cut.position == pytest.approx(kept.position)


def test_the_histogram_proposes_half_of_the_inside_and_takes_a_press(dock, result, qtbot):
    assert dock.histogram.proposed == pytest.approx(0.5, abs=0.02), "the box has one amplitude"
    dock.suggest.click()
    settle(dock)
    assert result.threshold == pytest.approx(dock.histogram.proposed, abs=0.01)
    dock.histogram.resize(204, 46)
    qtbot.mouseClick(dock.histogram, Qt.MouseButton.LeftButton, pos=QPoint(2 + 80, 20))
    settle(dock)
    assert result.threshold == pytest.approx(0.4, abs=0.011)
    assert result.histogram[0].sum() == np.count_nonzero(result.quantities.amplitude)


def test_the_fields_of_all_boxes_begin_in_one_line(dock, result, qtbot):
    dock.resize(400, 900)
    dock.show()
    fields = (dock.result, dock.threshold, dock.colour, dock.cut.axis, dock.cut.position)
    left = {dock.look: [], dock.cut: []}
    for field in fields[1:]:
        box = dock.look if dock.look.isAncestorOf(field) else dock.cut
        left[box].append(field.mapTo(dock, QPoint(0, 0)).x())
    assert len({x for xs in left.values() for x in xs}) == 1


def test_choosing_a_result_shows_it_and_its_own_settings(dock, result, session):
    result.set_clipping(Cut((0.0, -1.0, 0.0), 4.0))
    result.set_colour_by("amplitude")
    second = session.add_result(make_reconstruction("second"))
    assert dock.current is second
    assert not dock.cut.isChecked()
    dock.result.setCurrentIndex(0)
    dock.result.activated.emit(0)
    assert result.layer("isosurface").visible
    assert not second.layer("isosurface").visible
    assert dock.cut.isChecked()
    assert dock.cut.axis.currentIndex() == 1
    assert dock.cut.position.value() == pytest.approx(-4.0)
    assert pressed(dock) == "amplitude"
    dock.threshold.setValue(0.4)
    settle(dock)
    assert second.threshold == pytest.approx(0.3)
    assert result.cut == Cut((0.0, -1.0, 0.0), 4.0)


def test_a_replaced_result_keeps_the_controls(dock, result, session):
    dock.threshold.setValue(0.5)
    press(dock, "strain")
    settle(dock)
    second = session.add_result(make_reconstruction(size=20), replace_last=True)
    assert dock.current is second
    assert dock.result.count() == 1
    assert dock.result.currentText() == "crystal · 1"
    assert dock.threshold.value() == pytest.approx(0.5)
    assert pressed(dock) == "strain"


def test_deleted_layers(dock, result, session, viewer):
    second = session.add_result(make_reconstruction("second"))
    dock.flat.click()
    viewer.layers.remove(second.layer("isosurface"))
    dock.flat.click()
    dock.threshold.setValue(0.5)
    settle(dock)
    for layer in list(second.layers):
        viewer.layers.remove(layer)
    assert dock.current is result
    assert result.layer("isosurface").visible
    assert dock.threshold.value() == pytest.approx(0.3)
    viewer.layers.clear()
    assert dock.current is None
    assert not dock.look.isEnabled()


@pytest.mark.parametrize("how", ["home", "colour", "dimensions"])
def test_a_layer_that_was_deleted_is_brought_back_by_the_controls_that_show_it(dock, result, viewer, how):
    dock.threshold.setValue(0.5)
    settle(dock)
    before = result.layer("isosurface").data[0]
    dock.flat.click()  # which makes slices
    dock.flat.click()
    viewer.layers.remove(result.layer("isosurface"))
    if how == "home":
        dock.home.click()
    elif how == "colour":
        press(dock, "strain")
    else:
        dock.flat.click()
        assert result.layer("isosurface") is None, "slices do not need it"
        dock.flat.click()
    surface = result.layer("isosurface")
    assert [layer for layer in viewer.layers if layer.visible] == [surface]
    np.testing.assert_array_equal(surface.data[0], before)
    assert len(result.layers) == 2
    viewer.layers.clear()
    dock.home.click()
    assert len(viewer.layers) == 0, "a result that is gone is gone"


def test_the_view(dock, result, viewer):
    assert viewer.dims.ndisplay == 3
    dock.flat.click()
    assert viewer.dims.ndisplay == 2
    assert "3-D" in dock.flat.text()
    assert not dock.cut.isEnabled()
    viewer.dims.ndisplay = 3
    assert "2-D" in dock.flat.text()
    compat.camera(viewer).zoom = 1e-3
    dock.home.click()
    assert compat.camera(viewer).zoom > 0.1


def test_the_diffraction_changes_places_with_the_result(dock, session, viewer):
    assert not dock.diffraction.isEnabled()
    session.add_scan(make_scan())
    assert dock.diffraction.text() == "Show result"
    assert not dock.diffraction.isEnabled()
    result = session.add_result(make_reconstruction())
    assert dock.diffraction.isEnabled()
    dock.diffraction.click()
    assert [layers.SCAN in layer.metadata for layer in viewer.layers if layer.visible] == [True]
    assert viewer.dims.ndisplay == 2
    assert dock.current is result
    assert dock.diffraction.text() == "Show result"
    dock.diffraction.click()
    assert [layer for layer in viewer.layers if layer.visible] == [result.layer("isosurface")]
    assert dock.diffraction.text() == "Show diffraction"
    assert {str(unit) for unit in viewer.layers.extent.units} == {"nanometer"}


def test_beside_the_diffraction_the_view_s_buttons_speak_of_it_and_frame_it(dock, session, viewer, scan):
    assert not dock.flat.isEnabled(), "there is nothing to see"
    session.add_scan(scan)
    session.add_result(make_reconstruction())
    assert (dock.flat.text(), dock.home.text()) == ("Slices (2-D)", "Frame crystal")
    session.show_diffraction()
    assert (dock.flat.text(), dock.home.text()) == ("Diffraction (3-D)", "Frame diffraction")
    dock.flat.click()
    assert viewer.dims.ndisplay == 3
    middle = [(n - 1) / 2 for n in scan.shape]
    np.testing.assert_allclose(compat.camera(viewer).center, middle)
    compat.camera(viewer).center = (0, 0, 0)
    dock.home.click()
    np.testing.assert_allclose(compat.camera(viewer).center, middle)


def test_a_result_chosen_beside_the_diffraction_takes_its_place(dock, session, viewer):
    session.add_scan(make_scan())
    first = session.add_result(make_reconstruction())
    second = session.add_result(make_reconstruction())
    dock.diffraction.click()
    dock.result.setCurrentIndex(0)
    dock.result.activated.emit(0)
    assert [layer for layer in viewer.layers if layer.visible] == [first.layer("isosurface")]
    dock.diffraction.click()
    dock.diffraction.click()
    assert [layer for layer in viewer.layers if layer.visible] == [first.layer("isosurface")]
    dock.diffraction.click()
    for layer in second.layers:
        viewer.layers.remove(layer)
    assert [layers.SCAN in layer.metadata for layer in viewer.layers if layer.visible] == [True]


def test_saving(dock, result, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(display_dock, "show_info", said.append)
    monkeypatch.setattr(display_dock, "show_error", said.append)
    monkeypatch.setattr(
        display_dock.QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "saved.cxi"), "")
    )
    dock.save.click()
    assert "saved.cxi" in said[0]
    np.testing.assert_array_equal(formats.read(tmp_path / "saved.cxi").object, result.reconstruction.object)
    monkeypatch.setattr(display_dock.QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "x.tif"), ""))
    dock.save.click()
    assert "cxi" in said[1]


def test_a_result_that_cannot_be_saved_is_still_there_to_be_saved_elsewhere(
    dock, result, viewer, tmp_path, monkeypatch
):
    errors, infos, places = [], [], iter([tmp_path / "full.cxi", tmp_path / "elsewhere.cxi"])
    monkeypatch.setattr(display_dock, "show_info", infos.append)
    monkeypatch.setattr(display_dock, "show_error", errors.append)
    monkeypatch.setattr(display_dock.QFileDialog, "getSaveFileName", lambda *_: (str(next(places)), ""))
    (tmp_path / "full.cxi").write_bytes(b"precious")
    shown, found = list(viewer.layers), result.reconstruction.object.copy()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        dock.save.click()
    assert errors == [
        f"{tmp_path / 'full.cxi'} cannot be written ({os.strerror(errno.ENOSPC)}); "
        "make room there, or choose another place."
    ]
    assert dock.not_saved.text() == errors[0]
    assert infos == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"full.cxi": b"precious"}
    assert dock.current is result
    assert list(viewer.layers) == shown
    assert dock.save.isEnabled()
    dock.save.click()
    assert "elsewhere.cxi" in infos[0]
    assert dock.not_saved.text() == ""
    np.testing.assert_array_equal(formats.read(tmp_path / "elsewhere.cxi").object, found)


def test_a_closed_dock_hears_no_more(qtbot, viewer, session):
    dock = DisplayDock(viewer)
    result = session.add_result(make_reconstruction())
    with qtbot.waitSignal(dock.destroyed, timeout=120_000):
        dock.deleteLater()
    del dock
    gc.collect()
    session.add_result(make_reconstruction("second"))
    viewer.dims.ndisplay = 2
    viewer.layers.clear()
    assert not result.alive


def test_a_result_of_another_program_gets_its_geometry_here(dock, session, viewer, qtbot):
    """No scan is open, and nobody knows the pixel of the peak: the detector's angles are those of the peak."""
    result = session.add_result(make_reconstruction(nm=False))
    assert not dock.placing.isHidden()
    assert result.quantities.unit == "pixel"
    given = replace(GEOMETRY, direct_beam_pixel=None)
    lines = dock.placing.form.lines
    dock.placing.form.beamline.setCurrentText("ID01")
    for name in ("energy_kev", "distance_m", "rocking_step_deg", "sample_angles_deg", "detector_angles_deg"):
        value = getattr(given, name)
        lines[name].setText(", ".join(map(str, value)) if isinstance(value, tuple) else str(value))
    lines["energy_kev"].editingFinished.emit()
    assert "lacks Pixel size" in dock.placing.note.text()
    lines["pixel_size_um"].setText("55")
    lines["pixel_size_um"].editingFinished.emit()
    qtbot.waitUntil(lambda: result.quantities.unit == "nm", timeout=120_000)
    # λ D / (N p) along the detector: 0.13776 nm × 0.5 m / (24 × 55 µm)
    assert result.reconstruction.voxel_size_nm[2] == pytest.approx(52.2, rel=0.02)
    qtbot.waitUntil(lambda: not session._queue._works, timeout=120_000)
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"nanometer"}
    assert "displacement" in result.offered
    qtbot.waitUntil(lambda: dock.placing.note.text() == "", timeout=120_000)
    dock.placing.peak.choose("twelve")
    assert "no pixel" in dock.placing.note.text()


def test_axes_and_sign_of_another_programs_array_are_said_here(dock, session, qtbot):
    given = make_reconstruction(nm=False)
    file = given.object
    result = session.add_result(given)
    placing = dock.placing
    placing.axes.setCurrentText("2, 0, 1")
    placing.axes.activated.emit(placing.axes.currentIndex())
    qtbot.waitUntil(lambda: "2,0,1" in " ".join(result.reconstruction.notes), timeout=120_000)
    # what rocks is the last axis of the file's array, rows are its first
    np.testing.assert_array_equal(result.reconstruction.object, np.moveaxis(file, -1, 0))
    session.mark_result(result, True, "the good one")
    placing.conjugated.click()
    qtbot.waitUntil(lambda: "Conjugated" in " ".join(result.reconstruction.notes), timeout=120_000)
    np.testing.assert_array_equal(result.reconstruction.object, np.moveaxis(file, -1, 0).conj())
    assert result.reconstruction.remark == "the good one"
    # it may be said anew, and after a geometry, which then is that of the array as it is said to be
    session.place_result(result, replace(GEOMETRY, direct_beam_pixel=None))
    qtbot.waitUntil(lambda: result.unit == "nm", timeout=120_000)
    placing.follow()
    assert not placing.axes.isHidden()
    placing.axes.setCurrentText("1, 2, 0")
    placing.axes.activated.emit(placing.axes.currentIndex())
    qtbot.waitUntil(lambda: "1,2,0" in " ".join(result.reconstruction.notes), timeout=120_000)
    now = result.reconstruction
    np.testing.assert_array_equal(now.object, np.moveaxis(file, 0, -1).conj())
    assert (now.geometry is not None, now.scan_geometry.energy_kev) == (True, GEOMETRY.energy_kev)
    assert not any("2,0,1" in note for note in now.notes)
    placing.conjugated.click()
    placing.axes.setCurrentText("0, 1, 2")
    placing.axes.activated.emit(placing.axes.currentIndex())
    qtbot.waitUntil(lambda: np.array_equal(result.reconstruction.object, file), timeout=120_000)
    assert not any("as was said" in note for note in result.reconstruction.notes)


def test_what_is_typed_of_a_result_s_geometry_is_there_again_with_the_result(qtbot, viewer, session):
    one, other = (session.add_result(make_reconstruction(name, nm=False)) for name in ("one", "other"))
    for which in ("dock", "another dock"):
        dock = DisplayDock(viewer)
        lines = dock.placing.form.lines
        if which == "dock":
            QTest.keyClicks(lines["energy_kev"], "9.5")
            QTest.keyClicks(dock.placing.peak, "11, 12")
            QTest.keyClick(dock.placing.peak, Qt.Key.Key_Return)
            assert "lacks" in dock.placing.note.text()
        for result, said in ((one, ("", "")), (other, ("9.5", "11, 12"))):
            dock.result.setCurrentIndex(session.results.index(result))
            dock.result.activated.emit(dock.result.currentIndex())
            session.side_changed.emit()  # and whatever else is done meanwhile
            assert (lines["energy_kev"].text(), dock.placing.peak.text()) == said
        assert dock.placing.note.text(), "it is not used yet"
        with qtbot.waitSignal(dock.destroyed, timeout=120_000):
            dock.deleteLater()


def test_where_the_scan_is_here_its_geometry_is_the_result_s(dock, session, scan):
    session.add_scan(scan)
    session.add_result(replace(make_reconstruction(nm=False), peak=(12.0, 12.0, 12.0)))
    assert dock.placing.isHidden()


def test_the_axes_of_what_says_them_itself_are_not_asked_for(dock, session):
    session.add_result(make_reconstruction())  # on a grid of the laboratory
    assert not dock.placing.isHidden()
    assert dock.placing.axes.isHidden()
    assert dock.placing.conjugated.isHidden()


def test_the_panel_follows_a_result_that_is_shown_by_a_key(dock, session, qtbot):
    first, second = (session.add_result(make_reconstruction(name)) for name in ("first", "second"))
    assert dock.current is second
    commands.step(session, -1)
    qtbot.waitUntil(lambda: session.extras.shown.result is first)
    assert dock.current is first
    dock.threshold.setValue(0.4)
    qtbot.waitUntil(lambda: first.threshold == 0.4)
    assert second.threshold != 0.4

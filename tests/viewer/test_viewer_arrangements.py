"""What is said of the axes and the sign of another program's array lasts as long as the result does, wherever it goes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from viewer_doubles import GEOMETRY, make_reconstruction

from napari_autophase import formats
from napari_autophase.viewer import sessions
from napari_autophase.viewer.docks.display_dock import DisplayDock
from napari_autophase.viewer.model.result.arrangements import Arrangement
from napari_autophase.viewer.model.session import Session

TURNED = Arrangement((2, 0, 1), True)
OF_THE_PEAK = replace(GEOMETRY, direct_beam_pixel=None)


def another_programs():
    """A result whose axes differ, so that none can be taken for another."""
    found = make_reconstruction(nm=False)
    part = np.s_[:, :20, :16]
    return replace(found, object=found.object[part].copy(), support=found.support[part].copy())


@pytest.fixture
def at_once(viewer):
    """A session that does all at once."""
    session = Session(viewer)
    sessions.keep(session)
    return session


@pytest.fixture
def result(at_once):
    return at_once.add_result(another_programs())


@pytest.fixture
def slow(viewer):
    """A session that draws when it is told to: what it has been asked for, the newest of each task."""
    asked = {}

    class Tasks:
        def start(self, task, work, *arguments, done, failed):
            asked[task] = work, arguments, done, failed

    class Background:
        def tasks(self):
            return Tasks()

        def soon(self, call):
            call()

    def draw():
        for work, arguments, done, failed in [asked.pop(task) for task in list(asked)]:
            try:
                value = work(*arguments)
            except Exception as error:
                failed(error)
            else:
                done(value)

    session = Session(viewer, Background())
    sessions.keep(session)
    return session, draw


def says(session, result):
    return session.arrangement_of(result)


def object_of(result):
    return result.reconstruction.object


def test_a_result_that_was_deleted_comes_back_with_what_was_said_of_its_array(at_once, viewer, result):
    file = object_of(result)
    at_once.arrange_result(result, TURNED)
    for layer in result.layers:
        viewer.layers.remove(layer)
    at_once.deleted.bring_back()
    (back,) = at_once.results
    assert says(at_once, back) == TURNED
    at_once.arrange_result(back, Arrangement())
    np.testing.assert_array_equal(object_of(back), file)
    assert not any("as was said" in note for note in back.reconstruction.notes)


@pytest.mark.parametrize("geometry", [None, OF_THE_PEAK])
def test_what_was_said_of_an_array_is_in_the_file_too(at_once, result, tmp_path, geometry):
    file = object_of(result)
    at_once.arrange_result(result, TURNED)
    at_once.place_result(result, geometry)
    result.reconstruction.save(tmp_path / "said.cxi")
    again = at_once.add_result(formats.read_reconstruction(tmp_path / "said.cxi"))
    np.testing.assert_array_equal(object_of(again), np.moveaxis(file, -1, 0).conj())
    assert says(at_once, again) == TURNED
    at_once.arrange_result(again, Arrangement((2, 0, 1)))
    np.testing.assert_array_equal(object_of(again), np.moveaxis(file, -1, 0))
    assert [note for note in again.reconstruction.notes if "as was said" in note] == [
        "The axes of the file's array are taken in the order 2,0,1, as was said."
    ]


@pytest.mark.parametrize("order", [(2, 0), (0, 0, 1), (0, 1, 3), ([0], [1], [2]), ()])
def test_what_is_no_order_in_a_file_counts_as_nothing_said(order):
    found = replace(another_programs(), metadata={"arranged": {"order": list(order)}})
    assert Arrangement.of(found) == Arrangement()


def test_a_geometry_that_is_given_while_the_axes_are_turned_is_that_of_the_turned_array(slow):
    session, draw = slow
    result = session.add_result(another_programs())
    file = object_of(result)
    session.arrange_result(result, TURNED)
    session.place_result(result, OF_THE_PEAK)
    draw()
    np.testing.assert_array_equal(object_of(result), np.moveaxis(file, -1, 0).conj())
    # λ D / (N p), N = 20 columns after turning: 0.13776 nm × 0.5 m / (20 × 55 µm)
    assert result.reconstruction.voxel_size_nm[2] == pytest.approx(62.6, rel=0.02)


def test_axes_that_are_turned_while_a_geometry_is_taken_keep_it(slow):
    session, draw = slow
    result = session.add_result(another_programs())
    session.place_result(result, OF_THE_PEAK)
    session.arrange_result(result, TURNED)
    draw()
    assert says(session, result) == TURNED
    assert result.reconstruction.scan_geometry == OF_THE_PEAK


@pytest.fixture
def dock(qtbot, viewer, at_once):
    dock = DisplayDock(viewer)
    qtbot.addWidget(dock)
    return dock


def turn(dock, order):
    dock.placing.axes.setCurrentText(order)
    dock.placing.axes.activated.emit(dock.placing.axes.currentIndex())


WITH_BEAM = replace(GEOMETRY, direct_beam_pixel=(100.0, 60.0))


def test_the_peak_that_was_said_is_known_wherever_the_axes_are_turned(
    qtbot, viewer, at_once, result, tmp_path
):
    """In another panel, and in what was saved: nobody is asked for it again."""
    at_once.place_result(result, WITH_BEAM, (33.0, 44.5))
    result.reconstruction.save(tmp_path / "placed.cxi")
    for found in (None, formats.read_reconstruction(tmp_path / "placed.cxi")):
        if found is not None:
            result = at_once.add_result(found)
        dock = DisplayDock(viewer)
        qtbot.addWidget(dock)
        assert dock.placing.peak.path == "33, 44.5"
        turn(dock, "2, 0, 1")
        assert dock.placing.note.text() == ""
        assert says(at_once, result).order == (2, 0, 1)
        # the peak is in the middle of 24 × 20 pixels now, and the direct beam as far from it as it was
        beam = result.reconstruction.geometry.direct_beam_pixel
        assert beam == pytest.approx((100 - 33 + 12, 60 - 44.5 + 10))


def test_frames_that_were_summed_stay_so_where_a_geometry_is_corrected(at_once, result):
    from napari_autophase.placement import placed

    before = placed(result.reconstruction, WITH_BEAM, peak=(33.0, 44.5), binning=(2, 1, 3))
    other = at_once.add_result(before)
    at_once.place_result(other, replace(WITH_BEAM, distance_m=1.0), (33.0, 44.5))
    np.testing.assert_allclose(other.reconstruction.geometry.pixel_size_um, (55, 165))
    assert other.reconstruction.geometry.rocking_step_deg == pytest.approx(0.04)
    at_once.arrange_result(other, TURNED)
    np.testing.assert_allclose(other.reconstruction.geometry.pixel_size_um, (55, 165))


def test_what_is_refused_is_not_said_of_the_array(dock, at_once, result, monkeypatch):
    monkeypatch.setattr("napari_autophase.viewer.docks.result_geometry.show_error", lambda text: None)
    monkeypatch.setattr(
        "napari_autophase.placement.arranged", lambda *_: (_ for _ in ()).throw(MemoryError("full"))
    )
    turn(dock, "2, 0, 1")
    assert "full" in dock.placing.note.text()
    assert says(at_once, result) == Arrangement()
    assert dock.placing.axes.currentText() == "0, 1, 2"

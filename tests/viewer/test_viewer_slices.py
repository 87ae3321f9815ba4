"""Three linked slices: what they show, where they meet, and how sharp the crystal ends."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget
from scipy import ndimage
from viewer_doubles import make_reconstruction

from napari_autophase.viewer.docks.slices_dock import SlicesDock, open_slices
from napari_autophase.viewer.model.crystal.mesh import Cut
from napari_autophase.viewer.model.result.sections import ACROSS, Sections


def marked(nm=True):
    """A box of one amplitude whose phase grows along x, with one corner missing, so that every direction shows."""
    made = make_reconstruction(nm=nm)
    object = np.abs(made.object).astype(np.complex64)
    object *= np.exp(0.3j * np.arange(24)[None, None, :] ** 2 / 24)
    object[6:9, 6:9, 6:9] = 0
    return replace(made, object=object, support=object != 0)


@pytest.fixture
def result(session):
    return session.add_result(marked())


@pytest.fixture
def dock(session, viewer, qtbot):
    dock = SlicesDock(viewer)
    qtbot.addWidget(dock)
    dock.resize(1200, 300)
    return dock


def test_slices_go_through_the_point_and_are_turned_as_the_crystal_is_drawn(result):
    sections = Sections(result)
    inside = result.quantities.support
    for axis in range(3):
        right, up = ACROSS[axis]
        sections.point = sections.middle
        wanted = inside.take(sections.point[axis], axis)
        left = [each for each in range(3) if each != axis]
        wanted = wanted.transpose(left.index(up), left.index(right))[::-1]  # up is up
        drawn = sections.slice(axis).rgba[..., 3] > 0
        np.testing.assert_array_equal(
            drawn[drawn.any(1)][:, drawn.any(0)], wanted[wanted.any(1)][:, wanted.any(0)]
        )
        around = np.subtract(drawn.shape, drawn[drawn.any(1)][:, drawn.any(0)].shape)
        assert set(around) <= {4, 5, 6}, "two voxels, and one where the grid goes on"


def test_colours_are_those_of_the_isosurface(result):
    sections = Sections(result)
    found = sections.slice(0).rgba
    z, y, x = sections.point
    layer = result.layer("isosurface")
    low, high = layer.contrast_limits
    value = (result.quantities.phase[z, y, x] - low) / (high - low)
    wanted = 255 * np.asarray(layer.colormap.map(np.array([value])))[0]
    right, down = sections.cross(0)
    drawn = found[int(down * found.shape[0]), int(right * found.shape[1])]
    np.testing.assert_allclose(drawn, wanted, atol=1.5)
    layer.contrast_limits = (-0.1, 0.1)
    assert (Sections(result).slice(0).rgba != found).any(), "a person's own limits are used"


def test_where_a_person_points_is_where_the_slices_meet(result):
    sections = Sections(result)
    for axis in range(3):
        for right, down in ((0.21, 0.8), (0.0, 0.0), (1.0, 1.0)):
            sections.point_at(axis, right, down)
            rows, columns = sections.slice(axis).rgba.shape[:2]
            x, y = sections.cross(axis)
            assert x == pytest.approx(right, abs=1 / columns)
            assert y == pytest.approx(down, abs=1 / rows)


def test_what_stands_there_is_said_in_nm(result):
    sections = Sections(result)
    edge = result.quantities.voxel_size[0]
    sections.go_to((2.2 * edge, -1.8 * edge, edge))
    assert sections.place == pytest.approx((2 * edge, -2 * edge, edge))
    phase = result.quantities.phase[sections.point]
    where = f"({2 * edge:.0f}, {-2 * edge:.0f}, {edge:.0f})"
    assert sections.words() == f"phase {phase:.2f} rad, amplitude 1.00, at (z, y, x) = {where} nm"
    sections.go((0, 0, 0))
    assert sections.words().startswith("outside the crystal")


def test_without_geometry_rows_run_down_and_lengths_are_in_voxels(session):
    result = session.add_result(marked(nm=False))
    sections = Sections(result)
    sections.point_at(0, 0.9, 0.1)
    assert sections.point[1] < sections.middle[1], "what is above comes first"
    assert sections.words().endswith("voxels")


def test_the_width_of_an_edge_is_that_of_the_blur(session):
    """A box blurred by a Gaussian of σ along x: its edges rise from a tenth to nine tenths within 2.563 σ."""
    made = make_reconstruction(size=48)
    amplitude = ndimage.gaussian_filter1d(np.abs(made.object), 2.0, axis=0)
    result = session.add_result(
        replace(made, object=amplitude.astype(np.complex64), support=amplitude > 0.02)
    )
    sections = Sections(result)
    before, after = sections.line(2).edges
    for edge in (before, after):
        assert edge.width == pytest.approx(2.563 * 2.0 * 5.0, rel=0.08)
    assert after.place - before.place == pytest.approx(24 * 5.0, rel=0.02)
    assert sections.edge_words(2).startswith("edges 2")


def test_a_press_in_a_slice_moves_the_others(dock, session, qtbot):
    assert not dock.empty.isHidden()
    result = session.add_result(marked())
    dock.show()
    assert dock.empty.isHidden()
    before = dock.sections.point
    area = dock.views[0].area
    at = QPoint(round(area.left() + 0.3 * area.width()), round(area.top() + 0.2 * area.height()))
    qtbot.mousePress(dock.views[0], Qt.MouseButton.LeftButton, pos=at)
    assert dock.sections.point[0] == before[0]
    assert dock.sections.cross(0) == pytest.approx((0.3, 0.2), abs=0.05)
    assert dock.here.text() == dock.sections.words()
    dock.views[1].stepped.emit(1)
    dock.views[2].home.emit()
    assert dock.sections.point == dock.sections.middle
    assert dock.sections.result is result


def test_the_panel_follows_the_threshold_the_colours_and_the_result(dock, session):
    first = session.add_result(marked())
    drawn = []
    dock.views[0].show_picture = lambda rgba, *_: drawn.append(rgba)
    first.set_threshold(0.4)
    assert len(drawn) == 1
    first.set_colour_by("strain")
    assert dock.sections.words().startswith("strain")
    assert "strain" in dock.here.text()
    second = session.add_result(make_reconstruction("other"))
    assert dock.sections.result is second
    np.testing.assert_array_equal(drawn[-1], Sections(second).slice(0).rgba)
    session.show_result(first)
    assert dock.sections.result is first


def test_a_click_on_the_isosurface_goes_there_and_a_drag_does_not(dock, session, viewer):
    result = session.add_result(marked())
    surface = result.layer("isosurface")
    face = 10
    corner = surface.vertices[surface.faces[face]].mean(axis=0) + surface.translate

    class Event:
        type, position = "mouse_press", (0.0, 0.0, 0.0)
        view_direction, dims_displayed = (1.0, 0.0, 0.0), [0, 1, 2]

    surface.get_value = lambda *_, **__: (0.1, face)
    work = dock._pick(surface, Event)
    next(work)
    Event.type, Event.position = "mouse_move", (5.0, 0.0, 0.0)
    list(work)
    assert dock.sections.point == dock.sections.middle
    Event.type, Event.position = "mouse_press", tuple(corner - (200.0, 0.0, 0.0))
    work = dock._pick(surface, Event)
    next(work)
    Event.type = "mouse_release"
    list(work)
    np.testing.assert_allclose(dock.sections.place, corner, atol=4)


def test_in_a_narrow_low_dock_all_words_are_there(dock, session, qtbot):
    session.add_result(marked())
    dock.show()
    qtbot.waitExposed(dock)
    for _ in range(5):  # what is least hangs on the width that there is
        dock.resize(dock.minimumSizeHint())
        QApplication.processEvents()
    assert dock.height() <= 200, "as where many docks are on top of each other"
    for note in (dock.here, dock.edges):
        assert note.width() >= 100
        assert note.height() >= note.heightForWidth(note.width())
        assert note.geometry().top() > dock.profile.geometry().bottom()


def test_a_click_on_the_face_of_a_cut_goes_to_the_voxel_that_was_clicked(dock, session, viewer):
    result = session.add_result(make_reconstruction())  # 12 × 12 × 12 voxels of 5, 6 and 7 nm
    result.set_clipping(Cut((1.0, 0.0, 0.0), 0.0))
    surface, steps = result.layer("isosurface"), np.array(result.quantities.voxel_size)

    class Event:
        type, view_direction, dims_displayed = "mouse_press", (-1.0, 0.0, 0.0), [0, 1, 2]

    for y, x in np.random.default_rng(0).uniform(-4.0, 4.0, (30, 2)):
        Event.type, Event.position = "mouse_press", (500.0, y * steps[1], x * steps[2])
        work = dock._pick(surface, Event)
        next(work)
        Event.type = "mouse_release"
        list(work)
        assert dock.sections.place[1:] == pytest.approx((round(y) * steps[1], round(x) * steps[2]))


def test_a_closed_panel_hears_no_more(session, viewer, qtbot):
    result = session.add_result(marked())
    dock = SlicesDock(viewer)
    surface = result.layer("isosurface")
    assert dock._pick in surface.mouse_drag_callbacks
    with qtbot.waitSignal(dock.destroyed):
        dock.deleteLater()
    assert not [each for each in surface.mouse_drag_callbacks if getattr(each, "__self__", None) is dock]
    result.set_threshold(0.5)
    viewer.layers.clear()


@pytest.mark.parametrize("room", [900, 20])
def test_the_panel_opens_where_it_does_not_make_the_window_higher(viewer, session, qtbot, room):
    session.add_result(marked())
    outside, placed = QMainWindow(), {}
    qtbot.addWidget(outside)
    middle = QWidget()
    middle.setMinimumHeight(300)
    outside.setCentralWidget(middle)
    outside.resize(1200, 300 + room)

    class Placed:
        def raise_(self):
            placed["front"] = True

    def add(panel, **where):
        placed.update(where, panel=panel)
        return Placed()

    object.__setattr__(viewer, "window", SimpleNamespace(_qt_window=outside, add_dock_widget=add))
    open_slices(viewer)
    qtbot.addWidget(placed["panel"])
    assert placed["area"] == ("bottom" if room == 900 else "right")
    if room == 20:
        assert placed["tabify"]
        assert placed["front"]
        narrow = placed["panel"].minimumSizeHint()
        assert narrow.width() < SlicesDock(viewer).minimumSizeHint().width()

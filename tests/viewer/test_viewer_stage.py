"""The diffraction and the results take turns on the stage: what is hidden, what stays, which unit is told."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points, Shapes
from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import QApplication, QMainWindow, QVBoxLayout, QWidget
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.viewer.docks.display_dock import DisplayDock
from napari_autophase.viewer.model import commands
from napari_autophase.viewer.model.canvas import compat
from napari_autophase.viewer.model.stage import layers
from napari_autophase.viewer.model.stage.stage import Stage
from napari_autophase.viewer.sessions import session_of

CORNERS = np.array([[0, 0, 0], [0, 9, 0], [0, 9, 9], [0, 0, 9]], float)
FOREIGN = {
    "points": lambda: Points(CORNERS),
    "labels": lambda: Labels(np.ones((10, 12, 14), int)),
    "image": lambda: Image(np.ones((10, 12, 14))),
    "shapes": lambda: Shapes([CORNERS]),
}


def state(viewer):
    """All that going to the diffraction and back must leave as it was."""
    camera = compat.camera(viewer)
    return {
        "layers": list(viewer.layers),
        "visible": [layer.visible for layer in viewer.layers],
        "selected": set(viewer.layers.selection),
        "ndisplay": viewer.dims.ndisplay,
        "point": viewer.dims.point,
        "range": viewer.dims.range,
        "order": viewer.dims.order,
        "axes": viewer.dims.axis_labels,
        "camera": (camera.center, camera.zoom, camera.angles, camera.orientation),
        "units": units(viewer),
    }


def units(viewer):
    found = viewer.layers.extent.units
    return None if found is None else {str(unit) for unit in found}


def look_around(viewer, ndisplay):
    """Leave the viewer as a person might: turned, moved, in another slice, with two layers selected."""
    viewer.dims.ndisplay = ndisplay
    viewer.dims.point = (7.0, -12.0, 5.0)
    camera = compat.camera(viewer)
    camera.angles, camera.zoom, camera.center = (11.0, 22.0, 33.0), 3.21, (4.0, 5.0, 6.0)
    viewer.layers.selection = {viewer.layers[-1], viewer.layers[0]}


@pytest.mark.parametrize("ndisplay", [2, 3])
@pytest.mark.parametrize(("count", "foreign"), [*((1, each) for each in (None, *FOREIGN)), (3, "points")])
def test_going_to_the_diffraction_and_back_leaves_the_view_as_it_was(
    viewer, session, scan, foreign, ndisplay, count
):
    session.add_scan(scan)
    for _ in range(count):
        result = session.add_result(make_reconstruction())
    if foreign is not None:
        viewer.add_layer(FOREIGN[foreign]())
    look_around(viewer, ndisplay)
    before = state(viewer)
    session.show_diffraction()
    assert viewer.dims.ndisplay == 2
    assert viewer.layers["crystal"].visible
    assert not any(layer.visible for result in session.results for layer in result.layers)
    assert viewer.layers.selection.active is viewer.layers["crystal"]
    session.show_result()
    after = state(viewer)
    assert after == before
    assert result.shown


def test_the_diffraction_has_a_view_of_its_own(viewer, session, scan):
    session.add_scan(scan)
    viewer.dims.point = (3.0, 4.0, 5.0)
    compat.camera(viewer).zoom = 7.5
    before = state(viewer)
    session.add_result(make_reconstruction(size=40))
    look_around(viewer, 3)
    session.show_diffraction()
    after = state(viewer)
    for what in ("ndisplay", "point", "range", "camera", "selected", "axes"):
        assert after[what] == before[what], what


def test_a_volume_shown_beside_the_crystal_comes_back_with_it(viewer, session, scan):
    session.add_scan(scan)
    first = session.add_result(make_reconstruction())
    viewer.dims.ndisplay = 2  # which makes slices
    viewer.dims.ndisplay = 3
    session.add_result(make_reconstruction())
    first.layer("slices").visible = True
    before = state(viewer)
    session.show_diffraction()
    session.show_result()
    assert state(viewer) == before


@pytest.mark.parametrize("foreign", [None, *FOREIGN])
def test_lengths_are_told_in_nm_beside_any_layer_and_never_on_the_diffraction(viewer, session, scan, foreign):
    session.add_scan(scan)
    assert units(viewer) == {"pixel"}
    other = None if foreign is None else viewer.add_layer(FOREIGN[foreign]())
    session.add_result(make_reconstruction())
    assert units(viewer) == {"nanometer"}
    assert viewer.dims.axis_labels == ("z", "y", "x")
    session.add_result(make_reconstruction())
    viewer.add_layer(Points(CORNERS))
    assert units(viewer) == {"nanometer"}
    session.show_diffraction()
    assert units(viewer) == {"pixel"}
    assert viewer.dims.axis_labels == ("frame", "row", "col")
    assert other is None or {str(unit) for unit in other.units} == {"pixel"}
    session.show_result()
    assert units(viewer) == {"nanometer"}


def test_the_unit_follows_the_eyes_of_the_layer_list(viewer, session, scan):
    session.add_scan(scan)
    result = session.add_result(make_reconstruction())
    viewer.layers["crystal"].visible = True
    assert units(viewer) == {"pixel"}
    viewer.layers["crystal"].visible = False
    assert units(viewer) == {"nanometer"}
    result.layer("isosurface").visible = False
    assert units(viewer) == {"pixel"}


def test_results_with_and_without_lengths(viewer, session):
    lengths = session.add_result(make_reconstruction())
    voxels = session.add_result(make_reconstruction(nm=False))
    assert units(viewer) == {"voxel"}
    assert viewer.dims.axis_labels == ("0", "1", "2")
    session.show_result(lengths)
    assert units(viewer) == {"nanometer"}
    session.show_result(voxels)
    assert units(viewer) == {"voxel"}


def test_a_crystal_in_voxels_after_one_in_nm_fills_the_canvas_too(viewer, session):
    """Where the camera stays as it was for nanometres, a crystal of 12 voxels is a speck."""
    session.add_result(make_reconstruction())
    near = compat.camera(viewer).zoom
    session.add_result(make_reconstruction(nm=False))
    assert compat.camera(viewer).zoom > 3 * near
    session.show_result(session.results[0])
    assert compat.camera(viewer).zoom == pytest.approx(near, rel=1e-6)
    compat.camera(viewer).zoom = 2 * near
    session.add_result(make_reconstruction())
    assert compat.camera(viewer).zoom == 2 * near, "of the same unit: the view is left"


def test_what_the_colours_mean_stands_above_whatever_is_seen(viewer, session, scan):
    text = compat.text(viewer)
    session.add_scan(scan)
    assert (text.visible, text.text) == (True, "crystal   log₁₀(1 + counts)")
    viewer.layers["crystal"].name = "S0054"
    assert text.text == "S0054   log₁₀(1 + counts)"
    result = session.add_result(make_reconstruction())
    assert "phase (rad)" in text.text
    session.show_diffraction()
    assert text.text == "S0054   log₁₀(1 + counts)"
    session.show_result()
    assert "phase (rad)" in text.text
    viewer.layers.clear()
    assert not result.alive
    assert not text.visible, "nothing is seen"


def test_units_that_a_person_gave_are_kept(viewer, session, scan):
    session.add_scan(scan)
    micrometres = viewer.add_layer(Points(CORNERS, units=("um",) * 3))
    session.add_result(make_reconstruction())
    time = viewer.add_layer(Image(np.ones((2, 4, 5, 6)), units=("s", "pixel", "pixel", "pixel")))
    assert [str(unit) for unit in micrometres.units] == ["micrometer"] * 3
    assert [str(unit) for unit in time.units] == ["second"] + ["nanometer"] * 3
    time.units = ("s", "mm", "mm", "mm")
    session.show_diffraction()
    assert [str(unit) for unit in micrometres.units] == ["micrometer"] * 3
    assert [str(unit) for unit in time.units] == ["second"] + ["millimeter"] * 3


def test_sliders_reach_over_what_is_seen(viewer, session):
    scan = make_scan(size=32)
    session.add_scan(scan)
    result = session.add_result(make_reconstruction(size=40))
    viewer.dims.ndisplay = 2
    n, step = result.quantities.amplitude.shape[0], result.quantities.voxel_size[0]
    low, high, _ = viewer.dims.range[0]
    assert low == pytest.approx(-(n // 2) * step)
    assert high == pytest.approx((n - 1 - n // 2) * step)
    assert viewer.dims.range[0].step == pytest.approx(step), "a step is a voxel"
    session.show_diffraction()
    assert viewer.dims.range[0] == (0, 31, 1)
    viewer.add_layer(Points(100 * CORNERS))
    assert viewer.dims.range[1] == (0, 900, 1), "other people's layers count"
    session.show_result()
    session.add_result(make_reconstruction(size=40))
    assert viewer.dims.range[0].start == pytest.approx(-(n // 2) * step)


@pytest.mark.parametrize("turned_away", [False, True])
def test_a_scan_of_another_shape_is_faced_anew_and_one_alike_keeps_the_frame(viewer, session, turned_away):
    small, large = make_scan("small", size=16), make_scan("large", size=48)
    like = make_scan("like", size=48, seed=1)
    for each in (small, large, like):
        session.add_scan(each)
    viewer.dims.set_point(0, 40)
    if turned_away:
        session.add_result(make_reconstruction())

    def choose(scan):
        session.choose(scan)
        if turned_away:
            session.show_diffraction()

    choose(large)
    assert (viewer.dims.point[0], viewer.dims.range[0].stop) == (40, 47)
    far = compat.camera(viewer).zoom
    if turned_away:
        session.show_result()
    choose(small)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["small"]
    assert viewer.dims.range[0] == (0, 15, 1), "there are no frames beyond its own"
    assert viewer.dims.point[0] == 8, "the box's peak is in the middle"
    assert compat.camera(viewer).zoom > 2 * far, "it fills the canvas"
    assert viewer.layers.selection == {session.scan_layer}


def test_what_is_seen_is_selected_not_what_is_hidden(viewer, session):
    """napari's controls, and its status line, are of what is selected."""
    results = [session.add_result(make_reconstruction()) for _ in range(2)]
    for result in (*results, *results):
        session.show_result(result)
        assert viewer.layers.selection == {result.layer("isosurface")}
    mine = viewer.add_layer(Points(CORNERS, visible=False))
    viewer.layers.selection = {mine}
    session.show_result(results[0])
    assert viewer.layers.selection == {mine}, "a person's own choice stays"


@pytest.mark.parametrize("by", ["the panel", "the key"])
def test_the_diffraction_of_a_result_is_that_of_its_own_scan(viewer, session, qtbot, by):
    if by == "the panel":
        qtbot.addWidget(dock := DisplayDock(viewer))
        toggle = dock.diffraction.click
    else:

        def toggle():
            commands.toggle_diffraction(session)

    one, other = make_scan("one"), make_scan("other")
    session.add_scan(one)
    session.add_scan(other)
    for name in ("one", "other"):
        session.add_result(make_reconstruction(name))
    for result, scan in zip(session.results, (one, other), strict=True):
        session.show_result(result)
        toggle()
        assert [layer.name for layer in viewer.layers if layer.visible] == [scan.name]
        assert session.current is scan, "what is seen is what would be phased"
    session.show_result(session.add_result(make_reconstruction("of another day")))
    session.choose(one)
    toggle()
    assert [layer.name for layer in viewer.layers if layer.visible] == ["one"], "its own is not here"


def test_other_people_s_layers_are_neither_hidden_nor_shown(viewer, session, scan):
    seen, hidden = viewer.add_layer(Points(CORNERS)), viewer.add_layer(Labels(np.ones((4, 5, 6), int)))
    hidden.visible = False
    session.add_scan(scan)
    session.add_result(make_reconstruction())
    for step in (session.show_diffraction, session.show_result):
        step()
        assert (seen.visible, hidden.visible) == (True, False)


def test_two_viewers_have_two_stages(scan):
    first, second = ViewerModel(), ViewerModel()
    for each in (first, second):
        session_of(each).add_scan(scan)
        session_of(each).add_result(make_reconstruction())
    session_of(first).show_diffraction()
    assert units(first) == {"pixel"}
    assert units(second) == {"nanometer"}
    assert second.dims.ndisplay == 3


@pytest.mark.parametrize(("size", "framed"), [(26, False), (48, True), (12, True)])
def test_a_crystal_of_another_size_is_framed_and_one_alike_is_seen_as_before(viewer, session, size, framed):
    session.add_result(make_reconstruction(size=24))
    camera = compat.camera(viewer)
    camera.zoom, camera.angles = 1.25, (10.0, 20.0, 30.0)
    before = camera.zoom, camera.angles
    other = session.add_result(make_reconstruction("other", size=size))
    assert ((camera.zoom, camera.angles) != before) == framed
    sides = [high - low for low, high in (other.extent(axis) for axis in range(3))]
    if framed:  # it fills the canvas, and is whole
        assert 0.4 < camera.zoom * max(sides) / min(compat.canvas_size(viewer)) < 1


def test_once_a_result_is_deleted_what_is_seen_is_selected(qtbot, viewer, session, scan):
    first = session.add_result(make_reconstruction("one"))
    session.add_scan(scan)
    second = session.add_result(make_reconstruction("two"))
    viewer.layers.selection = set(second.layers)
    QTimer.singleShot(0, viewer.layers.remove_selected)  # while Qt's loop runs, as in a window
    qtbot.waitUntil(lambda: set(viewer.layers.selection) == {first.seen_layer})


def test_a_stage_goes_with_its_viewer_and_a_deleted_layer_with_its_data(scan):
    def use(delete):
        viewer = ViewerModel()
        session = session_of(viewer)
        session.add_scan(scan)
        result = session.add_result(make_reconstruction())
        session.show_diffraction()
        layer = weakref.ref(result.layer("isosurface"))
        gone = [layer, weakref.ref(result), weakref.ref(Stage.of(viewer)), weakref.ref(viewer)]
        if delete:
            for each in result.layers:
                viewer.layers.remove(each)
        return gone, viewer if delete else None

    (layer, result, stage, _), viewer = use(delete=True)
    gc.collect()
    assert layer() is None
    assert result() is None
    assert stage() is Stage.of(viewer)
    gone, _ = use(delete=False)
    gc.collect()
    assert [ref() is None for ref in gone] == [True] * 4


def test_a_copy_of_the_diffraction_is_hidden_with_it(viewer, session, scan):
    session.add_scan(scan)
    data, options, kind = viewer.layers[0].as_layer_data_tuple()
    viewer.add_layer(Layer.create(data, {**options, "name": "copy"}, kind))
    session.add_result(make_reconstruction())
    assert [layer.name for layer in viewer.layers if layer.visible] == ["crystal · 1 isosurface"]
    assert layers.SCAN in viewer.layers["copy"].metadata
    assert [each.name for each in session.scans] == ["crystal", "copy"], "it can be reconstructed too"


class Canvas(QWidget):
    """A canvas that counts how often it is to be drawn; `blocked` says by how many it is kept from it."""

    def __init__(self):
        super().__init__()
        self.blocked = self.updates = 0
        self.resize(300, 200)

    def block(self):
        self.blocked += 1

    def unblock(self):
        self.blocked -= 1

    def update(self):
        self.updates += 1


def test_the_canvas_stays_as_it_was_drawn_and_is_drawn_again_whichever_change_of_two_ends_first(qtbot):
    canvas = Canvas()
    qtbot.addWidget(canvas)
    shown = SimpleNamespace(native=canvas, _scene_canvas=SimpleNamespace(events=SimpleNamespace(draw=canvas)))
    viewer = SimpleNamespace(window=SimpleNamespace(_qt_viewer=SimpleNamespace(canvas=shown)))
    first, second = compat.drawn_at_the_end(viewer), compat.drawn_at_the_end(viewer)
    first.__enter__()
    canvas.resize(300, 240)  # a slider went
    assert (canvas.size(), canvas.updatesEnabled()) == (QSize(300, 200), True)  # Qt shows what was drawn
    second.__enter__()
    first.__exit__(None, None, None)
    assert canvas.blocked == 1
    second.__exit__(None, None, None)
    assert canvas.blocked == 0
    assert canvas.updates
    canvas.resize(300, 240)
    assert canvas.size() == QSize(300, 240)


def test_a_window_does_not_grow_by_the_sliders_that_come_while_nothing_is_drawn(qtbot):
    window, canvas, slider = QMainWindow(), Canvas(), QWidget()
    middle = QWidget()
    window.setCentralWidget(middle)
    column = QVBoxLayout(middle)
    column.addWidget(canvas, 1)
    column.addWidget(slider)
    slider.setFixedHeight(22)
    slider.hide()
    qtbot.addWidget(window)
    window.resize(300, 200)
    window.show()
    QApplication.processEvents()
    shown = SimpleNamespace(native=canvas, _scene_canvas=SimpleNamespace(events=SimpleNamespace(draw=canvas)))
    viewer = SimpleNamespace(window=SimpleNamespace(_qt_viewer=SimpleNamespace(canvas=shown)))
    with compat.drawn_at_the_end(viewer):
        slider.show()
        QApplication.processEvents()
    QApplication.processEvents()
    assert window.height() == 200
    assert canvas.height() < 180, "it has made room"
    canvas.setMinimumSize(500, 10)
    qtbot.waitUntil(lambda: window.width() >= 500)  # as before, it is as wide as what it holds needs


class Scene:
    """A canvas of napari's that counts how often it arranges what it draws."""

    def __init__(self, viewer):
        self._pause_scene_graph, self.arranged, self.cleaned = False, 0, 0
        for event in (viewer.layers.events.reordered, viewer.layers.events.inserted):
            event.connect(self._update_scenegraph)
        viewer.layers.events.removed.connect(self._clean_and_update_scenegraph)
        viewer.layers.events.inserted.connect(
            lambda e: e.value.events.visible.connect(self._update_scenegraph)
        )

    def _update_scenegraph(self, event=None):
        self.arranged += not self._pause_scene_graph

    def _clean_and_update_scenegraph(self, event=None):
        self.cleaned += not self._pause_scene_graph


@pytest.fixture
def scene(viewer):
    """The viewer with a canvas that counts, and the canvas."""
    canvas = Scene(viewer)
    window = SimpleNamespace(_qt_viewer=SimpleNamespace(canvas=canvas))
    return SimpleNamespace(layers=viewer.layers, canvas=viewer.canvas, window=window), canvas


def test_the_scene_is_arranged_once_for_all_that_changes_in_it(viewer, scene):
    seen, canvas = scene
    one, other, third = (viewer.add_image(np.zeros((4, 4, 4))) for _ in range(3))
    canvas.arranged = 0
    with compat.arranged_once(seen):
        one.visible = other.visible = False
        with compat.arranged_once(seen):  # which the outer one does
            viewer.layers.move(0, 3)
        viewer.add_image(np.zeros((4, 4, 4)))
    assert (canvas.arranged, canvas.cleaned) == (1, 0)
    with compat.arranged_once(seen):
        one.visible = True
        one.visible = False
    assert canvas.arranged == 1, "nothing is another than before"
    with compat.arranged_once(seen):
        viewer.layers.remove(third)
    assert (canvas.arranged, canvas.cleaned) == (1, 1), "what it had on the graphics card is freed"
    with suppress(RuntimeError), compat.arranged_once(seen):
        one.visible = True
        raise RuntimeError
    assert (canvas.arranged, canvas._pause_scene_graph) == (2, False)
